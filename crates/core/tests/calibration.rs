//! Of what is said with confidence 0.8, four in five must hold: 10,000 decisions with known truth.
//!
//! A truth is drawn for every case, benchmarks are simulated with the noise of a real machine, and
//! the decision is compared with the truth. Does not know how confidence is computed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use fastrand::Rng;
use ironwright_core::decide::prior::prior;
use ironwright_core::decide::{
    Candidate, Costs, Evidence, Here, Recommendation, Usage, Weights, recommend,
};
use ironwright_core::evidence::report::{Measured, Setup};
use ironwright_core::evidence::{BenchFacts, Change, Metric, Round, Sample, Subject};

const NOISE: &str = include_str!("../../../fixtures/noise/two-thread-guest.txt");
const CASES: u64 = 10_000;

/// Logarithms of a series of runs of one command.
fn noise() -> Vec<f64> {
    let values = NOISE.lines().filter(|line| !line.starts_with('#'));
    values.map(|line| line.parse::<f64>().unwrap().ln()).collect()
}

fn normal(random: &mut Rng) -> f64 {
    let (u, v) = (random.f64().max(1e-300), random.f64());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// A variable with the gamma distribution of a shape, by the method of Marsaglia and Tsang (2000).
fn gamma(random: &mut Rng, shape: f64) -> f64 {
    if shape < 1.0 {
        return gamma(random, shape + 1.0) * random.f64().powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && random.f64().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

const CHANGES: [(&str, &str, &str); 8] = [
    ("c-march", "x86-64-v3", "openssl"),
    ("c-march", "native", "openssl"),
    ("c-march", "native", "libsodium"),
    ("c-opt-level", "3", "zlib"),
    ("c-lto", "fat", "python3"),
    ("rust-lto", "thin", "ripgrep"),
    ("python-pgo-level", "full", "python3"),
    ("go-amd64", "v3", "hugo"),
];

fn change(random: &mut Rng) -> Change {
    let (knob, value, package) = CHANGES[random.usize(..CHANGES.len())];
    let knobs = BTreeMap::from([(knob.to_owned(), value.to_owned())]);
    Change { package: Some(package.to_owned()), knobs }
}

fn command(name: &str) -> Measured {
    Measured { name: name.to_owned(), command: name.to_owned(), parameters: BTreeMap::new() }
}

/// A benchmark on a host that finds a gain, with the noise of the recorded machine times a factor.
fn bench(random: &mut Rng, noise: &[f64], host: &str, subject: Subject, gain: f64) -> BenchFacts {
    let rounds = random.usize(6..50);
    let factor = 1.0 + 5.0 * random.f64();
    let mut at = random.usize(..noise.len());
    let mut sample = |log: f64| {
        at += 1;
        let seconds = 0.1 * (log + factor * (noise[at % noise.len()] - noise[0])).exp();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
        let wall_ns = (seconds * 1e9) as u64;
        Sample { wall_ns, ..Sample::default() }
    };
    let round = |_| Round { order: vec![0, 1], samples: vec![sample(0.0), sample(-gain)] };
    let rounds = (0..rounds).map(round).collect();
    let setup = Setup {
        started_unix_ns: 0,
        host: Some(host.to_owned()),
        microarchitecture: Some("znver4".to_owned()),
        subject: Some(subject),
        commands: vec![command("a"), command("b")],
        control: false,
        judged_by: Metric::Wall,
        overhead: None,
        pinned_to: None,
        not_measured: Vec::new(),
        seed: 1,
        alpha: 0.05,
        precision: 0.01,
    };
    BenchFacts { schema: 1, setup, stopped: None, elapsed: 10.0, rounds }
}

/// Benchmarks of a change whose true gain, and that of its workloads, is drawn; and that gain in use.
fn measured(random: &mut Rng, noise: &[f64], change: &Change) -> (Vec<Evidence>, f64) {
    let belief = prior(change).0.belief;
    let draw = |random: &mut Rng| belief.mean + belief.deviation * normal(random);
    let here = Here { host: Some("here".into()), microarchitecture: Some("znver4".into()) };
    let workloads = random.usize(0..4);
    let (mut evidence, mut truths) = (Vec::new(), Vec::new());
    for workload in 0..workloads {
        let truth = draw(random);
        let subject = Subject { change: change.clone(), workload: format!("w{workload}") };
        let mut add = |host: &str, gain: f64, random: &mut Rng| {
            let facts = bench(random, noise, host, subject.clone(), gain);
            evidence.extend(Evidence::of(1, &facts, &here).map(|(_, evidence)| evidence));
        };
        // One day is not like another, and neither is another host.
        if random.f64() < 0.7 {
            let today = truth + 0.005 * normal(random);
            add("here", today, random);
        }
        if random.f64() < 0.4 {
            let there = truth + 0.025 * normal(random);
            add("there", there, random);
        }
        if evidence.iter().any(|e| e.workload == format!("w{workload}")) {
            truths.push(truth);
        }
    }
    if truths.is_empty() {
        return (evidence, draw(random));
    }
    let count = truths.len() as f64;
    let in_use = 0.03 / count.sqrt() * normal(random);
    (evidence, truths.iter().sum::<f64>() / count + in_use)
}

/// A decision, and whether it holds: the gain pays, and the next build stays within its means.
fn case(random: &mut Rng, noise: &[f64]) -> (Recommendation, bool) {
    let change = change(random);
    let (evidence, gain) = measured(random, noise, &change);
    let safety = prior(&change).0.safety;
    let (stayed, exceeded) = (gamma(random, safety.stayed), gamma(random, safety.exceeded));
    let safe = stayed / (stayed + exceeded);
    let built = random.u32(0..12);
    let fine = (0..built).filter(|_| random.f64() < safe).count();
    let fine = u32::try_from(fine).unwrap();
    let found = recommend(&Candidate {
        change,
        evidence,
        same_code: false,
        builds: (fine, built - fine),
        costs: Costs { build_seconds: 400.0 * random.f64(), ..Costs::default() },
        usage: Usage::default(),
        weights: Weights::default(),
        workload_weights: Vec::new(),
    });
    let holds = gain > found.threshold && random.f64() < safe;
    (found, holds)
}

#[test]
fn stated_confidence_and_frequency_agree_in_each_tenth() {
    let (noise, mut random) = (noise(), Rng::with_seed(5));
    let mut tenths = [(0_u32, 0.0_f64, 0_u32); 10];
    for _ in 0..CASES {
        let (found, holds) = case(&mut random, &noise);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 9")]
        let (count, stated, held) = &mut tenths[((found.confidence * 10.0) as usize).min(9)];
        *count += 1;
        *stated += found.confidence;
        *held += u32::from(holds);
    }
    for (at, (count, stated, held)) in tenths.iter().enumerate() {
        let (stated, held) = (stated / f64::from(*count), f64::from(*held) / f64::from(*count));
        println!(
            "{:.1} to {:.1}: {count:5} cases, stated {stated:.3}, held {held:.3}",
            at as f64 / 10.0,
            (at + 1) as f64 / 10.0
        );
        assert!(*count >= 200, "too few cases to tell: {tenths:?}");
        assert!((stated - held).abs() <= 0.05, "tenth {at}: stated {stated:.3}, held {held:.3}");
    }
}
