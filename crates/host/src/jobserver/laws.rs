//! No token is lost or made by chance, whatever clients and sizes do: the pool beside a model of it.
//!
//! Does not know build tools; its clients do what those may do, in any order.

use std::num::NonZeroU32;

use ironwright_core::build::JobserverStyle;
use proptest::prelude::*;

use super::Jobserver;

/// Clients that take and return tokens.
const CLIENTS: usize = 4;

/// What happens to a pool.
#[derive(Clone, Copy, Debug)]
enum Step {
    Resize(u32),
    Settle,
    Take(usize),
    Return(usize),
    /// A client is killed with all that it holds.
    Kill(usize),
    /// All clients are gone, and what is missing is put back.
    Reclaim,
    /// The same while clients hold tokens: nobody knows of them.
    ReclaimTooEarly,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u32..12).prop_map(Step::Resize),
        Just(Step::Settle),
        (0..CLIENTS).prop_map(Step::Take),
        (0..CLIENTS).prop_map(Step::Take),
        (0..CLIENTS).prop_map(Step::Take),
        (0..CLIENTS).prop_map(Step::Return),
        (0..CLIENTS).prop_map(Step::Return),
        (0..CLIENTS).prop_map(Step::Kill),
        Just(Step::Reclaim),
    ]
}

/// What there should be.
struct Model {
    wanted: u32,
    free: u32,
    held: [u32; CLIENTS],
    lost: u32,
}

impl Model {
    fn made(&self) -> u32 {
        self.free + self.held.iter().sum::<u32>() + self.lost
    }

    /// What is missing is added; what is too much is taken from what is free.
    fn settle(&mut self) {
        let made = self.made();
        self.free += self.wanted.saturating_sub(made);
        self.free -= made.saturating_sub(self.wanted).min(self.free);
    }
}

struct Pair {
    pool: Jobserver,
    model: Model,
}

impl Pair {
    fn new(style: JobserverStyle, tokens: u32) -> Self {
        let slots = NonZeroU32::new(tokens + 1).unwrap();
        let pool = Jobserver::start(style, slots, &std::env::temp_dir()).unwrap();
        let model = Model { wanted: tokens, free: tokens, held: [0; CLIENTS], lost: 0 };
        Self { pool, model }
    }

    fn apply(&mut self, step: Step) {
        let Self { pool, model } = self;
        match step {
            Step::Resize(size) => {
                pool.resize(size).unwrap();
                model.wanted = size;
                model.settle();
            }
            Step::Settle => {
                pool.settle().unwrap();
                model.settle();
            }
            Step::Take(client) => {
                let taken = pool.take(&mut pool.pool()).unwrap();
                assert_eq!(taken, model.free > 0);
                model.free -= u32::from(taken);
                model.held[client] += u32::from(taken);
            }
            Step::Return(client) if model.held[client] > 0 => {
                pool.fill(1).unwrap();
                model.free += 1;
                model.held[client] -= 1;
            }
            Step::Return(_) => {}
            Step::Kill(client) => model.lost += std::mem::take(&mut model.held[client]),
            Step::Reclaim => {
                pool.fill(model.held.iter().sum()).unwrap();
                model.free += std::mem::take(&mut model.held).iter().sum::<u32>();
                assert_eq!(pool.reclaim().unwrap(), model.lost);
                model.lost = 0;
                model.settle();
            }
            Step::ReclaimTooEarly => drop(pool.reclaim().unwrap()),
        }
    }

    fn check(&self) {
        assert_eq!(self.pool.tokens_left().unwrap(), u64::from(self.model.free));
        assert_eq!(self.pool.size(), self.model.made());
    }
}

fn styles() -> impl Strategy<Value = JobserverStyle> {
    prop_oneof![Just(JobserverStyle::Pipe), Just(JobserverStyle::Fifo)]
}

proptest! {
    #[test]
    fn tokens_are_conserved(
        style in styles(), tokens in 0_u32..8, steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut pair = Pair::new(style, tokens);
        for step in steps {
            pair.apply(step);
            pair.check();
        }
        pair.apply(Step::Reclaim);
        pair.check();
        prop_assert_eq!(pair.pool.size(), pair.model.wanted);
        prop_assert_eq!(pair.pool.tokens_left().unwrap(), u64::from(pair.model.wanted));
    }

    /// Who was overlooked returns its tokens later: then there are too many, and they are taken away.
    #[test]
    fn what_was_reclaimed_too_early_is_taken_back(
        style in styles(), tokens in 1_u32..8, taken in 1_usize..8, size in 0_u32..12,
    ) {
        let mut pair = Pair::new(style, tokens);
        (0..taken).for_each(|_| pair.apply(Step::Take(0)));
        let held = pair.model.held[0];
        pair.apply(Step::ReclaimTooEarly);
        pair.pool.fill(held).unwrap();
        pair.pool.resize(size).unwrap();
        prop_assert_eq!(pair.pool.size(), size);
        prop_assert_eq!(pair.pool.tokens_left().unwrap(), u64::from(size));
    }
}
