//! Several runs that one command started one after the other, together.
//!
//! Does not know how any of them is reported alone.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Ranges, Report, Standing};
use crate::units::Bytes;

/// Runs of one command.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Batch {
    /// Runs that ended well.
    pub done: usize,
    /// Those for which time and peak were predicted.
    pub judged: usize,
    /// Those whose time and peak were both as predicted.
    pub kept: usize,
    /// Seconds of all of them.
    pub seconds: f64,
    /// Largest memory of any of them.
    pub peak: Bytes,
    /// The runs, in their order.
    pub runs: Vec<Report>,
}

impl Batch {
    /// Adds up runs.
    pub fn of(runs: Vec<Report>) -> Self {
        let is_done =
            |run: &&Report| run.standing == Standing::Finished && run.summary.exit_code == Some(0);
        let judged: Vec<&Ranges> = runs.iter().filter_map(|run| run.ranges.as_ref()).collect();
        Self {
            done: runs.iter().filter(is_done).count(),
            judged: judged.len(),
            kept: judged.iter().filter(|ranges| ranges.are_kept()).count(),
            seconds: runs.iter().map(|run| run.summary.wall.as_secs_f64()).sum(),
            peak: runs.iter().map(|run| run.summary.peak_tree).max().unwrap_or_default(),
            runs,
        }
    }
}
