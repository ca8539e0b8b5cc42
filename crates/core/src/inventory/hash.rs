//! The hash of ids, by which their nodes are found.
//!
//! Does not know the table that it serves.

use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

/// The hash of an id.
pub(super) fn hash(id: &str) -> u64 {
    BuildHasherDefault::<IdHasher>::default().hash_one(id)
}

/// A quick hash for ids: they are long, similar, and nobody's to choose but the user's own.
///
/// Eight bytes a step, multiplied and rotated as in the hash that rustc uses for itself
/// (<https://github.com/rust-lang/rustc-hash>).
#[derive(Clone, Copy, Debug, Default)]
struct IdHasher(u64);

impl IdHasher {
    const fn step(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.step(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (into, byte) in last.iter_mut().zip(rest) {
            *into = *byte;
        }
        self.step(u64::from_le_bytes(last) ^ (bytes.len() as u64).rotate_left(56));
    }

    fn finish(&self) -> u64 {
        // The table takes the low bits, which a multiplication mixes least.
        self.0 ^ (self.0 >> 32)
    }
}
