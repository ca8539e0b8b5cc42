//! `ironwright unit`.
//!
//! Does not know when the command may start; it becomes the launcher, which asks.

use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use ironwright_core::units::Bytes;

use crate::{governance, ui};

/// Run a command as one unit: it starts when there is memory and a processor for it.
///
/// For what no compiler launcher reaches: a recipe of a Makefile, a test binary, a script. How much it
/// took is remembered under its name, or its command line. It may be stopped for a while, or killed
/// and run again, when memory runs short: use `--no-retry` for what must not run twice. Its exit
/// code is passed on.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright unit -- python3 generate.py\n  ironwright unit --name big-test --memory 1GiB -- ./tests/big\n  ironwright unit --no-retry -- ./upload.sh"
)]
pub(crate) struct UnitArgs {
    /// Name under which its memory is remembered.
    #[arg(long, value_name = "KEY")]
    name: Option<String>,
    /// Memory that it needs.
    #[arg(long, value_name = "SIZE")]
    memory: Option<Bytes>,
    /// Never kill it and run it again.
    #[arg(long)]
    no_retry: bool,
    /// The command and its arguments.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<std::ffi::OsString>,
}

pub(crate) fn run(args: &UnitArgs) -> u8 {
    let mut command = launched(args);
    let program = command.get_program().to_os_string();
    let error = command.exec();
    ui::error(&format!("{}: {error}", program.display()));
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    if missing { 127 } else { 126 }
}

/// The launcher with the command, or the command alone where there is no launcher.
fn launched(args: &UnitArgs) -> Command {
    let Some(launcher) = governance::launcher() else {
        ui::warn("there is no launcher: the command runs ungoverned");
        return plain(args);
    };
    if let Err(error) = governance::ensure(|_| {}) {
        ui::warn(&format!("{error}; the command runs ungoverned"));
    }
    let mut command = Command::new(launcher);
    command.arg0(governance::LAUNCHER);
    command.arg("--unit");
    if let Some(name) = &args.name {
        command.args(["--name", name]);
    }
    if let Some(memory) = args.memory {
        command.args(["--memory", &memory.0.to_string()]);
    }
    if args.no_retry {
        command.arg("--no-retry");
    }
    command.arg("--").args(&args.command);
    command
}

fn plain(args: &UnitArgs) -> Command {
    let mut words = args.command.iter();
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words);
    command
}
