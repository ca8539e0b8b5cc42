//! One walk over a function in the order of its addresses, with what is known of every register.
//!
//! Where ways meet, what either knows of features stays known; a second walk is not needed for the
//! shapes that compilers give to questions about the processor. Does not say what is reached.

use std::collections::btree_map::OccupiedEntry;
use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::code::{Code, falls_through, jump_target};
use super::guard::Way;
use super::knowledge::Knowledge;
use super::polarity;
use super::state::{self, ARGUMENTS, Held, State};
use crate::image::{Image, Slot, names};

/// What a walk found out about the rest of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Learned {
    /// Variables that an answer was written to: address and bytes.
    pub(super) variables: BTreeSet<(u64, u64)>,
    /// Addresses that were given to functions which write answers.
    pub(super) filled: BTreeSet<u64>,
    /// It returns an answer.
    pub(super) returns: bool,
    /// It writes answers where arguments point: a bit for each argument, `ON_STACK` for all that Go
    /// passes there.
    pub(super) fills: u8,
    /// Functions that get answers, with a bit for each register that holds one.
    pub(super) given: BTreeMap<usize, u16>,
    /// Places in structures that an answer was written to.
    pub(super) fields: BTreeSet<i64>,
}

/// The bit of `Learned::fills` for results on the stack, after those of the arguments.
const ON_STACK: u8 = 1 << 6;

/// A function of at most so many instructions may be nothing but a question.
const SMALL: usize = 64;

/// The walk.
pub(super) struct Walk<'i, 'a> {
    image: &'i Image<'a>,
    known: &'i Knowledge,
    function: usize,
    code: &'i Code,
    state: State,
    /// Whether it has asked the processor itself.
    identifies: bool,
    /// States of branches, for the instructions that they go to.
    ahead: BTreeMap<usize, Box<State>>,
    /// For each instruction that is a branch which depends on a feature, the way that stands for a yes.
    taken_away: Vec<Option<Way>>,
    /// Instructions that take an address which is then chosen by a feature.
    pub(super) chosen: BTreeSet<usize>,
    /// The address that each instruction touches or takes; 0 for none.
    touches: Vec<u64>,
    pub(super) learned: Learned,
}

impl<'i, 'a> Walk<'i, 'a> {
    pub(super) fn new(
        image: &'i Image<'a>,
        known: &'i Knowledge,
        function: usize,
        code: &'i Code,
    ) -> Self {
        let state = State::given(known.given.get(&function).copied().unwrap_or(0));
        Self {
            image,
            known,
            function,
            code,
            state,
            identifies: false,
            ahead: BTreeMap::new(),
            taken_away: vec![None; code.instructions.len()],
            chosen: BTreeSet::new(),
            touches: vec![0; code.instructions.len()],
            learned: Learned::default(),
        }
    }

    pub(super) fn run(&mut self) {
        let mut flows_in = true;
        let code = self.code;
        for (at, instruction) in code.instructions.iter().enumerate() {
            let first = self.ahead.first_entry().filter(|first| *first.key() == at);
            match first.map(OccupiedEntry::remove) {
                Some(state) if flows_in => self.state.meet(&state),
                Some(state) => self.state = *state,
                None if flows_in => {}
                None => self.state = State::default(),
            }
            self.take(at, instruction);
            flows_in = falls_through(instruction);
        }
    }

    /// Whether any branch or choice depends on the processor.
    pub(super) fn asks(&self) -> bool {
        !self.chosen.is_empty() || self.taken_away.iter().any(Option::is_some)
    }

    /// For a branch that depends on a feature, the way that stands for a yes.
    pub(super) fn way(&self, at: usize) -> Option<Way> {
        self.taken_away[at]
    }

    /// The address that an instruction touches or takes.
    pub(super) fn touch(&self, at: usize) -> Option<u64> {
        Some(self.touches[at]).filter(|address| *address != 0)
    }

    fn take(&mut self, at: usize, instruction: &Instruction) {
        self.note_touch(at, instruction);
        match instruction.flow_control() {
            FlowControl::ConditionalBranch => self.branch(at, instruction),
            FlowControl::UnconditionalBranch => {
                self.leave(instruction);
            }
            FlowControl::Call | FlowControl::IndirectCall => self.call(instruction),
            FlowControl::Return => {
                self.learned.returns |= self.state.get(Register::RAX).is_feature();
            }
            FlowControl::IndirectBranch | FlowControl::Exception => {}
            _ => self.operate(at, instruction),
        }
    }

    fn note_touch(&mut self, at: usize, instruction: &Instruction) {
        if let Some(address) = fixed_address(instruction) {
            self.touches[at] = address;
        } else if self.image.is_fixed
            && let Some(value) = immediate(instruction)
            && (self.image.code_at(value).is_some() || self.image.data_at(value).is_some())
        {
            self.touches[at] = value;
        }
    }

    fn branch(&mut self, at: usize, instruction: &Instruction) {
        if let Some(way) = polarity::way(instruction.condition_code(), self.state.flags) {
            self.taken_away[at] = Some(way);
            self.choose_hoisted(at, instruction);
        }
        self.leave(instruction);
    }

    /// Keeps the state for where a jump goes, if that lies ahead.
    fn leave(&mut self, instruction: &Instruction) {
        let Some(target) = jump_target(instruction) else { return };
        if let Some(callee) =
            self.image.function_at(target).filter(|callee| *callee != self.function)
        {
            self.learned.returns |= self.known.returning.contains(&callee)
                && instruction.flow_control() == FlowControl::UnconditionalBranch;
            self.give(callee, u16::MAX);
        }
        if let Some(there) = self.code.number_at(target).filter(|_| target > instruction.ip()) {
            match self.ahead.get_mut(&there) {
                Some(kept) => kept.meet(&self.state),
                None => {
                    self.ahead.insert(there, Box::new(self.state.clone()));
                }
            }
        }
    }

    /// `lea rax, [f_avx2]; test …; jne done; lea rax, [f]`: what was taken before the branch is
    /// chosen by it if one of both ways begins by taking something else into the same register.
    fn choose_hoisted(&mut self, at: usize, instruction: &Instruction) {
        let target = jump_target(instruction);
        let there = target.and_then(|to| self.code.number_at(to));
        for way in [Some(at + 1), there].into_iter().flatten() {
            for next in self.code.instructions.iter().skip(way).take(4) {
                if next.op_count() == 0 || next.op0_kind() != OpKind::Register {
                    break;
                }
                let loads = matches!(next.mnemonic(), Mnemonic::Lea | Mnemonic::Mov);
                let written = next.op0_register().full_register();
                let chosen: Vec<_> = self
                    .state
                    .addresses()
                    .filter(|(number, _)| loads && written.is_gpr() && written.number() == *number)
                    .map(|(_, taken_by)| taken_by)
                    .collect();
                self.chosen.extend(chosen);
            }
        }
    }

    /// A number that is written after one answer only stands for the answer.
    pub(super) fn learn_from_branches(&mut self, dependent: &[bool]) {
        let code = &self.code.instructions;
        let is_small = code.len() <= SMALL;
        for (at, instruction) in code.iter().enumerate().filter(|(at, _)| dependent[*at]) {
            let writes_number = matches!(instruction.mnemonic(), Mnemonic::Mov | Mnemonic::Or)
                && !matches!(instruction.op1_kind(), OpKind::Register | OpKind::Memory);
            if writes_number
                && instruction.op0_kind() == OpKind::Memory
                && let Some(address) = fixed_address(instruction)
            {
                self.learned.variables.insert((address, instruction.memory_size().size() as u64));
            }
            let clears = instruction.mnemonic() == Mnemonic::Xor
                && instruction.op1_kind() == OpKind::Register
                && instruction.op0_register() == instruction.op1_register();
            let result = instruction.op0_kind() == OpKind::Register
                && instruction.op0_register().full_register() == Register::RAX;
            self.learned.returns |=
                is_small && result && (writes_number || clears) && self.returns_soon(at);
        }
    }

    /// Whether a function ends shortly after an instruction, with nothing else in the result.
    fn returns_soon(&self, at: usize) -> bool {
        let mut rest = self.code.instructions.iter().skip(at + 1).take(8);
        let ends = rest.find(|next| {
            next.flow_control() != FlowControl::Next
                || next.op_count() > 0
                    && next.op0_kind() == OpKind::Register
                    && next.op0_register().full_register() == Register::RAX
        });
        ends.is_some_and(|end| end.flow_control() == FlowControl::Return)
    }

    fn call(&mut self, instruction: &Instruction) {
        let through = fixed_address(instruction).and_then(|slot| self.image.slots.get(slot));
        let target = match through {
            Some(Slot::Local(target)) => Some(*target),
            _ => jump_target(instruction),
        };
        let callee = target.and_then(|target| self.image.function_at(target));
        if let Some(callee) = callee {
            self.give(callee, state::PASSED);
            if let Some(filled) = self.known.filling.get(&callee) {
                self.fill(*filled);
            }
        }
        let named = matches!(through, Some(Slot::Import(name)) if names::tells_of_processor(name));
        self.state.clobber();
        if named || callee.is_some_and(|callee| self.known.returning.contains(&callee)) {
            self.state.set(Register::RAX, Held::ANSWERS);
            self.state.set(Register::RDX, Held::FEATURE);
        }
    }

    /// Answers in some registers go to the function that is called.
    fn give(&mut self, callee: usize, registers: u16) {
        let mask = self.state.features() & registers;
        if mask != 0 {
            *self.learned.given.entry(callee).or_default() |= mask;
        }
    }

    /// The function that is called writes answers where some arguments point.
    fn fill(&mut self, filled: u8) {
        let arguments = ARGUMENTS.iter().enumerate();
        for (_, register) in arguments.filter(|(argument, _)| filled >> argument & 1 == 1) {
            match self.state.get(*register) {
                Held::Address { target, .. } => {
                    self.learned.filled.insert(target);
                }
                Held::Stack(from) => self.fill_stack(from),
                Held::Argument(own) => self.learned.fills |= 1 << own,
                _ => {}
            }
        }
        if filled & ON_STACK != 0 {
            self.fill_stack(0);
        }
    }

    fn fill_stack(&mut self, from: i64) {
        for at in (0..64).step_by(4) {
            self.state.set_slot(from + at, Held::FEATURE);
        }
    }

    fn operate(&mut self, at: usize, instruction: &Instruction) {
        match instruction.mnemonic() {
            Mnemonic::Cpuid => {
                self.identifies = true;
                for register in [Register::RAX, Register::RBX, Register::RCX, Register::RDX] {
                    self.state.set(register, Held::FEATURE);
                }
            }
            Mnemonic::Xgetbv => {
                self.identifies = true;
                self.state.set(Register::RAX, Held::FEATURE);
                self.state.set(Register::RDX, Held::FEATURE);
            }
            Mnemonic::Lea => self.take_address(at, instruction),
            Mnemonic::Test | Mnemonic::Cmp | Mnemonic::Bt | Mnemonic::Ptest => {
                self.state.flags = polarity::flags(instruction, self.sources(at, instruction));
            }
            Mnemonic::Nop | Mnemonic::Endbr64 | Mnemonic::Push => {}
            _ => self.compute(at, instruction),
        }
    }

    fn take_address(&mut self, at: usize, instruction: &Instruction) {
        let register = instruction.op0_register();
        let base = instruction.memory_base();
        let displacement = instruction.memory_displacement64().cast_signed();
        let held = if let Some(target) = fixed_address(instruction) {
            Held::Address { target, taken_by: at }
        } else if instruction.memory_index() == Register::None {
            match self.state.get(base) {
                Held::Stack(from) => Held::Stack(from.wrapping_add(displacement)),
                Held::Address { target, taken_by } => {
                    Held::Address { target: target.wrapping_add_signed(displacement), taken_by }
                }
                other => other,
            }
        } else {
            self.state.get(base).or(self.state.get(instruction.memory_index()))
        };
        self.state.set(register, held);
    }

    /// Everything that has a destination and sources.
    fn compute(&mut self, at: usize, instruction: &Instruction) {
        // Only general registers and memory are followed, and most code behind questions writes others.
        let is_followed = match instruction.op0_kind() {
            OpKind::Register => instruction.op0_register().is_gpr(),
            _ => true,
        };
        if instruction.op_count() == 0 || !is_followed {
            return;
        }
        let condition = polarity::condition(instruction, self.state.flags);
        let source = self.sources(at, instruction);
        let chooses_address =
            polarity::is_choice(instruction) && condition.is_some() && self.choose(instruction, at);
        let held = match polarity::result(instruction, source, condition) {
            _ if chooses_address => Held::Other,
            Held::Other => self.moved(at, instruction),
            held => held,
        };
        match instruction.op0_kind() {
            OpKind::Register => self.state.set(instruction.op0_register(), held),
            OpKind::Memory => self.store(instruction, held),
            _ => {}
        }
        if polarity::sets_flags(instruction) {
            self.state.flags = polarity::flags(instruction, source);
        }
    }

    /// A plain move keeps what it moves.
    fn moved(&self, at: usize, instruction: &Instruction) -> Held {
        if !matches!(instruction.mnemonic(), Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsxd) {
            return Held::Other;
        }
        match (instruction.op1_kind(), immediate(instruction)) {
            (OpKind::Register, _) => self.state.get(instruction.op1_register()),
            (OpKind::Memory, _) => self.loaded(instruction),
            (_, Some(target)) if self.touch(at).is_some() => Held::Address { target, taken_by: at },
            _ => Held::Other,
        }
    }

    /// What a memory operand holds.
    fn loaded(&self, instruction: &Instruction) -> Held {
        if let Some(address) = fixed_address(instruction) {
            return match self.image.slots.get(address) {
                Some(Slot::Import(_)) if self.known.holds(address) => Held::ANSWERS,
                _ if self.known.holds(address) => Held::FEATURE,
                Some(Slot::Local(target)) => {
                    Held::Address { target: *target, taken_by: usize::MAX }
                }
                _ => Held::Other,
            };
        }
        let displacement = instruction.memory_displacement64().cast_signed();
        match self.state.get(instruction.memory_base()) {
            // Other members of such a table are sizes and addresses.
            Held::Feature { refers: true, .. } if instruction.memory_size().size() <= 4 => {
                Held::FEATURE
            }
            Held::Address { target, .. }
                if self.known.holds(target.wrapping_add_signed(displacement)) =>
            {
                Held::FEATURE
            }
            Held::Stack(from) => self.state.slot(from.wrapping_add(displacement)),
            _ if instruction.memory_base() == Register::RBP => self.state.slot(displacement),
            _ if self.known.is_field(self.function, displacement) => Held::FEATURE,
            _ => Held::Other,
        }
    }

    fn store(&mut self, instruction: &Instruction, held: Held) {
        let displacement = instruction.memory_displacement64().cast_signed();
        let bytes = instruction.memory_size().size() as u64;
        let base = instruction.memory_base();
        let written = fixed_address(instruction).or_else(|| match self.state.get(base) {
            Held::Address { target, .. } => Some(target.wrapping_add_signed(displacement)),
            _ => None,
        });
        match (written, self.state.get(base)) {
            (Some(address), _) if held.is_feature() => {
                self.learned.variables.insert((address, bytes));
            }
            (None, Held::Stack(from)) => {
                let at = from.wrapping_add(displacement);
                if held.is_feature() && self.image.is_go && self.identifies {
                    self.learned.fills |= ON_STACK;
                }
                self.state.set_slot(at, held);
            }
            (None, _) if base == Register::RBP => self.state.set_slot(displacement, held),
            (None, to) if held.is_feature() => {
                if let Held::Argument(argument) = to {
                    self.learned.fills |= 1 << argument;
                }
                if instruction.memory_index() == Register::None {
                    self.learned.fields.insert(displacement);
                }
            }
            _ => {}
        }
    }

    /// All that an instruction reads, together.
    fn sources(&self, _at: usize, instruction: &Instruction) -> Held {
        let mut held = Held::Other;
        let first = usize::from(polarity::only_writes(instruction));
        for operand in first..usize::try_from(instruction.op_count()).unwrap_or(0) {
            let operand = u32::try_from(operand).unwrap_or(0);
            held = held.or(match instruction.op_kind(operand) {
                OpKind::Register => match self.state.get(instruction.op_register(operand)) {
                    feature @ Held::Feature { .. } => feature,
                    _ => Held::Other,
                },
                OpKind::Memory => match self.loaded(instruction) {
                    feature @ Held::Feature { .. } => feature,
                    _ => Held::Other,
                },
                _ => Held::Other,
            });
        }
        held
    }

    /// A conditional move by a feature: both addresses are chosen. Whether there was any.
    fn choose(&mut self, instruction: &Instruction, at: usize) -> bool {
        let before = self.chosen.len();
        let mut met = false;
        for operand in 0..2 {
            match instruction.op_kind(operand) {
                OpKind::Register => {
                    if let Held::Address { taken_by, .. } =
                        self.state.get(instruction.op_register(operand))
                    {
                        self.chosen.insert(taken_by);
                        met = true;
                    }
                }
                OpKind::Memory => {
                    self.chosen.insert(at);
                }
                _ => {}
            }
        }
        met || self.chosen.len() > before
    }
}

/// The address of a memory operand that is written in the instruction.
fn fixed_address(instruction: &Instruction) -> Option<u64> {
    let has_memory =
        (0..instruction.op_count()).any(|at| instruction.op_kind(at) == OpKind::Memory);
    if !has_memory {
        return None;
    }
    if instruction.is_ip_rel_memory_operand() {
        return Some(instruction.ip_rel_memory_address());
    }
    let plain = instruction.memory_base() == Register::None
        && instruction.segment_prefix() == Register::None
        && instruction.memory_displacement64() != 0;
    plain.then(|| instruction.memory_displacement64())
}

/// A number of four or eight bytes in the instruction.
fn immediate(instruction: &Instruction) -> Option<u64> {
    (0..instruction.op_count()).find_map(|at| match instruction.op_kind(at) {
        OpKind::Immediate32 => Some(u64::from(instruction.immediate32())),
        OpKind::Immediate32to64 => Some(instruction.immediate32to64().cast_unsigned()),
        OpKind::Immediate64 => Some(instruction.immediate64()),
        _ => None,
    })
}
