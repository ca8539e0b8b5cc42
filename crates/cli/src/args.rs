//! The command line: every command with its options, help and examples.
//!
//! Does not know what the commands do.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
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

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what this machine is, with the place each fact was read.
    Probe(probe::ProbeArgs),
    /// Show or check the hardware profile.
    Profile(profile::ProfileArgs),
    /// Show every build setting and why it has its value.
    Settings(settings::SettingsArgs),
    /// Run a command with the derived settings, a jobserver and a watch on memory.
    Run(run::RunArgs),
    /// Build packages within the machine's means.
    Build(build::BuildArgs),
    /// Compare commands: which is faster, by how much, and how sure that is.
    Bench(Box<bench::BenchArgs>),
    /// Build a program with a profile of what it does: instrument, train, merge, use, and judge.
    Pgo(Box<pgo::PgoArgs>),
    /// Recommend settings that change what is built: gain, cost, confidence, and what to measure next.
    Advise(advise::AdviseArgs),
    /// Try settings on a package: build with each, measure, and say what pays and what harms.
    Trial(Box<trial::TrialArgs>),
    /// Apply what was measured to pay, as a new generation of settings.
    Apply(apply::ApplyArgs),
    /// Make an earlier generation of settings hold again, at once.
    Rollback(apply::RollbackArgs),
    /// List the generations of settings that were applied, show one, or compare two.
    Generations(generations::GenerationsArgs),
    /// Write a workspace manifest of the projects in a directory.
    Init(init::InitArgs),
    /// List what is compiled and what comes prebuilt, by language.
    Inventory(inventory::InventoryArgs),
    /// Say what a build will take, what may run together, how long it takes and what can go wrong.
    Plan(plan::PlanArgs),
    /// Say what overlays would cost: what they change, what is built anew, how long that takes.
    Impact(impact::ImpactArgs),
    /// Build a configuration of home-manager or NixOS under the governor, and activate it.
    Switch(switch::SwitchArgs),
    /// Run a command as one unit: it starts when there is memory for it.
    Unit(unit::UnitArgs),
    /// Govern this user's builds; the other commands start it when it is needed.
    Govern(govern::GovernArgs),
    /// Write the settings where a tool reads them.
    Emit(emit::EmitArgs),
    /// Say what is missing on this machine and how to get it.
    Doctor(doctor::DoctorArgs),
    /// List past runs, show and compare them, and keep the history in order.
    History(history::HistoryArgs),
    /// Watch what the governor does: memory, threads, what runs, what waits and why.
    ///
    /// Shows the memory that builds may take and take, every running, paused and waiting unit with what
    /// it waits for, every run with its progress, and how pressure developed. A time left is a lower
    /// bound: units that have not asked yet are not known. Where standard output is no terminal, one
    /// frame is printed as text.
    Top(top::TopArgs),
    /// Watch a past run as it was under the governor.
    ///
    /// Shows the events that the history kept of a run in the view of `ironwright top`. Where standard
    /// output is no terminal, the frame of one moment is printed as text.
    Replay(replay::ReplayArgs),
    /// Show how a run went: estimates against reality, what waited for what, memory over time.
    ///
    /// Everything is derived from what the history kept: the figures of the run and of its units, and
    /// the events of the governor. What was not kept is said to be unknown.
    Report(report::ReportArgs),
    /// Simulate how long a workload takes under the governor and under fixed rules.
    Simulate(simulate::SimulateArgs),
    /// Say what binaries really contain: instruction sets, compiler, linker, LTO, PGO, hardening.
    ///
    /// Decodes the code function by function, and tells what a program needs from what it merely
    /// contains behind run-time dispatch (ifunc, multiversioned functions, questions to cpuid). What
    /// cannot be decided is called unknown. Reads ELF files, objects, archives (.a, .rlib), directories
    /// and store paths.
    Verify(verify::VerifyArgs),
    /// Print the JSON schema of an output.
    Schema(schema::SchemaArgs),
    /// Print a shell's completions.
    Completions(completions::CompletionsArgs),
    /// Print or write the manual pages.
    Man(man::ManArgs),
    /// Carry out a plan of `build`; started by it.
    #[command(hide = true)]
    Realise(realise::RealiseArgs),
    /// Run several commands at a time; started by `impact`.
    #[command(hide = true)]
    AtOnce(at_once::AtOnceArgs),
}

/// Reads a language's name.
pub(crate) fn parse_language(text: &str) -> Result<Language, String> {
    Language::ALL.iter().copied().find(|language| language.name() == text).ok_or_else(|| {
        let names: Vec<_> = Language::ALL.iter().map(|language| language.name()).collect();
        format!("the languages are {}", names.join(", "))
    })
}
