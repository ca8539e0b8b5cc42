//! How a command compares with the baseline, and what may be said about it.
//!
//! Does not know when to stop measuring; `stop` does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::anytime::{anytime_p, log_evidence};
use super::bootstrap::{Interval, interval};
use super::robust::{location, outliers};
use super::sample::{Design, Metric, Round, log_ratios};

/// How sure comparisons have to be, and what they are made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Probability with which a whole benchmark may call something different that is not.
    pub alpha: f64,
    /// Half of an interval's width that is narrow enough, as a part of the ratio.
    pub precision: f64,
    /// Draws of a bootstrap.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { alpha: 0.05, precision: 0.01, resamples: super::bootstrap::RESAMPLES, seed: 1 }
    }
}

/// A round whose ratio lies far from the others'. It counts like them, with a bounded force.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outlier {
    /// Counted from 1.
    pub round: usize,
    /// Its ratio to the baseline.
    pub ratio: f64,
}

/// A command beside the baseline, by one figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The figure.
    pub metric: Metric,
    /// Rounds that it rests on.
    pub rounds: usize,
    /// The command's figure through the baseline's, with a bootstrap interval: below 1 is less, and
    /// less is better. Bounds are absent while fewer than three rounds were run.
    pub ratio: Bounds,
    /// Probability with which the interval covers the true ratio.
    pub level: f64,
    /// Natural logarithm of the ratio.
    pub log_ratio: f64,
    /// Standard error of the logarithm.
    pub standard_error: f64,
    /// Spread of the logarithm from round to round.
    pub spread: f64,
    /// Level at which "they do not differ" may be refused, valid however often one looked.
    pub anytime_p: f64,
    /// Rounds that lie far from the others.
    pub outliers: Vec<Outlier>,
}

/// An interval that may be open.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// The best guess.
    pub estimate: f64,
    /// Lower bound.
    pub low: Option<f64>,
    /// Upper bound.
    pub high: Option<f64>,
}

impl Comparison {
    /// Compares an arm with another; nothing when no round measured the figure of both.
    pub fn of(
        rounds: &[Round],
        metric: Metric,
        (arm, to): (usize, usize),
        level: f64,
        rules: &Rules,
    ) -> Option<Self> {
        let logs = log_ratios(rounds, metric, arm, to);
        Self::of_logs(&logs, metric, level, rules.seed ^ arm as u64, rules)
    }

    /// The comparison that logarithms of ratios make, a round each; nothing without any.
    pub fn of_logs(
        logs: &[f64],
        metric: Metric,
        level: f64,
        seed: u64,
        rules: &Rules,
    ) -> Option<Self> {
        if logs.is_empty() {
            return None;
        }
        let found = location(logs);
        let bounds = interval(&found, level, rules.resamples, seed);
        let outlier = |at: usize| Some(Outlier { round: at + 1, ratio: logs.get(at)?.exp() });
        Some(Self {
            metric,
            rounds: logs.len(),
            ratio: open(bounds),
            level,
            log_ratio: found.centre,
            standard_error: found.standard_error,
            spread: found.scale,
            anytime_p: anytime_p(log_evidence(logs)),
            outliers: outliers(logs).into_iter().filter_map(outlier).collect(),
        })
    }

    /// The interval of the logarithm.
    pub fn log_interval(&self) -> Interval {
        Interval {
            estimate: self.log_ratio,
            low: self.ratio.low.map_or(f64::NEG_INFINITY, f64::ln),
            high: self.ratio.high.map_or(f64::INFINITY, f64::ln),
        }
    }

    /// Whether the interval is narrow: within the precision, or within a tenth of the difference.
    pub fn is_narrow(&self, precision: f64) -> bool {
        let half = self.log_interval().half_width();
        half <= precision || half <= self.log_ratio.abs() / 10.0
    }
}

/// The interval of a logarithm as one of the ratio.
fn open(logs: Interval) -> Bounds {
    let ratio = logs.map(f64::exp);
    Bounds {
        estimate: ratio.estimate,
        low: logs.low.is_finite().then_some(ratio.low),
        high: logs.high.is_finite().then_some(ratio.high),
    }
}

/// What the machine calls different when nothing is: the baseline beside itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Floor {
    /// The baseline's second run through its first.
    pub comparison: Comparison,
    /// Difference below which nothing is called different, as a part: the bound of the interval
    /// that lies further from no difference. Absent while the interval is open.
    pub difference: Option<f64>,
}

impl Floor {
    /// The noise floor of a benchmark with a control.
    pub fn of(rounds: &[Round], metric: Metric, design: Design, rules: &Rules) -> Option<Self> {
        let control = design.control_arm()?;
        let level = 1.0 - rules.alpha;
        let comparison = Comparison::of(rounds, metric, (control, 0), level, rules)?;
        let reach = comparison.log_interval().reach();
        let difference = reach.is_finite().then(|| reach.exp_m1());
        Some(Self { comparison, difference })
    }

    /// Whether the control itself looks different, so that nothing can be concluded.
    pub fn is_broken(&self, alpha: f64) -> bool {
        self.comparison.anytime_p <= alpha / 10.0
    }
}

/// What may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The figure is smaller than the baseline's.
    Less,
    /// It is larger.
    More,
    /// A difference, if there is one, is smaller than what was asked to be found.
    Same,
    /// More rounds are needed.
    Unclear,
}

impl Verdict {
    /// The verdict in a word, for times.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Less => "faster",
            Self::More => "slower",
            Self::Same => "no difference",
            Self::Unclear => "unclear",
        }
    }
}

/// What may be said of a comparison among so many, and why, in one sentence.
///
/// Three things must agree before something is called different: the interval excludes no
/// difference, the test that holds at any time refuses it, and the difference exceeds what the
/// baseline shows against itself.
pub fn judge(
    comparison: &Comparison,
    floor: Option<&Floor>,
    among: usize,
    rules: &Rules,
) -> (Verdict, String) {
    let alpha = rules.alpha / among.max(1) as f64;
    if floor.is_some_and(|floor| floor.is_broken(rules.alpha)) {
        let text = "two runs of the baseline differ from each other: nothing can be concluded";
        return (Verdict::Unclear, text.to_owned());
    }
    let logs = comparison.log_interval();
    let beyond = floor.is_none_or(|floor| {
        floor.difference.is_some_and(|least| comparison.log_ratio.abs() > least.ln_1p())
    });
    let excluded = !logs.contains(0.0);
    if excluded && comparison.anytime_p <= alpha && beyond {
        let verdict = if comparison.log_ratio < 0.0 { Verdict::Less } else { Verdict::More };
        return (verdict, different(comparison, floor));
    }
    if logs.half_width() <= rules.precision && !(excluded && beyond) {
        return (Verdict::Same, same(&logs, excluded, beyond));
    }
    (Verdict::Unclear, unclear(comparison, excluded, beyond))
}

fn different(comparison: &Comparison, floor: Option<&Floor>) -> String {
    let p = match comparison.anytime_p {
        p if p < 0.0001 => "below 0.0001".to_owned(),
        p => format!("{p:.4}"),
    };
    let noise = floor.and_then(|floor| floor.difference).map_or_else(String::new, |noise| {
        format!(", beyond the noise floor of {}", percent(noise))
    });
    format!("the interval excludes 1{noise}; chance finds as much with a probability {p}")
}

fn same(logs: &Interval, excluded: bool, beyond: bool) -> String {
    let reach = percent(logs.reach().exp_m1());
    match (excluded, beyond) {
        (true, false) => format!("any difference is below the noise floor, and at most {reach}"),
        _ => format!("any difference is at most {reach}"),
    }
}

fn unclear(comparison: &Comparison, excluded: bool, beyond: bool) -> String {
    let rounds = comparison.rounds;
    match (excluded, beyond) {
        (false, _) => format!("{rounds} rounds leave it open: the interval holds 1 and is wide"),
        (true, false) => "the difference is smaller than that of the baseline to itself".to_owned(),
        (true, true) => {
            format!("{rounds} rounds are too few to rule out chance: it takes seven that agree")
        }
    }
}

/// A part as a percentage with one digit.
pub(crate) fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::sample::Sample;

    /// Rounds of a baseline, a command `ratio` times as slow, and a control, with given noise.
    fn rounds(n: u64, ratio: f64, noise: f64) -> Vec<Round> {
        let mut random = fastrand::Rng::with_seed(n);
        let mut sample = |factor: f64| {
            let wobble = 1.0 + (random.f64() - 0.5) * noise;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
            let wall_ns = (1e8 * factor * wobble) as u64;
            Sample { wall_ns, ..Sample::default() }
        };
        let round = |_| Round {
            order: vec![0, 1, 2],
            samples: vec![sample(1.0), sample(ratio), sample(1.0)],
        };
        (0..n).map(round).collect()
    }

    const DESIGN: Design = Design { commands: 2, control: true };

    fn verdict(rounds: &[Round]) -> (Verdict, String) {
        let rules = Rules::default();
        let floor = Floor::of(rounds, Metric::Wall, DESIGN, &rules);
        let found = Comparison::of(rounds, Metric::Wall, (1, 0), 0.95, &rules).unwrap();
        judge(&found, floor.as_ref(), 1, &rules)
    }

    #[test]
    fn differences_are_told_apart_from_noise() {
        assert_eq!(verdict(&rounds(60, 1.05, 0.06)).0, Verdict::More);
        assert_eq!(verdict(&rounds(60, 0.9, 0.06)).0, Verdict::Less);
        assert_eq!(verdict(&rounds(200, 1.0, 0.06)).0, Verdict::Same);
        assert_eq!(verdict(&rounds(10, 1.0, 0.5)).0, Verdict::Unclear);
    }

    #[test]
    fn few_rounds_conclude_nothing_however_clear_they_look() {
        let (found, why) = verdict(&rounds(5, 2.0, 0.01));
        assert_eq!(
            (found, why.as_str()),
            (
                Verdict::Unclear,
                "5 rounds are too few to rule out chance: it takes seven that agree"
            )
        );
        let rules = Rules::default();
        let two =
            Comparison::of(&rounds(2, 2.0, 0.01), Metric::Wall, (1, 0), 0.95, &rules).unwrap();
        assert_eq!((two.ratio.low, two.ratio.high), (None, None));
    }

    #[test]
    fn a_machine_that_treats_the_same_command_differently_concludes_nothing() {
        let mut found = rounds(60, 1.5, 0.01);
        for round in &mut found {
            round.samples[2].wall_ns *= 2;
        }
        let (verdict, why) = verdict(&found);
        assert_eq!(verdict, Verdict::Unclear);
        assert!(why.contains("two runs of the baseline differ"), "{why}");
    }

    #[test]
    fn outliers_are_named_and_counted() {
        let mut found = rounds(30, 1.0, 0.02);
        found[4].samples[1].wall_ns *= 9;
        let comparison =
            Comparison::of(&found, Metric::Wall, (1, 0), 0.95, &Rules::default()).unwrap();
        assert_eq!(comparison.rounds, 30);
        assert_eq!(comparison.outliers.iter().map(|o| o.round).collect::<Vec<_>>(), [5]);
        assert!(comparison.log_ratio.abs() < 0.01);
    }
}
