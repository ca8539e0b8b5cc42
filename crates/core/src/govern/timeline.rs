//! Whether a unit fits beside others, now and for as long as it runs.
//!
//! What the others are expected to hold is added up once, in cells of time. Does not know domains or
//! threads: it gets the units that share one memory and its size.

use super::ahead::Ahead;
use super::curve::PARTS;
use super::{Forecast, Moment, Unit};
use crate::units::Bytes;

/// Slots that the running time of a candidate is divided into.
const SLOTS: usize = PARTS;
/// Cells that the time until all are expected to be gone is divided into.
const CELLS: usize = 32;
/// Seconds for which cells are fine, where that time is longer: what starts now is mostly short.
const NEAR: f64 = 8.0;
/// Cells between two starts that are tried.
const STRIDE: usize = 1;

/// A unit that is to start later, and whose place others must leave free.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shadow {
    /// Its forecast.
    pub(super) forecast: Forecast,
    /// Seconds until it starts.
    pub(super) start: f64,
}

/// What the units that share a memory are expected to hold, seen from now.
#[derive(Debug)]
pub(super) struct Timeline {
    pub(super) available: Bytes,
    /// Whether nobody holds anything.
    pub(super) empty: bool,
    /// Expected of all units for ever, if none of them ends.
    at_most: Bytes,
    /// Where the cells become coarse, and where they end, in seconds.
    near: f64,
    end: f64,
    load: [Bytes; CELLS],
    /// Held beyond the last cell.
    after: Bytes,
}

impl Timeline {
    /// Adds up what is expected of units.
    pub(super) fn new(now: Moment, available: Bytes, units: &[&Unit]) -> Self {
        let ahead: Vec<Ahead<'_>> = units.iter().map(|unit| Ahead::of(unit, now)).collect();
        let end = ahead.iter().filter_map(Ahead::left).fold(0.0, f64::max);
        let near = if end > NEAR { NEAR } else { end };
        let mut timeline = Self {
            available,
            empty: units.is_empty(),
            at_most: Bytes::ZERO,
            near,
            end,
            load: [Bytes::ZERO; CELLS],
            after: Bytes::ZERO,
        };
        for unit in units {
            timeline.at_most = timeline.at_most.saturating_add(unit.expected(now));
        }
        for ahead in &ahead {
            timeline.add(ahead);
        }
        timeline
    }

    /// Adds a unit that was let in; false where it outlives what was foreseen, and all has to be seen
    /// anew.
    pub(super) fn takes(&mut self, unit: &Unit, now: Moment) -> bool {
        let ahead = Ahead::of(unit, now);
        if ahead.left().is_some_and(|left| left > self.end) {
            return false;
        }
        self.empty = false;
        self.at_most = self.at_most.saturating_add(unit.expected(now));
        self.add(&ahead);
        true
    }

    fn add(&mut self, ahead: &Ahead<'_>) {
        if let Ahead::Always(memory) = ahead {
            self.after = self.after.saturating_add(*memory);
        }
        let left = ahead.left().unwrap_or(f64::INFINITY);
        for cell in 0..CELLS {
            let (from, to) = (self.begin(cell), self.begin(cell + 1));
            if from > left {
                return;
            }
            if let Some(load) = self.load.get_mut(cell) {
                *load = load.saturating_add(ahead.between(from, to));
            }
        }
    }

    /// Cells until they become coarse.
    fn fine(&self) -> usize {
        if self.end > self.near { CELLS / 2 } else { CELLS }
    }

    /// Seconds from now at which a cell begins.
    fn begin(&self, cell: usize) -> f64 {
        let fine = self.fine();
        if cell <= fine {
            return self.near * cell as f64 / fine as f64;
        }
        self.near + (self.end - self.near) * (cell - fine) as f64 / (CELLS - fine) as f64
    }

    /// The cell of a time; the last one for what comes later.
    fn cell(&self, seconds: f64) -> usize {
        let fine = self.fine() as f64;
        let cell = if seconds <= self.near {
            seconds / self.near.max(1e-9) * fine
        } else {
            fine + (seconds - self.near) / (self.end - self.near).max(1e-9) * (CELLS as f64 - fine)
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number lies between 0 and CELLS"
        )]
        let cell = cell.clamp(0.0, CELLS as f64) as usize;
        cell.min(CELLS - 1)
    }

    /// Most memory between two times from now, in seconds.
    fn load(&self, from: f64, to: f64) -> Bytes {
        if from > self.end {
            return self.after;
        }
        // What ends where a cell begins does not reach into it.
        let cells = self.load.get(self.cell(from)..=self.cell(to - 1e-6)).unwrap_or_default();
        cells.iter().copied().max().unwrap_or_default()
    }

    /// Whether the candidate fits from now on until its end, beside a shadow.
    pub(super) fn fits(&self, candidate: &Forecast, shadow: Option<&Shadow>) -> bool {
        match Slots::of(candidate) {
            None => self.fits_for_ever(candidate, shadow),
            Some(slots) => self.fits_from(&slots, 0.0, shadow),
        }
    }

    fn fits_from(&self, slots: &Slots, start: f64, shadow: Option<&Shadow>) -> bool {
        slots.memory.iter().enumerate().all(|(slot, own)| {
            let t0 = start + slot as f64 * slots.length;
            let t1 = t0 + slots.length;
            let others = self.load(t0, t1);
            let reserved = shadow.map_or(Bytes::ZERO, |shadow| shadow.between(t0, t1));
            others.saturating_add(reserved).saturating_add(*own) <= self.available
        })
    }

    fn fits_for_ever(&self, candidate: &Forecast, shadow: Option<&Shadow>) -> bool {
        let reserved = shadow.map_or(Bytes::ZERO, |shadow| shadow.forecast.peak);
        let all = self.at_most.saturating_add(candidate.peak).saturating_add(reserved);
        all <= self.available
    }

    /// The first time from now, in seconds, at which the candidate fits because others have ended,
    /// or will have by the time it has grown. `None` when that cannot be foreseen.
    pub(super) fn earliest(&self, candidate: &Forecast) -> Option<f64> {
        let begins = (0..=CELLS).step_by(STRIDE).map(|cell| self.begin(cell));
        // At the very end the last one is still there.
        let mut times = begins.chain([self.end + 1e-6]);
        let slots = Slots::of(candidate)?;
        times.find(|time| self.fits_from(&slots, *time, None))
    }
}

/// What a candidate is expected to hold, in equal parts of its time.
struct Slots {
    /// Seconds of a slot.
    length: f64,
    memory: [Bytes; SLOTS],
}

impl Slots {
    /// Of a candidate whose course is known.
    fn of(candidate: &Forecast) -> Option<Self> {
        let shape = candidate.shape.as_ref()?;
        let duration = shape.duration.as_secs_f64();
        let memory = std::array::from_fn(|slot| {
            let (from, to) = (slot as f64 / SLOTS as f64, (slot + 1) as f64 / SLOTS as f64);
            // A slot that ends where the next part begins does not hold that part; that a part counts
            // with its highest point from its beginning on is margin enough.
            shape.curve.most(from, to - 1e-6)
        });
        Some(Self { length: duration / SLOTS as f64, memory })
    }
}

impl Shadow {
    fn between(&self, from: f64, to: f64) -> Bytes {
        let Some(shape) = &self.forecast.shape else { return self.forecast.peak };
        let duration = shape.duration.as_secs_f64();
        if to <= self.start || from > self.start + duration {
            return Bytes::ZERO;
        }
        let at = |seconds: f64| (seconds - self.start) / duration;
        shape.curve.most(at(from), at(to))
    }
}
