//! Which extensions an opcode needs, remembered for each opcode that was met.
//!
//! iced-x86 knows the answer and takes a full decode to give it; the same opcodes come again and
//! again. What the answer can depend on (map, mandatory prefix, W, vector length, broadcast bit,
//! register field, register or memory form) is the key of a table. Does not know lengths.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{PoisonError, RwLock};

use iced_x86::{Code, Decoder, DecoderOptions, Instruction};

use crate::feature::Extensions;

/// A small number that stands for a set of extensions. 0 is "not asked yet", 1 the empty set.
pub(crate) type SetId = u8;
/// The empty set.
pub(crate) const BASELINE: SetId = 1;
/// Not an instruction.
pub(crate) const NONE: SetId = 0;

/// Sets that were met, by number; the first two stand for "not asked yet" and the empty set.
static SETS: RwLock<Vec<Extensions>> = RwLock::new(Vec::new());

/// The set that a number stands for.
pub(crate) fn set_of(id: SetId) -> Extensions {
    let sets = SETS.read().unwrap_or_else(PoisonError::into_inner);
    id.checked_sub(2).and_then(|at| sets.get(usize::from(at)).copied()).unwrap_or_default()
}

fn id_of(set: Extensions) -> SetId {
    if set.is_empty() {
        return BASELINE;
    }
    let mut sets = SETS.write().unwrap_or_else(PoisonError::into_inner);
    let at = sets.iter().position(|met| *met == set).unwrap_or_else(|| {
        sets.push(set);
        sets.len() - 1
    });
    // A test counts that no table of opcodes comes near 250 sets.
    u8::try_from(at + 2).unwrap_or(u8::MAX)
}

/// What the answer for an opcode can depend on.
#[derive(Clone, Copy)]
pub(super) struct Opcode {
    /// 0F is 1, 0F38 is 2, 0F3A is 3; EVEX also has 5 and 6.
    pub(super) map: u8,
    /// None, 66, F3, F2.
    pub(super) prefix: u8,
    pub(super) wide: bool,
    pub(super) byte: u8,
    /// `ModR/M`, or 0 where there is none.
    pub(super) modrm: u8,
}

impl Opcode {
    fn key(self) -> usize {
        let register_form = usize::from(self.modrm >> 6 == 3);
        let register = usize::from(self.modrm >> 3 & 7);
        let low = usize::from(self.byte) << 4 | register_form << 3 | register;
        let map = usize::from(self.map & 7);
        ((map * 2 + usize::from(self.wide)) * 4 + usize::from(self.prefix & 3)) << 12 | low
    }
}

const KEYS: usize = (8 * 2 * 4) << 12;
static LEGACY: [AtomicU8; KEYS] = [const { AtomicU8::new(NONE) }; KEYS];
static VEX: [AtomicU8; KEYS * 2] = [const { AtomicU8::new(NONE) }; KEYS * 2];
static EVEX: [AtomicU8; KEYS * 8] = [const { AtomicU8::new(NONE) }; KEYS * 8];

/// An instruction of the maps behind 0F without VEX.
#[inline]
pub(super) fn legacy(opcode: Opcode, bytes: &[u8]) -> SetId {
    remembered(&LEGACY[opcode.key()], bytes)
}

/// An instruction with a VEX prefix; `length` is its L bit.
#[inline]
pub(super) fn vex(opcode: Opcode, length: bool, bytes: &[u8]) -> SetId {
    remembered(&VEX[opcode.key() * 2 + usize::from(length)], bytes)
}

/// An instruction with an EVEX prefix; `length` is L'L with the broadcast bit below.
#[inline]
pub(super) fn evex(opcode: Opcode, length: u8, bytes: &[u8]) -> SetId {
    remembered(&EVEX[opcode.key() * 8 + usize::from(length & 7)], bytes)
}

#[inline]
fn remembered(slot: &AtomicU8, bytes: &[u8]) -> SetId {
    match slot.load(Ordering::Relaxed) {
        NONE => {
            // An encoding may be invalid for reasons that are not in the key, so only answers stay.
            let id = asked(bytes).0;
            slot.store(id, Ordering::Relaxed);
            id
        }
        id => id,
    }
}

/// A full decode: the set and the length, `NONE` and 0 where it is no instruction.
pub(super) fn asked(bytes: &[u8]) -> (SetId, usize) {
    let mut instruction = Instruction::default();
    Decoder::new(64, bytes, DecoderOptions::NONE).decode_out(&mut instruction);
    if instruction.is_invalid() {
        return (NONE, 0);
    }
    (id_of(extensions(instruction.code())), instruction.len())
}

/// What an opcode needs.
pub(crate) fn extensions(code: Code) -> Extensions {
    // Part of the question what the processor is, and asked only where `cpuid` says it may be.
    if code == Code::Xgetbv {
        return Extensions::NONE;
    }
    // `rep bsf`: compilers write it for every processor, because old ones run it as `bsf`, which
    // gives the same wherever the operand is not zero.
    if matches!(code, Code::Tzcnt_r16_rm16 | Code::Tzcnt_r32_rm32 | Code::Tzcnt_r64_rm64) {
        return Extensions::NONE;
    }
    Extensions::from_features(code.cpuid_features())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_suffice_for_every_set_that_an_opcode_needs() {
        let sets: BTreeSet<_> = Code::values().map(extensions).collect();
        assert!(sets.len() < 250, "{}", sets.len());
        for set in sets {
            assert_eq!(set_of(id_of(set)), set);
        }
    }

    #[test]
    fn answers_are_what_the_decoder_says() {
        let id = |bytes: &[u8]| set_of(asked(bytes).0).to_string();
        assert_eq!(id(&[0xc5, 0xf5, 0xfe, 0xc2]), "avx2", "vpaddd ymm");
        assert_eq!(id(&[0xc5, 0xf1, 0xfe, 0xc2]), "avx", "vpaddd xmm");
        assert_eq!(id(&[0xf3, 0x0f, 0xbc, 0xc1]), "", "tzcnt is bsf elsewhere");
        assert_eq!(id(&[0xf3, 0x0f, 0xbd, 0xc1]), "lzcnt");
        assert_eq!(id(&[0x62, 0xf1, 0x75, 0x28, 0xfe, 0xc2]), "avx512f avx512vl", "vpaddd ymm");
        assert_eq!(asked(&[0x06]), (NONE, 0));
    }
}
