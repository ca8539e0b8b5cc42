//! Memory, zram and swap.
//!
//! Does not know what a compressed gigabyte is worth; the core does.

use ironwright_core::facts::{Fact, MemoryFacts, SwapArea, Zram};
use ironwright_core::units::{Bytes, Limit};

use super::reader::Reader;

const MEMINFO: &str = "/proc/meminfo";
const SWAPS: &str = "/proc/swaps";

/// Bytes that must be stored before a ratio says anything about what is to come.
const ENOUGH: Bytes = Bytes::mib(64);

pub(crate) fn read(reader: &mut Reader<'_>) -> MemoryFacts {
    let text = reader.required(MEMINFO);
    let text = text.as_deref();
    MemoryFacts {
        total: text.and_then(|text| meminfo(reader, text, "MemTotal")),
        available: text.and_then(|text| meminfo(reader, text, "MemAvailable")),
        zram: zram(reader),
        swap: swap(reader),
        swappiness: reader.number("/proc/sys/vm/swappiness"),
        overcommit: reader.number("/proc/sys/vm/overcommit_memory"),
    }
}

fn meminfo(reader: &mut Reader<'_>, text: &str, key: &str) -> Option<Fact<Bytes>> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let Some(value) = value else {
        reader.problem(MEMINFO, format!("has no {key}"));
        return None;
    };
    if let Some(bytes) = kilobytes(value) {
        Some(Fact::new(bytes, MEMINFO))
    } else {
        reader.malformed(MEMINFO, &format!("{key} in kB"), value.trim());
        None
    }
}

/// The kernel writes kB and means 1024 bytes.
fn kilobytes(text: &str) -> Option<Bytes> {
    let number = text.trim().strip_suffix("kB")?.trim();
    number.parse::<u64>().ok()?.checked_mul(1024).map(Bytes)
}

fn zram(reader: &mut Reader<'_>) -> Vec<Zram> {
    let names = reader.root.list("/sys/block");
    let devices: Vec<_> = names.into_iter().filter(|name| name.starts_with("zram")).collect();
    devices.into_iter().filter_map(|device| zram_device(reader, device)).collect()
}

fn zram_device(reader: &mut Reader<'_>, device: String) -> Option<Zram> {
    let source = format!("/sys/block/{device}");
    let size = reader.number::<u64>(&format!("{source}/disksize"))?.value;
    // The module makes a device of no size that waits to be set up.
    if size == 0 {
        return None;
    }
    let algorithm = reader.chosen(&format!("{source}/comp_algorithm"));
    let path = format!("{source}/mm_stat");
    let text = reader.optional(&path);
    let parsed = text.as_deref().and_then(mm_stat);
    if let (Some(text), None) = (&text, parsed) {
        reader.malformed(&path, "at least four numbers", text);
    }
    let (stored, used, limit) = parsed.unwrap_or((Bytes::ZERO, Bytes::ZERO, Limit::Unlimited));
    let ratio = (stored >= ENOUGH && used > Bytes::ZERO).then(|| stored.0 as f64 / used.0 as f64);
    Some(Zram {
        device,
        size: Bytes(size),
        algorithm,
        stored,
        used,
        ratio,
        memory_limit: limit,
        source,
    })
}

/// Stored bytes, memory used and its limit: fields 1, 3 and 4 (kernel's zram documentation).
pub(crate) fn mm_stat(text: &str) -> Option<(Bytes, Bytes, Limit)> {
    let mut fields = text.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
    let (stored, _, used, limit) =
        (fields.next()??, fields.next()??, fields.next()??, fields.next()??);
    let limit = if limit == 0 { Limit::Unlimited } else { Limit::Bytes(Bytes(limit)) };
    Some((Bytes(stored), Bytes(used), limit))
}

fn swap(reader: &mut Reader<'_>) -> Vec<SwapArea> {
    let Some(text) = reader.optional(SWAPS) else { return Vec::new() };
    let mut areas = Vec::new();
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        match swap_area(line) {
            Some(area) => areas.push(area),
            None => reader.malformed(SWAPS, "name, type, size, used and priority", line),
        }
    }
    areas
}

fn swap_area(line: &str) -> Option<SwapArea> {
    let mut fields = line.split_ascii_whitespace();
    let (name, kind) = (fields.next()?, fields.next()?);
    let mut kilobytes = || fields.next()?.parse::<u64>().ok()?.checked_mul(1024).map(Bytes);
    let (size, used) = (kilobytes()?, kilobytes()?);
    let priority = fields.next()?.parse().ok()?;
    let path = unescaped(name);
    let kind = if path.starts_with("/dev/zram") { "zram" } else { kind };
    Some(SwapArea { path, kind: kind.to_owned(), size, used, priority })
}

/// The kernel writes what would end a field or a line, and the backslash itself, in octal.
fn unescaped(name: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n")];
    let plain = escapes.iter().fold(name.to_owned(), |name, (code, text)| name.replace(code, text));
    // Last, so that no escape comes of a backslash that stands for itself.
    plain.replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Root;
    use ironwright_testkit::FakeRoot;
    use proptest::prelude::*;

    #[test]
    fn an_active_zram_and_swap_are_read() {
        let fake = FakeRoot::new([
            ("proc/meminfo", "MemTotal:       16332556 kB\nMemAvailable:   1000 kB\n"),
            (
                "proc/swaps",
                "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0 partition 1024 512 100\n/my\\040swap file 2048 0 -2\n",
            ),
            ("sys/block/zram0/disksize", "1048576\n"),
            ("sys/block/zram0/comp_algorithm", "lzo [zstd]\n"),
            ("sys/block/zram0/mm_stat", "268435456 80000000 89478485 0 0 0 0 0 0\n"),
            ("sys/block/zram1/disksize", "0\n"),
        ]);
        let root = Root::at(fake.path());
        let mut reader = Reader::new(&root);
        let facts = read(&mut reader);
        assert_eq!(reader.problems, []);
        assert_eq!(facts.total.unwrap().value, Bytes::kib(16_332_556));
        assert_eq!(facts.zram.len(), 1);
        assert_eq!(facts.zram[0].algorithm.as_deref(), Some("zstd"));
        assert!((facts.zram[0].ratio.unwrap() - 3.0).abs() < 0.01);
        let kinds: Vec<_> = facts.swap.iter().map(|s| (s.path.as_str(), s.kind.as_str())).collect();
        assert_eq!(kinds, [("/dev/zram0", "zram"), ("/my swap", "file")]);
    }

    #[test]
    fn malformed_files_are_problems_and_facts_stay_absent() {
        let fake = FakeRoot::new([
            ("proc/meminfo", "MemTotal: banana kB\n"),
            ("proc/swaps", "Filename\n/dev/sda2 partition many 0 -2\n"),
            ("sys/block/zram0/disksize", "4096\n"),
            ("sys/block/zram0/comp_algorithm", "lzo zstd\n"),
            ("sys/block/zram0/mm_stat", "garbage\n"),
        ]);
        let root = Root::at(fake.path());
        let mut reader = Reader::new(&root);
        let facts = read(&mut reader);
        assert_eq!((facts.total, facts.swap.len(), facts.zram[0].ratio), (None, 0, None));
        assert_eq!(reader.problems.len(), 5, "{:?}", reader.problems);
    }

    #[test]
    fn a_ratio_needs_enough_stored() {
        let ratio = |mm_stat: &str| {
            let fake = FakeRoot::new([
                ("sys/block/zram0/disksize", "1048576\n"),
                ("sys/block/zram0/mm_stat", mm_stat),
            ]);
            let root = Root::at(fake.path());
            zram(&mut Reader::new(&root)).first().and_then(|device| device.ratio)
        };
        assert_eq!(ratio("67108863 1 33554432 0\n"), None);
        assert_eq!(ratio("67108864 1 33554432 0\n"), Some(2.0));
        assert_eq!(ratio("67108864 1 0 0\n"), None);
    }

    #[test]
    fn only_the_absence_of_meminfo_is_a_problem() {
        let fake = FakeRoot::new([("etc/empty", "")]);
        let root = Root::at(fake.path());
        let mut reader = Reader::new(&root);
        let facts = read(&mut reader);
        assert_eq!((facts.zram.len(), facts.swap.len(), facts.swappiness), (0, 0, None));
        let sources: Vec<&str> = reader.problems.iter().map(|p| p.source.as_str()).collect();
        assert_eq!(sources, [MEMINFO]);
    }

    #[test]
    fn names_of_swap_files_lose_their_escapes() {
        assert_eq!(unescaped("/a\\040b\\011c"), "/a b\tc");
        assert_eq!(unescaped("/a\\134040"), "/a\\040");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
            let _ = (kilobytes(&text), mm_stat(&text), swap_area(&text));
        }
    }
}
