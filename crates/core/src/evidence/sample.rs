//! Measured runs of commands, and the order in which they are made.
//!
//! Does not know what the commands are.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// One measured run of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// From before the process was started until its end was noticed.
    pub wall_ns: u64,
    /// Processor time of the command and of all that it waited for.
    pub user_ns: u64,
    /// The same in the kernel.
    pub system_ns: u64,
    /// Resident memory of its largest process; absent where it cannot be told from that of the
    /// measuring program.
    pub peak: Option<Bytes>,
    /// Instructions in user space; absent where the kernel does not count them.
    pub instructions: Option<u64>,
    /// Exit code; that of a shell for a signal.
    pub exit: i32,
}

/// A figure of a sample that can be compared. More is worse for all of them.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Elapsed time.
    #[default]
    Wall,
    /// User and system time together.
    Cpu,
    /// Memory of the largest process.
    Memory,
    /// Instructions in user space.
    Instructions,
}

impl Metric {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Wall, Self::Cpu, Self::Memory, Self::Instructions];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Instructions => "instructions",
        }
    }

    /// What it is, in words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Wall => "elapsed time",
            Self::Cpu => "processor time",
            Self::Memory => "peak memory",
            Self::Instructions => "instructions",
        }
    }

    /// The figure of a sample in seconds, bytes or instructions; absent where it was not measured
    /// or is zero, because a ratio of it says nothing then.
    pub fn of(self, sample: &Sample) -> Option<f64> {
        let value = match self {
            Self::Wall => sample.wall_ns as f64 / 1e9,
            Self::Cpu => sample.user_ns.saturating_add(sample.system_ns) as f64 / 1e9,
            Self::Memory => sample.peak?.0 as f64,
            Self::Instructions => sample.instructions? as f64,
        };
        (value > 0.0).then_some(value)
    }

    /// A figure with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Wall | Self::Cpu => show_seconds(value),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a mean of sizes is one"
            )]
            Self::Memory => Bytes(value as u64).to_string(),
            Self::Instructions => format!("{:.3} G", value / 1e9),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Seconds with three or four digits that say something.
fn show_seconds(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1e-2 => format!("{:.3} ms", s * 1e3),
        s if s < 1e-1 => format!("{:.2} ms", s * 1e3),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.2} s"),
        s => format!("{s:.1} s"),
    }
}

/// What a round consists of. An arm is a command, or the second run of the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Design {
    /// Commands; the first is the baseline.
    pub commands: usize,
    /// Whether the baseline runs twice, so that its own noise is known.
    pub control: bool,
}

impl Design {
    /// Runs of a round.
    pub const fn arms(self) -> usize {
        self.commands + if self.control { 1 } else { 0 }
    }

    /// The command that an arm runs.
    pub const fn command_of(self, arm: usize) -> usize {
        if arm < self.commands { arm } else { 0 }
    }

    /// The arm of the baseline's second run.
    pub const fn control_arm(self) -> Option<usize> {
        if self.control { Some(self.commands) } else { None }
    }

    /// The arms of a round in the order in which they run: each order is as likely as any other,
    /// and a seed always gives the same ones.
    pub fn order(self, seed: u64, round: u64) -> Vec<usize> {
        let mut arms: Vec<usize> = (0..self.arms()).collect();
        let mut random = fastrand::Rng::with_seed(seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.shuffle(&mut arms);
        arms
    }
}

/// One run of every arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Round {
    /// The arms in the order in which they ran.
    pub order: Vec<usize>,
    /// What was measured, by arm.
    pub samples: Vec<Sample>,
}

/// Logarithms of the ratio of an arm's figure to another's, a round each; those rounds that lack
/// one of the two are left out.
pub fn log_ratios(rounds: &[Round], metric: Metric, arm: usize, to: usize) -> Vec<f64> {
    let figure = |round: &Round, arm: usize| round.samples.get(arm).and_then(|s| metric.of(s));
    let ratio = |round| Some((figure(round, arm)? / figure(round, to)?).ln());
    rounds.iter().filter_map(ratio).collect()
}

/// The figures of one arm, a round each.
pub fn values(rounds: &[Round], metric: Metric, arm: usize) -> Vec<f64> {
    rounds.iter().filter_map(|round| metric.of(round.samples.get(arm)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(ms: u64) -> Sample {
        Sample { wall_ns: ms * 1_000_000, ..Sample::default() }
    }

    #[test]
    fn orders_are_fair_and_repeatable() {
        let design = Design { commands: 2, control: true };
        let mut first = [0_u32; 3];
        for round in 0..3000 {
            let order = design.order(7, round);
            assert_eq!(order, design.order(7, round));
            first[order[0]] += 1;
        }
        assert!(first.iter().all(|n| (900..1100).contains(n)), "{first:?}");
        assert_eq!((design.command_of(2), design.control_arm()), (0, Some(2)));
    }

    #[test]
    fn ratios_leave_out_what_was_not_measured() {
        let round = |a, b| Round { order: vec![0, 1], samples: vec![wall(a), wall(b)] };
        let rounds = [round(100, 50), round(0, 50), round(10, 10)];
        let found = log_ratios(&rounds, Metric::Wall, 1, 0);
        assert_eq!(found.len(), 2);
        assert!((found[0] - 0.5_f64.ln()).abs() < 1e-12 && found[1].abs() < 1e-12);
        assert_eq!(log_ratios(&rounds, Metric::Memory, 1, 0), [] as [f64; 0]);
        assert_eq!(values(&rounds, Metric::Wall, 0), [0.1, 0.01]);
    }

    #[test]
    fn figures_carry_their_units() {
        let shown =
            [Metric::Wall.show(0.000_45), Metric::Cpu.show(0.1234), Metric::Wall.show(12.3)];
        assert_eq!(shown, ["450.0 µs", "123.4 ms", "12.30 s"]);
        assert_eq!(Metric::Memory.show(1_048_576.0), "1 MiB");
    }
}
