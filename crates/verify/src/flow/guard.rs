//! Which parts of a function run only after a question about the processor was answered with yes.
//!
//! Follows feature words through registers, the stack and variables (`walk`), finds the branches
//! that depend on them, and takes away the way that stands for "it has it": what cannot be reached
//! any more is guarded. Does not follow values through the heap.

use iced_x86::FlowControl;

use super::code::{Code, falls_through, jump_target};
use super::knowledge::Knowledge;
use super::walk::{Learned, Walk};
use crate::decode::needs;
use crate::feature::Extensions;
use crate::image::Image;
use crate::scan::Body;

/// A function, divided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Division {
    /// Extensions of what runs in any case.
    pub(super) open: Extensions,
    /// Extensions of what runs only where the processor has something.
    pub(super) guarded: Extensions,
    /// Where each part goes. Sorted.
    pub(super) open_calls: Vec<u64>,
    pub(super) guarded_calls: Vec<u64>,
    /// What each part touches. Sorted.
    pub(super) open_touches: Vec<u64>,
    pub(super) guarded_touches: Vec<u64>,
}

/// Divides a function, and tells what was learned on the way. `None` where no branch and no choice
/// depends on the processor: all of it runs in any case.
pub(super) fn divide(
    image: &Image<'_>,
    body: &Body,
    at: usize,
    known: &Knowledge,
) -> (Option<Division>, Learned) {
    let function = &image.functions()[at];
    let code = Code::read(image, function, body);
    let mut walk = Walk::new(image, known, at, &code);
    walk.run();
    if !walk.asks() {
        return (None, walk.learned);
    }
    let open = reachable(&code, &walk, false);
    walk.learn_from_branches(&dependent(&open, &reachable(&code, &walk, true)));
    let mut division = Division::default();
    for (index, instruction) in code.instructions.iter().enumerate() {
        let extensions = needs::extensions(instruction.code());
        let outside = jump_target(instruction).filter(|to| code.number_at(*to).is_none());
        let touch = walk.touch(index);
        let is_chosen = walk.chosen.contains(&index);
        let leads_away = walk.way(index) == Some(Way::Taken);
        if open[index] {
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
    division.settle();
    (Some(division), walk.learned)
}

impl Division {
    fn settle(&mut self) {
        for list in [
            &mut self.open_calls,
            &mut self.guarded_calls,
            &mut self.open_touches,
            &mut self.guarded_touches,
        ] {
            list.sort_unstable();
            list.dedup();
        }
    }
}

/// What runs after one answer only.
fn dependent(without_yes: &[bool], without_no: &[bool]) -> Vec<bool> {
    without_yes.iter().zip(without_no).map(|(yes, no)| yes != no).collect()
}

/// Instructions that are reached without any way that stands for a yes, or with `inverted` for a no.
fn reachable(code: &Code, walk: &Walk<'_, '_>, inverted: bool) -> Vec<bool> {
    let mut reached = vec![false; code.instructions.len()];
    let mut cases = cases(code);
    let mut pending = vec![0];
    while let Some(at) = pending.pop() {
        let Some(instruction) = code.instructions.get(at) else { continue };
        if std::mem::replace(&mut reached[at], true) {
            continue;
        }
        if instruction.flow_control() == FlowControl::IndirectBranch {
            pending.append(&mut cases);
        }
        let away = walk.way(at).map(|way| if inverted { way.other() } else { way });
        if falls_through(instruction) && away != Some(Way::Through) {
            pending.extend(code.number_at(instruction.next_ip()));
        }
        let is_call = instruction.flow_control() == FlowControl::Call;
        if let Some(target) =
            jump_target(instruction).filter(|_| !is_call && away != Some(Way::Taken))
        {
            pending.extend(code.number_at(target));
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

/// What only a jump by table can reach.
fn cases(code: &Code) -> Vec<usize> {
    let mut led_to = vec![false; code.instructions.len()];
    for instruction in &code.instructions {
        let next = falls_through(instruction).then(|| instruction.next_ip());
        for to in next.into_iter().chain(jump_target(instruction)) {
            if let Some(number) = code.number_at(to) {
                led_to[number] = true;
            }
        }
    }
    let alone = led_to.iter().enumerate().filter(|(_, led_to)| !**led_to);
    alone.map(|(at, _)| at).collect()
}
