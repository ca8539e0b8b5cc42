//! Which measurement is worth most of its time.
//!
//! The knowledge gradient of a normal belief (Frazier, Powell and Dayanik 2008, "A knowledge-gradient
//! policy for sequential information collection"): how much better the decision is expected to be
//! after a measurement than now, for each minute that it takes. Does not know how it is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::belief::{Belief, normal_cdf, normal_pdf};

/// A measurement that could be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Next {
    /// What to measure; absent when no workload is known yet.
    pub workload: Option<String>,
    /// Minutes that it takes.
    pub minutes: f64,
    /// Gain that knowing it is worth, for each hour of measuring: a hundredth is a per cent of speed.
    pub value_an_hour: f64,
}

/// Gain that the better of keeping and leaving is expected to have more, after a measurement with
/// a variance than before it.
pub fn value(belief: Belief, threshold: f64, variance: f64) -> f64 {
    let own = belief.deviation.powi(2);
    let moved = own / (own + variance).sqrt();
    if moved <= 0.0 || !moved.is_finite() {
        return 0.0;
    }
    let distance = -((belief.mean - threshold).abs() / moved);
    moved * (distance * normal_cdf(distance) + normal_pdf(distance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_worth_measuring_and_what_is_clear_is_not() {
        let open = value(Belief::new(0.02, 0.1), 0.02, 1e-4);
        let clear = value(Belief::new(0.30, 0.02), 0.02, 1e-4);
        assert!(open > 0.03 && clear < 1e-9, "{open} {clear}");
        let rough = value(Belief::new(0.02, 0.1), 0.02, 0.1);
        assert!(rough < open, "a rough measurement is worth less");
    }
}
