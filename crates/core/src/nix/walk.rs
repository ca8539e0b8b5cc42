//! The walk over a graph of derivations, from the leaves to what is wanted: who may ask to be built,
//! and what cannot be built any more.
//!
//! Among those that may, the one with the longest chain of others waiting for it comes first. Who
//! starts when is the governor's to say. Does not know derivations, only their places.

/// Where a place stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for so many others.
    Waiting(usize),
    /// It may be built.
    Ready,
    /// It asked, or is being built.
    Taken,
    /// Its results are there.
    Done,
    /// It failed.
    Failed,
    /// Something that it needs failed: the place of that.
    Blocked(usize),
}

/// A walk.
#[derive(Clone, Debug)]
pub struct Walk {
    states: Vec<State>,
    needed_by: Vec<Vec<usize>>,
    /// Seconds of the longest chain that begins with each.
    chain: Vec<f64>,
}

impl Walk {
    /// Over places of which each needs some others, and takes so many seconds. What waits for itself
    /// is never ready; Nix makes no such graph.
    pub fn new(needs: &[Vec<usize>], seconds: &[f64]) -> Self {
        let mut needed_by = vec![Vec::new(); needs.len()];
        let mut states = Vec::with_capacity(needs.len());
        for (place, needs) in needs.iter().enumerate() {
            let mut own: Vec<usize> =
                needs.iter().copied().filter(|at| *at < seconds.len()).collect();
            own.sort_unstable();
            own.dedup();
            for at in &own {
                if let Some(by) = needed_by.get_mut(*at) {
                    by.push(place);
                }
            }
            states.push(if own.is_empty() { State::Ready } else { State::Waiting(own.len()) });
        }
        let chain = chains(&needed_by, seconds, &states);
        Self { states, needed_by, chain }
    }

    /// Where a place stands.
    pub fn state(&self, place: usize) -> Option<State> {
        self.states.get(place).copied()
    }

    /// Places that may be built and did not ask, the one with the longest chain first.
    pub fn ready(&self) -> Vec<usize> {
        let is_ready = |place: &usize| self.states.get(*place) == Some(&State::Ready);
        let mut ready: Vec<usize> = (0..self.states.len()).filter(is_ready).collect();
        let chain = |place: &usize| self.chain.get(*place).copied().unwrap_or(0.0);
        ready.sort_by(|a, b| chain(b).total_cmp(&chain(a)).then(a.cmp(b)));
        ready
    }

    /// A ready place asks.
    pub fn take(&mut self, place: usize) {
        self.set(place, State::Taken);
    }

    /// A place that asked is not built after all, and may ask again.
    pub fn put_back(&mut self, place: usize) {
        self.set(place, State::Ready);
    }

    /// Its results are there. What waited for nothing else may be built now.
    pub fn done(&mut self, place: usize) {
        self.set(place, State::Done);
        for by in self.needed_by.get(place).cloned().unwrap_or_default() {
            match self.state(by) {
                Some(State::Waiting(1)) => self.set(by, State::Ready),
                Some(State::Waiting(left)) => self.set(by, State::Waiting(left - 1)),
                _ => {}
            }
        }
    }

    /// It failed. Everything that needs it, near or far, cannot be built.
    pub fn failed(&mut self, place: usize) {
        self.set(place, State::Failed);
        let mut queue = self.needed_by.get(place).cloned().unwrap_or_default();
        while let Some(by) = queue.pop() {
            if matches!(self.state(by), Some(State::Waiting(_) | State::Ready)) {
                self.set(by, State::Blocked(place));
                queue.extend(self.needed_by.get(by).into_iter().flatten());
            }
        }
    }

    fn set(&mut self, place: usize, state: State) {
        if let Some(own) = self.states.get_mut(place) {
            *own = state;
        }
    }

    /// Places that stand so.
    pub fn count(&self, stands: impl Fn(State) -> bool) -> usize {
        self.states.iter().filter(|state| stands(**state)).count()
    }
}

/// The longest chain that begins with each place, by the order in which they become ready.
fn chains(needed_by: &[Vec<usize>], seconds: &[f64], states: &[State]) -> Vec<f64> {
    let mut left: Vec<usize> = states
        .iter()
        .map(|state| if let State::Waiting(count) = state { *count } else { 0 })
        .collect();
    let mut order: Vec<usize> = (0..states.len()).filter(|at| left.get(*at) == Some(&0)).collect();
    let mut at = 0;
    while let Some(place) = order.get(at).copied() {
        at += 1;
        for by in needed_by.get(place).into_iter().flatten() {
            if let Some(count) = left.get_mut(*by) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    order.push(*by);
                }
            }
        }
    }
    let mut chain = seconds.to_vec();
    for place in order.into_iter().rev() {
        let behind = needed_by.get(place).into_iter().flatten();
        let longest = behind.filter_map(|by| chain.get(*by).copied()).fold(0.0, f64::max);
        if let Some(own) = chain.get_mut(place) {
            *own += longest;
        }
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 3 needs 1 and 2, which need 0; 4 stands alone.
    fn walk() -> Walk {
        let needs = [vec![], vec![0], vec![0, 0], vec![1, 2], vec![]];
        Walk::new(&needs, &[1.0, 5.0, 2.0, 1.0, 3.5])
    }

    #[test]
    fn leaves_come_first_and_the_longest_chain_before_all() {
        let mut walk = walk();
        assert_eq!(walk.ready(), [0, 4]);
        walk.take(0);
        assert_eq!(walk.ready(), [4]);
        walk.done(0);
        assert_eq!(walk.ready(), [1, 4, 2]);
        walk.done(1);
        assert_eq!(walk.state(3), Some(State::Waiting(1)));
        walk.done(2);
        assert!(walk.ready().contains(&3));
    }

    #[test]
    fn a_failure_blocks_what_needs_it_and_nothing_else() {
        let mut walk = walk();
        walk.done(0);
        walk.failed(2);
        assert_eq!(walk.state(3), Some(State::Blocked(2)));
        assert_eq!(walk.ready(), [1, 4]);
        walk.done(1);
        assert_eq!(walk.state(3), Some(State::Blocked(2)));
        assert_eq!(walk.count(|state| state == State::Done), 2);
    }

    proptest! {
        #[test]
        fn everything_is_built_once_and_after_what_it_needs(
            edges in prop::collection::vec((0_usize..30, 0_usize..30), 0..120),
        ) {
            let mut needs = vec![Vec::new(); 30];
            for (from, to) in edges.iter().filter(|(from, to)| to < from) {
                needs[*from].push(*to);
            }
            let mut walk = Walk::new(&needs, &[1.0; 30]);
            let mut built = Vec::new();
            while let Some(place) = walk.ready().first().copied() {
                prop_assert!(needs[place].iter().all(|at| built.contains(at)));
                walk.take(place);
                built.push(place);
                walk.done(place);
            }
            prop_assert_eq!(built.len(), 30);
        }
    }
}
