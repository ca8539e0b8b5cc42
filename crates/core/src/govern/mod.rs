//! The governor's policy: which units start, wait, pause or are run again.
//!
//! [`Machine`] is a state machine without input or output: it is told what happened and answers with
//! what to do. The same machine drives real builds and the simulator. Does not know processes,
//! sockets or clocks.

mod admit;
mod ahead;
mod courtesy;
mod curve;
mod forecast;
mod lookahead;
mod machine;
mod pressure;
pub mod simulate;
mod timeline;
mod unit;

pub use curve::{Curve, PARTS};
pub(crate) use forecast::{BEYOND_SEEN, DECAY};
pub use forecast::{Basis, Forecast, Past, SHORTEST, Shape};
pub use machine::{Machine, Policy};
pub use pressure::LONGEST_LOOK;
pub use unit::{Phase, Unit};

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// A point in time, counted from when the machine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub Duration);

impl Moment {
    /// Time since an earlier moment; zero if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// A later moment.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// Number of a unit; a retried unit keeps its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(pub u64);

/// Number of a memory domain: the machine, or a control group with a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainId(pub u32);

/// What a unit asks for.
#[derive(Clone, Debug)]
pub struct Demand {
    /// What it is expected to take.
    pub forecast: Forecast,
    /// Whether it may be killed and run again.
    pub retryable: bool,
    /// Where its memory counts.
    pub domain: DomainId,
    /// Whether its parent took a jobserver's token for it: the right to use one hardware thread.
    pub token: bool,
    /// Whether its build tool starts first what most others wait for, so that the order in which its
    /// units ask is a better one than by weight as long as there is memory for all.
    pub ordered: bool,
}

/// How a unit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, whatever its exit code.
    Finished,
    /// By a SIGKILL; `by_kernel` when the kernel's count of kills for memory rose.
    Killed {
        /// Whether the kernel did it for want of memory.
        by_kernel: bool,
    },
    /// Its launcher is gone.
    Vanished,
}

/// What was seen of a running unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitSample {
    /// The unit.
    pub unit: UnitId,
    /// Memory of its process tree.
    pub memory: Bytes,
    /// Processor time that it used, and waited for, since its start; absent when only its memory
    /// was looked at.
    pub wanted: Option<Duration>,
    /// The part of it that was waited for.
    pub waited: Duration,
}

/// What was seen of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainSample {
    /// The domain.
    pub domain: DomainId,
    /// Memory that can be held in it at most.
    pub limit: Bytes,
    /// Memory that is held in it and cannot be dropped, by units and by others.
    pub held: Bytes,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A unit wants to start.
    Asked {
        /// Its number; new.
        unit: UnitId,
        /// What it wants.
        demand: Demand,
    },
    /// A unit runs that nobody admitted.
    Adopted {
        /// Its number; new, or that of a waiting unit that lost its patience.
        unit: UnitId,
        /// What it would have asked for.
        demand: Demand,
    },
    /// A granted unit runs.
    Started(UnitId),
    /// A unit ended.
    Ended(UnitId, End),
    /// More is known of a unit than when it asked.
    Learned {
        /// The unit; one that does not wait keeps what it was admitted with.
        unit: UnitId,
        /// What it is expected to take.
        forecast: Forecast,
    },
    /// A look at everything.
    Looked {
        /// Running and paused units; those that were not looked at are missing.
        units: Vec<UnitSample>,
        /// Domains.
        domains: Vec<DomainSample>,
        /// Whether the machine is short of memory beyond what samples say (stalls, swap).
        alarm: Alarm,
    },
    /// What builds may take.
    Budget {
        /// The domain.
        domain: DomainId,
        /// Memory for all units in it.
        memory: Bytes,
        /// Threads for all units.
        threads: f64,
    },
    /// A domain is no more, and no unit is in it.
    Gone(DomainId),
}

/// Signs of distress other than the amount of memory that is held.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// None.
    #[default]
    Calm,
    /// Start nothing new.
    Throttle,
    /// Pause the newest too.
    Pause,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it start.
    Grant(UnitId),
    /// Stop its processes.
    Pause(UnitId),
    /// Let its processes go on.
    Resume(UnitId),
    /// Kill its processes; it will be run again.
    Evict(UnitId),
    /// It was killed, and waits to be run again.
    Retry(UnitId),
    /// It was killed, and shall not be run again.
    GiveUp(UnitId, Refusal),
}

/// Why a unit is not run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was alone and still too large.
    TooLarge {
        /// The most that was seen of it.
        seen: Bytes,
        /// What it could have had.
        room: Bytes,
    },
    /// It was killed too often by somebody else.
    KilledTooOften(u32),
    /// It must not be run twice.
    NotRetryable,
}

/// Why a unit waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// For memory: it would not fit.
    Memory,
    /// For a thread.
    Thread,
    /// For others to end, since it must run alone.
    Alone,
    /// For one that must run alone, or that waited too long.
    Another,
    /// For pressure to fall.
    Pressure,
}
