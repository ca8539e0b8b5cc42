//! The real governor under real builds, and every fault that it must survive, through the programs
//! that users run.
//!
//! Each test has its own directories, and so a governor of its own. Does not know the policy, only
//! what a user sees of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::zombie_processes, reason = "a home ends what runs in it when it is dropped")]

mod death;
#[path = "../common/group.rs"]
mod group;
mod home;
mod kills;
mod limits;
mod nested;
mod odd;
mod project;
mod start;
mod storage;
mod tools;
