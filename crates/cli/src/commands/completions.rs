//! `ironwright completions`.
//!
//! Does not know where a shell keeps its completions.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::error::CliError;
use crate::ui;

/// Print a shell's completions.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright completions bash > ~/.local/share/bash-completion/completions/ironwright\n  ironwright completions fish > ~/.config/fish/completions/ironwright.fish"
)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ironwright", &mut script);
    ui::print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
