//! Generations: numbered sets of decisions, each with the evidence that it rests on.
//!
//! A generation never changes. Applying, reverting and keeping make a new one from the present one;
//! rolling back makes an older one the present one again. What settings follow is a function of the
//! present generation. Does not know where generations are kept.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recommend::Recommendation;
use crate::evidence::Change;
use crate::observe::{Exit, RunFacts};
use crate::settings::catalogue;
use crate::value::Value;

/// Version of this shape.
pub const GENERATION_SCHEMA: u32 = 1;

/// A set of decisions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generation {
    /// Version of this shape.
    pub schema: u32,
    /// Counted from 1.
    pub number: u32,
    /// The one that it was made from.
    pub parent: Option<u32>,
    /// When, nanoseconds since 1970.
    pub created_unix_ns: i64,
    /// What made it, in a sentence.
    pub reason: String,
    /// What holds.
    pub decisions: Vec<Decision>,
    /// What was tried and taken back, and is not tried again before something new was measured.
    pub rejected: Vec<Rejection>,
}

/// A change that holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The change.
    pub change: Change,
    /// On trial: taken back at the first red flag, or when a benchmark goes against it.
    pub canary: bool,
    /// Since when, nanoseconds since 1970.
    pub since_unix_ns: i64,
    /// What it rests on.
    pub evidence: Recommendation,
}

/// A change that was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rejection {
    /// The change.
    pub change: Change,
    /// Why.
    pub why: String,
    /// When, nanoseconds since 1970.
    pub at_unix_ns: i64,
    /// Benchmarks of it that were known then.
    pub benches: Vec<i64>,
}

/// A change of a generation.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// A decision holds from now on, in place of those that set the same knobs.
    Apply(Box<Recommendation>, Trial),
    /// A decision is taken back, and remembered with the reason and the benchmarks that are known.
    Reject(Change, String, Vec<i64>),
}

/// Whether a decision is on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// For good.
    Kept,
    /// On trial.
    Canary,
}

impl Generation {
    /// The generation after this one; `None` stands for the state before the first.
    pub fn after(
        present: Option<&Self>,
        number: u32,
        now_unix_ns: i64,
        reason: String,
        edits: Vec<Edit>,
    ) -> Self {
        let mut next = Self {
            schema: GENERATION_SCHEMA,
            number,
            parent: present.map(|present| present.number),
            created_unix_ns: now_unix_ns,
            reason,
            decisions: present.map_or_else(Vec::new, |present| present.decisions.clone()),
            rejected: present.map_or_else(Vec::new, |present| present.rejected.clone()),
        };
        for edit in edits {
            match edit {
                Edit::Apply(evidence, trial) => next.apply(*evidence, trial, now_unix_ns),
                Edit::Reject(change, why, benches) => {
                    next.reject(change, why, benches, now_unix_ns);
                }
            }
        }
        next
    }

    fn apply(&mut self, evidence: Recommendation, trial: Trial, now: i64) {
        let change = evidence.change.clone();
        // A canary that is kept has been in force since it was one.
        let since = self.decision(&change).map_or(now, |decision| decision.since_unix_ns);
        self.decisions.retain(|decision| !decision.change.conflicts_with(&change));
        self.rejected.retain(|rejection| rejection.change != change);
        let canary = trial == Trial::Canary;
        self.decisions.push(Decision { change, canary, since_unix_ns: since, evidence });
    }

    fn reject(&mut self, change: Change, why: String, benches: Vec<i64>, now: i64) {
        self.decisions.retain(|decision| decision.change != change);
        self.rejected.retain(|rejection| rejection.change != change);
        self.rejected.push(Rejection { change, why, at_unix_ns: now, benches });
    }

    /// The decision on a change.
    pub fn decision(&self, change: &Change) -> Option<&Decision> {
        self.decisions.iter().find(|decision| decision.change == *change)
    }

    /// The rejection of a change, unless benchmarks were made since.
    pub fn rejection(&self, change: &Change, benches: &[i64]) -> Option<&Rejection> {
        let rejection = self.rejected.iter().find(|rejection| rejection.change == *change)?;
        let is_new = |bench: &i64| !rejection.benches.contains(bench);
        (!benches.iter().any(is_new)).then_some(rejection)
    }

    /// Knobs with the values that hold for a package, and whether each is on trial: what holds for all
    /// packages first, so that the package's own win.
    pub fn values(&self, package: Option<&str>) -> Vec<(&'static str, Value, bool)> {
        let of = |wanted: Option<&str>| {
            self.decisions
                .iter()
                .filter(move |decision| decision.change.package.as_deref() == wanted)
                .flat_map(values)
                .collect::<Vec<_>>()
        };
        let mut found = of(None);
        if package.is_some() {
            found.extend(of(package));
        }
        found
    }

    /// Decisions on trial that a build of a package takes part in.
    pub fn canaries_of(&self, package: Option<&str>) -> Vec<&Decision> {
        let concerns =
            |change: &Change| change.package.is_none() || change.package.as_deref() == package;
        self.decisions.iter().filter(|d| d.canary && concerns(&d.change)).collect()
    }
}

/// The knobs of a decision. A knob that a newer program knew is left out.
fn values(decision: &Decision) -> Vec<(&'static str, Value, bool)> {
    let read = |(id, text): (&String, &String)| {
        let knob = catalogue::knob(id)?;
        Some((knob.id, knob.kind.parse_text(text).ok()?, decision.canary))
    };
    decision.change.knobs.iter().filter_map(read).collect()
}

/// The sign in a run's facts that it went beyond the machine's means, if there is one.
pub fn red_flag(facts: &RunFacts) -> Option<String> {
    let kills: u64 = facts.steps.iter().map(|step| step.observed.oom_kills).sum();
    if kills > 0 {
        return Some(format!("the kernel killed {kills} processes for memory"));
    }
    if let Some(again) = facts.governed.map(|governed| governed.again).filter(|n| *n > 0) {
        return Some(format!("{again} compilers were killed for memory and run again"));
    }
    let killed = facts.steps.iter().any(|step| {
        step.observed.exit == Exit::Signal(9) && step.observed.interrupted_by.is_none()
    });
    killed.then(|| "the build was killed".to_owned())
}

/// What one generation has and another has not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// Changes that the second adds.
    pub added: Vec<Change>,
    /// Changes that it lacks.
    pub removed: Vec<Change>,
    /// Canaries that it keeps for good.
    pub kept: Vec<Change>,
    /// Changes that it has on trial again.
    pub on_trial: Vec<Change>,
    /// Changes that it remembers as taken back, with the reason.
    pub rejected: Vec<(Change, String)>,
}

impl Difference {
    /// From one generation to another.
    pub fn between(from: &Generation, to: &Generation) -> Self {
        let missing = |a: &Generation, b: &Generation| -> Vec<Change> {
            let lacks = |decision: &&Decision| b.decision(&decision.change).is_none();
            a.decisions.iter().filter(lacks).map(|decision| decision.change.clone()).collect()
        };
        let turned = |canary: bool| -> Vec<Change> {
            let is = |decision: &&Decision| {
                let before = from.decision(&decision.change);
                decision.canary == canary && before.is_some_and(|before| before.canary != canary)
            };
            to.decisions.iter().filter(is).map(|decision| decision.change.clone()).collect()
        };
        let new = |rejection: &&Rejection| !from.rejected.contains(rejection);
        let told = |rejection: &Rejection| (rejection.change.clone(), rejection.why.clone());
        Self {
            added: missing(to, from),
            removed: missing(from, to),
            kept: turned(false),
            on_trial: turned(true),
            rejected: to.rejected.iter().filter(new).map(told).collect(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (sign, changes) in [
            ("+", &self.added),
            ("-", &self.removed),
            ("kept", &self.kept),
            ("canary", &self.on_trial),
        ] {
            for change in changes {
                writeln!(f, "{sign} {change}")?;
            }
        }
        for (change, why) in &self.rejected {
            writeln!(f, "rejected {change}: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Candidate, Costs, Usage, Weights, recommend};

    fn change(package: Option<&str>, knob: &str, value: &str) -> Change {
        let knobs = [(knob.to_owned(), value.to_owned())].into();
        Change { package: package.map(str::to_owned), knobs }
    }

    fn evidence(change: &Change) -> Box<Recommendation> {
        Box::new(recommend(&Candidate {
            change: change.clone(),
            evidence: Vec::new(),
            same_code: false,
            builds: (0, 0),
            costs: Costs::default(),
            usage: Usage::default(),
            weights: Weights::default(),
            workload_weights: Vec::new(),
        }))
    }

    fn applied(changes: &[(Change, Trial)]) -> Generation {
        let edits = changes.iter().map(|(c, trial)| Edit::Apply(evidence(c), *trial)).collect();
        Generation::after(None, 1, 100, "test".to_owned(), edits)
    }

    #[test]
    fn a_package_wins_over_all_and_conflicts_are_replaced() {
        let all = change(None, "c-opt-level", "3");
        let zlib = change(Some("zlib"), "c-opt-level", "s");
        let first = applied(&[(all, Trial::Kept), (zlib, Trial::Canary)]);
        assert_eq!(first.values(None), [("c-opt-level", Value::text("3"), false)]);
        assert_eq!(
            first.values(Some("zlib")),
            [("c-opt-level", Value::text("3"), false), ("c-opt-level", Value::text("s"), true)]
        );
        let newer = change(Some("zlib"), "c-opt-level", "2");
        let edit = Edit::Apply(evidence(&newer), Trial::Kept);
        let second = Generation::after(Some(&first), 2, 200, String::new(), vec![edit]);
        assert_eq!((second.decisions.len(), second.parent), (2, Some(1)));
        assert_eq!(first.decisions.len(), 2, "a generation never changes");
    }

    #[test]
    fn what_was_taken_back_is_remembered_until_something_new_is_measured() {
        let tried = change(Some("zlib"), "c-march", "native");
        let first = applied(&[(tried.clone(), Trial::Canary)]);
        assert_eq!(first.canaries_of(Some("zlib")).len(), 1);
        assert_eq!(first.canaries_of(Some("curl")).len(), 0);
        let edit = Edit::Reject(tried.clone(), "slower".to_owned(), vec![3]);
        let second = Generation::after(Some(&first), 2, 200, String::new(), vec![edit]);
        assert!(second.decisions.is_empty());
        assert_eq!(second.rejection(&tried, &[3]).unwrap().why, "slower");
        assert_eq!(second.rejection(&tried, &[3, 7]), None);
        let text = Difference::between(&first, &second).to_string();
        assert_eq!(text, "- zlib: c-march=native\nrejected zlib: c-march=native: slower\n");
    }

    #[test]
    fn a_canary_that_is_kept_counts_from_when_it_began() {
        let tried = change(None, "c-march", "x86-64-v3");
        let first = applied(&[(tried.clone(), Trial::Canary)]);
        let edit = Edit::Apply(evidence(&tried), Trial::Kept);
        let second = Generation::after(Some(&first), 2, 200, String::new(), vec![edit]);
        assert_eq!(
            second.decision(&tried).map(|d| (d.since_unix_ns, d.canary)),
            Some((100, false))
        );
        assert_eq!(Difference::between(&first, &second).kept, [tried]);
    }

    #[test]
    fn generations_survive_being_stored() {
        let first = applied(&[(change(None, "c-march", "x86-64-v3"), Trial::Canary)]);
        let text = serde_json::to_string(&first).unwrap();
        let back: Generation = serde_json::from_str(&text).unwrap();
        assert_eq!(back.values(None), first.values(None));
    }
}
