//! From treatments to the builds that tell their effects apart.
//!
//! The first value of each knob is a factor of a factorial design; a further value of the same knob
//! cannot be had beside it, and is built alone and together with the optimisation level. Does not know
//! what the settings do, nor what builds cost.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::design::{Factorial, Flags, MOST_FACTORS, sign};
use super::treatment::{Treatment, Variant};

/// Knob whose level every other value is tried with and without.
const COMPANION: &str = "c-opt-level";

/// The builds of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// What is tried.
    pub treatments: Vec<Treatment>,
    /// Combinations of the factors.
    pub factorial: Factorial,
    /// The treatments that are factors, by their place among all.
    pub factors: Vec<usize>,
    /// The builds: the baseline first, then those of the factorial, then further values.
    pub variants: Vec<Variant>,
    /// The builds of the factorial: flags, and place among the variants.
    pub runs: Vec<(Flags, usize)>,
}

/// Two builds that differ by a treatment alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pair {
    /// The build without it.
    pub without: usize,
    /// The build with it.
    pub with: usize,
}

impl Layout {
    /// The builds for treatments. Those beyond what a design holds are built like further values.
    pub fn of(treatments: &[Treatment]) -> Self {
        let mut own: Vec<Treatment> = Vec::new();
        for treatment in treatments {
            if !own.contains(treatment) {
                own.push(treatment.clone());
            }
        }
        let mut factors: Vec<usize> = Vec::new();
        let mut further: Vec<usize> = Vec::new();
        for (at, treatment) in own.iter().enumerate() {
            // Of two that set the same knob to the same value each would count for half.
            let shares = |other: &Treatment| {
                other.knobs.keys().any(|knob| treatment.knobs.contains_key(knob))
            };
            let excluded = factors.iter().any(|f| own.get(*f).is_some_and(shares));
            if !excluded && factors.len() < MOST_FACTORS {
                factors.push(at);
            } else {
                further.push(at);
            }
        }
        let factorial = Factorial::of(factors.len());
        let mut layout =
            Self { treatments: own, factorial, factors, variants: Vec::new(), runs: Vec::new() };
        layout.add_runs();
        for at in further {
            layout.add_further(at);
        }
        layout
    }

    fn add_runs(&mut self) {
        for run in self.factorial.runs() {
            self.add_run(run);
        }
    }

    /// Adds a combination of factors; gives its place among the variants.
    pub fn add_run(&mut self, run: Flags) -> usize {
        let on = self.factors.iter().enumerate().filter(|(bit, _)| run & (1 << bit) != 0);
        let variant = Variant::of(on.filter_map(|(_, at)| self.treatments.get(*at)));
        let at = self.add(variant);
        self.runs.push((run, at));
        at
    }

    /// Adds a build, unless it is there; gives its place.
    pub fn add(&mut self, variant: Variant) -> usize {
        if let Some(at) = self.variants.iter().position(|other| *other == variant) {
            return at;
        }
        self.variants.push(variant);
        self.variants.len() - 1
    }

    fn add_further(&mut self, at: usize) {
        let Some(treatment) = self.treatments.get(at).cloned() else { return };
        self.add(Variant::of([&treatment]));
        let companion = self
            .treatments
            .iter()
            .find(|other| other.knobs.contains_key(COMPANION) && !other.excludes(&treatment))
            .filter(|other| **other != treatment);
        if let Some(companion) = companion.cloned() {
            self.add(Variant::of([&companion, &treatment]));
        }
    }

    /// The factor that a treatment is, as a flag of the factorial.
    pub fn factor(&self, treatment: usize) -> Option<Flags> {
        let bit = self.factors.iter().position(|at| *at == treatment)?;
        Some(1 << bit)
    }

    /// The treatments of an effect, by name.
    pub fn names(&self, effect: Flags) -> String {
        let on = self.factors.iter().enumerate().filter(|(bit, _)| effect & (1 << bit) != 0);
        let names: Vec<_> =
            on.filter_map(|(_, at)| Some(self.treatments.get(*at)?.to_string())).collect();
        names.join(" x ")
    }

    /// The settings of an effect's treatments, as one treatment is written.
    pub fn settings(&self, effect: Flags) -> String {
        let on = self.factors.iter().enumerate().filter(|(bit, _)| effect & (1 << bit) != 0);
        let knobs = on.filter_map(|(_, at)| self.treatments.get(*at)).flat_map(|t| &t.knobs);
        knobs.map(|(id, value)| format!("{id}={value}")).collect::<Vec<_>>().join("+")
    }

    /// Builds that differ by one treatment alone.
    pub fn pairs(&self, treatment: usize) -> Vec<Pair> {
        let Some(treatment) = self.treatments.get(treatment) else { return Vec::new() };
        let mut found = Vec::new();
        for (without, variant) in self.variants.iter().enumerate() {
            let set = treatment.knobs.keys().any(|id| variant.knobs.contains_key(id));
            if set || !variant.flags.is_empty() {
                continue;
            }
            let mut wanted = variant.clone();
            wanted.knobs.extend(treatment.knobs.clone());
            let with = self.variants.iter().position(|other| *other == wanted);
            found.extend(with.map(|with| Pair { without, with }));
        }
        found
    }

    /// How much each build counts for the effect of a treatment: the contrast of the factorial, else
    /// the mean of the pairs that differ by it alone. Weights add up to nothing.
    pub fn weights(&self, treatment: usize) -> Vec<(usize, f64)> {
        if let Some(factor) = self.factor(treatment) {
            return self.contrast(factor);
        }
        let pairs = self.pairs(treatment);
        let share = 1.0 / pairs.len().max(1) as f64;
        pairs.iter().flat_map(|pair| [(pair.with, share), (pair.without, -share)]).collect()
    }

    /// How much each build of the design counts for an effect of factors.
    pub fn contrast(&self, effect: Flags) -> Vec<(usize, f64)> {
        let designed = self.factorial.runs().len();
        let runs = self.runs.iter().take(designed);
        let half = designed as f64 / 2.0;
        runs.map(|(run, at)| (*at, sign(effect, *run) / half)).collect()
    }

    /// Builds that trying every combination would take.
    pub fn full_size(&self) -> usize {
        let mut knobs: BTreeMap<Vec<&String>, usize> = BTreeMap::new();
        for treatment in &self.treatments {
            *knobs.entry(treatment.knobs.keys().collect()).or_insert(1) += 1;
        }
        knobs.values().product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(treatments: &[&str]) -> Layout {
        let all: Vec<Treatment> = treatments.iter().map(|t| t.parse().unwrap()).collect();
        Layout::of(&all)
    }

    fn labels(layout: &Layout) -> Vec<String> {
        layout.variants.iter().map(Variant::label).collect()
    }

    #[test]
    fn each_alone_and_together() {
        let layout = layout(&["c-opt-level=3", "c-march=x86-64-v3", "c-march=native"]);
        assert_eq!(
            labels(&layout),
            [
                "baseline",
                "-O3",
                "-march=x86-64-v3",
                "-O3 -march=x86-64-v3",
                "-march=native",
                "-O3 -march=native",
            ]
        );
        assert_eq!((layout.factors.clone(), layout.full_size()), (vec![0, 1], 6));
        let pairs: Vec<_> = layout.pairs(2).iter().map(|p| (p.without, p.with)).collect();
        assert_eq!(pairs, [(0, 4), (1, 5)], "native is compared with what lacks it alone");
    }

    #[test]
    fn four_flags_take_eight_builds() {
        let layout =
            layout(&["c-opt-level=3", "c-march=x86-64-v3", "c-lto=fat", "c-split-dwarf=true"]);
        assert_eq!((layout.variants.len(), layout.full_size()), (8, 16));
        assert_eq!(layout.pairs(0), [], "no two builds differ by one flag alone");
        let weights = layout.weights(0);
        let sum: f64 = weights.iter().map(|(_, w)| w).sum();
        assert!(weights.len() == 8 && sum.abs() < 1e-12, "{weights:?}");
        assert_eq!(layout.names(0b0011), "-O3 x -march=x86-64-v3");
    }

    #[test]
    fn a_treatment_that_is_named_twice_counts_once() {
        assert_eq!(layout(&["c-lto=fat", "c-lto=fat"]).variants.len(), 2);
        assert_eq!(layout(&[]).variants.len(), 1);
    }

    #[test]
    fn what_another_sets_too_is_no_factor_beside_it() {
        let layout = layout(&["c-opt-level=3", "c-opt-level=3+c-lto=fat"]);
        assert_eq!((layout.factors.clone(), layout.variants.len()), (vec![0], 3));
        let pairs: Vec<_> = layout.pairs(1).iter().map(|p| (p.without, p.with)).collect();
        assert_eq!(pairs, [(0, 2)]);
    }

    #[test]
    fn a_build_is_not_made_twice() {
        let mut layout = layout(&["c-opt-level=3"]);
        let again = layout.variants[1].clone();
        assert_eq!((layout.add(again), layout.variants.len()), (1, 2));
    }
}
