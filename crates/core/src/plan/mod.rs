//! The plan: what a build is expected to take, what may run together, how long it takes, and what
//! can go wrong.
//!
//! Estimates come from past runs and units where there are any, else from sizes; each says what it
//! rests on and how sure it is. The schedule is that of the governor's own machine in model time.
//! Does not know where the past is kept, nor how a graph was found.

mod band;
mod class;
mod cold;
mod fit;
mod gantt;
mod list;
mod manager;
mod noise;
mod package;
mod past;
mod ranks;
mod risk;
mod schedule;
mod tier;
mod unit;
mod work;

pub use band::Band;
pub use class::Class;
pub use gantt::{Bar, gantt};
pub use manager::Configured;
pub use package::{AtThreads, PackageEstimate, PackagePast, PackageQuery, estimate_package};
pub(crate) use past::is_whole as is_whole_build;
pub use risk::{
    Level, Risk, Risks, SilenceLimit, Timeout, oom_risk, silence_limit, timeout, timeout_risk,
};
pub use schedule::{Comparison, MOST_SIMULATED, Schedule, Step, Way, compare, schedule, with_tool};
pub use tier::{BudgetRow, BudgetTable, Tier, TierLimits, budget_table};
pub use unit::{Basis, Knowledge, UnitEstimate, took};
pub use work::{Work, replayed, workload};
