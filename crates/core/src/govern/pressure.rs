//! Pressure: which units pause, go on, or are killed to be run again.
//!
//! A younger unit may grow only while every older one can still reach its expected peak. So the
//! oldest always can, and when it ends the next one can: nothing is ever stuck. Pausing frees no
//! memory but stops growth; killing is for forecasts that were wrong. Does not admit anything.

use std::time::Duration;

use super::ahead::Ahead;
use super::machine::counts_in;
use super::{Action, Alarm, DomainId, Machine, Phase, Unit, UnitId};
use crate::units::MIB;

/// Growth within the reaction time that is not worth a pause, in bytes.
const NEGLIGIBLE: f64 = MIB as f64;
/// A paused unit goes on when there is room for this many reaction times of its growth.
const RESUME_ROOM: f64 = 4.0;
/// Shortest time between two looks.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
/// Longest time between two looks: there is plenty of room.
pub const LONGEST_LOOK: Duration = Duration::from_millis(250);
/// Looks within the time in which memory would run out.
const LOOKS_BEFORE_FULL: f64 = 8.0;
/// What has so many times the memory that it may still come to take is grown.
const GROWN: f64 = 8.0;
/// Growth in bytes a second of a unit whose growth is not known yet, and what any may come to.
const SUDDEN: (f64, f64) = (512.0 * MIB as f64, 32.0 * MIB as f64);

/// What is decided for one domain.
#[derive(Debug, Default)]
struct Verdicts {
    pause: Vec<UnitId>,
    resume: Vec<UnitId>,
    evict: Option<UnitId>,
}

impl Machine {
    pub(super) fn relieve(&mut self, actions: &mut Vec<Action>) {
        let domains: Vec<DomainId> = self.domains.keys().copied().collect();
        let verdicts: Vec<Verdicts> = domains.iter().map(|domain| self.judge(*domain)).collect();
        let pause: Vec<UnitId> = verdicts.iter().flat_map(|v| v.pause.clone()).collect();
        for id in verdicts.iter().filter_map(|v| v.evict) {
            self.act(id, Phase::Evicting, Action::Evict(id), actions);
        }
        for id in &pause {
            self.act(*id, Phase::Paused, Action::Pause(*id), actions);
        }
        let may = |id: &UnitId| self.may_resume(*id, &verdicts);
        let wanted = verdicts.iter().flat_map(|verdict| verdict.resume.iter().copied());
        let resumed: Vec<UnitId> = wanted.filter(may).collect();
        for id in resumed {
            self.act(id, Phase::Running, Action::Resume(id), actions);
        }
    }

    /// When the oldest ends the next one is the oldest, and goes on at once.
    pub(super) fn release_oldest(&mut self, actions: &mut Vec<Action>) {
        let oldest = self.active().find(|unit| unit.phase() != Phase::Evicting);
        if let Some(id) = oldest.filter(|unit| unit.phase() == Phase::Paused).map(|unit| unit.id) {
            self.act(id, Phase::Running, Action::Resume(id), actions);
        }
    }

    /// A unit goes on only when each of its domains lets it.
    fn may_resume(&self, id: UnitId, verdicts: &[Verdicts]) -> bool {
        let Some(unit) = self.units.get(&id) else { return false };
        let concerned = self.domains.keys().zip(verdicts).filter(|(d, _)| counts_in(unit, **d));
        unit.phase() == Phase::Paused && { concerned }.all(|(_, v)| v.resume.contains(&id))
    }

    fn act(&mut self, id: UnitId, phase: Phase, action: Action, actions: &mut Vec<Action>) {
        let now = self.units.get(&id).map(Unit::phase);
        if now.is_some_and(|now| now != phase && now != Phase::Evicting) {
            self.set(id, phase);
            actions.push(action);
        }
    }

    fn judge(&self, domain: DomainId) -> Verdicts {
        let units: Vec<&Unit> = self.active().filter(|unit| counts_in(unit, domain)).collect();
        let (available, held) = self.memory(domain);
        let (available, held) = (available.0 as f64, held.0 as f64);
        let mut verdicts = Verdicts::default();
        let courses: Vec<Course<'_>> = units.iter().map(|unit| self.course(unit)).collect();
        let Some((oldest, younger)) = courses.split_first() else { return verdicts };
        let mut room = available - held - oldest.growth;
        if room < 0.0 && !units.iter().any(|unit| unit.phase() == Phase::Evicting) {
            verdicts.evict = victim(younger, oldest.wanted() + held - available);
        }
        let mut behind: f64 = younger.iter().map(|course| course.unit.memory.0 as f64).sum();
        let mut slack = available - oldest.most - behind;
        let mut together = None;
        for (index, course) in younger.iter().enumerate() {
            let (unit, wanted) = (course.unit, course.growth);
            let mut fits = || {
                together
                    .get_or_insert_with(|| Together::new(oldest, younger, available))
                    .takes(index)
            };
            // What will be gone by then does not stand in the way of an older one's peak.
            let free = if slack >= room || course.is_grown() || fits() { room } else { slack };
            match unit.phase() {
                Phase::Running if wanted > NEGLIGIBLE && wanted > free => {
                    verdicts.pause.push(unit.id);
                }
                Phase::Paused => {
                    let need = (wanted * RESUME_ROOM).max(4.0 * NEGLIGIBLE).min(course.wanted());
                    if free >= need && self.alarm < Alarm::Pause {
                        verdicts.resume.push(unit.id);
                        (room, slack) = (room - need, slack - need);
                    }
                }
                Phase::Running | Phase::Granted => (room, slack) = (room - wanted, slack - wanted),
                Phase::Waiting | Phase::Evicting => {}
            }
            behind -= unit.memory.0 as f64;
            slack = slack.min(available - course.most - behind);
        }
        self.pause_for_alarm(&units, &mut verdicts);
        verdicts
    }

    fn course<'a>(&self, unit: &'a Unit) -> Course<'a> {
        let ahead = Ahead::if_it_runs(unit, self.now);
        let most = ahead.most();
        let growth = unit.growth(self.policy.reaction, most);
        Course { unit, ahead, most: most.0 as f64, growth }
    }

    /// While the machine is in distress, the newest that runs pauses, one at each look.
    fn pause_for_alarm(&self, units: &[&Unit], verdicts: &mut Verdicts) {
        if self.alarm < Alarm::Pause {
            return;
        }
        let younger = units.get(1..).unwrap_or_default();
        let newest = younger.iter().rev().find(|unit| unit.phase() == Phase::Running);
        verdicts.pause.extend(newest.map(|unit| unit.id));
    }

    /// Time until the next look: the less room there is for the growth that is seen, the sooner.
    pub fn next_look(&self) -> Duration {
        let soonest = self.domains.keys().map(|domain| self.seconds_left(*domain));
        let seconds = soonest.fold(LONGEST_LOOK.as_secs_f64() * LOOKS_BEFORE_FULL, f64::min);
        Duration::from_secs_f64(seconds.max(0.0) / LOOKS_BEFORE_FULL)
            .clamp(SHORTEST_LOOK, LONGEST_LOOK)
    }

    /// Seconds until growth takes the room that is left, or what an older unit still needs.
    fn seconds_left(&self, domain: DomainId) -> f64 {
        let (available, held) = self.memory(domain);
        let available = available.0 as f64;
        let mut room = available - held.0 as f64;
        let mut behind = held.0 as f64;
        let mut rate = 0.0;
        for unit in self.active().filter(|unit| counts_in(unit, domain)) {
            behind -= unit.memory.0 as f64;
            let slack = available - unit.expected(self.now).0 as f64 - behind;
            // Without any slack the younger ones do not grow.
            if slack > 0.0 {
                room = room.min(slack);
            }
            let young = unit.ran(self.now) < self.policy.reaction;
            if matches!(unit.phase(), Phase::Running | Phase::Granted) {
                rate += unit.rate.max(if young { SUDDEN.0 } else { SUDDEN.1 });
            }
        }
        room / f64::max(rate, 1.0)
    }
}

/// What is expected of one unit if it runs from now on.
struct Course<'a> {
    unit: &'a Unit,
    ahead: Ahead<'a>,
    /// Most memory, in bytes.
    most: f64,
    /// Growth within the reaction time, in bytes.
    growth: f64,
}

impl Course<'_> {
    /// Bytes that it may still come to take.
    fn wanted(&self) -> f64 {
        (self.most - self.unit.memory.0 as f64).max(0.0)
    }

    /// Whether a pause would save little and keep much from being freed: it ends soon, and hardly
    /// grows until then.
    fn is_grown(&self) -> bool {
        self.ahead.left().is_some() && self.wanted() * GROWN <= self.unit.memory.0 as f64
    }
}

/// Memory from now on if the oldest unit and those that were found to fit beside it run to their
/// ends as they are expected to, while all others keep what they hold.
struct Together<'a> {
    available: f64,
    younger: &'a [Course<'a>],
    /// Of the younger ones so many were asked for.
    decided: usize,
    /// Seconds of a slot.
    slot: f64,
    load: [f64; SLOTS],
}

/// Slots that the time until all are expected to be gone is divided into.
const SLOTS: usize = 24;

impl<'a> Together<'a> {
    fn new(oldest: &Course<'a>, younger: &'a [Course<'a>], available: f64) -> Self {
        let all = || younger.iter().chain([oldest]);
        let held: f64 = all().map(|course| course.unit.memory.0 as f64).sum();
        let running = all().filter(|course| course.unit.phase() != Phase::Paused);
        let longest = running.filter_map(|course| course.ahead.left()).fold(0.0, f64::max);
        let (slot, load) = (longest / SLOTS as f64, [held; SLOTS]);
        let mut together = Self { available, younger, decided: 0, slot, load };
        together.load = together.with(oldest);
        together
    }

    fn with(&self, course: &Course<'_>) -> [f64; SLOTS] {
        let mut load = self.load;
        for (index, load) in load.iter_mut().enumerate() {
            let (from, to) = (index as f64 * self.slot, (index + 1) as f64 * self.slot);
            *load += course.ahead.between(from, to).0 as f64 - course.unit.memory.0 as f64;
        }
        load
    }

    /// Whether one of the younger ones runs to its end. Those before it are decided about first, which
    /// is put off until somebody asks: mostly nobody does.
    fn takes(&mut self, index: usize) -> bool {
        let mut fits = false;
        while let Some(course) = self.younger.get(self.decided).filter(|_| self.decided <= index) {
            fits = self.lets_run(course);
            self.decided += 1;
        }
        fits
    }

    /// Lets a unit run to its end, if that fits, or at least needs no more than if it kept what it
    /// holds for ever.
    fn lets_run(&mut self, course: &Course<'_>) -> bool {
        let most = |load: &[f64; SLOTS]| load.iter().copied().fold(0.0, f64::max);
        let load = self.with(course);
        let fits = most(&load) <= self.available.max(most(&self.load));
        if fits {
            self.load = load;
        }
        fits
    }
}

/// Whom to kill so that `needed` bytes come free: the newest that suffices, else the largest.
fn victim(younger: &[Course<'_>], needed: f64) -> Option<UnitId> {
    let units = younger.iter().map(|course| course.unit).rev();
    let mut able = units.filter(|unit| unit.demand.retryable && unit.memory.0 > MIB);
    let largest = able.clone().max_by_key(|unit| unit.memory);
    able.find(|unit| unit.memory.0 as f64 >= needed).or(largest).map(|unit| unit.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::{Curve, Demand, Event, Forecast, Moment, Policy, Shape, UnitSample};
    use crate::units::Bytes;

    /// A gibibyte within three seconds and half of it within four, in so many MiB; what is decided by
    /// 2.3 seconds, when the younger has taken so much of its half, and a tenth of a second before.
    fn decided(mib: u64, before: u64, younger: u64) -> Vec<Action> {
        let mut machine = Machine::new(Policy::default());
        let (domain, memory) = (DomainId::default(), Bytes::mib(mib));
        machine.step(Moment::default(), Event::Budget { domain, memory, threads: 2.0 });
        for (number, mib, seconds) in [(0, 1024, 3), (1, 512, 4)] {
            let rising: Vec<Bytes> = (1..=32).map(|part| Bytes::mib(mib * part / 32)).collect();
            let curve = Curve::new(&rising).unwrap();
            let shape = Some(Shape { duration: Duration::from_secs(seconds), curve });
            let forecast = Forecast { shape, ..Forecast::cold(Bytes::mib(mib), 1.0) };
            let demand = Demand { forecast, retryable: true, domain, token: false, ordered: false };
            machine.step(Moment::default(), Event::Adopted { unit: UnitId(number), demand });
        }
        let mut look = |ms: u64, mib: [u64; 2]| {
            let of = |(number, mib)| UnitSample {
                unit: UnitId(number),
                memory: Bytes::mib(mib),
                wanted: None,
                waited: Duration::ZERO,
            };
            let units = (0..).zip(mib).map(of).collect();
            let looked = Event::Looked { units, domains: Vec::new(), alarm: Alarm::Calm };
            machine.step(Moment(Duration::from_millis(ms)), looked)
        };
        [look(2200, [740, before]), look(2300, [785, younger])].concat()
    }

    #[test]
    fn who_is_nearly_done_is_not_paused() {
        assert_eq!(decided(1360, 305, 330), [Action::Pause(UnitId(1))]);
        // There is room for what both hold at last but not for 27 MiB more.
        assert_eq!(decided(1512, 460, 485), []);
        // There is none at all: what ends frees its memory, and what is paused does not.
        assert_eq!(decided(1360, 460, 485), []);
    }
}
