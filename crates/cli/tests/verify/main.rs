//! `ironwright verify` on binaries of known making, and on Debian's own.
//!
//! Does not know how anything is found out; it knows how the binaries were made.

#[path = "../common/mod.rs"]
mod common;
mod debian;
mod matrix;
mod recipes;
mod small;
