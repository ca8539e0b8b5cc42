//! Whether a heavy unit that could start now had better start a little later.
//!
//! Two that each take half of the memory run side by side, and a third begins when they have ended. If
//! the second begins late enough for the third to grow beside it when the first one ends, all are done
//! sooner. So a few orders are tried on what is known of the heaviest that wait. Does not look at light
//! ones, which fill what is left, and does nothing where processors are scarcer than memory.

use std::time::Duration;

use super::courtesy::seconds;
use super::timeline::{CROWD, Shadow};
use super::{Forecast, Machine, Unit};

/// Parts of the memory from which on a unit is heavy, so that it matters when it begins, and from which
/// on it is worth a place in the plan.
const HEAVY: f64 = 1.0 / 4.0;
const WORTH_A_PLACE: f64 = 1.0 / 10.0;
/// Units that last less are over before anything could be gained.
const LASTING: Duration = Duration::from_secs(1);
/// Starts that are compared.
const STARTS: u32 = 24;
/// Part of the time until all are done that must be gained: forecasts are no better.
const GAIN: f64 = 0.04;
/// Waiting units that are looked at, heaviest first.
const WINDOW: usize = 16;
/// A build that asked so recently is still telling what it has; and the part of its own time that a heavy
/// unit waits for that.
const TELLING: Duration = Duration::from_millis(60);
const PATIENCE: f64 = 0.1;

impl Machine {
    /// The place of a unit that could start now, where all would be done sooner if it began there.
    pub(super) fn better_later(&self, unit: &Unit) -> Option<Shadow> {
        if self.waiting() > CROWD || !self.lasts(unit, HEAVY) {
            return None;
        }
        let is_rest = |other: &&Unit| {
            let together = other.demand.domain == unit.demand.domain && !other.alone;
            other.id != unit.id && together && self.lasts(other, WORTH_A_PLACE)
        };
        let waiting = self.heaviest_first().take(WINDOW);
        let (heavy, light): (Vec<&Unit>, Vec<&Unit>) =
            waiting.filter(is_rest).partition(|other| self.lasts(other, HEAVY));
        if heavy.is_empty() {
            self.while_others_ask(unit)
        } else {
            self.place(unit, &heavy, &light)
        }
    }

    /// Whether a unit takes more than a part of the memory, and is known to do so for a while.
    fn lasts(&self, unit: &Unit, part: f64) -> bool {
        let (available, _) = self.memory(unit.demand.domain);
        let forecast = &unit.demand.forecast;
        forecast.peak > available.scaled(part)
            && forecast.shape.is_some_and(|shape| shape.duration >= LASTING)
    }

    /// Waits beside another heavy unit for as long as a build goes on asking: a third may be among those
    /// to come. Not where the two keep the processors busy, which then decide when all is done.
    fn while_others_ask(&self, unit: &Unit) -> Option<Shadow> {
        let beside = || self.active().filter(|other| self.lasts(other, HEAVY));
        let threads: f64 = beside().chain([unit]).map(|it| it.demand.forecast.threads).sum();
        if beside().next().is_none() || threads > self.threads / 2.0 {
            return None;
        }
        let duration = unit.demand.forecast.duration()?;
        let patient = self.now.since(unit.asked) < duration.mul_f64(PATIENCE);
        let telling = self.now.since(self.asked) < TELLING;
        let shadow = Shadow { forecast: unit.demand.forecast, start: 0.0 };
        (patient && telling).then_some(shadow)
    }

    fn place(&self, unit: &Unit, heavy: &[&Unit], light: &[&Unit]) -> Option<Shadow> {
        let all = heavy.iter().chain(light).chain([&unit]);
        let beside = self.foreseen(unit.demand.domain, all.filter_map(|it| seconds(it)).sum());
        // When all are done that take their places one after the other, and when the unit begins. No
        // other heavy one comes before it, or each would wait for the next.
        let plan = |from: f64, light_first: bool| {
            let mut timeline = beside.clone();
            let mut done: f64 = 0.0;
            let mut add = |forecast: &Forecast, from: f64| {
                let start = timeline.earliest_after(forecast, from)?;
                timeline.reserve(&Shadow { forecast: *forecast, start });
                done = done.max(start + forecast.duration()?.as_secs_f64());
                Some(start)
            };
            let (before, behind) = if light_first { (light, &[][..]) } else { (&[][..], light) };
            for other in before {
                add(&other.demand.forecast, 0.0)?;
            }
            let start = add(&unit.demand.forecast, from)?;
            for other in heavy {
                add(&other.demand.forecast, start)?;
            }
            for other in behind {
                add(&other.demand.forecast, 0.0)?;
            }
            Some((done, start))
        };
        let (now, _) = plan(0.0, false)?;
        // Plans that are made from moment to moment would never end: none waits for longer than it runs.
        let last = unit.asked.after(unit.demand.forecast.duration()?);
        let latest = last.since(self.now).as_secs_f64().min(now);
        let starts = (1..=STARTS).map(|step| latest * f64::from(step) / f64::from(STARTS));
        let later = starts.filter_map(|start| plan(start, false));
        let behind_light = plan(0.0, true).filter(|(_, start)| *start <= latest);
        let (done, start) =
            later.chain(behind_light).min_by(|(one, _), (other, _)| one.total_cmp(other))?;
        let gains = done < now * (1.0 - GAIN) && self.busy_for(heavy.iter().chain(light)) < done;
        gains.then_some(Shadow { forecast: unit.demand.forecast, start })
    }

    /// Seconds for which what runs and what waits would keep all processors busy: where they decide
    /// when all is done, memory does not.
    fn busy_for<'a>(&'a self, waiting: impl Iterator<Item = &'a &'a Unit>) -> f64 {
        let left = |unit: &Unit| {
            let part = if unit.is_active() { 1.0 - unit.position(self.now) } else { 1.0 };
            unit.demand.forecast.threads * seconds(unit).unwrap_or(0.0) * part
        };
        let sum: f64 = self.active().chain(waiting.copied()).map(left).sum();
        sum / self.threads.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::simulate::{Job, Outcome, Rule, Setup, Workload, simulate};
    use crate::govern::{
        Action, Alarm, Basis, Curve, Demand, DomainId, Event, Moment, Policy, Shape, UnitId,
    };
    use crate::units::Bytes;

    /// So many that take 1,500 MiB each, five seconds, and hardly a processor.
    fn heavy(count: usize, mib: u64) -> Outcome {
        let job = Job {
            name: "heavy".to_owned(),
            memory: Bytes::mib(1500),
            cpu: Duration::from_millis(500),
            sleep: Duration::from_millis(4500),
            threads: 1.0,
            growth: 0.6,
            after: Vec::new(),
        };
        let setup = Setup {
            budget: Bytes::mib(mib),
            threads: 2.0,
            seen_before: true,
            cold: Bytes::mib(256),
            start_delay: Duration::ZERO,
        };
        simulate(&Workload { jobs: vec![job; count] }, &setup, Rule::Governor)
    }

    #[test]
    fn the_second_of_three_waits_for_the_third() {
        // Side by side, and then the third: ten seconds.
        assert!(heavy(3, 3100).makespan < Duration::from_secs(9), "{:?}", heavy(3, 3100));
        // All three fit at once, or two never do.
        assert!(heavy(3, 4600).makespan < Duration::from_millis(5300));
        assert!(heavy(3, 2900).makespan < Duration::from_millis(10_500));
        assert!(heavy(2, 3100).makespan < Duration::from_millis(5500));
    }

    #[test]
    fn a_second_waits_only_while_a_build_goes_on_asking() {
        let mut machine = Machine::new(Policy::default());
        let domain = DomainId::default();
        let at = |millis| Moment::default().after(Duration::from_millis(millis));
        machine.step(at(0), Event::Budget { domain, memory: Bytes::gib(3), threads: 2.0 });
        let curve = Curve::new(&[Bytes::mib(1400)]).unwrap();
        let forecast = Forecast {
            peak: Bytes::mib(1400),
            shape: Some(Shape { duration: Duration::from_secs(5), curve }),
            logged: None,
            threads: 0.2,
            basis: Basis::Measured(3),
        };
        let demand = Demand { forecast, retryable: true, domain, token: false, ordered: false };
        let ask = |number| Event::Asked { unit: UnitId(number), demand: demand.clone() };
        assert_eq!(machine.step(at(0), ask(1)), [Action::Grant(UnitId(1))]);
        assert_eq!(machine.step(at(5), ask(2)), []);
        let looked =
            || Event::Looked { units: Vec::new(), domains: Vec::new(), alarm: Alarm::Calm };
        assert_eq!(machine.step(at(50), looked()), []);
        assert_eq!(machine.step(at(120), looked()), [Action::Grant(UnitId(2))]);
    }
}
