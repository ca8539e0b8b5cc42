//! What there is: launchers, their commands, their connections, and what the governor knows.
//!
//! Does not know who does what next.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Up {
    Ask { running: Option<u8> },
    Started(u8),
    Ended { killed: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Down {
    Queued,
    Granted,
    Verdict,
}

/// Where a unit stands in the governor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stand {
    Waiting,
    Granted,
    Running,
    Paused,
    Evicting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Unit {
    pub(crate) stand: Stand,
    /// The attempt that runs, as far as the governor knows.
    pub(crate) attempted: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) id: u8,
    pub(crate) owner: usize,
    pub(crate) up: Vec<Up>,
    pub(crate) down: Vec<Down>,
    /// Which side has it open.
    pub(crate) launcher: bool,
    pub(crate) governor: bool,
    pub(crate) unit: Option<Unit>,
}

/// Why a launcher looks for a new governor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Why {
    /// It waits to start.
    Waits,
    /// Its command was killed, and nobody said what follows.
    Killed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Command {
    None,
    Runs,
    Stopped,
    Ended { killed: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Launcher {
    pub(crate) phase: Phase,
    pub(crate) command: Command,
    pub(crate) connection: Option<u8>,
    pub(crate) attempt: u8,
    pub(crate) alone: u8,
    /// How often the build tool was told of an end.
    pub(crate) told: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) governor: bool,
    pub(crate) connections: Vec<Connection>,
    /// Connections of active units, oldest first.
    pub(crate) order: Vec<u8>,
    pub(crate) launchers: [Launcher; 2],
    pub(crate) faults: u8,
}

/// What may follow a state.
#[derive(Default)]
pub(crate) struct Next {
    pub(crate) states: Vec<State>,
    pub(crate) faults: Vec<State>,
}

impl State {
    pub(crate) fn new(faults: u8) -> Self {
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

    /// The same with the launchers in one of their two orders: neither differs from the other.
    pub(crate) fn canonical(mut self) -> Self {
        if self.launchers[1] < self.launchers[0] {
            self.launchers.swap(0, 1);
            for connection in &mut self.connections {
                connection.owner = 1 - connection.owner;
            }
        }
        self
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    pub(crate) fn connection(&mut self, id: u8) -> &mut Connection {
        self.connections.iter_mut().find(|connection| connection.id == id).unwrap()
    }

    /// The launcher's side of its connection.
    pub(crate) fn line(&mut self, l: usize) -> Option<&mut Connection> {
        let id = self.launchers[l].connection?;
        Some(self.connection(id))
    }

    pub(crate) fn tell(&mut self, l: usize, message: Up) {
        if let Some(line) = self.line(l).filter(|line| line.governor) {
            line.up.push(message);
        }
    }

    /// What the launcher hears: a message, or (`Err`) that the governor is gone.
    pub(crate) fn heard(&self, l: usize) -> Option<Result<Down, ()>> {
        let id = self.launchers[l].connection?;
        let line = self.connections.iter().find(|connection| connection.id == id)?;
        match line.down.first() {
            Some(message) => Some(Ok(*message)),
            None => (!line.governor).then_some(Err(())),
        }
    }

    pub(crate) fn consume(&mut self, l: usize) {
        if let Some(line) = self.line(l) {
            line.down.remove(0);
        }
    }

    pub(crate) fn open(&mut self, l: usize, first: Up) {
        let id =
            (0..=u8::MAX).find(|id| self.connections.iter().all(|other| other.id != *id)).unwrap();
        let (up, down) = (vec![first], Vec::new());
        let connection =
            Connection { id, owner: l, up, down, launcher: true, governor: true, unit: None };
        self.connections.push(connection);
        self.launchers[l].connection = Some(id);
    }

    pub(crate) fn close(&mut self, l: usize) {
        if let Some(line) = self.line(l) {
            line.launcher = false;
            line.down.clear();
        }
        self.launchers[l].connection = None;
        self.connections.retain(|connection| connection.launcher || connection.governor);
    }

    /// The build tool learns of an end.
    pub(crate) fn leave(&mut self, l: usize) {
        self.close(l);
        let launcher = &mut self.launchers[l];
        launcher.told += 1;
        (launcher.phase, launcher.command) = (Phase::Over, Command::None);
    }

    pub(crate) fn start(&mut self, l: usize) {
        assert!(
            matches!(self.launchers[l].command, Command::None | Command::Ended { .. }),
            "two copies of a command: {self:?}"
        );
        self.launchers[l].command = Command::Runs;
        self.launchers[l].phase = Phase::Runs { lost: false };
        self.tell(l, Up::Started(self.launchers[l].attempt));
    }
}
