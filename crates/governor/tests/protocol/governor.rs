//! What the governor does next, and what goes wrong.
//!
//! Does not know what launchers are about, only what they said.

use crate::state::{Command, Down, Next, Phase, Stand, State, Unit, Up};

impl State {
    pub(crate) fn governor_steps(&self, next: &mut Next) {
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

    pub(crate) fn stand(&self, id: u8) -> Option<Stand> {
        let connection = self.connections.iter().find(|connection| connection.id == id)?;
        connection.unit.map(|unit| unit.stand)
    }

    pub(crate) fn set(&mut self, id: u8, stand: Stand) {
        let unit = self.connection(id).unit.as_mut().unwrap();
        unit.stand = stand;
        self.order.retain(|other| *other != id || stand != Stand::Waiting);
        if stand != Stand::Waiting && !self.order.contains(&id) {
            self.order.push(id);
        }
    }

    pub(crate) fn forget(&mut self, id: u8) {
        self.connection(id).unit = None;
        self.order.retain(|other| *other != id);
        self.release_oldest();
    }

    /// The machine lets the oldest go on at once.
    pub(crate) fn release_oldest(&mut self) {
        let oldest = self.order.iter().copied();
        let oldest = { oldest }.find(|id| self.stand(*id) != Some(Stand::Evicting));
        if let Some(id) = oldest.filter(|id| self.stand(*id) == Some(Stand::Paused)) {
            self.set(id, Stand::Running);
            self.signal(id, Command::Stopped, Command::Runs);
        }
    }

    /// Changes the command that a unit's attempt is, if it is still that attempt's.
    pub(crate) fn signal(&mut self, id: u8, from: Command, to: Command) {
        let (owner, unit) = (self.connection(id).owner, self.connection(id).unit);
        let launcher = &mut self.launchers[owner];
        if unit.and_then(|unit| unit.attempted) == Some(launcher.attempt)
            && launcher.command == from
        {
            launcher.command = to;
        }
    }

    pub(crate) fn take_in(&mut self, id: u8, message: Up) {
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

    pub(crate) fn say(&mut self, id: u8, message: Down) {
        let connection = self.connection(id);
        if connection.launcher {
            connection.down.push(message);
        }
    }

    /// A launcher is gone without a word; what it started ends too.
    pub(crate) fn part(&mut self, id: u8) {
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
    pub(crate) fn admit(&self, next: &mut Next) {
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
    pub(crate) fn press(&self, next: &mut Next) {
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

    pub(crate) fn evict(&mut self, id: u8) {
        self.set(id, Stand::Evicting);
        self.signal(id, Command::Runs, Command::Ended { killed: true });
        self.signal(id, Command::Stopped, Command::Ended { killed: true });
    }

    pub(crate) fn fault_steps(&self, next: &mut Next) {
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
    pub(crate) fn crash(&mut self, lost: bool) {
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

    pub(crate) fn next(&self) -> Next {
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

    pub(crate) fn check(&self) {
        for launcher in &self.launchers {
            let over = launcher.phase == Phase::Over;
            assert_eq!(launcher.told, u8::from(over), "ends are told once: {self:?}");
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.launchers.iter().all(|launcher| launcher.phase == Phase::Over)
            && self.connections.is_empty()
    }
}
