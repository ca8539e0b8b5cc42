//! A line through logarithms: how what was measured differs from what a model expects.
//!
//! With `x` the logarithm of what the model expects and `y` that of the measured figure over it,
//! `y = a + b (x - mean x)` by ridge regression, whose penalty pulls both to zero: without data the
//! model stands, with much data the data. Does not know what is measured.

use super::band::Band;

/// Runs that the model counts for in `a`.
const PRIOR_LEVEL: f64 = 2.0;
/// Spread (sum of squares of x) that it counts for in `b`.
const PRIOR_SLOPE: f64 = 3.0;
/// Runs that the model's own deviation counts for.
const PRIOR_DEVIATION: f64 = 4.0;
/// Steepest correction: more is an accident of few data.
const STEEPEST: f64 = 0.6;

/// A fitted line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    level: f64,
    slope: f64,
    centre: f64,
    /// Least and greatest x of the data; beyond them the correction stays as it is there.
    reach: (f64, f64),
    deviation: f64,
    /// Pairs that it rests on.
    pub(super) count: u32,
}

impl Fit {
    /// Fits pairs of what was expected and what was measured, both above zero. `deviation` is that
    /// of the model's own logarithm.
    pub(super) fn new(pairs: &[(f64, f64)], deviation: f64) -> Self {
        let usable = |(expected, got): &&(f64, f64)| *expected > 0.0 && *got > 0.0;
        let logs: Vec<(f64, f64)> = pairs
            .iter()
            .filter(usable)
            .map(|(expected, got)| (expected.ln(), (got / expected).ln()))
            .collect();
        let count = logs.len() as f64;
        let centre = logs.iter().map(|(x, _)| x).sum::<f64>() / count.max(1.0);
        let level = logs.iter().map(|(_, y)| y).sum::<f64>() / (count + PRIOR_LEVEL);
        let across: f64 = logs.iter().map(|(x, y)| (x - centre) * (y - level)).sum();
        let spread: f64 = logs.iter().map(|(x, _)| (x - centre).powi(2)).sum();
        let slope = (across / (spread + PRIOR_SLOPE)).clamp(-STEEPEST, STEEPEST);
        let off = |(x, y): &(f64, f64)| (y - level - slope * (x - centre)).powi(2);
        let squares: f64 = logs.iter().map(off).sum();
        let prior = PRIOR_DEVIATION * deviation * deviation;
        let deviation = ((squares + prior) / (count + PRIOR_DEVIATION)).sqrt();
        let reach = logs
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), (x, _)| (a.min(*x), b.max(*x)));
        let reach = if reach.0 > reach.1 { (0.0, 0.0) } else { reach };
        let count = u32::try_from(logs.len()).unwrap_or(u32::MAX);
        Self { level, slope, centre, reach, deviation, count }
    }

    /// What is to be expected where the model expects `expected`.
    pub(super) fn predict(&self, expected: f64) -> Band<f64> {
        if expected <= 0.0 {
            return Band::default();
        }
        let x = expected.ln().clamp(self.reach.0, self.reach.1);
        let correction = self.level + self.slope * (x - self.centre);
        let deviation = self.deviation * (1.0 + 1.0 / (f64::from(self.count) + PRIOR_LEVEL)).sqrt();
        Band::around(expected * correction.exp(), deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_data_the_model_stands_and_with_data_they_do() {
        let none = Fit::new(&[], 0.5).predict(100.0);
        assert!((none.expected - 100.0).abs() < 1e-9 && none.max > 200.0);
        let pairs: Vec<_> = (1..200).map(|i| (f64::from(i), f64::from(i) * 3.0)).collect();
        let much = Fit::new(&pairs, 0.5).predict(100.0);
        assert!((290.0..305.0).contains(&much.expected), "{much:?}");
        assert!(much.confidence() > none.confidence());
    }

    #[test]
    fn nothing_that_is_no_figure_spoils_a_fit() {
        let fit = Fit::new(&[(0.0, 1.0), (1.0, 0.0), (-1.0, 2.0)], 0.5);
        assert_eq!(fit.count, 0);
        assert_eq!(fit.predict(0.0), Band::default());
    }
}
