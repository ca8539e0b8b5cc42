//! Slots: the fewest tracks on which attempts that had processes at the same time do not overlap.
//!
//! Does not know how tracks are drawn.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::unit::{Attempt, UnitReport};

/// Gives each attempt that had processes the lowest slot that is free; tells how many there are.
pub(super) fn assign(units: &mut [UnitReport]) -> usize {
    let attempts = units.iter_mut().flat_map(|unit| &mut unit.attempts);
    let mut active: Vec<(u64, u64, &mut Attempt)> =
        attempts.filter_map(|a| a.active().map(|(from, to)| (from, to, a))).collect();
    active.sort_by_key(|(from, to, _)| (*from, *to));
    let mut free: BinaryHeap<Reverse<usize>> = BinaryHeap::new();
    let mut busy: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut slots = 0;
    for (from, to, attempt) in active {
        while let Some(Reverse((end, slot))) = busy.peek().copied()
            && end <= from
        {
            busy.pop();
            free.push(Reverse(slot));
        }
        let slot = free.pop().map_or(slots, |Reverse(slot)| slot);
        slots = slots.max(slot + 1);
        attempt.slot = Some(slot);
        busy.push(Reverse((to, slot)));
    }
    slots
}
