//! Counts and sizes of an inventory, by language and kind.
//!
//! Does not know how they are printed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Graph, Kind, Language, Node};
use crate::units::Bytes;

/// How many, and how large together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tally {
    /// Number of things.
    pub count: usize,
    /// Sum of the sizes that are known.
    pub bytes: Bytes,
    /// Things whose size is not known.
    pub unsized_count: usize,
}

impl Tally {
    /// Adds a node to a total over several kinds, in which no source counts twice.
    fn total(&mut self, node: &Node) {
        if node.is_sum() {
            self.count += 1;
        } else {
            self.add(node);
        }
    }

    fn add(&mut self, node: &Node) {
        self.count += 1;
        match node.size_bytes {
            Some(bytes) => self.bytes = self.bytes.saturating_add(bytes),
            None => self.unsized_count += 1,
        }
    }
}

/// Things of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// What is compiled.
    pub compiled: Tally,
    /// What comes prebuilt.
    pub prebuilt: Tally,
}

/// Things of one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LanguageSummary {
    /// The language.
    pub language: Language,
    /// By kind, in the order of the kinds.
    pub rows: Vec<Row>,
    /// Everything that is compiled.
    pub compiled: Tally,
    /// Everything that comes prebuilt.
    pub prebuilt: Tally,
    /// Packages that are named.
    pub packages: usize,
}

/// The figures of an inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// By language, in the order in which they are shown.
    pub languages: Vec<LanguageSummary>,
    /// Everything that is compiled.
    pub compiled: Tally,
    /// Everything that comes prebuilt.
    pub prebuilt: Tally,
}

impl Summary {
    /// Adds up a graph.
    pub fn of(graph: &Graph) -> Self {
        let mut summary = Self::default();
        let mut by_language: BTreeMap<Language, Vec<&Node>> = BTreeMap::new();
        for node in graph.nodes.iter().filter(|node| node.kind != Kind::Group) {
            by_language.entry(node.language).or_default().push(node);
            let tally = if node.prebuilt { &mut summary.prebuilt } else { &mut summary.compiled };
            tally.total(node);
        }
        summary.languages =
            by_language.iter().map(|(language, nodes)| of_language(*language, nodes)).collect();
        summary
    }
}

fn of_language(language: Language, nodes: &[&Node]) -> LanguageSummary {
    let mut rows: BTreeMap<Kind, Row> = BTreeMap::new();
    let (mut compiled, mut prebuilt) = (Tally::default(), Tally::default());
    let mut packages: Vec<&str> = nodes.iter().filter_map(|n| n.package.as_deref()).collect();
    packages.sort_unstable();
    packages.dedup();
    for node in nodes {
        let row = rows.entry(node.kind).or_insert_with(|| Row {
            kind: node.kind,
            compiled: Tally::default(),
            prebuilt: Tally::default(),
        });
        if node.prebuilt {
            row.prebuilt.add(node);
            prebuilt.total(node);
        } else {
            row.compiled.add(node);
            compiled.total(node);
        }
    }
    let packages = packages.len();
    LanguageSummary { language, rows: rows.into_values().collect(), compiled, prebuilt, packages }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_and_prebuilt_are_told_apart() {
        let node = |id: &str, kind, size| Node::new(Language::Nix, kind, id, id).sized(size);
        let mut there = node("c", Kind::Derivation, None);
        there.prebuilt = true;
        let graph = Graph {
            nodes: vec![
                node("a", Kind::Derivation, Some(10)).in_package("p"),
                node("b", Kind::FixedOutput, Some(5)).in_package("p"),
                there,
            ],
            edges: Vec::new(),
        };
        let summary = Summary::of(&graph);
        assert_eq!((summary.compiled.count, summary.prebuilt.count), (1, 2));
        let nix = &summary.languages[0];
        assert_eq!((nix.rows.len(), nix.packages), (2, 1));
        assert_eq!(nix.rows[0].compiled.bytes, Bytes(10));
        assert_eq!(nix.rows[0].prebuilt.unsized_count, 1);
    }
}
