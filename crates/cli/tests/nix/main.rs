//! What Nix builds, through the program and a real Nix with a store of its own.
//!
//! Does not need a daemon of the machine, nixpkgs or a network, and root only
//! where a test says so. Nix is taken from
//! `IRONWRIGHT_NIX_BIN` or PATH; `cargo xtask test --install` brings one and runs these.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod builds;
mod daemon;
mod endings;
#[path = "../common/group.rs"]
mod group;
mod home;
mod impact;
mod substitutes;
mod switch;
