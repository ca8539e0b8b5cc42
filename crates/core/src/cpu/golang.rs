//! `GOAMD64` and `GOARM64`: the architecture level that Go's compiler may use.
//!
//! By Go's documented requirements. Does not know the Go version: `GOAMD64` needs Go 1.18,
//! `GOARM64` Go 1.23; older releases ignore them.

use std::collections::BTreeSet;

use super::psabi::{self, PsabiLevel};
use crate::facts::Architecture;

/// `v1` to `v4`. Go's lists (go.dev/wiki/MinimumRequirements, "Architectures") are the psABI's.
pub fn goamd64(features: &BTreeSet<String>) -> &'static str {
    match psabi::level(Architecture::X86_64, features) {
        Some(PsabiLevel::X86V4) => "v4",
        Some(PsabiLevel::X86V3) => "v3",
        Some(PsabiLevel::X86V2) => "v2",
        _ => "v1",
    }
}

/// `v8.0` to `v9.0`, with `,lse` and `,crypto` where the processor has them beyond the version
/// (go.dev/wiki/MinimumRequirements; `lse` is part of v8.1 and later).
pub fn goarm64(features: &BTreeSet<String>) -> String {
    let level = psabi::level(Architecture::Aarch64, features);
    let mut value = String::from(match level {
        Some(PsabiLevel::Armv9A) => "v9.0",
        Some(PsabiLevel::Armv84A) => "v8.4",
        Some(PsabiLevel::Armv82A) => "v8.2",
        Some(PsabiLevel::Armv81A) => "v8.1",
        _ => "v8.0",
    });
    if level <= Some(PsabiLevel::Armv8A) && features.contains("lse") {
        value.push_str(",lse");
    }
    if features.contains("aes") && features.contains("sha2") {
        value.push_str(",crypto");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::from_cpuinfo;

    #[test]
    fn goamd64_by_features() {
        let value =
            |words: &str| goamd64(&from_cpuinfo(Architecture::X86_64, words.split_whitespace()));
        let v2 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3";
        let v3 = format!("{v2} avx avx2 bmi1 bmi2 f16c fma abm movbe");
        let v4 = format!("{v3} avx512f avx512bw avx512cd avx512dq avx512vl");
        assert_eq!(value(""), "v1");
        assert_eq!(value(v2), "v2");
        assert_eq!(value(&v3), "v3");
        assert_eq!(value(&v4), "v4");
    }

    #[test]
    fn goarm64_by_features() {
        let value =
            |words: &str| goarm64(&from_cpuinfo(Architecture::Aarch64, words.split_whitespace()));
        assert_eq!(value("fp asimd crc32"), "v8.0");
        assert_eq!(value("fp asimd atomics"), "v8.0,lse");
        assert_eq!(value("asimd aes pmull sha1 sha2 crc32 atomics asimdrdm dcpop"), "v8.2,crypto");
    }
}
