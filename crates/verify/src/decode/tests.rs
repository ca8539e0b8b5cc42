//! The quick decoder held against the full one, on real code and on random bytes.
//!
//! Does not know which of both is right; the full decoder is trusted.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};
use proptest::prelude::*;

use super::quick::{self, End, Leads};
use super::*;

/// The same from iced-x86: length, flow, set and near address.
fn reference(bytes: &[u8], base: u64) -> Option<(usize, Flow, SetId, u64)> {
    let mut decoder = Decoder::with_ip(64, bytes, base, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    decoder.decode_out(&mut instruction);
    if instruction.is_invalid() {
        return None;
    }
    let flow = match (instruction.mnemonic(), instruction.flow_control()) {
        (iced_x86::Mnemonic::Cpuid | iced_x86::Mnemonic::Xgetbv, _) => Flow::Identify,
        (iced_x86::Mnemonic::Hlt | iced_x86::Mnemonic::Int3, _)
        | (_, FlowControl::Return | FlowControl::Exception) => Flow::Stop,
        (_, FlowControl::UnconditionalBranch) => Flow::Jump(instruction.near_branch64()),
        (_, FlowControl::ConditionalBranch) => Flow::Branch(instruction.near_branch64()),
        (_, FlowControl::Call) if instruction.is_call_near() => {
            Flow::Call(instruction.near_branch64())
        }
        (_, FlowControl::IndirectBranch) => Flow::JumpIndirect,
        (_, FlowControl::IndirectCall) => Flow::CallIndirect,
        _ => Flow::Next,
    };
    let near = if instruction.is_ip_rel_memory_operand() {
        instruction.ip_rel_memory_address()
    } else {
        0
    };
    let set = needs::asked(bytes).0;
    Some((instruction.len(), flow, set, near))
}

/// An instruction of those that are read quickly: its length, what it touches, where control goes, and a
/// number that may be an address.
fn quick<const NUMBERS: bool>(bytes: &[u8], at: usize) -> Option<(usize, u64, Flow, u32)> {
    let (bytes, mut length, mut leads) = (&bytes[at..], 0, Leads::default());
    let stopped = quick::read::<NUMBERS>(bytes, &mut length, &mut [0], &mut leads);
    if stopped == End::Unread {
        return None;
    }
    let ends = stopped == End::Gone;
    let Some(lead) = leads.take().first() else {
        return Some((length, 0, if ends { Flow::Stop } else { Flow::Next }, 0));
    };
    assert_eq!(lead.end(), length);
    let number = lead.number(bytes);
    let there = (at as u64 + length as u64).wrapping_add_signed(number.into());
    let (near, flow, number) = match (lead.is_touch(), lead.is_call(), lead.is_jump()) {
        (true, ..) => (there, Flow::Next, 0),
        (_, true, _) => (0, Flow::Call(there), 0),
        (.., true) if ends => (0, Flow::Jump(there), 0),
        (.., true) => (0, Flow::Branch(there), 0),
        _ => (0, Flow::Next, number.cast_unsigned()),
    };
    Some((length, near, flow, number))
}

/// Compares one place; true where both saw an instruction.
fn compare(bytes: &[u8], at: usize) -> bool {
    let window = &bytes[at..bytes.len().min(at + 15)];
    let Some((length, flow, set, near)) = reference(window, at as u64) else { return false };
    let own = step(bytes, at, 0).unwrap_or_else(|| panic!("no instruction in {window:02x?}"));
    assert_eq!(own.length, length, "length of {window:02x?}");
    for (found, numbers) in [(quick::<true>(bytes, at), true), (quick::<false>(bytes, at), false)] {
        let Some((length, near, flow, number)) = found else { continue };
        // A call through an operand leads nowhere that is known, like the next instruction.
        let flow = if own.flow == Flow::CallIndirect { own.flow } else { flow };
        let known = Step { near, flow, fixed: own.fixed, ..plain(length, BASELINE) };
        assert!(own == known, "quick on {window:02x?}");
        assert!(
            !numbers || own.fixed == 0 || own.fixed == u64::from(number),
            "number of {window:02x?}"
        );
    }
    assert_eq!(needs::set_of(own.set), needs::set_of(set), "needs of {window:02x?}");
    // Returns from interrupts and the like stop nothing that compilers write.
    if flow != Flow::Stop && own.flow != Flow::Stop {
        assert_eq!(own.flow, flow, "flow of {window:02x?}");
    }
    if own.near != 0 {
        assert_eq!(own.near, near, "address of {window:02x?}");
    }
    true
}

/// Odd encodings that compilers do not write: prefixes that the instruction has no use for.
fn is_odd(bytes: &[u8]) -> bool {
    let count = bytes.iter().take_while(|byte| is_prefix(**byte)).count();
    let prefixes = &bytes[..count];
    let next = bytes.get(count).copied().unwrap_or(0);
    let has = |wanted: u8| prefixes.contains(&wanted);
    let rex = prefixes.iter().position(|byte| byte & 0xf0 == 0x40);
    let out_of_place = rex.is_some_and(|at| at + 1 != count);
    let both = has(0xf2) && has(0xf3);
    let escaped = matches!(next, 0x62 | 0xc4 | 0xc5 | 0x8f) && count > 0;
    out_of_place || both || escaped || has(0x67) || has(0xf0) || has(0x66) && has(0x40)
}

/// Code to read: this very test.
#[expect(clippy::disallowed_methods, reason = "a test may read the program that it is")]
fn own_code() -> Vec<u8> {
    use object::{Object, ObjectSection};
    let path = std::env::var("IRONWRIGHT_TEST_CODE").unwrap_or("/proc/self/exe".to_owned());
    let file = std::fs::read(path).unwrap();
    let image = object::File::parse(&*file).unwrap();
    image.section_by_name(".text").unwrap().data().unwrap().to_vec()
}

#[test]
fn real_code_is_read_as_the_full_decoder_reads_it() {
    let bytes = own_code();
    let (mut at, mut compared) = (0, 0);
    while at + 16 < bytes.len() && compared < 1_000_000 {
        match reference(&bytes[at..at + 15], at as u64) {
            Some((length, ..)) => {
                assert!(compare(&bytes, at));
                compared += 1;
                at += length;
            }
            None => at += 1,
        }
    }
    assert!(compared > 100_000, "{compared}");
}

#[test]
fn every_opcode_is_read_with_every_operand() {
    let prefixes = [&[][..], &[0x66], &[0xf3], &[0xf2]];
    let behind = [&[][..], &[0x48], &[0x41], &[0x0f], &[0x4c, 0x0f]];
    let leads = prefixes.iter().flat_map(|prefix| behind.map(|behind| [*prefix, behind].concat()));
    for lead in leads {
        for (opcode, modrm) in (0..=u8::MAX).flat_map(|op| (0..=u8::MAX).map(move |m| (op, m))) {
            // A base that is none, and a displacement.
            let all = [&lead[..], &[opcode, modrm, 0x25, 1, 2, 0x40, 0, 5, 6, 7, 8, 9, 10, 11, 12]]
                .concat();
            if !is_odd(&all) {
                compare(&all, 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn lengths_and_needs_agree_on_any_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 32),
        lead in prop_oneof![
            Just(vec![]),
            Just(vec![0x0f]),
            Just(vec![0x66, 0x0f]),
            Just(vec![0xf3, 0x0f, 0x38]),
            Just(vec![0xc5]),
            Just(vec![0xc4, 0xe2]),
            Just(vec![0x62, 0xf1]),
            Just(vec![0x62, 0xf2]),
            Just(vec![0x48]),
        ],
    ) {
        let all = [lead, bytes].concat();
        if !is_odd(&all) {
            compare(&all, 0);
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_run_past_their_end(
        bytes in proptest::collection::vec(any::<u8>(), 0..24),
    ) {
        if let Some(found) = step(&bytes, 0, u64::MAX - 4) {
            prop_assert!(found.length >= 1 && found.length <= bytes.len());
        }
    }
}
