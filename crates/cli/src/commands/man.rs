//! `ironwright man`.
//!
//! Does not know where manual pages are installed.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man;
use ironwright_host::files::replace;

use crate::args::Cli;
use crate::error::CliError;
use crate::ui;

/// Print the manual page, or write the pages of all commands.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright man | man -l -\n  ironwright man ~/.local/share/man/man1"
)]
pub(crate) struct ManArgs {
    /// Directory to write one page for each command to.
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs) -> Result<u8, CliError> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = &args.dir else {
        ui::print(&String::from_utf8_lossy(&page(command)?))?;
        return Ok(0);
    };
    let subcommands: Vec<_> =
        command.get_subcommands().filter(|c| c.get_name() != "help").cloned().collect();
    for subcommand in subcommands {
        let name = format!("ironwright-{}", subcommand.get_name());
        let named = subcommand.display_name(name.clone());
        write(dir.join(format!("{name}.1")), &page(named)?)?;
    }
    write(dir.join("ironwright.1"), &page(command)?)?;
    Ok(0)
}

fn page(command: clap::Command) -> Result<Vec<u8>, CliError> {
    let mut roff = Vec::new();
    Man::new(command).render(&mut roff).map_err(CliError::Output)?;
    Ok(roff)
}

fn write(path: PathBuf, bytes: &[u8]) -> Result<(), CliError> {
    replace(&path, bytes).map_err(|error| CliError::Write { path, error })
}
