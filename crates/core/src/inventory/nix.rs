//! Derivations as nodes: what is compiled, what is downloaded, what only arranges files.
//!
//! A derivation does not say what it is; its variables, its outputs and the names of its inputs
//! tell. The rules follow the conventions of nixpkgs' builders and are listed below. Does not read
//! files: whoever does hands in one derivation after the other.

use std::collections::{BTreeMap, BTreeSet};

use super::aterm::Derivation;
use super::{Graph, GraphBuilder, InventoryError, Kind, Language, Node, json};
use crate::units::Bytes;

/// The language whose builder of nixpkgs alone sets a variable.
const fn telling_variable(name: &[u8]) -> Option<Language> {
    match name {
        b"cargoDeps" | b"cargoBuildType" | b"cargoBuildFlags" | b"crateName" => {
            Some(Language::Rust)
        }
        b"goModules" | b"goPackagePath" | b"GO111MODULE" => Some(Language::Go),
        b"npmDeps" | b"npmBuildScript" | b"pnpmDeps" | b"yarnOfflineCache" => Some(Language::Npm),
        b"pythonImportsCheck"
        | b"pipInstallFlags"
        | b"setupPyBuildFlags"
        | b"pytestFlagsArray"
        | b"disabledTestPaths" => Some(Language::Python),
        b"cmakeFlags"
        | b"mesonFlags"
        | b"configureFlags"
        | b"makeFlags"
        | b"NIX_CFLAGS_COMPILE" => Some(Language::CFamily),
        _ => None,
    }
}

/// Programs that only one language's builds need, as names of input derivations.
const TELLING_INPUTS: &[(&[u8], Language)] = &[
    (b"cargo-build-hook", Language::Rust),
    (b"auditable-cargo", Language::Rust),
    (b"cargo-setup-hook", Language::Rust),
    (b"npm-config-hook", Language::Npm),
    (b"npm-build-hook", Language::Npm),
    (b"pypa-build-hook", Language::Python),
    (b"pypa-install-hook", Language::Python),
    (b"pip-install-hook", Language::Python),
    (b"setuptools-build-hook", Language::Python),
];

/// Endings of sources that are programs already.
const PACKED_PROGRAMS: &[&str] =
    &[".deb", ".rpm", ".AppImage", ".pkg.tar.zst", ".whl", ".dmg", ".snap", ".jar", ".flatpak"];

/// Builders of Nix itself; none compiles.
const BUILTIN: &[u8] = b"builtin:";

/// What is asked of the store besides the text of a derivation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Whether every output lies in the store already, so that nothing is built.
    pub built: bool,
    /// Size of its result, where that is a file that is there, in bytes.
    pub source_bytes: Option<u64>,
}

/// Derivations that become a graph, in any order.
#[derive(Debug, Default)]
pub struct Closure {
    builder: GraphBuilder,
    read: Vec<bool>,
}

impl Closure {
    /// The place of a derivation that somebody needs and that is not read yet, or `None` when its
    /// place was made before.
    pub fn expect(&mut self, path: &str) -> (u32, bool) {
        if let Some(place) = self.builder.place(path) {
            return (place, false);
        }
        let node = Node::new(Language::Nix, Kind::Derivation, path, name_of(path));
        (self.builder.add(node), true)
    }

    /// The path of a derivation whose place was given.
    pub fn path(&self, place: u32) -> &str {
        self.builder.id(place)
    }

    /// Adds what was read. `unread` is called with the place of each input that nobody expected before,
    /// so that it is read too.
    pub fn add(
        &mut self,
        place: u32,
        derivation: &Derivation<'_>,
        presence: Presence,
        mut unread: impl FnMut(u32),
    ) {
        let (kind, language) = classify(derivation);
        if let Some(node) = self.builder.node_mut(place) {
            node.kind = kind;
            node.language = language;
            node.prebuilt = presence.built || !kind.compiles();
            node.there = presence.built;
            node.size_bytes =
                presence.source_bytes.filter(|_| kind == Kind::FixedOutput).map(Bytes);
            node.package = package(derivation);
        }
        self.mark_read(place);
        for input in &derivation.inputs {
            let path = input.decoded();
            let (needed, is_new) = self.expect(&path);
            self.builder.needs(place, needed);
            if is_new {
                unread(needed);
            }
        }
    }

    fn mark_read(&mut self, place: u32) {
        let at = place as usize;
        if self.read.len() <= at {
            self.read.resize(at + 1, false);
        }
        if let Some(read) = self.read.get_mut(at) {
            *read = true;
        }
    }

    /// The graph, and how many derivations were needed and never read.
    pub fn finish(self) -> (Graph, usize) {
        let mut graph = self.builder.finish();
        size_by_downloads(&mut graph);
        let read = self.read.iter().filter(|read| **read).count();
        let missing = graph.nodes.len().saturating_sub(read);
        (graph, missing)
    }
}

/// Gives what is compiled the size of what it downloads, where that lies in the store.
fn size_by_downloads(graph: &mut Graph) {
    let is_download = |node: &Node| node.kind == Kind::FixedOutput;
    if !graph.nodes.iter().any(|node| is_download(node) && node.size_bytes.is_some()) {
        return;
    }
    let mut sizes: Vec<Option<Bytes>> = vec![None; graph.nodes.len()];
    for edge in &graph.edges {
        let needed = graph.nodes.get(edge.to as usize).filter(|node| is_download(node));
        let (Some(bytes), Some(size)) =
            (needed.and_then(|node| node.size_bytes), sizes.get_mut(edge.from as usize))
        else {
            continue;
        };
        *size = Some(size.unwrap_or_default().saturating_add(bytes));
    }
    for (node, size) in graph.nodes.iter_mut().zip(sizes) {
        node.size_bytes = node.size_bytes.or(size.filter(|_| node.kind == Kind::Derivation));
    }
}

/// What `nix derivation show` says of a derivation, as far as it is compared.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Shown {
    input_drvs: BTreeMap<String, serde_json::Value>,
}

/// Compares a graph with what `nix derivation show -r` prints: every difference in a line.
pub fn differences(graph: &Graph, file: &str, text: &str) -> Result<Vec<String>, InventoryError> {
    let shown: BTreeMap<String, Shown> = json(file, text, "`nix derivation show` prints")?;
    let needs = graph.needs();
    let mut lines = Vec::new();
    let mut ours = BTreeSet::new();
    for (node, needs) in graph.nodes.iter().zip(&needs) {
        ours.insert(node.id.as_str());
        let Some(theirs) = shown.get(&node.id) else {
            lines.push(format!("{} is not in Nix's answer", node.id));
            continue;
        };
        let own: BTreeSet<&str> = needs
            .iter()
            .filter_map(|at| graph.nodes.get(*at as usize))
            .map(|node| node.id.as_str())
            .collect();
        let theirs: BTreeSet<&str> = theirs.input_drvs.keys().map(String::as_str).collect();
        let differing = own.symmetric_difference(&theirs);
        lines.extend(differing.map(|path| format!("{} and its input {path}", node.id)));
    }
    let unread = shown.keys().filter(|path| !ours.contains(path.as_str()));
    lines.extend(unread.map(|path| format!("{path} was not read")));
    Ok(lines)
}

/// The name in a store path: what follows the 32 characters of the hash, without `.drv`.
pub fn name_of(path: &str) -> &str {
    let from = path.len() - named(path.as_bytes()).len();
    let name = path.get(from..).unwrap_or(path);
    name.strip_suffix(".drv").unwrap_or(name)
}

/// What follows the hash in a path of the store: as bytes, because it is asked of every input.
fn named(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    let file = path.get(slash.map_or(0, |at| at + 1)..).unwrap_or_default();
    match file.split_at_checked(33) {
        Some((hash, name)) if hash.ends_with(b"-") && !name.is_empty() => name,
        _ => file,
    }
}

/// `pname-version`, or the name.
fn package(derivation: &Derivation<'_>) -> Option<String> {
    let value = |name| derivation.variable(name).filter(|text| !text.is_empty());
    match (value("pname"), value("version")) {
        (Some(name), Some(version)) => Some(format!("{}-{}", name.decoded(), version.decoded())),
        (Some(name), None) => Some(name.decoded().into_owned()),
        _ => value("name").map(|name| name.decoded().into_owned()),
    }
}

/// What a derivation is, and its language.
///
/// A known hash: a download. A builder of Nix itself, or a derivation that asks to be built locally
/// and to be taken from no cache (nixpkgs' `runCommandLocal` and its kin), or that is one command in
/// a file (`runCommand`, `writeText`), or that has neither sources nor a build phase (wrappers, hooks,
/// the stdenv): generated. A packed program as source, or `autoPatchelf`
/// without a build phase: repackaged. Everything else is compiled.
pub(crate) fn classify(derivation: &Derivation<'_>) -> (Kind, Language) {
    if derivation.is_fixed_output() {
        return (Kind::FixedOutput, Language::Nix);
    }
    let told = Told::by(derivation);
    let is_local = told.is_one_command || (told.prefers_local && told.from_no_cache);
    if derivation.builder.raw().starts_with(BUILTIN) || is_local {
        return (Kind::Generated, Language::Nix);
    }
    if is_repackaged(derivation, &told) {
        return (Kind::Repackaged, Language::Nix);
    }
    if told.has_nothing_to_compile() {
        return (Kind::Generated, Language::Nix);
    }
    (Kind::Derivation, language(derivation, &told))
}

/// What the variables of a derivation tell, gathered in one pass: closures have thousands of
/// derivations with dozens of variables each.
#[derive(Default)]
struct Told<'a> {
    /// The first builder of one language, those of C last: nixpkgs sets flags of CMake everywhere.
    language: Option<Language>,
    has_stdenv: bool,
    dont_build: bool,
    prefers_local: bool,
    from_no_cache: bool,
    is_one_command: bool,
    has_sources: bool,
    source: &'a [u8],
}

impl<'a> Told<'a> {
    fn by(derivation: &Derivation<'a>) -> Self {
        let mut told = Self::default();
        for (name, value) in &derivation.environment {
            told.variable(name.raw(), value.raw());
        }
        told
    }

    fn variable(&mut self, name: &[u8], value: &'a [u8]) {
        match name {
            b"src" => {
                self.source = value;
                self.has_sources |= !value.is_empty();
            }
            b"srcs" | b"buildPhase" => self.has_sources |= !value.is_empty(),
            b"stdenv" => self.has_stdenv = true,
            b"dontBuild" => self.dont_build = value == b"1",
            b"preferLocalBuild" => self.prefers_local = value == b"1",
            b"allowSubstitutes" => self.from_no_cache = value.is_empty(),
            b"passAsFile" => {
                self.is_one_command = matches!(value.trim_ascii(), b"buildCommand" | b"text");
            }
            _ => self.language = self.language_by(name).or(self.language),
        }
    }

    /// nixpkgs' stdenv sets flags of every language; elsewhere a flag tells that there is something.
    const fn has_nothing_to_compile(&self) -> bool {
        !self.has_sources && (self.has_stdenv || self.language.is_none())
    }

    fn language_by(&self, name: &[u8]) -> Option<Language> {
        let language = telling_variable(name)?;
        let settled = self.language.is_some_and(|known| known != Language::CFamily);
        (!settled).then_some(language)
    }
}

fn is_repackaged(derivation: &Derivation<'_>, told: &Told<'_>) -> bool {
    if PACKED_PROGRAMS.iter().any(|ending| told.source.ends_with(ending.as_bytes())) {
        return true;
    }
    told.dont_build
        && derivation.inputs.iter().any(|input| named(input.raw()).starts_with(b"auto-patchelf"))
}

fn language(derivation: &Derivation<'_>, told: &Told<'_>) -> Language {
    // The variables of most derivations decide before any input is named.
    if let Some(language) = told.language.filter(|language| *language != Language::CFamily) {
        return language;
    }
    let by_input = derivation.inputs.iter().find_map(|input| {
        let name = named(input.raw());
        TELLING_INPUTS.iter().find(|(head, _)| name.starts_with(head)).map(|(_, is)| *is)
    });
    let by_stdenv = told.has_stdenv.then_some(Language::CFamily);
    by_input.or(told.language).or(by_stdenv).unwrap_or(Language::Nix)
}

#[cfg(test)]
mod tests {
    use super::super::aterm::parse;
    use super::*;

    fn of(outputs: &str, builder: &str, env: &[(&str, &str)], inputs: &[&str]) -> (Kind, Language) {
        let env: Vec<_> = env.iter().map(|(k, v)| format!("(\"{k}\",\"{v}\")")).collect();
        let inputs: Vec<_> = inputs.iter().map(|i| format!("(\"{i}\",[\"out\"])")).collect();
        let text = format!(
            "Derive([{outputs}],[{}],[],\"x86_64-linux\",\"{builder}\",[],[{}])",
            inputs.join(","),
            env.join(",")
        );
        classify(&parse("x", text.as_bytes()).unwrap())
    }

    const OUT: &str = r#"("out","/nix/store/x","","")"#;

    #[test]
    fn what_is_there_needs_nothing_more() {
        let text = |inputs: &str, hash: &str| {
            let digest = if hash.is_empty() { "" } else { "00" };
            format!(
                r#"Derive([("out","/o","{hash}","{digest}")],[{inputs}],[],"s","b",[],[("src","x")])"#
            )
        };
        let mut closure = Closure::default();
        let mut add = |path: &str, inputs: &str, hash: &str, built, source_bytes| {
            let text = text(inputs, hash);
            let derivation = parse("x", text.as_bytes()).unwrap();
            let (place, _) = closure.expect(path);
            closure.add(place, &derivation, Presence { built, source_bytes }, |_| {});
        };
        add("/s/a.drv", r#"("/s/b.drv",["out"]),("/s/f.drv",["out"])"#, "", false, None);
        add("/s/b.drv", r#"("/s/c.drv",["out"])"#, "", true, Some(7));
        add("/s/c.drv", "", "", false, None);
        add("/s/f.drv", "", "sha256", true, Some(900));
        let (graph, _) = closure.finish();
        assert_eq!(graph.nodes[0].size_bytes, Some(Bytes(900)));
        let ids = |graph: &Graph| graph.nodes.iter().map(|n| n.label.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&graph.clone().still_needed(0)), ["a"]);
        assert_eq!(ids(&graph.still_needed(1)), Vec::<String>::new());
    }

    #[test]
    fn the_name_is_what_follows_the_hash() {
        let path = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-zlib-1.3.1.drv";
        assert_eq!(name_of(path), "zlib-1.3.1");
        assert_eq!(name_of("short.drv"), "short");
    }

    #[test]
    fn downloads_and_arrangements_are_not_compiled() {
        let fixed = r#"("out","/nix/store/x","sha256","00")"#;
        assert_eq!(of(fixed, "bash", &[], &[]).0, Kind::FixedOutput);
        assert_eq!(of(OUT, "builtin:buildenv", &[], &[]).0, Kind::Generated);
        let local = [("allowSubstitutes", ""), ("preferLocalBuild", "1")];
        assert_eq!(of(OUT, "bash", &local, &[]).0, Kind::Generated);
        let with_source = [local[1], ("src", "/nix/store/a-x.tar.gz")];
        assert_eq!(of(OUT, "bash", &with_source, &[]).0, Kind::Derivation);
        let wrapper = [("stdenv", "x"), ("cmakeFlags", ""), ("dontBuild", "1")];
        assert_eq!(of(OUT, "bash", &wrapper, &[]).0, Kind::Generated);
        assert_eq!(of(OUT, "bash", &[("passAsFile", "text ")], &[]).0, Kind::Generated);
        assert_eq!(of(OUT, "bash", &[("src", "/nix/store/a-x.deb")], &[]).0, Kind::Repackaged);
        let hook = ["/nix/store/0123456789abcdfghijklmnpqrsvwxyz-auto-patchelf-hook.drv"];
        assert_eq!(of(OUT, "bash", &[("dontBuild", "1")], &hook).0, Kind::Repackaged);
    }

    #[test]
    fn the_language_is_told_by_variables_and_inputs() {
        let language = |env: &[(&str, &str)]| of(OUT, "bash", env, &[]).1;
        assert_eq!(language(&[("cargoDeps", "x"), ("cmakeFlags", "")]), Language::Rust);
        assert_eq!(language(&[("goModules", "x")]), Language::Go);
        assert_eq!(language(&[("npmDeps", "x")]), Language::Npm);
        assert_eq!(language(&[("cmakeFlags", "x")]), Language::CFamily);
        assert_eq!(language(&[("stdenv", "x"), ("src", "x")]), Language::CFamily);
        assert_eq!(language(&[]), Language::Nix);
        let hook = ["/nix/store/0123456789abcdfghijklmnpqrsvwxyz-pypa-build-hook.drv"];
        assert_eq!(of(OUT, "bash", &[("configureFlags", "")], &hook).1, Language::Python);
    }

    #[test]
    fn a_closure_grows_by_what_is_needed_and_counts_what_was_not_read() {
        let text = r#"Derive([("out","/o","","")],[("/s/b.drv",["out"]),("/s/c.drv",["out"])],[],"s","b",[],[("pname","a"),("version","1")])"#;
        let mut closure = Closure::default();
        let (root, _) = closure.expect("/s/a.drv");
        let mut queue = Vec::new();
        let drv = parse("x", text.as_bytes()).unwrap();
        closure.add(root, &drv, Presence::default(), |place| queue.push(place));
        assert_eq!(queue, [1, 2]);
        assert_eq!(closure.path(2), "/s/c.drv");
        let (graph, missing) = closure.finish();
        assert_eq!((graph.edges.len(), missing), (2, 2));
        assert_eq!(graph.nodes[0].package.as_deref(), Some("a-1"));
        let same = r#"{"/s/a.drv": {"inputDrvs": {"/s/b.drv": {}, "/s/c.drv": []}}, "/s/b.drv": {}, "/s/c.drv": {}}"#;
        assert_eq!(differences(&graph, "f", same).unwrap(), Vec::<String>::new());
        let other =
            r#"{"/s/a.drv": {"inputDrvs": {"/s/b.drv": {}}}, "/s/b.drv": {}, "/s/d.drv": {}}"#;
        let lines = differences(&graph, "f", other).unwrap();
        assert_eq!(
            lines,
            [
                "/s/a.drv and its input /s/c.drv",
                "/s/c.drv is not in Nix's answer",
                "/s/d.drv was not read"
            ]
        );
    }
}
