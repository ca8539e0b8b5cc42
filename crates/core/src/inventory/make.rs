//! Sources of a project that only its recipes know how to build: counted by their endings.
//!
//! Without running make nobody knows which of them are compiled, so this is an upper bound. Does
//! not know files beyond their names and sizes.

use super::{Graph, GraphBuilder, Kind, Language, Node};

/// Endings of files that are compiled one by one.
const SOURCES: &[&str] = &[
    "c", "cc", "cpp", "cxx", "c++", "C", "cu", "m", "mm", "s", "S", "asm", "f", "f90", "F", "F90",
];

/// Whether a file of that name is compiled by itself.
pub fn is_source(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && SOURCES.contains(&end))
}

/// A path from the project's folder, with its size in bytes.
pub type Source = (String, Option<u64>);

/// Folders of what is not part of what a project is used for.
const BESIDE: &[&str] = &[
    "test",
    "tests",
    "testing",
    "unittest",
    "unittests",
    "bench",
    "benchmark",
    "benchmarks",
    "example",
    "examples",
    "doc",
    "docs",
    "fuzz",
    "fuzzing",
    "ossfuzz",
];
/// Words in names of programs that test.
const TESTING: &[&str] = &["test", "tests", "unittest", "bench", "benchmark", "fuzzer"];
/// Words in paths of what is for another system.
const ELSEWHERE: &[&str] = &[
    "windows", "win32", "win64", "cygwin", "mingw", "msvc", "osx", "macos", "darwin", "bsd",
    "freebsd", "openbsd", "netbsd", "solaris", "sunos", "aix", "android",
];

/// Those of the sources that are compiled for who uses a project on this system: all but tests, examples
/// and sources for other systems, as far as the words in their paths tell. Where nothing else is there, all.
pub fn for_users_here(all: &[Source]) -> Vec<&Source> {
    let kept: Vec<&Source> = all.iter().filter(|(path, _)| !is_aside(path)).collect();
    if kept.is_empty() { all.iter().collect() } else { kept }
}

fn is_aside(path: &str) -> bool {
    let words = |text: &str, of: &[&str]| {
        text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| of.contains(&word))
    };
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    // A file of that name alone may well be about windows on a screen.
    let is_win = words(folder, &["win"])
        || name.split('.').next().is_some_and(|stem| stem.ends_with("_win"));
    is_win || words(path, ELSEWHERE) || words(folder, BESIDE) || words(name, TESTING)
}

/// The graph of sources: paths from the project's folder, with their sizes.
pub fn sources<'a>(
    project: &str,
    files: impl IntoIterator<Item = (&'a str, Option<u64>)>,
) -> Graph {
    let mut builder = GraphBuilder::default();
    for (path, size) in files.into_iter().filter(|(path, _)| is_source(path)) {
        builder.add(unit(project, path, size));
    }
    builder.finish()
}

/// The node of one source.
pub fn unit(project: &str, path: &str, size: Option<u64>) -> Node {
    let id = format!("c:{project}/{path}");
    Node::new(Language::CFamily, Kind::TranslationUnit, id, path).sized(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_other_systems_are_left_out() {
        let all = |paths: &[&str]| -> Vec<Source> {
            paths.iter().map(|path| ((*path).to_owned(), Some(1))).collect()
        };
        let sources = all(&[
            "a/_ps_windows.c",
            "a/arch/bsd/x.c",
            "uv/src/win/pipe.c",
            "ares_config_win.c",
            "win.c",
            "a/_ps.c",
            "deps/test/big.cc",
            "tests/t.c",
            "test_a.c",
            "doc.c",
        ]);
        let kept: Vec<_> = for_users_here(&sources).iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(kept, ["win.c", "a/_ps.c", "doc.c"]);
        // A project that is nothing but tests.
        assert_eq!(for_users_here(&all(&["tests/a.c"])).len(), 1);
    }

    #[test]
    fn only_what_is_compiled_by_itself_counts() {
        let files = [("a.c", Some(1)), ("b.h", Some(2)), (".c", None), ("s/x.S", None)];
        let graph = sources("/p", files);
        let labels: Vec<_> = graph.nodes.iter().map(|node| node.label.as_str()).collect();
        assert_eq!(labels, ["a.c", "s/x.S"]);
    }
}
