//! Two-level factorial designs: which combinations of flags are built, and what they can tell apart.
//!
//! With up to three flags every combination is built. With more, a regular fraction is: an added flag
//! is on where an odd number of the flags of its generator is, so that the baseline, everything off,
//! is always among the runs (Box, Hunter and Hunter 2005, "Statistics for Experimenters", chapters 5
//! and 6). Every fraction here has resolution IV or more: no flag's own effect is mixed with one of
//! two flags. Does not know what the flags are, nor what was measured.

use std::ops::Range;

/// A set of flags, a bit each: the flags that are on in a run, or those whose effect is meant.
pub type Flags = u32;

/// Most flags of a design; more would take more than 16 runs.
pub const MOST_FACTORS: usize = 8;

/// Generators of the flags that are added to four base flags; each leaves resolution IV or more.
const OF_FOUR: [Flags; 4] = [0b0111, 0b1011, 0b1101, 0b1110];

/// Which combinations are built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factorial {
    factors: usize,
    base: usize,
    generators: Vec<Flags>,
}

impl Factorial {
    /// The smallest design of so many flags with resolution IV, and every combination of up to
    /// three. Flags above [`MOST_FACTORS`] are left out.
    pub fn of(factors: usize) -> Self {
        let factors = factors.min(MOST_FACTORS);
        let (base, generators) = match factors {
            0..=3 => (factors, Vec::new()),
            4 => (3, vec![0b111]),
            5 => (4, vec![0b1111]),
            _ => (4, OF_FOUR.iter().take(factors - 4).copied().collect()),
        };
        Self { factors, base, generators }
    }

    /// Flags.
    pub const fn factors(&self) -> usize {
        self.factors
    }

    /// Whether every combination is built.
    pub const fn is_full(&self) -> bool {
        self.generators.is_empty()
    }

    /// Combinations that a design of all of them would have.
    pub const fn full_size(&self) -> usize {
        1 << self.factors
    }

    /// The flags that are on in each run; the first is the baseline.
    pub fn runs(&self) -> Vec<Flags> {
        let all: Range<Flags> = 0..(1 << self.base);
        all.map(|base| self.completed(base)).collect()
    }

    /// A run of the base flags with the added ones.
    fn completed(&self, base: Flags) -> Flags {
        let added = self.generators.iter().zip(self.base..);
        added.fold(base, |run, (generator, at)| {
            let on = (base & generator).count_ones() % 2;
            run | (on << at)
        })
    }

    /// The products that are constant over the runs; the empty one is left out.
    fn defining_words(&self) -> Vec<Flags> {
        let own: Vec<Flags> =
            self.generators.iter().zip(self.base..).map(|(g, at)| g | (1 << at)).collect();
        let of = |chosen: usize| {
            own.iter()
                .enumerate()
                .filter(|(n, _)| chosen & (1 << n) != 0)
                .fold(0, |word, (_, w)| word ^ w)
        };
        (1..1_usize << own.len()).map(of).collect()
    }

    /// The number of flags in the shortest product that is constant: III would mix flags' own effects
    /// with those of pairs, IV mixes pairs with pairs. Absent where every combination is built.
    pub fn resolution(&self) -> Option<u32> {
        self.defining_words().into_iter().map(Flags::count_ones).min()
    }

    /// Effects that cannot be told from one, up to pairs of flags. The sign says whether they add to
    /// it or take away.
    pub fn aliases(&self, effect: Flags) -> Vec<(Flags, f64)> {
        let words = self.defining_words();
        let other = |word: Flags| (effect ^ word, sign(word, 0));
        let mut found: Vec<_> =
            words.into_iter().map(other).filter(|(e, _)| e.count_ones() <= 2).collect();
        found.sort_by_key(|(effect, _)| *effect);
        found
    }

    /// The pairs of flags, one of each group that cannot be told apart.
    pub fn pairs(&self) -> Vec<Flags> {
        let mut found: Vec<Flags> = Vec::new();
        for first in 0..self.factors {
            for second in first + 1..self.factors {
                let pair = (1 << first) | (1 << second);
                let known = |e: &(Flags, f64)| found.contains(&e.0);
                if !self.aliases(pair).iter().any(known) {
                    found.push(pair);
                }
            }
        }
        found
    }

    /// A run that is not in the design and in which two effects that are aliased have opposite signs:
    /// the one with the fewest flags on, because that is what a user may keep.
    pub fn separating(&self, one: Flags, other: Flags) -> Option<Flags> {
        let runs = self.runs();
        let alias = self.aliases(one).into_iter().find(|(effect, _)| *effect == other)?;
        let opposite =
            |run: &Flags| (sign(one, *run) - alias.1 * sign(other, *run)).abs() > f64::EPSILON;
        let mut left: Vec<Flags> = (0..1 << self.factors).filter(|r| !runs.contains(r)).collect();
        left.sort_by_key(|run| run.count_ones());
        left.into_iter().find(opposite)
    }
}

/// The sign with which a run counts for an effect: the product of +1 for each flag of it that is on
/// and -1 for each that is off.
pub const fn sign(effect: Flags, run: Flags) -> f64 {
    if (effect & !run).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
}

/// An effect from what was measured in each run: the mean where its sign is positive, less the mean
/// where it is negative.
pub fn contrast(effect: Flags, runs: &[(Flags, f64)]) -> f64 {
    let half = runs.len() as f64 / 2.0;
    runs.iter().map(|(run, value)| sign(effect, *run) * value).sum::<f64>() / half.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn designs_are_as_small_as_resolution_four_allows() {
        let sizes: Vec<_> = (0..=8)
            .map(|k| {
                let design = Factorial::of(k);
                (design.runs().len(), design.resolution())
            })
            .collect();
        let expected = [
            (1, None),
            (2, None),
            (4, None),
            (8, None),
            (8, Some(4)),
            (16, Some(5)),
            (16, Some(4)),
            (16, Some(4)),
            (16, Some(4)),
        ];
        assert_eq!(sizes, expected);
    }

    #[test]
    fn four_flags_take_half_of_the_builds() {
        let design = Factorial::of(4);
        assert_eq!(2 * design.runs().len(), design.full_size());
        assert_eq!(design.runs().first(), Some(&0), "the baseline is among them");
        // AB is mixed with CD, and A with BCD alone, which is no pair.
        assert_eq!(design.aliases(0b0011), [(0b1100, 1.0)]);
        assert_eq!(design.aliases(0b0001), []);
        assert_eq!(design.pairs(), [0b0011, 0b0101, 0b1001]);
    }

    #[test]
    fn a_further_run_tells_two_aliases_apart() {
        let design = Factorial::of(4);
        let run = design.separating(0b0011, 0b1100).unwrap();
        assert!(!design.runs().contains(&run));
        assert!((sign(0b0011, run) - sign(0b1100, run)).abs() > 1.0, "{run:b}");
        assert_eq!(Factorial::of(3).separating(0b011, 0b110), None, "nothing is aliased");
    }

    proptest! {
        /// Whatever the flags and pairs do, a flag's own effect is found exactly where pairs are all
        /// there is beside it.
        #[test]
        fn main_effects_are_clear_of_pairs(
            factors in 1_usize..=8,
            own in proptest::collection::vec(-0.5_f64..0.5, 8),
            pairs in proptest::collection::vec(-0.3_f64..0.3, 28),
        ) {
            let design = Factorial::of(factors);
            // The values are half effects: from off to on a flag adds twice as much.
            let value = |run: Flags| {
                let mut pair = pairs.iter();
                (0..factors).map(|a| {
                    let with: f64 = (a + 1..factors)
                        .map(|b| pair.next().unwrap() * sign((1 << a) | (1 << b), run))
                        .sum();
                    own[a] * sign(1 << a, run) + with
                }).sum::<f64>()
            };
            let measured: Vec<_> = design.runs().into_iter().map(|run| (run, value(run))).collect();
            for (at, half) in own.iter().take(factors).enumerate() {
                prop_assert!((contrast(1 << at, &measured) - 2.0 * half).abs() < 1e-9);
            }
        }
    }
}
