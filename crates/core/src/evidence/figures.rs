//! The figures of one command: mean, spread, extremes, and what lies far off.
//!
//! Does not know other commands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bootstrap::student;
use super::robust::{median, outliers};

/// What many runs of a command have in common; seconds, bytes or instructions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Runs.
    pub runs: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Bounds between which the mean lies with a probability of 95 %, by Student's distribution;
    /// absent of a single run.
    pub mean_between: Option<[f64; 2]>,
    /// Standard deviation of a run.
    pub deviation: f64,
    /// The middle one.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// Rounds, counted from 1, whose run lies far from the others; none is left out.
    pub outliers: Vec<usize>,
}

impl Figures {
    /// The figures of values; nothing of none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let runs = values.len();
        let mean = (runs > 0).then(|| values.iter().sum::<f64>() / runs as f64)?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / (runs as f64 - 1.0).max(1.0)).sqrt();
        Some(Self {
            runs,
            mean,
            mean_between: mean_between(runs, mean, deviation),
            deviation,
            median: median(values),
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            outliers: outliers(values).into_iter().map(|at| at + 1).collect(),
        })
    }
}

fn mean_between(runs: usize, mean: f64, deviation: f64) -> Option<[f64; 2]> {
    if runs < 2 {
        return None;
    }
    let reach = student(runs, 0.975) * deviation / (runs as f64).sqrt();
    Some([mean - reach, mean + reach])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_students() {
        let found = Figures::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let [low, high] = found.mean_between.unwrap();
        // 2.776 is the 97.5 % quantile with four degrees of freedom.
        let reach = 2.776 * 2.5_f64.sqrt() / 5.0_f64.sqrt();
        assert!((low - (3.0 - reach)).abs() < 1e-3 && (high - (3.0 + reach)).abs() < 1e-3);
        assert_eq!((found.median, found.least, found.most), (3.0, 1.0, 5.0));
    }

    #[test]
    fn one_run_has_no_interval_and_none_no_figures() {
        assert_eq!(Figures::of(&[]), None);
        let one = Figures::of(&[2.0]).unwrap();
        assert_eq!((one.mean, one.mean_between, one.deviation), (2.0, None, 0.0));
    }
}
