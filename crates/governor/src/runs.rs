//! The runs that are under way, and the jobservers that they serve.
//!
//! Does not know which units wait; it is told how many.

use std::collections::BTreeMap;

use ironwright_core::govern::DomainId;
use ironwright_core::units::Bytes;
use ironwright_wire::{RunBegins, Tally};

/// Tokens that waiting units may lend at most: each is a process that somebody started.
const MOST_LENT: u32 = 256;

/// A run.
#[derive(Debug)]
pub(crate) struct Run {
    /// What it told of itself.
    pub(crate) begins: RunBegins,
    /// Its connection.
    pub(crate) peer: u64,
    /// Where its memory counts.
    pub(crate) domain: DomainId,
    /// Tokens that its jobserver was told to be made of.
    pub(crate) pool: u32,
    /// What became of its units.
    pub(crate) tally: Tally,
}

/// How many units of a run there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Units that wait, each with a token that its parent took for it.
    pub(crate) waiting: u32,
    /// Units that hold memory.
    pub(crate) active: u32,
    /// Whether it is the build tool's to choose which of them start: it knows what waits for what, and
    /// there is memory for all.
    pub(crate) ordered: bool,
}

/// All runs, by the governor's own numbers.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    all: BTreeMap<u64, Run>,
    next: u64,
}

impl Runs {
    /// Takes in a run.
    pub(crate) fn begin(&mut self, run: Run) -> u64 {
        self.next += 1;
        self.all.insert(self.next, run);
        self.next
    }

    /// A run ended.
    pub(crate) fn end(&mut self, number: u64) -> Option<Run> {
        self.all.remove(&number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Run> {
        self.all.get(&number)
    }

    /// Counts something of a run; its connection, and what there is by now.
    pub(crate) fn count(
        &mut self,
        number: u64,
        add: impl FnOnce(&mut Tally),
    ) -> Option<(u64, Tally)> {
        let run = self.all.get_mut(&number)?;
        add(&mut run.tally);
        Some((run.peer, run.tally))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The newest run of that number in the history.
    pub(crate) fn recorded_as(&self, recorded: i64) -> Option<u64> {
        let mut newest = self.all.iter().rev();
        newest.find(|(_, run)| run.begins.run == Some(recorded)).map(|(number, _)| *number)
    }

    /// What runs in a domain let builds take of it; `base` is what the governor's own profile lets them
    /// take. The smallest budget holds, but one that a run's own control group sees to does not hold
    /// for others.
    pub(crate) fn budget(&self, domain: DomainId, base: Option<Bytes>) -> Option<Bytes> {
        let told = |contained: bool| {
            let inside = self.all.values().filter(move |run| run.domain == domain);
            let alike = inside.filter(move |run| run.begins.contained == contained);
            alike.map(|run| Bytes(run.begins.budget)).filter(|budget| *budget > Bytes::ZERO)
        };
        told(false).min().or_else(|| told(true).chain(base).max())
    }

    /// Where their memory counts.
    pub(crate) fn domains(&self) -> impl Iterator<Item = DomainId> {
        self.all.values().map(|run| run.domain)
    }

    /// Most threads that any run's profile gives to builds.
    pub(crate) fn threads(&self) -> Option<u32> {
        self.all.values().map(|run| run.begins.threads).max()
    }

    /// Runs whose jobserver is to have another size: number, connection, tokens. `busy` is how many
    /// threads all units keep busy.
    pub(crate) fn resize(
        &mut self,
        counts: &BTreeMap<u64, Count>,
        busy: f64,
        threads: f64,
    ) -> Vec<(u64, u64, u32)> {
        let mut changed = Vec::new();
        for (number, run) in &mut self.all {
            let Some(base) = run.begins.tokens else { continue };
            let count = counts.get(number).copied().unwrap_or_default();
            let wanted = tokens(base, count, busy, threads);
            if wanted != run.pool {
                run.pool = wanted;
                changed.push((*number, run.peer, wanted));
            }
        }
        changed
    }
}

/// Tokens for a run's jobserver, the implicit one not counted.
///
/// A unit's token was taken by its parent before the unit asked. So units that leave cores idle let
/// others ask, and one more may ask ahead of its time so that a core need not wait for the build tool.
/// Those that wait lend their tokens too, so that the governor has a choice. Neither is so where the build
/// tool's own order is the better one: compilers that take tokens for threads of their own, as rustc does,
/// would take the one to ask ahead with, and three threads on two cores are slower than two.
fn tokens(base: u32, count: Count, busy: f64, threads: f64) -> u32 {
    if count.waiting + count.active == 0 {
        return base;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of threads"
    )]
    let free = (threads - busy).max(0.0) as u32;
    let used = count.active.saturating_add(free);
    if count.ordered {
        return used.saturating_sub(1).max(base);
    }
    used.saturating_add(count.waiting.min(MOST_LENT)).max(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(waiting: u32, active: u32) -> Count {
        Count { waiting, active, ordered: false }
    }

    #[test]
    fn waiting_units_lend_and_idle_cores_are_offered() {
        assert_eq!(tokens(7, count(0, 0), 0.0, 8.0), 7);
        // All cores are busy: eight tokens with the implicit one, and one to ask ahead.
        assert_eq!(tokens(7, count(0, 8), 8.0, 8.0), 8);
        assert_eq!(tokens(7, count(5, 3), 8.0, 8.0), 8);
        assert_eq!(tokens(7, count(20, 8), 8.0, 8.0), 28);
        // Eight units that sleep three quarters of their time leave six cores.
        assert_eq!(tokens(7, count(0, 8), 2.0, 8.0), 14);
        assert_eq!(tokens(7, count(9999, 1), 1.0, 8.0), 264);
        // Eight with the implicit one: what cargo would have made.
        assert_eq!(tokens(7, Count { ordered: true, ..count(20, 8) }, 8.0, 8.0), 7);
        assert_eq!(tokens(7, Count { ordered: true, ..count(0, 8) }, 2.0, 8.0), 13);
    }

    #[test]
    fn the_smallest_budget_holds_unless_a_group_sees_to_it() {
        let mut runs = Runs::default();
        let base = Some(Bytes::gib(20));
        let domain = DomainId(0);
        let begin = |runs: &mut Runs, gib: u64, contained: bool| {
            let begins = RunBegins { budget: gib << 30, contained, ..RunBegins::default() };
            runs.begin(Run { begins, peer: 1, domain, pool: 0, tally: Tally::default() })
        };
        assert_eq!(runs.budget(domain, base), base);
        begin(&mut runs, 1, true);
        assert_eq!(runs.budget(domain, base), base);
        begin(&mut runs, 24, true);
        assert_eq!(runs.budget(domain, base), Some(Bytes::gib(24)));
        let small = begin(&mut runs, 3, false);
        begin(&mut runs, 5, false);
        assert_eq!(runs.budget(domain, base), Some(Bytes::gib(3)));
        runs.end(small);
        assert_eq!(runs.budget(domain, base), Some(Bytes::gib(5)));
        assert_eq!(runs.budget(DomainId(1), None), None);
    }

    #[test]
    fn a_pool_is_told_of_once() {
        let mut runs = Runs::default();
        let begins =
            RunBegins { run: Some(5), tokens: Some(1), threads: 2, ..RunBegins::default() };
        let run = Run { begins, peer: 9, domain: DomainId(0), pool: 1, tally: Tally::default() };
        let number = runs.begin(run);
        assert_eq!(runs.recorded_as(5), Some(number));
        assert_eq!(runs.threads(), Some(2));
        let counts = BTreeMap::from([(number, count(3, 2))]);
        assert_eq!(runs.resize(&counts, 2.0, 2.0), [(number, 9, 5)]);
        assert_eq!(runs.resize(&counts, 2.0, 2.0), []);
        assert!(runs.end(number).is_some() && runs.is_empty());
    }
}
