//! The processor: what `/proc/cpuinfo` and the first processor's sysfs directories say of it.
//!
//! Reads a fixed number of files, however many threads the machine has. Does not know which
//! microarchitecture a family and model make, nor which level a set of features reaches: the core
//! does. Caches are taken to be alike on all cores, which hybrid processors are not.

use std::collections::{BTreeMap, BTreeSet};

use ironwright_core::cpu::identify::{self, CpuId};
use ironwright_core::cpu::{features, psabi};
use ironwright_core::facts::{Architecture, Cache, CpuFacts, Fact};
use ironwright_core::units::Bytes;

use super::answers;
use super::cpuinfo::{CpuInfo, Processor};
use super::reader::Reader;

const CPUINFO: &str = "/proc/cpuinfo";
const CPUS: &str = "/sys/devices/system/cpu";

/// Reads everything but `usable_threads`, which also depends on control groups.
pub(crate) fn read(reader: &mut Reader<'_>) -> CpuFacts {
    let text = reader.required(CPUINFO).unwrap_or_default();
    let info = CpuInfo::parse(&text);
    if let Some(line) = info.malformed {
        reader.malformed(CPUINFO, "lines of the form \"key : value\"", line);
    }
    let architecture = architecture(reader, &info);
    let chief = chief(reader, &info);
    let topology = Topology::read(reader, &info, architecture.value);
    let caches = caches(reader, topology.threads.as_ref().map(|fact| fact.value));
    facts(architecture, &info, &chief, topology, caches)
}

/// The architecture, and the features that all processors have in common.
pub(crate) fn runs(reader: &mut Reader<'_>) -> (Architecture, BTreeSet<String>) {
    let text = reader.required(CPUINFO).unwrap_or_default();
    let info = CpuInfo::parse(&text);
    let architecture = architecture(reader, &info).value;
    (architecture, features::from_cpuinfo(architecture, info.common_words().iter().copied()))
}

fn facts(
    architecture: Fact<Architecture>,
    info: &CpuInfo<'_>,
    chief: &Processor<'_>,
    topology: Topology,
    caches: Vec<Cache>,
) -> CpuFacts {
    let words = info.common_words();
    let features = features::from_cpuinfo(architecture.value, words.iter().copied());
    let vendor = vendor(chief);
    let id = CpuId {
        architecture: architecture.value,
        vendor: vendor.as_deref().unwrap_or_default(),
        family: chief.family.unwrap_or_default(),
        model: chief.model.unwrap_or_default(),
        stepping: chief.stepping.unwrap_or_default(),
        features: &features,
    };
    let is_known = chief.family.is_some() && chief.model.is_some();
    let microarchitecture =
        is_known.then(|| identify::identify(&id)).flatten().and_then(|found| found.own_name());
    let psabi = psabi::level(architecture.value, &features);
    CpuFacts {
        architecture,
        vendor: vendor.map(|vendor| Fact::new(vendor, CPUINFO)),
        model_name: chief
            .model_name
            .or(info.board)
            .filter(|name| !name.is_empty())
            .map(|name| Fact::new(name.to_owned(), CPUINFO)),
        family: chief.family,
        model: chief.model,
        stepping: chief.stepping,
        microarchitecture: microarchitecture
            .map(|name| Fact::new(name.to_owned(), identity(chief))),
        psabi: psabi.map(|level| Fact::new(level.to_string(), "the processor's features")),
        features: Fact::new(features, CPUINFO),
        sockets: topology.sockets,
        cores: topology.cores,
        threads: topology.threads,
        threads_per_core: topology.threads_per_core,
        usable_threads: None,
        caches,
    }
}

/// The processor that stands for all. Where several kinds share a machine it is one of the kind
/// with the highest `cpu_capacity` (the kernel's measure of what a core can do at most), and of
/// those with none the one with the highest part number, so that code is tuned for the cores that
/// finish a build. What code may *use* is a matter of the features that all have in common.
fn chief<'a>(reader: &mut Reader<'_>, info: &CpuInfo<'a>) -> Processor<'a> {
    let kinds: BTreeMap<_, &Processor<'a>> =
        info.processors.iter().rev().map(|one| ((one.family, one.model), one)).collect();
    if kinds.len() < 2 {
        return info.processors.first().cloned().unwrap_or_default();
    }
    let mut capacity = |one: &Processor<'_>| {
        let path = format!("{CPUS}/cpu{}/cpu_capacity", one.number);
        reader.number::<u32>(&path).map_or(0, |fact| fact.value)
    };
    let ranked = kinds.into_values().map(|one| ((capacity(one), one.model), one));
    ranked.max_by_key(|(rank, _)| *rank).map(|(_, one)| one.clone()).unwrap_or_default()
}

fn identity(chief: &Processor<'_>) -> String {
    let (family, model) = (chief.family.unwrap_or_default(), chief.model.unwrap_or_default());
    if chief.is_arm {
        format!("implementer {family:#x}, part {model:#x}")
    } else {
        format!("cpu family {family}, model {model}")
    }
}

fn vendor(chief: &Processor<'_>) -> Option<String> {
    let named = chief.vendor.filter(|vendor| !vendor.is_empty()).map(str::to_owned);
    named.or_else(|| chief.family.filter(|_| chief.is_arm).map(implementer))
}

/// Names of `MIDR_EL1.Implementer`, from the Arm Architecture Reference Manual and, past its list,
/// from Linux's `arch/arm64/include/asm/cputype.h`.
fn implementer(code: u32) -> String {
    let name = match code {
        0x41 => "ARM",
        0x42 => "Broadcom",
        0x43 => "Cavium",
        0x46 => "Fujitsu",
        0x48 => "HiSilicon",
        0x4e => "NVIDIA",
        0x50 => "APM",
        0x51 => "Qualcomm",
        0x53 => "Samsung",
        0x56 => "Marvell",
        0x61 => "Apple",
        0x6d => "Microsoft",
        0x70 => "Phytium",
        0xc0 => "Ampere",
        _ => return format!("{code:#x}"),
    };
    name.to_owned()
}

/// From `uname -m`, or guessed from the shape of `/proc/cpuinfo` where that was not recorded.
fn architecture(reader: &mut Reader<'_>, info: &CpuInfo<'_>) -> Fact<Architecture> {
    if let Some(machine) = answers::machine(reader) {
        let known = match machine.as_str() {
            "x86_64" => Architecture::X86_64,
            "aarch64" | "arm64" => Architecture::Aarch64,
            _ => Architecture::Other,
        };
        return Fact::new(known, "uname -m");
    }
    let guess = match info.processors.first() {
        Some(first) if first.is_arm => Architecture::Aarch64,
        Some(first) if has_word(first, "lm") => Architecture::X86_64,
        _ => Architecture::Other,
    };
    Fact::new(guess, CPUINFO)
}

fn has_word(processor: &Processor<'_>, word: &str) -> bool {
    processor.words.is_some_and(|words| words.split_whitespace().any(|one| one == word))
}

/// How threads share cores and packages.
#[derive(Debug, Default)]
struct Topology {
    sockets: Option<Fact<u32>>,
    cores: Option<Fact<u32>>,
    threads: Option<Fact<u32>>,
    threads_per_core: Option<Fact<u32>>,
}

impl Topology {
    fn read(reader: &mut Reader<'_>, info: &CpuInfo<'_>, architecture: Architecture) -> Self {
        let threads = count(info.processors.len());
        if threads == 0 {
            return Self::default();
        }
        let has_places = info.processors.iter().all(|one| one.core.is_some());
        if architecture == Architecture::X86_64 && has_places {
            return Self::from_cpuinfo(info, threads);
        }
        Self::from_first_processor(reader, threads)
    }

    /// From the `physical id` and `core id` of every thread. Threads per core is the most that any
    /// core has: on hybrid processors only the large cores have two.
    fn from_cpuinfo(info: &CpuInfo<'_>, threads: u32) -> Self {
        let mut in_core: BTreeMap<_, u32> = BTreeMap::new();
        for one in &info.processors {
            *in_core.entry((one.package, one.core)).or_default() += 1;
        }
        let packages: BTreeSet<_> = info.processors.iter().map(|one| one.package).collect();
        let fact = |value| Some(Fact::new(value, CPUINFO));
        Self {
            sockets: fact(count(packages.len())),
            cores: fact(count(in_core.len())),
            threads: fact(threads),
            threads_per_core: fact(in_core.values().copied().max().unwrap_or(1)),
        }
    }

    /// From the lists of the first processor alone, which assumes that all cores are alike.
    fn from_first_processor(reader: &mut Reader<'_>, threads: u32) -> Self {
        let siblings = format!("{CPUS}/cpu0/topology/thread_siblings_list");
        let package = format!("{CPUS}/cpu0/topology/core_siblings_list");
        let per_core = list_length(reader, &siblings);
        let per_package = list_length(reader, &package);
        Self {
            sockets: per_package.map(|n| Fact::new(threads.div_ceil(n), package)),
            cores: per_core.map(|n| Fact::new(threads.div_ceil(n), siblings.clone())),
            threads: Some(Fact::new(threads, CPUINFO)),
            threads_per_core: per_core.map(|n| Fact::new(n, siblings)),
        }
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// How many processors a list file names; never zero.
fn list_length(reader: &mut Reader<'_>, path: &str) -> Option<u32> {
    let text = reader.optional(path)?;
    let length = cpu_list_length(&text);
    if length.is_none() {
        reader.malformed(path, "a list of processors", &text);
    }
    length
}

/// The length of a list such as `0-3,8,10-11`; `None` when it is empty or malformed.
fn cpu_list_length(text: &str) -> Option<u32> {
    let mut total: u32 = 0;
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        total = total.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(total)
}

/// The first processor's caches; an instance is there once for each group of threads that share it.
fn caches(reader: &mut Reader<'_>, threads: Option<u32>) -> Vec<Cache> {
    let directory = format!("{CPUS}/cpu0/cache");
    let names = reader.root.list(&directory);
    names
        .iter()
        .filter(|name| name.starts_with("index"))
        .filter_map(|name| cache(reader, &format!("{directory}/{name}"), threads))
        .collect()
}

fn cache(reader: &mut Reader<'_>, directory: &str, threads: Option<u32>) -> Option<Cache> {
    let level = reader.number::<u32>(&format!("{directory}/level"))?.value;
    let kind = reader.optional(&format!("{directory}/type"))?.to_lowercase();
    let size = cache_size(reader, &format!("{directory}/size"))?;
    let shared_by = list_length(reader, &format!("{directory}/shared_cpu_list")).unwrap_or(1);
    let instances = threads.unwrap_or(1).div_ceil(shared_by);
    Some(Cache { level, kind, size, shared_by, instances, source: directory.to_owned() })
}

fn cache_size(reader: &mut Reader<'_>, path: &str) -> Option<Bytes> {
    let text = reader.optional(path)?;
    let size = parse_cache_size(&text);
    if size.is_none() {
        reader.malformed(path, "a size such as 32K", &text);
    }
    size
}

fn parse_cache_size(text: &str) -> Option<Bytes> {
    let parsed = |digits: &str| digits.parse::<u64>().ok();
    match (text.strip_suffix('K'), text.strip_suffix('M')) {
        (Some(digits), _) => parsed(digits).map(Bytes::kib),
        (_, Some(digits)) => parsed(digits).map(Bytes::mib),
        _ => parsed(text).map(Bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Root;
    use ironwright_testkit::FakeRoot;
    use proptest::prelude::*;

    #[test]
    fn lists_of_processors_are_counted() {
        assert_eq!(cpu_list_length("0-3,8,10-11"), Some(7));
        assert_eq!(cpu_list_length("0"), Some(1));
        assert_eq!(cpu_list_length("3-0"), None);
        assert_eq!(cpu_list_length(""), None);
        assert_eq!(cpu_list_length("0-4294967295"), None);
    }

    #[test]
    fn cache_sizes_have_a_unit() {
        assert_eq!(parse_cache_size("48K"), Some(Bytes::kib(48)));
        assert_eq!(parse_cache_size("8M"), Some(Bytes::mib(8)));
        assert_eq!(parse_cache_size("K"), None);
    }

    #[test]
    fn the_largest_core_stands_for_all_but_only_common_features_count() {
        let little =
            "processor : 0\nFeatures : fp asimd\nCPU implementer : 0x41\nCPU part : 0xd05\n";
        let big =
            "processor : 4\nFeatures : fp asimd sve\nCPU implementer : 0x41\nCPU part : 0xd0b\n";
        let fake = FakeRoot::new([
            ("proc/cpuinfo", format!("{little}\n{big}")),
            ("sys/devices/system/cpu/cpu0/cpu_capacity", "400".into()),
            ("sys/devices/system/cpu/cpu4/cpu_capacity", "1024".into()),
        ]);
        let root = Root::at(fake.path());
        let facts = read(&mut Reader::new(&root));
        assert_eq!(facts.model, Some(0xd0b));
        assert_eq!(facts.architecture.value, Architecture::Aarch64);
        assert!(!facts.features.value.contains("sve"));
    }

    #[test]
    fn hybrid_cores_are_counted_one_by_one() {
        let thread = |n: u32, core: u32| {
            format!("processor : {n}\nphysical id : 0\ncore id : {core}\nflags : lm\n\n")
        };
        let text = [thread(0, 0), thread(1, 0), thread(2, 8), thread(3, 9)].concat();
        let fake = FakeRoot::new([("proc/cpuinfo", text)]);
        let root = Root::at(fake.path());
        let facts = read(&mut Reader::new(&root));
        let value = |fact: Option<Fact<u32>>| fact.map(|fact| fact.value);
        assert_eq!(value(facts.threads), Some(4));
        assert_eq!(value(facts.cores), Some(3));
        assert_eq!(value(facts.threads_per_core), Some(2));
    }

    proptest! {
        #[test]
        fn any_list_is_counted(text in "[0-9,-]{0,16}") {
            let _ = cpu_list_length(&text);
            let _ = parse_cache_size(&text);
        }
    }
}
