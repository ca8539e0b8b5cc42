//! Instructions that need nothing, one after the other, with where they lead: most of all code.
//!
//! An instruction's length tells where the next begins, so what counts is how long one look-up waits for
//! another, and how often the processor guesses wrong what comes next. Nothing branches here by what an
//! instruction is, until one is met that `step` has to read. Does not know functions.

use std::hint::select_unpredictable;

use super::length::follow::{IMM8, IMM32, INVALID, MODRM, SPECIAL};
use super::length::{ONE, TWO};

/// An instruction that leads somewhere, or that has a number which may be an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lead {
    /// Where its opcode stands.
    opcode: usize,
    entry: u16,
}

impl Lead {
    /// One past the instruction.
    #[inline]
    pub(crate) fn end(self) -> usize {
        self.opcode + usize::from(self.entry & LENGTH)
    }

    /// How far behind its end it leads, or the number.
    #[inline]
    pub(crate) fn number(self, code: &[u8]) -> i32 {
        let at = self.opcode + usize::from(self.entry >> PLACE);
        let value = code.get(at..).and_then(<[u8]>::first_chunk);
        let value = value.map_or(0, |four| i32::from_le_bytes(*four));
        if self.entry & SHORT != 0 { value << 24 >> 24 } else { value }
    }

    /// Whether control goes there or to the next instruction, or only there.
    #[inline]
    pub(crate) fn is_jump(self) -> bool {
        self.entry & JUMPS != 0
    }

    /// Whether control goes there and comes back.
    #[inline]
    pub(crate) fn is_call(self) -> bool {
        self.entry & CALLS != 0
    }

    /// Whether it touches what stands there, or takes its address.
    #[inline]
    pub(crate) fn is_touch(self) -> bool {
        self.entry & TOUCHES != 0
    }

    /// Whether it leads nowhere, but has a number.
    #[inline]
    pub(crate) fn is_number(self) -> bool {
        self.entry & NUMBER != 0
    }
}

/// Most leads that are gathered before somebody has to take them.
const MOST: usize = 64;

/// Where instructions lead, in their order.
pub(crate) struct Leads {
    list: [Lead; MOST],
    count: usize,
}

impl Default for Leads {
    fn default() -> Self {
        Self { list: [Lead::default(); MOST], count: 0 }
    }
}

impl Leads {
    /// Takes what was gathered.
    pub(crate) fn take(&mut self) -> &[Lead] {
        &self.list[..std::mem::take(&mut self.count)]
    }
}

/// Why reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At the limit or behind it, or there is no more room for leads.
    Paused,
    /// Control does not go on.
    Gone,
    /// The next instruction is for `step`.
    Unread,
}

/// Bytes that are looked at for an instruction, as many as it can have at most.
const WINDOW: usize = 16;

/// Reads instructions from `at` on, up to the end of `begun` or a little beyond, and marks there where each
/// begins, that of an unread one as well. With `NUMBERS`, those with numbers that may be addresses are
/// among the leads.
#[inline(never)]
pub(crate) fn read<const NUMBERS: bool>(
    code: &[u8],
    at: &mut usize,
    begun: &mut [u8],
    leads: &mut Leads,
) -> End {
    let end = (begun.len() + WINDOW - 1).min(code.len());
    let mut rest = code.get(*at..end).unwrap_or_default();
    let mut count = leads.count;
    let wanted = TOUCHES | JUMPS | CALLS | if NUMBERS { NUMBER } else { 0 };
    let stopped = loop {
        match begun.get_mut(end - rest.len()) {
            Some(begun) if count < MOST => *begun = 1,
            _ => break End::Paused,
        }
        let Some(window) = rest.first_chunk::<WINDOW>() else {
            break End::Unread;
        };
        let word = first_word(window);
        let rex = word & 0xf0 == 0x40;
        let word = select_unpredictable(rex, word >> 8, word);
        let escaped = word & 0xff == 0x0f;
        let [first, second, third, ..] = word.to_le_bytes();
        let one = ENTRIES[usize::from(rex)][numbered(first, second)];
        let two = ENTRIES[2][numbered(second, third)];
        let entry = select_unpredictable(escaped, two, one);
        let opcode = usize::from(rex) + usize::from(escaped);
        let mut length = opcode + usize::from(entry & LENGTH);
        if entry & RARE != 0 {
            let index = if escaped { word >> 24 } else { word >> 16 };
            if entry == UNREAD || NUMBERS && index & 7 == 5 {
                break End::Unread;
            }
            // An operand with an index and without a base.
            length += 4 * usize::from(index & 7 == 5);
        }
        leads.list[count] = Lead { opcode: end - rest.len() + opcode, entry };
        count += usize::from(entry & wanted != 0);
        rest = &rest[length & (WINDOW - 1)..];
        if entry & ENDS != 0 {
            break End::Gone;
        }
    };
    (*at, leads.count) = (end - rest.len(), count);
    stopped
}

/// The number of an opcode with the byte behind it.
#[inline]
fn numbered(opcode: u8, next: u8) -> usize {
    usize::from(u16::from_be_bytes([opcode, next]))
}

#[inline]
fn first_word(window: &[u8; WINDOW]) -> u64 {
    window.first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
}

// An entry. Bytes of opcode, operand and immediate:
const LENGTH: u16 = 15;
/// The displacement has one byte.
const SHORT: u16 = 1 << 4;
/// What is touched stands so far behind its end.
const TOUCHES: u16 = 1 << 5;
/// Control goes there, perhaps.
const JUMPS: u16 = 1 << 6;
/// Control goes there and comes back.
const CALLS: u16 = 1 << 7;
/// A number in it may be an address.
const NUMBER: u16 = 1 << 8;
/// Control does not go on.
const ENDS: u16 = 1 << 9;
/// There is more to be known.
const RARE: u16 = 1 << 10;
/// Where the displacement or the number stands, counted from the opcode (the first of four bits).
const PLACE: u32 = 12;

/// `step` reads it.
const UNREAD: u16 = RARE;

/// What is known of an opcode (the high byte of the number) with the byte behind it: those of one byte, the
/// same behind a REX prefix, and those behind 0F.
static ENTRIES: [[u16; 0x1_0000]; 3] = entries();

#[expect(clippy::large_stack_arrays, reason = "it is made while compiling")]
const fn entries() -> [[u16; 0x1_0000]; 3] {
    let operands = operands();
    let mut map = [[UNREAD; 0x1_0000]; 3];
    let mut op = 0;
    while op < 0x300 {
        let (number, rex) = (op & 0xff, op >> 8 == 1);
        let kind = if op < 0x200 { kind(number, rex) } else { kind_escaped(number) };
        let leads = leads(if op < 0x200 { number } else { op });
        let mut next = 0;
        while next < 256 {
            let place = &mut map[op >> 8][number << 8 | next];
            if leads != 0 {
                *place = leads;
            } else if kind & INVALID == 0 && (op >= 0x200 || !is_for_step(number, next)) {
                *place = entry(if op < 0x200 { number } else { op }, kind, next, &operands);
            }
            next += 1;
        }
        op += 1;
    }
    map
}

const fn entry(op: usize, kind: u8, next: usize, operands: &[u16; 256]) -> u16 {
    // Only two operations of these groups have an immediate.
    let immediate = match op {
        0xf6 if next & 0x30 == 0 => 1,
        0xf7 if next & 0x30 == 0 => 4,
        _ => (if kind & IMM8 != 0 { 1 } else { 0 }) + if kind & IMM32 != 0 { 4 } else { 0 },
    };
    let operand = if kind & MODRM != 0 { operands[next] } else { 0 };
    let length = (operand & LENGTH) + 1 + immediate;
    let is_number = match op {
        0x68 | 0xb8..=0xbf => true,
        0xc7 => operand & TOUCHES == 0,
        _ => false,
    };
    if is_number {
        NUMBER | operand & RARE | (length - 4) << PLACE | length
    } else {
        (operand & !LENGTH) | length
    }
}

/// An instruction with a target, or a return; 0 for the others.
const fn leads(op: usize) -> u16 {
    match op {
        0x70..=0x7f | 0xe0..=0xe3 => JUMPS | SHORT | 1 << PLACE | 2,
        0x280..=0x28f => JUMPS | 1 << PLACE | 5,
        0xe8 => CALLS | 1 << PLACE | 5,
        0xeb => JUMPS | ENDS | SHORT | 1 << PLACE | 2,
        0xe9 => JUMPS | ENDS | 1 << PLACE | 5,
        0xc3 => ENDS | 1,
        _ => 0,
    }
}

/// What follows an opcode.
const fn kind(op: usize, rex: bool) -> u8 {
    match op {
        // What is loaded has eight bytes where the prefix says so.
        0xb8..=0xbf if rex => INVALID,
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

/// Without a prefix, the vector instructions among them are of SSE and MMX, which every processor has.
const fn kind_escaped(op: usize) -> u8 {
    match op {
        0x05
        | 0x10..=0x19
        | 0x1f
        | 0x28..=0x2f
        | 0x40..=0x76
        | 0x7e..=0x7f
        | 0x90..=0x9f
        | 0xa3..=0xa5
        | 0xab..=0xad
        | 0xaf..=0xb1
        | 0xb3
        | 0xb6
        | 0xb7
        | 0xba..=0xbf
        | 0xc0..=0xc3
        | 0xc8..=0xcf => TWO[op],
        _ => INVALID,
    }
}

/// Jumps through an operand, and transactions.
const fn is_for_step(op: usize, modrm: usize) -> bool {
    match op {
        0xff => matches!(modrm >> 3 & 7, 4 | 5 | 7),
        0xc6 | 0xc7 => modrm == 0xf8,
        _ => false,
    }
}

/// Bytes of an operand by its `ModR/M` byte, that byte among them, with what else has to be known.
const fn operands() -> [u16; 256] {
    let mut map = [0; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let (mode, memory) = (byte >> 6, byte & 7);
        let sib = if memory == 4 { 1 } else { 0 };
        map[byte] = match mode {
            0 if memory == 5 => TOUCHES | 2 << PLACE | 5,
            0 if memory == 4 => RARE | 2,
            1 => 2 + sib,
            2 => NUMBER | (2 + sib) << PLACE | (5 + sib),
            _ => 1,
        };
        byte += 1;
    }
    map
}
