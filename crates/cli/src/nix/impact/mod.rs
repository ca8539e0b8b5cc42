//! What overlays change: evaluates a package set with each of them and with all, and compares.
//!
//! Does not know how the result is shown.

mod evaluate;
mod figures;

pub(crate) use evaluate::{Asked, Base, Override, Variant, evaluate, names};
pub(crate) use figures::{Figures, Sources, figures};
