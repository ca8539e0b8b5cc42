//! What protects a program, and what the notes of GNU properties say.
//!
//! Does not judge whether it suffices.

use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Object, ObjectSection};

use crate::build::traces::Traces;
use crate::image::linked::Elf;
use crate::report::{Claim, Hardening};
use crate::scan::Body;

/// What of `.note.gnu.property` is understood here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    /// Bits of levels that the file needs, lowest first: baseline, v2, v3, v4.
    pub(crate) needed: u32,
    /// Bits of levels that it uses.
    pub(crate) used: u32,
    /// IBT is 1 and shadow stack 2; on aarch64 BTI is 1 and PAC 2.
    pub(crate) features: u32,
}

const X86_FEATURES: u32 = 0xc000_0002;
const X86_NEEDED: u32 = 0xc000_8002;
const X86_USED: u32 = 0xc001_0002;
const AARCH64_FEATURES: u32 = 0xc000_0000;

/// Reads the notes of GNU properties.
pub(crate) fn properties(file: &Elf<'_>) -> Properties {
    let section = file.section_by_name(".note.gnu.property");
    parse(section.and_then(|section| section.data().ok()).unwrap_or_default())
}

/// Notes: sizes of name and description, type 5, `GNU`, then properties of type, size and value,
/// each padded to eight bytes.
fn parse(bytes: &[u8]) -> Properties {
    let mut found = Properties::default();
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
    };
    let mut at = 0;
    while let (Some(4), Some(size), Some(kind)) = (word(at), word(at + 4), word(at + 8)) {
        let end = at + 16 + usize::try_from(size).unwrap_or(0);
        let mut property = at + 16;
        while kind == 5 && property + 8 <= end {
            let (Some(name), Some(length)) = (word(property), word(property + 4)) else { break };
            let value = word(property + 8).unwrap_or(0);
            match name {
                X86_NEEDED => found.needed |= value,
                X86_USED => found.used |= value,
                X86_FEATURES | AARCH64_FEATURES => found.features |= value,
                _ => {}
            }
            property += 8 + usize::try_from(length).unwrap_or(0).next_multiple_of(8);
        }
        at = end.next_multiple_of(8);
    }
    found
}

impl Properties {
    /// What several objects promise together: features that all have, levels that any needs.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self {
            needed: self.needed | other.needed,
            used: self.used | other.used,
            features: self.features & other.features,
        }
    }

    /// For people.
    pub(crate) fn shown(&self, is_arm: bool) -> Vec<String> {
        let levels = ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"];
        let named = |bits: u32, word: &str| -> Vec<String> {
            let set = levels.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
            set.map(|(_, level)| format!("{level} {word}")).collect()
        };
        let mut all = named(self.needed, "needed");
        all.extend(named(self.used, "used"));
        all.extend(self.protections(is_arm).iter().map(|name| name.to_uppercase()));
        all
    }

    fn protections(&self, is_arm: bool) -> Vec<&'static str> {
        let names = if is_arm { ["bti", "pac"] } else { ["ibt", "shstk"] };
        names
            .into_iter()
            .enumerate()
            .filter(|(at, _)| self.features >> at & 1 == 1)
            .map(|(_, n)| n)
            .collect()
    }
}

/// Gathers it all.
pub(crate) fn hardening(
    file: &Elf<'_>,
    traces: &Traces,
    bodies: &[Body],
    properties: &Properties,
    is_arm: bool,
) -> Hardening {
    let protections = properties.protections(is_arm);
    let cet = if protections.is_empty() { "none".to_owned() } else { protections.join(" ") };
    Hardening {
        relro: relro(file),
        pie: pie(file),
        nx: nx(file),
        canary: canary(traces, bodies),
        fortify: fortify(traces),
        cet: Claim::is(cet, "notes of GNU properties"),
    }
}

/// Entries of the dynamic section as tag and value.
fn dynamic(file: &Elf<'_>) -> Vec<(u64, u64)> {
    let bytes = file.section_by_name(".dynamic").and_then(|section| section.data().ok());
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let entries = bytes.unwrap_or_default().chunks_exact(16);
    entries.map(|entry| (word(&entry[..8]), word(&entry[8..]))).collect()
}

const DT_BIND_NOW: u64 = 24;
const DT_FLAGS: u64 = 30;
const DT_FLAGS_1: u64 = 0x6fff_fffb;

fn relro(file: &Elf<'_>) -> Claim {
    let endian = file.endian();
    if file.elf_program_headers().is_empty() {
        return Claim::unknown("not linked yet");
    }
    if !file.elf_program_headers().iter().any(|h| h.p_type(endian) == elf::PT_GNU_RELRO) {
        return Claim::is("none", "no segment PT_GNU_RELRO");
    }
    let entries = dynamic(file);
    let binds_now = entries.iter().any(|(tag, value)| match *tag {
        DT_BIND_NOW => true,
        DT_FLAGS => value & 8 != 0,
        DT_FLAGS_1 => value & 1 != 0,
        _ => false,
    });
    if binds_now || entries.is_empty() {
        Claim::is("full", "PT_GNU_RELRO, and everything is bound at the start")
    } else {
        Claim::is("partial", "PT_GNU_RELRO, with lazy binding")
    }
}

fn pie(file: &Elf<'_>) -> Claim {
    let kind = file.elf_header().e_type(file.endian());
    if kind == elf::ET_EXEC {
        return Claim::is("no", "ET_EXEC");
    }
    if kind != elf::ET_DYN {
        return Claim::unknown("not linked yet");
    }
    let says_pie =
        dynamic(file).iter().any(|(tag, value)| *tag == DT_FLAGS_1 && value & 0x0800_0000 != 0);
    let has_interpreter = file.section_by_name(".interp").is_some();
    let has_name = dynamic(file).iter().any(|(tag, _)| *tag == 14);
    match (says_pie, has_interpreter, has_name) {
        (true, ..) => Claim::is("yes", "DF_1_PIE"),
        (_, true, false) => Claim::is("yes", "ET_DYN with an interpreter"),
        _ => Claim::is("library", "ET_DYN"),
    }
}

fn nx(file: &Elf<'_>) -> Claim {
    let endian = file.endian();
    if file.elf_program_headers().is_empty() {
        return Claim::unknown("not linked yet");
    }
    let stack = file.elf_program_headers().iter().find(|h| h.p_type(endian) == elf::PT_GNU_STACK);
    match stack {
        Some(header) if header.p_flags(endian).contains(elf::PF_X) => {
            Claim::is("no", "PT_GNU_STACK is executable")
        }
        Some(_) => Claim::is("yes", "PT_GNU_STACK"),
        None => Claim::is("no", "no segment PT_GNU_STACK"),
    }
}

fn canary(traces: &Traces, bodies: &[Body]) -> Claim {
    if traces.imports.contains("__stack_chk_fail") {
        return Claim::is("yes", "__stack_chk_fail");
    }
    let with = bodies.iter().filter(|body| body.canary).count();
    if with > 0 {
        return Claim::is("yes", format!("{with} functions compare the stack's canary"));
    }
    if bodies.is_empty() {
        return Claim::unknown("its code is not read");
    }
    Claim::is("no", "no function compares the stack's canary")
}

/// Functions that have a checked twin which compilers always take under `_FORTIFY_SOURCE`.
const ALWAYS_CHECKED: &[&str] =
    &["printf", "fprintf", "vfprintf", "vprintf", "sprintf", "vsprintf"];

fn fortify(traces: &Traces) -> Claim {
    let is_checked = |name: &&String| {
        name.starts_with("__") && name.ends_with("_chk") && !name.starts_with("__stack_chk")
    };
    let checked: Vec<_> = traces.imports.iter().filter(is_checked).take(3).cloned().collect();
    if !checked.is_empty() {
        return Claim::is("yes", checked.join(" "));
    }
    let plain = ALWAYS_CHECKED.iter().find(|name| traces.imports.contains(**name));
    match plain {
        Some(name) => Claim::is("no", format!("{name} is imported without its checks")),
        None => Claim::unknown("it imports no function that would be checked"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note(properties: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let size = u32::try_from(properties.len() * 16).unwrap();
        for word in [4, size, 5, u32::from_le_bytes(*b"GNU\0")] {
            bytes.extend(word.to_le_bytes());
        }
        for (kind, value) in properties {
            for word in [*kind, 4, *value, 0] {
                bytes.extend(word.to_le_bytes());
            }
        }
        bytes
    }

    #[test]
    fn levels_and_protections_of_a_note() {
        let found = parse(&note(&[(X86_FEATURES, 3), (X86_NEEDED, 0b101)]));
        assert_eq!(found, Properties { needed: 5, used: 0, features: 3 });
        assert_eq!(found.shown(false), ["x86-64 needed", "x86-64-v3 needed", "IBT", "SHSTK"]);
        assert_eq!(parse(&note(&[(AARCH64_FEATURES, 2)])).shown(true), ["PAC"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes);
            let _ = parse(&[&note(&[])[..12], &bytes].concat());
        }
    }
}
