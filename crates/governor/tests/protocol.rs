//! The protocol between launchers and a governor that may die at any moment: every interleaving of
//! two launchers, a governor with room for one unit, and a few faults.
//!
//! Each transition stands for a place in the programs, below `crates/launcher/src` and
//! `crates/governor/src/daemon`:
//!
//! | Transition | Place |
//! |---|---|
//! | `connect`, `become_it` | `unit.rs`: `run` |
//! | `hear_first`, `lose_patience` | `unit.rs`: `first_answer` |
//! | `hear_grant` | `unit.rs`: `wait` |
//! | `seek`, `hear_anew` | `unit.rs`: `ask_anew` |
//! | `settle_for_none` | `unit.rs`: `ask_anew`, `decide_alone` |
//! | `start` | `watch.rs`: `Attempt::start` |
//! | `follow` | `link.rs`: `listen`, `look`; `watch.rs`: `care_for_link` |
//! | `report` | `watch.rs`: `end`; `unit.rs`: `again` |
//! | `hear_verdict` | `unit.rs`: `verdict`, `decide_alone` |
//! | `take_in` | `units.rs`: `asked`, `started`, `ended`; `peers.rs`: `hear` |
//! | `part` | `peers.rs`: `part`; `units.rs`: `vanished` |
//! | `admit`, `press` | `units.rs`: `grant`, `pause`, `evict`, as the machine says |
//! | `leave` | the kernel, which closes a dead process's sockets and kills its child |
//!
//! Does not know time: where a program waits for so long, its patience may end at any moment. Does
//! not know probes (`Pass`), runs and views, nor what a unit takes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;

/// How often a killed command is run again when nobody decides on it, as in `unit.rs`.
const MOST_ALONE: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Up {
    Ask { running: Option<u8> },
    Started(u8),
    Ended { killed: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Down {
    Queued,
    Granted,
    Verdict,
}

/// Where a unit stands in the governor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stand {
    Waiting,
    Granted,
    Running,
    Paused,
    Evicting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Unit {
    stand: Stand,
    /// The attempt that runs, as far as the governor knows.
    attempted: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Connection {
    id: u8,
    owner: usize,
    up: Vec<Up>,
    down: Vec<Down>,
    /// Which side has it open.
    launcher: bool,
    governor: bool,
    unit: Option<Unit>,
}

/// Why a launcher looks for a new governor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Why {
    /// It waits to start.
    Waits,
    /// Its command was killed, and nobody said what follows.
    Killed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Begins,
    Asked,
    Waits,
    Seeks(Why),
    AskedAnew(Why),
    /// `lost`: it looks for a new governor.
    Runs {
        lost: bool,
    },
    AwaitsVerdict,
    /// It became the command.
    Bare,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Command {
    None,
    Runs,
    Stopped,
    Ended { killed: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Launcher {
    phase: Phase,
    command: Command,
    connection: Option<u8>,
    attempt: u8,
    alone: u8,
    /// How often the build tool was told of an end.
    told: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    governor: bool,
    connections: Vec<Connection>,
    /// Connections of active units, oldest first.
    order: Vec<u8>,
    launchers: [Launcher; 2],
    faults: u8,
}

/// What may follow a state.
#[derive(Default)]
struct Next {
    states: Vec<State>,
    faults: Vec<State>,
}

impl State {
    fn new(faults: u8) -> Self {
        let launcher = Launcher {
            phase: Phase::Begins,
            command: Command::None,
            connection: None,
            attempt: 1,
            alone: 0,
            told: 0,
        };
        let launchers = [launcher.clone(), launcher];
        Self { governor: true, connections: Vec::new(), order: Vec::new(), launchers, faults }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    fn connection(&mut self, id: u8) -> &mut Connection {
        self.connections.iter_mut().find(|connection| connection.id == id).unwrap()
    }

    /// The launcher's side of its connection.
    fn line(&mut self, l: usize) -> Option<&mut Connection> {
        let id = self.launchers[l].connection?;
        Some(self.connection(id))
    }

    fn tell(&mut self, l: usize, message: Up) {
        if let Some(line) = self.line(l).filter(|line| line.governor) {
            line.up.push(message);
        }
    }

    /// What the launcher hears: a message, or (`Err`) that the governor is gone.
    fn heard(&self, l: usize) -> Option<Result<Down, ()>> {
        let id = self.launchers[l].connection?;
        let line = self.connections.iter().find(|connection| connection.id == id)?;
        match line.down.first() {
            Some(message) => Some(Ok(*message)),
            None => (!line.governor).then_some(Err(())),
        }
    }

    fn consume(&mut self, l: usize) {
        if let Some(line) = self.line(l) {
            line.down.remove(0);
        }
    }

    fn open(&mut self, l: usize, first: Up) {
        let id = (0..).find(|id| self.connections.iter().all(|other| other.id != *id)).unwrap();
        let (up, down) = (vec![first], Vec::new());
        let connection =
            Connection { id, owner: l, up, down, launcher: true, governor: true, unit: None };
        self.connections.push(connection);
        self.launchers[l].connection = Some(id);
    }

    fn close(&mut self, l: usize) {
        if let Some(line) = self.line(l) {
            line.launcher = false;
            line.down.clear();
        }
        self.launchers[l].connection = None;
        self.connections.retain(|connection| connection.launcher || connection.governor);
    }

    /// The build tool learns of an end.
    fn leave(&mut self, l: usize) {
        self.close(l);
        let launcher = &mut self.launchers[l];
        launcher.told += 1;
        (launcher.phase, launcher.command) = (Phase::Over, Command::None);
    }

    fn start(&mut self, l: usize) {
        assert!(
            matches!(self.launchers[l].command, Command::None | Command::Ended { .. }),
            "two copies of a command: {self:?}"
        );
        self.launchers[l].command = Command::Runs;
        self.launchers[l].phase = Phase::Runs { lost: false };
        self.tell(l, Up::Started(self.launchers[l].attempt));
    }

    fn launcher_steps(&self, l: usize, next: &mut Next) {
        let launcher = &self.launchers[l];
        match launcher.phase {
            Phase::Begins => next.states.push(self.with(|s| s.connect(l))),
            Phase::Asked => self.hear_first(l, next),
            Phase::Waits => self.hear_grant(l, next),
            Phase::Seeks(why) => self.seek(l, why, next),
            Phase::AskedAnew(why) => self.hear_anew(l, why, next),
            Phase::Runs { lost } => self.run(l, lost, next),
            Phase::AwaitsVerdict => self.hear_verdict(l, next),
            Phase::Bare => {
                assert_eq!(launcher.command, Command::Runs);
                next.states.push(self.with(|s| s.leave(l)));
            }
            Phase::Over => {}
        }
    }

    fn connect(&mut self, l: usize) {
        if self.governor {
            self.open(l, Up::Ask { running: None });
            self.launchers[l].phase = Phase::Asked;
        } else {
            self.become_it(l);
        }
    }

    fn become_it(&mut self, l: usize) {
        self.close(l);
        assert_eq!(self.launchers[l].command, Command::None);
        self.launchers[l].command = Command::Runs;
        self.launchers[l].phase = Phase::Bare;
    }

    fn hear_first(&self, l: usize, next: &mut Next) {
        match self.heard(l) {
            Some(Ok(_)) => next.states.push(self.with(|s| s.launchers[l].phase = Phase::Waits)),
            Some(Err(())) => next.states.push(self.with(|s| s.become_it(l))),
            // It loses its patience, and stays connected.
            None => next.states.push(self.with(|s| s.start(l))),
        }
    }

    fn hear_grant(&self, l: usize, next: &mut Next) {
        match self.heard(l) {
            Some(Ok(Down::Granted)) => next.states.push(self.with(|s| {
                s.consume(l);
                s.start(l);
            })),
            Some(Ok(_)) => next.states.push(self.with(|s| s.consume(l))),
            Some(Err(())) => next.states.push(self.with(|s| s.go_seeking(l, Why::Waits))),
            // A governor that is stopped says nothing.
            None => next.faults.push(self.with(|s| s.go_seeking(l, Why::Waits))),
        }
    }

    fn go_seeking(&mut self, l: usize, why: Why) {
        self.close(l);
        self.launchers[l].phase = Phase::Seeks(why);
    }

    fn seek(&self, l: usize, why: Why, next: &mut Next) {
        if self.governor {
            next.states.push(self.with(|s| {
                s.open(l, Up::Ask { running: None });
                s.launchers[l].phase = Phase::AskedAnew(why);
            }));
        }
        next.states.push(self.with(|s| s.settle_for_none(l, why)));
    }

    /// Nobody answered for so long that the command runs ungoverned, or is given up.
    fn settle_for_none(&mut self, l: usize, why: Why) {
        if why == Why::Killed {
            self.launchers[l].alone += 1;
            if self.launchers[l].alone > MOST_ALONE {
                return self.leave(l);
            }
        }
        self.start(l);
    }

    fn hear_anew(&self, l: usize, why: Why, next: &mut Next) {
        next.states.push(match self.heard(l) {
            Some(Ok(_)) => self.with(|s| s.launchers[l].phase = Phase::Waits),
            Some(Err(())) => self.with(|s| s.go_seeking(l, why)),
            None => self.with(|s| s.settle_for_none(l, why)),
        });
    }

    fn run(&self, l: usize, lost: bool, next: &mut Next) {
        match self.launchers[l].command {
            Command::Runs => next
                .states
                .push(self.with(|s| s.launchers[l].command = Command::Ended { killed: false })),
            Command::Ended { killed } => next.states.push(self.with(|s| s.report(l, killed))),
            Command::Stopped => {
                // The governor is silent for so long that it is taken for dead.
                if self.launchers[l].connection.is_some() && self.heard(l).is_none() {
                    next.faults.push(self.with(|s| s.launchers[l].command = Command::Runs));
                }
            }
            Command::None => unreachable!("it was started"),
        }
        self.follow(l, lost, next);
    }

    /// A launcher that lost its governor lets the command go on and looks for another.
    fn follow(&self, l: usize, lost: bool, next: &mut Next) {
        match self.heard(l) {
            Some(Ok(_)) => next.states.push(self.with(|s| s.consume(l))),
            Some(Err(())) => next.states.push(self.with(|s| {
                s.close(l);
                let launcher = &mut s.launchers[l];
                launcher.phase = Phase::Runs { lost: true };
                if launcher.command == Command::Stopped {
                    launcher.command = Command::Runs;
                }
            })),
            None => {}
        }
        if lost && self.governor {
            let attempt = self.launchers[l].attempt;
            next.states.push(self.with(|s| {
                s.open(l, Up::Ask { running: Some(attempt) });
                s.tell(l, Up::Started(attempt));
                s.launchers[l].phase = Phase::Runs { lost: false };
            }));
        }
    }

    fn report(&mut self, l: usize, killed: bool) {
        self.tell(l, Up::Ended { killed });
        match (killed, self.launchers[l].connection) {
            (false, _) => self.leave(l),
            (true, Some(_)) => self.launchers[l].phase = Phase::AwaitsVerdict,
            (true, None) => self.try_again(l, Phase::Seeks(Why::Killed)),
        }
    }

    fn try_again(&mut self, l: usize, phase: Phase) {
        self.launchers[l].attempt += 1;
        self.launchers[l].command = Command::None;
        self.launchers[l].phase = phase;
    }

    fn hear_verdict(&self, l: usize, next: &mut Next) {
        let seek = |s: &mut Self| {
            s.close(l);
            s.try_again(l, Phase::Seeks(Why::Killed));
        };
        match self.heard(l) {
            Some(Ok(Down::Verdict)) => next.states.push(self.with(|s| {
                s.consume(l);
                s.try_again(l, Phase::Waits);
            })),
            Some(Ok(_)) => next.states.push(self.with(|s| s.consume(l))),
            Some(Err(())) => next.states.push(self.with(seek)),
            None => next.faults.push(self.with(seek)),
        }
    }

    fn governor_steps(&self, next: &mut Next) {
        if !self.governor {
            next.states.push(self.with(|s| s.governor = true));
            return;
        }
        for connection in self.connections.iter().filter(|connection| connection.governor) {
            let id = connection.id;
            match connection.up.first() {
                Some(message) => next.states.push(self.with(|s| s.take_in(id, *message))),
                None if !connection.launcher => next.states.push(self.with(|s| s.part(id))),
                None => {}
            }
        }
        self.admit(next);
        self.press(next);
    }

    fn stand(&self, id: u8) -> Option<Stand> {
        let connection = self.connections.iter().find(|connection| connection.id == id)?;
        connection.unit.map(|unit| unit.stand)
    }

    fn set(&mut self, id: u8, stand: Stand) {
        let unit = self.connection(id).unit.as_mut().unwrap();
        unit.stand = stand;
        self.order.retain(|other| *other != id || stand != Stand::Waiting);
        if stand != Stand::Waiting && !self.order.contains(&id) {
            self.order.push(id);
        }
    }

    fn forget(&mut self, id: u8) {
        self.connection(id).unit = None;
        self.order.retain(|other| *other != id);
        self.release_oldest();
    }

    /// The machine lets the oldest go on at once.
    fn release_oldest(&mut self) {
        let oldest = self.order.iter().copied();
        let oldest = { oldest }.find(|id| self.stand(*id) != Some(Stand::Evicting));
        if let Some(id) = oldest.filter(|id| self.stand(*id) == Some(Stand::Paused)) {
            self.set(id, Stand::Running);
            self.signal(id, Command::Stopped, Command::Runs);
        }
    }

    /// Changes the command that a unit's attempt is, if it is still that attempt's.
    fn signal(&mut self, id: u8, from: Command, to: Command) {
        let (owner, unit) = (self.connection(id).owner, self.connection(id).unit);
        let launcher = &mut self.launchers[owner];
        if unit.and_then(|unit| unit.attempted) == Some(launcher.attempt)
            && launcher.command == from
        {
            launcher.command = to;
        }
    }

    fn take_in(&mut self, id: u8, message: Up) {
        self.connection(id).up.remove(0);
        match message {
            Up::Ask { running } => {
                let unit = Unit { stand: Stand::Waiting, attempted: running };
                self.connection(id).unit = Some(unit);
                self.say(id, Down::Queued);
                if running.is_some() {
                    self.set(id, Stand::Running);
                }
            }
            Up::Started(attempt) => {
                let Some(unit) = &mut self.connection(id).unit else { return };
                if unit.attempted.is_none() {
                    unit.attempted = Some(attempt);
                    self.set(id, Stand::Running);
                }
            }
            Up::Ended { killed: false } => self.forget(id),
            Up::Ended { killed: true } => {
                let active = self.stand(id).unwrap() != Stand::Waiting;
                assert!(active, "nobody decides on a killed command: {self:?}");
                self.connection(id).unit.as_mut().unwrap().attempted = None;
                self.set(id, Stand::Waiting);
                self.say(id, Down::Verdict);
                self.release_oldest();
            }
        }
    }

    fn say(&mut self, id: u8, message: Down) {
        let connection = self.connection(id);
        if connection.launcher {
            connection.down.push(message);
        }
    }

    /// A launcher is gone without a word; what it started ends too.
    fn part(&mut self, id: u8) {
        if self.connection(id).unit.is_some() {
            let killed = Command::Ended { killed: true };
            self.signal(id, Command::Runs, killed);
            self.signal(id, Command::Stopped, killed);
            self.forget(id);
        }
        self.connection(id).governor = false;
        self.connections.retain(|connection| connection.launcher || connection.governor);
    }

    /// There is room for one; the machine may choose any that waits.
    fn admit(&self, next: &mut Next) {
        if !self.order.is_empty() {
            return;
        }
        for connection in &self.connections {
            if connection.governor && self.stand(connection.id) == Some(Stand::Waiting) {
                next.states.push(self.with(|s| {
                    s.set(connection.id, Stand::Granted);
                    s.say(connection.id, Down::Granted);
                }));
            }
        }
    }

    /// Pauses, resumes or evicts a younger unit.
    fn press(&self, next: &mut Next) {
        for id in self.order.iter().skip(1).copied() {
            match self.stand(id).unwrap() {
                Stand::Running => {
                    next.faults.push(self.with(|s| {
                        s.set(id, Stand::Paused);
                        s.signal(id, Command::Runs, Command::Stopped);
                    }));
                    next.faults.push(self.with(|s| s.evict(id)));
                }
                Stand::Paused => {
                    next.states.push(self.with(|s| {
                        s.set(id, Stand::Running);
                        s.signal(id, Command::Stopped, Command::Runs);
                    }));
                    next.faults.push(self.with(|s| s.evict(id)));
                }
                Stand::Waiting | Stand::Granted | Stand::Evicting => {}
            }
        }
    }

    fn evict(&mut self, id: u8) {
        self.set(id, Stand::Evicting);
        self.signal(id, Command::Runs, Command::Ended { killed: true });
        self.signal(id, Command::Stopped, Command::Ended { killed: true });
    }

    fn fault_steps(&self, next: &mut Next) {
        if self.governor {
            for lost in [false, true] {
                next.faults.push(self.with(|s| s.crash(lost)));
            }
        }
        for (l, launcher) in self.launchers.iter().enumerate() {
            if launcher.phase != Phase::Over {
                // Its command dies with it: the kernel sees to that.
                next.faults.push(self.with(|s| s.leave(l)));
            }
            if matches!(launcher.command, Command::Runs | Command::Stopped) {
                next.faults.push(self.with(|s| match s.launchers[l].phase {
                    Phase::Bare => s.leave(l),
                    _ => s.launchers[l].command = Command::Ended { killed: true },
                }));
            }
        }
    }

    /// The governor dies; `lost` tells whether what it said last is lost too.
    fn crash(&mut self, lost: bool) {
        self.governor = false;
        self.order.clear();
        for connection in &mut self.connections {
            (connection.governor, connection.unit) = (false, None);
            connection.up.clear();
            if lost {
                connection.down.clear();
            }
        }
        self.connections.retain(|connection| connection.launcher);
    }

    fn next(&self) -> Next {
        let mut next = Next::default();
        for l in 0..self.launchers.len() {
            self.launcher_steps(l, &mut next);
        }
        self.governor_steps(&mut next);
        self.fault_steps(&mut next);
        if self.faults == 0 {
            next.faults.clear();
        }
        for state in &mut next.faults {
            state.faults -= 1;
        }
        next
    }

    fn check(&self) {
        for launcher in &self.launchers {
            let over = launcher.phase == Phase::Over;
            assert_eq!(launcher.told, u8::from(over), "ends are told once: {self:?}");
        }
    }

    fn is_over(&self) -> bool {
        self.launchers.iter().all(|launcher| launcher.phase == Phase::Over)
            && self.connections.is_empty()
    }
}

/// Every state that can be reached, with those that follow without another fault.
fn explore(faults: u8) -> (Vec<State>, Vec<Vec<usize>>) {
    let mut numbers = HashMap::from([(State::new(faults), 0)]);
    let (mut states, mut follows) = (vec![State::new(faults)], Vec::new());
    while follows.len() < states.len() {
        let state = states[follows.len()].clone();
        state.check();
        let next = state.next();
        let plain = next.states.len();
        let mut number = |state: State| {
            let fresh = numbers.len();
            *numbers.entry(state).or_insert_with_key(|state| {
                states.push(state.clone());
                fresh
            })
        };
        let all: Vec<usize> = next.states.into_iter().chain(next.faults).map(&mut number).collect();
        follows.push(all[..plain].to_vec());
    }
    (states, follows)
}

/// States in an order in which each comes after those that lead to it; fewer than there are when
/// some go round in a circle.
fn sorted(follows: &[Vec<usize>]) -> usize {
    let mut before = vec![0_usize; follows.len()];
    follows.iter().flatten().for_each(|to| before[*to] += 1);
    let mut free: Vec<usize> = (0..follows.len()).filter(|at| before[*at] == 0).collect();
    let mut seen = 0;
    while let Some(at) = free.pop() {
        seen += 1;
        for to in &follows[at] {
            before[*to] -= 1;
            if before[*to] == 0 {
                free.push(*to);
            }
        }
    }
    seen
}

/// Without further faults every path ends, and it ends with every end told: there is no circle, and
/// nothing that waits for ever.
#[test]
fn every_run_ends_after_any_faults() {
    let (states, follows) = explore(3);
    println!("{} states, {} steps", states.len(), follows.iter().map(Vec::len).sum::<usize>());
    for (state, follows) in states.iter().zip(&follows) {
        assert!(!follows.is_empty() || state.is_over(), "stuck: {state:?}");
    }
    assert_eq!(sorted(&follows), states.len(), "some run goes on for ever");
}
