//! Benchmarks of the governor: batches in a memory group beside peers, what governing costs, and
//! how fast the simulator is.
//!
//! Every goal is printed with what was measured. Does not know why a figure is what it is.

pub(crate) mod burn;
pub(crate) mod group;
mod mixed;
mod oracle;
mod overhead;
mod real;
mod shuffle;
mod simulator;
mod sources;
pub(crate) mod world;

use std::cell::RefCell;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};

use crate::{install, print};

/// What is measured, and how often.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Of the governor: measure only this part; all when absent.
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Of the governor: orders in which a batch is shuffled.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Of the governor: of the mixed batches only `sleeping` or `cpu-bound`.
    #[arg(long)]
    mix: Option<String>,
    /// Of the real batch: jobs of cargo, make and go to compare with (`2,2,2`), without the smallest group.
    #[arg(long, value_parser = jobs)]
    jobs: Option<real::Jobs>,
    /// Of the governor: leave the peers out, to look again at the governor alone.
    #[arg(long)]
    no_peers: bool,
    /// Of the governor: fail when a goal is missed.
    #[arg(long)]
    strict: bool,
    /// Of Nix: measure only `builds`, `overhead`, or the builds whose name begins so (`own`, `nix-j1`).
    #[arg(long)]
    of_nix: Option<String>,
}

impl Options {
    /// The part of the Nix bench that is wanted.
    pub(crate) fn of_nix(&self) -> Option<&str> {
        self.of_nix.as_deref()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Small jobs of known size, in every order, beside make and an oracle.
    Mixed,
    /// Three real builds at once, beside fixed numbers of jobs.
    Real,
    /// What the launcher and the governor cost.
    Overhead,
    /// A large simulation.
    Simulator,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    install::release()?;
    let goals = Goals::default();
    let wanted = |part| options.part.is_empty() || options.part.contains(&part);
    print(&format!("load before: {}", load()));
    if wanted(Part::Mixed) {
        mixed::run(options.seeds, !options.no_peers, options.mix.as_deref(), &goals)?;
    }
    if wanted(Part::Real) {
        real::run(!options.no_peers, options.jobs, &goals)?;
    }
    if wanted(Part::Overhead) {
        overhead::run(&goals)?;
    }
    if wanted(Part::Simulator) {
        simulator::run(&goals)?;
    }
    let missed = goals.tell();
    if options.strict && missed > 0 {
        bail!("{missed} goals were missed");
    }
    Ok(())
}

fn jobs(text: &str) -> Result<real::Jobs> {
    let numbers = text.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    numbers.try_into().map_err(|_| anyhow!("expected three numbers, as in 2,2,2"))
}

/// How busy others keep the machine: a busy one makes every figure worse.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// What was to be reached, and what was.
#[derive(Debug, Default)]
pub(crate) struct Goals(RefCell<Vec<(String, bool)>>);

impl Goals {
    /// Notes a figure that is to be at most so large.
    pub(crate) fn at_most(&self, what: &str, measured: f64, goal: f64) {
        let met = measured <= goal;
        self.note(format!("{what}: {measured:.3} (at most {goal})"), met);
    }

    /// Notes a figure that is to be at least so large.
    pub(super) fn at_least(&self, what: &str, measured: f64, goal: f64) {
        let met = measured >= goal;
        self.note(format!("{what}: {measured:.3} (at least {goal})"), met);
    }

    fn note(&self, line: String, met: bool) {
        print(&format!("  {line}"));
        self.0.borrow_mut().push((line, met));
    }

    /// Prints all; returns how many were missed.
    pub(crate) fn tell(&self) -> usize {
        let lines = self.0.borrow();
        print("\ngoals");
        for (line, met) in lines.iter() {
            print(&format!("  {}  {line}", if *met { "met   " } else { "MISSED" }));
        }
        lines.iter().filter(|(_, met)| !met).count()
    }
}
