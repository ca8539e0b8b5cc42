//! What registers, flags and stack slots hold at a place, as far as the processor's features go.
//!
//! Does not know values; only whether something is a feature word, an address that was taken, or
//! anything else.

use std::collections::BTreeMap;

use iced_x86::Register;

/// What a place holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Held {
    /// Anything.
    #[default]
    Other,
    /// Something that was found out about the processor; `inverted` where a bit means "lacks",
    /// `refers` where it may also be the address of a table of answers.
    Feature { inverted: bool, refers: bool },
    /// What the caller passed in one of the registers for arguments, by its number among them.
    Argument(u8),
    /// An address, and the instruction that took it.
    Address { target: u64, taken_by: usize },
    /// An address on the stack.
    Stack(i64),
}

impl Held {
    /// An answer, and nothing else.
    pub(super) const FEATURE: Self = Self::feature(false);
    /// An answer, or the address of several.
    pub(super) const ANSWERS: Self = Self::Feature { inverted: false, refers: true };

    /// An answer whose bits mean "lacks" if `inverted`.
    pub(super) const fn feature(inverted: bool) -> Self {
        Self::Feature { inverted, refers: false }
    }

    pub(super) const fn is_feature(self) -> bool {
        matches!(self, Self::Feature { .. })
    }

    /// Of two sources, the one that tells more.
    pub(super) const fn or(self, other: Self) -> Self {
        if other.is_feature() { other } else { self }
    }
}

/// What the flags tell of a feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flags {
    /// Nothing.
    #[default]
    Other,
    /// Zero means that it is absent (`test`, `and`, comparison with 0).
    Bits { inverted: bool },
    /// Equal or greater means that it is there.
    Compared { inverted: bool },
    /// Carry means that it is there.
    Carry { inverted: bool },
}

/// Everything at one place.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    registers: [Held; 16],
    pub(super) flags: Flags,
    stack: BTreeMap<i64, Held>,
}

fn number(register: Register) -> Option<usize> {
    register.is_gpr().then(|| register.full_register().number())
}

/// Registers that pass the first arguments (System V ABI).
pub(super) const ARGUMENTS: [Register; 6] =
    [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];

/// Registers that a call does not keep.
const CLOBBERED: [Register; 9] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];

/// Registers that a call may pass, a bit for each: all that it does not keep.
pub(super) const PASSED: u16 = 0b0000_1111_1100_0111;

impl State {
    pub(super) fn get(&self, register: Register) -> Held {
        match register.full_register() {
            Register::RSP => Held::Stack(0),
            _ => number(register).map_or(Held::Other, |at| self.registers[at]),
        }
    }

    pub(super) fn set(&mut self, register: Register, held: Held) {
        if let Some(at) = number(register) {
            self.registers[at] = held;
        }
    }

    pub(super) fn slot(&self, at: i64) -> Held {
        self.stack.get(&at).copied().unwrap_or_default()
    }

    pub(super) fn set_slot(&mut self, at: i64, held: Held) {
        if held == Held::Other {
            self.stack.remove(&at);
        } else {
            self.stack.insert(at, held);
        }
    }

    /// A bit for each register that holds an answer.
    pub(super) fn features(&self) -> u16 {
        let bits = self.registers.iter().enumerate().filter(|(_, held)| held.is_feature());
        bits.fold(0, |mask, (at, _)| mask | 1 << at)
    }

    /// The state at the beginning of a function that gets answers in these registers.
    pub(super) fn given(mask: u16) -> Self {
        let mut state = Self::default();
        for (argument, register) in (0..).zip(ARGUMENTS) {
            state.set(register, Held::Argument(argument));
        }
        for (at, held) in state.registers.iter_mut().enumerate() {
            if mask >> at & 1 == 1 {
                *held = Held::ANSWERS;
            }
        }
        state
    }

    /// A call happened.
    pub(super) fn clobber(&mut self) {
        for register in CLOBBERED {
            self.set(register, Held::Other);
        }
        self.flags = Flags::Other;
    }

    /// Registers that hold addresses, with the instructions that took them.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.registers.iter().enumerate().filter_map(|(at, held)| match held {
            Held::Address { taken_by, .. } => Some((at, *taken_by)),
            _ => None,
        })
    }

    /// Two ways meet: what either knows of features stays known.
    pub(super) fn meet(&mut self, other: &Self) {
        for (own, others) in self.registers.iter_mut().zip(&other.registers) {
            *own = own.or(*others);
        }
        for (at, held) in &other.stack {
            if held.is_feature() {
                self.stack.insert(*at, *held);
            }
        }
    }
}
