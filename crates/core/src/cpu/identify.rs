//! The name of a processor, from its vendor, family, model and features.
//!
//! Tables first: virtual machines hide features (`pku` above all), so a known family and model
//! decide alone. Only an unknown model is compared by features. Does not know what a hypervisor
//! that lies about family and model runs on, except that a model from before AVX2 with newer
//! features is taken for made up.

use std::collections::BTreeSet;

use super::arm::ArmCore;
use super::processors::{PROCESSORS, Processor};
use super::psabi::{self, PsabiLevel};
use crate::facts::Architecture;

/// What `/proc/cpuinfo` says about a processor.
#[derive(Clone, Copy, Debug)]
pub struct CpuId<'a> {
    /// Instruction set architecture.
    pub architecture: Architecture,
    /// `vendor_id` on x86 (`AuthenticAMD`); not used on Arm.
    pub vendor: &'a str,
    /// x86 family with the extended family added; on Arm the implementer code.
    pub family: u32,
    /// x86 model with the extended model; on Arm the part number.
    pub model: u32,
    /// x86 stepping; on Arm the revision.
    pub stepping: u32,
    /// Features under LLVM's names.
    pub features: &'a BTreeSet<String>,
}

/// How a name was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedBy {
    /// The family and model are in the table.
    Model,
    /// The model is unknown; this is the newest known processor of the vendor whose features it
    /// has. It may well be another microarchitecture.
    Features,
}

/// A processor's name and how it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name as GCC and LLVM write it.
    pub name: &'static str,
    /// How it was found.
    pub matched_by: MatchedBy,
}

impl Identity {
    /// The name if it is the processor's own and not merely the nearest one.
    pub fn own_name(&self) -> Option<&'static str> {
        (self.matched_by == MatchedBy::Model).then_some(self.name)
    }
}

/// The processor's name as GCC and LLVM write it, or that of the newest known processor of the
/// same vendor whose features it has.
pub fn microarchitecture(id: &CpuId<'_>) -> Option<String> {
    identify(id).map(|identity| identity.name.to_owned())
}

/// Like [`microarchitecture`], with how the name was found.
pub fn identify(id: &CpuId<'_>) -> Option<Identity> {
    match id.architecture {
        Architecture::X86_64 => identify_x86(id),
        Architecture::Aarch64 => ArmCore::by_part(id.family, id.model)
            .map(|core| Identity { name: core.name, matched_by: MatchedBy::Model }),
        Architecture::Other => None,
    }
}

fn identify_x86(id: &CpuId<'_>) -> Option<Identity> {
    let (by_model, line): (_, fn(&str) -> bool) = match id.vendor {
        "GenuineIntel" => (intel(id), is_intel),
        "AuthenticAMD" => (amd(id), is_amd),
        "HygonGenuine" => (hygon(id), is_amd),
        _ => return None,
    };
    by_model
        .filter(|name| is_plausible(name, id))
        .map(|name| Identity { name, matched_by: MatchedBy::Model })
        .or_else(|| {
            by_features(id, line).map(|name| Identity { name, matched_by: MatchedBy::Features })
        })
}

/// QEMU's generic models claim to be a K8 or a Pentium 4 whatever they offer. A real processor
/// that is older than AVX2 never reaches a higher level than its own.
fn is_plausible(name: &str, id: &CpuId<'_>) -> bool {
    let Some(processor) = Processor::named(name) else { return true };
    let essential = processor.essential().into_iter().map(str::to_owned).collect();
    let own = psabi::level(id.architecture, &essential);
    own >= Some(PsabiLevel::X86V3) || psabi::level(id.architecture, id.features) <= own
}

fn by_features(id: &CpuId<'_>, line: fn(&str) -> bool) -> Option<&'static str> {
    PROCESSORS
        .iter()
        .filter(|processor| line(processor.name) && processor.missing(id.features).is_empty())
        .filter(|processor| is_plausible(processor.name, id))
        .max_by_key(|processor| (processor.essential().len(), processor.gcc))
        .map(|processor| processor.name)
}

fn is_amd(name: &str) -> bool {
    ["znver", "bdver", "btver", "amdfam", "k8"].iter().any(|prefix| name.starts_with(prefix))
}

fn is_intel(name: &str) -> bool {
    !is_amd(name) && !name.starts_with("x86-64")
}

fn intel(id: &CpuId<'_>) -> Option<&'static str> {
    match id.family {
        6 if id.model == 0x55 => Some(skylake_server(id)),
        6 => INTEL_FAMILY_6
            .iter()
            .find(|(models, _)| models.contains(&id.model))
            .map(|(_, name)| *name),
        0xf => Some("nocona"),
        0x12 => matches!(id.model, 0x01 | 0x03).then_some("novalake"),
        0x13 => (id.model == 0x01).then_some("diamondrapids"),
        _ => None,
    }
}

/// Three generations share model 0x55. Features tell them apart; where they are hidden, the
/// stepping does (Intel, "Xeon Scalable specification updates").
fn skylake_server(id: &CpuId<'_>) -> &'static str {
    if id.features.contains("avx512bf16") || id.stepping >= 10 {
        "cooperlake"
    } else if id.features.contains("avx512vnni") || id.stepping >= 5 {
        "cascadelake"
    } else {
        "skylake-avx512"
    }
}

/// Models of family 6 (Intel SDM volume 4, table 2-1; LLVM's and Linux's model lists agree).
const INTEL_FAMILY_6: &[(&[u32], &str)] = &[
    (&[0x0f, 0x16, 0x17, 0x1d], "core2"),
    (&[0x1a, 0x1e, 0x1f, 0x2e], "nehalem"),
    (&[0x25, 0x2c, 0x2f], "westmere"),
    (&[0x2a, 0x2d], "sandybridge"),
    (&[0x3a, 0x3e], "ivybridge"),
    (&[0x3c, 0x3f, 0x45, 0x46], "haswell"),
    (&[0x3d, 0x47, 0x4f, 0x56], "broadwell"),
    (&[0x4e, 0x5e, 0x8e, 0x9e, 0xa5, 0xa6], "skylake"),
    (&[0x66], "cannonlake"),
    (&[0x7d, 0x7e, 0x9d], "icelake-client"),
    (&[0x6a, 0x6c], "icelake-server"),
    (&[0x8c, 0x8d], "tigerlake"),
    (&[0xa7], "rocketlake"),
    (&[0x97, 0x9a], "alderlake"),
    (&[0xb7, 0xba, 0xbf, 0xd7], "raptorlake"),
    (&[0xaa, 0xac], "meteorlake"),
    (&[0xb5, 0xc5], "arrowlake"),
    (&[0xc6], "arrowlake-s"),
    (&[0xbd], "lunarlake"),
    (&[0xcc], "pantherlake"),
    (&[0xd5], "wildcatlake"),
    (&[0x8f], "sapphirerapids"),
    (&[0xcf], "emeraldrapids"),
    (&[0xad], "graniterapids"),
    (&[0xae], "graniterapids-d"),
    (&[0x1c, 0x26, 0x27, 0x35, 0x36], "bonnell"),
    (&[0x37, 0x4a, 0x4c, 0x4d, 0x5a, 0x5d, 0x75], "silvermont"),
    (&[0x5c, 0x5f], "goldmont"),
    (&[0x7a], "goldmont-plus"),
    (&[0x86, 0x8a, 0x96, 0x9c], "tremont"),
    (&[0xbe], "gracemont"),
    (&[0xaf], "sierraforest"),
    (&[0xb6], "grandridge"),
    (&[0xdd], "clearwaterforest"),
    (&[0x57], "knl"),
    (&[0x85], "knm"),
];

fn amd(id: &CpuId<'_>) -> Option<&'static str> {
    match id.family {
        0x0f if !id.features.contains("sse3") => Some("k8"),
        0x0f | 0x11 => Some("k8-sse3"),
        0x10 | 0x12 => Some("amdfam10"),
        0x14 => Some("btver1"),
        0x15 => bulldozer(id.model),
        0x16 => Some("btver2"),
        0x17 => zen_1_2(id.model),
        0x19 => zen_3_4(id.model),
        0x1a => zen_5_6(id.model),
        _ => None,
    }
}

// The model ranges below are those of AMD's processor programming references, as Linux
// (arch/x86/kernel/cpu/amd.c) and LLVM (Host.cpp) use them.

fn bulldozer(model: u32) -> Option<&'static str> {
    match model {
        0x02 | 0x10..=0x1f => Some("bdver2"),
        0x00..=0x0f => Some("bdver1"),
        0x30..=0x3f => Some("bdver3"),
        0x60..=0x7f => Some("bdver4"),
        _ => None,
    }
}

fn zen_1_2(model: u32) -> Option<&'static str> {
    match model {
        0x00..=0x2f => Some("znver1"),
        0x30..=0x3f | 0x47 | 0x60..=0x7f | 0x84..=0x87 | 0x90..=0xaf => Some("znver2"),
        _ => None,
    }
}

fn zen_3_4(model: u32) -> Option<&'static str> {
    match model {
        0x00..=0x0f | 0x20..=0x5f => Some("znver3"),
        0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf => Some("znver4"),
        _ => None,
    }
}

fn zen_5_6(model: u32) -> Option<&'static str> {
    match model {
        0x00..=0x4f | 0x60..=0x7f | 0xd0..=0xd7 => Some("znver5"),
        0x50..=0x5f | 0x80..=0xcf => Some("znver6"),
        _ => None,
    }
}

/// Hygon's Dhyana is a licensed first-generation Zen; later models are its own designs.
fn hygon(id: &CpuId<'_>) -> Option<&'static str> {
    (id.family == 0x18 && id.model < 4).then_some("znver1")
}

#[cfg(test)]
#[path = "identify_tests.rs"]
mod tests;
