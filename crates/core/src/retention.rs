//! Which runs, units and events of a history go, and why.
//!
//! A plan follows from what is stored and from a policy alone, so that it can be shown before it
//! is carried out. What predictions learn from stays: the newest units of each key outlive their
//! run. Does not know where anything is stored, nor what time it is.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::units::Bytes;

/// What is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Policy {
    /// Days after which runs, and units and events of no run, may go.
    pub keep_days: u32,
    /// Newest runs of each package that always stay.
    pub keep_runs: u32,
    /// Newest units of each key that always stay, for predictions to learn from.
    pub units_per_key: u32,
    /// Size above which more goes, oldest first.
    pub max_size: Option<Bytes>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { keep_days: 180, keep_runs: 10, units_per_key: LEARNED_FROM, max_size: None }
    }
}

/// Past units of a key that predictions look at.
pub const LEARNED_FROM: u32 = 12;

/// A stored run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunItem {
    /// Its place.
    pub id: i64,
    /// Its package; runs without one are one package together.
    pub package: Option<String>,
    /// Start, microseconds since 1970.
    pub started_us: i64,
    /// It goes on.
    pub running: bool,
    /// What its facts take.
    pub size: Bytes,
    /// Its events.
    pub events: u64,
    /// What they take.
    pub events_size: Bytes,
}

/// A stored unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitItem {
    /// Its place; a larger one is newer.
    pub id: i64,
    /// Its run, if it has one.
    pub run: Option<i64>,
    /// Number of its key: equal for units of one key.
    pub key: u32,
    /// Read from a log: it and what was measured are kept apart.
    pub logged: bool,
    /// Start, microseconds since 1970.
    pub started_us: i64,
    /// What it takes.
    pub size: Bytes,
}

/// Events of no run on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LooseEvents {
    /// The day, counted from 1970.
    pub day: i64,
    /// How many.
    pub count: u64,
    /// What they take.
    pub size: Bytes,
}

/// What is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// All runs.
    pub runs: Vec<RunItem>,
    /// All units.
    pub units: Vec<UnitItem>,
    /// Events of no run, by day.
    pub loose_events: Vec<LooseEvents>,
}

/// Why something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It is older than is kept.
    Old,
    /// There is more than may be.
    Size,
    /// The history has no run of that number.
    NoRun,
}

/// A run that goes, with its events and with those units that nobody learns from.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GoingRun {
    /// Its place.
    pub id: i64,
    /// Its package.
    pub package: Option<String>,
    /// Start, microseconds since 1970.
    pub started_us: i64,
    /// Why.
    pub why: Why,
    /// Units of it that go.
    pub units: u64,
    /// Units of it that stay, without a run, to learn from.
    pub learned_from: u64,
    /// Events of it that go.
    pub events: u64,
}

/// What goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Plan {
    /// Runs, oldest first.
    pub runs: Vec<GoingRun>,
    /// Units that go, whether their run goes or they have none. Ascending.
    #[serde(skip)]
    pub unit_ids: Vec<i64>,
    /// How many units go, by reason.
    pub units: BTreeMap<Why, u64>,
    /// Units of no run that go.
    pub loose_units: u64,
    /// Day before which events of no run go, counted from 1970.
    pub loose_events_before_day: Option<i64>,
    /// Events that go.
    pub events: u64,
    /// What all that takes.
    pub freed: Bytes,
    /// What is left.
    pub left: Bytes,
    /// Runs, units and events that stay.
    pub kept: Kept,
    /// The size that was asked for cannot be reached without what always stays.
    pub above_size: bool,
}

/// What stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kept {
    /// Runs.
    pub runs: usize,
    /// Units.
    pub units: usize,
    /// Of these, those of no run that stay only to learn from.
    pub learned_from: usize,
}

impl Plan {
    /// True when everything stays.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.unit_ids.is_empty() && self.loose_events_before_day.is_none()
    }
}

const DAY_US: i64 = 86_400_000_000;

/// Says what goes.
pub fn plan(stored: &Stored, policy: &Policy, now_us: i64) -> Plan {
    let mut planner = Planner::new(stored, policy, now_us);
    planner.old();
    if let Some(most) = policy.max_size {
        planner.shrink(most);
    }
    planner.finish()
}

struct Planner<'a> {
    stored: &'a Stored,
    oldest_us: i64,
    /// Runs that always stay.
    protected: BTreeSet<i64>,
    /// Units that always stay.
    learned: BTreeSet<i64>,
    by_run: BTreeMap<Option<i64>, Vec<&'a UnitItem>>,
    runs: BTreeMap<i64, Why>,
    units: BTreeMap<i64, Why>,
    events_before: Option<i64>,
    left: u64,
    above_size: bool,
}

impl<'a> Planner<'a> {
    fn new(stored: &'a Stored, policy: &Policy, now_us: i64) -> Self {
        let known: BTreeSet<i64> = stored.runs.iter().map(|run| run.id).collect();
        let mut by_run: BTreeMap<Option<i64>, Vec<&UnitItem>> = BTreeMap::new();
        for unit in &stored.units {
            let run = unit.run.filter(|run| known.contains(run));
            by_run.entry(run).or_default().push(unit);
        }
        Self {
            stored,
            oldest_us: now_us.saturating_sub(i64::from(policy.keep_days).saturating_mul(DAY_US)),
            protected: protected(&stored.runs, policy.keep_runs),
            learned: learned(&stored.units, policy.units_per_key),
            by_run,
            runs: BTreeMap::new(),
            units: BTreeMap::new(),
            events_before: None,
            left: total(stored),
            above_size: false,
        }
    }

    /// What is older than is kept.
    fn old(&mut self) {
        for run in &self.stored.runs {
            if run.started_us < self.oldest_us && !self.protected.contains(&run.id) {
                self.remove_run(run, Why::Old);
            }
        }
        for unit in self.by_run.get(&None).cloned().unwrap_or_default() {
            if unit.started_us < self.oldest_us {
                let why = if unit.run.is_some() { Why::NoRun } else { Why::Old };
                self.remove_unit(unit, why);
            }
        }
        self.remove_events_before(self.oldest_us.div_euclid(DAY_US));
    }

    /// Oldest first, until it is no larger than it may be: runs, then units of no run, then events
    /// of no run.
    fn shrink(&mut self, most: Bytes) {
        let mut runs: Vec<&RunItem> = self.stored.runs.iter().collect();
        runs.sort_by_key(|run| (run.started_us, run.id));
        for run in runs {
            if self.left <= most.0 {
                return;
            }
            if !self.protected.contains(&run.id) && !self.runs.contains_key(&run.id) {
                self.remove_run(run, Why::Size);
            }
        }
        let mut loose = self.by_run.get(&None).cloned().unwrap_or_default();
        loose.sort_by_key(|unit| (unit.started_us, unit.id));
        for unit in loose {
            if self.left <= most.0 {
                return;
            }
            self.remove_unit(unit, Why::Size);
        }
        let mut days: Vec<i64> = self.stored.loose_events.iter().map(|some| some.day).collect();
        days.sort_unstable();
        for day in days {
            if self.left <= most.0 {
                return;
            }
            self.remove_events_before(day.saturating_add(1));
        }
        self.above_size = self.left > most.0;
    }

    fn remove_run(&mut self, run: &RunItem, why: Why) {
        self.runs.insert(run.id, why);
        self.left = self.left.saturating_sub(run.size.0).saturating_sub(run.events_size.0);
        for unit in self.by_run.get(&Some(run.id)).cloned().unwrap_or_default() {
            self.remove_unit(unit, why);
        }
    }

    fn remove_unit(&mut self, unit: &UnitItem, why: Why) {
        if !self.learned.contains(&unit.id) && !self.units.contains_key(&unit.id) {
            self.units.insert(unit.id, why);
            self.left = self.left.saturating_sub(unit.size.0);
        }
    }

    fn remove_events_before(&mut self, day: i64) {
        let from = self.events_before.unwrap_or(i64::MIN);
        let newly = |some: &&LooseEvents| some.day >= from && some.day < day;
        let going: Vec<_> = self.stored.loose_events.iter().filter(newly).collect();
        if !going.is_empty() {
            let size = going.iter().fold(0, |sum: u64, some| sum.saturating_add(some.size.0));
            self.left = self.left.saturating_sub(size);
            self.events_before = Some(day);
        }
    }

    fn finish(self) -> Plan {
        let mut plan = Plan {
            unit_ids: self.units.keys().copied().collect(),
            loose_events_before_day: self.events_before,
            left: Bytes(self.left),
            freed: Bytes(total(self.stored).saturating_sub(self.left)),
            above_size: self.above_size,
            ..Plan::default()
        };
        for why in self.units.values() {
            *plan.units.entry(*why).or_default() += 1;
        }
        plan.runs = self.going_runs();
        plan.loose_units = self.gone_of(None);
        let before = self.events_before.unwrap_or(i64::MIN);
        let loose = self.stored.loose_events.iter().filter(|some| some.day < before);
        let of_runs = plan.runs.iter().map(|run| run.events);
        plan.events = of_runs.chain(loose.map(|some| some.count)).fold(0, u64::saturating_add);
        let orphans: u64 = plan.runs.iter().map(|run| run.learned_from).sum();
        let loose = self.by_run.get(&None).map_or(0, Vec::len);
        plan.kept = Kept {
            runs: self.stored.runs.len().saturating_sub(plan.runs.len()),
            units: self.stored.units.len().saturating_sub(plan.unit_ids.len()),
            learned_from: loose
                .saturating_sub(usize::try_from(plan.loose_units).unwrap_or(usize::MAX))
                .saturating_add(usize::try_from(orphans).unwrap_or(usize::MAX)),
        };
        plan
    }

    fn going_runs(&self) -> Vec<GoingRun> {
        let going = |run: &RunItem| {
            let why = *self.runs.get(&run.id)?;
            let all = self.by_run.get(&Some(run.id)).map_or(0, |units| units.len() as u64);
            let units = self.gone_of(Some(run.id));
            Some(GoingRun {
                id: run.id,
                package: run.package.clone(),
                started_us: run.started_us,
                why,
                units,
                learned_from: all.saturating_sub(units),
                events: run.events,
            })
        };
        let mut runs: Vec<GoingRun> = self.stored.runs.iter().filter_map(going).collect();
        runs.sort_by_key(|run| (run.started_us, run.id));
        runs
    }

    fn gone_of(&self, run: Option<i64>) -> u64 {
        let units = self.by_run.get(&run).map_or(&[][..], Vec::as_slice);
        units.iter().filter(|unit| self.units.contains_key(&unit.id)).count() as u64
    }
}

/// Runs that go on, and the newest of each package.
fn protected(runs: &[RunItem], keep: u32) -> BTreeSet<i64> {
    let mut newest: Vec<&RunItem> = runs.iter().collect();
    newest.sort_by_key(|run| std::cmp::Reverse((run.started_us, run.id)));
    let mut seen: BTreeMap<Option<&str>, u32> = BTreeMap::new();
    let mut kept = BTreeSet::new();
    for run in newest {
        let count = seen.entry(run.package.as_deref()).or_default();
        *count = count.saturating_add(1);
        if run.running || *count <= keep {
            kept.insert(run.id);
        }
    }
    kept
}

/// The newest units of each key.
fn learned(units: &[UnitItem], keep: u32) -> BTreeSet<i64> {
    let mut newest: Vec<&UnitItem> = units.iter().collect();
    newest.sort_by_key(|unit| std::cmp::Reverse(unit.id));
    let mut seen: BTreeMap<(u32, bool), u32> = BTreeMap::new();
    let mut kept = BTreeSet::new();
    for unit in newest {
        let count = seen.entry((unit.key, unit.logged)).or_default();
        *count = count.saturating_add(1);
        if *count <= keep {
            kept.insert(unit.id);
        }
    }
    kept
}

fn total(stored: &Stored) -> u64 {
    let runs = stored.runs.iter().flat_map(|run| [run.size, run.events_size]);
    let units = stored.units.iter().map(|unit| unit.size);
    let events = stored.loose_events.iter().map(|some| some.size);
    runs.chain(units).chain(events).fold(0, |sum: u64, size| sum.saturating_add(size.0))
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
