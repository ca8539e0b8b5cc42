//! Instructions that need nothing, one after the other, with where they lead: most of all code.
//!
//! What counts is how many instructions of the processor one instruction of the code takes, and how often the
//! processor guesses wrong what comes next. So one table answers all that is asked about most of them, and
//! nothing branches by what an instruction is, until one is met that `step` has to read. Does not know functions.

use std::hint::select_unpredictable;

use super::length::follow::{IMM8, IMM32, INVALID, MODRM, SPECIAL};
use super::length::{ONE, TWO};

/// An instruction that leads somewhere, or that has a number which may be an address: where it stands, and
/// its entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lead(u64);

impl Lead {
    #[inline]
    fn new(at: usize, entry: u16) -> Self {
        Self((at as u64) << 16 | u64::from(entry))
    }

    #[inline]
    fn at(self) -> usize {
        (self.0 >> 16) as usize
    }

    #[inline]
    fn entry(self) -> u16 {
        let [low, high, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// One past the instruction.
    #[inline]
    pub(crate) fn end(self) -> usize {
        self.at() + usize::from(self.entry() & LENGTH)
    }

    /// How far behind its end it leads, or the number.
    #[inline]
    pub(crate) fn number(self, code: &[u8]) -> i32 {
        let at = self.at() + usize::from(self.entry() >> PLACE);
        let value = code.get(at..).and_then(<[u8]>::first_chunk);
        let value = value.map_or(0, |four| i32::from_le_bytes(*four));
        if self.entry() & SHORT != 0 { value << 24 >> 24 } else { value }
    }

    /// Whether control goes there or to the next instruction, or only there.
    #[inline]
    pub(crate) fn is_jump(self) -> bool {
        self.entry() & JUMPS != 0
    }

    /// Whether control goes there and comes back.
    #[inline]
    pub(crate) fn is_call(self) -> bool {
        self.entry() & CALLS != 0
    }

    /// Whether it touches what stands there, or takes its address.
    #[inline]
    pub(crate) fn is_touch(self) -> bool {
        self.entry() & TOUCHES != 0
    }

    /// Whether it leads nowhere, but has a number.
    #[inline]
    pub(crate) fn is_number(self) -> bool {
        self.entry() & NUMBER != 0
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
    let mut here = *at;
    let mut count = leads.count;
    let wanted = TOUCHES | JUMPS | CALLS | if NUMBERS { NUMBER } else { 0 };
    // Behind that, not all bytes of an instruction may be there.
    let limit = begun.len().min((code.len() + 1).saturating_sub(WINDOW));
    let stopped = loop {
        if here >= limit || count >= MOST {
            break end(here, count, begun);
        }
        begun[here] = 1;
        let word = first_word(&code[here..]);
        let mut entry = entry_of(word);
        if entry & (RARE | ENDS) != 0 {
            if entry & RARE != 0 {
                match rare::<NUMBERS>(word) {
                    Some(found) => entry = found,
                    None => break End::Unread,
                }
            }
            if entry & ENDS != 0 {
                leads.list[count] = Lead::new(here, entry);
                count += usize::from(entry & wanted != 0);
                here += usize::from(entry & LENGTH);
                break End::Gone;
            }
        }
        leads.list[count] = Lead::new(here, entry);
        count += usize::from(entry & wanted != 0);
        here += usize::from(entry & LENGTH);
    };
    (*at, leads.count) = (here, count);
    stopped
}

/// Why nothing more is read here: near the end of the code `step` has to look.
fn end(here: usize, count: usize, begun: &mut [u8]) -> End {
    match begun.get_mut(here) {
        Some(begun) if count < MOST => {
            *begun = 1;
            End::Unread
        }
        _ => End::Paused,
    }
}

/// The entry of the instruction that begins a word. Both places where its opcode may stand are looked at.
#[inline]
fn entry_of(word: u64) -> u16 {
    let rex = word >> 60 == 0x4;
    let table = select_unpredictable(rex, &ENTRIES[1], &ENTRIES[0]);
    let word = select_unpredictable(rex, word << 8, word);
    let escaped = word >> 56 == 0x0f;
    let (one, two) = (word >> 48, (word >> 40 & 0xffff) + 0x1_0000);
    let number = select_unpredictable(escaped, two, one);
    table[(number & 0x1_ffff) as usize]
}

/// Eight bytes, the first of them at the top.
#[inline]
fn first_word(code: &[u8]) -> u64 {
    code.first_chunk().map_or(0, |eight| u64::from_be_bytes(*eight))
}

/// The entry of what is not read at the first look, of those that are not for `step`.
#[inline(never)]
fn rare<const NUMBERS: bool>(word: u64) -> Option<u16> {
    let prefix = match word >> 56 {
        0x66 => Prefix::Operand16,
        0xf3 => Prefix::Repeat,
        0xf2 => Prefix::RepeatNot,
        _ => Prefix::None,
    };
    let before = u16::from(prefix != Prefix::None);
    let word = word << (8 * before);
    let rex = word >> 60 == 0x4;
    let behind = word << (8 * u32::from(rex));
    let escaped = behind >> 56 == 0x0f;
    let operation = behind << (8 * u32::from(escaped));
    let number = (operation >> 56) as usize;
    if prefix == Prefix::None && rex && !escaped && number & 0xf8 == 0xb8 {
        return loaded::<NUMBERS>(word >> 56 & 8 != 0);
    }
    let entry = entry_of(word);
    if entry == UNREAD || KEPT[usize::from(escaped)][number] & prefix as u8 == 0 {
        return None;
    }
    let entry = entry + before * (1 << PLACE | 1);
    if entry & RARE == 0 || operation >> 40 & 7 != 5 {
        return Some(entry);
    }
    // An operand with an index and without a base: four bytes, which may be an address.
    let place = before + u16::from(rex) + u16::from(escaped) + 3;
    (entry & NUMBER == 0)
        .then_some(entry & !(15 << PLACE) | place << PLACE | NUMBER)
        .map(|entry| entry + 4)
}

/// A number that is loaded into a register, behind a REX prefix: four bytes, or eight, which may be an
/// address only where code stands at fixed places.
fn loaded<const NUMBERS: bool>(is_wide: bool) -> Option<u16> {
    let entry = if is_wide { 10 } else { NUMBER | 2 << PLACE | 6 };
    (!NUMBERS || !is_wide).then_some(entry)
}

/// A prefix that decides what an instruction is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Prefix {
    None = 1,
    /// 66
    Operand16 = 2,
    /// F3
    Repeat = 4,
    /// F2
    RepeatNot = 8,
}

/// Before which prefixes opcodes of one byte and those behind 0F stand as they do without one, with the same
/// length, and are of SSE or SSE2 at most.
static KEPT: [[u8; 256]; 2] = kept();

const fn kept() -> [[u8; 256]; 2] {
    let mut map = [[Prefix::None as u8; 256]; 2];
    let mut op = 0;
    while op < 256 {
        if is_kept_at_16(op) {
            map[0][op] |= Prefix::Operand16 as u8;
        }
        if matches!(op, 0x90 | 0xa4..=0xa7 | 0xaa..=0xaf) {
            map[0][op] |= Prefix::Repeat as u8 | Prefix::RepeatNot as u8;
        }
        if matches!(op, 0x10..=0x17 | 0x1f | 0x28..=0x2f | 0x40..=0x51 | 0x54..=0x76 | 0x7e | 0x7f)
            || matches!(op, 0xa3..=0xa5 | 0xab..=0xad | 0xaf | 0xb3 | 0xb6 | 0xb7 | 0xba..=0xbf)
            || matches!(op, 0xc2 | 0xc4..=0xc6 | 0xd1..=0xef | 0xf1..=0xfe)
        {
            map[1][op] |= Prefix::Operand16 as u8;
        }
        if matches!(op, 0x10 | 0x11 | 0x1e | 0x2a | 0x2c | 0x2d | 0x51..=0x53 | 0x58..=0x5f)
            || matches!(op, 0x6f | 0x70 | 0x7e | 0x7f | 0xbc | 0xc2 | 0xe6)
        {
            map[1][op] |= Prefix::Repeat as u8;
        }
        if matches!(op, 0x10 | 0x11 | 0x2a | 0x2c | 0x2d | 0x51 | 0x58..=0x5a | 0x5c..=0x5f)
            || matches!(op, 0x70 | 0xc2 | 0xe6)
        {
            map[1][op] |= Prefix::RepeatNot as u8;
        }
        op += 1;
    }
    map
}

/// Whether an opcode of one byte has no number that a prefix makes shorter.
const fn is_kept_at_16(op: usize) -> bool {
    match op {
        0x50..=0x5f | 0x90..=0x99 | 0xa4..=0xa8 | 0xaa..=0xaf => true,
        0xf7 | 0xff => false,
        _ => ONE[op] & MODRM != 0 && ONE[op] & (IMM32 | SPECIAL | INVALID) == 0,
    }
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
/// Where the displacement or the number stands, counted from its first byte (the first of four bits).
const PLACE: u32 = 12;

/// `step` reads it.
const UNREAD: u16 = RARE;

/// What is known of an opcode (the high byte of the number) with the byte behind it: first those of one byte,
/// then those behind 0F; and the same behind a REX prefix. An entry counts from the first byte of the
/// instruction.
static ENTRIES: [[u16; 0x2_0000]; 2] = entries();

#[expect(clippy::large_stack_arrays, reason = "it is made while compiling")]
const fn entries() -> [[u16; 0x2_0000]; 2] {
    let operands = operands();
    let mut map = [[UNREAD; 0x2_0000]; 2];
    let mut op = 0;
    while op < 0x400 {
        let (number, escaped, rex) = (op & 0xff, op & 0x100 != 0, op & 0x200 != 0);
        let kind = if escaped { kind_escaped(number) } else { kind(number, rex) };
        let leads = leads(number, escaped);
        let before = if escaped { 1 } else { 0 } + if rex { 1 } else { 0 };
        let mut next = 0;
        while next < 256 {
            let place = &mut map[op >> 9][(op & 0x1ff) << 8 | next];
            let entry = if leads != 0 {
                leads
            } else if kind & INVALID == 0 && (escaped || !is_for_step(number, next)) {
                entry(number, escaped, kind, next, &operands)
            } else {
                UNREAD
            };
            *place = if entry == UNREAD { UNREAD } else { entry + before * (1 << PLACE | 1) };
            next += 1;
        }
        op += 1;
    }
    map
}

const fn entry(op: usize, escaped: bool, kind: u8, next: usize, operands: &[u16; 256]) -> u16 {
    // Only two operations of these groups have an immediate.
    let immediate = match op {
        _ if escaped => (kind & IMM8 != 0) as u16,
        0xf6 if next & 0x30 == 0 => 1,
        0xf7 if next & 0x30 == 0 => 4,
        _ => (if kind & IMM8 != 0 { 1 } else { 0 }) + if kind & IMM32 != 0 { 4 } else { 0 },
    };
    let operand = if kind & MODRM != 0 { operands[next] } else { 0 };
    let length = (operand & LENGTH) + 1 + immediate;
    let is_number = match op {
        _ if escaped => false,
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
const fn leads(op: usize, escaped: bool) -> u16 {
    match op {
        0x80..=0x8f if escaped => JUMPS | 1 << PLACE | 5,
        _ if escaped => 0,
        0x70..=0x7f | 0xe0..=0xe3 => JUMPS | SHORT | 1 << PLACE | 2,
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
        | 0x1e
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
        | 0xc0..=0xc6
        | 0xc8..=0xcf
        | 0xd1..=0xef
        | 0xf1..=0xfe => TWO[op],
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
