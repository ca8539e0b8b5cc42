//! A benchmark as it is published, stored and read again.
//!
//! Does not know how it is shown; `markdown` and `plot` render it, and so does the command line.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::{Comparison, Floor, Rules, Verdict, judge};
use super::figures::Figures;
use super::sample::{Design, Metric, Round, values};
use super::stop::Stop;
use super::subject::Subject;

/// Version of this shape.
pub const BENCH_SCHEMA: u32 = 1;

/// What was measured, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setup {
    /// When it began, nanoseconds since 1970.
    pub started_unix_ns: i64,
    /// Name of the host.
    pub host: Option<String>,
    /// Its processor's microarchitecture.
    pub microarchitecture: Option<String>,
    /// The settings that the second command stands for.
    pub subject: Option<Subject>,
    /// The commands; the first is the baseline.
    pub commands: Vec<Measured>,
    /// Whether the baseline ran a second time in each round.
    pub control: bool,
    /// The figure that decides.
    pub judged_by: Metric,
    /// Seconds that starting a process takes at least which does nothing, in the same way.
    pub overhead: Option<f64>,
    /// The hardware thread that all ran on; absent when they were free.
    pub pinned_to: Option<usize>,
    /// What could not be measured, and why.
    pub not_measured: Vec<String>,
    /// Seed of orders and draws.
    pub seed: u64,
    /// Probability of calling something different that is not.
    pub alpha: f64,
    /// Half of the interval's width that was asked for.
    pub precision: f64,
}

/// A command that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// Name in tables.
    pub name: String,
    /// The command line.
    pub command: String,
    /// Values of its parameters.
    pub parameters: BTreeMap<String, String>,
}

/// A benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bench {
    /// Version of this shape.
    pub schema: u32,
    /// What was measured.
    pub setup: Setup,
    /// Why it ended; absent while it goes on.
    pub stopped: Option<Stop>,
    /// Seconds that the rounds took.
    pub elapsed: f64,
    /// What the baseline shows against itself.
    pub floor: Option<Floor>,
    /// A command each, in their order.
    pub results: Vec<Outcome>,
    /// What a reader must know.
    pub warnings: Vec<String>,
    /// Every round, in order.
    pub rounds: Vec<Round>,
}

/// What of a benchmark is stored: all that was measured, and nothing that follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BenchFacts {
    /// Version of this shape.
    pub schema: u32,
    /// What was measured.
    pub setup: Setup,
    /// Why it ended.
    pub stopped: Option<Stop>,
    /// Seconds that the rounds took.
    pub elapsed: f64,
    /// Every round, in order.
    pub rounds: Vec<Round>,
}

impl From<BenchFacts> for Bench {
    fn from(facts: BenchFacts) -> Self {
        Self::of(facts.setup, facts.rounds, facts.elapsed, facts.stopped)
    }
}

impl From<&Bench> for BenchFacts {
    fn from(bench: &Bench) -> Self {
        Self {
            schema: BENCH_SCHEMA,
            setup: bench.setup.clone(),
            stopped: bench.stopped,
            elapsed: bench.elapsed,
            rounds: bench.rounds.clone(),
        }
    }
}

/// What was found of one command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Its figures, by metric.
    pub figures: BTreeMap<Metric, Figures>,
    /// Itself beside the baseline, a metric each; empty of the baseline.
    pub comparisons: Vec<Comparison>,
    /// What may be said by the metric that decides; absent of the baseline.
    pub verdict: Option<Verdict>,
    /// Why, in a sentence.
    pub why: Option<String>,
}

impl Outcome {
    /// The comparison by a metric.
    pub fn by(&self, metric: Metric) -> Option<&Comparison> {
        self.comparisons.iter().find(|comparison| comparison.metric == metric)
    }
}

impl Setup {
    /// The arms of a round.
    pub const fn design(&self) -> Design {
        Design { commands: self.commands.len(), control: self.control }
    }

    /// Commands that are compared with the baseline.
    pub fn candidates(&self) -> usize {
        self.commands.len().saturating_sub(1)
    }

    /// How sure comparisons have to be.
    pub fn rules(&self) -> Rules {
        Rules { alpha: self.alpha, precision: self.precision, seed: self.seed, ..Rules::default() }
    }

    /// Level of each interval, so that all of them together hold with `1 - alpha` (Bonferroni).
    pub fn level(&self) -> f64 {
        1.0 - self.alpha / self.candidates().max(1) as f64
    }

    /// Whether every interval is narrow, by the figure that decides. One that excludes "no
    /// difference" must have been called one besides: else a few more rounds tell.
    pub fn is_settled(&self, rounds: &[Round], resamples: usize) -> bool {
        let rules = Rules { resamples, ..self.rules() };
        let metric = self.judged_by;
        let compare = |arm| Comparison::of(rounds, metric, (arm, 0), self.level(), &rules);
        if self.candidates() == 0 {
            return (1..self.design().arms())
                .all(|arm| compare(arm).is_some_and(|c| c.is_narrow(self.precision)));
        }
        let floor = Floor::of(rounds, metric, self.design(), &rules);
        (1..self.commands.len()).filter_map(compare).all(|comparison| {
            let (verdict, _) = judge(&comparison, floor.as_ref(), self.candidates(), &rules);
            let called = matches!(verdict, Verdict::Less | Verdict::More);
            let open = comparison.log_interval().contains(0.0);
            comparison.is_narrow(self.precision) && (called || open)
        })
    }
}

impl Bench {
    /// Everything that follows from rounds.
    pub fn of(setup: Setup, rounds: Vec<Round>, elapsed: f64, stopped: Option<Stop>) -> Self {
        let rules = setup.rules();
        let floor = Floor::of(&rounds, setup.judged_by, setup.design(), &rules);
        let results: Vec<_> = (0..setup.commands.len())
            .map(|arm| outcome(&setup, &rounds, arm, floor.as_ref(), &rules))
            .collect();
        let warnings = warnings(&setup, &results, floor.as_ref(), &rounds);
        Self { schema: BENCH_SCHEMA, setup, stopped, elapsed, floor, results, warnings, rounds }
    }
}

fn outcome(
    setup: &Setup,
    rounds: &[Round],
    arm: usize,
    floor: Option<&Floor>,
    rules: &Rules,
) -> Outcome {
    let figures = Metric::ALL
        .into_iter()
        .filter_map(|metric| Some((metric, Figures::of(&values(rounds, metric, arm))?)))
        .collect();
    let compare = |metric| Comparison::of(rounds, metric, (arm, 0), setup.level(), rules);
    let comparisons: Vec<_> =
        if arm == 0 { Vec::new() } else { Metric::ALL.into_iter().filter_map(compare).collect() };
    let deciding = comparisons.iter().find(|c| c.metric == setup.judged_by);
    let judged = deciding.map(|c| judge(c, floor, setup.candidates(), rules));
    let (verdict, why) = judged.unzip();
    let name = setup.commands.get(arm).map_or_else(String::new, |command| command.name.clone());
    Outcome { name, figures, comparisons, verdict, why }
}

/// Part of a run's time from which on starting the process is worth a warning.
const NOTABLE_OVERHEAD: f64 = 0.05;
/// How much longer a first run may take before it is worth a word.
const SLOW_START: f64 = 1.5;

fn warnings(
    setup: &Setup,
    results: &[Outcome],
    floor: Option<&Floor>,
    rounds: &[Round],
) -> Vec<String> {
    let mut found = Vec::new();
    for (arm, result) in results.iter().enumerate() {
        let Some(wall) = result.figures.get(&Metric::Wall) else { continue };
        if let Some(overhead) = setup.overhead.filter(|o| *o > wall.median * NOTABLE_OVERHEAD) {
            let part = overhead / wall.median * 100.0;
            found.push(format!(
                "{}: {part:.0} % of a run is starting the process; ratios understate differences",
                result.name
            ));
        }
        if !wall.outliers.is_empty() {
            found.push(format!(
                "{}: {} of {} runs lie far from the others (they count, with bounded force)",
                result.name,
                wall.outliers.len(),
                wall.runs
            ));
        }
        let first = values(rounds.get(..1).unwrap_or_default(), Metric::Wall, arm);
        if rounds.len() > 4 && first.first().is_some_and(|first| *first > wall.median * SLOW_START)
        {
            found.push(format!(
                "{}: the first run took {:.1} times as long as most: more --warmup may help",
                result.name,
                first.first().unwrap_or(&0.0) / wall.median
            ));
        }
    }
    if floor.is_some_and(|floor| floor.is_broken(setup.alpha)) {
        found.push(
            "the baseline differs from itself: something else follows the order of runs".into(),
        );
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::evidence::sample::Sample;

    /// A benchmark of two commands, the second `ratio` times as slow, with a little noise.
    pub(crate) fn sample_bench(ratio: f64, rounds: u64) -> Bench {
        let mut random = fastrand::Rng::with_seed(4);
        let mut sample = |factor: f64| {
            let seconds = 0.1 * factor * (1.0 + random.f64() * 0.04);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
            let wall_ns = (seconds * 1e9) as u64;
            Sample { wall_ns, user_ns: wall_ns / 2, system_ns: wall_ns / 3, ..Sample::default() }
        };
        let round = |_| Round {
            order: vec![0, 1, 2],
            samples: vec![sample(1.0), sample(ratio), sample(1.0)],
        };
        let rounds = (0..rounds).map(round).collect();
        Bench::of(sample_setup(), rounds, 30.0, Some(Stop::Precise))
    }

    fn sample_setup() -> Setup {
        let command = |name: &str| Measured {
            name: name.to_owned(),
            command: format!("./{name} | wc <in>"),
            parameters: BTreeMap::new(),
        };
        Setup {
            started_unix_ns: 0,
            host: Some("box".to_owned()),
            microarchitecture: Some("znver4".to_owned()),
            subject: None,
            commands: vec![command("old"), command("new")],
            control: true,
            judged_by: Metric::Wall,
            overhead: Some(0.0006),
            pinned_to: Some(1),
            not_measured: vec!["instructions: the kernel counts none here".to_owned()],
            seed: 1,
            alpha: 0.05,
            precision: 0.01,
        }
    }

    #[test]
    fn a_report_survives_being_stored() {
        let bench = sample_bench(0.9, 40);
        let text = serde_json::to_string(&bench).unwrap();
        let back: Bench = serde_json::from_str(&text).unwrap();
        assert_eq!(back.results[1].verdict, Some(Verdict::Less));
        assert_eq!((back.rounds.len(), back.results[0].verdict), (40, None));
        let ratio = back.results[1].by(Metric::Wall).unwrap().ratio;
        assert!((ratio.estimate - 0.9).abs() < 0.01, "{ratio:?}");
    }

    #[test]
    fn intervals_of_many_candidates_hold_together() {
        let mut setup = sample_setup();
        assert!((setup.level() - 0.95).abs() < 1e-12);
        let third = setup.commands[1].clone();
        setup.commands.push(third);
        assert!((setup.level() - 0.975).abs() < 1e-12);
    }

    #[test]
    fn a_lone_command_is_looked_at_beside_itself() {
        let mut setup = sample_setup();
        setup.commands.truncate(1);
        let bench = sample_bench(1.0, 60);
        let rounds: Vec<_> = bench
            .rounds
            .iter()
            .map(|r| Round { order: vec![0, 1], samples: r.samples[..2].to_vec() })
            .collect();
        assert!(!setup.is_settled(&rounds[..4], 100) && setup.is_settled(&rounds, 100));
    }

    #[test]
    fn what_a_reader_must_know_is_said() {
        let mut bench = sample_bench(1.0, 20);
        bench.rounds[0].samples[1].wall_ns *= 3;
        let mut setup = bench.setup;
        setup.overhead = Some(0.02);
        let again = Bench::of(setup, bench.rounds, 30.0, None);
        let text = again.warnings.join("\n");
        for words in ["starting the process", "lie far from", "the first run took"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
