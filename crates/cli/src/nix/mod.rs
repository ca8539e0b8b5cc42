//! Builds of derivations: a plan is made, shown, and handed to a process that carries it out.
//!
//! Does not know how a build is run and watched as a whole; `execute` does, as for every other build.

mod admission;
mod attempt;
pub(crate) mod build;
pub(crate) mod carry;
pub(crate) mod evaluation;
pub(crate) mod forecast;
pub(crate) mod impact;
mod missing;
pub(crate) mod plan;
pub(crate) mod prepare;
pub(crate) mod realise;
mod report;
pub(crate) mod results;
mod roots;
pub(crate) mod switch;
