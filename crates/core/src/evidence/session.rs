//! A benchmark as it goes on: which arm runs next, and whether it is enough.
//!
//! The same state drives real runs and simulated ones. Does not know the time; it is told.

use std::time::Duration;

use super::report::{Bench, Setup};
use super::sample::Round;
use super::stop::{Budget, Stop};

/// Draws of the interval that decides whether it is narrow enough; the published one has more.
const DRAWS_OF_A_LOOK: usize = 400;

/// A benchmark under way.
#[derive(Clone, Debug)]
pub struct Session {
    setup: Setup,
    budget: Budget,
    rounds: Vec<Round>,
    elapsed: Duration,
    longest: Duration,
    stopped: Option<Stop>,
}

impl Session {
    /// Nothing is measured yet.
    pub const fn new(setup: Setup, budget: Budget) -> Self {
        Self {
            setup,
            budget,
            rounds: Vec::new(),
            elapsed: Duration::ZERO,
            longest: Duration::ZERO,
            stopped: None,
        }
    }

    /// What is measured.
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The rounds that were completed.
    pub fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// The arms of the next round in the order in which they run.
    pub fn order(&self) -> Vec<usize> {
        self.setup.design().order(self.setup.seed, self.rounds.len() as u64)
    }

    /// Takes a round in, which ended `elapsed` after the first began; tells whether to end.
    pub fn complete(&mut self, round: Round, elapsed: Duration) -> Option<Stop> {
        self.take_up(round, elapsed);
        let count = self.rounds.len();
        let settled =
            self.budget.wants_look(count) && self.setup.is_settled(&self.rounds, DRAWS_OF_A_LOOK);
        self.stopped = self.budget.verdict(count, elapsed, self.longest, settled);
        self.stopped
    }

    /// Takes a round in that was completed before, by another session: nothing is decided.
    pub fn take_up(&mut self, round: Round, elapsed: Duration) {
        self.longest = self.longest.max(elapsed.saturating_sub(self.elapsed));
        self.elapsed = elapsed;
        self.rounds.push(round);
    }

    /// A user ends it.
    pub fn interrupt(&mut self) {
        self.stopped = Some(Stop::Interrupted);
    }

    /// What was found so far.
    pub fn bench(&self) -> Bench {
        let elapsed = self.elapsed.as_secs_f64();
        Bench::of(self.setup.clone(), self.rounds.clone(), elapsed, self.stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::report::tests::sample_bench;

    fn session(precision: f64) -> Session {
        let budget = Budget {
            least_rounds: 10,
            most_rounds: None,
            time: Duration::from_mins(1),
            time_is_firm: false,
            precision: Some(precision),
        };
        let mut setup = sample_bench(1.0, 1).setup;
        setup.precision = precision;
        Session::new(setup, budget)
    }

    /// Feeds rounds of a tenth of a second for each arm; returns their number and why it ended.
    fn drive(session: &mut Session) -> (usize, Option<Stop>) {
        let rounds = sample_bench(1.0, 400).rounds;
        for (n, round) in (1_u64..).zip(rounds) {
            if let Some(stop) = session.complete(round, Duration::from_millis(300 * n)) {
                return (session.rounds().len(), Some(stop));
            }
        }
        (session.rounds().len(), None)
    }

    #[test]
    fn narrower_intervals_take_more_rounds() {
        let (wide, narrow) = (drive(&mut session(0.02)), drive(&mut session(0.004)));
        assert_eq!((wide.1, narrow.1), (Some(Stop::Precise), Some(Stop::Precise)));
        assert!(wide.0 < narrow.0, "{wide:?} {narrow:?}");
        assert_eq!(drive(&mut session(0.0001)), (200, Some(Stop::Time)));
    }

    #[test]
    fn an_interruption_is_told() {
        let mut session = session(0.01);
        session.interrupt();
        assert_eq!(session.bench().stopped, Some(Stop::Interrupted));
    }
}
