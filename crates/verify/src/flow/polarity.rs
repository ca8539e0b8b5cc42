//! Which side of a branch stands for "the processor has it".
//!
//! Knows the shapes that compilers give to such questions: masks tested against zero, masks compared
//! with themselves, single bits in the carry flag, levels compared with a number. Does not know
//! where the answers come from.

use iced_x86::{ConditionCode, Instruction, Mnemonic, OpKind};

use super::guard::Way;
use super::state::{Flags, Held};

/// The way of a branch that stands for a yes; `None` where the flags tell nothing of a feature.
pub(super) fn way(condition: ConditionCode, flags: Flags) -> Option<Way> {
    let yes = yes(condition, flags)?;
    Some(if yes { Way::Taken } else { Way::Through })
}

/// Whether a condition that holds means that the feature is there.
fn yes(condition: ConditionCode, flags: Flags) -> Option<bool> {
    use ConditionCode as C;
    let (plain, inverted) = match flags {
        Flags::Other => return None,
        Flags::Bits { inverted } => {
            let there = match condition {
                C::ne | C::a | C::g | C::ge | C::s => true,
                C::e | C::be | C::l | C::le | C::ns => false,
                _ => return None,
            };
            (there, inverted)
        }
        Flags::Compared { inverted } => {
            let there = match condition {
                C::e | C::a | C::ae | C::g | C::ge => true,
                C::ne | C::b | C::be | C::l | C::le => false,
                _ => return None,
            };
            (there, inverted)
        }
        Flags::Carry { inverted } => match condition {
            C::b => (true, inverted),
            C::ae => (false, inverted),
            _ => return None,
        },
    };
    Some(plain != inverted)
}

/// What the flags tell after an instruction that read `source`.
pub(super) fn flags(instruction: &Instruction, source: Held) -> Flags {
    let Held::Feature { inverted, .. } = source else { return Flags::Other };
    match instruction.mnemonic() {
        Mnemonic::Bt => Flags::Carry { inverted },
        Mnemonic::Cmp | Mnemonic::Sub if !compares_with_zero(instruction) => {
            Flags::Compared { inverted }
        }
        _ => Flags::Bits { inverted },
    }
}

fn compares_with_zero(instruction: &Instruction) -> bool {
    let is_number = !matches!(instruction.op1_kind(), OpKind::Register | OpKind::Memory);
    is_number && instruction.immediate(1) == 0
}

/// For an instruction that depends on a condition: whether its holding means that the feature is
/// there.
pub(super) fn condition(instruction: &Instruction, flags: Flags) -> Option<bool> {
    match instruction.condition_code() {
        ConditionCode::None => None,
        condition => yes(condition, flags),
    }
}

/// Whether it chooses between two values.
pub(super) fn is_choice(instruction: &Instruction) -> bool {
    instruction.condition_code() != ConditionCode::None && instruction.op_count() == 2
}

/// Whether its first operand is written and not read.
pub(super) fn only_writes(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    let is_set = instruction.condition_code() != ConditionCode::None && instruction.op_count() == 1;
    is_set
        || matches!(
            instruction.mnemonic(),
            M::Mov
                | M::Movzx
                | M::Movsx
                | M::Movsxd
                | M::Lea
                | M::Pop
                | M::Movd
                | M::Movq
                | M::Andn
                | M::Bextr
                | M::Rorx
                | M::Shrx
                | M::Shlx
                | M::Popcnt
                | M::Tzcnt
                | M::Lzcnt
                | M::Movbe
        )
}

/// What the destination holds after an instruction that read `source`.
pub(super) fn result(instruction: &Instruction, source: Held, condition: Option<bool>) -> Held {
    use Mnemonic as M;
    if instruction.op_count() == 1 && instruction.condition_code() != ConditionCode::None {
        return condition.map_or(Held::Other, |yes| Held::feature(!yes));
    }
    let Held::Feature { inverted, .. } = source else {
        // Both operands of `sbb` are the same register: all of it is the carry.
        return match condition {
            Some(_) if is_choice(instruction) => Held::FEATURE,
            _ => Held::Other,
        };
    };
    match instruction.mnemonic() {
        M::Not => Held::feature(!inverted),
        M::Xor if is_same(instruction) => Held::Other,
        M::Xor if instruction.op1_kind() != OpKind::Register => Held::feature(!inverted),
        // A number that is added may shift a level; what is counted or multiplied is no answer.
        M::Add | M::Sub | M::Imul
            if matches!(instruction.op1_kind(), OpKind::Register | OpKind::Memory) =>
        {
            Held::Other
        }
        M::Imul | M::Mul | M::Div | M::Idiv => Held::Other,
        _ => Held::feature(inverted),
    }
}

fn is_same(instruction: &Instruction) -> bool {
    instruction.op1_kind() == OpKind::Register
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register() == instruction.op1_register()
}

/// Whether it leaves flags that tell of its result.
pub(super) fn sets_flags(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    matches!(
        instruction.mnemonic(),
        M::And
            | M::Or
            | M::Xor
            | M::Add
            | M::Sub
            | M::Shr
            | M::Shl
            | M::Sar
            | M::Neg
            | M::Inc
            | M::Dec
            | M::Andn
            | M::Xadd
            | M::Cmpxchg
            | M::Btr
            | M::Bts
            | M::Imul
    )
}
