//! Location and spread that a few wild values do not move.
//!
//! Huber's M-estimator (Huber 1964, "Robust estimation of a location parameter"): every value
//! counts, but none pulls with more than a bounded force, so nothing is dropped. Does not know what
//! the values are.

/// Huber's tuning constant: 95 % as efficient as the mean where the noise is normal.
const K: f64 = 1.345;
/// Values beside which the spread of few values is trusted so little that hardly any is bounded.
const TRUST: f64 = 12.0;
/// Makes the median absolute deviation a standard deviation where the noise is normal.
const MAD_TO_SD: f64 = 1.4826;
/// Modified z-score above which a value is called an outlier (Iglewicz and Hoaglin 1993, "How to
/// detect and handle outliers"; their score is 0.6745 deviations through the median deviation).
const OUTLIER: f64 = 3.5;
/// Steps of the iteration; it converges in a handful.
const STEPS: usize = 50;

/// Where values lie, and what each of them contributes to that.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// The centre.
    pub centre: f64,
    /// Standard error of the centre; zero when all values are the same.
    pub standard_error: f64,
    /// Spread of a single value.
    pub scale: f64,
    /// The bounded force of each value on the centre, in scales.
    pub pulls: Vec<f64>,
    /// How much each value's force changes with the centre: 1, or 0 where it is bounded.
    pub slopes: Vec<f64>,
}

/// The middle value; the mean of the two middle ones of an even number; zero of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(value), 1) => *value,
        (Some(above), _) => {
            f64::midpoint(sorted.get(middle - 1).copied().unwrap_or(*above), *above)
        }
        (None, _) => 0.0,
    }
}

/// The median of the distances from a centre, as a standard deviation. Where more than half of the
/// values are the same, the mean distance stands in for it.
pub fn spread(values: &[f64], centre: f64) -> f64 {
    let distances: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    let middle = median(&distances) * MAD_TO_SD;
    if middle > 0.0 {
        return middle;
    }
    // Of a normal variable the mean distance is 0.798 standard deviations.
    distances.iter().sum::<f64>() / distances.len().max(1) as f64 / 0.798
}

/// Huber's location of values.
pub fn location(values: &[f64]) -> Location {
    let mut centre = median(values);
    let scale = spread(values, centre);
    if scale > 0.0 {
        for _ in 0..STEPS {
            let (pull, slope) = forces(values, centre, scale);
            let step = scale * pull.iter().sum::<f64>() / slope.iter().sum::<f64>().max(1.0);
            centre += step;
            if step.abs() < scale * 1e-9 {
                break;
            }
        }
    }
    let (pulls, slopes) = forces(values, centre, scale);
    let standard_error = standard_error(&pulls, &slopes, scale);
    Location { centre, standard_error, scale, pulls, slopes }
}

fn forces(values: &[f64], centre: f64, scale: f64) -> (Vec<f64>, Vec<f64>) {
    let bound = K * (1.0 + TRUST / values.len().max(1) as f64);
    let force = |value: &f64| {
        let distance = if scale > 0.0 { (value - centre) / scale } else { 0.0 };
        (distance.clamp(-bound, bound), if distance.abs() <= bound { 1.0 } else { 0.0 })
    };
    values.iter().map(force).unzip()
}

/// Standard error of an M-estimator from the forces at its centre (Huber 1964), with the
/// correction of one degree of freedom.
pub(super) fn standard_error(pulls: &[f64], slopes: &[f64], scale: f64) -> f64 {
    let n = pulls.len() as f64;
    let squares: f64 = pulls.iter().map(|pull| pull * pull).sum();
    let slope: f64 = slopes.iter().sum();
    if n < 2.0 || slope <= 0.0 {
        return 0.0;
    }
    scale * squares.sqrt() / slope * (n / (n - 1.0)).sqrt()
}

/// Places of the values that lie far from the others.
pub fn outliers(values: &[f64]) -> Vec<usize> {
    let centre = median(values);
    let scale = spread(values, centre) / MAD_TO_SD;
    if scale <= 0.0 {
        return Vec::new();
    }
    let is_far = |value: &f64| 0.6745 * (value - centre).abs() / scale > OUTLIER;
    values.iter().enumerate().filter(|(_, value)| is_far(value)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_outliers_it_is_nearly_the_mean() {
        let values: Vec<f64> = (0..101).map(|n| f64::from(n) / 10.0).collect();
        let found = location(&values);
        assert!((found.centre - 5.0).abs() < 1e-9, "{found:?}");
        assert_eq!(outliers(&values), [] as [usize; 0]);
    }

    #[test]
    fn a_wild_value_moves_it_little_and_is_told() {
        let mut values: Vec<f64> = (0..40).map(|n| 1.0 + f64::from(n % 5) / 100.0).collect();
        let calm = location(&values);
        values.push(50.0);
        let wild = location(&values);
        assert!((wild.centre - calm.centre).abs() < calm.scale / 10.0);
        assert!(wild.centre > calm.centre, "it counts");
        assert_eq!(outliers(&values), [40]);
    }

    #[test]
    fn equal_values_have_no_error() {
        let found = location(&[3.0; 7]);
        assert_eq!((found.centre, found.standard_error, found.scale), (3.0, 0.0, 0.0));
        let mostly = location(&[3.0, 3.0, 3.0, 3.0, 4.0]);
        assert!(mostly.scale > 0.0 && mostly.centre > 3.0 && mostly.centre < 3.3, "{mostly:?}");
        assert!(location(&[]).centre.abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn it_lies_among_its_values(values in proptest::collection::vec(-1e6_f64..1e6, 1..40)) {
            let found = location(&values);
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(found.centre >= least - 1e-6 && found.centre <= most + 1e-6);
            prop_assert!(found.standard_error.is_finite());
        }
    }
}
