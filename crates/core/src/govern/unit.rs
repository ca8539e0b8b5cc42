//! One unit: where it stands, and what it is expected to hold from now on.
//!
//! Does not know other units, nor how much memory there is.

use std::time::Duration;

use super::ahead::Ahead;
use super::{Basis, Demand, Moment, UnitId, UnitSample};
use crate::units::Bytes;

/// Where a unit stands.
///
/// ```text
/// Waiting -> Granted -> Running <-> Paused
///    ^                     |          |
///    +---- Evicting <------+----------+      (and from each: gone)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It asked, and holds nothing. Entered from nowhere, or after it was killed.
    Waiting,
    /// It may start, and has not said that it did. Needs: it waited.
    Granted,
    /// Its processes run. Needs: it was granted, adopted or paused.
    Running,
    /// Its processes are stopped and keep their memory. Needs: it ran, and is not the oldest.
    Paused,
    /// Its processes were killed and are not gone yet. Needs: it ran or was paused, may be run
    /// again, and is not the oldest.
    Evicting,
}

/// A unit.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its number.
    pub id: UnitId,
    /// What it asked for; the forecast is raised by what is seen.
    pub demand: Demand,
    /// Set by the machine's one transition function only.
    pub(super) phase: Phase,
    /// Runs of it so far, this one included.
    pub attempt: u32,
    /// It must not run beside others.
    pub alone: bool,
    /// Kills by somebody else than the governor.
    pub kills: u32,
    /// Units that were admitted before it although they asked later.
    pub overtaken: u32,
    /// Its place in the queue: what is heavier starts first.
    pub(super) weight: u64,
    /// Order of admission.
    pub(super) age: u64,
    /// When it came to wait.
    pub asked: Moment,
    /// Memory at the last look.
    pub memory: Bytes,
    /// Most memory at any look of this attempt.
    pub peak: Bytes,
    /// Growth in bytes a second, smoothed.
    pub(super) rate: f64,
    /// Threads that it was seen to want.
    pub(super) share: Option<f64>,
    started: Moment,
    paused_since: Option<Moment>,
    paused: Duration,
    /// The last look at its memory.
    weighed: Option<Moment>,
    /// The last look at its share of threads, and what it had wanted and waited for by then.
    looked: Option<(Moment, Duration, Duration)>,
    /// Processor time used and time that was not lost, in seconds; the latest counts most.
    seen: (f64, f64),
    /// Time lost to others that used its processors.
    lost: Duration,
    grew: Moment,
}

/// Weight of the newest rate in the smoothed one.
const NEWEST: f64 = 0.5;
/// What is not measured is expected to grow on for as long as it did so far, and at least so long.
const GROWS_ON: Duration = Duration::from_secs(1);
/// What did not grow for so long, or half of its time, is taken to have its final size.
const SETTLED: Duration = Duration::from_millis(700);
/// Slower growth than this many bytes a second is none.
const STANDSTILL: f64 = 4.0 * 1024.0 * 1024.0;
/// A unit of known duration may take this much longer.
pub(super) const LATE: f64 = 1.04;
/// Seconds by which a unit may be ahead of its curve or behind it.
pub(super) const BLUR: f64 = 0.06;
/// Shortest time over which a share of threads is measured.
const SHARE_OVER: Duration = Duration::from_millis(40);

impl Unit {
    pub(super) fn new(id: UnitId, demand: Demand, now: Moment) -> Self {
        Self {
            id,
            demand,
            phase: Phase::Waiting,
            attempt: 1,
            alone: false,
            kills: 0,
            overtaken: 0,
            weight: 0,
            age: 0,
            asked: now,
            memory: Bytes::ZERO,
            peak: Bytes::ZERO,
            rate: 0.0,
            share: None,
            started: now,
            paused_since: None,
            paused: Duration::ZERO,
            weighed: None,
            looked: None,
            seen: (0.0, 0.0),
            lost: Duration::ZERO,
            grew: now,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// True from the grant to the end.
    pub fn is_active(&self) -> bool {
        self.phase != Phase::Waiting
    }

    /// Keeps its times; called by the transition function.
    pub(super) fn entered(&mut self, from: Phase, now: Moment) {
        if let Some(since) = self.paused_since.take() {
            self.paused += now.since(since);
        }
        match self.phase {
            Phase::Waiting | Phase::Granted => self.forget(now),
            Phase::Running if from == Phase::Granted => self.started = now,
            Phase::Paused => self.paused_since = Some(now),
            Phase::Running | Phase::Evicting => {}
        }
    }

    /// A new attempt begins with nothing.
    fn forget(&mut self, now: Moment) {
        (self.memory, self.peak, self.rate, self.share) = (Bytes::ZERO, Bytes::ZERO, 0.0, None);
        (self.started, self.grew, self.paused) = (now, now, Duration::ZERO);
        (self.weighed, self.looked) = (None, None);
        (self.seen, self.lost) = ((0.0, 0.0), Duration::ZERO);
    }

    /// Running time without pauses.
    pub fn ran(&self, now: Moment) -> Duration {
        let pause = self.paused_since.map_or(Duration::ZERO, |since| now.since(since));
        now.since(self.started).saturating_sub(self.paused).saturating_sub(pause)
    }

    /// Takes in a look.
    pub(super) fn look(&mut self, sample: &UnitSample, now: Moment) {
        self.look_at_memory(sample.memory, now);
        if let Some(wanted) = sample.wanted {
            self.look_at_share(wanted, sample.waited, now);
        }
    }

    fn look_at_memory(&mut self, memory: Bytes, now: Moment) {
        let seconds = now.since(self.weighed.unwrap_or(self.started)).as_secs_f64();
        if seconds > 0.0 && self.phase == Phase::Running {
            let newest = (memory.0 as f64 - self.memory.0 as f64) / seconds;
            self.rate = self.rate.mul_add(1.0 - NEWEST, newest * NEWEST);
        }
        self.weighed = Some(now);
        if memory.0 > self.peak.0 + self.peak.0 / 100 {
            self.grew = now;
        }
        self.memory = memory;
        self.peak = self.peak.max(memory);
    }

    fn look_at_share(&mut self, wanted: Duration, delay: Duration, now: Moment) {
        let none = (self.started, Duration::ZERO, Duration::ZERO);
        let (then, wanted_then, delay_then) = self.looked.unwrap_or(none);
        let passed = now.since(then);
        if self.phase != Phase::Running {
            self.looked = Some((now, wanted, delay));
        } else if passed >= SHARE_OVER {
            let wanted_since = wanted.saturating_sub(wanted_then);
            let delay_since = delay.saturating_sub(delay_then).min(wanted_since);
            let lost = lost(passed, wanted_since, delay_since);
            // Time that was lost shows nothing, so what it is seen by keeps its weight.
            let own = passed.saturating_sub(lost).as_secs_f64();
            let kept = 1.0 - NEWEST * own / passed.as_secs_f64();
            let (used, over) = &mut self.seen;
            *used = used.mul_add(kept, wanted_since.saturating_sub(delay_since).as_secs_f64());
            *over = over.mul_add(kept, own);
            if *over > 0.0 {
                self.share = Some(*used / *over);
            }
            self.lost += lost;
            self.looked = Some((now, wanted, delay));
        } else if self.looked.is_none() {
            self.looked = Some((now, wanted, delay));
        }
    }

    /// Threads that it keeps busy.
    pub fn threads(&self) -> f64 {
        match self.phase {
            Phase::Running | Phase::Granted => self.share.unwrap_or(self.demand.forecast.threads),
            Phase::Waiting | Phase::Paused | Phase::Evicting => 0.0,
        }
    }

    /// Growth in bytes within a time, if it runs and comes to hold what is expected.
    pub(super) fn growth(&self, within: Duration, expected: Bytes) -> f64 {
        let left = expected.saturating_sub(self.memory).0 as f64;
        (self.rate.max(0.0) * within.as_secs_f64()).min(left)
    }

    /// Most memory that it is expected to hold from now on.
    pub fn expected(&self, now: Moment) -> Bytes {
        if !self.is_active() {
            return self.demand.forecast.peak;
        }
        Ahead::if_it_runs(self, now).most()
    }

    /// Most memory that a unit without a known course is expected to hold from now on.
    pub(super) fn extrapolated(&self, now: Moment) -> Bytes {
        let ran = self.ran(now);
        let quiet = now.since(self.grew);
        // A user's word holds: a unit that begins with something small is not settled.
        let stated = self.demand.forecast.basis == Basis::Stated;
        if !stated && ran > SETTLED && quiet > SETTLED.max(ran / 2) {
            return self.memory.scaled(1.1);
        }
        let on = ran.max(GROWS_ON).as_secs_f64();
        let rate = if self.rate > STANDSTILL { self.rate } else { 0.0 };
        let grown = self.memory.scaled(1.0 + rate * on / (self.memory.0 as f64).max(1.0));
        grown.max(self.demand.forecast.peak)
    }

    /// How far along its curve it is: by its time, but not beyond what its memory shows. A unit
    /// that has less memory than it should is slower than it was.
    pub(super) fn position(&self, now: Moment) -> f64 {
        let Some(shape) = &self.demand.forecast.shape else { return 0.0 };
        let ran = self.ran(now).saturating_sub(self.lost);
        let by_time = ran.as_secs_f64() / shape.duration.as_secs_f64();
        let less = self.memory.scaled(1.25);
        let behind = less < self.demand.forecast.peak && shape.curve.exceeds(less, by_time);
        let by_memory = if behind { shape.curve.reaches(self.memory) } else { None };
        by_time.min(by_memory.unwrap_or(by_time)).clamp(0.0, 1.0)
    }
}

/// Time by which a unit would have been further with a processor for each of its threads. Delays of
/// threads that wait at once overlap.
fn lost(passed: Duration, wanted: Duration, delay: Duration) -> Duration {
    let threads = wanted.as_secs_f64() / passed.as_secs_f64();
    delay.div_f64(threads.max(1.0)).min(passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::{DomainId, Forecast};

    /// Wakes each 50 ms for 5 ms, and then waits as long as `waits` tells.
    fn share_of_a_sleeper(waits: u64) -> f64 {
        let ms = Duration::from_millis;
        let forecast = Forecast::cold(Bytes::mib(1), 1.0);
        let demand =
            Demand { forecast, retryable: true, domain: DomainId(0), token: false, ordered: false };
        let mut unit = Unit::new(UnitId(1), demand, Moment::default());
        (unit.phase, unit.started) = (Phase::Running, Moment::default());
        let (mut now, mut wanted, mut delay) = (0, 0, 0);
        for _ in 0..40 {
            // Looks fall into its wait, its work and its sleep.
            for (want, wait) in [(waits, waits), (5, 0), (0, 0)] {
                now += if want > 0 { want } else { 45 };
                (wanted, delay) = (wanted + want, delay + wait);
                unit.look_at_share(ms(wanted), ms(delay), Moment(ms(now)));
            }
        }
        unit.share.unwrap()
    }

    #[test]
    fn contention_changes_no_share() {
        let (alone, crowded) = (share_of_a_sleeper(0), share_of_a_sleeper(80));
        assert!(alone < 0.2 && (alone - crowded).abs() < 0.1, "{alone} {crowded}");
        let ms = Duration::from_millis;
        assert_eq!(lost(ms(100), ms(100), ms(60)), ms(60));
        // Four threads on two processors.
        assert_eq!(lost(ms(100), ms(400), ms(200)), ms(50));
    }
}
