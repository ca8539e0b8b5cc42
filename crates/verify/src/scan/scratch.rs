//! Memory that a scan uses again from function to function.
//!
//! Keeps what was met; does not read code.

use crate::decode::needs::{self, SetId};
use crate::decode::quick::Leads;
use crate::feature::Extensions;

/// Memory that is used again from function to function.
#[derive(Default)]
pub(super) struct Scratch {
    /// For each byte, 1 where an instruction begins, else 0.
    pub(super) begun: Vec<u8>,
    /// The same for code that is read only to see whether it is some.
    pub(super) gap: Vec<u8>,
    /// A bit for each byte: something jumps there.
    pub(super) wanted: Vec<u64>,
    /// Stretches of instructions that follow each other.
    pub(super) runs: Vec<(usize, usize)>,
    /// One past the last place where an instruction begins.
    pub(super) frontier: usize,
    pub(super) sets: [u64; 4],
    pub(super) leads: Leads,
    pub(super) calls: Gathered,
    pub(super) touches: Gathered,
    /// Of all functions that are scanned together.
    pub(super) addresses: Vec<u64>,
}

/// Addresses that were met.
#[derive(Default)]
pub(super) struct Gathered {
    list: Vec<u64>,
    count: usize,
}

impl Gathered {
    pub(super) fn push(&mut self, address: u64) {
        self.room(1).push(address, true);
    }

    /// Room for some more.
    pub(super) fn room(&mut self, more: usize) -> Room<'_> {
        if self.list.len() < self.count + more {
            self.list.resize(self.count + more, 0);
        }
        Room { list: &mut self.list, count: self.count, total: &mut self.count }
    }

    pub(super) fn all(&self) -> &[u64] {
        &self.list[..self.count]
    }

    pub(super) fn take(&mut self) -> &[u64] {
        &self.list[..std::mem::take(&mut self.count)]
    }
}

/// Where addresses are gathered.
pub(super) struct Room<'g> {
    list: &'g mut [u64],
    count: usize,
    /// Set at last: what is counted in memory waits for itself.
    total: &'g mut usize,
}

impl Room<'_> {
    /// Adds an address, if it is one to keep; it is written in any case, because to ask first takes longer.
    #[inline]
    pub(super) fn push(&mut self, address: u64, keep: bool) {
        if let Some(place) = self.list.get_mut(self.count) {
            *place = address;
        }
        self.count += usize::from(keep);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        *self.total = self.count;
    }
}

impl Scratch {
    pub(super) fn reset(&mut self, bytes: usize) {
        self.begun.clear();
        self.begun.resize(bytes, 0);
        self.wanted.clear();
        self.wanted.resize(bytes / 64 + 1, 0);
        self.runs.clear();
        self.sets = [0; 4];
        self.frontier = 0;
    }

    /// The first place from `at` on where an instruction was read, or the end.
    pub(super) fn next_begun(&self, at: usize) -> usize {
        if at >= self.frontier {
            return self.begun.len();
        }
        let more = memchr::memchr(1, &self.begun[at..]);
        more.map_or(self.begun.len(), |more| at + more)
    }

    pub(super) fn is_begun(&self, at: usize) -> bool {
        self.begun.get(at).is_some_and(|begun| *begun != 0)
    }

    /// Where instructions begin, a bit for each byte.
    pub(super) fn bits(&self) -> Vec<u64> {
        // Multiplied by this, eight bytes that are 0 or 1 become the eight bits at the top.
        let gathered =
            |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        let word = |bytes: &[u8]| {
            let (eights, rest) = bytes.as_chunks();
            let rest = rest
                .iter()
                .enumerate()
                .map(|(at, begun)| u64::from(*begun) << (8 * eights.len() + at));
            let eights = eights.iter().enumerate().map(|(at, eight)| gathered(eight) << (8 * at));
            eights.chain(rest).fold(0, |word, bits| word | bits)
        };
        self.begun.chunks(64).map(word).collect()
    }

    pub(super) fn want(&mut self, at: usize) {
        self.wanted[at / 64] |= 1 << (at % 64);
    }

    /// The first place from `at` on that something jumps to and that is not read yet.
    pub(super) fn next_wanted(&mut self, at: usize) -> Option<usize> {
        let mut keep = u64::MAX << (at % 64);
        for number in at / 64..self.wanted.len() {
            let mut left = self.wanted[number] & keep;
            while left != 0 {
                let place = number * 64 + left.trailing_zeros() as usize;
                if !self.is_begun(place) {
                    return Some(place);
                }
                self.wanted[number] &= !(1 << (place % 64));
                left &= left - 1;
            }
            keep = u64::MAX;
        }
        None
    }

    pub(super) fn needs(&mut self, set: SetId) {
        self.sets[usize::from(set >> 6)] |= 1 << (set & 63);
    }

    pub(super) fn extensions(&self) -> Extensions {
        if self.sets == [0; 4] {
            return Extensions::NONE;
        }
        let ids = (2..=u8::MAX).filter(|id| self.sets[usize::from(id >> 6)] >> (id & 63) & 1 == 1);
        ids.map(needs::set_of).fold(Extensions::NONE, Extensions::union)
    }

    /// What no run covers, between the first byte and the last.
    pub(super) fn gaps(&mut self, bytes: usize) -> Vec<(usize, usize)> {
        self.runs.sort_unstable();
        let (mut gaps, mut covered) = (Vec::new(), 0);
        for (start, end) in self.runs.iter().copied().chain([(bytes, bytes)]) {
            if start > covered {
                gaps.push((covered, start));
            }
            covered = covered.max(end);
        }
        gaps
    }
}
