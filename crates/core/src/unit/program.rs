//! Which family of tools a program's name belongs to.
//!
//! Does not know arguments.

/// Tools that read their arguments alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Rust,
    C,
    Cuda,
    Linker,
    Other,
}

const RUST: &[&str] = &["rustc", "clippy-driver", "rustdoc"];
const C: &[&str] = &[
    "cc",
    "c++",
    "gcc",
    "g++",
    "clang",
    "clang++",
    "hipcc",
    "gfortran",
    "flang",
    "cc1",
    "cc1plus",
    "cc1obj",
    "cc1objplus",
    "f951",
];
const CUDA: &[&str] = &["nvcc", "cicc", "ptxas"];
const LINKER: &[&str] = &[
    "ld",
    "ld.bfd",
    "ld.gold",
    "ld.lld",
    "lld",
    "ld64.lld",
    "wasm-ld",
    "rust-lld",
    "mold",
    "ld.mold",
    "wild",
    "ld.wild",
    "gold",
    "collect2",
    "lto1",
    "lto-wrapper",
];
const OTHER: &[&str] = &[
    "node",
    "nodejs",
    "esbuild",
    "javac",
    "ghc",
    "ocamlopt",
    "ocamlopt.opt",
    "swiftc",
    "swift-frontend",
    "zig",
    "dmd",
    "ldc2",
    "ldmd2",
    "gdc",
    "nim",
    "clang-tidy",
];

impl Family {
    /// The family of a program with this base name.
    pub(super) fn of(name: &str) -> Option<Self> {
        [
            (RUST, Self::Rust),
            (C, Self::C),
            (CUDA, Self::Cuda),
            (LINKER, Self::Linker),
            (OTHER, Self::Other),
        ]
        .into_iter()
        .find(|(names, _)| names.contains(&name))
        .map(|(_, family)| family)
    }
}

/// A program's name without folders, target and version: `/usr/bin/x86_64-linux-gnu-g++-12` is
/// `g++`, `ld.lld-14` is `ld.lld`.
pub(super) fn base_name(program: &str) -> String {
    let name = program.rsplit('/').next().unwrap_or_default();
    let plain = without_version(name);
    if Family::of(plain).is_some() {
        return plain.to_owned();
    }
    // A target stands in front: the longest known name behind a dash.
    let known = plain
        .match_indices('-')
        .filter_map(|(at, _)| plain.get(at + 1..))
        .find(|tail| Family::of(tail).is_some_and(can_have_target));
    known.unwrap_or(plain).to_owned()
}

fn can_have_target(family: Family) -> bool {
    matches!(family, Family::C | Family::Linker)
}

/// `clang-14` is `clang`, `gcc-12.2` is `gcc`.
fn without_version(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((head, tail))
            if !head.is_empty()
                && tail.starts_with(|c: char| c.is_ascii_digit())
                && tail.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') =>
        {
            head
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_folder_target_and_version() {
        for (program, expected) in [
            ("/usr/bin/x86_64-linux-gnu-g++-12", "g++"),
            ("aarch64-unknown-linux-gnu-gcc", "gcc"),
            ("clang++-14", "clang++"),
            ("ld.lld-14", "ld.lld"),
            ("/usr/libexec/lto-wrapper", "lto-wrapper"),
            ("clippy-driver", "clippy-driver"),
            ("x86_64-linux-gnu-ld.gold", "ld.gold"),
            ("wasm-ld", "wasm-ld"),
            ("gcc-ar-12", "gcc-ar"),
            ("ghc-9.4.7", "ghc"),
            ("my-node", "my-node"),
            ("", ""),
        ] {
            assert_eq!(base_name(program), expected);
        }
    }

    #[test]
    fn small_and_unknown_tools_have_no_family() {
        for name in ["ar", "gcc-ar", "ranlib", "as", "strip", "npm", "python3", "make", "ccache"] {
            assert_eq!(Family::of(&base_name(name)), None, "{name}");
        }
    }
}
