//! What Ironwright reads from a machine and does to it.
//!
//! Readers take a root, so that recorded machines stand in for this one. Does not decide anything:
//! `ironwright-core` does.

pub mod build_logs;
pub mod disk;
pub mod files;
pub mod generations;
pub mod heap;
pub mod inventory;
pub mod jobserver;
pub mod kernel;
pub mod limit;
pub mod measure;
pub mod nix;
pub mod pgo;
pub mod probe;
pub mod procfs;
pub mod psi;
pub mod root;
pub mod run;
pub mod tree;
pub mod trial;
