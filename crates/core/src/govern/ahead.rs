//! What is expected of a unit from now on: worked out once, and then asked many times.
//!
//! Does not know other units.

use super::curve::Curve;
use super::unit::{BLUR, LATE, Unit};
use super::{Forecast, Moment, Phase};
use crate::units::Bytes;

/// Memory of a unit over the time from now on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ahead<'a> {
    /// So much for as long as can be foreseen.
    Always(Bytes),
    /// It follows its curve, and ends.
    Ends {
        /// The curve.
        curve: &'a Curve,
        /// Part of its time that is behind it.
        position: f64,
        /// Parts of its time that pass in a second.
        speed: f64,
        /// Seconds until it is expected to be gone.
        left: f64,
        /// What it holds now.
        memory: Bytes,
    },
}

impl<'a> Ahead<'a> {
    /// Of a unit as it is: one that is paused keeps what it may come to hold.
    pub(super) fn of(unit: &'a Unit, now: Moment) -> Self {
        if matches!(unit.phase(), Phase::Running | Phase::Granted) {
            Self::if_it_runs(unit, now)
        } else {
            Self::Always(unit.expected(now))
        }
    }

    /// Of a unit that runs from now on.
    pub(super) fn if_it_runs(unit: &'a Unit, now: Moment) -> Self {
        let forecast = &unit.demand.forecast;
        let shape = forecast.shape.as_ref().filter(|_| unit.memory <= forecast.peak);
        let Some(shape) = shape else { return Self::Always(unit.extrapolated(now)) };
        let duration = shape.duration.as_secs_f64();
        let position = unit.position(now);
        let left = (duration * LATE * (1.0 - position)).max(duration * (LATE - 1.0));
        let (curve, speed, memory) = (&shape.curve, 1.0 / duration, unit.memory);
        Self::Ends { curve, position, speed, left, memory }
    }

    /// Of a unit that starts now.
    pub(super) fn from_start(forecast: &'a Forecast) -> Self {
        let Some(shape) = &forecast.shape else { return Self::Always(forecast.peak) };
        let duration = shape.duration.as_secs_f64();
        let (curve, speed, left) = (&shape.curve, 1.0 / duration, duration * LATE);
        Self::Ends { curve, position: 0.0, speed, left, memory: Bytes::ZERO }
    }

    /// Most memory between two times from now, in seconds; zero once it is expected to be gone.
    pub(super) fn between(&self, from: f64, to: f64) -> Bytes {
        match *self {
            Self::Always(memory) => memory,
            Self::Ends { left, .. } if from > left => Bytes::ZERO,
            Self::Ends { curve, position, speed, memory, .. } => {
                let here = if from <= 0.0 { memory } else { Bytes::ZERO };
                let at = |seconds: f64| position + seconds * speed;
                curve.most(at(from / LATE - BLUR), at(to + BLUR)).max(here)
            }
        }
    }

    /// Most memory from now on.
    pub(super) fn most(&self) -> Bytes {
        match *self {
            Self::Always(memory) => memory,
            Self::Ends { curve, position, memory, .. } => curve.most(position, 1.0).max(memory),
        }
    }

    /// Seconds until it is expected to be gone; `None` when nobody knows.
    pub(super) const fn left(&self) -> Option<f64> {
        match self {
            Self::Always(_) => None,
            Self::Ends { left, .. } => Some(*left),
        }
    }
}
