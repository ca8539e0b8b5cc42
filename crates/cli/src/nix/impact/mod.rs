//! What overlays change: evaluates a package set with each of them and with all, and compares.
//!
//! Does not know how the result is shown.

mod evaluate;
mod figures;
mod overlays;

pub(crate) use evaluate::{Asked, Base, Override, Variant, evaluate};
pub(crate) use figures::{Figures, Sources, figures};
pub(crate) use overlays::{of_configuration, of_file, of_flake, of_library, parted};
