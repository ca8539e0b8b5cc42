//! Tests of target names by compiler version on the machines that matter.
//!
//! Does not know compilers: that each name is accepted was checked against gcc 11.3 to 14.2,
//! LLVM 14 to 22 and rustc 1.95.

use proptest::prelude::*;

use super::*;
use crate::cpu::from_cpuinfo;

const BASELINE: &str = "sse sse2";
const SKYLAKE: &str = "sse sse2 pni ssse3 sse4_1 sse4_2 popcnt cx16 lahf_lm avx avx2 bmi1 bmi2 \
    f16c fma abm movbe adx aes pclmulqdq xsave";
const ZEN3: &str = "sha_ni sse4a vaes vpclmulqdq clwb";
const ZEN5: &str = "avx512f avx512dq avx512ifma avx512cd avx512bw avx512vl avx_vnni avx512_bf16 \
    avx512vbmi avx512_vbmi2 gfni avx512_vnni avx512_bitalg avx512_vpopcntdq avx512_vp2intersect";
const PI5: &str = "fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimdrdm lrcpc dcpop \
    asimddp";

fn x86_features(parts: &[&str]) -> BTreeSet<String> {
    let words = parts.iter().flat_map(|part| part.split_whitespace());
    from_cpuinfo(Architecture::X86_64, words)
}

fn arm_features(words: &str) -> BTreeSet<String> {
    from_cpuinfo(Architecture::Aarch64, words.split_whitespace())
}

fn choose(compiler: Compiler, version: &str, own: &str, features: &BTreeSet<String>) -> March {
    march(compiler, version, Some(own), None, features)
}

fn name(compiler: Compiler, version: &str, own: &str, features: &BTreeSet<String>) -> String {
    choose(compiler, version, own, features).name
}

#[test]
fn zen_5_by_compiler_version() {
    let features = x86_features(&[SKYLAKE, ZEN3, ZEN5]);
    let zen5 = |compiler, version| name(compiler, version, "znver5", &features);
    assert_eq!(zen5(Compiler::Gcc, "12.2.0"), "x86-64-v3");
    assert_eq!(zen5(Compiler::Gcc, "13.3.0"), "znver5");
    assert_eq!(zen5(Compiler::Gcc, "14.2.0"), "znver5");
    assert_eq!(zen5(Compiler::Gcc, "10.2.1"), "x86-64");
    assert_eq!(zen5(Compiler::Clang, "14.0.6"), "x86-64-v3");
    assert_eq!(zen5(Compiler::Clang, "19.1.7"), "znver5");
    assert_eq!(zen5(Compiler::Rustc, "1.95.0"), "znver5");
    assert_eq!(zen5(Compiler::Rustc, "1.81.0"), "x86-64-v3");
    assert_eq!(zen5(Compiler::Rustc, "1.51.0"), "x86-64");
}

#[test]
fn zen_4_and_its_first_compilers() {
    let features = x86_features(&[SKYLAKE, ZEN3, ZEN5]);
    assert_eq!(name(Compiler::Gcc, "12.2.0", "znver4", &features), "x86-64-v3");
    assert_eq!(name(Compiler::Gcc, "12.3.0", "znver4", &features), "znver4");
    assert_eq!(name(Compiler::Clang, "16.0.0", "znver4", &features), "znver4");
    assert_eq!(name(Compiler::Rustc, "1.70.0", "znver4", &features), "znver4");
}

#[test]
fn what_every_current_compiler_knows_is_exact() {
    let skylake = x86_features(&[SKYLAKE]);
    for (compiler, version) in
        [(Compiler::Gcc, "12.2.0"), (Compiler::Clang, "14.0.6"), (Compiler::Rustc, "1.95.0")]
    {
        let chosen = choose(compiler, version, "skylake", &skylake);
        assert_eq!((chosen.name.as_str(), chosen.exact), ("skylake", true), "{}", chosen.reason);
    }
    let zen3 = x86_features(&[SKYLAKE, ZEN3]);
    assert!(choose(Compiler::Gcc, "12.2.0", "znver3", &zen3).exact);
}

#[test]
fn a_feature_that_a_guest_hides_costs_the_exact_name() {
    let mut features = x86_features(&[SKYLAKE, ZEN3]);
    features.remove("vaes");
    let chosen = choose(Compiler::Gcc, "14.2.0", "znver3", &features);
    assert_eq!((chosen.name.as_str(), chosen.exact), ("x86-64-v3", false));
    assert!(chosen.reason.contains("vaes"), "{}", chosen.reason);
}

#[test]
fn v4_is_never_chosen_and_the_reason_has_the_figures() {
    let features = x86_features(&[SKYLAKE, ZEN3, ZEN5]);
    let chosen = march(Compiler::Gcc, "12.2.0", None, Some(PsabiLevel::X86V4), &features);
    assert_eq!((chosen.name.as_str(), chosen.exact), ("x86-64-v3", false));
    assert!(chosen.reason.contains("0.67x") && chosen.reason.contains("0.40x"));
}

#[test]
fn low_levels_stay_low() {
    let features = x86_features(&[BASELINE]);
    let chosen = march(Compiler::Gcc, "12.2.0", None, None, &features);
    assert_eq!(chosen.name, "x86-64");
    let v2 = march(Compiler::Gcc, "12.2.0", None, Some(PsabiLevel::X86V2), &features);
    assert_eq!(v2.name, "x86-64-v2");
}

#[test]
fn arm_compilers_take_architecture_versions() {
    let features = arm_features(PI5);
    let a76 = |compiler, version| name(compiler, version, "cortex-a76", &features);
    assert_eq!(a76(Compiler::Gcc, "12.2.0"), "armv8.2-a+crypto+fp16+dotprod");
    assert_eq!(a76(Compiler::Gcc, "7.5.0"), "armv8.2-a+crypto+fp16");
    assert_eq!(a76(Compiler::Gcc, "5.4.0"), "armv8.1-a+crypto");
    assert_eq!(a76(Compiler::Clang, "14.0.6"), "armv8.2-a+crypto+fp16+dotprod");
    assert_eq!(a76(Compiler::Rustc, "1.95.0"), "cortex-a76");
}

#[test]
fn an_arm_board_without_cryptography_gets_none() {
    let features = arm_features("fp asimd evtstrm crc32 cpuid");
    assert_eq!(name(Compiler::Gcc, "12.2.0", "cortex-a72", &features), "armv8-a+crc");
    let rustc = choose(Compiler::Rustc, "1.95.0", "cortex-a72", &features);
    assert_eq!((rustc.name.as_str(), rustc.exact), ("generic", false));
    assert!(rustc.reason.contains("aes, sha2"), "{}", rustc.reason);
}

#[test]
fn an_unknown_version_gets_the_baseline() {
    let features = x86_features(&[SKYLAKE]);
    assert_eq!(name(Compiler::Gcc, "trunk", "skylake", &features), "x86-64");
    assert_eq!(name(Compiler::Rustc, "", "cortex-a76", &arm_features(PI5)), "generic");
}

#[test]
fn an_unknown_architecture_gets_no_flag() {
    assert_eq!(march(Compiler::Gcc, "12.2.0", None, None, &BTreeSet::new()).name, "");
}

proptest! {
    #[test]
    fn never_panics(version in ".*", own in ".*", text in ".*") {
        let features = x86_features(&[BASELINE, &text]);
        for compiler in [Compiler::Gcc, Compiler::Clang, Compiler::Rustc] {
            let _ = march(compiler, &version, Some(&own), None, &features);
        }
    }

    #[test]
    fn a_processor_without_avx512_is_never_told_to_use_it(major in 4u16..30, minor in 0u16..5) {
        let features = x86_features(&[SKYLAKE, ZEN3]);
        let version = format!("{major}.{minor}");
        for own in ["znver5", "znver4", "znver3", "sapphirerapids", "skylake-avx512"] {
            for compiler in [Compiler::Gcc, Compiler::Clang] {
                let chosen = name(compiler, &version, own, &features);
                let lacks = Processor::named(&chosen).unwrap().missing(&features);
                prop_assert!(lacks.is_empty(), "{chosen} lacks {lacks:?}");
            }
        }
    }
}
