//! A set of ranks that is asked for its first: which jobs are ready, the most urgent one first.
//!
//! One bit a rank, and the first word that may hold any. Does not know what is ranked.

/// A set of numbers below a limit.
#[derive(Debug)]
pub(super) struct Ranks {
    words: Vec<u64>,
    /// No word before this one holds any.
    first: usize,
}

const BITS: u32 = u64::BITS;

/// The word of a rank, and its bit in there.
const fn place(rank: u32) -> (usize, u64) {
    ((rank / BITS) as usize, 1 << (rank % BITS))
}

impl Ranks {
    /// None of so many.
    pub(super) fn new(count: usize) -> Self {
        let words = vec![0; count.div_ceil(BITS as usize)];
        Self { first: words.len(), words }
    }

    pub(super) fn insert(&mut self, rank: u32) {
        let (at, bit) = place(rank);
        if let Some(word) = self.words.get_mut(at) {
            *word |= bit;
            self.first = self.first.min(at);
        }
    }

    pub(super) fn remove(&mut self, rank: u32) {
        let (at, bit) = place(rank);
        if let Some(word) = self.words.get_mut(at) {
            *word &= !bit;
        }
    }

    /// The first that is not before a rank.
    pub(super) fn first_from(&mut self, rank: u32) -> Option<u32> {
        while self.words.get(self.first) == Some(&0) {
            self.first += 1;
        }
        let (at, bit) = place(rank);
        let start = at.max(self.first);
        // Of the rank's own word only what is not before it.
        let mask = if start == at { !(bit - 1) } else { !0 };
        let masks = std::iter::once(mask).chain(std::iter::repeat(!0));
        let words = (start..).zip(self.words.get(start..)?).zip(masks);
        let mut held = words.map(|((at, word), mask)| (at, word & mask));
        let (at, word) = held.find(|(_, word)| *word != 0)?;
        Some(u32::try_from(at).ok()? * BITS + word.trailing_zeros())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_set(steps in proptest::collection::vec((0_u32..300, 0_u8..3), 1..200)) {
            let (mut ranks, mut set) = (Ranks::new(300), BTreeSet::new());
            for (rank, step) in steps {
                match step {
                    0 => { ranks.remove(rank); set.remove(&rank); }
                    1 => { ranks.insert(rank); set.insert(rank); }
                    _ => prop_assert_eq!(ranks.first_from(rank), set.range(rank..).next().copied()),
                }
            }
        }
    }
}
