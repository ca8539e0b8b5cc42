//! Knobs of a machine's own configuration, which the NixOS module sets: zram, swapping, and the
//! limits of the Nix daemon.
//!
//! Does not know what is set now, and changes nothing by itself.

use super::super::knob::{Class, Effect, Knob, Language};
use super::super::range::RangeRule;
use super::system::{RESERVE_MEMORY, STATIC_MEMORY};
use crate::units::{Bytes, GIB};
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] = &[
    &NIX_DAEMON_MEMORY_HIGH,
    &NIX_DAEMON_MEMORY_MAX,
    &ZRAM_PERCENT,
    &ZRAM_ALGORITHM,
    &SWAPPINESS,
    &PAGE_CLUSTER,
];

/// Where the daemon's builds are slowed down.
pub static NIX_DAEMON_MEMORY_HIGH: Knob = Knob {
    id: "nix-daemon-memory-high",
    language: Language::Nix,
    kind: Kind::Bytes,
    class: Class::Resource,
    summary: "Memory from which on the kernel reclaims from the Nix daemon's builds (`MemoryHigh`)",
    range: RangeRule::Memory(GIB / 4),
    effect: Effect {
        build_time: "builds beyond it wait for reclaim",
        memory: "the rest of the system keeps its own",
        run_time: "none",
        source: "systemd.resource-control(5)",
    },
    targets: &[],
    derive: |d| {
        let memory = d.knob_size(&STATIC_MEMORY);
        d.rule("memory without the reserve; swap is not counted by it", Value::Bytes(memory))
    },
};

/// Where the daemon's builds are ended.
pub static NIX_DAEMON_MEMORY_MAX: Knob = Knob {
    id: "nix-daemon-memory-max",
    language: Language::Nix,
    kind: Kind::Bytes,
    class: Class::Resource,
    summary: "Memory beyond which a build of the Nix daemon is killed (`MemoryMax`)",
    range: RangeRule::Memory(GIB / 4),
    effect: Effect {
        build_time: "a build beyond it fails, and the desktop lives",
        memory: "the ceiling of all builds of the daemon",
        run_time: "none",
        source: "systemd.resource-control(5)",
    },
    targets: &[],
    derive: |d| {
        let high = d.knob_size(&NIX_DAEMON_MEMORY_HIGH);
        let reserve = d.knob_size(&RESERVE_MEMORY);
        let most = high.saturating_add(Bytes(reserve.0 / 2));
        d.rule(format!("{high} and half of the {reserve} in reserve"), Value::Bytes(most))
    },
};

/// Size of zram.
pub static ZRAM_PERCENT: Knob = Knob {
    id: "zram-percent",
    language: Language::System,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "What zram may hold, in percent of memory (`zramSwap.memoryPercent`)",
    range: RangeRule::Counts(1, 400),
    effect: Effect {
        build_time: "pages in zram cost processor time",
        memory: "full, it takes its size / ratio of memory",
        run_time: "none",
        source: "zram-generator and NixOS start at 50; 75 on the reference host",
    },
    targets: &[],
    derive: |d| {
        let ram = d.size("memory.ram").unwrap_or(Bytes::gib(4)).max(Bytes(1));
        match d.size("memory.zram") {
            Some(zram) if zram.0 > 0 => {
                let percent = (u128::from(zram.0) * 100 / u128::from(ram.0)).clamp(1, 400);
                let percent = u64::try_from(percent).unwrap_or(400);
                d.rule(format!("what the host has: {zram} on {ram}"), Value::Count(percent))
            }
            _ => d.rule("half of memory, what distributions start with", Value::Count(50)),
        }
    },
};

/// Compression of zram.
pub static ZRAM_ALGORITHM: Knob = Knob {
    id: "zram-algorithm",
    language: Language::System,
    kind: Kind::Choice(&["zstd", "lz4", "lzo-rle", "lzo"]),
    class: Class::Resource,
    summary: "How zram compresses (`zramSwap.algorithm`)",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "lz4 is faster",
        memory: "zstd holds about a third more in the same memory",
        run_time: "none",
        source: "kernel documentation, zram; zstd on the reference host",
    },
    targets: &[],
    derive: |d| d.rule("compilers' memory compresses well", Value::text("zstd")),
};

/// Readiness to swap.
pub static SWAPPINESS: Knob = Knob {
    id: "swappiness",
    language: Language::System,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "How readily the kernel swaps (`vm.swappiness`)",
    range: RangeRule::Counts(0, 200),
    effect: Effect {
        build_time: "files that a build reads stay in memory longer when it is high",
        memory: "none",
        run_time: "none",
        source: "kernel documentation, vm.rst: beyond 100 where swap is faster than the disk",
    },
    targets: &[],
    derive: |d| match d.size("memory.zram") {
        Some(zram) if zram.0 > 0 => {
            d.rule("swapping to zram is far cheaper than reading a file again", Value::Count(180))
        }
        _ => d.rule("no zram: the kernel's own default", Value::Count(60)),
    },
};

/// Read-ahead of swap.
pub static PAGE_CLUSTER: Knob = Knob {
    id: "page-cluster",
    language: Language::System,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Pages read ahead from swap, as a power of two (`vm.page-cluster`)",
    range: RangeRule::Counts(0, 10),
    effect: Effect {
        build_time: "pages that nobody asked for are decompressed for nothing",
        memory: "little",
        run_time: "none",
        source: "kernel documentation, vm.rst",
    },
    targets: &[],
    derive: |d| match d.size("memory.zram") {
        Some(zram) if zram.0 > 0 => {
            d.rule("zram has no seeks to save: one page at a time", Value::Count(0))
        }
        _ => d.rule("no zram: the kernel's own default", Value::Count(3)),
    },
};
