//! The simulator: the governor's own machine, or a rule that others use, on a workload.
//!
//! Time and memory are those of a model: memory grows linearly and then stays, processors are
//! shared in equal parts. Does not know real processes.

mod bounds;
mod engine;
mod rules;
#[cfg(test)]
mod tests;
mod workload;

pub use bounds::{Bounds, bounds};
pub(crate) use bounds::{bounds_beside, longest_chain};
pub use engine::{Outcome, Setup, Span, simulate};
pub use rules::{Rule, RuleError};
pub(crate) use workload::Links;
pub use workload::{Job, Workload, WorkloadError};
