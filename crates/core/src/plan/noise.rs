//! How much higher a unit peaks than it ever did, by how long it runs.
//!
//! Peaks of long units repeat within a few per cent. Short ones are looked at once or twice while
//! they run, so theirs vary by what a look happened to see. Learned from units that ran more than
//! once. Does not know any unit by name.

use super::unit::Measure;

/// Seconds up to which a stratum reaches, with the excess that is assumed without data.
const STRATA: [(f64, f64); 3] = [(0.3, 0.12), (1.5, 0.08), (f64::INFINITY, 0.05)];
/// Part of the units that peak below their margin.
const COVERED: f64 = 0.95;
/// Pairs of runs that the assumption counts for.
const PRIOR: f64 = 10.0;
/// Least and most of a margin. What varies by more than that is two things in one, and a margin for
/// all would waste more than it saves.
const MARGIN: (f64, f64) = (0.02, 0.2);

/// Margins as logarithms, by stratum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    margins: [f64; STRATA.len()],
}

impl Default for Noise {
    fn default() -> Self {
        Self { margins: STRATA.map(|(_, assumed)| assumed) }
    }
}

fn stratum(seconds: f64) -> usize {
    STRATA.iter().position(|(upto, _)| seconds < *upto).unwrap_or(STRATA.len() - 1)
}

impl Noise {
    /// Learns from all runs of each unit, newest first.
    pub(super) fn of<'a>(units: impl Iterator<Item = &'a Vec<Measure>>) -> Self {
        let mut seen: [Vec<f64>; STRATA.len()] = Default::default();
        for runs in units {
            let mut good = runs.iter().filter(|run| run.complete);
            let Some(newest) = good.next() else { continue };
            let before = good.map(|run| run.peak).fold(0.0, f64::max);
            if before <= 0.0 {
                continue;
            }
            if let Some(excesses) = seen.get_mut(stratum(newest.wall)) {
                excesses.push((newest.peak / before).ln().max(0.0));
            }
        }
        let mut noise = Self::default();
        for (margin, excesses) in noise.margins.iter_mut().zip(&mut seen) {
            let count = excesses.len() as f64;
            let learned = quantile(excesses, COVERED);
            *margin = (learned * count + *margin * PRIOR) / (count + PRIOR);
            *margin = margin.clamp(MARGIN.0, MARGIN.1);
        }
        noise
    }

    /// The logarithm of the margin over the most that was seen in so many runs of a unit.
    pub(super) fn margin(&self, seconds: f64, runs: u32) -> f64 {
        let margin = self.margins.get(stratum(seconds)).copied().unwrap_or(MARGIN.1);
        margin * (2.0 / f64::from(runs.max(1))).sqrt()
    }
}

fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in it")]
    let at = (values.len() as f64 * part) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(wall: f64, peaks: &[f64]) -> Vec<Measure> {
        let run = |peak: &f64| Measure {
            complete: true,
            peak: *peak,
            kernel: *peak,
            seen: *peak,
            cpu: wall,
            wall,
        };
        peaks.iter().map(run).collect()
    }

    #[test]
    fn margins_are_learned_by_length_and_shrink_with_runs() {
        let (long, short) =
            (vec![runs(9.0, &[300.0, 301.0]); 50], vec![runs(0.1, &[11.5, 10.0]); 50]);
        let noise = Noise::of(long.iter().chain(&short));
        assert!(noise.margin(9.0, 2) < 0.03, "{noise:?}");
        assert!((0.12..0.16).contains(&noise.margin(0.1, 2)), "{noise:?}");
        assert!(noise.margin(0.1, 8) < noise.margin(0.1, 2));
        assert!((Noise::default().margin(9.0, 2) - 0.05).abs() < 1e-9);
    }
}
