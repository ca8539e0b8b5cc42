//! The Nix library, evaluated and built by a real Nix on a small package set of our own, and on the tree
//! that `IRONWRIGHT_NIXPKGS` names.
//!
//! `cargo xtask test --install` brings the Nix and runs these. Does not fetch anything.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod common;

mod builds;
mod modules;
mod nix;
mod overlays;
mod runtimes;
mod settings;
