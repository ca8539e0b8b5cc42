//! The command line: every command with its options, help and examples.
//!
//! Does not know what the commands do.

use std::path::PathBuf;

use clap::{ArgMatches, Args, FromArgMatches, Id, Parser, Subcommand};
use ironwright_core::settings::knob::Language;

use crate::commands::{
    advise, apply, at_once, bench, build, completions, doctor, emit, generations, govern, history,
    impact, init, inventory, man, pgo, plan, probe, profile, realise, replay, report, run, schema,
    settings, simulate, switch, top, trial, unit, verify,
};

/// Measures this machine, derives every build setting from it and runs builds that fit.
#[derive(Debug, Parser)]
#[command(
    name = "ironwright",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        ironwright probe                         what this machine is\n  \
        ironwright settings --explain cargo-build-jobs\n  \
        ironwright build crate:ripgrep@14.1.1    build a real package within the machine's means\n  \
        ironwright run -- make                   run any build command with derived settings\n\n\
        Exit codes: 0 done, 1 a check found something, 2 wrong usage, 3 wrong profile, 4 an input or\n\
        output failed; `run` and `build` pass on the exit code of what they ran."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) host: HostArgs,
    #[command(flatten)]
    pub(crate) color: ColorArgs,
}

/// Which host is meant, and what is overridden.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Host")]
pub(crate) struct HostArgs {
    /// Profile file to use instead of the one found for this host.
    #[arg(long, global = true, value_name = "FILE", env = "IRONWRIGHT_PROFILE")]
    pub(crate) profile: Option<PathBuf>,
    /// Ignore every profile file.
    #[arg(long, global = true, conflicts_with = "profile")]
    pub(crate) no_profile: bool,
    /// Read the machine from a recorded tree (DIR/proc, DIR/sys, …) instead of this one.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Override a knob or a fact about the host; may be given several times.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// When to colour the output.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ColorArgs {
    /// When to use colour; `NO_COLOR` is respected too.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorWhen,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ColorWhen {
    Auto,
    Always,
    Never,
}

impl ColorArgs {
    /// Makes the choice known to everything that prints.
    pub(crate) fn write_global(self) {
        let choice = match self.color {
            ColorWhen::Auto => anstream::ColorChoice::Auto,
            ColorWhen::Always => anstream::ColorChoice::Always,
            ColorWhen::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// The commands, each with the first line of its help.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what this machine is, with the place each fact was read.
    Probe(Later<probe::ProbeArgs>),
    /// Show, check or import the hardware profile.
    Profile(Later<profile::ProfileArgs>),
    /// Show every build setting and why it has its value.
    Settings(Later<settings::SettingsArgs>),
    /// Run a command with the derived settings, a jobserver and a watch on memory.
    Run(Later<run::RunArgs>),
    /// Build packages within the machine's means.
    Build(Later<build::BuildArgs>),
    /// Compare commands: which is faster, by how much, and how sure that is.
    Bench(Later<Box<bench::BenchArgs>>),
    /// Build a program with a profile of what it does: instrument, train, merge, use, and judge.
    Pgo(Later<Box<pgo::PgoArgs>>),
    /// Recommend settings that change what is built: gain, cost, confidence, and what to measure next.
    Advise(Later<advise::AdviseArgs>),
    /// Try settings on a package: build it with each alone and together, measure, and say what pays.
    Trial(Later<Box<trial::TrialArgs>>),
    /// Apply what was measured to pay, as a new generation of settings.
    Apply(Later<apply::ApplyArgs>),
    /// Make an earlier generation of settings hold again, at once.
    Rollback(Later<apply::RollbackArgs>),
    /// List the generations of settings that were applied, show one, or compare two.
    Generations(Later<generations::GenerationsArgs>),
    /// Write a workspace manifest of the projects in a directory.
    Init(Later<init::InitArgs>),
    /// List what is compiled and what comes prebuilt, by language.
    Inventory(Later<inventory::InventoryArgs>),
    /// Say what a build will take, what may run together, how long it takes and what can go wrong.
    Plan(Later<plan::PlanArgs>),
    /// Say what overlays would cost: what they change, what is built anew, how long that takes.
    Impact(Later<impact::ImpactArgs>),
    /// Build a configuration of home-manager or NixOS under the governor, and activate it.
    Switch(Later<switch::SwitchArgs>),
    /// Run a command as one unit: it starts when there is memory and a processor for it.
    Unit(Later<unit::UnitArgs>),
    /// Govern the builds of this user: let compilers start when there is memory for them.
    Govern(Later<govern::GovernArgs>),
    /// Write the settings where a tool reads them.
    Emit(Later<emit::EmitArgs>),
    /// Say what is missing on this machine and how to get it.
    Doctor(Later<doctor::DoctorArgs>),
    /// List past runs, show and compare them, and keep the history in order.
    History(Later<history::HistoryArgs>),
    /// Watch what the governor does: memory, threads, what runs, what waits and why.
    Top(Later<top::TopArgs>),
    /// Watch a past run as it was under the governor.
    Replay(Later<replay::ReplayArgs>),
    /// Show how a run went: estimates against reality, what waited for what, memory over time.
    Report(Later<report::ReportArgs>),
    /// Simulate how long a workload takes under the governor and under fixed rules.
    Simulate(Later<simulate::SimulateArgs>),
    /// Say what binaries really contain: instruction sets, compiler, linker, LTO, PGO, hardening.
    Verify(Later<verify::VerifyArgs>),
    /// Print the JSON schema of an output.
    Schema(Later<schema::SchemaArgs>),
    /// Print a shell's completions.
    Completions(Later<completions::CompletionsArgs>),
    /// Print the manual page, or write the pages of all commands.
    Man(Later<man::ManArgs>),
    /// Carry out a plan of `ironwright build`.
    #[command(hide = true)]
    Realise(Later<realise::RealiseArgs>),
    /// Run the commands of a directory at a time, and keep what they print there.
    #[command(hide = true)]
    AtOnce(Later<at_once::AtOnceArgs>),
}

/// A command whose options and help are put together when it is called: all of them together take longer than
/// most commands do.
#[derive(Debug)]
pub(crate) struct Later<T>(pub(crate) T);

impl<T: Args> Args for Later<T> {
    fn group_id() -> Option<Id> {
        T::group_id()
    }

    fn augment_args(command: clap::Command) -> clap::Command {
        command.defer(|command| before_shared(command, T::augment_args))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command.defer(|command| before_shared(command, T::augment_args_for_update))
    }
}

/// Adds a command's own options before those that all share: in this order the help lists them.
fn before_shared(
    command: clap::Command,
    augment: impl FnOnce(clap::Command) -> clap::Command,
) -> clap::Command {
    let shared: Vec<Id> = command.get_arguments().map(|one| one.get_id().clone()).collect();
    // To change an option puts it behind the others.
    shared.iter().fold(augment(command), |command, id| command.mut_arg(id, |option| option))
}

impl<T: FromArgMatches> FromArgMatches for Later<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// Reads a language's name.
pub(crate) fn parse_language(text: &str) -> Result<Language, String> {
    Language::ALL.iter().copied().find(|language| language.name() == text).ok_or_else(|| {
        let names: Vec<_> = Language::ALL.iter().map(|language| language.name()).collect();
        format!("the languages are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_list_of_commands_says_what_the_help_of_each_begins_with() {
        let (listed, mut whole) = (Cli::command(), Cli::command());
        whole.build();
        for command in listed.get_subcommands() {
            let own = whole.find_subcommand(command.get_name());
            let own = own.and_then(clap::Command::get_about).map(ToString::to_string);
            assert_eq!(command.get_about().map(ToString::to_string), own);
        }
    }
}
