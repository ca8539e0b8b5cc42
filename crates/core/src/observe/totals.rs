//! What the units of a run come to: how many, how often again, the slowest and the largest.
//!
//! Does not know runs, nor how it is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::unit::{UnitOutcome, UnitRecord};
use crate::units::Bytes;

/// What units come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct UnitTotals {
    /// Attempts, those included that were run again.
    pub attempts: usize,
    /// Units that were run more than once count once.
    pub units: usize,
    /// Attempts that were not the first.
    pub retries: usize,
    /// Attempts by how they ended.
    pub outcomes: BTreeMap<&'static str, usize>,
    /// Processor time of all attempts.
    pub cpu: Duration,
    /// Processor time of attempts that were killed, and so was lost.
    pub lost_cpu: Duration,
    /// Time that units waited for admission, all added up.
    pub waited: Duration,
    /// Time that units were paused, all added up.
    pub paused: Duration,
    /// What took longest, longest first.
    pub slowest: Vec<UnitFigures>,
    /// What held most memory, most first.
    pub largest: Vec<UnitFigures>,
}

/// The figures of one unit in one run, all its attempts together.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct UnitFigures {
    /// What is expected to need the same again.
    pub key: String,
    /// What a person calls it.
    pub label: String,
    /// The recognised tool.
    pub tool: String,
    /// How many attempts there were.
    pub attempts: usize,
    /// Running time of all attempts, pauses excluded.
    pub wall: Duration,
    /// Processor time of all attempts.
    pub cpu: Duration,
    /// Most memory of any attempt; absent when only a log tells of it.
    pub peak: Option<Bytes>,
}

/// Units of a key that come in slowest and largest lists.
pub const LISTED: usize = 5;

/// What units come to, with `listed` of the slowest and of the largest.
pub fn totals(records: &[UnitRecord], listed: usize) -> UnitTotals {
    let by_key = by_key(records);
    let mut totals = UnitTotals {
        attempts: records.len(),
        units: records.iter().filter(|record| record.attempt <= 1).count(),
        retries: records.iter().filter(|record| record.attempt > 1).count(),
        ..UnitTotals::default()
    };
    for record in records {
        totals.add(record);
    }
    let figures: Vec<UnitFigures> = by_key.into_values().collect();
    totals.slowest = first(&figures, listed, |unit| unit.wall);
    totals.largest = first(&figures, listed, |unit| unit.peak);
    totals
}

impl UnitTotals {
    fn add(&mut self, record: &UnitRecord) {
        *self.outcomes.entry(record.outcome.name()).or_default() += 1;
        let cpu = cpu(record);
        self.cpu = self.cpu.saturating_add(cpu);
        if matches!(record.outcome, UnitOutcome::Evicted | UnitOutcome::OomKilled) {
            self.lost_cpu = self.lost_cpu.saturating_add(cpu);
        }
        self.waited = self.waited.saturating_add(Duration::from_micros(record.waited_us));
        self.paused = self.paused.saturating_add(Duration::from_micros(record.paused_us));
    }
}

fn cpu(record: &UnitRecord) -> Duration {
    Duration::from_micros(record.user_us.saturating_add(record.system_us))
}

/// The figures of each key. Two units of one key in one run, the same crate for host and target
/// say, are added up.
pub fn by_key(records: &[UnitRecord]) -> BTreeMap<&str, UnitFigures> {
    let mut units: BTreeMap<&str, UnitFigures> = BTreeMap::new();
    for record in records {
        let unit = units.entry(&record.key).or_insert_with(|| UnitFigures {
            key: record.key.clone(),
            label: record.label.clone(),
            tool: record.tool.clone(),
            attempts: 0,
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            peak: None,
        });
        let running = record.wall_us.saturating_sub(record.paused_us);
        unit.attempts += 1;
        unit.wall = unit.wall.saturating_add(Duration::from_micros(running));
        unit.cpu = unit.cpu.saturating_add(cpu(record));
        let peak = (record.outcome != UnitOutcome::Timed).then_some(record.peak);
        unit.peak = unit.peak.max(peak);
    }
    units
}

/// The first by a figure, largest first; equal ones by key.
fn first<T: Ord>(
    units: &[UnitFigures],
    listed: usize,
    of: impl Fn(&UnitFigures) -> T,
) -> Vec<UnitFigures> {
    let mut sorted: Vec<&UnitFigures> = units.iter().collect();
    sorted.sort_by_key(|unit| std::cmp::Reverse(of(unit)));
    sorted.into_iter().take(listed).cloned().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn unit(key: &str, mib: u64, seconds: u64) -> UnitRecord {
        UnitRecord {
            run: Some(1),
            key: key.into(),
            family: "f".into(),
            tool: "rustc".into(),
            label: key.into(),
            package: None,
            attempt: 1,
            outcome: UnitOutcome::Succeeded,
            exit: Some(0),
            started_unix_us: 1,
            waited_us: 1_000_000,
            wall_us: seconds * 1_000_000,
            paused_us: 0,
            user_us: seconds * 1_000_000,
            system_us: 0,
            delay_us: 0,
            peak: Bytes::mib(mib),
            peak_process: Bytes::mib(mib),
            reserved: Bytes::mib(mib),
            curve: Vec::new(),
            input_bytes: 0,
            alone: false,
        }
    }

    #[test]
    fn attempts_of_a_unit_are_one_unit() {
        let killed =
            UnitRecord { outcome: UnitOutcome::Evicted, paused_us: 1_000_000, ..unit("b", 50, 3) };
        let again = UnitRecord { attempt: 2, ..unit("b", 90, 4) };
        let totals = totals(&[unit("a", 100, 5), killed, again], 1);
        assert_eq!((totals.attempts, totals.units, totals.retries), (3, 2, 1));
        assert_eq!(totals.outcomes, [("evicted", 1), ("succeeded", 2)].into());
        assert_eq!((totals.cpu.as_secs(), totals.lost_cpu.as_secs()), (12, 3));
        assert_eq!((totals.waited.as_secs(), totals.paused.as_secs()), (3, 1));
        assert_eq!((totals.slowest[0].label.as_str(), totals.slowest[0].wall.as_secs()), ("b", 6));
        assert_eq!((totals.largest[0].label.as_str(), totals.largest.len()), ("a", 1));
    }

    #[test]
    fn what_only_a_log_tells_of_has_no_peak() {
        let logged = UnitRecord { outcome: UnitOutcome::Timed, ..unit("a", 0, 5) };
        let records = [logged];
        assert_eq!(by_key(&records)["a"].peak, None);
    }

    #[test]
    fn nothing_comes_to_nothing() {
        assert_eq!(totals(&[], 5), UnitTotals::default());
    }
}
