//! What benchmarks say of a change, and how much each counts on this host.
//!
//! Does not know how many there are, nor what is believed beforehand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::compare::{Floor, Rules};
use crate::evidence::robust::location;
use crate::evidence::sample::log_ratios;
use crate::evidence::{BenchFacts, Metric, Subject};

/// Deviation of a gain from one day or one link order to the next, which rounds of a single
/// benchmark cannot show (Mytkowicz and others 2009, "Producing wrong data without doing anything
/// obviously wrong!", saw more; benchmarks here vary the environment and the order).
pub(super) const DAY_TO_DAY: f64 = 0.005;
/// Deviation from one host to another of the same microarchitecture.
const HOST_TO_HOST: f64 = 0.02;
/// Part for which a measurement of another host counts: the exponent of a power prior (Ibrahim and
/// Chen 2000, "Power prior distributions for regression models").
const OTHER_HOST: f64 = 0.5;
/// Rounds below which the spread, and so the error, is unknown.
const FEWEST: usize = 5;

/// Where a benchmark was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// On this host.
    ThisHost,
    /// On another of the same microarchitecture.
    SameMicroarchitecture,
}

/// A measured gain of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Number of the benchmark in the history.
    pub bench: i64,
    /// What the commands did.
    pub workload: String,
    /// Where.
    pub origin: Origin,
    /// Rounds.
    pub rounds: usize,
    /// The gain.
    pub gain: f64,
    /// Its standard error by the rounds alone.
    pub standard_error: f64,
    /// Seconds that the benchmark took.
    pub seconds: f64,
}

/// The host for which is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// Its name.
    pub host: Option<String>,
    /// Its microarchitecture.
    pub microarchitecture: Option<String>,
}

impl Evidence {
    /// What a benchmark says about the settings that it was about. Nothing when it was made on a
    /// machine of another kind, is too short, is about memory, or found that the baseline differs
    /// from itself.
    pub fn of(number: i64, facts: &BenchFacts, here: &Here) -> Option<(Subject, Self)> {
        let setup = &facts.setup;
        let subject = setup.subject.clone()?;
        let origin = origin(setup.host.as_ref(), setup.microarchitecture.as_ref(), here)?;
        if setup.judged_by == Metric::Memory {
            return None;
        }
        let rules = Rules { resamples: 0, ..setup.rules() };
        let floor = Floor::of(&facts.rounds, setup.judged_by, setup.design(), &rules);
        if floor.is_some_and(|floor| floor.is_broken(setup.alpha)) {
            return None;
        }
        let logs = log_ratios(&facts.rounds, setup.judged_by, 1, 0);
        let found = location(&logs);
        let evidence = Self {
            bench: number,
            workload: subject.workload.clone(),
            origin,
            rounds: logs.len(),
            gain: -found.centre,
            standard_error: found.standard_error,
            seconds: facts.elapsed,
        };
        (logs.len() >= FEWEST).then_some((subject, evidence))
    }

    /// The variance with which it counts here.
    pub fn variance(&self) -> f64 {
        let freedom = self.rounds.saturating_sub(1) as f64;
        // Of few rounds the spread itself is a guess: Student's variance instead of the normal one.
        let student = freedom / (freedom - 2.0).max(1.0);
        let own = self.standard_error.powi(2) * student + DAY_TO_DAY.powi(2);
        match self.origin {
            Origin::ThisHost => own,
            Origin::SameMicroarchitecture => (own + HOST_TO_HOST.powi(2)) / OTHER_HOST,
        }
    }
}

fn origin(
    host: Option<&String>,
    microarchitecture: Option<&String>,
    here: &Here,
) -> Option<Origin> {
    if host.is_some() && host == here.host.as_ref() {
        return Some(Origin::ThisHost);
    }
    let same = microarchitecture.is_some() && microarchitecture == here.microarchitecture.as_ref();
    same.then_some(Origin::SameMicroarchitecture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Change;
    use crate::evidence::report::tests::sample_bench;

    fn facts(ratio: f64, rounds: u64) -> BenchFacts {
        let mut facts = BenchFacts::from(&sample_bench(ratio, rounds));
        let change = Change::default();
        facts.setup.subject = Some(Subject { change, workload: "w".to_owned() });
        facts
    }

    fn here(host: &str, microarchitecture: &str) -> Here {
        Here { host: Some(host.to_owned()), microarchitecture: Some(microarchitecture.to_owned()) }
    }

    #[test]
    fn other_hosts_count_for_less_and_other_machines_not_at_all() {
        let facts = facts(0.9, 40);
        let (_, own) = Evidence::of(1, &facts, &here("box", "znver4")).unwrap();
        let (_, other) = Evidence::of(1, &facts, &here("desk", "znver4")).unwrap();
        assert!((own.gain - 0.105).abs() < 0.01, "{own:?}");
        assert!(other.variance() > 5.0 * own.variance());
        assert_eq!(Evidence::of(1, &facts, &here("desk", "skylake")), None);
        assert_eq!(Evidence::of(1, &facts, &Here::default()), None);
    }

    #[test]
    fn what_cannot_be_trusted_is_no_evidence() {
        let here = here("box", "znver4");
        assert_eq!(Evidence::of(1, &facts(0.9, 4), &here), None);
        let mut broken = facts(0.9, 40);
        for round in &mut broken.rounds {
            round.samples[2].wall_ns *= 2;
        }
        assert_eq!(Evidence::of(1, &broken, &here), None);
        let mut memory = facts(0.9, 40);
        memory.setup.judged_by = Metric::Memory;
        assert_eq!(Evidence::of(1, &memory, &here), None);
    }
}
