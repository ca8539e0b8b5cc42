//! The toolchains that can use a profile, and what each needs for that.
//!
//! Does not know which are installed.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::build::Driver;
use crate::cpu::version::Version;

/// What is told about profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Toolchain {
    /// rustc, by way of cargo.
    Rustc,
    /// GCC.
    Gcc,
    /// clang.
    Clang,
    /// Go, from samples of the processor's time.
    Go,
    /// CPython's own makefile, which instruments, trains and merges by itself.
    Cpython,
}

/// Why a toolchain cannot use profiles, or not with the tools that there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The compiler is too old.
    #[error("{toolchain} {found} cannot: profiles are used here from {toolchain} {least} on")]
    TooOld {
        /// The toolchain.
        toolchain: Toolchain,
        /// Its version.
        found: Version,
        /// The first that will do.
        least: Version,
    },
    /// No merger of LLVM profiles reads what the compiler writes.
    #[error("no llvm-profdata reads the profiles of {compiler}: {found}; {right}")]
    NoMerger {
        /// The compiler with its LLVM.
        compiler: String,
        /// What was found instead.
        found: String,
        /// What would be right.
        right: String,
    },
    /// The build system is driven by nothing that knows profiles.
    #[error("{0} projects have no profile-guided build")]
    Driver(&'static str),
}

impl Toolchain {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rustc, Self::Gcc, Self::Clang, Self::Go, Self::Cpython];

    /// The program's usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rustc => "rustc",
            Self::Gcc => "gcc",
            Self::Clang => "clang",
            Self::Go => "go",
            Self::Cpython => "cpython",
        }
    }

    /// The knob whose value a profiled build stands for.
    pub const fn knob(self) -> &'static str {
        match self {
            Self::Rustc => "rust-pgo-level",
            Self::Gcc | Self::Clang => "c-pgo-level",
            Self::Go => "go-pgo-level",
            Self::Cpython => "python-pgo-level",
        }
    }

    /// The toolchain that a driver uses; C and C++ compilers are told apart by `compiler` (the first
    /// line that `cc --version` prints).
    ///
    /// # Errors
    /// Node.js and Python packages have no profile-guided build here.
    pub fn of_driver(driver: Driver, cpython: bool, compiler: &str) -> Result<Self, Unfit> {
        match driver {
            Driver::Make if cpython => Ok(Self::Cpython),
            Driver::Cargo => Ok(Self::Rustc),
            Driver::Go => Ok(Self::Go),
            Driver::Cmake | Driver::Make if compiler.contains("clang") => Ok(Self::Clang),
            Driver::Cmake | Driver::Make => Ok(Self::Gcc),
            Driver::Npm | Driver::Python => Err(Unfit::Driver(driver.name())),
        }
    }

    /// The oldest version that will do: gcc can strip the build directory from the names of its
    /// counters since 12 (`-fprofile-prefix-path`), clang profiles intermediate code since 4, Go takes
    /// a file since 1.20 and devirtualises with it since 1.21, rustc has the options since 1.37.
    pub const fn least(self) -> Version {
        match self {
            Self::Rustc => Version::new(1, 37),
            Self::Gcc => Version::new(12, 0),
            Self::Clang => Version::new(4, 0),
            Self::Go => Version::new(1, 21),
            Self::Cpython => Version::new(3, 6),
        }
    }

    /// Whether a version will do.
    ///
    /// # Errors
    /// With the first version that will.
    pub fn accept(self, found: Version) -> Result<(), Unfit> {
        let least = self.least();
        if found >= least {
            return Ok(());
        }
        Err(Unfit::TooOld { toolchain: self, found, least })
    }

    /// Whether profiles are LLVM's, which `llvm-profdata` merges.
    pub const fn is_llvm(self) -> bool {
        matches!(self, Self::Rustc | Self::Clang)
    }

    /// Name of the merged profile's file; GCC keeps a file for each object instead.
    pub const fn merged_name(self) -> Option<&'static str> {
        match self {
            Self::Rustc | Self::Clang => Some("merged.profdata"),
            Self::Go => Some("default.pgo"),
            Self::Gcc | Self::Cpython => None,
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilers_are_told_apart() {
        let of = |driver, line| Toolchain::of_driver(driver, false, line);
        assert_eq!(of(Driver::Make, "gcc (Debian 12.2.0-14) 12.2.0"), Ok(Toolchain::Gcc));
        assert_eq!(of(Driver::Cmake, "Debian clang version 14.0.6"), Ok(Toolchain::Clang));
        assert_eq!(Toolchain::of_driver(Driver::Make, true, "gcc"), Ok(Toolchain::Cpython));
        assert_eq!(of(Driver::Npm, ""), Err(Unfit::Driver("npm")));
    }

    #[test]
    fn old_ones_are_told_what_would_do() {
        let error = Toolchain::Go.accept(Version::new(1, 19)).unwrap_err();
        assert_eq!(error.to_string(), "go 1.19 cannot: profiles are used here from go 1.21 on");
        assert_eq!(Toolchain::Gcc.accept(Version::new(12, 2)), Ok(()));
    }
}
