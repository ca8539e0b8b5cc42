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
