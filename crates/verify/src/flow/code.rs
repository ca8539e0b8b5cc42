//! The instructions of one function, fully decoded, with their places.
//!
//! Does not know what they are asked for.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};

use crate::image::{Function, Image};
use crate::scan;

/// A function's instructions in the order of their addresses.
pub(super) struct Code {
    start: u64,
    pub(super) instructions: Vec<Instruction>,
    /// For each byte, one more than the number of the instruction that begins there; 0 for none.
    numbers: Vec<u32>,
}

impl Code {
    /// Reads a function.
    pub(super) fn read(image: &Image<'_>, function: &Function<'_>) -> Self {
        let bytes = scan::bytes_of(image, function);
        let places = scan::instructions(image, function);
        // Decoded in place: an instruction is large.
        let mut instructions = vec![Instruction::default(); places.len()];
        let mut count = 0;
        let mut numbers = vec![0; bytes.len()];
        let mut decoder = Decoder::with_ip(64, bytes, function.start, DecoderOptions::NONE);
        for at in places {
            // Only positions behind the end are errors, and there are none.
            if decoder.set_position(at).is_ok() {
                decoder.set_ip(function.start + at as u64);
                decoder.decode_out(&mut instructions[count]);
                count += 1;
                numbers[at] = u32::try_from(count).unwrap_or(0);
            }
        }
        instructions.truncate(count);
        Self { start: function.start, instructions, numbers }
    }

    /// The number of the instruction at an address.
    pub(super) fn number_at(&self, address: u64) -> Option<usize> {
        let at = usize::try_from(address.checked_sub(self.start)?).ok()?;
        usize::try_from(*self.numbers.get(at)?).ok()?.checked_sub(1)
    }
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
