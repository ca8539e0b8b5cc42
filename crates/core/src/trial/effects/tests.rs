//! Effects against known truth, with noise like that of shared machines.
//!
//! Does not know real programs.

use super::*;
use crate::evidence::sample::Sample;
use crate::trial::treatment::Treatment;

/// Few draws: a simulation has many intervals.
const RULES: Rules = Rules { alpha: 0.05, precision: 0.01, resamples: 200, seed: 1 };

/// What a build's logarithm is, by its label.
type Truth = fn(&str) -> f64;

fn layout(treatments: &[&str]) -> Layout {
    let all: Vec<Treatment> = treatments.iter().map(|t| t.parse().unwrap()).collect();
    Layout::of(&all)
}

/// A logarithm of noise: a little in most runs, much in a few, as where other guests share the host.
fn noise(random: &mut fastrand::Rng) -> f64 {
    let small: f64 = (0..6).map(|_| random.f64() - 0.5).sum::<f64>() * 0.01;
    let spike = if random.f64() < 0.04 { random.f64() * 0.4 } else { 0.0 };
    small + spike
}

fn rounds(layout: &Layout, n: u64, truth: Truth, seed: u64) -> (Vec<Round>, Design) {
    let mut random = fastrand::Rng::with_seed(seed);
    let design = Design { commands: layout.variants.len(), control: true };
    let logs: Vec<f64> = layout.variants.iter().map(|v| truth(&v.label())).collect();
    let round = |number| {
        // The machine drifts; a round is short beside that.
        let drift = (number as f64 / 9.0).sin() * 0.05;
        let order = design.order(seed, number);
        let sample = |arm: usize| {
            let log = logs[design.command_of(arm)] + drift;
            (log, noise(&mut random))
        };
        let samples = (0..design.arms()).map(sample).map(|(log, noise)| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
            let wall_ns = (1e8 * (log + noise).exp()) as u64;
            Sample { wall_ns, ..Sample::default() }
        });
        Round { samples: samples.collect(), order }
    };
    ((0..n).map(round).collect(), design)
}

fn found(layout: &Layout, n: u64, truth: Truth, seed: u64) -> Vec<TreatmentEffects> {
    let (rounds, design) = rounds(layout, n, truth, seed);
    let arms: Vec<usize> = (0..layout.variants.len()).collect();
    let measured = Measured { rounds: &rounds, arms: &arms, design, metric: Metric::Wall };
    effects(layout, &[("w".to_owned(), measured)], &RULES)
}

fn of<'a>(found: &'a [TreatmentEffects], name: &str) -> &'a Effect {
    let of_name = found.iter().find(|e| e.treatment == name);
    &of_name.unwrap_or_else(|| panic!("{name}: {found:?}")).effects[0]
}

/// `-O3` gains 10 %, `-march=native` loses 30 %, `x86-64-v3` does nothing.
fn crypto(label: &str) -> f64 {
    let o3 = if label.contains("-O3") { -0.1 } else { 0.0 };
    o3 + if label.contains("native") { 0.3 } else { 0.0 }
}

#[test]
fn each_treatment_gets_what_it_does() {
    let layout = layout(&["c-opt-level=3", "c-march=x86-64-v3", "c-march=native"]);
    let found = found(&layout, 120, crypto, 3);
    assert_eq!(of(&found, "-O3").verdict, Verdict::Less);
    assert_eq!(of(&found, "-march=native").verdict, Verdict::More);
    assert!((of(&found, "-march=native").ratio.estimate.ln() - 0.3).abs() < 0.02);
    assert_eq!(of(&found, "-march=x86-64-v3").verdict, Verdict::Same);
    assert_eq!(of(&found, "-O3 x -march=x86-64-v3").verdict, Verdict::Same);
}

/// Of four flags, the first gains, the third harms, and the first two undo each other.
fn interacting(label: &str) -> f64 {
    let has = |flag: &str| if label.contains(flag) { 1.0 } else { 0.0 };
    let (a, b, c) = (has("-O3"), has("v3"), has("lto"));
    -0.2 * a + 0.1 * c + 0.2 * a * b
}

const FOUR: [&str; 4] = ["c-opt-level=3", "c-march=x86-64-v3", "c-lto=fat", "c-split-dwarf=true"];

#[test]
fn half_of_the_builds_tell_four_flags_apart() {
    let layout = layout(&FOUR);
    assert_eq!(layout.variants.len(), 8);
    let found = found(&layout, 40, interacting, 5);
    // Half of the effect is undone where the second flag is on, which half of the builds have.
    assert!((of(&found, "-O3").ratio.estimate.ln() + 0.1).abs() < 0.02);
    assert_eq!(of(&found, "c-lto=fat").verdict, Verdict::More);
    assert_eq!(of(&found, "c-split-dwarf=true").verdict, Verdict::Same);
    let pair = found.iter().find(|e| e.treatment == "-O3 x -march=x86-64-v3").unwrap();
    assert_eq!(pair.effects[0].verdict, Verdict::More);
    assert_eq!(pair.aliased_with, ["c-lto=fat x c-split-dwarf=true"]);
    let next = unresolved(&layout, &found);
    assert_eq!(next.len(), 1, "one group of pairs matters: {next:?}");
    assert!(!layout.factorial.runs().contains(&next[0].1));
}

#[test]
fn nothing_is_called_different_when_nothing_is() {
    let layout = layout(&FOUR);
    let called = |seed: u64| {
        let found = found(&layout, 25, |_| 0.0, seed);
        found.iter().any(|e| matches!(e.effects[0].verdict, Verdict::Less | Verdict::More))
    };
    let wrong = (0..24).filter(|seed| called(*seed)).count();
    assert!(wrong <= 3, "{wrong} of 24 trials call something different");
}

#[test]
fn true_effects_lie_in_their_intervals() {
    let layout = layout(&["c-opt-level=3", "c-march=native"]);
    let covers = |seed: &u64| {
        let found = found(&layout, 20, crypto, *seed);
        let ratio = of(&found, "-march=native").ratio;
        let truth = 0.3_f64.exp();
        ratio.low.unwrap() <= truth && truth <= ratio.high.unwrap()
    };
    let covered = (0..40).filter(covers).count();
    assert!(covered >= 36, "{covered} of 40 intervals hold the truth");
}

#[test]
fn the_same_code_is_not_measured() {
    let layout = layout(&["c-opt-level=3"]);
    let (rounds, design) = rounds(&layout, 10, |_| 0.0, 1);
    let measured = Measured { rounds: &rounds, arms: &[0, 0], design, metric: Metric::Wall };
    let found = effects(&layout, &[("w".to_owned(), measured)], &RULES);
    let effect = of(&found, "-O3");
    assert_eq!((effect.verdict, effect.rounds), (Verdict::Same, 0));
    assert!(effect.why.contains("same code"));
}
