//! How a run went: what was expected against what came, and what happened when.
//!
//! A [`Report`] is derived from stored facts each time it is shown. Times count from the run's start.
//! Does not know where facts are kept, nor how a report is drawn.

mod accuracy;
mod batch;
mod join;
mod life;
mod memory;
mod range;
mod slots;
mod unit;
mod waits;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Serialize;

pub use accuracy::{Accuracy, Times};
pub use batch::Batch;
pub use memory::{MOST_POINTS, MemoryPoint};
pub use range::{Earlier, Judged, Ranges, Unjudged, language_of};
pub use unit::{Attempt, Behind, Doing, Estimate, Span, UnitReport};
pub use waits::{HeldUp, WaitSum};

use crate::observe::cache::CacheUse;
use crate::observe::unit::{UnitOutcome, UnitRecord};
use crate::observe::{DiskUse, Overrun, RunFacts, Summary, summarise};
use crate::units::Bytes;
use crate::view::Note;

/// Units that a list of the slowest or largest names at most.
pub const MOST_NAMED: usize = 10;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It goes on.
    Running,
    /// It ended, and its facts are complete.
    Finished,
    /// Its process died before it could say how it ended.
    Lost,
}

/// What a report is derived from.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The run's number in the history.
    pub number: i64,
    /// Where it stands.
    pub standing: Standing,
    /// Its facts.
    pub facts: &'a RunFacts,
    /// Its units.
    pub units: &'a [UnitRecord],
    /// What happened in it and around it, in the order of time.
    pub notes: &'a [Note],
    /// Runs before it that did the same or built another version of it, newest first, as `plan` takes
    /// them.
    pub earlier: &'a [Earlier],
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// Its number in the history.
    pub run: i64,
    /// Where it stands.
    pub standing: Standing,
    /// What was built, or the command.
    pub what: String,
    /// The package that was built.
    pub package: Option<String>,
    /// Host name.
    pub host: Option<String>,
    /// Version of the program that ran it.
    pub ironwright: String,
    /// Start, microseconds since 1970.
    pub started_unix_us: i64,
    /// Microseconds from its start to the last that is known of it.
    pub span_us: u64,
    /// Hardware threads that it could use.
    pub threads: u32,
    /// Memory that it could use.
    pub budget: Bytes,
    /// Figures of the whole run.
    pub summary: Summary,
    /// Whether somebody governed it.
    pub governed: bool,
    /// What became of its units.
    pub counts: Counts,
    /// The limit that it was ended for.
    pub overran: Option<Overrun>,
    /// Disk space that it took.
    pub disk: Option<DiskUse>,
    /// Its figures within the ranges that were predicted from the runs before it.
    pub ranges: Option<Ranges>,
    /// Why there are no ranges.
    pub unjudged: Option<Unjudged>,
    /// Reserved memory and expected times against what units took.
    pub accuracy: Accuracy,
    /// What units waited for, the longest first.
    pub waits: Vec<WaitSum>,
    /// Units that others waited behind, the longest first.
    pub held_up: Vec<HeldUp>,
    /// Units that took longest, as places in `units`.
    pub slowest: Vec<usize>,
    /// Units that took most memory, as places in `units`.
    pub largest: Vec<usize>,
    /// What happened to units besides starting and ending, in the order of time.
    pub incidents: Vec<Incident>,
    /// Hits of the compiler cache; absent when nothing was kept of it.
    pub cache: Option<CacheUse>,
    /// Memory over time.
    pub memory: Vec<MemoryPoint>,
    /// Where memory over time comes from.
    pub memory_from: MemoryFrom,
    /// Units in the order in which they asked.
    pub units: Vec<UnitReport>,
}

/// What became of the units of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Units.
    pub units: usize,
    /// Ended by themselves with exit code 0.
    pub succeeded: usize,
    /// Ended in another way, and were not run again.
    pub failed: usize,
    /// Had not ended when the run's account ends.
    pub open: usize,
    /// Times that a unit was run again.
    pub retries: usize,
    /// Times that the governor paused one.
    pub pauses: usize,
    /// Times that the governor killed one to make room.
    pub evictions: usize,
    /// Times that the kernel killed one for want of memory.
    pub kernel_kills: usize,
    /// Microseconds that units waited, added up.
    pub waited_us: u64,
    /// Microseconds that units were paused, added up.
    pub paused_us: u64,
    /// Processor microseconds of attempts that were run again, and so were lost.
    pub lost_cpu_us: u64,
    /// Most units that had processes at the same time.
    pub slots: usize,
}

/// Something that happened to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Incident {
    /// Microseconds since the run's start.
    pub at_us: u64,
    /// Which unit, as a place in `units`.
    pub unit: usize,
    /// What.
    pub what: IncidentKind,
}

/// What can happen to a unit.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    serde::Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentKind {
    /// Its processes were stopped.
    Paused,
    /// The governor killed it, to run it again when there is room.
    Evicted,
    /// The kernel killed it because memory was short.
    KilledByKernel,
    /// It ended by itself, and not well.
    Failed,
}

/// Where figures of memory over time come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryFrom {
    /// The governor's looks at the units.
    Governor,
    /// Samples of the run's process tree.
    ProcessTree,
    /// Nothing was kept.
    Nowhere,
}

impl IncidentKind {
    /// What happened, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Evicted => "evicted",
            Self::KilledByKernel => "killed by the kernel",
            Self::Failed => "failed",
        }
    }
}

/// What follows from the facts.
pub fn derive(given: &Given<'_>) -> Report {
    let facts = given.facts;
    let zero_us = facts.started_unix_ns.div_euclid(1000);
    let (mut units, ended_us) = life::live(given, zero_us);
    join::join(&mut units, given.units, zero_us);
    let summary = summarise(facts);
    let slots = slots::assign(&mut units);
    for unit in &mut units {
        unit.sum_up();
    }
    let held_up = waits::attribute(&mut units);
    let (memory, memory_from) = memory::over_time(given, &units, zero_us);
    let wall_us = u64::try_from(summary.wall.as_micros()).unwrap_or(u64::MAX);
    let last_us = units.iter().filter_map(UnitReport::last_us).max().unwrap_or(0);
    let own_end = if wall_us > 0 { wall_us } else { ended_us };
    let mut counts = counts(&units);
    counts.slots = slots;
    let judged = range::judge(given, &summary);
    Report {
        run: given.number,
        standing: given.standing,
        what: what(facts),
        package: facts.package.clone(),
        host: facts.host.clone(),
        ironwright: facts.ironwright.clone(),
        started_unix_us: zero_us,
        span_us: own_end.max(last_us),
        threads: facts.threads,
        budget: facts.budget,
        overran: facts.overran(),
        disk: facts.disk,
        unjudged: judged.as_ref().err().copied(),
        ranges: judged.ok(),
        summary,
        governed: facts.governed.is_some(),
        counts,
        accuracy: accuracy::accuracy(&units),
        waits: waits::sums(&units),
        held_up,
        slowest: most(&units, |unit| unit.ran_us),
        largest: most(&units, |unit| unit.peak.unwrap_or_default().0),
        incidents: incidents(&units),
        cache: facts.compiler_cache.clone(),
        memory,
        memory_from,
        units,
    }
}

/// What was built, or the last command.
fn what(facts: &RunFacts) -> String {
    let command = || facts.steps.last().map(|step| step.argv.join(" "));
    facts.source.clone().or_else(command).unwrap_or_else(|| "a run".to_owned())
}

fn counts(units: &[UnitReport]) -> Counts {
    let mut counts = Counts { units: units.len(), ..Counts::default() };
    for unit in units {
        match unit.outcome {
            Some(UnitOutcome::Succeeded) => counts.succeeded += 1,
            Some(_) => counts.failed += 1,
            None => counts.open += 1,
        }
        counts.retries += unit.attempts.len().saturating_sub(1);
        counts.waited_us = counts.waited_us.saturating_add(unit.waited_us);
        counts.paused_us = counts.paused_us.saturating_add(unit.paused_us);
        counts.lost_cpu_us = counts.lost_cpu_us.saturating_add(unit.lost_cpu_us);
        for (_, what) in unit.incidents() {
            match what {
                IncidentKind::Paused => counts.pauses += 1,
                IncidentKind::Evicted => counts.evictions += 1,
                IncidentKind::KilledByKernel => counts.kernel_kills += 1,
                IncidentKind::Failed => {}
            }
        }
    }
    counts
}

fn incidents(units: &[UnitReport]) -> Vec<Incident> {
    let of_unit = |(place, unit): (usize, &UnitReport)| {
        let happened = unit.incidents();
        happened.into_iter().map(move |(at_us, what)| Incident { at_us, unit: place, what })
    };
    let mut all: Vec<_> = units.iter().enumerate().flat_map(of_unit).collect();
    all.sort_unstable();
    all
}

/// Places of the units with the largest figures that are not zero, the largest first.
fn most(units: &[UnitReport], figure: impl Fn(&UnitReport) -> u64) -> Vec<usize> {
    let figures = units.iter().map(figure).enumerate();
    let mut places: Vec<_> = figures.filter(|(_, figure)| *figure > 0).collect();
    places.sort_by_key(|(place, figure)| (std::cmp::Reverse(*figure), *place));
    places.into_iter().map(|(place, _)| place).take(MOST_NAMED).collect()
}
