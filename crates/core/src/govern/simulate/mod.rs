//! The simulator: the governor's own machine, or a rule that others use, on a workload.
//!
//! Time and memory are those of a model: memory grows linearly and then stays, processors are
//! shared in equal parts. Does not know real processes.

mod bounds;
mod engine;
mod network;
mod rules;
#[cfg(test)]
mod tests;
mod workload;

pub(crate) use bounds::bounds_in;
pub use bounds::{Bounds, bounds};
pub use engine::{Outcome, Setup, Span, simulate};
pub(crate) use network::{Links, Network};
pub use rules::{Rule, RuleError};
pub use workload::{Job, Workload, WorkloadError};
