//! Whether a unit fits beside others, now and for as long as it runs.
//!
//! What the others are expected to hold is added up once, in cells of time. Does not know domains or
//! threads: it gets the units that share one memory and its size.

use super::ahead::Ahead;
use super::curve::PARTS;
use super::{Forecast, Moment, Shape, Unit};
use crate::units::Bytes;

/// Cells that the time until all are expected to be gone is divided into, and those for a crowd: with
/// coarse ones heavy units start some tenths of a second later, which is little in a long batch.
const CELLS: usize = 128;
const CELLS_IN_A_CROWD: usize = 32;
/// Units that wait from which on there is a crowd.
pub(super) const CROWD: usize = 256;
/// Seconds for which cells are fine, where that time is longer: what starts now is mostly short.
const NEAR: f64 = 8.0;

/// A unit that is to start later, and whose place others must leave free.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shadow {
    /// Its forecast.
    pub(super) forecast: Forecast,
    /// Seconds until it starts.
    pub(super) start: f64,
}

/// What the units that share a memory are expected to hold, seen from now.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    pub(super) available: Bytes,
    /// Whether nobody holds anything.
    pub(super) empty: bool,
    /// Expected of all units for ever, if none of them ends.
    at_most: Bytes,
    grid: Grid,
    /// Memory in each cell.
    load: Vec<Bytes>,
    /// Held beyond the last cell.
    after: Bytes,
}

/// How time from now on is divided: fine cells, and coarse ones for what is far away.
#[derive(Clone, Copy, Debug)]
struct Grid {
    cells: usize,
    /// Cells until they become coarse.
    fine: usize,
    /// Where they become coarse, and where they end, in seconds.
    near: f64,
    end: f64,
    /// Seconds of a fine cell and of a coarse one; never zero, for cells of no time are asked for too.
    seconds: (f64, f64),
}

impl Grid {
    fn new(cells: usize, end: f64) -> Self {
        let near = if end > NEAR { NEAR } else { end };
        let fine = if end > near { cells / 2 } else { cells };
        let seconds = |time: f64, cells: usize| time.max(1e-9) / cells.max(1) as f64;
        Self {
            cells,
            fine,
            near,
            end,
            seconds: (seconds(near, fine), seconds(end - near, cells - fine)),
        }
    }

    /// Where a cell begins, or the one before it ends, in seconds from now.
    fn begin(&self, cell: usize) -> f64 {
        let (fine, coarse) = self.seconds;
        if cell <= self.fine {
            return fine * cell as f64;
        }
        self.near + coarse * (cell - self.fine) as f64
    }

    /// The cell of a time; the last one for what comes later.
    fn cell(&self, seconds: f64) -> usize {
        let (fine, coarse) = self.seconds;
        let cell = if seconds <= self.near {
            seconds / fine
        } else {
            self.fine as f64 + (seconds - self.near) / coarse
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what lies below 0 becomes 0, what is too large the last cell"
        )]
        let cell = cell as u32 as usize;
        cell.min(self.cells - 1)
    }
}

impl Timeline {
    /// Adds up what is expected of units, while so many others wait; for so many seconds at least.
    pub(super) fn new(
        now: Moment,
        available: Bytes,
        units: &[&Unit],
        waiting: usize,
        at_least: f64,
    ) -> Self {
        let cells = if waiting < CROWD { CELLS } else { CELLS_IN_A_CROWD };
        let ahead: Vec<Ahead<'_>> = units.iter().map(|unit| Ahead::of(unit, now)).collect();
        let end = ahead.iter().filter_map(Ahead::left).fold(at_least, f64::max);
        let grid = Grid::new(cells, end);
        let mut timeline = Self {
            available,
            empty: units.is_empty(),
            at_most: Bytes::ZERO,
            grid,
            load: vec![Bytes::ZERO; cells],
            after: Bytes::ZERO,
        };
        for ahead in &ahead {
            timeline.add(ahead);
        }
        timeline
    }

    /// Adds a unit that was let in; false where it outlives what was foreseen, and all has to be seen
    /// anew.
    pub(super) fn takes(&mut self, unit: &Unit, now: Moment) -> bool {
        let ahead = Ahead::of(unit, now);
        if ahead.left().is_some_and(|left| left > self.grid.end) {
            return false;
        }
        self.empty = false;
        self.add(&ahead);
        true
    }

    fn add(&mut self, ahead: &Ahead<'_>) {
        self.at_most = self.at_most.saturating_add(ahead.most());
        if let Ahead::Always(memory) = ahead {
            self.after = self.after.saturating_add(*memory);
        }
        let left = ahead.left().unwrap_or(f64::INFINITY);
        let mut from = 0.0;
        for (cell, load) in self.load.iter_mut().enumerate() {
            if from > left {
                return;
            }
            let to = self.grid.begin(cell + 1);
            *load = load.saturating_add(ahead.between(from, to));
            from = to;
        }
    }

    /// Leaves free what a unit takes that starts later.
    pub(super) fn reserve(&mut self, shadow: &Shadow) {
        for (cell, load) in self.load.iter_mut().enumerate() {
            let (from, to) = (self.grid.begin(cell), self.grid.begin(cell + 1));
            *load = load.saturating_add(shadow.between(from, to));
        }
    }

    /// Most memory between two times from now, in seconds.
    fn load(&self, from: f64, to: f64) -> Bytes {
        if from > self.grid.end {
            return self.after;
        }
        // What ends where a cell begins does not reach into it.
        let cells =
            self.load.get(self.grid.cell(from)..=self.grid.cell(to - 1e-6)).unwrap_or_default();
        cells.iter().copied().max().unwrap_or_default()
    }

    /// Whether the candidate fits from now on until its end, beside a shadow.
    pub(super) fn fits(&self, candidate: &Forecast, shadow: Option<&Shadow>) -> bool {
        let follows = |shape: &Shape| self.fits_from(shape, 0.0, shadow);
        self.fits_for_ever(candidate, shadow)
            || candidate.shape.as_ref().is_some_and(follows)
                && shadow.is_none_or(|shadow| self.leaves(shadow, candidate))
    }

    /// Whether a shadow is found where it was once the candidate is among the others. It may lie beside
    /// both, and yet move: cells and margins are coarser then.
    fn leaves(&self, shadow: &Shadow, candidate: &Forecast) -> bool {
        let mut beside = self.clone();
        beside.add(&Ahead::from_start(candidate));
        beside.earliest(&shadow.forecast).is_some_and(|start| start <= shadow.start)
    }

    fn fits_from(&self, shape: &Shape, start: f64, shadow: Option<&Shadow>) -> bool {
        let length = shape.duration.as_secs_f64() / PARTS as f64;
        shape.curve.parts().iter().enumerate().all(|(part, own)| {
            let t0 = start + part as f64 * length;
            let t1 = t0 + length;
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
        self.earliest_after(candidate, 0.0)
    }

    /// The same, not before a time.
    pub(super) fn earliest_after(&self, candidate: &Forecast, from: f64) -> Option<f64> {
        let shape = candidate.shape.as_ref()?;
        // At the very end the last one is still there.
        let begins = (0..=self.grid.cells).map(|cell| self.grid.begin(cell));
        let later = begins.chain([self.grid.end + 1e-6]).filter(|time| *time > from);
        std::iter::once(from).chain(later).find(|time| self.fits_from(shape, *time, None))
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
