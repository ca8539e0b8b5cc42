//! What happened under a governor, one happening a note.
//!
//! The governor makes them, views and the history take them; a run is shown from them alone. Does
//! not know how they are drawn or stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::View;
use crate::govern::{Alarm, Waiting};
use crate::observe::unit::UnitOutcome;
use crate::units::Bytes;

/// A happening and its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// Microseconds since 1970.
    pub at_us: i64,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happening {
    /// Everything so far. The first note of a view that attaches.
    State {
        /// What earlier notes would have made of a new view.
        view: Box<View>,
    },
    /// A governor began.
    GovernorBegan {
        /// Its process.
        pid: i32,
    },
    /// A run told of itself.
    RunBegan {
        /// The governor's number for it.
        run: u64,
        /// Its number in the history.
        recorded: Option<i64>,
        /// Its process.
        pid: i32,
        /// What it does, for people.
        label: String,
        /// What is built.
        source: Option<String>,
    },
    /// A run's connection ended.
    RunEnded {
        /// The governor's number for it.
        run: u64,
    },
    /// What builds may take was set.
    Budget {
        /// Memory for all units.
        memory: Bytes,
        /// Threads for all units.
        threads: f64,
    },
    /// A run's jobserver is to have another size, or told how it stands.
    Pool {
        /// The governor's number for the run.
        run: u64,
        /// Tokens that it is made of, the implicit one not counted.
        size: u32,
        /// Tokens that nobody held when it was last told.
        free: u32,
    },
    /// A unit asked to start.
    Asked(Asked),
    /// It does not start yet.
    Waits {
        /// The unit.
        unit: u64,
        /// Why.
        why: Waiting,
    },
    /// A unit may start.
    Granted {
        /// The unit.
        unit: u64,
    },
    /// Its processes run.
    Started {
        /// The unit.
        unit: u64,
        /// Leader of its process group.
        pid: i32,
    },
    /// Its processes were stopped.
    Paused {
        /// The unit.
        unit: u64,
    },
    /// Its processes go on.
    Resumed {
        /// The unit.
        unit: u64,
    },
    /// Its processes were killed to make room.
    Evicted {
        /// The unit.
        unit: u64,
    },
    /// It was killed, and waits to run again.
    Retried {
        /// The unit.
        unit: u64,
        /// Which attempt comes next.
        attempt: u32,
        /// The kernel killed it for want of memory.
        by_kernel: bool,
    },
    /// An attempt ended; a unit that is to run again has a [`Happening::Retried`] next.
    Ended {
        /// The unit.
        unit: u64,
        /// How.
        outcome: UnitOutcome,
        /// Its exit code, if it has one.
        exit: Option<i32>,
        /// Microseconds from its start, pauses included.
        wall_us: u64,
        /// Microseconds of processor time.
        cpu_us: u64,
        /// Most memory.
        peak: Bytes,
        /// What the user was told, when it is not run again although it was killed.
        message: Option<String>,
    },
    /// How everything stood at a moment; at most a few of them a second.
    Looked(Look),
}

/// A unit that asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// Its number, which it keeps when it runs again.
    pub unit: u64,
    /// The governor's number for the run that it belongs to.
    pub run: Option<u64>,
    /// What a person calls it (`regex-syntax`, `src/parser.cpp`).
    pub label: String,
    /// The recognised tool (`rustc`, `cc1plus`, `lld`).
    pub tool: String,
    /// Package that is being built.
    pub package: Option<String>,
    /// Memory that is reserved for it at most.
    pub memory: Bytes,
    /// How long it is expected to run, in seconds.
    pub seconds: Option<f64>,
    /// Threads that it is expected to keep busy.
    pub threads: f64,
    /// What this rests on: `measured 3 times`, `stated`, `size of the input`.
    pub basis: String,
}

/// How everything stood.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// Memory that units may hold together.
    pub available: Bytes,
    /// Memory that they hold.
    pub held: Bytes,
    /// Threads that they keep busy.
    pub busy: f64,
    /// Signs of distress.
    pub alarm: Alarm,
    /// Part of the time since the last look in which some task waited for memory, 0 to 1.
    pub stall_some: f64,
    /// Part in which all did.
    pub stall_full: f64,
    /// Memory of compressed swap that is filled, uncompressed.
    pub zram_used: Bytes,
    /// What compressed swap can hold.
    pub zram_size: Bytes,
    /// Swap that is filled, compressed or not.
    pub swap_used: Bytes,
    /// Memory of each unit that holds any.
    pub units: Vec<(u64, Bytes)>,
    /// Why units wait; those that are missing wait as before.
    pub waiting: Vec<(u64, Waiting)>,
}
