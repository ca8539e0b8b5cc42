//! How likely a build stays within the machine's means: a beta distribution of its builds.
//!
//! The conjugate update of a proportion (Gelman and others, "Bayesian Data Analysis", 3rd edition,
//! section 2.4). Does not know what a build is of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Builds that stayed within the memory budget and ended well, and those that did not; what is
/// believed beforehand counts as builds too, so neither is a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Safety {
    /// Stayed.
    pub stayed: f64,
    /// Did not.
    pub exceeded: f64,
}

impl Safety {
    /// Before any build, of a change that takes no more memory.
    pub const SAME_MEMORY: Self = Self { stayed: 9.5, exceeded: 0.5 };
    /// Of one that takes more, such as link-time optimisation.
    pub const MORE_MEMORY: Self = Self { stayed: 4.5, exceeded: 0.5 };
    /// Of one that is known for it.
    pub const MUCH_MORE_MEMORY: Self = Self { stayed: 2.5, exceeded: 0.5 };

    /// After so many more builds.
    #[must_use]
    pub fn after(self, stayed: u32, exceeded: u32) -> Self {
        Self {
            stayed: self.stayed + f64::from(stayed),
            exceeded: self.exceeded + f64::from(exceeded),
        }
    }

    /// The probability that the next build stays.
    pub fn probability(self) -> f64 {
        self.stayed / (self.stayed + self.exceeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_move_it() {
        let before = Safety::MORE_MEMORY;
        assert!((before.probability() - 0.9).abs() < 1e-12);
        assert!(before.after(20, 0).probability() > 0.97);
        assert!(before.after(0, 2).probability() < 0.7);
    }
}
