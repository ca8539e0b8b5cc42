//! The lives of units as notes tell them.
//!
//! Total: notes in any order make some lives. Does not know units that no note names, nor what the
//! governor decided why.

use std::collections::{BTreeMap, BTreeSet};

use super::Given;
use super::unit::{Attempt, Doing, Span, UnitReport};
use crate::govern::Waiting;
use crate::observe::unit::UnitOutcome;
use crate::view::{Asked, Happening, Look, Note};

/// Units of a run, in the order in which they asked, and when the last note came, microseconds
/// since the run's start.
pub(super) fn live(given: &Given<'_>, zero_us: i64) -> (Vec<UnitReport>, u64) {
    let mut lives = Lives { number: given.number, zero_us, ..Lives::default() };
    for note in given.notes {
        lives.apply(note);
    }
    lives.close_all();
    (lives.units, lives.last_us)
}

/// A unit that has not ended: where it is in the list, what it does, and since when.
struct Open {
    place: usize,
    doing: Doing,
    since_us: u64,
}

#[derive(Default)]
struct Lives {
    number: i64,
    zero_us: i64,
    /// Numbers that governors gave the run.
    runs: BTreeSet<u64>,
    units: Vec<UnitReport>,
    /// Units that have not ended, by the governor's number.
    open: BTreeMap<u64, Open>,
    /// Places of those that ended: one that is run again comes back.
    ended: BTreeMap<u64, usize>,
    last_us: u64,
}

impl Lives {
    fn apply(&mut self, note: &Note) {
        let at = u64::try_from(note.at_us.saturating_sub(self.zero_us)).unwrap_or(0);
        match &note.what {
            Happening::GovernorBegan { .. } => self.forget(at),
            Happening::RunBegan { run, recorded, .. } if *recorded == Some(self.number) => {
                self.runs.insert(*run);
            }
            Happening::RunEnded { run } if self.runs.contains(run) => self.last_us = at,
            Happening::Asked(asked) => self.asked(asked, at),
            Happening::Waits { unit, why } => self.told(*unit, *why, at),
            Happening::Granted { unit } | Happening::Started { unit, .. } => {
                self.turn(*unit, Doing::Running, at);
            }
            Happening::Paused { unit } => self.turn(*unit, Doing::Paused, at),
            Happening::Resumed { unit } => self.turn(*unit, Doing::Running, at),
            Happening::Retried { unit, attempt, by_kernel } => {
                self.retried(*unit, *attempt, *by_kernel, at);
            }
            Happening::Ended { unit, outcome, exit, cpu_us, peak, .. } => {
                let end = Attempt {
                    outcome: Some(*outcome),
                    exit: *exit,
                    cpu_us: Some(*cpu_us),
                    peak: Some(*peak),
                    ..Attempt::default()
                };
                self.ended(*unit, &end, at);
            }
            Happening::Looked(look) => self.looked(look, at),
            _ => {}
        }
    }

    /// A governor knows nothing of the units of the one before it: their launchers tell it anew.
    fn forget(&mut self, at: u64) {
        for unit in self.open.keys().copied().collect::<Vec<_>>() {
            self.close(unit, at);
        }
        self.ended.clear();
        self.runs.clear();
    }

    fn asked(&mut self, asked: &Asked, at: u64) {
        if !asked.run.is_some_and(|run| self.runs.contains(&run)) {
            return;
        }
        self.last_us = self.last_us.max(at);
        if self.open.contains_key(&asked.unit) {
            return;
        }
        let unit = UnitReport {
            label: asked.label.clone(),
            tool: asked.tool.clone(),
            package: asked.package.clone(),
            basis: Some(asked.basis.clone()),
            reserved: asked.memory,
            expected_seconds: asked.seconds.filter(|seconds| seconds.is_finite()),
            attempts: vec![Attempt { attempt: 1, ..Attempt::default() }],
            ..UnitReport::default()
        };
        self.begin(asked.unit, self.units.len(), at);
        self.units.push(unit);
    }

    fn begin(&mut self, unit: u64, place: usize, at: u64) {
        let doing = Doing::Waiting { why: None };
        self.open.insert(unit, Open { place, doing, since_us: at });
        self.ended.remove(&unit);
    }

    /// A unit does something else from now on; what it did until now becomes a span.
    fn turn(&mut self, unit: u64, doing: Doing, at: u64) {
        let Some(open) = self.open.get_mut(&unit) else { return };
        self.last_us = self.last_us.max(at);
        if open.doing == doing {
            return;
        }
        let span = Span { from_us: open.since_us, to_us: at.max(open.since_us), doing: open.doing };
        (open.doing, open.since_us) = (doing, span.to_us);
        let attempt = self.units.get_mut(open.place).and_then(|unit| unit.attempts.last_mut());
        if let Some(attempt) = attempt.filter(|_| span.us() > 0) {
            attempt.spans.push(span);
        }
    }

    fn close(&mut self, unit: u64, at: u64) -> Option<&mut Attempt> {
        // Whatever comes next is not what it did.
        let other = match self.open.get(&unit)?.doing {
            Doing::Paused => Doing::Running,
            _ => Doing::Paused,
        };
        self.turn(unit, other, at);
        let open = self.open.remove(&unit)?;
        self.ended.insert(unit, open.place);
        self.units.get_mut(open.place)?.attempts.last_mut()
    }

    fn ended(&mut self, unit: u64, end: &Attempt, at: u64) {
        let Some(attempt) = self.close(unit, at) else { return };
        attempt.peak = attempt.peak.max(end.peak);
        (attempt.outcome, attempt.exit, attempt.cpu_us) = (end.outcome, end.exit, end.cpu_us);
    }

    /// The unit has usually just ended, and comes back.
    fn retried(&mut self, unit: u64, number: u32, by_kernel: bool, at: u64) {
        if self.open.contains_key(&unit) {
            let outcome = if by_kernel { UnitOutcome::OomKilled } else { UnitOutcome::Evicted };
            let end = Attempt { outcome: Some(outcome), ..Attempt::default() };
            self.ended(unit, &end, at);
        }
        let Some(place) = self.ended.get(&unit).copied() else { return };
        let Some(life) = self.units.get_mut(place) else { return };
        life.attempts.push(Attempt { attempt: number.max(2), ..Attempt::default() });
        self.begin(unit, place, at);
    }

    fn looked(&mut self, look: &Look, at: u64) {
        for (unit, memory) in &look.units {
            let Some(open) = self.open.get(unit) else { continue };
            self.last_us = self.last_us.max(at);
            let life = self.units.get_mut(open.place);
            if let Some(attempt) = life.and_then(|life| life.attempts.last_mut()) {
                attempt.peak = attempt.peak.max(Some(*memory));
            }
        }
        for (unit, why) in &look.waiting {
            self.told(*unit, *why, at);
        }
    }

    /// Why a unit waits. The first that is told of a wait holds from its beginning: looks come a few
    /// times a second.
    fn told(&mut self, unit: u64, why: Waiting, at: u64) {
        let Some(open) = self.open.get_mut(&unit) else { return };
        match open.doing {
            Doing::Waiting { why: None } => open.doing = Doing::Waiting { why: Some(why) },
            Doing::Waiting { .. } => self.turn(unit, Doing::Waiting { why: Some(why) }, at),
            _ => {}
        }
    }

    /// Nobody looked any longer.
    fn close_all(&mut self) {
        let at = self.last_us;
        for unit in self.open.keys().copied().collect::<Vec<_>>() {
            self.close(unit, at);
        }
    }
}
