//! What a change costs, as the gain that it must exceed to be worth it.
//!
//! Seconds saved while what was built runs stand against seconds that builds take longer. Does not
//! know how sure either is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gain below which a change is not worth a line in a profile.
pub const LEAST_GAIN: f64 = 0.02;
/// Months over which a single rebuild is spread.
const MONTHS: f64 = 6.0;
/// Most that a threshold can be: above, nothing would ever pay.
const MOST: f64 = 3.0;
/// Most that builds can save, as a part of the time for which what was built runs.
const MOST_SAVED: f64 = 0.5;

/// How much what was built is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Hours that it keeps a processor busy in a month.
    pub hours_a_month: f64,
    /// Times that it is built in a month.
    pub builds_a_month: f64,
}

impl Default for Usage {
    /// Something that runs half an hour a day and is updated monthly.
    fn default() -> Self {
        Self { hours_a_month: 15.0, builds_a_month: 1.0 }
    }
}

/// What a change costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Costs {
    /// Seconds by which a build takes longer; below zero what it saves for certain.
    pub build_seconds: f64,
    /// Part by which the memory of its largest process grows.
    pub memory: f64,
    /// Seconds to build once what is then no longer fetched: itself, and what depends on it.
    pub rebuild_seconds: f64,
    /// Part by which its code grows.
    #[serde(default)]
    pub size: f64,
}

impl Costs {
    /// The costs in words, those that are none left out.
    pub fn in_words(&self) -> Vec<String> {
        let percent = |part: f64| format!("{:+.0} %", part * 100.0);
        let mut found = Vec::new();
        let mut tell = |is_some: bool, text: String| {
            if is_some {
                found.push(text);
            }
        };
        tell(self.build_seconds.abs() >= 0.05, format!("{:+.1} s a build", self.build_seconds));
        tell(
            self.memory.abs() >= 0.005,
            format!("{} memory of its largest process", percent(self.memory)),
        );
        tell(self.size.abs() >= 0.005, format!("{} code", percent(self.size)));
        tell(self.rebuild_seconds >= 0.05, format!("{:.1} s to build once", self.rebuild_seconds));
        found
    }
}

/// How much each cost counts beside a second of run time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Weights {
    /// A second of build time.
    pub build: f64,
    /// A second of a single rebuild.
    pub rebuild: f64,
    /// Gain asked for each doubling of the largest process.
    pub memory: f64,
    /// Gain asked for each doubling of the code: it is read from disk, and shares caches.
    #[serde(default)]
    pub size: f64,
}

impl Default for Weights {
    /// A machine that builds while nobody waits: its seconds count a quarter.
    fn default() -> Self {
        Self { build: 0.25, rebuild: 0.25, memory: 0.02, size: 0.01 }
    }
}

/// The gain from which on a change pays. Below zero, what builds save pays for a loss.
pub fn threshold(costs: Costs, usage: Usage, weights: Weights) -> f64 {
    let building = costs.build_seconds * usage.builds_a_month * weights.build;
    let rebuilding = costs.rebuild_seconds / MONTHS * weights.rebuild;
    let used = (usage.hours_a_month * 3600.0).max(1.0);
    let spent = (building + rebuilding).max(-MOST_SAVED * used);
    let memory = (1.0 + costs.memory.max(0.0)).log2() * weights.memory;
    let size = (1.0 + costs.size.max(0.0)).log2() * weights.size;
    (LEAST_GAIN + (spent / used).ln_1p() + memory + size).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_raise_the_threshold_and_use_lowers_it() {
        let free = threshold(Costs::default(), Usage::default(), Weights::default());
        assert!((free - LEAST_GAIN).abs() < 1e-12);
        let costs =
            Costs { build_seconds: 600.0, memory: 1.0, rebuild_seconds: 36_000.0, size: 1.0 };
        let dear = threshold(costs, Usage::default(), Weights::default());
        // 150 s a build and 1,500 s of rebuild a month beside 54,000 s of use, and two doublings.
        assert!((dear - (0.05 + (1650.0_f64 / 54_000.0).ln_1p())).abs() < 1e-9, "{dear}");
        let busy = Usage { hours_a_month: 700.0, builds_a_month: 1.0 };
        assert!(threshold(costs, busy, Weights::default()) < dear);
        let smaller = Costs { size: -0.5, memory: -0.5, ..Costs::default() };
        let least = threshold(smaller, Usage::default(), Weights::default());
        assert!((least - LEAST_GAIN).abs() < 1e-12, "what is smaller need not be faster");
        let idle = Usage { hours_a_month: 0.0, builds_a_month: 30.0 };
        assert!(threshold(costs, idle, Weights::default()) <= MOST);
    }

    #[test]
    fn what_builds_save_counts_where_much_is_built() {
        let cached = Costs { build_seconds: -50.0, rebuild_seconds: 60.0, ..Costs::default() };
        let at = |builds_a_month, costs| {
            let usage = Usage { hours_a_month: 1.0, builds_a_month };
            threshold(costs, usage, Weights::default())
        };
        assert!(at(0.0, cached) > LEAST_GAIN, "it is built once in any case");
        // 50 s are saved a hundred times, and a quarter of them counts, for an hour of use.
        let wanted = LEAST_GAIN + ((-1250.0 + 2.5) / 3600.0_f64).ln_1p();
        assert!((at(100.0, cached) - wanted).abs() < 1e-9, "{}", at(100.0, cached));
        assert!(at(1e9, cached) >= LEAST_GAIN + (-MOST_SAVED).ln_1p(), "nothing pays for all");
    }

    #[test]
    fn costs_are_told_where_there_are_any() {
        assert_eq!(Costs::default().in_words(), [] as [&str; 0]);
        let costs = Costs { build_seconds: 1.5, memory: -0.1, rebuild_seconds: 9.0, size: 0.25 };
        assert_eq!(
            costs.in_words(),
            [
                "+1.5 s a build",
                "-10 % memory of its largest process",
                "+25 % code",
                "9.0 s to build once"
            ]
        );
    }
}
