//! The launcher, run as build systems run it, against governors that follow a script.
//!
//! Does not know the real governor.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod endings;
mod governor;
mod names;
mod output;
mod retries;
mod signals;
mod takeover;
