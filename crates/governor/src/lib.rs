//! The governor: a daemon, one for each user and machine, that lets compilers start when there is
//! memory and a processor for them.
//!
//! It drives the core's [`Machine`](ironwright_core::govern::Machine): takes questions from
//! launchers, looks at processes and memory, stops, resumes and kills processes, and keeps what
//! happened. Does not know why a unit starts or waits; the machine decides.

mod chores;
mod daemon;
pub mod descriptors;
mod domains;
mod forked;
mod governed;
mod predict;
mod processes;
mod recorder;
mod runs;
mod seat;
mod signals;
pub mod start;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ironwright_core::units::Bytes;
use ironwright_wire::Place;

pub use daemon::govern;

/// What a governor starts from.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub place: Place,
    /// The database that it learns from and writes to; none keeps nothing.
    pub history: Option<PathBuf>,
    /// It ends after so long without anything to govern.
    pub idle: Duration,
    /// Memory for builds where this process runs, until a run tells otherwise.
    pub budget: Bytes,
    /// Threads for builds, until a run tells otherwise.
    pub threads: u32,
}

/// How a governor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Another one governs.
    Taken,
    /// Nothing was left to govern.
    Idle,
    /// It was told to.
    Told,
}

/// Why there is no governor.
#[derive(Debug, thiserror::Error)]
pub enum GovernError {
    /// Its directory cannot be made or is not safe.
    #[error("the governor has no place: {0}")]
    Place(io::Error),
    /// The lock or the socket.
    #[error("cannot use {}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The kernel refused something that every kernel has.
    #[error("the governor cannot {action}: {error}")]
    System {
        /// What.
        action: &'static str,
        /// Why.
        error: io::Error,
    },
}
