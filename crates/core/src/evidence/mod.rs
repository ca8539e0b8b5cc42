//! Evidence: what runs of commands showed, and how sure it is.
//!
//! Every command runs once a round, in random order, and the baseline once more as a control. What
//! a round gives is a ratio, so whatever slows the machine for a while slows both of its sides, and
//! the labels within a round may be swapped when nothing differs, however the machine drifts. Does
//! not know how commands are run, nor what is concluded about settings; `decide` does that.

pub mod anytime;
pub mod bootstrap;
pub mod compare;
pub mod figures;
pub mod markdown;
pub mod output;
pub mod parameters;
pub mod plot;
pub mod report;
pub mod robust;
pub mod sample;
pub mod session;
pub mod stop;
pub mod subject;
pub mod void;
pub mod workload;

pub use bootstrap::Interval;
pub use compare::{Comparison, Floor, Verdict};
pub use figures::Figures;
pub use report::{Bench, BenchFacts};
pub use sample::{Design, Metric, Round, Sample};
pub use subject::{Change, Subject};
