//! Units: from the question of a launcher to the verdict on a killed command.
//!
//! Does not know when a unit starts; the machine tells.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ironwright_core::govern::{Action, Demand, End, Event, Forecast, Refusal, UnitId};
use ironwright_core::observe::unit::UnitOutcome;
use ironwright_core::unit::{Invocation, Kind, UnitFacts, explicit, recognise};
use ironwright_core::units::Bytes;
use ironwright_core::view::{Asked, Happening};
use ironwright_host::limit::Group;
use ironwright_wire::{Ask, Ended, FromGovernor, Tally};
use rustix::process::{Pid, Signal, kill_process};

use super::peers::Role;
use super::{Daemon, say};
use crate::governed::{Attempt, Governed};

/// What is added to a unit's `oom_score_adj`: three tenths of the machine's memory, so that the
/// kernel takes a compiler before anything of the desktop.
const KILL_FIRST: i32 = 300;
/// Files whose sizes are known soon enough for a first answer.
const FEW_FILES: usize = 16;
/// Files of a folder that are added up to the size of its sources.
const MOST_FILES: usize = 2000;

impl Daemon {
    pub(super) fn asked(&mut self, number: u64, ask: &Ask) {
        let Some(pid) = self.peers.get(&number).map(|peer| peer.pid) else { return };
        let facts = facts(ask).filter(|_| !self.processes.is_inside_a_unit(pid));
        let Some(facts) = facts else { return self.send(number, &FromGovernor::Pass) };
        let id = UnitId(self.next_unit);
        self.next_unit += 1;
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.role = Role::Unit(id);
        }
        // What starts at once needs no answer before; but none may wait for one until much was looked at.
        let is_quick = self.has_just_looked() && facts.inputs.len() <= FEW_FILES;
        if !is_quick || ask.running.is_some() {
            self.send(number, &FromGovernor::Queued);
        }
        let (domain, new) = self.domains.of(pid);
        if new {
            self.set_budgets(&[domain]);
        }
        let inputs = size_of(&facts.inputs);
        let stated = ask.memory.map(Bytes);
        let forecast = self.predictor.forecast(&facts, inputs, stated);
        let unit = Governed {
            id,
            peer: number,
            launcher: pid,
            facts,
            explicit: ask.explicit,
            inputs,
            stated,
            forecast,
            domain,
            run: ask.run.and_then(|recorded| self.runs.recorded_as(recorded)),
            recorded: ask.run,
            attempt: ask.attempt.max(1),
            asked: Instant::now(),
            attempted: None,
            alone: false,
            evicted: false,
            group: None,
        };
        let ordered = unit.is_ordered();
        self.note(Happening::Asked(told(&unit)), unit.run);
        self.units.insert(id, unit);
        self.refresh();
        let token = has_token(ask);
        let demand = Demand { forecast, retryable: ask.retryable, domain, token, ordered };
        if let Some(running) = ask.running {
            let ago = Duration::from_micros(running.since_us);
            self.begins(id, running.pid, ago);
            self.tell(Event::Adopted { unit: id, demand });
        } else {
            self.tell(Event::Asked { unit: id, demand });
            if is_quick && self.machine.unit(id).is_some_and(|unit| !unit.is_active()) {
                self.send(number, &FromGovernor::Queued);
            }
            self.tell_why(id);
        }
        self.resize_pools();
    }

    /// A unit that waits for another attempt is to be started in another way from then on.
    pub(super) fn asked_anew(&mut self, id: UnitId, ask: &Ask) {
        let Some(facts) = facts(ask) else { return };
        let Some(unit) = self.units.get_mut(&id).filter(|unit| unit.attempted.is_none()) else {
            return;
        };
        (unit.inputs, unit.stated) = (size_of(&facts.inputs), ask.memory.map(Bytes));
        let forecast = self.predictor.forecast(&facts, unit.inputs, unit.stated);
        // It was just seen to need more than what was expected of it.
        let peak = forecast.peak.max(unit.forecast.peak);
        (unit.facts, unit.forecast) = (facts, Forecast { peak, ..forecast });
        let forecast = unit.forecast;
        self.tell(Event::Learned { unit: id, forecast });
    }

    pub(super) fn started(&mut self, id: UnitId, pid: i32) {
        let Some(unit) = self.units.get(&id) else { return };
        if unit.attempted.is_some() {
            return;
        }
        let demand = Demand {
            forecast: unit.forecast,
            retryable: true,
            domain: unit.domain,
            token: false,
            ordered: unit.is_ordered(),
        };
        self.begins(id, pid, Duration::ZERO);
        let waits = self.machine.unit(id).is_none_or(|unit| !unit.is_active());
        // A launcher whose patience is over starts without being told.
        let event = if waits { Event::Adopted { unit: id, demand } } else { Event::Started(id) };
        self.tell(event);
    }

    /// Notes what runs. A process that is not its launcher's child is none that may be stopped: the
    /// launcher lives in another namespace, or is of another make. One that is not there has ended
    /// before the governor came to hear of it, and what its launcher tells of it still counts.
    fn begins(&mut self, id: UnitId, pid: i32, ago: Duration) {
        let now = Self::unix_us();
        let Some(unit) = self.units.get_mut(&id) else { return };
        let parent = self.processes.parent_of(pid);
        if parent.is_some_and(|parent| parent != unit.launcher) {
            return;
        }
        let group = unit.group.take();
        let attempt = Attempt::new(pid, group, ago, now);
        if parent.is_some() {
            attempt.give_way(self.machine.niceness(id));
        }
        unit.attempted = Some(if parent.is_some() { attempt } else { attempt.without_a_process() });
        let run = unit.run;
        if parent.is_some() {
            self.processes.add(id, pid, ago);
        }
        self.note(Happening::Started { unit: id.0, pid }, run);
        self.plan_look();
    }

    pub(super) fn ended(&mut self, id: UnitId, ended: &Ended) {
        let Some(unit) = self.units.get(&id) else { return };
        let killed =
            libc::WIFSIGNALED(ended.status) && libc::WTERMSIG(ended.status) == libc::SIGKILL;
        let (evicted, domain, explicit) = (unit.evicted, unit.domain, unit.explicit);
        let suspicious = (killed || ended.killed_inside) && !ended.ended_by_user;
        let counted = unit.attempted.as_ref().and_then(Attempt::kernel_kills);
        let mut killed_by_kernel =
            || counted.map_or_else(|| self.domains.killed(domain), |kills| kills > 0);
        let by_kernel = suspicious && !evicted && killed_by_kernel();
        // A compiler driver does not tell of a kill without there having been one. Any other command
        // may, or exit with the code of one.
        let is_believed = suspicious && (evicted || !explicit);
        let was_killed = !ended.ended_by_user && (killed || by_kernel || is_believed);
        let outcome = outcome(ended, was_killed.then_some((evicted, by_kernel)));
        let end = if was_killed { End::Killed { by_kernel } } else { End::Finished };
        self.close_attempt(id, outcome, Some(ended), None);
        if let Some(unit) = self.units.get_mut(&id) {
            unit.attempted = None;
            unit.evicted = false;
        }
        if suspicious && !was_killed {
            self.verdict(id, false, None);
        }
        self.refresh();
        self.tell(Event::Ended(id, end));
        if !was_killed {
            self.forget(id);
        }
        self.resize_pools();
    }

    /// A launcher is gone without a word.
    pub(super) fn vanished(&mut self, id: UnitId) {
        let Some(unit) = self.units.get(&id) else { return };
        if let Some(attempt) = &unit.attempted {
            // Nobody waits for its result, and a build that goes on may write the same files.
            attempt.kill();
            self.kill_rest(id);
            self.close_attempt(id, UnitOutcome::Lost, None, None);
        } else {
            self.note_end(id, UnitOutcome::Lost, None, None);
        }
        self.tell(Event::Ended(id, End::Vanished));
        self.forget(id);
        self.resize_pools();
    }

    /// Counts something of a run, and tells it.
    pub(super) fn count(&mut self, run: Option<u64>, add: impl FnOnce(&mut Tally)) {
        let counted = run.and_then(|run| self.runs.count(run, add));
        if let Some((peer, tally)) = counted {
            self.send(peer, &FromGovernor::Tally(tally));
        }
    }

    fn forget(&mut self, id: UnitId) {
        if let Some(unit) = self.units.remove(&id) {
            self.count(unit.run, |tally| tally.units += 1);
        }
        self.processes.remove(id);
        // Its connection stays until the launcher ends it, and says nothing more.
    }

    /// Keeps the facts of an attempt and learns from them.
    fn close_attempt(
        &mut self,
        id: UnitId,
        outcome: UnitOutcome,
        told: Option<&Ended>,
        message: Option<String>,
    ) {
        self.processes.remove(id);
        let Some(unit) = self.units.get(&id) else { return };
        let record = unit.record(outcome, told).filter(|_| told.is_none_or(|it| !it.nothing_done));
        let Some(record) = record else {
            return self.note_end(id, outcome, None, message);
        };
        let (run, explicit, facts) = (unit.run, unit.explicit, unit.facts.clone());
        let what = Happening::Ended {
            unit: id.0,
            outcome,
            exit: record.exit,
            wall_us: record.wall_us,
            cpu_us: record.user_us.saturating_add(record.system_us),
            peak: record.peak,
            message,
        };
        self.predictor.learn(&facts, &record, explicit);
        if let Some(recorder) = &self.recorder {
            recorder.unit(record);
        }
        self.note(what, run);
        self.tell_siblings(id);
    }

    fn note_end(
        &mut self,
        id: UnitId,
        outcome: UnitOutcome,
        exit: Option<i32>,
        message: Option<String>,
    ) {
        let run = self.units.get(&id).and_then(|unit| unit.run);
        let what = Happening::Ended {
            unit: id.0,
            outcome,
            exit,
            wall_us: 0,
            cpu_us: 0,
            peak: Bytes::ZERO,
            message,
        };
        self.note(what, run);
    }

    /// What waits and is like the one that ended is expected to take what that one took.
    fn tell_siblings(&mut self, id: UnitId) {
        let Some(tool) = self.units.get(&id).map(|unit| unit.facts.tool.clone()) else { return };
        let alike = |unit: &&mut Governed| unit.facts.tool == tool && unit.attempted.is_none();
        let mut learned = Vec::new();
        for unit in self.units.values_mut().filter(alike) {
            let forecast = self.predictor.forecast(&unit.facts, unit.inputs, unit.stated);
            if forecast != unit.forecast {
                unit.forecast = forecast;
                learned.push((unit.id, forecast));
            }
        }
        for (unit, forecast) in learned {
            self.tell(Event::Learned { unit, forecast });
        }
    }

    /// Does what the machine says.
    pub(super) fn act(&mut self, action: &Action) {
        match *action {
            Action::Grant(id) => self.grant(id),
            Action::Pause(id) => self.pause(id, true),
            Action::Resume(id) => self.pause(id, false),
            Action::Evict(id) => self.evict(id),
            Action::Retry(id) => self.retry(id),
            Action::GiveUp(id, refusal) => self.give_up(id, refusal),
        }
    }

    /// Tells views at once why a unit waits: many are let in before the next look.
    fn tell_why(&mut self, id: UnitId) {
        let Some(why) = self.machine.reason(id) else { return };
        let run = self.units.get(&id).and_then(|unit| unit.run);
        self.note(Happening::Waits { unit: id.0, why }, run);
    }

    fn grant(&mut self, id: UnitId) {
        let sole = self.machine.active().count() == 1;
        for unit in self.units.values_mut() {
            unit.alone &= sole && unit.id == id;
        }
        let Some(unit) = self.units.get_mut(&id) else { return };
        unit.alone = sole;
        let (peer, run) = (unit.peer, unit.run);
        let run_group = self.domains.divisible(unit.domain);
        let name = format!("{}-{}", id.0, unit.attempt);
        unit.group = run_group.and_then(|path| Group::unit_below(path, &name).ok());
        let group = unit.group.as_ref().map(|group| group.procs_path().to_owned());
        let granted = FromGovernor::Granted { unit: id.0, oom_score_adj: KILL_FIRST, group };
        self.send(peer, &granted);
        self.note(Happening::Granted { unit: id.0 }, run);
        self.plan_look();
    }

    pub(super) fn pause(&mut self, id: UnitId, paused: bool) {
        let strays = self.strays(id);
        let Some(unit) = self.units.get_mut(&id) else { return };
        let run = unit.run;
        if let Some(attempt) = &mut unit.attempted {
            let signal = if paused { Signal::STOP } else { Signal::CONT };
            attempt.pause(paused);
            send_each(&strays, signal);
        }
        let unit = id.0;
        let what = if paused { Happening::Paused { unit } } else { Happening::Resumed { unit } };
        self.note(what, run);
        if paused {
            self.count(run, |tally| tally.paused += 1);
        }
    }

    fn evict(&mut self, id: UnitId) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        unit.evicted = true;
        let run = unit.run;
        if let Some(attempt) = &unit.attempted {
            attempt.kill();
        }
        self.kill_strays(id);
        self.note(Happening::Evicted { unit: id.0 }, run);
    }

    fn strays(&self, id: UnitId) -> Vec<i32> {
        let leader = self.units.get(&id).and_then(|unit| Some(unit.attempted.as_ref()?.leader));
        leader.map_or_else(Vec::new, |leader| self.processes.strays(id, leader))
    }

    /// Kills what left the process group of its unit.
    fn kill_strays(&self, id: UnitId) {
        send_each(&self.strays(id), Signal::KILL);
    }

    /// Kills everything of a unit whose launcher is gone. Its leader may have died with the launcher,
    /// which leaves a group without a leader behind.
    fn kill_rest(&mut self, id: UnitId) {
        send_each(&self.processes.all_of(id), Signal::KILL);
    }

    fn retry(&mut self, id: UnitId) {
        let by_kernel = self.machine.unit(id).is_some_and(|unit| unit.alone);
        let Some(unit) = self.units.get_mut(&id) else { return };
        unit.attempt += 1;
        unit.asked = Instant::now();
        let (run, attempt) = (unit.run, unit.attempt);
        self.verdict(id, true, None);
        self.note(Happening::Retried { unit: id.0, attempt, by_kernel }, run);
        self.count(run, |tally| tally.again += 1);
    }

    fn give_up(&mut self, id: UnitId, refusal: Refusal) {
        let label = self.units.get(&id).map(|unit| unit.facts.label.clone()).unwrap_or_default();
        let message = message(&label, refusal);
        self.verdict(id, false, message.clone());
        if let Some(message) = message {
            say(&message);
        }
        self.forget(id);
    }

    fn verdict(&mut self, id: UnitId, retry: bool, message: Option<String>) {
        let Some(peer) = self.units.get(&id).map(|unit| unit.peer) else { return };
        let by_others = self.machine.unit(id).map_or(0, |unit| unit.kills);
        self.send(peer, &FromGovernor::Verdict { retry, message, by_others });
    }
}

/// What a user should know of a unit that is not run again.
fn message(label: &str, refusal: Refusal) -> Option<String> {
    match refusal {
        Refusal::NotRetryable => None,
        Refusal::TooLarge { seen, room } => Some(format!(
            "{label} was killed for want of memory although it ran alone: it held {seen} when it was \
             last looked at, and builds may hold {room}; give it more memory, or less to do"
        )),
        Refusal::KilledTooOften(times) => {
            Some(format!("{label} was killed {times} times by somebody else, and is not run again"))
        }
    }
}

fn outcome(ended: &Ended, killed: Option<(bool, bool)>) -> UnitOutcome {
    match killed {
        Some((true, _)) => UnitOutcome::Evicted,
        Some((_, true)) => UnitOutcome::OomKilled,
        Some(_) => UnitOutcome::Killed,
        None if libc::WIFSIGNALED(ended.status) => UnitOutcome::Killed,
        None if libc::WEXITSTATUS(ended.status) == 0 => UnitOutcome::Succeeded,
        None => UnitOutcome::Failed,
    }
}

fn send_each(pids: &[i32], signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        let _ = kill_process(pid, signal);
    }
}

/// What a launcher asks for; nothing when it is not worth asking.
fn facts(ask: &Ask) -> Option<UnitFacts> {
    let invocation = Invocation {
        argv: &ask.argv,
        cwd: &ask.cwd,
        environment: &ask.environment,
        stdin_is_source: ask.stdin_is_source,
    };
    if ask.explicit {
        return Some(explicit(&invocation, ask.name.as_deref()));
    }
    match recognise(&invocation) {
        Kind::Unit(facts) => Some(facts),
        Kind::Probe | Kind::Light => None,
    }
}

/// Whether the parent took a token before it started the unit, as make and cargo do for all that they
/// start.
fn has_token(ask: &Ask) -> bool {
    ask.environment.iter().any(|(key, _)| key == "CARGO_PKG_NAME" || key == "MAKELEVEL")
}

/// Bytes of all inputs. A folder stands for the files in it and below.
fn size_of(inputs: &[std::path::PathBuf]) -> u64 {
    let mut left = MOST_FILES;
    inputs.iter().map(|input| size_below(input, &mut left)).sum()
}

fn size_below(path: &Path, left: &mut usize) -> u64 {
    let Ok(metadata) = fs::metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let mut sum = 0;
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if *left == 0 {
            break;
        }
        *left -= 1;
        // A link to a folder above would never end.
        let linked = entry.file_type().is_ok_and(|file_type| file_type.is_symlink());
        if !linked {
            sum += size_below(&entry.path(), left);
        }
    }
    sum
}

/// A unit as views are told of it.
fn told(unit: &Governed) -> Asked {
    Asked {
        unit: unit.id.0,
        run: unit.run,
        label: unit.facts.label.clone(),
        tool: unit.facts.tool.clone(),
        package: unit.facts.package.clone(),
        memory: unit.forecast.peak,
        seconds: unit.forecast.duration().map(|duration| duration.as_secs_f64()),
        threads: unit.forecast.threads,
        basis: unit.forecast.basis.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_is_too_large_is_told_its_figures() {
        let refusal = Refusal::TooLarge { seen: Bytes::gib(3), room: Bytes::gib(2) };
        let message = message("parser.cpp", refusal).unwrap();
        assert!(message.contains("3 GiB") && message.contains("2 GiB"), "{message}");
    }

    #[test]
    fn ends_are_told_apart() {
        let status = |status| Ended { status, ..Ended::default() };
        assert_eq!(outcome(&status(0), None), UnitOutcome::Succeeded);
        assert_eq!(outcome(&status(256), None), UnitOutcome::Failed);
        assert_eq!(outcome(&status(9), Some((true, false))), UnitOutcome::Evicted);
        assert_eq!(outcome(&status(9), Some((false, true))), UnitOutcome::OomKilled);
        assert_eq!(outcome(&status(15), None), UnitOutcome::Killed);
    }

    #[test]
    fn a_folder_is_as_large_as_its_files() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("src")).unwrap();
        fs::write(directory.path().join("src/lib.rs"), "12345").unwrap();
        fs::write(directory.path().join("main.rs"), "123").unwrap();
        std::os::unix::fs::symlink(directory.path(), directory.path().join("src/round")).unwrap();
        let main = directory.path().join("main.rs");
        let missing = directory.path().join("missing");
        assert_eq!(size_of(&[directory.path().to_owned(), main, missing]), 11);
    }
}
