//! The name to give a compiler for `-march` or `-C target-cpu`, by the compiler's version.
//!
//! Chooses the processor's own name where the compiler knows it and the processor has every
//! feature that the compiler may then use; otherwise an architecture level. Never chooses a
//! neighbouring processor. Does not know which choice is faster for a given package: that is
//! measured.

use std::collections::BTreeSet;

use super::arm::ArmCore;
use super::processors::Processor;
use super::psabi::{self, PsabiLevel};
use super::version::{Version, llvm_of_rustc};
use crate::facts::Architecture;

/// A family of compilers with its own version numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compiler {
    /// GNU C, C++, Fortran.
    Gcc,
    /// LLVM's C and C++ (not Apple's, which numbers differently).
    Clang,
    /// Rust.
    Rustc,
}

impl Compiler {
    /// The command's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gcc => "gcc",
            Self::Clang => "clang",
            Self::Rustc => "rustc",
        }
    }
}

/// A target name that the compiler accepts and the processor can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct March {
    /// For `-march` (gcc, clang) or `-C target-cpu` (rustc). Empty on an unknown architecture:
    /// pass no flag then.
    pub name: String,
    /// The name is that of the processor's own microarchitecture.
    pub exact: bool,
    /// Why this name.
    pub reason: String,
}

/// Why a level below the processor's own is chosen and no similar processor. Measured with gcc
/// 12.2 on Zen 4, whose `-march=native` is znver3 plus AVX-512 because it does not know znver4.
const NEIGHBOURS_HARM: &str = "the name of a similar processor and x86-64-v4 are avoided, because \
     gcc 12.2 told znver3 plus AVX-512 on Zen 4 ran OpenSSL's Ed25519 at 0.67x and BLAKE2b at \
     0.40x the speed of -O2, while x86-64-v3 slowed none";

/// The compiler's version, as far as target names depend on it.
#[derive(Clone, Copy)]
enum Known {
    Gcc(Version),
    Llvm(Version),
}

/// Chooses the target name.
///
/// `microarchitecture` is the processor's own name ([`super::Identity::own_name`]), `psabi` its
/// level; without a level, the features decide.
pub fn march(
    compiler: Compiler,
    version: &str,
    microarchitecture: Option<&str>,
    psabi: Option<PsabiLevel>,
    features: &BTreeSet<String>,
) -> March {
    let Some(level) = psabi.or_else(|| level_of(features)) else {
        let reason = "the architecture has no levels or names here".to_owned();
        return March { name: String::new(), exact: false, reason };
    };
    let Some(known) = known(compiler, version) else {
        let reason = format!("the version `{version}` of {} is unknown", compiler.name());
        let name = baseline(compiler, level.architecture());
        return March { name: name.to_owned(), exact: false, reason };
    };
    let label = format!("{} {version}", compiler.name());
    if level.architecture() == Architecture::Aarch64 {
        arm(compiler, known, &label, microarchitecture, level, features)
    } else {
        x86(known, &label, microarchitecture, level, features)
    }
}

fn level_of(features: &BTreeSet<String>) -> Option<PsabiLevel> {
    let architecture = if features.contains("sse2") {
        Architecture::X86_64
    } else if features.contains("neon") {
        Architecture::Aarch64
    } else {
        Architecture::Other
    };
    psabi::level(architecture, features)
}

fn known(compiler: Compiler, version: &str) -> Option<Known> {
    let version = Version::parse(version)?;
    match compiler {
        Compiler::Gcc => Some(Known::Gcc(version)),
        Compiler::Clang => Some(Known::Llvm(version)),
        Compiler::Rustc => llvm_of_rustc(version).map(Known::Llvm),
    }
}

const fn baseline(compiler: Compiler, architecture: Architecture) -> &'static str {
    match (architecture, compiler) {
        (Architecture::X86_64, _) => "x86-64",
        (Architecture::Aarch64, Compiler::Rustc) => "generic",
        (Architecture::Aarch64, _) => "armv8-a",
        (Architecture::Other, _) => "",
    }
}

fn x86(
    known: Known,
    label: &str,
    microarchitecture: Option<&str>,
    level: PsabiLevel,
    features: &BTreeSet<String>,
) -> March {
    match own_x86(known, label, microarchitecture, features) {
        Ok(name) => {
            let reason =
                format!("{label} knows {name}, and the processor has every feature it implies");
            March { name: name.to_owned(), exact: true, reason }
        }
        Err(why) => x86_level(known, label, level, &why),
    }
}

/// The processor's own name, or why it cannot be used.
fn own_x86(
    known: Known,
    label: &str,
    microarchitecture: Option<&str>,
    features: &BTreeSet<String>,
) -> Result<&'static str, String> {
    let name = microarchitecture.ok_or("the microarchitecture is not known")?;
    let processor =
        Processor::named(name).ok_or_else(|| format!("no compiler data about {name}"))?;
    let accepted = match known {
        Known::Gcc(version) => processor.known_to_gcc(version),
        Known::Llvm(version) => processor.known_to_llvm(version),
    };
    if !accepted {
        return Err(format!("{label} does not know {name}"));
    }
    let missing = processor.missing(features);
    if missing.is_empty() { Ok(processor.name) } else { Err(not_reported(name, &missing)) }
}

fn not_reported(name: &str, missing: &[&str]) -> String {
    let list = missing.join(", ");
    format!("{name} implies {list}, which this machine does not report")
}

fn x86_level(known: Known, label: &str, level: PsabiLevel, why: &str) -> March {
    let (knows_levels, needs) = match known {
        Known::Gcc(version) => (version >= Version::new(11, 1), "gcc 11.1"),
        Known::Llvm(version) => (version >= Version::new(12, 0), "LLVM 12"),
    };
    if !knows_levels {
        let reason = format!("{why}, and {label} does not know x86-64 levels ({needs} does)");
        return March { name: PsabiLevel::X86V1.as_str().to_owned(), exact: false, reason };
    }
    let chosen = level.min(PsabiLevel::X86V3);
    let reason = if chosen == PsabiLevel::X86V3 {
        format!("{why}; {NEIGHBOURS_HARM}")
    } else {
        format!("{why}; {chosen} is the highest level that the features allow")
    };
    March { name: chosen.as_str().to_owned(), exact: false, reason }
}

fn arm(
    compiler: Compiler,
    known: Known,
    label: &str,
    microarchitecture: Option<&str>,
    level: PsabiLevel,
    features: &BTreeSet<String>,
) -> March {
    match (compiler, known) {
        (Compiler::Rustc, Known::Llvm(llvm)) => arm_rustc(llvm, label, microarchitecture, features),
        _ => arm_level(known, label, level, features),
    }
}

/// rustc's `target-cpu` takes processor names only.
fn arm_rustc(
    llvm: Version,
    label: &str,
    microarchitecture: Option<&str>,
    features: &BTreeSet<String>,
) -> March {
    let generic = |reason: String| March { name: "generic".to_owned(), exact: false, reason };
    let Some(core) = microarchitecture.and_then(ArmCore::named) else {
        return generic("the microarchitecture is not known".to_owned());
    };
    if !core.known_to_llvm(llvm) {
        return generic(format!("{label} does not know {}", core.name));
    }
    let missing = core.missing(features);
    if !missing.is_empty() {
        return generic(not_reported(core.name, &missing));
    }
    let reason = format!("{label} knows {}, and the processor has its features", core.name);
    March { name: core.name.to_owned(), exact: true, reason }
}

/// First GCC and first LLVM major version that accept an Arm architecture version.
const ARM_LEVELS: &[(PsabiLevel, u16, u16)] = &[
    (PsabiLevel::Armv9A, 12, 14),
    (PsabiLevel::Armv84A, 8, 8),
    (PsabiLevel::Armv82A, 6, 4),
    (PsabiLevel::Armv81A, 5, 4),
];

/// GCC's and Clang's `-march` takes versions of the architecture with extensions. Processor names
/// belong to `-mcpu`, which promises extensions that a maker may have left out.
fn arm_level(known: Known, label: &str, level: PsabiLevel, features: &BTreeSet<String>) -> March {
    let accepts = |gcc: u16, llvm: u16| match known {
        Known::Gcc(version) => version.major >= gcc,
        Known::Llvm(version) => version.major >= llvm,
    };
    let chosen = ARM_LEVELS
        .iter()
        .find(|(candidate, gcc, llvm)| *candidate <= level && accepts(*gcc, *llvm))
        .map_or(PsabiLevel::Armv8A, |(candidate, ..)| *candidate);
    let mut name = chosen.as_str().to_owned();
    for (extension, needs, from, below, gcc, llvm) in ARM_EXTENSIONS {
        let present = needs.iter().all(|need| features.contains(*need));
        if present && chosen >= *from && chosen < *below && accepts(*gcc, *llvm) {
            name.push('+');
            name.push_str(extension);
        }
    }
    let reason = format!(
        "{label} accepts {name}, and the processor has it; -march takes no processor names on Arm"
    );
    March { name, exact: false, reason }
}

/// An extension's name, the features it stands for, the lowest architecture version it can be
/// added to, the one that includes it, and the first GCC and LLVM that know it.
type ArmExtension = (&'static str, &'static [&'static str], PsabiLevel, PsabiLevel, u16, u16);

/// Above every version: no version of the architecture includes cryptography or half precision.
const NO_LEVEL_INCLUDES: PsabiLevel = PsabiLevel::Armv9A;

const ARM_EXTENSIONS: &[ArmExtension] = &[
    ("crc", &["crc"], PsabiLevel::Armv8A, PsabiLevel::Armv81A, 5, 4),
    ("crypto", &["aes", "sha2"], PsabiLevel::Armv8A, NO_LEVEL_INCLUDES, 5, 4),
    ("fp16", &["fp16"], PsabiLevel::Armv82A, NO_LEVEL_INCLUDES, 7, 4),
    ("dotprod", &["dotprod"], PsabiLevel::Armv82A, PsabiLevel::Armv84A, 8, 7),
];

#[cfg(test)]
#[path = "march_tests.rs"]
mod tests;
