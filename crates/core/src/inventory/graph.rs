//! The graph of an inventory: nodes, what each needs, and how they are found by their ids.
//!
//! Does not know any build system, nor which order the nodes are built in.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use schemars::JsonSchema;
use serde::Serialize;

use super::hash::hash;
use crate::build::Driver;
use crate::units::Bytes;

/// Language or build world that a node belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// Rust, by Cargo.
    Rust,
    /// C, C++, CUDA, assembly and what else a compilation database lists.
    CFamily,
    /// Go.
    Go,
    /// JavaScript and TypeScript, by npm.
    Npm,
    /// Python.
    Python,
    /// Derivations whose language cannot be told.
    Nix,
}

impl Language {
    /// All of them, in the order in which they are shown.
    pub const ALL: &'static [Self] =
        &[Self::Rust, Self::CFamily, Self::Go, Self::Npm, Self::Python, Self::Nix];

    /// What most of the sources of a build system's projects are written in.
    pub const fn of_driver(driver: Driver) -> Self {
        match driver {
            Driver::Cargo => Self::Rust,
            Driver::Cmake | Driver::Make => Self::CFamily,
            Driver::Go => Self::Go,
            Driver::Npm => Self::Npm,
            Driver::Python => Self::Python,
        }
    }

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::CFamily => "C family",
            Self::Go => "Go",
            Self::Npm => "npm",
            Self::Python => "Python",
            Self::Nix => "Nix",
        }
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A library of one compiler run (a crate).
    Library,
    /// A program that one compiler run makes and links (a crate with `main`).
    Program,
    /// A library that the compiler loads (a proc macro).
    ProcMacro,
    /// A program that is compiled and run before a package.
    BuildScript,
    /// One source file that becomes an object file.
    TranslationUnit,
    /// An archive of object files.
    Archive,
    /// A program or library that is linked from object files.
    Link,
    /// A compiler run over the sources of one folder (a Go package).
    Package,
    /// A set of packages with one version (a Go module).
    Module,
    /// Something fetched that is used as it is (an npm package, a wheel).
    Dependency,
    /// A script that a package manager runs when it installs.
    InstallScript,
    /// A compiled extension of an interpreter (a native addon, a C extension).
    Extension,
    /// The project's own build step (`npm run build`, a wheel's build).
    Build,
    /// An interpreter that is built itself (CPython).
    Interpreter,
    /// A derivation that compiles something.
    Derivation,
    /// A derivation whose result is known before: a download.
    FixedOutput,
    /// Files that a command writes without compiling anything.
    Generated,
    /// A derivation that unpacks a program that others built.
    Repackaged,
    /// A name for several things, which stands between them and what needs them. It is not counted.
    Group,
}

impl Kind {
    /// The name for people, in the plural.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Library => "libraries",
            Self::Program => "programs",
            Self::ProcMacro => "proc macros",
            Self::BuildScript => "build scripts",
            Self::TranslationUnit => "translation units",
            Self::Archive => "archives",
            Self::Link => "links",
            Self::Package => "packages",
            Self::Module => "modules",
            Self::Dependency => "dependencies",
            Self::InstallScript => "install scripts",
            Self::Extension => "extensions",
            Self::Build => "builds",
            Self::Interpreter => "interpreters",
            Self::Derivation => "derivations",
            Self::FixedOutput => "downloads",
            Self::Generated => "generated files",
            Self::Repackaged => "repackaged programs",
            Self::Group => "groups",
        }
    }

    /// Whether a thing of this kind is compiled when it is not there already.
    pub const fn compiles(self) -> bool {
        !matches!(
            self,
            Self::Module
                | Self::Dependency
                | Self::FixedOutput
                | Self::Generated
                | Self::Repackaged
                | Self::Group
        )
    }
}

/// One thing of an inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Node {
    /// Name that no other node of the graph has.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// What a person calls it.
    pub label: String,
    /// Language that it is written in.
    pub language: Language,
    /// Size of its sources; of what is fetched, for a thing that is not compiled. Absent when
    /// nobody could tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<Bytes>,
    /// Package that it belongs to, with its version where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Features with which a crate is compiled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// True when it is not compiled here: it is fetched, unpacked or there already.
    pub prebuilt: bool,
    /// True when its result lies in the store already, so that neither it nor what only it needs is
    /// built.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub there: bool,
    /// The key under which measurements of it are kept, where its command line can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key of what needs something similar, where its command line can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
}

impl Node {
    /// A node without size, package and keys.
    pub fn new(
        language: Language,
        kind: Kind,
        id: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            kind,
            label: label.into(),
            language,
            size_bytes: None,
            package: None,
            features: Vec::new(),
            prebuilt: !kind.compiles(),
            there: false,
            key: None,
            family: None,
        }
    }

    /// The same with the keys of its command.
    #[must_use]
    pub fn with_command(mut self, command: crate::unit::Kind) -> Self {
        if let crate::unit::Kind::Unit(facts) = command {
            self.key = Some(facts.key);
            self.family = Some(facts.family);
        }
        self
    }

    /// The same with a package.
    #[must_use]
    pub fn in_package(mut self, package: impl Into<String>) -> Self {
        self.package = Some(package.into());
        self
    }

    /// The same with a size in bytes.
    #[must_use]
    pub fn sized(mut self, bytes: Option<u64>) -> Self {
        self.size_bytes = bytes.map(Bytes);
        self
    }

    /// Whether its size is only the sum of the sizes of what it is made from, which are nodes of their own.
    pub const fn is_sum(&self) -> bool {
        match self.kind {
            Kind::Archive | Kind::Link | Kind::Interpreter => true,
            // Of an addon of Node.js only the size is known.
            Kind::Extension => {
                matches!(self.language, Language::CFamily) && self.size_bytes.is_some()
            }
            _ => false,
        }
    }

    /// Whether building it runs a compiler.
    pub const fn is_compiled(&self) -> bool {
        !self.prebuilt
    }
}

/// One node needs another before it can be built. Both are places in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Edge {
    /// What needs.
    pub from: u32,
    /// What is needed.
    pub to: u32,
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Graph {
    /// The things.
    pub nodes: Vec<Node>,
    /// What each needs, in the order of what needs it.
    pub edges: Vec<Edge>,
}

impl Graph {
    /// Puts another graph beside this one. Nodes with an id that is here already are not repeated.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        if self.nodes.is_empty() {
            return other;
        }
        let mut builder = GraphBuilder::from(self);
        let places: Vec<u32> = other.nodes.into_iter().map(|node| builder.add(node)).collect();
        let place = |at: u32| places.get(at as usize).copied();
        for edge in other.edges {
            if let (Some(from), Some(to)) = (place(edge.from), place(edge.to)) {
                builder.needs(from, to);
            }
        }
        builder.finish()
    }

    /// Only what the nodes that are wanted need, near or far, and they themselves.
    #[must_use]
    pub fn needed_by(self, wanted: impl Fn(&Node) -> bool) -> Self {
        let is_wanted = |(at, node)| wanted(node).then_some(at);
        let from = (0..).zip(&self.nodes).filter_map(is_wanted).collect();
        let kept = self.reached(&self.starts(), from, |_| true);
        self.filtered(&kept)
    }

    /// Only what is still to be made for a node: itself, and what it needs without what is there
    /// already.
    #[must_use]
    pub fn still_needed(self, root: u32) -> Self {
        let kept = self.reached(&self.starts(), vec![root], |node| !node.there);
        self.filtered(&kept)
    }

    /// Whether each node is one of some, or needed by one of them, near or far, by way of nodes that are
    /// entered. `starts` are those of this graph.
    pub fn reached(
        &self,
        starts: &[u32],
        from: Vec<u32>,
        enters: impl Fn(&Node) -> bool,
    ) -> Vec<bool> {
        let (mut open, mut seen) = (from, vec![false; self.nodes.len()]);
        while let Some(at) = open.pop() {
            let place = at as usize;
            let is_new = seen.get(place).is_some_and(|seen| !seen);
            if !is_new || !self.nodes.get(place).is_some_and(&enters) {
                continue;
            }
            if let Some(seen) = seen.get_mut(place) {
                *seen = true;
            }
            open.extend(self.edges_of(starts, at).iter().map(|edge| edge.to));
        }
        seen
    }

    /// What a node needs. `starts` are those of this graph.
    pub fn edges_of(&self, starts: &[u32], at: u32) -> &[Edge] {
        let range = starts.get(at as usize).zip(starts.get(at as usize + 1));
        range.and_then(|(a, b)| self.edges.get(*a as usize..*b as usize)).unwrap_or(&[])
    }

    /// Only the nodes that are wanted, and what they need of each other.
    #[must_use]
    pub fn only(self, wanted: impl Fn(&Node) -> bool) -> Self {
        let kept: Vec<bool> = self.nodes.iter().map(wanted).collect();
        self.filtered(&kept)
    }

    fn filtered(self, kept: &[bool]) -> Self {
        let places = places(kept.iter().copied());
        let place = |at: u32| places.get(at as usize).copied().flatten();
        let edges = self
            .edges
            .iter()
            .filter_map(|edge| Some(Edge { from: place(edge.from)?, to: place(edge.to)? }));
        let edges = edges.collect();
        let nodes = self.nodes.into_iter().zip(kept).filter(|(_, kept)| **kept);
        Self { nodes: nodes.map(|(node, _)| node).collect(), edges }
    }

    /// Where the edges of each node begin in [`Graph::edges`], which are in order; one more at the end.
    pub fn starts(&self) -> Vec<u32> {
        let mut starts = vec![0; self.nodes.len() + 1];
        for edge in &self.edges {
            if let Some(number) = starts.get_mut(edge.from as usize + 1) {
                *number += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        starts
    }

    /// For each node, the places of what it needs, in order.
    pub fn needs(&self) -> Vec<Vec<u32>> {
        let mut needs = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            if let Some(of) = needs.get_mut(edge.from as usize) {
                of.push(edge.to);
            }
        }
        needs
    }
}

/// Place of each kept node among the kept ones.
pub(crate) fn places(kept: impl Iterator<Item = bool>) -> Vec<Option<u32>> {
    let mut next = 0;
    let mut place = |kept: bool| {
        let at = kept.then_some(next);
        next += u32::from(kept);
        at
    };
    kept.map(&mut place).collect()
}

/// A graph that grows.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    graph: Graph,
    /// Where the node of each id stands; the ids themselves are the nodes'.
    places: HashTable<u32>,
}

impl From<Graph> for GraphBuilder {
    fn from(graph: Graph) -> Self {
        let mut builder = Self::default();
        for node in graph.nodes {
            builder.add(node);
        }
        builder.graph.edges = graph.edges;
        builder
    }
}

impl GraphBuilder {
    /// Adds a node and gives its place; that of the node that has its id already, where there is one.
    pub fn add(&mut self, node: Node) -> u32 {
        let nodes = &mut self.graph.nodes;
        let has_id = |at: &u32| id_at(nodes, *at) == node.id;
        let entry = self.places.entry(hash(&node.id), has_id, |at| hash(id_at(nodes, *at)));
        match entry {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let place = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
                free.insert(place);
                nodes.push(node);
                place
            }
        }
    }

    /// Where the node of an id stands.
    pub fn place(&self, id: &str) -> Option<u32> {
        self.places.find(hash(id), |at| id_at(&self.graph.nodes, *at) == id).copied()
    }

    /// The id of the node at a place.
    pub fn id(&self, place: u32) -> &str {
        id_at(&self.graph.nodes, place)
    }

    /// A node, to be changed; its id must stay.
    pub fn node_mut(&mut self, place: u32) -> Option<&mut Node> {
        self.graph.nodes.get_mut(place as usize)
    }

    /// Says that one node needs another. A node does not need itself.
    pub fn needs(&mut self, from: u32, to: u32) {
        if from != to {
            self.graph.edges.push(Edge { from, to });
        }
    }

    /// The graph, its edges in order and without repetitions.
    pub fn finish(mut self) -> Graph {
        self.graph.edges.sort_unstable();
        self.graph.edges.dedup();
        self.graph
    }
}

fn id_at(nodes: &[Node], place: u32) -> &str {
    nodes.get(place as usize).map_or("", |node| node.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str) -> Node {
        Node::new(Language::Rust, Kind::Library, id, id)
    }

    fn pair(a: &str, b: &str) -> Graph {
        let mut builder = GraphBuilder::default();
        let (a, b) = (builder.add(node(a)), builder.add(node(b)));
        builder.needs(a, b);
        builder.needs(a, b);
        builder.needs(a, a);
        builder.finish()
    }

    #[test]
    fn an_edge_is_kept_once_and_never_to_itself() {
        assert_eq!(pair("a", "b").edges, [Edge { from: 0, to: 1 }]);
    }

    #[test]
    fn merging_joins_what_has_the_same_id() {
        let merged = pair("a", "b").merged(pair("b", "c"));
        let ids: Vec<_> = merged.nodes.iter().map(|node| node.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(merged.needs(), [vec![1], vec![2], vec![]]);
    }

    #[test]
    fn what_nobody_wants_goes() {
        let graph = pair("a", "b").merged(pair("c", "d")).needed_by(|node| node.id == "c");
        let ids: Vec<_> = graph.nodes.iter().map(|node| node.id.as_str()).collect();
        assert_eq!((ids, graph.edges), (vec!["c", "d"], vec![Edge { from: 0, to: 1 }]));
    }

    #[test]
    fn what_is_fetched_is_prebuilt_from_the_start() {
        assert!(Node::new(Language::Nix, Kind::FixedOutput, "x", "x").prebuilt);
        assert!(node("a").is_compiled());
    }
}
