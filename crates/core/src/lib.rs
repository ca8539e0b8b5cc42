//! Every decision of Ironwright, as pure functions over plain data.
//!
//! This crate does not know files, environment variables, processes, clocks or threads: what it
//! decides on arrives as a value and what it decided leaves as a value. `clippy.toml` beside the
//! manifest names the calls that are forbidden here.

pub mod build;
pub mod cpu;
pub mod decide;
pub mod diagnostic;
pub mod doctor;
pub mod emit;
pub mod evidence;
pub mod facts;
pub mod govern;
pub mod inventory;
pub mod logs;
pub mod nix;
pub mod observe;
pub mod origin;
pub mod pgo;
pub mod plan;
pub mod profile;
pub mod report;
pub mod retention;
pub mod settings;
pub mod trial;
pub mod unit;
pub mod units;
pub mod value;
pub mod view;
pub mod workspace;
