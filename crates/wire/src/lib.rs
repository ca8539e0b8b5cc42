//! The protocol between launchers, runs and views on one side and the governor on the other.
//!
//! A stream of frames over a Unix socket: four bytes of length, little endian, then one message.
//! Needs nothing but the standard library, because the launcher must start in well under a
//! millisecond. Does not know what a message leads to.

mod bytes;
mod channel;
mod handed;
mod message;
mod place;

pub use channel::{Channel, ChannelError};
pub use handed::Handed;
pub use message::{Ask, Ended, FromGovernor, RunBegins, Running, Tally, ToGovernor};
pub use place::{Place, runtime_directory};

/// Version of the protocol. A governor refuses other versions by closing the connection, and the
/// launcher then runs its compiler as if there were none.
pub const VERSION: u16 = 3;

/// Largest frame. Longer command lines are cut by the launcher: what the recogniser needs comes
/// first.
pub const LARGEST_FRAME: usize = 1 << 20;

/// The names of the variables through which a run, its launchers and the governor find each other.
pub mod variable {
    /// Socket of the governor; the default place when it is not set.
    pub const SOCKET: &str = "IRONWRIGHT_SOCKET";
    /// Number of the run in the history.
    pub const RUN: &str = "IRONWRIGHT_RUN";
    /// What is being built, for people.
    pub const JOB: &str = "IRONWRIGHT_JOB";
    /// Set for what runs inside a unit: its own launchers do not ask again.
    pub const UNIT: &str = "IRONWRIGHT_UNIT";
    /// Directory of compiler names that stand for the launcher.
    pub const NAMES: &str = "IRONWRIGHT_NAMES";
}
