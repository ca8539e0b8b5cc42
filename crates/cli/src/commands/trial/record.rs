//! Puts builds and rounds into the history, where decisions find them.
//!
//! The history is an observer: whatever fails here is told and changes nothing else. Does not decide.

use ironwright_core::evidence::report::{BENCH_SCHEMA, Setup};
use ironwright_core::evidence::stop::Stop;
use ironwright_core::evidence::{BenchFacts, Change, Round, Subject};
use ironwright_core::trial::VariantFacts;

use crate::clock::unix_ns;
use crate::recording::{history_path, open_history};
use crate::ui;

/// Keeps what a build cost.
pub(super) fn record_variant(facts: &VariantFacts) {
    let Some(path) = history_path() else { return };
    let recorded = open_history(&path).and_then(|history| history.record_variant(facts));
    if let Err(error) = recorded {
        ui::warn(&format!("what this build cost is not kept: {error}"));
    }
}

/// A build against the baseline, by one workload.
pub(super) struct Pairing<'a> {
    pub(super) change: Change,
    pub(super) workload: &'a str,
    /// Name of the build.
    pub(super) name: &'a str,
    /// The arm that the build ran as.
    pub(super) arm: usize,
}

/// Keeps rounds as benchmarks of two commands, one for each build.
pub(super) fn record_rounds(
    setup: &Setup,
    rounds: &[Round],
    seconds: f64,
    pairings: &[Pairing<'_>],
) -> Vec<BenchFacts> {
    let benches: Vec<_> = pairings
        .iter()
        .zip(0_i64..)
        // Benchmarks are told apart by their start.
        .map(|(pairing, n)| bench(setup, rounds, seconds, pairing, unix_ns() + n))
        .collect();
    let Some(path) = history_path() else { return benches };
    let recorded = open_history(&path)
        .and_then(|history| benches.iter().try_for_each(|b| history.record_bench(b).map(drop)));
    if let Err(error) = recorded {
        ui::warn(&format!("these rounds are not kept for decisions: {error}"));
    }
    benches
}

fn bench(
    setup: &Setup,
    rounds: &[Round],
    seconds: f64,
    pairing: &Pairing<'_>,
    started_unix_ns: i64,
) -> BenchFacts {
    let control = setup.commands.len();
    // A build with the baseline's code is the baseline's second run.
    let is_same = pairing.arm == 0;
    let arms = if is_same { vec![0, control] } else { vec![0, pairing.arm, control] };
    let command = |at: usize| setup.commands.get(at).cloned();
    let mut commands: Vec<_> = [0, pairing.arm].into_iter().filter_map(command).collect();
    if let Some(second) = commands.get_mut(1) {
        pairing.name.clone_into(&mut second.name);
    }
    let subject = Subject { change: pairing.change.clone(), workload: pairing.workload.to_owned() };
    BenchFacts {
        schema: BENCH_SCHEMA,
        setup: Setup {
            started_unix_ns,
            subject: Some(subject),
            commands,
            control: !is_same,
            ..setup.clone()
        },
        stopped: Some(Stop::Rounds),
        elapsed: seconds * arms.len() as f64 / (control + 1) as f64,
        rounds: rounds.iter().map(|round| project(round, &arms)).collect(),
    }
}

/// A round of some arms alone, in the order in which they ran.
fn project(round: &Round, arms: &[usize]) -> Round {
    let place = |arm: &usize| arms.iter().position(|own| own == arm);
    Round {
        order: round.order.iter().filter_map(place).collect(),
        samples: arms.iter().filter_map(|arm| round.samples.get(*arm).copied()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_core::evidence::Sample;

    #[test]
    fn a_round_of_some_arms_keeps_their_order() {
        let sample = |wall_ns| Sample { wall_ns, ..Sample::default() };
        let round =
            Round { order: vec![2, 0, 3, 1], samples: [10, 11, 12, 13].map(sample).to_vec() };
        let found = project(&round, &[0, 2, 3]);
        assert_eq!(found.order, [1, 0, 2]);
        assert_eq!(found.samples.iter().map(|s| s.wall_ns).collect::<Vec<_>>(), [10, 12, 13]);
    }
}
