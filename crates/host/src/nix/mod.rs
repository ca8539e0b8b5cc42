//! Nix on this machine: connections to its store, evaluation, and closures of derivations.
//!
//! Does not decide what is built, nor when; the core and the governor do.

mod builder;
mod closure;
mod evaluate;
mod place;
mod store;
mod tree_peak;

pub use builder::{builder_tree, processor_time};
pub use closure::{read_all, read_closures, source_files};
pub use evaluate::{EvaluateError, evaluate, instantiate};
pub use place::{Command, find, store_prefix};
pub use store::{Store, StoreError};
pub use tree_peak::TreePeak;
