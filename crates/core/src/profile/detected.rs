//! The detected layer: what a probe's facts say about the profile's keys.
//!
//! Does not know how facts were read. A fact that is absent sets nothing, so that the universal
//! value stands and the user is told.

use std::collections::BTreeMap;

use super::Layered;
use crate::facts::{Fact, HostFacts};
use crate::origin::Origin;
use crate::units::{Bytes, Limit};
use crate::value::Value;

/// Collects keys with the place each was read.
#[derive(Default)]
struct Detected(BTreeMap<String, Layered>);

impl Detected {
    fn set(&mut self, key: &str, value: Value, source: &str) {
        let origin = Origin::Detected { source: source.to_owned() };
        self.0.insert(key.to_owned(), Layered { value, origin });
    }

    fn text(&mut self, key: &str, fact: Option<&Fact<String>>) {
        self.fact(key, fact, |text| Value::text(text));
    }

    fn fact<T>(&mut self, key: &str, fact: Option<&Fact<T>>, value: impl FnOnce(&T) -> Value) {
        if let Some(fact) = fact {
            self.set(key, value(&fact.value), &fact.source);
        }
    }
}

/// The keys that the facts determine.
pub(super) fn detected(facts: &HostFacts) -> BTreeMap<String, Layered> {
    let mut out = Detected::default();
    out.text("host.name", facts.hostname.as_ref());
    out.text("host.os", facts.environment.os_id.as_ref());
    cpu(&mut out, facts);
    memory(&mut out, facts);
    devices(&mut out, facts);
    for (name, tool) in &facts.tools {
        if let Some(version) = &tool.version {
            out.set(&format!("tools.{name}"), Value::text(version), &tool.path);
        }
    }
    out.0
}

fn cpu(out: &mut Detected, facts: &HostFacts) {
    let cpu = &facts.cpu;
    out.fact("cpu.architecture", Some(&cpu.architecture), |a| Value::text(a.name()));
    out.text("cpu.model-name", cpu.model_name.as_ref());
    out.text("cpu.microarchitecture", cpu.microarchitecture.as_ref());
    out.text("cpu.psabi", cpu.psabi.as_ref());
    if !cpu.features.value.is_empty() {
        let list = |features: &std::collections::BTreeSet<String>| {
            Value::List(features.iter().cloned().collect())
        };
        out.fact("cpu.features", Some(&cpu.features), list);
    }
    let count = |n: &u32| Value::Count(u64::from(*n));
    out.fact("cpu.cores", cpu.cores.as_ref(), count);
    out.fact("cpu.threads", cpu.threads.as_ref(), count);
    out.fact("cpu.usable-threads", cpu.usable_threads.as_ref(), count);
}

fn memory(out: &mut Detected, facts: &HostFacts) {
    let memory = &facts.memory;
    out.fact("memory.ram", memory.total.as_ref(), |b| Value::Bytes(*b));
    if let Some((limit, source)) = group_limit(facts) {
        out.set("memory.limit", Value::Bytes(limit), source);
    }
    // Zram counts where it serves as swap; a device that holds a file system saves no memory.
    let zram: Vec<_> = memory
        .zram
        .iter()
        .filter(|z| memory.swap.iter().any(|s| s.path.ends_with(&z.device)))
        .collect();
    if let Some(first) = zram.first() {
        let total = zram.iter().fold(Bytes::ZERO, |sum, z| sum.saturating_add(z.size));
        out.set("memory.zram", Value::Bytes(total), &first.source);
        let (ratio, source) = compression(first.ratio, first.algorithm.as_deref(), &first.source);
        out.set("memory.zram-ratio", Value::Ratio(ratio), &source);
    }
    let disk = memory
        .swap
        .iter()
        .filter(|s| s.kind != "zram")
        .fold(Bytes::ZERO, |sum, s| sum.saturating_add(s.size));
    if disk > Bytes::ZERO {
        out.set("memory.swap", Value::Bytes(disk), "/proc/swaps");
    }
}

/// The lower of the hard and the throttling limit, when it is below what the machine has.
fn group_limit(facts: &HostFacts) -> Option<(Bytes, &str)> {
    let of = |fact: &'_ Fact<Limit>| fact.value.bytes();
    let groups = &facts.cgroup;
    let limits = [&groups.memory_limit, &groups.memory_high];
    let lowest = limits
        .into_iter()
        .filter_map(|fact| Some((of(fact)?, fact.source.as_str())))
        .min_by_key(|(bytes, _)| *bytes)?;
    let ram = facts.memory.total.as_ref().map_or(Bytes(u64::MAX), |fact| fact.value);
    (lowest.0 < ram).then_some(lowest)
}

/// Compression ratio as measured on this machine, else what is usual for the algorithm on a
/// desktop's anonymous memory. Measured figures in the kernel's and distributions' documents lie
/// around 2 for LZO and LZ4 and around 3 for zstd; the estimate stays on the low side.
fn compression(measured: Option<f64>, algorithm: Option<&str>, source: &str) -> (f64, String) {
    if let Some(ratio) = measured {
        return (ratio.clamp(1.0, 20.0), format!("{source} (measured)"));
    }
    let ratio = match algorithm {
        Some("zstd") => 2.8,
        Some("deflate" | "842") => 2.5,
        _ => 2.0,
    };
    (ratio, format!("usual for {}", algorithm.unwrap_or("an unknown algorithm")))
}

fn devices(out: &mut Detected, facts: &HostFacts) {
    let largest = facts.storage.iter().max_by_key(|d| d.size);
    if let Some(device) = largest {
        out.set("storage.kind", Value::text(&device.kind), &device.source);
    }
    let capabilities: Vec<String> =
        facts.gpus.iter().filter_map(|gpu| gpu.compute_capability.clone()).collect();
    if let (Some(gpu), false) = (facts.gpus.first(), capabilities.is_empty()) {
        out.set("gpu.compute-capability", Value::List(capabilities), &gpu.source);
    }
    let memory = facts.gpus.iter().filter_map(|gpu| Some((gpu.memory?, &gpu.source))).max();
    if let Some((bytes, source)) = memory {
        out.set("gpu.memory", Value::Bytes(bytes), source);
    }
}
