//! Intervals by resampling: the bootstrap-t.
//!
//! Whole rounds are drawn with replacement, the estimate of each draw is one step of its equation
//! from the estimate of all (Salibian-Barrera and Zamar 2002, "Bootstrapping robust estimates of
//! regression"), and the quantiles of the studentised draws make the interval (Efron 1981; Hall 1988,
//! "Theoretical comparison of bootstrap confidence intervals"), which holds its level with few rounds
//! better than quantiles of the draws themselves. Does not know what was measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::robust::{Location, standard_error};

/// Draws that a published interval rests on.
pub const RESAMPLES: usize = 2000;

/// An estimate between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The best guess.
    pub estimate: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

impl Interval {
    /// All three through a function that keeps their order.
    #[must_use]
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { estimate: f(self.estimate), low: f(self.low), high: f(self.high) }
    }

    /// Whether a value lies within the bounds.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Half of the distance of the bounds.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// The largest distance from zero that lies within the bounds.
    pub fn reach(&self) -> f64 {
        self.low.abs().max(self.high.abs())
    }
}

/// The interval of a location that covers the truth with probability `level`. Unbounded while there
/// are fewer than three values: nothing is known of their spread.
pub fn interval(location: &Location, level: f64, resamples: usize, seed: u64) -> Interval {
    let Location { centre, standard_error: error, .. } = *location;
    if location.pulls.len() < 3 {
        return Interval { estimate: centre, low: f64::NEG_INFINITY, high: f64::INFINITY };
    }
    if error <= 0.0 {
        return Interval { estimate: centre, low: centre, high: centre };
    }
    let mut draws = studentised(location, resamples, seed);
    draws.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    let (below, above) = (quantile(&draws, tail), quantile(&draws, 1.0 - tail));
    // Student's quantile is what remains when the noise is normal; draws from few rounds now and
    // then make a tail that is too short.
    let least = student(location.pulls.len(), 1.0 - tail);
    Interval {
        estimate: centre,
        low: centre - above.max(least) * error,
        high: centre - below.min(-least) * error,
    }
}

/// A quantile of Student's distribution for the mean of so many values.
pub(super) fn student(values: usize, part: f64) -> f64 {
    let freedom = values.saturating_sub(1).max(1) as f64;
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |student| student.inverse_cdf(part))
}

/// Distances of the draws' estimates from that of all, in standard errors of their own.
fn studentised(location: &Location, resamples: usize, seed: u64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let n = location.pulls.len();
    let (mut pulls, mut slopes) = (vec![0.0; n], vec![0.0; n]);
    let mut draws = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        for (pull, slope) in pulls.iter_mut().zip(&mut slopes) {
            let at = random.usize(..n);
            *pull = location.pulls.get(at).copied().unwrap_or(0.0);
            *slope = location.slopes.get(at).copied().unwrap_or(1.0);
        }
        let slope: f64 = slopes.iter().sum();
        let moved = location.scale * pulls.iter().sum::<f64>() / slope.max(1.0);
        let error = drawn_error(&pulls, &slopes, location.scale, moved);
        if error > 0.0 {
            draws.push(moved / error);
        }
    }
    draws
}

/// The standard error within a draw, whose own centre lies `moved` from that of all.
fn drawn_error(pulls: &[f64], slopes: &[f64], scale: f64, moved: f64) -> f64 {
    let shift = moved / scale;
    let own: Vec<f64> =
        pulls.iter().zip(slopes).map(|(pull, slope)| pull - slope * shift).collect();
    standard_error(&own, slopes, scale)
}

/// The value below which a part of sorted values lies, between neighbours where it falls there.
pub(super) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = part.clamp(0.0, 1.0) * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in it")]
    let below = place.floor() as usize;
    let at = |n: usize| sorted.get(n.min(last)).copied().unwrap_or(0.0);
    at(below) + (at(below + 1) - at(below)) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::robust::location;

    /// A normal variable by the polar method.
    fn normal(random: &mut fastrand::Rng) -> f64 {
        loop {
            let (u, v) = (random.f64() * 2.0 - 1.0, random.f64() * 2.0 - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * s.ln() / s).sqrt();
            }
        }
    }

    fn coverage(rounds: usize, wild: f64) -> f64 {
        let mut random = fastrand::Rng::with_seed(11);
        let covers = |trial: u64, random: &mut fastrand::Rng| {
            let noise = |random: &mut fastrand::Rng| {
                let far = if random.f64() < wild { 8.0 } else { 1.0 };
                0.2 + normal(random) * far
            };
            let values: Vec<f64> = (0..rounds).map(|_| noise(random)).collect();
            interval(&location(&values), 0.95, 400, trial).contains(0.2)
        };
        let covered = (0..600).filter(|trial| covers(*trial, &mut random)).count();
        covered as f64 / 600.0
    }

    #[test]
    fn intervals_hold_their_level() {
        for (rounds, wild) in [(8, 0.0), (20, 0.0), (60, 0.0), (20, 0.05)] {
            let covered = coverage(rounds, wild);
            assert!((0.925..=0.99).contains(&covered), "{rounds} rounds, {wild} wild: {covered}");
        }
    }

    #[test]
    fn few_values_bound_nothing_and_equal_ones_exactly() {
        let few = interval(&location(&[1.0, 2.0]), 0.95, 100, 1);
        assert_eq!((few.low, few.high), (f64::NEG_INFINITY, f64::INFINITY));
        let equal = interval(&location(&[2.0; 9]), 0.95, 100, 1);
        assert_eq!((equal.low, equal.high, equal.reach()), (2.0, 2.0, 2.0));
    }

    #[test]
    fn a_seed_decides() {
        let found = location(&[1.0, 1.0, 1.0, 1.1, 1.1, 1.2, 1.3, 1.7, 2.6, 4.0]);
        assert_eq!(interval(&found, 0.95, 200, 5), interval(&found, 0.95, 200, 5));
        assert_ne!(interval(&found, 0.95, 200, 5), interval(&found, 0.95, 200, 6));
    }
}
