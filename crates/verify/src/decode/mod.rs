//! One x86-64 instruction at a time, no further than is needed: its length, where it goes, what it
//! touches, and which extensions it needs.
//!
//! Three times as fast as a full decode, against which the tests hold it. Does not know functions,
//! and nothing of operands but addresses that are written in the instruction.

mod length;
pub(crate) mod needs;
pub(crate) mod quick;

use length::follow::{IMM8, IMM32, INVALID, MODRM, SPECIAL};
use needs::{BASELINE, NONE, Opcode, SetId};

/// Reads the tables of the full decoder, which takes as long as to read half a megabyte of code. Whoever
/// decodes first does the same.
pub(crate) fn get_ready() {
    needs::asked(&[0x90]);
}

/// Where control goes after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// To the next instruction.
    Next,
    /// To the next one or there.
    Branch(u64),
    /// There.
    Jump(u64),
    /// To where a register or memory says.
    JumpIndirect,
    /// There, and back.
    Call(u64),
    /// To where a register or memory says, and back.
    CallIndirect,
    /// Nowhere: return or trap.
    Stop,
    /// To the next one, having asked what the processor is (`cpuid`, `xgetbv`).
    Identify,
}

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Bytes.
    pub(crate) length: usize,
    /// Where control goes.
    pub(crate) flow: Flow,
    /// Extensions that it needs.
    pub(crate) set: SetId,
    /// The address that it touches or takes relative to itself; 0 for none.
    pub(crate) near: u64,
    /// A number in it that may be an address where code stands at fixed places; 0 for none.
    pub(crate) fixed: u64,
    /// Whether it reads the thread's canary (`fs:0x28`).
    pub(crate) canary: bool,
}

/// What prefixes say.
#[derive(Clone, Copy, Default)]
struct Prefixes {
    operand16: bool,
    address32: bool,
    /// 0 none, 2 F3, 3 F2, as VEX counts them.
    repeat: u8,
    wide: bool,
    fs: bool,
}

impl Prefixes {
    const fn mandatory(self) -> u8 {
        if self.repeat != 0 { self.repeat } else { self.operand16 as u8 }
    }
}

/// Decodes the instruction at `at` of code that begins at address `base`. `None` where there is no
/// instruction.
#[inline]
pub(crate) fn step(code: &[u8], at: usize, base: u64) -> Option<Step> {
    let bytes = code.get(at..)?;
    let (prefixes, taken) = prefixes(bytes)?;
    let here = base.wrapping_add(at as u64);
    let opcode = *bytes.get(taken)?;
    match opcode {
        0x0f => behind_escape(bytes, taken, prefixes, here),
        0xc4 | 0xc5 => vex(bytes, taken, here),
        0x62 => evex(bytes, taken, here),
        0x8f if bytes.get(taken + 1)? & 0x1f >= 8 => xop(bytes, here),
        _ => one_byte(bytes, taken, opcode, prefixes, here),
    }
}

#[inline]
fn prefixes(bytes: &[u8]) -> Option<(Prefixes, usize)> {
    let mut found = Prefixes::default();
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            0x66 => found.operand16 = true,
            0x67 => found.address32 = true,
            0xf3 => found.repeat = 2,
            0xf2 => found.repeat = 3,
            0x64 => found.fs = true,
            0x26 | 0x2e | 0x36 | 0x3e | 0x65 | 0xf0 => {}
            rex @ 0x40..=0x4f => {
                let next = *bytes.get(at + 1)?;
                let is_last = !is_prefix(next);
                found.wide = rex & 8 != 0 && is_last;
                at += 1;
                if is_last {
                    return Some((found, at));
                }
                continue;
            }
            _ => return Some((found, at)),
        }
        at += 1;
        if at > 14 {
            return None;
        }
    }
}

const fn is_prefix(byte: u8) -> bool {
    matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3)
}

/// An instruction that only moves on.
const fn plain(length: usize, set: SetId) -> Step {
    Step { length, flow: Flow::Next, set, near: 0, fixed: 0, canary: false }
}

/// Adds the memory operand at `at`, behind which `immediate` bytes follow.
#[inline]
fn with_memory(
    bytes: &[u8],
    at: usize,
    immediate: usize,
    here: u64,
    step: &mut Step,
) -> Option<()> {
    let (taken, relative) = length::modrm(bytes, at)?;
    step.length = at + taken + immediate;
    if relative {
        let displacement = read_i32(bytes, at + 1)?;
        step.near = offset(here, step.length, displacement);
    } else if taken >= 5 {
        let displacement = read_i32(bytes, at + taken - 4)?;
        // Where code stands at fixed places, tables are reached by their address.
        step.fixed = positive(displacement);
    }
    Some(())
}

fn offset(here: u64, length: usize, displacement: i32) -> u64 {
    here.wrapping_add(length as u64).wrapping_add_signed(i64::from(displacement))
}

fn positive(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn read_i32(bytes: &[u8], at: usize) -> Option<i32> {
    let four = bytes.get(at..at + 4)?;
    Some(i32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

/// A return, or a jump or call whose target stands in it: its bytes and where control goes. `None` for
/// everything else.
#[inline]
fn jump(bytes: &[u8], here: u64) -> Option<(usize, Flow)> {
    let opcode = *bytes.first()?;
    let is_short = matches!(opcode, 0x70..=0x7f | 0xe0..=0xe3 | 0xeb);
    let (length, to) = match opcode {
        0xc3 => return Some((1, Flow::Stop)),
        0xe8 | 0xe9 => target(bytes, 1, false, here)?,
        0x0f if matches!(bytes.get(1), Some(0x80..=0x8f)) => target(bytes, 2, false, here)?,
        _ if is_short => target(bytes, 1, true, here)?,
        _ => return None,
    };
    let flow = match opcode {
        0xe8 => Flow::Call(to),
        0xe9 | 0xeb => Flow::Jump(to),
        _ => Flow::Branch(to),
    };
    Some((length, flow))
}

/// A relative target: one byte at `at`, or four.
#[inline]
fn target(bytes: &[u8], at: usize, is_short: bool, here: u64) -> Option<(usize, u64)> {
    if is_short {
        let displacement = i32::from(bytes.get(at)?.cast_signed());
        return Some((at + 1, offset(here, at + 1, displacement)));
    }
    Some((at + 4, offset(here, at + 4, read_i32(bytes, at)?)))
}

#[inline]
fn one_byte(bytes: &[u8], at: usize, opcode: u8, prefixes: Prefixes, here: u64) -> Option<Step> {
    let kind = length::ONE[usize::from(opcode)];
    if kind & INVALID != 0 {
        return None;
    }
    let at = at + 1;
    if kind & SPECIAL != 0 {
        return special(bytes, at, opcode, prefixes, here);
    }
    let mut step = plain(at, BASELINE);
    let immediate = immediate(kind, prefixes);
    if kind & MODRM != 0 {
        with_memory(bytes, at, immediate, here, &mut step)?;
        step.canary = prefixes.fs && is_canary(bytes, at);
        if opcode == 0xc7 && step.near == 0 && immediate == 4 {
            step.fixed = positive(read_i32(bytes, step.length - 4)?);
        }
        // `fisttp` came with SSE3.
        if opcode & 0xf9 == 0xd9 && bytes[at] >> 3 & 7 == 1 {
            step.set = needs::asked(bytes).0;
        }
        // C6 F8 and C7 F8 belong to transactions.
        if (opcode == 0xc6 || opcode == 0xc7) && bytes[at] == 0xf8 {
            return full(bytes, here);
        }
    } else {
        step.length = at + immediate;
        if opcode == 0x68 && immediate == 4 {
            step.fixed = positive(read_i32(bytes, at)?);
        }
    }
    bytes.get(step.length - 1)?;
    Some(step)
}

fn immediate(kind: u8, prefixes: Prefixes) -> usize {
    let word = if prefixes.operand16 && !prefixes.wide { 2 } else { 4 };
    usize::from(kind & IMM8 != 0) + if kind & IMM32 != 0 { word } else { 0 }
}

/// `[0x28]` behind an FS prefix.
fn is_canary(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at..at + 6), Some([modrm, 0x25, 0x28, 0, 0, 0]) if modrm & 0xc7 == 4)
}

/// Opcodes that branch, or whose length no flag tells.
fn special(bytes: &[u8], at: usize, opcode: u8, prefixes: Prefixes, here: u64) -> Option<Step> {
    let mut step = plain(at, BASELINE);
    match opcode {
        0x70..=0x7f | 0xc3 | 0xe0..=0xe3 | 0xe8 | 0xe9 | 0xeb => {
            return jump_behind(bytes, at - 1, here);
        }
        0xa0..=0xa3 => step.length += if prefixes.address32 { 4 } else { 8 },
        0xb8..=0xbf => load_immediate(bytes, at, prefixes, &mut step)?,
        0xc2 | 0xca => {
            step.length += 2;
            step.flow = Flow::Stop;
        }
        0xcb | 0xcc | 0xcf | 0xf4 => step.flow = Flow::Stop,
        0xc8 => step.length += 3,
        0xf6 | 0xf7 => {
            let tests = bytes.get(at)? >> 3 & 7 < 2;
            let kind = if opcode == 0xf6 { IMM8 } else { IMM32 };
            let immediate = if tests { immediate(kind, prefixes) } else { 0 };
            with_memory(bytes, at, immediate, here, &mut step)?;
        }
        _ => {
            with_memory(bytes, at, 0, here, &mut step)?;
            match bytes[at] >> 3 & 7 {
                2 | 3 => step.flow = Flow::CallIndirect,
                4 | 5 => step.flow = Flow::JumpIndirect,
                7 => return None,
                _ => {}
            }
        }
    }
    bytes.get(step.length - 1)?;
    Some(step)
}

/// A jump behind prefixes.
fn jump_behind(bytes: &[u8], prefixes: usize, here: u64) -> Option<Step> {
    let (length, flow) = jump(&bytes[prefixes..], here.wrapping_add(prefixes as u64))?;
    Some(Step { flow, ..plain(prefixes + length, BASELINE) })
}

fn load_immediate(bytes: &[u8], at: usize, prefixes: Prefixes, step: &mut Step) -> Option<()> {
    let length = match (prefixes.wide, prefixes.operand16) {
        (true, _) => 8,
        (false, true) => 2,
        (false, false) => 4,
    };
    let mut value = [0; 8];
    value[..length].copy_from_slice(bytes.get(at..at + length)?);
    step.length += length;
    step.fixed = if length == 2 { 0 } else { u64::from_le_bytes(value) };
    Some(())
}

#[inline]
fn behind_escape(bytes: &[u8], at: usize, prefixes: Prefixes, here: u64) -> Option<Step> {
    let opcode = *bytes.get(at + 1)?;
    let (map, opcode, at) = match opcode {
        0x38 => (2, *bytes.get(at + 2)?, at + 3),
        0x3a => (3, *bytes.get(at + 2)?, at + 3),
        _ => (1, opcode, at + 2),
    };
    let kind = match map {
        1 => length::TWO[usize::from(opcode)],
        2 => MODRM,
        _ => MODRM | IMM8,
    };
    if kind & INVALID != 0 {
        return None;
    }
    if map == 1 && (kind & SPECIAL != 0 || matches!(opcode, 0x0f | 0x78 | 0x01 | 0xb9 | 0xff)) {
        return special_behind_escape(bytes, at, opcode, here);
    }
    let mut step = plain(at, BASELINE);
    let mut modrm = 0;
    if kind & MODRM != 0 {
        modrm = *bytes.get(at)?;
        with_memory(bytes, at, usize::from(kind & IMM8 != 0), here, &mut step)?;
    }
    bytes.get(step.length - 1)?;
    let prefix = prefixes.mandatory();
    step.set =
        needs::legacy(Opcode { map, prefix, wide: prefixes.wide, byte: opcode, modrm }, bytes);
    (step.set != NONE).then_some(step)
}

fn special_behind_escape(bytes: &[u8], at: usize, opcode: u8, here: u64) -> Option<Step> {
    match opcode {
        0x0b => Some(Step { flow: Flow::Stop, ..plain(at, BASELINE) }),
        0xa2 => Some(Step { flow: Flow::Identify, ..plain(at, BASELINE) }),
        0x80..=0x8f => jump_behind(bytes, at - 2, here),
        // xgetbv
        0x01 if bytes.get(at) == Some(&0xd0) => {
            Some(Step { flow: Flow::Identify, ..plain(at + 1, BASELINE) })
        }
        // ud1 and ud0
        0xb9 | 0xff => full(bytes, here).map(|step| Step { flow: Flow::Stop, ..step }),
        _ => full(bytes, here),
    }
}

fn vex(bytes: &[u8], at: usize, here: u64) -> Option<Step> {
    let is_long = bytes[at] == 0xc4;
    let first = *bytes.get(at + 1)?;
    let (map, last, at) =
        if is_long { (first & 0x1f, *bytes.get(at + 2)?, at + 3) } else { (1, first, at + 2) };
    let wide = is_long && last & 0x80 != 0;
    let byte = *bytes.get(at)?;
    let has_immediate = match map {
        1 => length::TWO[usize::from(byte)] & IMM8 != 0,
        2 => false,
        3 => true,
        _ => return full(bytes, here),
    };
    let mut step = plain(at + 1, NONE);
    let mut modrm = 0;
    if map != 1 || byte != 0x77 {
        modrm = *bytes.get(at + 1)?;
        with_memory(bytes, at + 1, usize::from(has_immediate), here, &mut step)?;
    }
    bytes.get(step.length - 1)?;
    let opcode = Opcode { map, prefix: last & 3, wide, byte, modrm };
    step.set = needs::vex(opcode, last & 4 != 0, bytes);
    (step.set != NONE).then_some(step)
}

fn evex(bytes: &[u8], at: usize, here: u64) -> Option<Step> {
    let (first, second, third) = (*bytes.get(at + 1)?, *bytes.get(at + 2)?, *bytes.get(at + 3)?);
    let map = first & 7;
    let byte = *bytes.get(at + 4)?;
    let has_immediate = match map {
        1 => length::TWO[usize::from(byte)] & IMM8 != 0,
        2 | 5 | 6 => false,
        3 => true,
        _ => return None,
    };
    let modrm = *bytes.get(at + 5)?;
    let mut step = plain(at + 5, NONE);
    with_memory(bytes, at + 5, usize::from(has_immediate), here, &mut step)?;
    bytes.get(step.length - 1)?;
    let opcode = Opcode { map, prefix: second & 3, wide: second & 0x80 != 0, byte, modrm };
    step.set = needs::evex(opcode, third >> 4, bytes);
    (step.set != NONE).then_some(step)
}

fn xop(bytes: &[u8], here: u64) -> Option<Step> {
    full(bytes, here)
}

/// What is too rare for a table. Its operands are never relative addresses that matter.
fn full(bytes: &[u8], _here: u64) -> Option<Step> {
    let (set, length) = needs::asked(&bytes[..bytes.len().min(15)]);
    (set != NONE).then(|| plain(length, set))
}

#[cfg(test)]
mod tests;
