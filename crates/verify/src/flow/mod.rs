//! What runs in any case and what runs only where the processor has something.
//!
//! Learns where answers about the processor are kept (`knowledge`), divides the functions that use
//! them (`guard`), and follows calls and pointers from where control comes in (`reach`). Does not
//! judge; `judge` says what follows for each extension.

mod code;
mod guard;
pub(crate) mod judge;
mod knowledge;
mod links;
mod polarity;
mod reach;
mod state;
mod walk;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;

use crate::image::{Image, Slot};
use crate::scan::{Body, neighbours};
use guard::Division;
use knowledge::Knowledge;

/// Most times that something new is looked for.
const ROUNDS: usize = 10;

/// Functions that ask about the processor, divided.
pub(crate) struct Questions {
    /// The parts of functions that an answer divides.
    divisions: BTreeMap<usize, Division>,
    /// Whether there is one, for each function: most are asked for in vain.
    divided: Vec<bool>,
    known: Knowledge,
    /// Whether anything in the file asks.
    pub(crate) asks: bool,
}

impl Questions {
    /// Finds every function that asks about the processor or uses an answer, and divides it.
    pub(crate) fn find(image: &Image<'_>, bodies: &[Body]) -> Self {
        let known = Knowledge::from_names(image, bodies);
        let mut questions = Self {
            divisions: BTreeMap::new(),
            divided: vec![false; bodies.len()],
            asks: false,
            known,
        };
        let identifying = (0..bodies.len()).filter(|at| bodies[*at].identifies).collect();
        questions.spread(image, bodies, &Knowledge::default(), identifying);
        questions.asks = bodies.iter().any(|body| body.identifies)
            || !questions.known.variables.is_empty()
            || !questions.known.returning.is_empty();
        questions
    }

    /// A function's parts, where an answer divides it.
    fn division(&self, at: usize) -> Option<&Division> {
        if self.divided[at] { self.divisions.get(&at) } else { None }
    }

    /// Takes what some functions read from structures for answers, where answers were written to the
    /// same places. False where there is nothing to take.
    pub(crate) fn follow_fields(
        &mut self,
        image: &Image<'_>,
        bodies: &[Body],
        users: BTreeSet<usize>,
    ) -> bool {
        if self.known.fields.is_empty() || users.is_empty() {
            return false;
        }
        let before = self.known.clone();
        self.known.by_field = users;
        self.spread(image, bodies, &before, Vec::new());
        true
    }

    /// Divides what is concerned by news, until there are none.
    fn spread(
        &mut self,
        image: &Image<'_>,
        bodies: &[Body],
        before: &Knowledge,
        first: Vec<usize>,
    ) {
        let neighbours = neighbours(bodies);
        let mut news = self.known.since(before);
        let mut concerned: BTreeSet<usize> = first.into_iter().collect();
        for _ in 0..ROUNDS {
            concerned.extend(self::concerned(image, bodies, &neighbours, &news));
            if concerned.is_empty() {
                return;
            }
            let mut list: Vec<usize> = std::mem::take(&mut concerned).into_iter().collect();
            // What takes longest goes first, so that nobody waits for it at the end.
            list.sort_by_key(|at| Reverse(bodies[*at].decoded));
            let known = &self.known;
            let divided = |at: &usize| (*at, guard::divide(image, &bodies[*at], *at, known));
            let found: Vec<_> = list.par_iter().with_max_len(1).map(divided).collect();
            let before = self.known.clone();
            for (at, (division, learned)) in found {
                self.divided[at] = division.is_some();
                match division {
                    Some(division) => self.divisions.insert(at, division),
                    None => self.divisions.remove(&at),
                };
                learn(&mut self.known, at, learned);
            }
            news = self.known.since(&before);
        }
    }
}

fn learn(known: &mut Knowledge, at: usize, learned: walk::Learned) {
    for (address, bytes) in learned.variables {
        known.add_variable(address, bytes);
    }
    for address in learned.filled {
        known.add_filled(address);
    }
    known.fields.extend(learned.fields);
    if learned.returns {
        known.returning.insert(at);
    }
    if learned.fills != 0 {
        *known.filling.entry(at).or_default() |= learned.fills;
    }
    for (callee, mask) in learned.given {
        *known.given.entry(callee).or_default() |= mask;
    }
}

/// Functions that may use an answer that is new.
fn concerned(
    image: &Image<'_>,
    bodies: &[Body],
    neighbours: &[(Range<usize>, &[u64])],
    known: &Knowledge,
) -> Vec<usize> {
    let functions = known.returning.iter().chain(known.filling.keys());
    let starts = sorted(functions.map(|at| image.functions()[*at].start).collect());
    let variables = known.ranges();
    let slots = image.slots.entries().iter().filter_map(|(slot, to)| match to {
        Slot::Local(to) if known.holds(*to) || starts.binary_search(to).is_ok() => Some(*slot),
        _ => None,
    });
    let places = sorted(variables.chain(slots.map(|slot| (slot, slot + 1))).collect());
    let told = known.given.keys().chain(&known.by_field).copied();
    if starts.is_empty() && places.is_empty() {
        return told.collect();
    }
    let sieve = Sieve::of(ranges(&starts).iter().chain(&places));
    let calls = |call: &u64| sieve.may_hold(*call) && starts.binary_search(call).is_ok();
    let touches = |address: &u64| sieve.may_hold(*address) && lies_in(*address, &places);
    let is_user = |at: &usize| {
        bodies[*at].touches().iter().any(touches) || bodies[*at].calls().iter().any(calls)
    };
    let may_use = |(_, addresses): &&(_, &[u64])| addresses.iter().any(|at| sieve.may_hold(*at));
    let users = neighbours.par_iter().filter(may_use).flat_map_iter(|(range, _)| range.clone());
    let users = users.filter(is_user);
    users.collect::<Vec<_>>().into_iter().chain(told).collect()
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}

fn ranges(addresses: &[u64]) -> Vec<(u64, u64)> {
    addresses.iter().map(|address| (*address, address.saturating_add(1))).collect()
}

/// Whether an address lies in one of sorted places: the last that begins before it or there.
fn lies_in(address: u64, places: &[(u64, u64)]) -> bool {
    let after = places.partition_point(|(start, _)| *start <= address);
    places[..after].last().is_some_and(|(_, end)| address < *end)
}

/// Tells of most addresses, with one look, that they lie in none of some places.
struct Sieve(Vec<u64>);

/// Bytes that share a bit, as a power of two.
const GRAIN: u32 = 4;
/// Bits, as a power of two.
const BITS: u32 = 16;

impl Sieve {
    fn of<'p>(places: impl IntoIterator<Item = &'p (u64, u64)>) -> Self {
        let mut words = vec![0; 1 << (BITS - 6)];
        for (first, end) in places {
            let (first, last) = (first >> GRAIN, end.saturating_sub(1).max(*first) >> GRAIN);
            if last - first >= 1 << BITS {
                words.fill(u64::MAX);
                continue;
            }
            for grain in first..=last {
                let (word, bit) = Self::bit(grain);
                words[word] |= bit;
            }
        }
        Self(words)
    }

    fn bit(grain: u64) -> (usize, u64) {
        let number = (grain ^ grain >> BITS) & ((1 << BITS) - 1);
        (usize::try_from(number >> 6).unwrap_or(0), 1 << (number & 63))
    }

    #[inline]
    fn may_hold(&self, address: u64) -> bool {
        let (word, bit) = Self::bit(address >> GRAIN);
        self.0[word] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sieve_holds_back_nothing_that_lies_in_a_place(
            starts in proptest::collection::btree_set(any::<u64>(), 0..20),
            size in 0_u64..5000,
            offset in 0_u64..5000,
        ) {
            let places: Vec<_> = starts.iter().map(|at| (*at, at.saturating_add(size))).collect();
            let sieve = Sieve::of(&places);
            for address in starts.iter().map(|at| at.saturating_add(offset)) {
                prop_assert!(!lies_in(address, &places) || sieve.may_hold(address));
            }
        }
    }
}
