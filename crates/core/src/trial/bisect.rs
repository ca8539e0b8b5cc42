//! Finds the single flag of a bundle that does it, by halves.
//!
//! `-march=native` is many flags. With the first `n` of them in force, for some `n` what was seen
//! with all of them begins to show; the flag that was added there is the one that does it, in the
//! presence of those before it. Halving the distance finds it with as many builds as the number of
//! flags has binary digits, however many flags need each other. What is measured of a build is its
//! place between the two ends: 0 where it is like the build without, 1 where it is like that with all.
//! Does not know flags or builds, nor how often a build was run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A build of the first flags with its place between the ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// Flags in force, from the first.
    pub flags: usize,
    /// Its place: 0 is the build without the bundle, 1 that with all of it.
    pub share: f64,
    /// Standard error of the place.
    pub error: f64,
}

/// Part of the whole effect that a single flag must make to be called the one that does it.
pub const DECISIVE: f64 = 0.5;

/// A search under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Bisection {
    /// The last build known to lie on the near side, and the first on the far side.
    low: Probe,
    high: Probe,
    probes: Vec<Probe>,
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// Place of the flag in the bundle, counted from 0.
    pub flag: usize,
    /// Part of the whole effect that it makes, on top of the flags before it.
    pub share: f64,
    /// Standard error of that part.
    pub error: f64,
    /// Whether it makes most of it, and that is not chance.
    pub decisive: bool,
}

impl Bisection {
    /// Nothing is known but the ends.
    pub const fn new(flags: usize) -> Self {
        Self {
            low: Probe { flags: 0, share: 0.0, error: 0.0 },
            high: Probe { flags, share: 1.0, error: 0.0 },
            probes: Vec::new(),
        }
    }

    /// Flags of the build to look at next; nothing when one flag is left.
    pub const fn next(&self) -> Option<usize> {
        if self.high.flags - self.low.flags > 1 {
            Some(usize::midpoint(self.low.flags, self.high.flags))
        } else {
            None
        }
    }

    /// Takes in what a build showed. Builds outside of what is still open say nothing new.
    pub fn observe(&mut self, probe: Probe) {
        if probe.flags <= self.low.flags || probe.flags >= self.high.flags {
            return;
        }
        self.probes.push(probe);
        // The side with the larger step is where the flag lies that makes most of it.
        let below = (probe.share - self.low.share).abs();
        let above = (self.high.share - probe.share).abs();
        if below >= above {
            self.high = probe;
        } else {
            self.low = probe;
        }
    }

    /// Builds that were looked at, in order.
    pub fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// The flag, when one is left.
    pub fn found(&self) -> Option<Found> {
        if self.next().is_some() || self.high.flags == 0 {
            return None;
        }
        let share = self.high.share - self.low.share;
        let error = self.high.error.hypot(self.low.error);
        Some(Found {
            flag: self.high.flags - 1,
            share,
            error,
            decisive: share >= DECISIVE && share > 2.0 * error,
        })
    }
}

/// Builds that a search among so many flags takes at most.
pub const fn most_builds(flags: usize) -> u32 {
    if flags <= 1 { 0 } else { usize::BITS - (flags - 1).leading_zeros() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs a search against places that are known; returns what was found and the builds it took.
    fn search(places: &[f64], mut noise: impl FnMut() -> f64) -> (Found, usize) {
        let flags = places.len() - 1;
        let mut bisection = Bisection::new(flags);
        while let Some(at) = bisection.next() {
            bisection.observe(Probe { flags: at, share: places[at] + noise(), error: 0.05 });
        }
        (bisection.found().unwrap(), bisection.probes().len())
    }

    /// The place after each number of flags when the one at `culprit` makes all of it.
    fn single(flags: usize, culprit: usize) -> Vec<f64> {
        (0..=flags).map(|n| f64::from(u8::from(n > culprit))).collect()
    }

    proptest! {
        #[test]
        fn the_flag_is_found_with_few_builds(flags in 1_usize..80, seed in 0_u64..1000) {
            let mut random = fastrand::Rng::with_seed(seed);
            let culprit = random.usize(..flags);
            let (found, builds) =
                search(&single(flags, culprit), || (random.f64() - 0.5) * 0.4);
            prop_assert_eq!((found.flag, found.decisive), (culprit, true));
            prop_assert!(builds <= most_builds(flags) as usize, "{} of {}", builds, flags);
        }

        #[test]
        fn any_answers_end_the_search(answers in proptest::collection::vec(-5.0_f64..5.0, 70)) {
            let mut bisection = Bisection::new(64);
            for share in answers {
                let Some(flags) = bisection.next() else { break };
                bisection.observe(Probe { flags, share, error: 1.0 });
            }
            prop_assert!(bisection.found().is_some());
        }
    }

    #[test]
    fn what_several_flags_make_together_is_not_put_down_to_one() {
        let gradual: Vec<f64> = (0..=16).map(|n| f64::from(n) / 16.0).collect();
        let (found, _) = search(&gradual, || 0.0);
        assert!(!found.decisive && (found.share - 1.0 / 16.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn the_larger_of_two_steps_is_named() {
        let places: Vec<f64> = (0..=20)
            .map(|n| if n > 4 { 0.3 } else { 0.0 } + if n > 13 { 0.7 } else { 0.0 })
            .collect();
        let (found, _) = search(&places, || 0.0);
        assert_eq!((found.flag, found.decisive), (13, true));
    }

    #[test]
    fn a_bundle_of_one_flag_needs_no_build() {
        assert_eq!((most_builds(1), most_builds(2), most_builds(64)), (0, 1, 6));
        let found = Bisection::new(1).found().unwrap();
        assert_eq!((found.flag, found.decisive), (0, true));
        assert_eq!(Bisection::new(0).found(), None);
    }
}
