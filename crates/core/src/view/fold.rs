//! The fold: what each note makes of a view.
//!
//! Total: notes in any order, of unknown units and runs too, make some view. Has no clock and never fails;
//! it does not know whether the governor may do what the notes tell.

use super::{
    Asked, Counts, ENDED_RUN_STAYS_US, EndedUnit, Happening, Look, MOST_ENDED, MOST_RUNS,
    MOST_UNITS, Note, Phase, Pool, RunView, UnitView, View, between_us,
};
use crate::govern::Waiting;
use crate::units::Bytes;

/// Longest text that is kept, in characters.
const LONGEST_TEXT: usize = 100;

impl View {
    /// Takes in what happened.
    pub fn apply(&mut self, note: &Note) {
        let at_us = note.at_us;
        match &note.what {
            Happening::State { view } => self.clone_from(view),
            Happening::GovernorBegan { pid } => self.governor_began(*pid, at_us),
            Happening::RunBegan { run, recorded, pid, label, source } => {
                self.run_began(RunView {
                    run: *run,
                    recorded: *recorded,
                    pid: *pid,
                    label: shortened(label),
                    source: source.as_deref().map(shortened),
                    since_us: at_us,
                    ..RunView::default()
                });
            }
            Happening::RunEnded { run } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.ended_us = Some(at_us);
                }
            }
            Happening::Budget { memory, threads } => {
                self.budget = *memory;
                self.threads = finite(*threads);
            }
            Happening::Pool { run, size, free } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.pool = Some(Pool { size: *size, free: *free });
                }
            }
            Happening::Asked(asked) => self.asked(asked, at_us),
            Happening::Looked(look) => self.looked(look, at_us),
            _ => self.unit_happening(note),
        }
        self.advance(at_us);
    }

    /// Lets time pass: runs that ended a while ago leave.
    pub fn advance(&mut self, at_us: i64) {
        self.at_us = self.at_us.max(at_us);
        let now = self.at_us;
        let stays = |ended: i64| ended.saturating_add(ENDED_RUN_STAYS_US) >= now;
        self.runs.retain(|_, run| run.ended_us.is_none_or(stays));
        while self.runs.len() > MOST_RUNS {
            let ended = self.runs.iter().find(|(_, run)| run.ended_us.is_some());
            let Some(leaves) = ended.or(self.runs.iter().next()).map(|(run, _)| *run) else {
                break;
            };
            self.runs.remove(&leaves);
        }
    }

    /// What happened to a unit that is known already.
    fn unit_happening(&mut self, note: &Note) {
        let at_us = note.at_us;
        match &note.what {
            Happening::Waits { unit, why } => self.waits(*unit, *why),
            Happening::Granted { unit } => self.turn(*unit, Phase::Starting, at_us),
            Happening::Started { unit, pid } => {
                self.turn(*unit, Phase::Running, at_us);
                if let Some(unit) = self.units.get_mut(unit) {
                    unit.pid = Some(*pid);
                }
            }
            Happening::Paused { unit } => self.turn(*unit, Phase::Paused, at_us),
            Happening::Resumed { unit } => self.turn(*unit, Phase::Running, at_us),
            Happening::Evicted { unit } => {
                self.turn(*unit, Phase::Ending, at_us);
                let run = self.units.get(unit).and_then(|unit| unit.asked.run);
                self.count(run, Counts::evict);
            }
            Happening::Retried { unit, attempt, by_kernel } => {
                self.retried(*unit, *attempt, *by_kernel, at_us);
            }
            Happening::Ended { unit, outcome, exit, wall_us, cpu_us, peak, message } => {
                let Some(unit) = self.units.remove(unit) else { return };
                self.ended(EndedUnit {
                    at_us,
                    outcome: *outcome,
                    exit: *exit,
                    wall_us: *wall_us,
                    cpu_us: *cpu_us,
                    peak: (*peak).max(unit.peak),
                    message: message.as_deref().map(shortened_message),
                    retried: false,
                    unit,
                });
            }
            _ => {}
        }
    }

    /// A governor knows nothing of the units of the one before it: their launchers tell it anew.
    fn governor_began(&mut self, pid: i32, at_us: i64) {
        self.governor = Some(pid);
        self.began_us = Some(at_us);
        self.units.clear();
        for run in self.runs.values_mut() {
            run.ended_us.get_or_insert(at_us);
        }
    }

    /// A run that was known to an earlier governor keeps what became of its units.
    fn run_began(&mut self, mut run: RunView) {
        let is_same = |old: &&RunView| run.recorded.is_some() && old.recorded == run.recorded;
        if let Some(old) = self.runs.values().find(is_same) {
            run.since_us = old.since_us;
            run.counts = old.counts;
            let number = old.run;
            self.runs.remove(&number);
        }
        self.runs.insert(run.run, run);
    }

    fn asked(&mut self, asked: &Asked, at_us: i64) {
        if self.units.len() >= MOST_UNITS && !self.units.contains_key(&asked.unit) {
            return;
        }
        let asked = Asked {
            label: shortened(&asked.label),
            tool: shortened(&asked.tool),
            package: asked.package.as_deref().map(shortened),
            seconds: asked.seconds.filter(|seconds| seconds.is_finite()),
            threads: finite(asked.threads),
            basis: shortened(&asked.basis),
            ..*asked
        };
        let attempt = self.units.get(&asked.unit).map_or(1, |unit| unit.attempt);
        let unit = UnitView { attempt, ..UnitView::new(asked, at_us) };
        self.units.insert(unit.asked.unit, unit);
    }

    fn turn(&mut self, unit: u64, phase: Phase, at_us: i64) {
        if let Some(unit) = self.units.get_mut(&unit)
            && unit.phase != phase
        {
            unit.turn(phase, at_us);
        }
    }

    fn ended(&mut self, ended: EndedUnit) {
        self.count(ended.unit.asked.run, |counts| counts.end(ended.outcome, ended.cpu_us));
        self.ended.push_back(ended);
        while self.ended.len() > MOST_ENDED {
            self.ended.pop_front();
        }
    }

    /// The unit has usually just ended, and comes back.
    fn retried(&mut self, number: u64, attempt: u32, by_kernel: bool, at_us: i64) {
        let mut ended = self.ended.iter_mut().rev();
        let newest = ended.find(|ended| ended.unit.asked.unit == number && !ended.retried);
        let (mut unit, attempt_lost) = match (self.units.remove(&number), newest) {
            (Some(unit), _) => (unit, None),
            (None, Some(ended)) => {
                ended.retried = true;
                (ended.unit.clone(), Some((ended.outcome, ended.cpu_us)))
            }
            (None, None) => return,
        };
        self.count(unit.asked.run, |counts| counts.retry(attempt_lost, by_kernel));
        unit.begin_again(attempt, at_us);
        if self.units.len() < MOST_UNITS {
            self.units.insert(number, unit);
        }
    }

    /// Counts for everything, and for a run.
    fn count(&mut self, run: Option<u64>, mut add: impl FnMut(&mut Counts)) {
        add(&mut self.counts);
        if let Some(run) = run.and_then(|run| self.runs.get_mut(&run)) {
            add(&mut run.counts);
        }
    }

    fn looked(&mut self, look: &Look, at_us: i64) {
        self.look = Look {
            busy: finite(look.busy),
            stall_some: finite(look.stall_some),
            stall_full: finite(look.stall_full),
            units: Vec::new(),
            waiting: Vec::new(),
            ..*look
        };
        self.trend.add(at_us, &self.look);
        for unit in self.units.values_mut() {
            unit.memory = Bytes::ZERO;
        }
        for (unit, memory) in &look.units {
            if let Some(unit) = self.units.get_mut(unit) {
                unit.holds(*memory);
            }
        }
        for (unit, why) in &look.waiting {
            self.waits(*unit, *why);
        }
    }

    fn waits(&mut self, unit: u64, why: Waiting) {
        if let Some(unit) = self.units.get_mut(&unit).filter(|unit| !unit.is_active()) {
            unit.why = Some(why);
        }
    }

    /// Seconds since the governor began, as far as that is known.
    pub fn up_seconds(&self, now_us: i64) -> Option<f64> {
        self.began_us.map(|began| super::seconds(between_us(began, now_us)))
    }
}

/// JSON has no other numbers.
fn finite(number: f64) -> f64 {
    if number.is_finite() { number.max(0.0) } else { 0.0 }
}

fn shortened(text: &str) -> String {
    cut(text, LONGEST_TEXT)
}

/// Messages to users are sentences.
fn shortened_message(text: &str) -> String {
    cut(text, 4 * LONGEST_TEXT)
}

/// A text without what would disturb a terminal, and not longer than so many characters.
fn cut(text: &str, most: usize) -> String {
    let mut clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = clean.by_ref().take(most).collect();
    if clean.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}
