//! What trials need of a machine: sources, a cache of builds, measured rounds, and compilers' answers.
//!
//! Does not build or measure, nor know what is worth trying.

pub mod bolt;
pub mod code;
pub mod compiler;
pub mod source;
pub mod store;

pub use store::{Campaign, Store, StoreError};
