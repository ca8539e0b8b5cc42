//! What treatments do, from rounds in which every build ran once.
//!
//! The effect of a treatment is a weighted sum of the builds' logarithms, taken within each round, so
//! that what slows the machine for a while slows both sides; its spread from round to round is the
//! error, pooled over all builds that take part. Does not know how rounds are made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use crate::evidence::compare::{Bounds, Comparison, Floor, Rules, Verdict, judge};
use crate::evidence::sample::{Design, Metric, Round};

/// Measured rounds of one workload.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The rounds; an arm for each code that differs, and one for the baseline again.
    pub rounds: &'a [Round],
    /// The arm that each build is measured as: builds with the same code share one.
    pub arms: &'a [usize],
    /// Commands and control of the rounds.
    pub design: Design,
    /// The figure.
    pub metric: Metric,
}

/// An effect on one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// The workload.
    pub workload: String,
    /// The figure with the treatment through that without it: below 1 is less, and less is better.
    pub ratio: Bounds,
    /// Rounds that it rests on.
    pub rounds: usize,
    /// What may be said.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub why: String,
}

impl Measured<'_> {
    /// The sum of the builds' logarithms with these weights, a round each. Rounds that lack a build
    /// are left out. Nothing where all builds with a weight share their code.
    pub fn series(&self, weights: &[(usize, f64)]) -> Vec<f64> {
        let arms = self.by_arm(weights);
        let of = |round: &Round| {
            arms.iter()
                .map(|(arm, weight)| {
                    let value = self.metric.of(round.samples.get(*arm)?)?;
                    Some(weight * value.ln())
                })
                .sum::<Option<f64>>()
        };
        self.rounds.iter().filter_map(of).collect()
    }

    /// The weights of arms; those of builds that share one add up.
    fn by_arm(&self, weights: &[(usize, f64)]) -> Vec<(usize, f64)> {
        let mut arms: Vec<(usize, f64)> = Vec::new();
        for (variant, weight) in weights {
            let Some(arm) = self.arms.get(*variant) else { continue };
            match arms.iter_mut().find(|(known, _)| known == arm) {
                Some((_, sum)) => *sum += weight,
                None => arms.push((*arm, *weight)),
            }
        }
        arms
    }

    /// Whether the builds with these weights are the same code on both sides.
    pub fn is_same_code(&self, weights: &[(usize, f64)]) -> bool {
        self.by_arm(weights).iter().all(|(_, weight)| weight.abs() < 1e-9)
    }

    /// What a weighted sum is worth, among so many that are looked at.
    pub fn effect(
        &self,
        workload: &str,
        weights: &[(usize, f64)],
        among: usize,
        rules: &Rules,
    ) -> Option<Effect> {
        if self.is_same_code(weights) {
            return Some(same_code(workload));
        }
        let level = 1.0 - rules.alpha / among.max(1) as f64;
        let logs = self.series(weights);
        let found = Comparison::of_logs(&logs, self.metric, level, rules.seed, rules)?;
        let floor = Floor::of(self.rounds, self.metric, self.design, rules);
        let (verdict, why) = judge(&found, floor.as_ref(), among, rules);
        let rounds = found.rounds;
        Some(Effect { workload: workload.to_owned(), ratio: found.ratio, rounds, verdict, why })
    }
}

/// Builds with the same code need no measurement.
fn same_code(workload: &str) -> Effect {
    Effect {
        workload: workload.to_owned(),
        ratio: Bounds { estimate: 1.0, low: Some(1.0), high: Some(1.0) },
        rounds: 0,
        verdict: Verdict::Same,
        why: "both sides are the same code, byte for byte".to_owned(),
    }
}

/// A treatment with its effects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TreatmentEffects {
    /// What was tried, by name.
    pub treatment: String,
    /// A workload each.
    pub effects: Vec<Effect>,
    /// Pairs of flags whose common effect could be mistaken for another pair's, where this is a pair.
    pub aliased_with: Vec<String>,
}

/// The effects of every treatment, and of pairs of factors.
pub fn effects(
    layout: &Layout,
    measured: &[(String, Measured<'_>)],
    rules: &Rules,
) -> Vec<TreatmentEffects> {
    let pairs = layout.factorial.pairs();
    let among = layout.treatments.len() + pairs.len();
    let of = |name: String, weights: Vec<(usize, f64)>, aliased_with: Vec<String>| {
        let effect = |(workload, found): &(String, Measured<'_>)| {
            found.effect(workload, &weights, among, rules)
        };
        TreatmentEffects {
            treatment: name,
            effects: measured.iter().filter_map(effect).collect(),
            aliased_with,
        }
    };
    let mut found = Vec::new();
    for (at, treatment) in layout.treatments.iter().enumerate() {
        let weights = layout.weights(at);
        if !weights.is_empty() {
            found.push(of(treatment.to_string(), weights, Vec::new()));
        }
    }
    for pair in pairs {
        let aliases = layout.factorial.aliases(pair);
        let others = aliases.iter().map(|(effect, _)| layout.names(*effect)).collect();
        found.push(of(layout.names(pair), layout.contrast(pair), others));
    }
    found
}

/// The mixed pairs of flags that do something, with the run that would tell which of them does.
pub fn unresolved(layout: &Layout, found: &[TreatmentEffects]) -> Vec<(String, u32)> {
    let matters = |pair: u32| {
        let name = layout.names(pair);
        let of = found.iter().find(|effects| effects.treatment == name)?;
        let is_clear = |e: &Effect| matches!(e.verdict, Verdict::Less | Verdict::More);
        of.effects.iter().any(is_clear).then_some(name)
    };
    let mut out: Vec<(String, u32)> = Vec::new();
    for pair in layout.factorial.pairs() {
        let Some((alias, _)) = layout.factorial.aliases(pair).first().copied() else { continue };
        let Some(name) = matters(pair) else { continue };
        let run = layout.factorial.separating(pair, alias);
        let is_built = |run: &u32| layout.runs.iter().any(|(own, _)| own == run);
        out.extend(run.filter(|run| !is_built(run)).map(|run| (name, run)));
    }
    out
}

#[cfg(test)]
mod tests;
