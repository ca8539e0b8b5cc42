//! Decisions on settings: how sure a gain is, whether it is worth its cost, and what to measure next.
//!
//! A change has a prior from the catalogue, evidence of this host, and evidence of hosts with the
//! same microarchitecture, which counts for less. Confidence is the probability that it gains more than a
//! threshold times the probability that building it stays within the machine's means. Gains are
//! natural logarithms of a speed-up: the time without the change through the time with it. Does not know how anything
//! is measured, nor how a decision is applied.

pub mod belief;
pub mod evidence;
pub mod generation;
pub mod next;
pub mod order;
pub mod prior;
pub mod recommend;
pub mod safety;
pub mod weigh;

pub use belief::Belief;
pub use evidence::{Evidence, Here, Origin};
pub use generation::{Decision, Difference, Edit, Generation, Trial};
pub use order::surest_first;
pub use recommend::{Action, Band, Candidate, Recommendation, recommend};
pub use safety::Safety;
pub use weigh::{Costs, Usage, Weights};
