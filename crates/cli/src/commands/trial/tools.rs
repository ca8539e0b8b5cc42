//! The compilers that a trial builds with.
//!
//! Does not know what they build.

use ironwright_core::profile::Profile;
use ironwright_core::trial::package::Language;
use ironwright_core::value::Value;
use ironwright_host::trial::compiler;

/// The compiler and the archiver that goes with it.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    pub(super) cc: String,
    pub(super) cxx: String,
    pub(super) ar: String,
    /// The compiler as it names itself.
    pub(super) version: String,
}

impl Tools {
    /// Those of this machine, for a language.
    pub(super) fn find(profile: &Profile, language: Language) -> Self {
        let has = |tool: &str| !matches!(profile.host(tool).value, Value::Unset);
        let (cc, cxx, ar) = match (has("tools.gcc"), has("tools.clang")) {
            (true, _) => ("gcc", "g++", "gcc-ar"),
            (false, true) => ("clang", "clang++", "llvm-ar"),
            (false, false) => ("cc", "c++", "ar"),
        };
        let ar = if compiler::version(ar).is_some() { ar } else { "ar" };
        let asked = if language == Language::Rust { "rustc" } else { cc };
        let version = compiler::version(asked).unwrap_or_default();
        Self { cc: cc.to_owned(), cxx: cxx.to_owned(), ar: ar.to_owned(), version }
    }
}
