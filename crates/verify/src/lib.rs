//! What a binary really contains, as functions from bytes to facts.
//!
//! Does not open files and starts nothing: whoever calls has the bytes.

mod build;
pub mod claims;
mod cuda;
mod decode;
pub mod examine;
pub mod feature;
mod flow;
mod hardening;
mod image;
pub mod report;
mod scan;

pub use examine::{ExamineError, examine};
