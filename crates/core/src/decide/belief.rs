//! What is believed of a gain: a normal distribution, and how measurements change it.
//!
//! The conjugate update of a normal mean with known variance (Gelman and others, "Bayesian Data
//! Analysis", 3rd edition, section 2.5). Does not know what the gain is of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Continuous, ContinuousCDF, Normal};

/// A normal distribution of a gain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Belief {
    /// Its centre.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// Smallest deviation that is told apart from certainty.
const CERTAIN: f64 = 1e-9;

impl Belief {
    /// A belief with its deviation.
    pub const fn new(mean: f64, deviation: f64) -> Self {
        Self { mean, deviation }
    }

    /// The belief after a measurement with a variance.
    #[must_use]
    pub fn after(self, measured: f64, variance: f64) -> Self {
        let own = self.deviation.max(CERTAIN).powi(2);
        let variance = variance.max(CERTAIN.powi(2));
        let precision = 1.0 / own + 1.0 / variance;
        let mean = (self.mean / own + measured / variance) / precision;
        Self { mean, deviation: precision.recip().sqrt() }
    }

    /// The probability of more than a threshold.
    pub fn above(self, threshold: f64) -> f64 {
        1.0 - normal_cdf((threshold - self.mean) / self.deviation.max(CERTAIN))
    }

    /// The value below which a part of the probability lies.
    pub fn quantile(self, part: f64) -> f64 {
        let standard = Normal::standard().inverse_cdf(part.clamp(1e-12, 1.0 - 1e-12));
        self.mean + standard * self.deviation
    }

    /// The belief with more uncertainty around it.
    #[must_use]
    pub fn blurred(self, variance: f64) -> Self {
        Self { deviation: (self.deviation.powi(2) + variance).sqrt(), ..self }
    }
}

/// The standard normal distribution function.
pub(super) fn normal_cdf(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

/// The standard normal density.
pub(super) fn normal_pdf(x: f64) -> f64 {
    Normal::standard().pdf(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_equal_witnesses_meet_in_the_middle() {
        let after = Belief::new(0.0, 0.1).after(0.2, 0.01);
        assert!((after.mean - 0.1).abs() < 1e-12);
        assert!((after.deviation - 0.1 / 2.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn probabilities_are_those_of_the_tables() {
        let belief = Belief::new(0.0, 1.0);
        assert!((belief.above(1.96) - 0.025).abs() < 1e-4);
        assert!((belief.quantile(0.975) - 1.96).abs() < 1e-2);
        assert!((belief.blurred(3.0).deviation - 2.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn evidence_narrows_and_never_breaks(
            mean in -1.0_f64..1.0, deviation in 0.0_f64..1.0, measured in -1.0_f64..1.0, variance in 0.0_f64..1.0
        ) {
            let before = Belief::new(mean, deviation);
            let after = before.after(measured, variance);
            prop_assert!(after.mean.is_finite() && after.deviation <= deviation.max(1e-8));
            prop_assert!((0.0..=1.0).contains(&after.above(0.02)));
        }
    }
}
