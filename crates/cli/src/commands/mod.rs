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

use crate::args::{Cli, Command};
use crate::error::CliError;

/// Runs a command and gives the exit code of its success.
pub(crate) fn dispatch(cli: Cli) -> Result<u8, CliError> {
    let host = &cli.host;
    match cli.command {
        Command::Probe(args) => probe::run(&args, host),
        Command::Profile(args) => profile::run(&args, host),
        Command::Settings(args) => settings::run(&args, host),
        Command::Run(args) => run::run(&args, host),
        Command::Build(args) => build::run(&args, host),
        Command::Advise(args) => advise::run(&args, host),
        Command::Apply(args) => apply::run(&args, host),
        Command::Rollback(args) => apply::rollback(&args),
        Command::Generations(args) => generations::run(&args),
        Command::Bench(args) => bench::run(&args, host),
        Command::Trial(args) => trial::run(&args, host),
        Command::Pgo(args) => pgo::run(&args, host),
        Command::Init(args) => init::run(&args),
        Command::Inventory(args) => inventory::run(&args),
        Command::Plan(args) => plan::run(&args, host),
        Command::Impact(args) => impact::run(&args, host),
        Command::Switch(args) => switch::run(&args, host),
        Command::Emit(args) => emit::run(&args, host),
        Command::Doctor(args) => doctor::run(&args, host),
        Command::History(args) => history::run(&args),
        Command::Unit(args) => Ok(unit::run(&args)),
        Command::Govern(args) => govern::run(&args, host),
        Command::Top(args) => top::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Simulate(args) => simulate::run(&args, host),
        Command::Verify(args) => verify::run(&args, host),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Realise(args) => realise::run(&args),
        Command::AtOnce(args) => at_once::run(&args),
    }
}
