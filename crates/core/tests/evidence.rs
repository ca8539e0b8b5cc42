//! Error rates and power of whole benchmarks, simulated with the noise of a real machine.
//!
//! Runs of a recorded series stand for runs of commands, with its drift and its wild values. Does not
//! measure anything itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use ironwright_core::evidence::report::{Measured, Setup};
use ironwright_core::evidence::session::Session;
use ironwright_core::evidence::stop::Budget;
use ironwright_core::evidence::{Bench, Metric, Round, Sample, Verdict};

const NOISE: &str = include_str!("../../../fixtures/noise/two-thread-guest.txt");

/// Seconds of a command of 100 ms, run after run.
fn series() -> Vec<f64> {
    let values = NOISE.lines().filter(|line| !line.starts_with('#'));
    let values: Vec<f64> = values.map(|line| line.parse::<f64>().unwrap()).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| value / mean * 0.1).collect()
}

fn setup(seed: u64) -> Setup {
    let command = |name: &str| Measured {
        name: name.to_owned(),
        command: name.to_owned(),
        parameters: BTreeMap::new(),
    };
    Setup {
        started_unix_ns: 0,
        host: None,
        microarchitecture: None,
        subject: None,
        commands: vec![command("a"), command("b")],
        control: true,
        judged_by: Metric::Wall,
        overhead: None,
        pinned_to: None,
        not_measured: Vec::new(),
        seed,
        alpha: 0.05,
        precision: 0.01,
    }
}

const BUDGET: Budget = Budget {
    least_rounds: 10,
    most_rounds: None,
    time: Duration::from_mins(1),
    time_is_firm: true,
    precision: Some(0.01),
};

/// A benchmark whose second command takes `ratio` times as long, from a place in the series on.
fn simulated(series: &[f64], ratio: f64, seed: u64) -> Bench {
    let mut session = Session::new(setup(seed), BUDGET);
    let mut at = fastrand::Rng::with_seed(seed).usize(..series.len());
    let mut elapsed = 0.0;
    loop {
        let order = session.order();
        let mut samples = vec![Sample::default(); order.len()];
        for arm in &order {
            let seconds = series[at % series.len()] * if *arm == 1 { ratio } else { 1.0 };
            at += 1;
            elapsed += seconds + 0.001;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
            let wall_ns = (seconds * 1e9) as u64;
            samples[*arm] = Sample { wall_ns, ..Sample::default() };
        }
        let round = Round { order, samples };
        if session.complete(round, Duration::from_secs_f64(elapsed)).is_some() {
            return session.bench();
        }
    }
}

fn verdicts(ratio: f64, cases: u64) -> BTreeMap<String, usize> {
    let series = series();
    let mut found = BTreeMap::new();
    for seed in 0..cases {
        let bench = simulated(&series, ratio, seed);
        let verdict = bench.results[1].verdict.unwrap();
        *found.entry(format!("{verdict:?}")).or_default() += 1;
        assert!(bench.elapsed <= 60.0);
    }
    found
}

fn count(found: &BTreeMap<String, usize>, verdict: Verdict) -> usize {
    found.get(&format!("{verdict:?}")).copied().unwrap_or(0)
}

#[test]
fn of_400_comparisons_of_a_command_with_itself_at_most_a_twentieth_are_called_different() {
    let found = verdicts(1.0, 400);
    println!("{found:?}");
    let wrong = count(&found, Verdict::Less) + count(&found, Verdict::More);
    assert!(wrong <= 20, "{found:?}");
    assert!(count(&found, Verdict::Same) >= 360, "{found:?}");
}

#[test]
fn a_true_difference_of_three_per_cent_is_found_within_a_minute() {
    for (ratio, right) in [(1.03, Verdict::More), (1.0 / 1.03, Verdict::Less)] {
        let found = verdicts(ratio, 100);
        println!("{ratio}: {found:?}");
        assert!(count(&found, right) >= 90, "{ratio}: {found:?}");
    }
}
