//! Go's own tables: build information (`.go.buildinfo`) and functions (`.gopclntab`).
//!
//! Formats: debug/buildinfo and runtime/symtab.go of the Go sources, versions 1.16 to 1.25. Does not
//! know Go's older tables.

use ironwright_core::cpu::PsabiLevel;
use object::{Object, ObjectSection};

use crate::image::Function;
use crate::image::linked::Elf;
use crate::image::names::{self, Name};

/// Magic numbers of `.gopclntab` in Go 1.18 and 1.20.
const MAGIC: [u32; 2] = [0xffff_fff0, 0xffff_fff1];

/// The level of the x86-64 psABI that the compiler was told to write for (`GOAMD64`); `None` where the
/// file does not say. Before Go 1.18 there was only the first.
pub(crate) fn level(file: &Elf<'_>) -> Option<PsabiLevel> {
    let info = build_info(file.section_by_name(".go.buildinfo")?.data().ok()?)?;
    match info.setting("GOAMD64")? {
        "v1" => Some(PsabiLevel::X86V1),
        "v2" => Some(PsabiLevel::X86V2),
        "v3" => Some(PsabiLevel::X86V3),
        "v4" => Some(PsabiLevel::X86V4),
        _ => None,
    }
}

/// The functions that Go's run time knows.
pub(crate) fn table<'a>(file: &Elf<'a>) -> Option<Vec<Function<'a>>> {
    let names = [".gopclntab", ".data.rel.ro.gopclntab"];
    let section = names.iter().find_map(|name| file.section_by_name(name))?;
    let text = file.section_by_name(".text")?.address();
    parse_table(section.data().ok()?, text)
}

/// The header is: magic, two zero bytes, quantum, pointer size, then words of that size: functions,
/// files, start of text, and the offsets of names, units, files, line tables and functions.
fn parse_table(bytes: &[u8], text: u64) -> Option<Vec<Function<'_>>> {
    let magic = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    if !MAGIC.contains(&magic) || *bytes.get(7)? != 8 {
        return None;
    }
    let word = |at: usize| -> Option<u64> {
        let from = at.checked_mul(8)?.checked_add(8)?;
        Some(u64::from_le_bytes(bytes.get(from..from.checked_add(8)?)?.try_into().ok()?))
    };
    let count = usize::try_from(word(0)?).ok()?;
    let base = word(2).filter(|base| *base != 0).unwrap_or(text);
    let names = usize::try_from(word(3)?).ok()?;
    let table = bytes.get(usize::try_from(word(7)?).ok()?..)?;
    let entry = |at: usize| -> Option<(u64, u32)> {
        let pair = table.get(at.checked_mul(8)?..)?.get(..8)?;
        let start = u32::from_le_bytes(pair[..4].try_into().ok()?);
        Some((base.wrapping_add(u64::from(start)), u32::from_le_bytes(pair[4..].try_into().ok()?)))
    };
    let mut functions = Vec::new();
    for at in 0..count {
        let (start, record) = entry(at)?;
        let (end, _) = entry(at + 1).unwrap_or((start, 0));
        let name = name_of(bytes, table, names, record);
        functions.push(Function {
            start,
            end,
            name: name.map(|name| Name::new(name.as_bytes())),
            tells: name.is_some_and(names::tells_of_processor),
            bounded: end > start,
            discovered: false,
        });
    }
    Some(functions)
}

/// A function's record begins with its entry offset and the offset of its name.
fn name_of<'a>(bytes: &'a [u8], table: &[u8], names: usize, record: u32) -> Option<&'a str> {
    let record = table.get(usize::try_from(record).ok()?..)?;
    let offset = u32::from_le_bytes(record.get(4..8)?.try_into().ok()?);
    let text = bytes.get(names.checked_add(usize::try_from(offset).ok()?)?..)?;
    let end = text.iter().take(512).position(|byte| *byte == 0)?;
    str::from_utf8(&text[..end]).ok()
}

/// What `go version -m` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BuildInfo {
    /// Such as `go1.19.8`.
    pub(crate) version: String,
    /// Lines `build KEY=VALUE`.
    pub(crate) settings: Vec<(String, String)>,
}

impl BuildInfo {
    pub(crate) fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}

/// Reads the build information. Since Go 1.18 both texts stand inline, with their lengths as varints.
pub(crate) fn build_info(section: &[u8]) -> Option<BuildInfo> {
    let at = memchr::memmem::find(section, b"\xff Go buildinf:")?;
    let blob = section.get(at..)?;
    if blob.get(15)? & 2 == 0 {
        return None;
    }
    let (version, rest) = text(blob.get(32..)?)?;
    let (module, _) = text(rest).unwrap_or_default();
    let settings = module.lines().filter_map(|line| {
        let (key, value) = line.strip_prefix("build\t")?.split_once('=')?;
        Some((key.to_owned(), value.trim_matches('"').to_owned()))
    });
    Some(BuildInfo { version, settings: settings.collect() })
}

/// A text with its length before it. The module's lines stand between two marks of 16 bytes that are
/// no UTF-8.
fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (mut length, mut at) = (0_usize, 0);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f).checked_shl(7 * u32::try_from(at).ok()?)?;
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if at > 4 {
            return None;
        }
    }
    let end = at.checked_add(length)?;
    Some((String::from_utf8_lossy(bytes.get(at..end)?).into_owned(), bytes.get(end..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn inline_build_information_is_read() {
        let mut blob = b"\xff Go buildinf:\x08\x02".to_vec();
        blob.resize(32, 0);
        blob.push(8);
        blob.extend(b"go1.19.8");
        let module =
            b"0123456789abcdef\npath\tx\nbuild\tGOAMD64=v3\nbuild\t-pgo=off\n0123456789abcdef";
        blob.push(u8::try_from(module.len()).unwrap());
        blob.extend(module);
        let info = build_info(&blob).unwrap();
        assert_eq!(info.version, "go1.19.8");
        assert_eq!(info.setting("GOAMD64"), Some("v3"));
        assert_eq!(info.setting("-pgo"), Some("off"));
        assert_eq!(info.setting("GOARM"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = build_info(&bytes);
            let _ = build_info(&[b"\xff Go buildinf:\x08\x02", &bytes[..]].concat());
            let magic = [&0xffff_fff1_u32.to_le_bytes()[..], &[0, 0, 1, 8], &bytes].concat();
            let _ = parse_table(&magic, 0x1000);
        }
    }
}
