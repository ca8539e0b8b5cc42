//! C and C++ sources that a build script compiles: an estimate, because only the script knows.
//!
//! A package counts when its script is built with `cc`, `cmake` or a package that carries sources
//! (`openssl-src`), and is not told to take the system's library. All its sources count then, but for
//! those of tests and examples; a script may leave some out. Does not run anything.

use std::path::Path;

use crate::inventory::{Kind, Language, Node};
use crate::unit::{Invocation, recognise};

/// Build dependencies that compile.
const COMPILING: &[&str] = &["cc", "cmake", "autotools", "nasm-rs", "cxx-build"];
/// Build dependencies that look for the system's library first.
const LOOKING: &[&str] = &["pkg-config", "system-deps", "vcpkg"];
/// Features that take what the package carries all the same: beginnings of their names.
const CARRIED: &[&str] = &["bundled", "vendored", "static", "build-from-source", "source"];
/// Folders of what a build script does not compile.
const ASIDE: &[&str] = &[
    "test",
    "tests",
    "testing",
    "unittests",
    "example",
    "examples",
    "bench",
    "benches",
    "benchmark",
    "benchmarks",
    "doc",
    "docs",
    "fuzz",
    "fuzzing",
    "demo",
    "demos",
    "tools",
    "programs",
    "contrib",
];

/// What is known of a package with a build script.
#[derive(Debug)]
pub(super) struct Script<'a> {
    /// Names of what its script is built with, as far as it is active.
    pub(super) built_with: &'a [&'a str],
    /// Its active features.
    pub(super) features: &'a [String],
}

impl Script<'_> {
    /// Whether it compiles sources that the package itself carries.
    pub(super) fn compiles(&self) -> bool {
        let is_built_with =
            |names: &[&str]| self.built_with.iter().any(|name| names.contains(name));
        is_built_with(COMPILING) && (!is_built_with(LOOKING) || self.takes_what_it_carries())
    }

    fn takes_what_it_carries(&self) -> bool {
        self.features.iter().any(|feature| CARRIED.iter().any(|head| feature.starts_with(head)))
    }
}

/// Whether a package is nothing but sources for another one's build script.
pub(super) fn carries_sources(name: &str) -> bool {
    name.ends_with("-src") || name.ends_with("_src")
}

/// A source that a package's build script compiles. `path` is below the package's folder.
pub(super) fn unit(package: &str, folder: &Path, path: &Path, bytes: u64) -> Option<Node> {
    let relative = path.strip_prefix(folder).ok()?;
    let is_aside = |part: std::path::Component<'_>| {
        part.as_os_str().to_str().is_some_and(|part| ASIDE.contains(&part))
    };
    let ending = path.extension()?.to_str()?;
    let compiler = match ending {
        "c" => "cc",
        "cc" | "cpp" | "cxx" => "c++",
        _ => return None,
    };
    if relative.parent().is_some_and(|above| above.components().any(is_aside)) {
        return None;
    }
    let shown = relative.to_string_lossy();
    let id = format!("rust:{package}:native:{shown}");
    let node = Node::new(Language::CFamily, Kind::TranslationUnit, id, shown.into_owned());
    let argv = [compiler, "-O3", "-c", "-o", "x.o", &path.to_string_lossy()].map(str::to_owned);
    let command = Invocation { argv: &argv, cwd: folder, environment: &[], stdin_is_source: false };
    Some(node.in_package(package).sized(Some(bytes)).with_command(recognise(&command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_library_is_preferred_unless_told() {
        let compiles = |built_with: &[&str], features: &[&str]| {
            let features: Vec<String> = features.iter().map(|f| (*f).to_owned()).collect();
            Script { built_with, features: &features }.compiles()
        };
        assert!(compiles(&["cc"], &[]) && compiles(&["cmake", "fs_extra"], &[]));
        assert!(!compiles(&["cc", "pkg-config"], &["default"]));
        assert!(compiles(&["cc", "pkg-config"], &["bundled"]));
        assert!(!compiles(&["bindgen", "pkg-config"], &["bundled"]) && !compiles(&[], &[]));
        assert!(carries_sources("openssl-src") && !carries_sources("src-tool"));
    }

    #[test]
    fn tests_and_headers_are_no_units() {
        let folder = Path::new("/reg/zstd-sys-2.0.16");
        let unit = |path: &str| unit("zstd-sys-2.0.16", folder, &folder.join(path), 9);
        let found = unit("zstd/lib/decompress/huf.c").unwrap();
        assert_eq!(found.label, "zstd/lib/decompress/huf.c");
        assert!(found.key.is_some_and(|key| {
            key.starts_with("cc c compile zstd-sys-2.0.16/lib/decompress/huf.c")
        }));
        assert!(unit("zstd/tests/a.c").is_none() && unit("a.h").is_none() && unit("a.S").is_none());
        assert!(unit("tests.c").is_some());
    }
}
