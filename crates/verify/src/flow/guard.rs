//! Which parts of a function run only after a question about the processor was answered with yes.
//!
//! Follows feature words through registers, the stack and variables (`walk`), finds the branches
//! that depend on them, and takes away the way that stands for "it has it": what cannot be reached
//! any more is guarded. Does not follow values through the heap.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};

use super::knowledge::Knowledge;
use super::walk::{Learned, Walk};
use crate::decode::needs;
use crate::feature::Extensions;
use crate::image::{Function, Image};
use crate::scan;

/// A function, divided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Division {
    /// Extensions of what runs in any case.
    pub(super) open: Extensions,
    /// Extensions of what runs only where the processor has something.
    pub(super) guarded: Extensions,
    pub(super) open_calls: BTreeSet<u64>,
    pub(super) guarded_calls: BTreeSet<u64>,
    pub(super) open_touches: BTreeSet<u64>,
    pub(super) guarded_touches: BTreeSet<u64>,
    /// Whether any branch or choice depends on the processor.
    pub(super) asks: bool,
}

/// A function's instructions in the order of their addresses.
pub(super) fn decode(image: &Image<'_>, function: &Function) -> Vec<Instruction> {
    let bytes = scan::bytes_of(image, function);
    let mut found = Vec::new();
    for at in scan::instructions(image, function) {
        let address = function.start + at as u64;
        let mut instruction = Instruction::default();
        Decoder::with_ip(64, &bytes[at..], address, DecoderOptions::NONE)
            .decode_out(&mut instruction);
        found.push(instruction);
    }
    found
}

/// Divides a function, and tells what was learned on the way.
pub(super) fn divide(image: &Image<'_>, at: usize, known: &Knowledge) -> (Division, Learned) {
    let function = &image.functions[at];
    let code = decode(image, function);
    let mut walk = Walk::new(image, known, at, &code);
    walk.run();
    let open = reachable(&code, &walk, false);
    walk.learn_from_branches(&dependent(&open, &reachable(&code, &walk, true)));
    let mut division = Division {
        asks: !walk.taken_away.is_empty() || !walk.chosen.is_empty(),
        ..Division::default()
    };
    for (index, instruction) in code.iter().enumerate() {
        let is_open = open[index];
        let extensions = needs::extensions(instruction.code());
        let outside = jump_target(instruction).filter(|to| !inside(function, *to));
        let touch = walk.touches.get(&index).copied();
        let is_chosen = walk.chosen.contains(&index);
        let leads_away = walk.taken_away.get(&index) == Some(&Way::Taken);
        if is_open {
            division.open = division.open.union(extensions);
            let calls =
                if leads_away { &mut division.guarded_calls } else { &mut division.open_calls };
            calls.extend(outside);
            let touches =
                if is_chosen { &mut division.guarded_touches } else { &mut division.open_touches };
            touches.extend(touch);
        } else {
            division.guarded = division.guarded.union(extensions);
            division.guarded_calls.extend(outside);
            division.guarded_touches.extend(touch);
        }
    }
    (division, walk.learned)
}

fn inside(function: &Function, address: u64) -> bool {
    function.start <= address && address < function.end
}

/// Where a direct call or jump goes.
pub(super) fn jump_target(instruction: &Instruction) -> Option<u64> {
    match instruction.flow_control() {
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch | FlowControl::Call
            if instruction.near_branch_target() != 0 =>
        {
            Some(instruction.near_branch_target())
        }
        _ => None,
    }
}

/// Whether control can go on to the next instruction.
pub(super) fn falls_through(instruction: &Instruction) -> bool {
    !matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Return
            | FlowControl::Exception
    )
}

/// What runs after one answer only.
fn dependent(without_yes: &[bool], without_no: &[bool]) -> Vec<bool> {
    without_yes.iter().zip(without_no).map(|(yes, no)| yes != no).collect()
}

/// Instructions that are reached without any way that stands for a yes, or with `inverted` for a no.
fn reachable(code: &[Instruction], walk: &Walk<'_, '_>, inverted: bool) -> Vec<bool> {
    let index: BTreeMap<u64, usize> = code.iter().enumerate().map(|(at, i)| (i.ip(), at)).collect();
    let mut reached = vec![false; code.len()];
    let mut pending = entries(code, &index);
    while let Some(at) = pending.pop() {
        let Some(instruction) = code.get(at) else { continue };
        if std::mem::replace(&mut reached[at], true) {
            continue;
        }
        let away = walk.taken_away.get(&at).map(|way| if inverted { way.other() } else { *way });
        if falls_through(instruction) && away != Some(Way::Through) {
            pending.extend(index.get(&instruction.next_ip()));
        }
        let is_call = instruction.flow_control() == FlowControl::Call;
        if let Some(target) =
            jump_target(instruction).filter(|_| !is_call && away != Some(Way::Taken))
        {
            pending.extend(index.get(&target));
        }
    }
    reached
}

/// The two ways of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The jump.
    Taken,
    /// The next instruction.
    Through,
}

impl Way {
    const fn other(self) -> Self {
        match self {
            Self::Taken => Self::Through,
            Self::Through => Self::Taken,
        }
    }
}

/// The beginning, and what only a jump by table can reach.
fn entries(code: &[Instruction], index: &BTreeMap<u64, usize>) -> Vec<usize> {
    let mut led_to = BTreeSet::new();
    for instruction in code {
        if falls_through(instruction) {
            led_to.insert(instruction.next_ip());
        }
        led_to.extend(jump_target(instruction).filter(|to| index.contains_key(to)));
    }
    let alone = code.iter().enumerate().filter(|(_, i)| !led_to.contains(&i.ip()));
    let mut found: Vec<_> = alone.map(|(at, _)| at).collect();
    found.push(0);
    found
}
