//! The instructions of one function, fully decoded, with their places.
//!
//! Does not know what they are asked for.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};

use crate::image::{Function, Image};
use crate::scan::{self, Body};

/// A function's instructions in the order of their addresses.
pub(super) struct Code {
    start: u64,
    pub(super) instructions: Vec<Instruction>,
    /// A bit for each byte: an instruction begins there.
    begun: Vec<u64>,
    /// How many instructions begin before each of these words.
    before: Vec<u32>,
}

impl Code {
    /// Reads a function.
    pub(super) fn read(image: &Image<'_>, function: &Function<'_>, body: &Body) -> Self {
        let bytes = scan::bytes_of(image, function);
        let mut decoder = Decoder::with_ip(64, bytes, function.start, DecoderOptions::NONE);
        let mut code = Self {
            start: function.start,
            instructions: Vec::with_capacity(bytes.len() / 4),
            begun: Vec::new(),
            before: Vec::new(),
        };
        // Where a scan met instructions only, each begins where the one before it ends.
        if body.broken || body.decoded as usize != bytes.len() || !code.in_line(&mut decoder) {
            code.at_places(&mut decoder, scan::instructions(image, function));
        }
        let sums = code.begun.iter().scan(0, |sum, word| {
            *sum += word.count_ones();
            Some(*sum)
        });
        code.before = std::iter::once(0).chain(sums).collect();
        code
    }

    /// Decodes instructions that follow each other up to the very end; false where they do not.
    fn in_line(&mut self, decoder: &mut Decoder<'_>) -> bool {
        self.begun = vec![0; decoder.max_position().div_ceil(64)];
        while decoder.can_decode() {
            let at = decoder.position();
            self.begun[at / 64] |= 1 << (at % 64);
            self.instructions.push(Instruction::default());
            let Some(last) = self.instructions.last_mut() else { return false };
            decoder.decode_out(last);
            if last.is_invalid() {
                return false;
            }
        }
        true
    }

    /// Decodes instructions that begin at the places of some bits.
    fn at_places(&mut self, decoder: &mut Decoder<'_>, begun: Vec<u64>) {
        self.instructions.clear();
        for (number, word) in begun.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                let at = number * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                // Only positions behind the end are errors, and there are none.
                if decoder.position() != at && decoder.set_position(at).is_ok() {
                    decoder.set_ip(self.start + at as u64);
                }
                self.instructions.push(decoder.decode());
            }
        }
        self.begun = begun;
    }

    /// The number of the instruction at an address.
    pub(super) fn number_at(&self, address: u64) -> Option<usize> {
        let at = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let (word, bit) = (self.begun.get(at / 64)?, 1 << (at % 64));
        let before = word & (bit - 1);
        (word & bit != 0).then(|| (self.before[at / 64] + before.count_ones()) as usize)
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
