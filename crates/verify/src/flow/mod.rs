//! What runs in any case and what runs only where the processor has something.
//!
//! Learns where answers about the processor are kept (`knowledge`), divides the functions that use
//! them (`guard`), and follows calls and pointers from where control comes in (`reach`). Does not
//! judge; `judge` says what follows for each extension.

mod guard;
pub(crate) mod judge;
mod knowledge;
mod polarity;
mod reach;
mod state;
mod walk;

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::image::{Image, Slot, names};
use crate::scan::Body;
use guard::Division;
use knowledge::Knowledge;

/// Most times that something new is looked for.
const ROUNDS: usize = 10;

/// Functions that ask about the processor, divided.
pub(crate) struct Questions {
    divisions: BTreeMap<usize, Division>,
    /// Whether anything in the file asks.
    pub(crate) asks: bool,
}

/// Finds every function that asks about the processor or uses an answer, and divides it.
pub(crate) fn questions(image: &Image<'_>, bodies: &[Body]) -> Questions {
    let mut known = Knowledge::from_names(image, bodies);
    let mut divisions = BTreeMap::new();
    for _ in 0..ROUNDS {
        let concerned = concerned(image, bodies, &known);
        let found: Vec<_> =
            concerned.par_iter().map(|at| (*at, guard::divide(image, *at, &known))).collect();
        let before = known.clone();
        for (at, (division, learned)) in found {
            divisions.insert(at, division);
            learn(&mut known, at, learned);
        }
        if known == before {
            break;
        }
    }
    let asks = bodies.iter().any(|body| body.identifies)
        || !known.variables.is_empty()
        || !known.returning.is_empty();
    Questions { divisions, asks }
}

fn learn(known: &mut Knowledge, at: usize, learned: walk::Learned) {
    for (address, bytes) in learned.variables {
        known.add_variable(address, bytes);
    }
    for address in learned.filled {
        known.add_filled(address);
    }
    if learned.returns {
        known.returning.insert(at);
    }
    if learned.fills {
        known.filling.insert(at);
    }
    for (callee, mask) in learned.given {
        *known.given.entry(callee).or_default() |= mask;
    }
}

/// Functions that may use an answer.
fn concerned(image: &Image<'_>, bodies: &[Body], known: &Knowledge) -> Vec<usize> {
    let starts: Vec<u64> = {
        let functions = known.returning.iter().chain(&known.filling);
        let mut starts: Vec<_> = functions.map(|at| image.functions[*at].start).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    };
    let calls = |body: &Body| body.calls.iter().any(|call| starts.binary_search(call).is_ok());
    let slots = |body: &Body| {
        body.touches.iter().any(|touch| match image.slots.get(touch) {
            Some(Slot::Local(target)) => known.holds(*target) || starts.binary_search(target).is_ok(),
            Some(Slot::Import(name)) => names::tells_of_processor(name),
            _ => false,
        })
    };
    (0..bodies.len())
        .into_par_iter()
        .filter(|at| {
            let body = &bodies[*at];
            body.identifies
                || known.given.contains_key(at)
                || known.touches(&body.touches)
                || calls(body)
                || slots(body)
        })
        .collect()
}
