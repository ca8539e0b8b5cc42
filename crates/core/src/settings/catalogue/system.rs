//! Knobs of the machine as a whole: what is kept for the desktop and what builds may take.
//!
//! Does not know what a build does with its share.

use super::super::derive::Derivation;
use super::super::knob::{Class, Effect, Knob, Language};
use super::super::range::RangeRule;
use crate::units::{Bytes, GIB};
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] = &[
    &RESERVE_THREADS,
    &BUILD_THREADS,
    &RESERVE_MEMORY,
    &ZRAM_WORTH,
    &SWAP_WORTH,
    &MEMORY_BUDGET,
    &STATIC_MEMORY,
    &ADDRESS_SPACE_LIMIT,
    &NICENESS,
];

/// Fewest cores of a machine on which a whole one is set aside.
const CORES_TO_SPARE_ONE: u64 = 4;

/// Threads kept free for the desktop.
pub static RESERVE_THREADS: Knob = Knob {
    id: "reserve-threads",
    language: Language::System,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Hardware threads that builds leave to the rest of the system",
    range: RangeRule::Counts(0, 4095),
    effect: Effect {
        build_time: "longer in proportion",
        memory: "less: fewer processes at a time",
        run_time: "none",
        source: "one core (two threads) reserved on the reference host",
    },
    targets: &[],
    derive: |d| {
        let cores = d.count("cpu.cores").unwrap_or(1).max(1);
        let threads = d.count("cpu.threads").unwrap_or(cores).max(1);
        if cores < CORES_TO_SPARE_ONE {
            let text = format!(
                "fewer than {CORES_TO_SPARE_ONE} cores: none can be spared, priority keeps the desktop alive"
            );
            return d.rule(text, Value::Count(0));
        }
        let per_core = (threads / cores).max(1);
        d.rule(format!("one core with its {per_core} threads"), Value::Count(per_core))
    },
};

/// Threads that builds may use.
pub static BUILD_THREADS: Knob = Knob {
    id: "build-threads",
    language: Language::System,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Hardware threads that builds may use together",
    range: RangeRule::Counts(1, 4096),
    effect: Effect {
        build_time: "shorter in proportion while there is parallel work",
        memory: "more: each busy thread holds a process's memory",
        run_time: "none",
        source: "the reference host builds on 6 of 8 threads",
    },
    targets: &[],
    derive: |d| {
        let threads = d.count("cpu.threads").unwrap_or(1);
        let usable = d.count("cpu.usable-threads").unwrap_or(threads).min(threads);
        let reserved = d.knob_count(&RESERVE_THREADS);
        // A quota or affinity mask already keeps processors free for others.
        if usable < threads {
            return d.rule(
                format!("{usable} of {threads} threads may be used; the others stay free"),
                Value::Count(usable.max(1)),
            );
        }
        let left = usable.saturating_sub(reserved).max(1);
        d.rule(format!("{usable} threads - {reserved} reserved"), Value::Count(left))
    },
};

/// Memory that the machine really has for this user: RAM, or the control group's limit.
fn own_memory(d: &mut Derivation<'_, '_>) -> (Bytes, bool) {
    let ram = d.size("memory.ram").unwrap_or(Bytes::gib(4));
    match d.size("memory.limit") {
        Some(limit) if limit < ram => (limit, true),
        _ => (ram, false),
    }
}

/// What a control group's own processes besides compilers take: page tables, shells, build tools.
const GROUP_RESERVE: Bytes = Bytes::mib(32);

/// Memory kept free for the desktop.
pub static RESERVE_MEMORY: Knob = Knob {
    id: "reserve-memory",
    language: Language::System,
    kind: Kind::Bytes,
    class: Class::Resource,
    summary: "Memory that builds leave to the rest of the system",
    range: RangeRule::Memory(0),
    effect: Effect {
        build_time: "longer when memory decides what may run together",
        memory: "less for builds",
        run_time: "none",
        source: "2 GB for the system on the reference host, and a sixteenth of memory for what is open beside a build; in a control group what its kernel memory and its build tools take",
    },
    targets: &[],
    derive: |d| {
        let (memory, limited) = own_memory(d);
        let ram = if limited { d.size("memory.ram").unwrap_or(memory) } else { memory };
        let system = Bytes::gib(2).min(Bytes(ram.0 / 4));
        let desktop = Bytes(ram.0 / 16);
        let sum = system.saturating_add(desktop);
        let why = format!(
            "{system} for the system (2 GiB, at most a quarter) + {desktop} for the desktop (a sixteenth of {ram})"
        );
        if !limited {
            return d.rule(why, Value::Bytes(sum));
        }
        // The desktop lives outside of the group, unless the group may have nearly all memory.
        let own = GROUP_RESERVE.max(Bytes(memory.0 / 96));
        let others = memory.saturating_sub(ram.saturating_sub(sum));
        if others > own {
            let why = format!("{why}, of which the control group's limit leaves the rest free");
            return d.rule(why, Value::Bytes(others));
        }
        d.rule(
            format!(
                "{own} of the control group's {memory} for the kernel and the build tools (a 96th)"
            ),
            Value::Bytes(own),
        )
    },
};

/// The part of zram that is a gain.
pub static ZRAM_WORTH: Knob = Knob {
    id: "zram-worth",
    language: Language::System,
    kind: Kind::Bytes,
    class: Class::Resource,
    summary: "Memory that zram adds when it is full: what it holds less what it takes",
    range: RangeRule::Memory(0),
    effect: Effect {
        build_time: "pages in zram cost processor time",
        memory: "more for builds",
        run_time: "none",
        source: "a compressed gigabyte is not a free gigabyte: full, it takes size / ratio of RAM",
    },
    targets: &[],
    derive: |d| {
        let zram = d.size("memory.zram").unwrap_or_default();
        let ratio = match d.fact("memory.zram-ratio") {
            Value::Ratio(ratio) if ratio >= 1.0 => ratio,
            _ => 1.0,
        };
        if own_memory(d).1 {
            return d.rule(
                "a control group limits memory, and swap does not raise that limit",
                Value::Bytes(Bytes::ZERO),
            );
        }
        let worth = zram.scaled(1.0 - 1.0 / ratio);
        d.rule(format!("{zram} x (1 - 1 / {ratio:.2})"), Value::Bytes(worth))
    },
};

/// The part of disk swap that is a gain.
pub static SWAP_WORTH: Knob = Knob {
    id: "swap-worth",
    language: Language::System,
    kind: Kind::Bytes,
    class: Class::Resource,
    summary: "Memory that swap on disks adds to the budget",
    range: RangeRule::Memory(0),
    effect: Effect {
        build_time: "a build that swaps to disk waits for it",
        memory: "more for builds",
        run_time: "none",
        source: "a page fetched back costs about 0.1 ms from NVMe and 10 ms from a disk, against microseconds from zram",
    },
    targets: &[],
    derive: |d| {
        let swap = d.size("memory.swap").unwrap_or_default();
        d.rule(format!("{swap} on disks is a safety net, not a budget"), Value::Bytes(Bytes::ZERO))
    },
};

/// Memory that all builds may take together.
pub static MEMORY_BUDGET: Knob = Knob {
    id: "memory-budget",
    language: Language::System,
    kind: Kind::Bytes,
    class: Class::Resource,
    summary: "Memory that builds may take together, compressed memory included",
    range: RangeRule::Memory(GIB / 16),
    effect: Effect {
        build_time: "decides how much may run together",
        memory: "the ceiling",
        run_time: "none",
        source: "reference host: 28 GB nominal, 7 GB reserved (4 of them are what full zram takes), 21 GB for builds",
    },
    targets: &[],
    derive: |d| {
        let (memory, limited) = own_memory(d);
        let zram = d.knob_size(&ZRAM_WORTH);
        let swap = d.knob_size(&SWAP_WORTH);
        let reserve = d.knob_size(&RESERVE_MEMORY);
        let total = memory.saturating_add(zram).saturating_add(swap);
        let budget = total.saturating_sub(reserve).max(Bytes(memory.0 / 4));
        let name = if limited { "control group limit" } else { "RAM" };
        d.rule(
            format!("{memory} {name} + {zram} zram + {swap} swap - {reserve} reserved, at least a quarter of {name}"),
            Value::Bytes(budget),
        )
    },
};

/// Memory that fixed job counts are computed from.
pub static STATIC_MEMORY: Knob = Knob {
    id: "static-memory",
    language: Language::System,
    kind: Kind::Bytes,
    class: Class::Resource,
    summary: "Memory that fixed job counts are computed from: without zram and swap",
    range: RangeRule::Memory(GIB / 16),
    effect: Effect {
        build_time: "decides fixed job counts",
        memory: "the ceiling for builds that nothing watches",
        run_time: "none",
        source: "a fixed number cannot react when pages stop compressing, so it must hold without",
    },
    targets: &[],
    derive: |d| {
        let (memory, _) = own_memory(d);
        let budget = d.knob_size(&MEMORY_BUDGET);
        let reserve = d.knob_size(&RESERVE_MEMORY);
        let left = memory.saturating_sub(reserve).max(Bytes(memory.0 / 4)).min(budget);
        d.rule(
            format!("{memory} - {reserve} reserved, at most the budget of {budget}"),
            Value::Bytes(left),
        )
    },
};

/// `ulimit -v` for build processes.
pub static ADDRESS_SPACE_LIMIT: Knob = Knob {
    id: "address-space-limit",
    language: Language::System,
    kind: Kind::Bytes,
    class: Class::Resource,
    summary: "Address space of each build process (`ulimit -v`); `ironwright run` and `build` set it",
    range: RangeRule::Memory(GIB / 4),
    effect: Effect {
        build_time: "none",
        memory: "a process that asks for more fails",
        run_time: "none",
        source: "setrlimit(2), RLIMIT_AS; Codex was built with 4 GB a process on the reference host",
    },
    targets: &[],
    derive: |d| {
        d.rule(
            "off: address space is not memory (V8 and sanitizers reserve far more than they touch), so a limit breaks builds that would fit; set it for a package that needs it",
            Value::Unset,
        )
    },
};

/// Scheduling priority of builds.
pub static NICENESS: Knob = Knob {
    id: "niceness",
    language: Language::System,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "How far builds step back for other processes (`nice`)",
    range: RangeRule::Counts(0, 19),
    effect: Effect {
        build_time: "none on an idle machine",
        memory: "none",
        run_time: "none",
        source: "setpriority(2): CPU time is shared by weight only while others want it",
    },
    targets: &[],
    derive: |d| {
        d.rule(
            "builds yield to whatever else runs; an idle machine gives them everything",
            Value::Count(10),
        )
    },
};
