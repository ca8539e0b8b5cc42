//! How far a unit gives way to longer ones while processors are wanted by more than there are.
//!
//! A batch ends with its longest units. Where each gets the same share, a long one that sleeps now and
//! then waits for a processor whenever it wakes, and short ones, for which nobody waits, end early.
//! Does not know how a system is told.

use super::{Machine, Unit, UnitId};

/// Levels of niceness for each halving of the duration. Each level is a quarter more or less of a
/// share (sched(7), "The nice value"), so that three make half of it: shares go by durations.
const PER_HALVING: f64 = 3.0;
/// Most levels. Beyond it a unit would hold its memory for long to save another little time.
const MOST: f64 = 10.0;
/// How many times longer another must take for one to hardly take a processor from it.
const MUCH_LONGER: f64 = 4.0;
/// Waiting units that are looked at, heaviest first.
const WINDOW: usize = 16;

impl Machine {
    /// Levels of niceness that a unit gets beyond those of its build; none where it is not known how
    /// long it takes, or where its build tool began with what others wait for, however short.
    pub fn niceness(&self, id: UnitId) -> u8 {
        if self.units.get(&id).is_some_and(|unit| unit.demand.ordered) {
            return 0;
        }
        let waiting = self.heaviest_first().take(WINDOW);
        let longest = self.active().chain(waiting).filter_map(seconds).fold(0.0, f64::max);
        let own = self.units.get(&id).and_then(seconds).unwrap_or(longest);
        levels(own, longest)
    }
}

/// Whether a unit is so short beside another that this one may start on its processor.
pub(super) fn gives_way(unit: &Unit, to: &Unit) -> bool {
    let times = seconds(unit).zip(seconds(to));
    times.is_some_and(|(own, other)| own * MUCH_LONGER <= other)
}

/// How long a unit is expected to run.
pub(super) fn seconds(unit: &Unit) -> Option<f64> {
    unit.demand.forecast.duration().map(|duration| duration.as_secs_f64())
}

/// Levels for what takes so long beside what takes longest, in seconds.
fn levels(own: f64, longest: f64) -> u8 {
    let halvings = (longest / own.max(1e-3)).log2();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number lies between 0 and MOST"
    )]
    let levels = (PER_HALVING * halvings).clamp(0.0, MOST) as u8;
    levels
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::govern::{Demand, DomainId, Event, Forecast, Moment, Policy};
    use crate::units::Bytes;

    fn machine(seconds: &[u64]) -> Machine {
        let mut machine = Machine::new(Policy::default());
        let (domain, memory) = (DomainId::default(), Bytes::gib(1));
        machine.step(Moment::default(), Event::Budget { domain, memory, threads: 2.0 });
        for (number, seconds) in (0_u64..).zip(seconds) {
            let logged = (*seconds > 0).then(|| Duration::from_secs(*seconds));
            let forecast = Forecast { logged, ..Forecast::cold(Bytes::mib(900), 1.0) };
            let demand =
                Demand { forecast, retryable: true, domain, token: false, ordered: *seconds == 3 };
            machine.step(Moment::default(), Event::Asked { unit: UnitId(number), demand });
        }
        machine
    }

    #[test]
    fn short_ones_give_way_to_long_ones_that_run_or_wait() {
        // The last one is of a build tool with an order of its own.
        let machine = machine(&[8, 16, 1, 0, 3]);
        let levels: Vec<u8> = (0..5).map(|number| machine.niceness(UnitId(number))).collect();
        assert_eq!(levels, [3, 0, 10, 0, 0]);
        let unit = |number| machine.unit(UnitId(number)).unwrap();
        assert!(gives_way(unit(2), unit(0)) && !gives_way(unit(0), unit(1)));
        assert!(!gives_way(unit(3), unit(1)) && !gives_way(unit(2), unit(3)));
    }

    #[test]
    fn where_nothing_is_known_all_are_equal() {
        let machine = machine(&[0, 0]);
        assert_eq!(machine.niceness(UnitId(1)), 0);
        assert_eq!((levels(0.0, 0.0), levels(1.0, f64::INFINITY)), (0, 10));
    }
}
