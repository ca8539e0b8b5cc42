//! Configurations that are built and activated: what a name means, activation, and generations.
//!
//! Does not build.

mod activate;
mod generations;
mod target;

pub(crate) use activate::{Activation, activate};
pub(crate) use generations::{Generation, Generations};
pub(crate) use target::{Kind, Target, candidates, listed, own, target};
