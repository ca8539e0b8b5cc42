//! A test that stays right however often somebody looks at it.
//!
//! Whoever runs until a difference shows, finds one: with a test of fixed size, repeated looks at
//! noise call it a difference far more often than the level says. Here every round is a fair bet
//! against "the two do not differ": then the sign of a round's log ratio is a coin toss, whatever
//! its size, because the order within a round was random. A stake of `tanh(lambda x)` on it keeps the
//! expected wealth at one, so the wealth exceeds `1 / alpha` at any time with probability `alpha` at
//! most (Ville 1939), however the runs are stopped. Mixed over stakes, because the size of the
//! difference is not known. See Ramdas, Ruf, Larsson and Koolen 2020, "Admissible anytime-valid
//! sequential inference must rely on nonnegative martingales" (section on symmetry). Does not know what was
//! measured.

use super::robust::median;

/// Stakes for a round whose ratio is one typical deviation off, in each direction.
const STAKES: [f64; 7] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
/// Typical deviations above which a round counts no more: a wild one must not decide alone.
const CLIP: f64 = 3.0;
/// Rounds up to which the typical size is found anew in each, and then in each of so many.
const OFTEN: usize = 32;

/// Natural logarithm of the largest wealth that was reached by betting on the signs of log ratios
/// in their order; at least 0. The probability that it ever exceeds `ln(1 / alpha)` is at most
/// `alpha` when nothing differs.
pub fn log_evidence(log_ratios: &[f64]) -> f64 {
    let mut wealth = [[0.0_f64; STAKES.len()]; 2];
    let mut best = 0.0_f64;
    let mut sizes: Vec<f64> = Vec::with_capacity(log_ratios.len());
    let mut typical = 0.0;
    for ratio in log_ratios {
        // The size of a round's own ratio may be used: only its sign is bet on.
        sizes.push(ratio.abs());
        if sizes.len() < OFTEN || sizes.len().is_multiple_of(OFTEN) {
            typical = median(&sizes);
        }
        if typical <= 0.0 {
            continue;
        }
        let x = (ratio / typical).clamp(-CLIP, CLIP);
        for (stake, [up, down]) in STAKES.iter().zip(pairs(&mut wealth)) {
            let won = (stake * x).tanh();
            *up += won.ln_1p();
            *down += (-won).ln_1p();
        }
        best = best.max(log_mean_exp(&wealth));
    }
    best
}

/// The level at which "no difference" may be refused at this time, or at any earlier one.
pub fn anytime_p(log_evidence: f64) -> f64 {
    (-log_evidence).exp().min(1.0)
}

fn pairs(wealth: &mut [[f64; STAKES.len()]; 2]) -> impl Iterator<Item = [&mut f64; 2]> {
    let [up, down] = wealth;
    up.iter_mut().zip(down.iter_mut()).map(|(up, down)| [up, down])
}

/// The logarithm of the mean of what these are the logarithms of.
fn log_mean_exp(logs: &[[f64; STAKES.len()]; 2]) -> f64 {
    let all = || logs.iter().flatten().copied();
    let most = all().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = all().map(|log| (log - most).exp()).sum();
    most + (sum / all().count() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ln of twenty: what refuses "no difference" at 5 %.
    const TWENTY: f64 = 2.995_732_3;

    #[test]
    fn noise_rarely_looks_like_a_difference_however_often_one_looks() {
        let mut random = fastrand::Rng::with_seed(3);
        // Drifting, heavy-tailed, and looked at after every round of 200.
        let mut fooled = 0;
        for _ in 0..1000 {
            let noise = |n: i32, random: &mut fastrand::Rng| {
                let size = random.f64().powi(-1) * (1.0 + f64::from(n) / 50.0);
                if random.bool() { size } else { -size }
            };
            let values: Vec<f64> = (0..200).map(|n| noise(n, &mut random)).collect();
            fooled += u32::from(log_evidence(&values) > TWENTY);
        }
        assert!(fooled <= 50, "{fooled} of 1000");
    }

    #[test]
    fn seven_rounds_that_agree_are_enough_and_six_are_not() {
        assert!(log_evidence(&[0.1; 7]) > TWENTY);
        assert!(log_evidence(&[-0.1; 7]) > TWENTY);
        assert!(log_evidence(&[0.1; 6]) < TWENTY);
    }

    #[test]
    fn nothing_and_no_difference_are_no_evidence() {
        assert_eq!((log_evidence(&[]), log_evidence(&[0.0; 50])), (0.0, 0.0));
        assert!((anytime_p(0.0) - 1.0).abs() < 1e-12 && anytime_p(TWENTY) < 0.051);
    }
}
