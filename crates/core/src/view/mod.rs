//! What a person sees of a governor: one state that notes are folded into.
//!
//! The live view, the replay of a past run and the governor itself use the same fold. The state is
//! bounded, so that it can be sent in one message. Does not know how it is drawn.

mod fold;
mod note;
mod numbered;
mod progress;
mod run;
mod trend;
mod unit;

use std::collections::{BTreeMap, VecDeque};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use note::{Asked, Happening, Look, Note};
pub use progress::{Progress, Tally};
pub use run::{Counts, Pool, RunView};
pub use trend::{Point, Trend};
pub use unit::{EndedUnit, Phase, UnitView};

use crate::units::Bytes;

/// Units that are kept one by one. Those beyond are not shown.
pub const MOST_UNITS: usize = 1500;
/// Runs that are kept.
pub const MOST_RUNS: usize = 100;
/// Ended units that are kept one by one; of older ones only counts remain.
pub const MOST_ENDED: usize = 20;
/// How long a run that ended is kept, in microseconds.
pub const ENDED_RUN_STAYS_US: i64 = 60_000_000;

/// Everything that is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct View {
    /// Time of the newest note, microseconds since 1970.
    pub at_us: i64,
    /// Process of the governor.
    pub governor: Option<i32>,
    /// When it began, microseconds since 1970.
    pub began_us: Option<i64>,
    /// Memory that all units may hold together.
    pub budget: Bytes,
    /// Threads that all units may keep busy together.
    pub threads: f64,
    /// How everything stood at the newest look; what it said of single units is kept with them.
    pub look: Look,
    /// Runs that go on, and those that ended within the last minute.
    #[serde(with = "numbered")]
    #[schemars(with = "Vec<RunView>")]
    pub runs: BTreeMap<u64, RunView>,
    /// Units that wait, run or are paused.
    #[serde(with = "numbered")]
    #[schemars(with = "Vec<UnitView>")]
    pub units: BTreeMap<u64, UnitView>,
    /// Attempts that ended last, newest last.
    pub ended: VecDeque<EndedUnit>,
    /// What became of all units so far, those of no run too.
    pub counts: Counts,
    /// Figures of the last minutes.
    pub trend: Trend,
}

/// Microseconds from one time to a later one; none when a clock was set back.
pub(crate) fn between_us(from_us: i64, to_us: i64) -> u64 {
    u64::try_from(to_us.saturating_sub(from_us)).unwrap_or(0)
}

/// Microseconds as seconds.
pub(crate) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod laws;
