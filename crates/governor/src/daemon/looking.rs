//! Looks: at processes and memory, as often as there is something to lose.
//!
//! Does not know what follows from them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ironwright_core::govern::{Event, LONGEST_LOOK, Unit, UnitSample};
use ironwright_core::units::Bytes;
use ironwright_core::view::{Happening, Look};
use ironwright_wire::FromGovernor;
use rustix::time::{ClockId, clock_gettime};

use super::Daemon;
use crate::domains::Distress;
use crate::runs::Count;

/// What is known of memory is trusted for so long when a unit asks.
const FRESH_FOR: Duration = Duration::from_millis(20);
/// Time between two notes of how everything stands.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// A look costs at most this part of the time until the next, and while nothing comes near its limit.
const COST: u32 = 60;
const COST_IN_CALM: u32 = 200;
/// Longest rest after a look, whatever it cost, and while nothing comes near its limit: where a processor is
/// taken away for a while, a look seems to have cost seconds.
const LONGEST_REST: Duration = Duration::from_millis(250);
const LONGEST_REST_IN_CALM: Duration = Duration::from_secs(1);
/// Units whose reason to wait is told.
const REASONS: usize = 200;

impl Daemon {
    /// Looks soon, if it is not going to.
    pub(super) fn plan_look(&mut self) {
        let at = self.next_look(Instant::now());
        self.look_at = Some(self.look_at.map_or(at, |planned| planned.min(at)));
    }

    /// The time of the next look, seen from now.
    fn next_look(&self, now: Instant) -> Instant {
        let pause = self.machine.next_look();
        let rested = self.looked.map(|then| then + rest(self.look_cost, pause));
        (now + pause).max(rested.unwrap_or(now))
    }

    /// Sees how much memory there is, unless that was seen just now.
    pub(super) fn refresh(&mut self) {
        if !self.has_just_looked() {
            self.look();
        }
    }

    pub(super) fn has_just_looked(&self) -> bool {
        self.looked.is_some_and(|then| then.elapsed() <= FRESH_FOR)
    }

    pub(super) fn look(&mut self) {
        let now = Instant::now();
        self.looked = Some(now);
        self.processes.follow(now);
        let spent = processor_time();
        let taken = self.processes.look(now);
        let mut units = Vec::with_capacity(taken.len());
        for (id, taken) in &taken {
            if let Some(attempt) = self.units.get_mut(id).and_then(|unit| unit.attempted.as_mut()) {
                attempt.look(taken);
            }
            units.push(UnitSample {
                unit: *id,
                memory: taken.memory,
                wanted: taken.wanted,
                waited: taken.delay,
            });
        }
        let domains = self.domains.look();
        let distress = self.domains.distress(now);
        self.tell(Event::Looked { units, domains, alarm: distress.alarm });
        self.resize_pools();
        if self.told_at.is_none_or(|then| now.duration_since(then) >= TELL_EVERY) {
            self.told_at = Some(now);
            self.tell_look(&distress);
        }
        self.look_cost = processor_time().saturating_sub(spent);
        self.look_at = (!self.units.is_empty()).then(|| self.next_look(now));
    }

    fn tell_look(&mut self, distress: &Distress) {
        let domain = self.units.values().next().map(|unit| unit.domain).unwrap_or_default();
        let (available, held) = self.machine.memory(domain);
        let reasons = self.machine.reasons(REASONS).into_iter();
        let waiting = reasons.map(|(id, waiting)| (id.0, waiting)).collect();
        let look = Look {
            available,
            held,
            busy: self.busy(),
            alarm: distress.alarm,
            stall_some: distress.stall_some,
            stall_full: distress.stall_full,
            zram_used: distress.zram.used_uncompressed,
            zram_size: distress.zram.size,
            swap_used: distress.swap_used,
            units: self
                .machine
                .active()
                .filter(|unit| unit.memory > Bytes::ZERO)
                .map(|unit| (unit.id.0, unit.memory))
                .collect(),
            waiting,
        };
        self.note(Happening::Looked(look), None);
    }

    /// Threads that units keep busy.
    fn busy(&self) -> f64 {
        // An empty sum is -0.
        self.machine.active().map(Unit::threads).sum::<f64>() + 0.0
    }

    /// Tells runs what their jobservers are to be made of.
    pub(super) fn resize_pools(&mut self) {
        let mut counts: BTreeMap<u64, Count> = BTreeMap::new();
        let mut scarce = BTreeMap::new();
        for unit in self.units.values() {
            let Some(run) = unit.run else { continue };
            let count = counts.entry(run).or_default();
            let is_scarce = || self.machine.is_scarce(unit.domain);
            let keeps_order =
                unit.is_ordered() && !*scarce.entry(unit.domain).or_insert_with(is_scarce);
            count.ordered = keeps_order && (count.ordered || count.waiting + count.active == 0);
            if self.machine.unit(unit.id).is_some_and(Unit::is_active) {
                count.active += 1;
            } else {
                count.waiting += 1;
            }
        }
        let threads = f64::from(self.runs.threads().unwrap_or(self.threads));
        for (run, peer, size) in self.runs.resize(&counts, self.busy(), threads) {
            self.send(peer, &FromGovernor::Pool { size });
            self.note(Happening::Pool { run, size, free: 0 }, Some(run));
        }
    }
}

/// Processor time of this thread: time in which builds kept it from running is no cost.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Rest after a look that cost so much, where the next one is wanted after a pause.
fn rest(cost: Duration, pause: Duration) -> Duration {
    let is_calm = pause >= LONGEST_LOOK;
    let (part, most) =
        if is_calm { (COST_IN_CALM, LONGEST_REST_IN_CALM) } else { (COST, LONGEST_REST) };
    (cost * part).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_costs_little_and_never_makes_blind() {
        let (soon, calm) = (Duration::from_millis(20), LONGEST_LOOK);
        let look = Duration::from_micros(500);
        assert_eq!(rest(look, soon), look * COST);
        assert_eq!(rest(look, calm), look * COST_IN_CALM);
        let stolen = Duration::from_millis(150);
        assert_eq!((rest(stolen, soon), rest(stolen, calm)), (LONGEST_REST, LONGEST_REST_IN_CALM));
    }
}
