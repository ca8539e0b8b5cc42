//! How much the peak of one and the same unit varies between runs, by its size.
//!
//! Short units are seen once or not at all while they run, so the small ones vary most. Learned from
//! units that ran more than once. Does not know any unit by name.

use super::unit::Measure;

/// Peaks in bytes up to which a stratum reaches, with the deviation that is assumed without data
/// (medians of a hundred builds' worth of small files, sampled every 10 to 100 ms).
const STRATA: [(f64, f64); 4] =
    [(24.0 * MIB, 0.25), (64.0 * MIB, 0.15), (160.0 * MIB, 0.06), (f64::INFINITY, 0.04)];
const MIB: f64 = 1024.0 * 1024.0;
/// Pairs of runs that the assumption counts for.
const PRIOR: f64 = 10.0;

/// Deviations of the logarithm of peaks, by stratum.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noise {
    learned: [(f64, f64); STRATA.len()],
}

fn stratum(peak: f64) -> usize {
    STRATA.iter().position(|(upto, _)| peak < *upto).unwrap_or(STRATA.len() - 1)
}

impl Noise {
    /// Learns from all runs of each unit.
    pub(super) fn of<'a>(units: impl Iterator<Item = &'a Vec<Measure>>) -> Self {
        let mut noise = Self::default();
        for runs in units {
            let logs: Vec<f64> =
                runs.iter().filter(|run| run.complete).map(|run| run.peak.max(1.0).ln()).collect();
            if logs.len() < 2 {
                continue;
            }
            let mean = logs.iter().sum::<f64>() / logs.len() as f64;
            let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
            if let Some((sum, count)) = noise.learned.get_mut(stratum(mean.exp())) {
                *sum += squares;
                *count += logs.len() as f64 - 1.0;
            }
        }
        noise
    }

    /// Deviation of the logarithm of a peak of so many bytes.
    pub(super) fn of_peak(&self, peak: f64) -> f64 {
        let at = stratum(peak);
        let (sum, count) = self.learned.get(at).copied().unwrap_or_default();
        let assumed = STRATA.get(at).map_or(0.25, |(_, deviation)| *deviation);
        ((sum + PRIOR * assumed * assumed) / (count + PRIOR)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(peaks: &[f64]) -> Vec<Measure> {
        let run = |peak: &f64| Measure { complete: true, peak: peak * MIB, cpu: 1.0, wall: 1.0 };
        peaks.iter().map(run).collect()
    }

    #[test]
    fn noise_is_learned_by_size() {
        let (steady, wild) = (vec![runs(&[300.0, 301.0]); 50], vec![runs(&[10.0, 20.0]); 50]);
        let noise = Noise::of(steady.iter().chain(&wild));
        assert!(noise.of_peak(300.0 * MIB) < 0.03);
        assert!(noise.of_peak(14.0 * MIB) > 0.4);
        assert!((Noise::default().of_peak(14.0 * MIB) - 0.25).abs() < 1e-9);
    }
}
