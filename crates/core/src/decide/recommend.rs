//! A decision on a change: keep, revert or measure more, with every figure that it comes from.
//!
//! The reasons are collected by the traversal that decides. Does not know where settings are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::belief::Belief;
use super::evidence::{Evidence, Origin};
use super::next::{Next, value};
use super::prior::prior;
use super::safety::Safety;
use super::weigh::{Costs, Usage, Weights, threshold};
use crate::evidence::Change;

/// Deviation of the gain in use from the mean of so many measured workloads, for one workload: what is
/// used is never quite what was measured. It shrinks with the root of their number.
const USE: f64 = 0.03;
/// Loss that no workload may have.
pub const TOLERATED_LOSS: f64 = 0.02;
/// Probabilities of a larger loss above which a change is reverted, or not yet kept.
const HARM: f64 = 0.5;
const DOUBT: f64 = 0.1;
/// Probability of a gain below which more measurements are not worth it.
const HOPELESS: f64 = 0.05;
/// Deviation of a gain that is known without measuring.
const CERTAIN: f64 = 1e-6;
/// Variance and minutes of a benchmark of which nothing is known.
const USUAL_VARIANCE: f64 = 1e-4;
const USUAL_MINUTES: f64 = 1.0;

/// How far a change may go.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Band {
    /// Below 0.45: do not.
    A,
    /// From 0.45: only as a canary.
    B,
    /// From 0.75, and measured on this host: go.
    C,
}

impl Band {
    /// The band of a confidence. Nothing unmeasured reaches C.
    pub fn of(confidence: f64, measured_here: bool) -> Self {
        match confidence {
            c if c < 0.45 => Self::A,
            c if c < 0.75 || !measured_here => Self::B,
            _ => Self::C,
        }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It pays: keep it.
    Keep,
    /// It harms, or gains too little: leave it, or take it back.
    Revert,
    /// More measurements decide.
    MeasureMore,
}

impl Action {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Revert => "revert",
            Self::MeasureMore => "measure more",
        }
    }
}

/// All that is known of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The change.
    pub change: Change,
    /// Benchmarks of it.
    pub evidence: Vec<Evidence>,
    /// Whether builds with it and without it have the same code.
    pub same_code: bool,
    /// Builds with it on this host that stayed within the budget, and those that did not.
    pub builds: (u32, u32),
    /// What it costs.
    pub costs: Costs,
    /// How much it is used.
    pub usage: Usage,
    /// How much costs count.
    pub weights: Weights,
    /// Workloads with a weight other than 1; one with weight 0 may lose.
    pub workload_weights: Vec<(String, f64)>,
}

/// What is believed of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadGain {
    /// Its name.
    pub workload: String,
    /// Its weight.
    pub weight: f64,
    /// Its gain.
    pub gain: Belief,
    /// Probability that it loses more than is tolerated.
    pub loses: f64,
    /// Benchmarks that it rests on.
    pub benches: Vec<i64>,
    /// Whether one of them was made on this host.
    pub measured_here: bool,
}

/// A decision with its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// The change.
    pub change: Change,
    /// What to do.
    pub action: Action,
    /// Confidence that it gains enough, and safely.
    pub confidence: f64,
    /// Its band.
    pub band: Band,
    /// The expected gain as a logarithm, with its deviation.
    pub gain: Belief,
    /// Bounds between which the gain lies with a probability of 90 %, as parts of the speed.
    pub between: [f64; 2],
    /// The gain from which on it pays.
    pub threshold: f64,
    /// Probability of more than that.
    pub probability_of_gain: f64,
    /// Probability that the next build stays within the machine's means.
    pub probability_safe: f64,
    /// What it costs.
    pub costs: Costs,
    /// The workloads that were measured.
    pub workloads: Vec<WorkloadGain>,
    /// The way to the decision, a step a line.
    pub reasons: Vec<String>,
    /// The measurement that is worth most.
    pub next: Option<Next>,
}

impl Recommendation {
    /// Every benchmark that it rests on.
    pub fn benches(&self) -> Vec<i64> {
        self.workloads.iter().flat_map(|workload| workload.benches.iter().copied()).collect()
    }
}

/// Decides on a change.
pub fn recommend(candidate: &Candidate) -> Recommendation {
    let (prior, sources) = prior(&candidate.change);
    let mut reasons = vec![format!(
        "before measuring: a gain of {} (give or take {}); {}",
        percent(prior.belief.mean),
        percent(prior.belief.deviation),
        sources.join("; ")
    )];
    let mut workloads = workloads(candidate, prior.belief, &mut reasons);
    let mut gain = together(&workloads, prior.belief);
    if candidate.same_code {
        reasons
            .push("the code is the same with it and without: what runs does not change".to_owned());
        gain = Belief::new(0.0, CERTAIN);
        for workload in &mut workloads {
            (workload.gain, workload.loses) = (gain, 0.0);
        }
    }
    let threshold = threshold(candidate.costs, candidate.usage, candidate.weights);
    let safety = prior.safety.after(candidate.builds.0, candidate.builds.1);
    let (gains, safe) = (gain.above(threshold), safety.probability());
    let confidence = gains * safe;
    let measured_here =
        candidate.same_code || workloads.iter().any(|workload| workload.measured_here);
    let band = Band::of(confidence, measured_here);
    reasons.push(summed_up(gain, threshold, &candidate.costs));
    reasons.push(multiplied(gains, safe, candidate.builds, safety));
    let action = act(band, gains, measured_here, &workloads, &mut reasons);
    Recommendation {
        change: candidate.change.clone(),
        action,
        confidence,
        band,
        gain,
        between: [gain.quantile(0.05).exp_m1(), gain.quantile(0.95).exp_m1()],
        threshold,
        probability_of_gain: gains,
        probability_safe: safe,
        costs: candidate.costs,
        next: if action == Action::MeasureMore {
            next(candidate, &workloads, gain, threshold)
        } else {
            None
        },
        workloads,
        reasons,
    }
}

/// The belief of each workload after its benchmarks.
fn workloads(candidate: &Candidate, prior: Belief, reasons: &mut Vec<String>) -> Vec<WorkloadGain> {
    let mut names: Vec<&str> = candidate.evidence.iter().map(|e| e.workload.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut found = Vec::new();
    for name in names {
        let own = || candidate.evidence.iter().filter(|evidence| evidence.workload == name);
        let gain = own().fold(prior, |belief, e| belief.after(e.gain, e.variance()));
        let weight = candidate.workload_weights.iter().find(|(workload, _)| workload == name);
        let measured_here = own().any(|evidence| evidence.origin == Origin::ThisHost);
        let place = if measured_here {
            "measured here"
        } else {
            "measured on another host of this microarchitecture"
        };
        reasons.push(format!(
            "{name}: {} (give or take {}) after {} rounds, {place}",
            percent(gain.mean),
            percent(gain.deviation),
            own().map(|evidence| evidence.rounds).sum::<usize>(),
        ));
        found.push(WorkloadGain {
            workload: name.to_owned(),
            weight: weight.map_or(1.0, |(_, weight)| *weight),
            gain,
            loses: 1.0 - gain.above(-TOLERATED_LOSS),
            benches: own().map(|evidence| evidence.bench).collect(),
            measured_here,
        });
    }
    found
}

/// The gain in use: the weighted mean of the workloads, and a doubt whether they stand for it.
fn together(workloads: &[WorkloadGain], prior: Belief) -> Belief {
    let total: f64 = workloads.iter().map(|workload| workload.weight).sum();
    if total <= 0.0 {
        return prior;
    }
    let share = |workload: &WorkloadGain| workload.weight / total;
    let mean = workloads.iter().map(|w| share(w) * w.gain.mean).sum();
    let variance: f64 = workloads.iter().map(|w| (share(w) * w.gain.deviation).powi(2)).sum();
    // The number of equal workloads that weigh as these do.
    let effective = 1.0 / workloads.iter().map(|w| share(w).powi(2)).sum::<f64>();
    Belief::new(mean, variance.sqrt()).blurred(USE.powi(2) / effective)
}

fn act(
    band: Band,
    gains: f64,
    measured_here: bool,
    workloads: &[WorkloadGain],
    reasons: &mut Vec<String>,
) -> Action {
    let weighed = workloads.iter().filter(|workload| workload.weight > 0.0);
    let worst = weighed.max_by(|a, b| a.loses.total_cmp(&b.loses));
    if let Some(worst) = worst.filter(|worst| worst.measured_here && worst.loses >= HARM) {
        reasons.push(format!(
            "{} loses {}: no workload may lose more than {}",
            worst.workload,
            percent(-worst.gain.mean),
            percent(TOLERATED_LOSS)
        ));
        return Action::Revert;
    }
    if measured_here && gains <= HOPELESS {
        reasons.push("measured here, and a gain that pays is all but ruled out".to_owned());
        return Action::Revert;
    }
    if let Some(worst) = worst.filter(|worst| worst.loses > DOUBT) {
        reasons.push(format!(
            "{} may lose more than {}: a chance of {}",
            worst.workload,
            percent(TOLERATED_LOSS),
            percent(worst.loses)
        ));
        return Action::MeasureMore;
    }
    if band == Band::C {
        reasons.push("band C: measured here, likely enough, and no workload loses".to_owned());
        return Action::Keep;
    }
    reasons.push(match (band, measured_here) {
        (Band::A, _) => "band A: not likely enough to be tried".to_owned(),
        (_, false) => "band B at most: nothing was measured on this host".to_owned(),
        (_, true) => "band B: likely enough for a canary".to_owned(),
    });
    Action::MeasureMore
}

fn summed_up(gain: Belief, threshold: f64, costs: &Costs) -> String {
    let words = costs.in_words();
    let because = if words.is_empty() {
        "; what it costs was not measured".to_owned()
    } else {
        format!(" with what it costs: {}", words.join(", "))
    };
    format!(
        "in use: {} (give or take {}); it pays from {}{because}",
        percent(gain.mean),
        percent(gain.deviation),
        percent(threshold)
    )
}

fn multiplied(gains: f64, safe: f64, builds: (u32, u32), safety: Safety) -> String {
    let (stayed, exceeded) = builds;
    format!(
        "confidence {:.2}: {gains:.2} that it gains enough x {safe:.2} that a build stays within the machine's means ({stayed} did, {exceeded} did not, {:.0} assumed)",
        gains * safe,
        safety.stayed + safety.exceeded - f64::from(stayed) - f64::from(exceeded),
    )
}

/// The workload whose measurement is worth most; one that was measured elsewhere counts, too.
fn next(
    candidate: &Candidate,
    workloads: &[WorkloadGain],
    gain: Belief,
    threshold: f64,
) -> Option<Next> {
    let unmeasured = || {
        let worth = value(gain, threshold, USUAL_VARIANCE);
        Next { workload: None, minutes: USUAL_MINUTES, value_an_hour: worth / USUAL_MINUTES * 60.0 }
    };
    let of = |workload: &WorkloadGain| {
        let known = candidate.evidence.iter().rfind(|e| e.workload == workload.workload);
        let minutes = known.map_or(USUAL_MINUTES, |e| (e.seconds / 60.0).max(0.05));
        let variance = known.map_or(USUAL_VARIANCE, |e| e.standard_error.powi(2).max(1e-6));
        // A workload that may lose decides by itself; else it moves the mean by its share.
        let own = value(workload.gain, -TOLERATED_LOSS, variance);
        let shared = value(workload.gain, threshold, variance) / workloads.len().max(1) as f64;
        Next {
            workload: Some(workload.workload.clone()),
            minutes,
            value_an_hour: own.max(shared) / minutes * 60.0,
        }
    };
    let mut all: Vec<_> = workloads.iter().map(of).collect();
    // Another workload says more of what is used than another run of a known one.
    all.push(unmeasured());
    all.into_iter().max_by(|a, b| a.value_an_hour.total_cmp(&b.value_an_hour))
}

/// A logarithm as a part of the speed in per cent.
fn percent(log: f64) -> String {
    format!("{:+.1} %", log.exp_m1() * 100.0).replace("+-", "-")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn evidence(workload: &str, gain: f64, origin: Origin) -> Evidence {
        Evidence {
            bench: 1,
            workload: workload.to_owned(),
            origin,
            rounds: 60,
            gain,
            standard_error: 0.004,
            seconds: 30.0,
        }
    }

    /// What follows from one benchmark on this host.
    pub(in crate::decide) fn measured(
        package: &str,
        knobs: &[(&str, &str)],
        gain: f64,
    ) -> Recommendation {
        let knobs = knobs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let change = Change { package: Some(package.to_owned()), knobs };
        of(change, vec![evidence("hash", gain, Origin::ThisHost)])
    }

    fn decided(evidence: Vec<Evidence>) -> Recommendation {
        let knobs = [("c-march".to_owned(), "x86-64-v3".to_owned())].into();
        of(Change { package: Some("zlib".to_owned()), knobs }, evidence)
    }

    fn of(change: Change, evidence: Vec<Evidence>) -> Recommendation {
        recommend(&Candidate {
            change,
            evidence,
            same_code: false,
            builds: (3, 0),
            costs: Costs::default(),
            usage: Usage::default(),
            weights: Weights::default(),
            workload_weights: Vec::new(),
        })
    }

    #[test]
    fn nothing_unmeasured_reaches_band_c() {
        let found = decided(Vec::new());
        assert!(found.band < Band::C);
        assert_eq!(found.action, Action::MeasureMore);
        assert!(found.next.is_some());
        let elsewhere = decided(vec![evidence("crc", 0.5, Origin::SameMicroarchitecture)]);
        assert!(elsewhere.confidence > 0.75, "{elsewhere:?}");
        assert_eq!((elsewhere.band, elsewhere.action), (Band::B, Action::MeasureMore));
    }

    #[test]
    fn a_measured_gain_is_kept_and_a_measured_loss_reverted() {
        let good = decided(vec![evidence("crc", 0.3, Origin::ThisHost)]);
        assert_eq!((good.band, good.action), (Band::C, Action::Keep), "{good:?}");
        let bad = decided(vec![evidence("crc", -0.1, Origin::ThisHost)]);
        assert_eq!((bad.band, bad.action), (Band::A, Action::Revert));
        let none = decided(vec![evidence("crc", 0.0, Origin::ThisHost); 4]);
        assert_ne!(none.action, Action::Keep);
    }

    #[test]
    fn one_workload_that_loses_outweighs_others_that_gain() {
        let both = vec![
            evidence("crc", 0.5, Origin::ThisHost),
            evidence("inflate", -0.06, Origin::ThisHost),
        ];
        let found = decided(both.clone());
        assert_eq!(found.action, Action::Revert);
        let why = found.reasons.join("\n");
        assert!(why.contains("inflate loses"), "{why}");
        let knobs = [("c-march".to_owned(), "x86-64-v3".to_owned())].into();
        let weighed = recommend(&Candidate {
            change: Change { package: None, knobs },
            evidence: both,
            same_code: false,
            builds: (3, 0),
            costs: Costs::default(),
            usage: Usage::default(),
            weights: Weights::default(),
            workload_weights: vec![("inflate".to_owned(), 0.0)],
        });
        assert_eq!(weighed.action, Action::Keep, "{weighed:?}");
    }

    #[test]
    fn the_same_code_is_judged_by_its_builds() {
        let knobs = [("compiler-cache".to_owned(), "ccache".to_owned())].into();
        let candidate = Candidate {
            change: Change { package: Some("zlib".to_owned()), knobs },
            // Compared with itself, and by chance not the same.
            evidence: vec![evidence("crc", -0.015, Origin::ThisHost)],
            same_code: true,
            builds: (0, 0),
            costs: Costs { build_seconds: -50.0, rebuild_seconds: 60.0, ..Costs::default() },
            usage: Usage { hours_a_month: 1.0, builds_a_month: 100.0 },
            weights: Weights::default(),
            workload_weights: Vec::new(),
        };
        let often = recommend(&candidate);
        assert_eq!((often.band, often.action), (Band::C, Action::Keep), "{often:?}");
        let seldom = recommend(&Candidate { usage: Usage::default(), ..candidate });
        assert_eq!(seldom.action, Action::Revert, "{seldom:?}");
        assert!(seldom.reasons.join("\n").contains("the code is the same"));
    }

    #[test]
    fn reasons_and_figures_agree() {
        let found = decided(vec![evidence("crc", 0.3, Origin::ThisHost)]);
        let product = found.probability_of_gain * found.probability_safe;
        assert!((found.confidence - product).abs() < 1e-12);
        let why = found.reasons.join("\n");
        assert!(why.contains(&format!("confidence {:.2}", found.confidence)), "{why}");
        assert!(found.between[0] < 0.3 && found.between[1] > 0.3);
    }

    #[test]
    fn bands_have_their_bounds() {
        let bands = [0.0, 0.449, 0.45, 0.749, 0.75, 1.0].map(|c| Band::of(c, true));
        assert_eq!(bands, [Band::A, Band::A, Band::B, Band::B, Band::C, Band::C]);
    }
}
