//! `ironwright`: the command line over the library crates.
//!
//! Does not decide anything; it parses, calls and renders.

mod args;
mod cache;
mod clock;
mod closures;
mod commands;
mod context;
mod decisions;
mod error;
mod estimate;
mod execute;
mod governance;
mod link;
mod nix;
mod patience;
mod progress;
mod recording;
mod report;
mod sources;
mod summary;
mod table;
mod top;
mod ui;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    if governance::is_called_as_launcher() {
        ironwright_launcher::main(std::env::args_os())
    }
    let cli = args::Cli::parse();
    cli.color.write_global();
    match commands::dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => error.report(),
    }
}
