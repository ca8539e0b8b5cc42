//! Tests of processor names on machines as they report themselves.
//!
//! Does not know real hardware beyond the words recorded here.

use proptest::prelude::*;

use super::*;
use crate::cpu::from_cpuinfo;

const ZEN5_GUEST: &str = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 \
    clflush mmx fxsr sse sse2 ht syscall nx mmxext fxsr_opt pdpe1gb rdtscp lm constant_tsc \
    rep_good nopl xtopology nonstop_tsc cpuid extd_apicid tsc_known_freq pni pclmulqdq ssse3 fma \
    cx16 pcid sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave avx f16c rdrand \
    hypervisor lahf_lm cmp_legacy cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw topoext \
    vmmcall fsgsbase tsc_adjust bmi1 avx2 smep bmi2 erms invpcid avx512f avx512dq adx smap \
    avx512ifma clflushopt clwb avx512cd sha_ni avx512bw avx512vl xsaveopt xsavec xgetbv1 xsaves \
    avx_vnni avx512_bf16 clzero xsaveerptr arat avx512vbmi umip avx512_vbmi2 gfni vaes vpclmulqdq \
    avx512_vnni avx512_bitalg avx512_vpopcntdq rdpid fsrm avx512_vp2intersect";

const V3: &str = "sse sse2 pni ssse3 sse4_1 sse4_2 popcnt cx16 lahf_lm avx avx2 bmi1 bmi2 f16c \
    fma abm movbe xsave";

fn words(text: &str) -> BTreeSet<String> {
    from_cpuinfo(Architecture::X86_64, text.split_whitespace())
}

fn x86(vendor: &str, numbers: [u32; 3], text: &str) -> Option<Identity> {
    let [family, model, stepping] = numbers;
    let features = words(text);
    let architecture = Architecture::X86_64;
    identify(&CpuId { architecture, vendor, family, model, stepping, features: &features })
}

fn x86_name(vendor: &str, numbers: [u32; 3], text: &str) -> Option<&'static str> {
    x86(vendor, numbers, text).map(|identity| identity.name)
}

fn arm_name(implementer: u32, part: u32) -> Option<&'static str> {
    let features = BTreeSet::new();
    let id = CpuId {
        architecture: Architecture::Aarch64,
        vendor: "",
        family: implementer,
        model: part,
        stepping: 0,
        features: &features,
    };
    identify(&id).map(|identity| identity.name)
}

#[test]
fn reference_machines_have_their_names() {
    assert_eq!(x86_name("GenuineIntel", [6, 94, 3], V3), Some("skylake"));
    assert_eq!(x86_name("AuthenticAMD", [26, 2, 1], ZEN5_GUEST), Some("znver5"));
    assert_eq!(x86_name("AuthenticAMD", [25, 17, 1], ZEN5_GUEST), Some("znver4"));
    assert_eq!(x86_name("AuthenticAMD", [25, 33, 0], V3), Some("znver3"));
    assert_eq!(x86_name("AuthenticAMD", [23, 49, 0], V3), Some("znver2"));
    assert_eq!(x86_name("AuthenticAMD", [23, 1, 2], V3), Some("znver1"));
    assert_eq!(x86_name("HygonGenuine", [24, 0, 1], V3), Some("znver1"));
    assert_eq!(x86_name("GenuineIntel", [6, 0xb7, 1], V3), Some("raptorlake"));
}

#[test]
fn model_85_is_told_apart() {
    let name = |stepping, extra: &str| {
        let text = format!("{V3} avx512f avx512bw avx512cd avx512dq avx512vl {extra}");
        x86_name("GenuineIntel", [6, 0x55, stepping], &text)
    };
    assert_eq!(name(4, ""), Some("skylake-avx512"));
    assert_eq!(name(7, "avx512_vnni"), Some("cascadelake"));
    assert_eq!(name(7, ""), Some("cascadelake"), "a guest that hides AVX-512 VNNI");
    assert_eq!(name(11, "avx512_vnni avx512_bf16"), Some("cooperlake"));
}

#[test]
fn an_unknown_model_gets_the_newest_name_that_fits() {
    let future = x86("AuthenticAMD", [27, 0x70, 0], ZEN5_GUEST).unwrap();
    assert_eq!(future.name, "znver5");
    assert_eq!(future.matched_by, MatchedBy::Features);
    assert_eq!(future.own_name(), None);
    let without_avx512 = V3.to_owned() + " adx aes pclmulqdq sha_ni sse4a";
    assert_eq!(x86_name("AuthenticAMD", [27, 0, 0], &without_avx512), Some("znver2"));
    let intel = V3.to_owned() + " adx aes pclmulqdq";
    assert_eq!(x86_name("GenuineIntel", [6, 0xff, 0], &intel), Some("skylake"));
}

#[test]
fn a_model_number_that_its_features_belie_is_not_believed() {
    let zen2 = V3.to_owned() + " adx aes pclmulqdq sha_ni sse4a";
    let emulated = x86("AuthenticAMD", [15, 107, 1], &zen2).unwrap();
    assert_eq!(emulated.matched_by, MatchedBy::Features);
    assert_eq!(emulated.name, "znver2");
    assert_eq!(x86("AuthenticAMD", [15, 107, 1], V3), None, "no name rather than a far older one");
    assert_eq!(x86_name("AuthenticAMD", [15, 107, 1], "sse2 pni cx16"), Some("k8-sse3"));
}

#[test]
fn hidden_features_do_not_change_a_known_model() {
    let masked = x86("AuthenticAMD", [25, 17, 1], "sse sse2").unwrap();
    assert_eq!((masked.name, masked.matched_by), ("znver4", MatchedBy::Model));
}

#[test]
fn arm_names_follow_implementer_and_part() {
    assert_eq!(arm_name(0x41, 0xd0b), Some("cortex-a76"));
    assert_eq!(arm_name(0x41, 0xd0c), Some("neoverse-n1"));
    assert_eq!(arm_name(0x46, 0x001), Some("a64fx"));
    assert_eq!(arm_name(0x61, 0x022), Some("apple-m1"));
    assert_eq!(arm_name(0x41, 0xfff), None);
}

#[test]
fn an_unknown_vendor_has_no_name() {
    assert_eq!(x86("CentaurHauls", [7, 0x3b, 0], V3), None);
}

#[test]
fn every_model_name_has_compiler_data() {
    for family in 0..=0x20 {
        for model in 0..=0xff {
            for vendor in ["GenuineIntel", "AuthenticAMD", "HygonGenuine"] {
                let Some(name) = x86_name(vendor, [family, model, 0], "sse2") else { continue };
                assert!(Processor::named(name).is_some(), "{vendor} {family}/{model}: {name}");
            }
        }
    }
}

proptest! {
    #[test]
    fn never_panics(vendor in ".*", numbers: [u32; 3], text in ".*") {
        let _ = x86(&vendor, numbers, &text);
        let _ = x86("GenuineIntel", numbers, &text);
        let _ = x86("AuthenticAMD", numbers, &text);
        let _ = arm_name(numbers[0], numbers[1]);
    }
}
