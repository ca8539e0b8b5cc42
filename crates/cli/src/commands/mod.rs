//! One file a command: its arguments, whose doc comments are the help, and its function.
//!
//! Does not know how errors become exit codes.

pub(crate) mod advise;
pub(crate) mod apply;
pub(crate) mod at_once;
pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod emit;
mod emit_nix;
pub(crate) mod generations;
pub(crate) mod govern;
pub(crate) mod history;
pub(crate) mod impact;
pub(crate) mod init;
pub(crate) mod inventory;
pub(crate) mod man;
pub(crate) mod pgo;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod profile;
mod profile_import;
pub(crate) mod realise;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod settings;
pub(crate) mod simulate;
pub(crate) mod switch;
pub(crate) mod top;
pub(crate) mod trial;
pub(crate) mod unit;
pub(crate) mod verify;

use crate::args::{Cli, Command, Later};
use crate::error::CliError;

/// Runs a command and gives the exit code of its success.
pub(crate) fn dispatch(cli: Cli) -> Result<u8, CliError> {
    let host = &cli.host;
    match cli.command {
        Command::Probe(Later(args)) => probe::run(&args, host),
        Command::Profile(Later(args)) => profile::run(&args, host),
        Command::Settings(Later(args)) => settings::run(&args, host),
        Command::Run(Later(args)) => run::run(&args, host),
        Command::Build(Later(args)) => build::run(&args, host),
        Command::Advise(Later(args)) => advise::run(&args, host),
        Command::Apply(Later(args)) => apply::run(&args, host),
        Command::Rollback(Later(args)) => apply::rollback(&args),
        Command::Generations(Later(args)) => generations::run(&args),
        Command::Bench(Later(args)) => bench::run(&args, host),
        Command::Trial(Later(args)) => trial::run(&args, host),
        Command::Pgo(Later(args)) => pgo::run(&args, host),
        Command::Init(Later(args)) => init::run(&args),
        Command::Inventory(Later(args)) => inventory::run(&args),
        Command::Plan(Later(args)) => plan::run(&args, host),
        Command::Impact(Later(args)) => impact::run(&args, host),
        Command::Switch(Later(args)) => switch::run(&args, host),
        Command::Emit(Later(args)) => emit::run(&args, host),
        Command::Doctor(Later(args)) => doctor::run(&args, host),
        Command::History(Later(args)) => history::run(&args),
        Command::Unit(Later(args)) => Ok(unit::run(&args)),
        Command::Govern(Later(args)) => govern::run(&args, host),
        Command::Top(Later(args)) => top::run(&args),
        Command::Replay(Later(args)) => replay::run(&args),
        Command::Report(Later(args)) => report::run(&args),
        Command::Simulate(Later(args)) => simulate::run(&args, host),
        Command::Verify(Later(args)) => verify::run(&args, host),
        Command::Schema(Later(args)) => schema::run(&args),
        Command::Completions(Later(args)) => completions::run(&args),
        Command::Man(Later(args)) => man::run(&args),
        Command::Realise(Later(args)) => realise::run(&args),
        Command::AtOnce(Later(args)) => at_once::run(&args),
    }
}
