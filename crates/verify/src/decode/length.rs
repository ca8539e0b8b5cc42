//! Lengths of x86-64 instructions, from opcode tables (Intel SDM volume 2, appendix A).
//!
//! Does not know what an instruction does, beyond what its length depends on.

/// What follows an opcode byte.
pub(super) mod follow {
    /// A `ModR/M` byte.
    pub(in crate::decode) const MODRM: u8 = 1;
    /// An immediate of one byte.
    pub(in crate::decode) const IMM8: u8 = 2;
    /// An immediate of four bytes, two with the prefix 66.
    pub(in crate::decode) const IMM32: u8 = 4;
    /// Not an instruction in 64-bit mode.
    pub(in crate::decode) const INVALID: u8 = 8;
    /// Has a length of its own: handled by name.
    pub(in crate::decode) const SPECIAL: u8 = 16;
}

use follow::{IMM8, IMM32, INVALID, MODRM, SPECIAL};

/// The one-byte map. Prefixes and escapes are taken before it is asked.
pub(super) const ONE: [u8; 256] = one_byte();
/// The map behind 0F.
pub(super) const TWO: [u8; 256] = two_byte();

const fn one_byte() -> [u8; 256] {
    let mut map = [0; 256];
    let mut op = 0;
    while op < 0x40 {
        map[op] = match op & 7 {
            0..=3 => MODRM,
            4 => IMM8,
            5 => IMM32,
            _ => INVALID,
        };
        op += 1;
    }
    // 40-4F are REX, 50-5F push and pop; 62 and 67 are taken earlier.
    set(&mut map, 0x60, 0x62, INVALID);
    map[0x63] = MODRM;
    map[0x68] = IMM32;
    map[0x69] = MODRM | IMM32;
    map[0x6a] = IMM8;
    map[0x6b] = MODRM | IMM8;
    set(&mut map, 0x70, 0x7f, SPECIAL | IMM8);
    map[0x80] = MODRM | IMM8;
    map[0x81] = MODRM | IMM32;
    map[0x82] = INVALID;
    map[0x83] = MODRM | IMM8;
    set(&mut map, 0x84, 0x8f, MODRM);
    map[0x9a] = INVALID;
    set(&mut map, 0xa0, 0xa3, SPECIAL);
    map[0xa8] = IMM8;
    map[0xa9] = IMM32;
    set(&mut map, 0xb0, 0xb7, IMM8);
    set(&mut map, 0xb8, 0xbf, SPECIAL);
    set(&mut map, 0xc0, 0xc1, MODRM | IMM8);
    map[0xc2] = SPECIAL;
    map[0xc3] = SPECIAL;
    // C4 and C5 are VEX.
    map[0xc6] = MODRM | IMM8;
    map[0xc7] = MODRM | IMM32;
    map[0xc8] = SPECIAL;
    map[0xca] = SPECIAL;
    map[0xcb] = SPECIAL;
    map[0xcc] = SPECIAL;
    map[0xcd] = IMM8;
    map[0xce] = INVALID;
    map[0xcf] = SPECIAL;
    set(&mut map, 0xd0, 0xd3, MODRM);
    set(&mut map, 0xd4, 0xd6, INVALID);
    set(&mut map, 0xd8, 0xdf, MODRM);
    set(&mut map, 0xe0, 0xe3, SPECIAL | IMM8);
    set(&mut map, 0xe4, 0xe7, IMM8);
    set(&mut map, 0xe8, 0xe9, SPECIAL);
    map[0xea] = INVALID;
    map[0xeb] = SPECIAL | IMM8;
    map[0xf4] = SPECIAL;
    set(&mut map, 0xf6, 0xf7, MODRM | SPECIAL);
    set(&mut map, 0xfe, 0xfe, MODRM);
    map[0xff] = MODRM | SPECIAL;
    map
}

const fn two_byte() -> [u8; 256] {
    let mut map = [MODRM; 256];
    set(&mut map, 0x04, 0x04, INVALID);
    set(&mut map, 0x05, 0x09, 0);
    map[0x0a] = INVALID;
    map[0x0b] = SPECIAL;
    map[0x0c] = INVALID;
    map[0x0e] = 0;
    map[0x0f] = MODRM | IMM8;
    // Moves to and from control registers: always the register form.
    set(&mut map, 0x20, 0x23, SPECIAL);
    set(&mut map, 0x30, 0x37, 0);
    set(&mut map, 0x70, 0x73, MODRM | IMM8);
    map[0x77] = 0;
    set(&mut map, 0x80, 0x8f, SPECIAL);
    set(&mut map, 0xa0, 0xa1, 0);
    map[0xa2] = SPECIAL;
    map[0xa4] = MODRM | IMM8;
    set(&mut map, 0xa8, 0xaa, 0);
    map[0xac] = MODRM | IMM8;
    map[0xba] = MODRM | IMM8;
    map[0xc2] = MODRM | IMM8;
    set(&mut map, 0xc4, 0xc6, MODRM | IMM8);
    set(&mut map, 0xc8, 0xcf, 0);
    map
}

const fn set(map: &mut [u8; 256], first: usize, last: usize, value: u8) {
    let mut op = first;
    while op <= last {
        map[op] = value;
        op += 1;
    }
}

/// What the quick way has to know of an opcode and the byte behind it; 0 where it does not take it.
pub(super) mod quick {
    /// Bytes of both and of all that follows them, if no flag says more.
    pub(in crate::decode) const LENGTH: u8 = 15;
    /// Four bytes more follow if the third byte asks for them.
    pub(in crate::decode) const SIB: u8 = 0x10;
    /// The operand is relative to the instruction pointer.
    pub(in crate::decode) const RELATIVE: u8 = 0x20;
    /// The operand's displacement may be an address.
    pub(in crate::decode) const DISPLACED: u8 = 0x40;
    /// The immediate may be an address.
    pub(in crate::decode) const NUMBER: u8 = 0x80;
}

/// Opcodes that need nothing and go nowhere, with the byte behind each as the low byte of the number:
/// those of one byte, then those behind 0F.
pub(super) static QUICK: [u8; 0x2_0000] = quick_opcodes();

#[expect(clippy::large_stack_arrays, reason = "it is made while compiling")]
const fn quick_opcodes() -> [u8; 0x2_0000] {
    let operands = operands();
    let mut map = [0; 0x2_0000];
    let mut op = 0;
    while op < 512 {
        let kind = if op < 256 { quick_kind(op) } else { quick_kind_escaped(op - 256) };
        let mut next = 0;
        while kind & INVALID == 0 && next < 256 {
            // Only two operations of these groups have an immediate.
            let immediate = match op {
                0xf6 if next & 0x30 == 0 => 1,
                0xf7 if next & 0x30 == 0 => 4,
                _ => bytes(kind),
            };
            let operand = if kind & MODRM != 0 { operands[next] } else { 0 };
            if !is_for_the_full_way(op, next) {
                map[op << 8 | next] =
                    (1 + operand + immediate) | if is_number(op) { quick::NUMBER } else { 0 };
            }
            next += 1;
        }
        op += 1;
    }
    map
}

/// What follows an opcode that the quick way takes.
const fn quick_kind(op: usize) -> u8 {
    match op {
        0x0f
        | 0x26
        | 0x2e
        | 0x36
        | 0x3e
        | 0x40..=0x4f
        | 0x62
        | 0x64..=0x67
        | 0x8f
        | 0xc4
        | 0xc5
        | 0xd8..=0xdf
        | 0xf0
        | 0xf2
        | 0xf3 => INVALID,
        0xb8..=0xbf => IMM32,
        0xf6 | 0xf7 | 0xff => MODRM,
        _ if ONE[op] & SPECIAL != 0 => INVALID,
        _ => ONE[op],
    }
}

const fn quick_kind_escaped(op: usize) -> u8 {
    match op {
        0x1f
        | 0x40..=0x4f
        | 0x90..=0x9f
        | 0xa3..=0xa5
        | 0xab..=0xad
        | 0xaf
        | 0xb3
        | 0xb6
        | 0xb7
        | 0xba
        | 0xbb
        | 0xbe
        | 0xbf => TWO[op],
        _ => INVALID,
    }
}

const fn bytes(kind: u8) -> u8 {
    (if kind & IMM8 != 0 { 1 } else { 0 }) + if kind & IMM32 != 0 { 4 } else { 0 }
}

/// Calls and jumps through an operand, and transactions.
const fn is_for_the_full_way(op: usize, modrm: usize) -> bool {
    match op {
        0xff => matches!(modrm >> 3 & 7, 2..=5 | 7),
        0xc6 | 0xc7 => modrm == 0xf8,
        _ => false,
    }
}

const fn is_number(op: usize) -> bool {
    matches!(op, 0x68 | 0xb8..=0xbf | 0xc7)
}

/// Bytes of an operand by its `ModR/M` byte, that byte among them, with what the quick way has to know.
const fn operands() -> [u8; 256] {
    let mut map = [0; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let (mode, memory) = (byte >> 6, byte & 7);
        let sib = if memory == 4 { 1 } else { 0 };
        map[byte] = match mode {
            0 if memory == 5 => quick::RELATIVE | 5,
            0 if memory == 4 => quick::SIB | 2,
            1 => 2 + sib,
            2 => quick::DISPLACED | (5 + sib),
            _ => 1,
        };
        byte += 1;
    }
    map
}

/// Bytes of a memory operand, the `ModR/M` byte among them, and whether it is relative to the
/// instruction pointer. `None` where the bytes end.
pub(super) fn modrm(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let byte = *bytes.get(at)?;
    let (mode, memory) = (byte >> 6, byte & 7);
    if mode == 3 {
        return Some((1, false));
    }
    let mut length = 1;
    let mut base = memory;
    if memory == 4 {
        base = bytes.get(at + 1)? & 7;
        length += 1;
    }
    let (displacement, relative) = match mode {
        0 if memory == 5 => (4, true),
        0 if base == 5 => (4, false),
        0 => (0, false),
        1 => (1, false),
        _ => (4, false),
    };
    Some((length + displacement, relative))
}
