//! What a unit is expected to take, from what units like it took.
//!
//! Does not know where past units are kept, nor what a unit compiles.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::curve::Curve;
use crate::observe::unit::{UnitOutcome, UnitRecord};
use crate::units::Bytes;

/// What a forecast rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// So many past runs of the same unit.
    Measured(u32),
    /// So many past runs of similar units.
    Similar(u32),
    /// A user's word.
    Stated,
    /// The kind and size of what is started.
    Cold,
}

/// Time and memory of a unit that was measured before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Running time without pauses.
    pub duration: Duration,
    /// Memory over that time, with the margin of the peak.
    pub curve: Curve,
}

/// What a unit is expected to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Memory that is reserved for it at most.
    pub peak: Bytes,
    /// How it takes memory over time; absent when nothing like it was measured.
    pub shape: Option<Shape>,
    /// How long it ran under other tools, where nothing was measured. It decides who is worth
    /// starting first, never that memory will be free at some time.
    pub logged: Option<Duration>,
    /// Threads that it keeps busy on average.
    pub threads: f64,
    /// What all this rests on.
    pub basis: Basis,
}

/// A past run of a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// It ended well. One that failed or was killed shows only that at least so much is wanted.
    pub complete: bool,
    /// Most memory of its process tree.
    pub peak: Bytes,
    /// Running time without pauses.
    pub duration: Duration,
    /// Processor time used and waited for.
    pub wanted: Duration,
    /// Memory in equal parts of its running time; empty for one too short to be looked at.
    pub curve: Vec<Bytes>,
}

/// Weight of a run against the next newer one: what was built a dozen runs ago says little.
pub(crate) const DECAY: f64 = 0.85;
/// Part of the weight that may lie above the reserved peak.
const ABOVE: f64 = 0.05;
/// Margin over a single measurement, and the largest. Peaks of compilers repeat within 2 %.
const MARGIN: f64 = 0.08;
/// Margin over several that are the same, and what their relative spread adds to it.
const LEAST_MARGIN: f64 = 0.005;
const SPREAD: f64 = 2.0;
/// Margin over all, for what sampling and allocators add by chance.
const FLOOR: Bytes = Bytes::mib(2);
/// What a unit may want beyond those that are like it.
const UNLIKE: f64 = 1.1;
/// Runs that decide the shape.
const SHAPED_BY: usize = 3;
/// What takes less time is over before anybody could react to its curve: its peak counts throughout.
pub const SHORTEST: Duration = Duration::from_millis(500);
/// No process takes less: times are divided by it.
const BRIEFEST: Duration = Duration::from_millis(1);
/// What an incomplete run wanted beyond what was seen.
pub(crate) const BEYOND_SEEN: f64 = 1.25;

impl Hash for Forecast {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.peak, self.shape, self.logged, self.threads.to_bits(), self.basis).hash(state);
    }
}

impl std::fmt::Display for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Measured(1) => f.write_str("measured once"),
            Self::Measured(count) => write!(f, "measured {count} times"),
            Self::Similar(count) => write!(f, "{count} runs of similar units"),
            Self::Stated => f.write_str("stated"),
            Self::Cold => f.write_str("kind and size"),
        }
    }
}

impl Past {
    /// What a record tells. Nothing when it comes from a log: without memory it must teach none.
    /// Time in which it waited for a processor is the machine's, and tells nothing of the next time.
    pub fn of(record: &UnitRecord) -> Option<Self> {
        let wall = record.wall_us.saturating_sub(record.paused_us);
        let used = record.user_us.saturating_add(record.system_us);
        (record.outcome != UnitOutcome::Timed).then(|| Self {
            complete: record.outcome == UnitOutcome::Succeeded,
            peak: record.peak,
            duration: Duration::from_micros(undelayed(wall, used, record.delay_us)),
            wanted: Duration::from_micros(used),
            curve: record.curve.clone(),
        })
    }
}

/// Time that a unit takes with a processor for each of its threads, all in microseconds. Delays of
/// threads that waited at the same time overlap, as far as the threads that it wanted on average
/// tell.
fn undelayed(wall: u64, used: u64, delay: u64) -> u64 {
    let wanted = used.saturating_add(delay) as f64 / (wall as f64).max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let lost = (delay as f64 / wanted.max(1.0)) as u64;
    wall.saturating_sub(lost)
}

impl Forecast {
    /// From past runs, newest first. `None` when none of them was complete.
    pub fn measured(past: &[Past]) -> Option<Self> {
        let complete: Vec<&Past> = past.iter().filter(|run| run.complete).collect();
        let newest = complete.first()?;
        let count = u32::try_from(complete.len()).unwrap_or(u32::MAX);
        let factor = 1.0 + margin(&complete);
        let learned = quantile(&complete).scaled(factor).saturating_add(FLOOR);
        // Killed after the newest good run: it has grown since.
        let newer = past.iter().take_while(|run| !run.complete);
        let seen = newer.map(|run| run.peak.scaled(BEYOND_SEEN)).max().unwrap_or_default();
        let peak = learned.max(seen);
        let shaped = complete.get(..SHAPED_BY.min(complete.len())).unwrap_or_default();
        Some(Self {
            peak,
            shape: shape(shaped, factor, peak),
            logged: None,
            threads: threads(newest),
            basis: Basis::Measured(count),
        })
    }

    /// From past runs of units that are like it, newest first: another version of the same, say.
    pub fn similar(past: &[Past]) -> Option<Self> {
        let mut forecast = Self::measured(past)?;
        forecast.peak = forecast.peak.scaled(UNLIKE);
        if let Basis::Measured(count) = forecast.basis {
            forecast.basis = Basis::Similar(count);
        }
        Some(forecast)
    }

    /// Without any measurement.
    pub fn cold(peak: Bytes, threads: f64) -> Self {
        Self { peak, shape: None, logged: None, threads, basis: Basis::Cold }
    }

    /// The same, with how long it took according to logs of other tools: the median of records
    /// that tell nothing else.
    #[must_use]
    pub fn with_logged(self, records: &[UnitRecord]) -> Self {
        let running = |record: &UnitRecord| record.wall_us.saturating_sub(record.paused_us);
        let mut durations: Vec<Duration> =
            records.iter().map(running).map(Duration::from_micros).collect();
        durations.sort_unstable();
        Self { logged: durations.get(durations.len() / 2).copied(), ..self }
    }

    /// How long it is expected to run, as far as that is known.
    pub fn duration(&self) -> Option<Duration> {
        self.shape.map(|shape| shape.duration).or(self.logged)
    }

    /// How much of a machine it takes for how long, in seconds: the larger of its shares of memory
    /// and threads, times its duration. What is not known takes a second.
    pub fn weight(&self, budget: Bytes, machine_threads: f64) -> f64 {
        let seconds = self.duration().map_or(1.0, |duration| duration.as_secs_f64());
        let mean = self.shape.map_or(self.peak.0 as f64, |shape| shape.curve.mean());
        let memory = mean / (budget.0 as f64).max(1.0);
        let threads = self.threads / machine_threads.max(1.0);
        seconds * memory.max(threads)
    }
}

/// Part by which a peak may exceed those that were measured: more than they differ among each other,
/// and for a single one a guess.
fn margin(complete: &[&Past]) -> f64 {
    let peaks = || complete.iter().take(SHAPED_BY).map(|run| run.peak.0 as f64);
    if complete.len() < 2 {
        return MARGIN;
    }
    let (low, high) = (peaks().fold(f64::INFINITY, f64::min), peaks().fold(0.0, f64::max));
    let spread = (high - low) / high.max(1.0);
    spread.mul_add(SPREAD, LEAST_MARGIN).min(MARGIN)
}

/// The weighted upper quantile of peaks.
fn quantile(complete: &[&Past]) -> Bytes {
    let mut weighted: Vec<(Bytes, f64)> = complete
        .iter()
        .zip(std::iter::successors(Some(1.0), |weight| Some(weight * DECAY)))
        .map(|(run, weight)| (run.peak, weight))
        .collect();
    weighted.sort_by_key(|(peak, _)| std::cmp::Reverse(*peak));
    let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let mut above = 0.0;
    for (peak, weight) in &weighted {
        above += weight;
        if above >= total * ABOVE {
            return *peak;
        }
    }
    Bytes::ZERO
}

fn shape(runs: &[&Past], factor: f64, peak: Bytes) -> Option<Shape> {
    let curves = runs.iter().filter_map(|run| Curve::new(&run.curve));
    let curve = curves.reduce(|one, other| one.upper(&other));
    let mut durations: Vec<Duration> = runs.iter().map(|run| run.duration).collect();
    durations.sort_unstable();
    let duration = *durations.get(durations.len() / 2)?;
    if duration < SHORTEST {
        return Some(Shape { duration: duration.max(BRIEFEST), curve: Curve::new(&[peak])? });
    }
    Some(Shape { duration, curve: curve?.scaled(factor, peak) })
}

fn threads(run: &Past) -> f64 {
    let wall = run.duration.as_secs_f64().max(1e-4);
    (run.wanted.as_secs_f64() / wall).clamp(0.02, 64.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(mib: u64, complete: bool) -> Past {
        let duration = Duration::from_secs(2);
        let curve = vec![Bytes::mib(mib / 2), Bytes::mib(mib)];
        Past { complete, peak: Bytes::mib(mib), duration, wanted: duration / 2, curve }
    }

    #[test]
    fn a_failure_never_teaches_a_low_peak() {
        assert_eq!(Forecast::measured(&[run(10, false)]), None);
        let forecast = Forecast::measured(&[run(10, false), run(500, true)]).unwrap();
        assert!(forecast.peak >= Bytes::mib(500));
        let grown = Forecast::measured(&[run(800, false), run(500, true)]).unwrap();
        assert!(grown.peak >= Bytes::mib(1000));
    }

    #[test]
    fn contention_does_not_last() {
        // Alone on its core; asleep three quarters; halved by another; four threads on two cores.
        assert_eq!(undelayed(5000, 5000, 0), 5000);
        assert_eq!(undelayed(8000, 1350, 2830), 5170);
        assert_eq!(undelayed(10_000, 5000, 5000), 5000);
        assert_eq!(undelayed(10_000, 20_000, 20_000), 5000);
        assert_eq!(undelayed(0, 0, 900), 0);
    }

    #[test]
    fn a_log_teaches_a_duration_and_nothing_else() {
        let record = crate::logs::timed(&crate::unit::logged("ninja", "a.o", "a.o"), 0, 7_000_000);
        assert_eq!(Past::of(&record), None);
        let cold = Forecast::cold(Bytes::mib(300), 1.0);
        let logged = cold.with_logged(&[record]);
        assert_eq!(logged.duration(), Some(Duration::from_secs(7)));
        assert_eq!(Forecast { logged: None, ..logged }, cold);
        assert!(logged.weight(Bytes::gib(1), 4.0) > 6.0 * cold.weight(Bytes::gib(1), 4.0));
        assert_eq!(cold.with_logged(&[]), cold);
    }

    #[test]
    fn the_margin_shrinks_with_evidence() {
        let after = |n: usize| Forecast::measured(&vec![run(1000, true); n]).unwrap().peak;
        assert_eq!(after(1), Bytes::mib(1082));
        assert!(after(4) < Bytes::mib(1010) && after(4) > Bytes::mib(1005));
        let differing = Forecast::measured(&[run(1000, true), run(980, true)]).unwrap().peak;
        assert!(differing > Bytes::mib(1040) && differing < Bytes::mib(1050));
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut past = vec![run(100, true); 30];
        past.push(run(1000, true));
        assert!(Forecast::measured(&past).unwrap().peak < Bytes::mib(120));
    }

    #[test]
    fn shares_follow_from_the_newest_run() {
        let forecast = Forecast::measured(&[run(100, true)]).unwrap();
        assert!((forecast.threads - 0.5).abs() < 1e-9);
        assert_eq!(forecast.shape.unwrap().duration, Duration::from_secs(2));
    }

    #[test]
    fn what_is_short_holds_its_peak_for_its_time() {
        let duration = Duration::from_millis(250);
        let short = Past { duration, curve: Vec::new(), ..run(50, true) };
        let forecast = Forecast::measured(&[short]).unwrap();
        let shape = forecast.shape.unwrap();
        assert_eq!(shape.duration, duration);
        assert_eq!(shape.curve.most(0.0, 0.1), forecast.peak);
        let unseen = Past { curve: Vec::new(), ..run(50, true) };
        assert_eq!(Forecast::measured(&[unseen]).unwrap().shape, None);
    }

    proptest! {
        #[test]
        fn few_runs_are_all_covered(peaks in prop::collection::vec(1_u64..4000, 1..9)) {
            let past: Vec<_> = peaks.iter().map(|mib| run(*mib, true)).collect();
            let peak = Forecast::measured(&past).unwrap().peak;
            prop_assert!(peak >= Bytes::mib(*peaks.iter().max().unwrap()));
        }
    }
}
