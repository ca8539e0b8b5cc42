//! The protocol between launchers and a governor that may die at any moment: every interleaving of
//! two launchers, a governor with room for one unit, and a few faults.
//!
//! Each transition stands for a place in the programs, below `crates/launcher/src` and
//! `crates/governor/src/daemon`:
//!
//! | Transition | Place |
//! |---|---|
//! | `connect`, `become_it` | `unit.rs`: `run` |
//! | `hear_first`, `lose_patience` | `unit.rs`: `first_answer` |
//! | `hear_grant` | `unit.rs`: `wait` |
//! | `seek`, `hear_anew` | `unit.rs`: `ask_anew` |
//! | `settle_for_none` | `unit.rs`: `ask_anew`, `decide_alone` |
//! | `start` | `watch.rs`: `Attempt::start` |
//! | `follow` | `link.rs`: `listen`, `look`; `watch.rs`: `care_for_link` |
//! | `report` | `watch.rs`: `end`; `unit.rs`: `again` |
//! | `hear_verdict` | `unit.rs`: `verdict`, `decide_alone` |
//! | `take_in` | `units.rs`: `asked`, `started`, `ended`; `peers.rs`: `hear` |
//! | `part` | `peers.rs`: `part`; `units.rs`: `vanished` |
//! | `admit`, `press` | `units.rs`: `grant`, `pause`, `evict`, as the machine says |
//! | `leave` | the kernel, which closes a dead process's sockets and kills its child |
//!
//! Does not know time: where a program waits for so long, its patience may end at any moment. Does
//! not know probes (`Pass`), runs and views, nor what a unit takes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod governor;
mod launcher;
mod state;

use std::collections::HashMap;

use state::State;

/// Faults in one history: a death of the governor, of a launcher or of a command, a silence, a pause.
/// With three there are three million states and nothing else to see.
const FAULTS: u8 = 2;

/// Every state that can be reached, with those that follow without another fault.
fn explore(faults: u8) -> (Vec<State>, Vec<Vec<usize>>) {
    let mut numbers = HashMap::from([(State::new(faults), 0)]);
    let (mut states, mut follows) = (vec![State::new(faults)], Vec::new());
    while follows.len() < states.len() {
        let state = states[follows.len()].clone();
        state.check();
        let next = state.next();
        let plain = next.states.len();
        let mut number = |state: State| {
            let fresh = numbers.len();
            *numbers.entry(state).or_insert_with_key(|state| {
                states.push(state.clone());
                fresh
            })
        };
        let all: Vec<usize> = next
            .states
            .into_iter()
            .chain(next.faults)
            .map(State::canonical)
            .map(&mut number)
            .collect();
        follows.push(all[..plain].to_vec());
    }
    (states, follows)
}

/// States in an order in which each comes after those that lead to it; fewer than there are when
/// some go round in a circle.
fn sorted(follows: &[Vec<usize>]) -> usize {
    let mut before = vec![0_usize; follows.len()];
    follows.iter().flatten().for_each(|to| before[*to] += 1);
    let mut free: Vec<usize> = (0..follows.len()).filter(|at| before[*at] == 0).collect();
    let mut seen = 0;
    while let Some(at) = free.pop() {
        seen += 1;
        for to in &follows[at] {
            before[*to] -= 1;
            if before[*to] == 0 {
                free.push(*to);
            }
        }
    }
    seen
}

/// Without further faults every path ends, and it ends with every end told: there is no circle, and
/// nothing that waits for ever.
#[test]
fn every_run_ends_after_any_faults() {
    let (states, follows) = explore(FAULTS);
    println!("{} states, {} steps", states.len(), follows.iter().map(Vec::len).sum::<usize>());
    for (state, follows) in states.iter().zip(&follows) {
        assert!(!follows.is_empty() || state.is_over(), "stuck: {state:?}");
    }
    assert_eq!(sorted(&follows), states.len(), "some run goes on for ever");
}
