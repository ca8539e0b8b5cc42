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
    fn only_what_is_compiled_by_itself_counts() {
        let files = [("a.c", Some(1)), ("b.h", Some(2)), (".c", None), ("s/x.S", None)];
        let graph = sources("/p", files);
        let labels: Vec<_> = graph.nodes.iter().map(|node| node.label.as_str()).collect();
        assert_eq!(labels, ["a.c", "s/x.S"]);
    }
}
