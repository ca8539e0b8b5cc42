//! Nix as something to drive: what it tells while it works, the protocol of its stores, which
//! derivations are built in which order and with how many cores, and what an override changes.
//!
//! The text of a derivation and what it is stand in `inventory`. Does not know files, sockets or
//! processes; admission is the governor's alone.

pub mod activity;
pub mod allot;
pub mod facts;
pub mod impact;
pub mod installable;
pub mod live;
pub mod protocol;
pub mod walk;
