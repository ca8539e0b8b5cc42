//! Trials: which settings pay for a package on this machine, and which single flag helps or harms.
//!
//! A package (`package`, as data) is built with combinations of treatments (`treatment`, `layout`,
//! `design`), every build runs the same workloads in interleaved rounds, and `effects` tells what each
//! treatment does. A bundle such as `-march=native` is taken apart (`bundle`) and searched by halves
//! (`bisect`). What builds cost (`facts`) goes into decisions. Does not build, run or store anything.

pub mod bisect;
pub mod built_in;
pub mod bundle;
pub mod design;
pub mod effects;
pub mod facts;
pub mod layout;
pub mod package;
pub mod treatment;

pub use bisect::Bisection;
pub use facts::VariantFacts;
pub use layout::Layout;
pub use package::Package;
pub use treatment::{Treatment, Variant};
