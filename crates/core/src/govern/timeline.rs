//! Whether a unit fits beside others, now and for as long as it runs.
//!
//! Does not know domains or threads: it gets the units that share one memory and its size.

use super::unit::BLUR;
use super::{Forecast, Moment, Unit};
use crate::units::Bytes;

/// Slots that the running time of a candidate is divided into.
const SLOTS: usize = 16;

/// Times between now and the last end at which a candidate's start is tried.
const STARTS: usize = 24;

/// A unit that is to start later, and whose place others must leave free.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shadow {
    /// Its forecast.
    pub(super) forecast: Forecast,
    /// Seconds until it starts.
    pub(super) start: f64,
}

/// The units that hold memory, seen from now.
#[derive(Debug)]
pub(super) struct Timeline<'a> {
    pub(super) now: Moment,
    pub(super) active: Vec<&'a Unit>,
    pub(super) available: Bytes,
}

impl Timeline<'_> {
    /// Whether the candidate fits from `start` seconds on until its end, beside a shadow.
    pub(super) fn fits(&self, candidate: &Forecast, start: f64, shadow: Option<&Shadow>) -> bool {
        if candidate.peak > self.available {
            return false;
        }
        let Some(shape) = candidate.shape else {
            return start <= 0.0 && self.fits_for_ever(candidate, shadow);
        };
        let length = shape.duration.as_secs_f64() / SLOTS as f64;
        (0..SLOTS).all(|slot| {
            let (from, to) = (slot as f64 / SLOTS as f64, (slot + 1) as f64 / SLOTS as f64);
            let blur = BLUR / shape.duration.as_secs_f64();
            // A slot that ends where the next part begins does not hold that part.
            let own = shape.curve.most(from - blur, to + blur - 1e-6);
            let (t0, t1) = (start + slot as f64 * length, start + (slot + 1) as f64 * length);
            self.load(t0, t1, shadow).saturating_add(own) <= self.available
        })
    }

    fn fits_for_ever(&self, candidate: &Forecast, shadow: Option<&Shadow>) -> bool {
        let expected = self
            .active
            .iter()
            .fold(candidate.peak, |sum, unit| sum.saturating_add(unit.expected(self.now)));
        let reserved = shadow.map_or(Bytes::ZERO, |shadow| shadow.forecast.peak);
        expected.saturating_add(reserved) <= self.available
    }

    /// Most memory between two times from now, in seconds.
    pub(super) fn load(&self, from: f64, to: f64, shadow: Option<&Shadow>) -> Bytes {
        let held = self
            .active
            .iter()
            .fold(Bytes::ZERO, |sum, unit| sum.saturating_add(unit.between(self.now, from, to)));
        held.saturating_add(shadow.map_or(Bytes::ZERO, |shadow| shadow.between(from, to)))
    }

    /// The first time from now, in seconds, at which the candidate fits because others have ended,
    /// or will have by the time it has grown. `None` when that cannot be foreseen.
    pub(super) fn earliest(&self, candidate: &Forecast) -> Option<f64> {
        let mut times: Vec<f64> = self.active.iter().filter_map(|u| u.left(self.now)).collect();
        let last = times.iter().copied().fold(0.0, f64::max);
        times.extend((1..STARTS).map(|start| last * start as f64 / STARTS as f64));
        times.sort_by(f64::total_cmp);
        times.into_iter().find(|time| self.fits(candidate, *time, None))
    }
}

impl Shadow {
    fn between(&self, from: f64, to: f64) -> Bytes {
        let Some(shape) = self.forecast.shape else { return self.forecast.peak };
        let duration = shape.duration.as_secs_f64();
        if to <= self.start || from > self.start + duration {
            return Bytes::ZERO;
        }
        let at = |seconds: f64| (seconds - self.start) / duration;
        shape.curve.most(at(from), at(to))
    }
}
