//! Profile-guided optimisation: what each toolchain is told in order to instrument, train and use, and
//! what profiles say of themselves.
//!
//! A program is built with counters (`Phase::Instrument`), its training commands run, what they left is
//! merged, and it is built again with that (`Phase::Use`). Does not know files or processes;
//! `ironwright_host::pgo` finds tools and merges, and whether the result is worth having is decided by
//! benchmarks (`evidence`).

pub mod check;
pub mod cpython;
pub mod flags;
pub mod gcda;
pub mod level;
pub mod llvm;
pub mod messages;
pub mod pprof;
pub mod steps;
pub mod toolchain;
pub mod training;

pub use check::{Coverage, Matching, ProfileCheck, Verdict};
pub use flags::{Addition, Phase, Places, additions, training_environment};
pub use level::Level;
pub use toolchain::{Toolchain, Unfit};
