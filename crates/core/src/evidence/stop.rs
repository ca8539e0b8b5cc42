//! When enough was measured.
//!
//! Stopping at the first interval that excludes "no difference" makes errors common. So a look ends it
//! when the interval is narrow, wherever it lies: intervals of fixed width keep their level then (Chow
//! and Robbins 1965, "On the asymptotic theory of fixed-width sequential confidence intervals for the
//! mean"). What ends it earlier or later by where the interval lies, a clear difference or one that
//! may be chance, is left to the test of `anytime`, which holds whenever one stops. Does not know the
//! time; it is told.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Rounds before which nothing but the time stops.
    pub least_rounds: usize,
    /// Rounds at which it stops in any case.
    pub most_rounds: Option<usize>,
    /// Time for all rounds.
    pub time: Duration,
    /// Whether the time counts before `least_rounds`: it was asked for, and is no default.
    pub time_is_firm: bool,
    /// Half of the width that an interval shall have, as a part of the ratio; absent when only
    /// rounds and time count.
    pub precision: Option<f64>,
}

/// Why measuring ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// Every interval is narrow enough.
    Precise,
    /// Another round would not fit in the time.
    Time,
    /// As many rounds as were asked for.
    Rounds,
    /// A user ended it.
    Interrupted,
}

impl Stop {
    /// The reason in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Precise => "every interval is narrow enough",
            Self::Time => "the time is spent",
            Self::Rounds => "all rounds that were asked for are done",
            Self::Interrupted => "interrupted: what was measured until then",
        }
    }
}

/// Rounds between looks at the intervals, so that looking does not take long.
const LOOK_EVERY: usize = 5;

impl Budget {
    /// Whether the intervals should be looked at after so many rounds.
    pub fn wants_look(&self, rounds: usize) -> bool {
        let early = rounds < 4 * LOOK_EVERY;
        self.precision.is_some()
            && rounds >= self.least_rounds
            && (early || rounds.is_multiple_of(LOOK_EVERY))
    }

    /// Whether to end after so many rounds, of which the longest took `longest`. `settled` is what a
    /// look at the intervals found; false when nobody looked.
    pub fn verdict(
        &self,
        rounds: usize,
        elapsed: Duration,
        longest: Duration,
        settled: bool,
    ) -> Option<Stop> {
        if self.most_rounds.is_some_and(|most| rounds >= most) {
            return Some(Stop::Rounds);
        }
        let enough = rounds >= self.least_rounds;
        if enough && settled {
            return Some(Stop::Precise);
        }
        let late = elapsed + longest > self.time;
        (rounds > 0 && late && (enough || self.time_is_firm)).then_some(Stop::Time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        least_rounds: 5,
        most_rounds: Some(100),
        time: Duration::from_secs(10),
        time_is_firm: false,
        precision: Some(0.01),
    };

    fn after(budget: Budget, rounds: usize, seconds: u64) -> Option<Stop> {
        budget.verdict(rounds, Duration::from_secs(seconds), Duration::from_secs(2), false)
    }

    #[test]
    fn time_and_rounds_end_it() {
        assert_eq!(after(BUDGET, 6, 8), None);
        assert_eq!(after(BUDGET, 6, 9), Some(Stop::Time));
        assert_eq!(after(BUDGET, 100, 1), Some(Stop::Rounds));
    }

    #[test]
    fn only_a_firm_limit_ends_it_before_the_least_rounds() {
        assert_eq!(after(BUDGET, 2, 60), None);
        let firm = Budget { time_is_firm: true, ..BUDGET };
        assert_eq!(after(firm, 2, 60), Some(Stop::Time));
        assert_eq!(after(firm, 0, 60), None, "one round is always run");
    }

    #[test]
    fn looks_are_rare_once_there_are_many_rounds() {
        assert!(!BUDGET.wants_look(4) && BUDGET.wants_look(6) && BUDGET.wants_look(25));
        assert!(!BUDGET.wants_look(26));
        assert!(!Budget { precision: None, ..BUDGET }.wants_look(25));
    }
}
