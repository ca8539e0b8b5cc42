//! Lock files of pnpm and of yarn, which are read line by line.
//!
//! Both are mappings whose depth is told by their indent: an entry for each package, below it its
//! figures, below those its dependencies. Read are `pnpm-lock.yaml` of versions 5 to 9 and `yarn.lock`
//! of yarn 1 and later. Does not know the rest of YAML, which neither tool writes there; nor install
//! scripts, which neither tells: an addon shows by the helpers that it needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{compiles, fetches, fits, is_for_this_system};
use crate::inventory::{Graph, GraphBuilder, InventoryError, Kind, Language, Node};

/// One package of a lock file.
#[derive(Debug, Default)]
struct Entry {
    /// Line at which it begins, counted from 1.
    line: usize,
    /// Names under which others ask for it.
    asked_as: Vec<String>,
    name: String,
    version: String,
    /// What it needs, as it is asked for.
    needs: Vec<String>,
    helpers: Vec<String>,
    has_script: bool,
    elsewhere: bool,
}

/// A line: its number from 1, its indent, and its key with what stands behind the colon or the space.
struct Line<'a> {
    number: usize,
    indent: usize,
    key: &'a str,
    value: &'a str,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    (1..).zip(text.lines()).filter_map(|(number, line)| {
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with(['#', '-']) {
            return None;
        }
        let (key, value) = parted(content.trim_end());
        Some(Line { number, indent: line.len() - content.len(), key, value })
    })
}

/// Beginnings of lines that a merge leaves where both sides changed something.
const CONFLICT: &[&str] = &["<<<<<<< ", "=======", ">>>>>>> ", "||||||| "];

/// Refuses what the tool itself would refuse: a file without its mark, and one with conflicts of a merge.
fn check(file: &str, text: &str, is_mark: impl Fn(&str) -> bool) -> Result<(), InventoryError> {
    let mistake = |line: usize, message: &str| {
        Err(InventoryError::Line { file: file.to_owned(), line, message: message.to_owned() })
    };
    let is_conflict = |line: &str| CONFLICT.iter().any(|mark| line.starts_with(mark));
    if let Some(at) = text.lines().position(is_conflict) {
        return mistake(at + 1, "a conflict of a merge; installing again resolves it");
    }
    let is_tabbed = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    if let Some(at) = text.lines().position(is_tabbed) {
        return mistake(at + 1, "a line of a lock file begins with spaces, never with a tab");
    }
    if !text.trim().is_empty() && !text.lines().any(is_mark) {
        return mistake(1, "not a lock file: the line with its version is missing");
    }
    Ok(())
}

/// `"a b": c`, `a: c`, `a c` (yarn 1) and `a, "b":` (several names of one entry, left whole).
fn parted(content: &str) -> (&str, &str) {
    if let Some(whole) = content.strip_suffix(':') {
        return (whole, "");
    }
    let quoted = content.strip_prefix(['"', '\'']).and_then(|rest| {
        let end = rest.find(['"', '\''])?;
        Some((rest.get(..end)?, rest.get(end + 1..)?))
    });
    let (key, rest) = quoted.unwrap_or_else(|| {
        let end = content.find([':', ' ']).unwrap_or(content.len());
        content.split_at_checked(end).unwrap_or((content, ""))
    });
    (key, unquoted(rest.trim_start_matches(':').trim()))
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// Words of `[linux, darwin]`, or of `os=linux & cpu=x64` with that name.
fn listed(value: &str) -> Vec<String> {
    let inner = value.trim_matches(['[', ']']);
    inner.split(',').map(|word| unquoted(word).to_owned()).filter(|word| !word.is_empty()).collect()
}

const NEEDS: &[&str] = &["dependencies", "optionalDependencies"];

/// What a lock file of pnpm or yarn tells.
#[derive(Debug)]
pub struct Read {
    /// The packages.
    pub graph: Graph,
    /// Packages that others need and that are not listed. Of a whole file that a tool wrote there are few: those
    /// that another one was put in the place of.
    pub missing: usize,
}

/// The graph of a `pnpm-lock.yaml`.
pub fn pnpm(file: &str, text: &str) -> Result<Read, InventoryError> {
    check(file, text, |line| line.starts_with("lockfileVersion:"))?;
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let (mut in_packages, mut current, mut in_needs) = (false, String::new(), false);
    let (mut in_importers, mut wanted, mut by_project) = (false, String::new(), Vec::new());
    for line in lines(text) {
        match line.indent {
            0 => {
                in_packages = matches!(line.key, "packages" | "snapshots");
                in_importers = line.key == "importers";
            }
            6 if in_importers => unquoted(line.key).clone_into(&mut wanted),
            8 if in_importers && line.key == "version" => {
                by_project.extend(pnpm_reference(&wanted, line.value));
            }
            2 if in_packages => {
                current = pnpm_id(line.key);
                let (name, version) = parts(&current);
                let entry = entries.entry(current.clone()).or_default();
                (entry.name, entry.version) = (name.to_owned(), version.to_owned());
                entry.asked_as = vec![current.clone()];
            }
            4 if in_packages => {
                in_needs = NEEDS.contains(&line.key);
                if let Some(entry) = entries.get_mut(&current) {
                    entry.figure(&line);
                }
            }
            6 if in_packages && in_needs => {
                if let Some(entry) = entries.get_mut(&current) {
                    entry.helpers.push(line.key.to_owned());
                    entry.needs.extend(pnpm_reference(line.key, line.value));
                }
            }
            _ => {}
        }
    }
    Ok(graph(entries.into_values(), by_project))
}

/// The id of what a project or a package needs under a name; nothing where it lies in the project.
fn pnpm_reference(name: &str, version: &str) -> Option<String> {
    let bare = version.split('(').next().unwrap_or(version);
    match bare {
        _ if ["link:", "file:", "workspace:"].iter().any(|head| bare.starts_with(head)) => None,
        // Another package in its place, with its own name.
        _ if bare.starts_with('/') || bare.rfind('@').is_some_and(|at| at > 0) => {
            Some(pnpm_id(bare))
        }
        _ => Some(pnpm_id(&format!("{name}@{version}"))),
    }
}

/// `name@version` of a key: without quotes, the slash in front, and what peers it was resolved with.
fn pnpm_id(key: &str) -> String {
    let key = unquoted(key).trim_start_matches('/');
    let bare = key.split('(').next().unwrap_or(key);
    match bare.rfind('@').filter(|at| *at > 0) {
        Some(_) => bare.to_owned(),
        // Version 5 parts them by a slash, and peers by an underscore.
        None => match bare.rsplit_once('/') {
            Some((name, version)) => {
                format!("{name}@{}", version.split('_').next().unwrap_or_default())
            }
            None => bare.to_owned(),
        },
    }
}

/// Name and version of `name@version`.
fn parts(id: &str) -> (&str, &str) {
    match id.rfind('@').filter(|at| *at > 0) {
        Some(at) => (id.get(..at).unwrap_or(id), id.get(at + 1..).unwrap_or_default()),
        None => (id, ""),
    }
}

/// The graph of a `yarn.lock`.
pub fn yarn(file: &str, text: &str) -> Result<Read, InventoryError> {
    let is_mark = |line: &str| line.starts_with("# yarn lockfile v") || line == "__metadata:";
    check(file, text, is_mark)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut in_needs = false;
    for line in lines(text) {
        match line.indent {
            0 => {
                let asked_as: Vec<String> = line.key.split(',').map(yarn_id).collect();
                let name = asked_as.first().map_or("", |first| parts(first).0).to_owned();
                entries.push(Entry { line: line.number, asked_as, name, ..Entry::default() });
            }
            2 => {
                in_needs = NEEDS.contains(&line.key);
                if let Some(entry) = entries.last_mut() {
                    entry.figure(&line);
                }
            }
            4 if in_needs => {
                if let Some(entry) = entries.last_mut() {
                    entry.helpers.push(unquoted(line.key).to_owned());
                    entry.needs.push(yarn_id(&format!("{}@{}", unquoted(line.key), line.value)));
                }
            }
            _ => {}
        }
    }
    // `__metadata` is none, and what lies in the project itself is no dependency.
    entries.retain(|entry| entry.name != "__metadata" && !entry.version.starts_with("0.0.0-use"));
    if let Some(entry) = entries.iter().find(|entry| entry.version.is_empty()) {
        return Err(InventoryError::Line {
            file: file.to_owned(),
            line: entry.line,
            message: format!(
                "{} has no version: a line `version ...` belongs below it",
                entry.name
            ),
        });
    }
    Ok(graph(entries.into_iter(), Vec::new()))
}

/// `name@range`, without quotes and without the protocol that newer versions write.
fn yarn_id(text: &str) -> String {
    unquoted(text).replacen("@npm:", "@", 1)
}

impl Entry {
    fn figure(&mut self, line: &Line<'_>) {
        match line.key {
            "version" => line.value.clone_into(&mut self.version),
            "requiresBuild" => self.has_script = line.value == "true",
            "os" => self.elsewhere |= !fits(&listed(line.value), super::OS),
            "cpu" => self.elsewhere |= !fits(&listed(line.value), super::cpu()),
            "conditions" => {
                for condition in line.value.split('&') {
                    let (what, wanted) = condition.trim().split_once('=').unwrap_or_default();
                    let own = if what == "os" { super::OS } else { super::cpu() };
                    self.elsewhere |= matches!(what, "os" | "cpu") && wanted != own;
                }
            }
            _ => {}
        }
    }
}

/// The graph of all entries that are for this system. `by_project` is what the project itself needs, where that is
/// told.
fn graph(entries: impl Iterator<Item = Entry>, by_project: Vec<String>) -> Read {
    let mut builder = GraphBuilder::default();
    let mut places: BTreeMap<String, u32> = BTreeMap::new();
    let mut users = Vec::new();
    let mut elsewhere = BTreeSet::new();
    for entry in entries {
        if entry.elsewhere {
            elsewhere.extend(entry.asked_as);
            continue;
        }
        let package = format!("{}@{}", entry.name, entry.version);
        let id = format!("npm:{package}");
        let node = Node::new(Language::Npm, Kind::Dependency, id, &entry.name);
        let place = builder.add(node.in_package(&package));
        let (compiles, fetches) = (compiles(&entry.name, &entry.helpers), fetches(&entry.helpers));
        let mut user = place;
        // pnpm marks files for a system, too, as if they were built.
        let has_script = entry.has_script && !is_for_this_system(&entry.name);
        if compiles || fetches || has_script {
            let kind = if compiles || fetches { Kind::Extension } else { Kind::InstallScript };
            let id = format!("npm:{package} (install)");
            let mut script = Node::new(Language::Npm, kind, id, &entry.name).in_package(&package);
            script.prebuilt = fetches;
            user = builder.add(script);
            builder.needs(place, user);
        }
        places.extend(entry.asked_as.into_iter().map(|name| (name, place)));
        users.push((user, entry.needs));
    }
    let is_missing = |name: &String| !places.contains_key(name) && !elsewhere.contains(name);
    let mut missing: BTreeSet<String> = by_project.into_iter().filter(is_missing).collect();
    for (user, needs) in users {
        for name in needs {
            if let Some(needed) = places.get(&name) {
                builder.needs(user, *needed);
            } else if is_missing(&name) {
                missing.insert(name);
            }
        }
    }
    Read { graph: builder.finish(), missing: missing.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PNPM: &str = "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      sqlite:\n        specifier: ^11\n        version: 11.1.0\n\npackages:\n\n  '@x/mac@1.0.0':\n    resolution: {integrity: sha512-x==}\n    os: [darwin]\n\n  sqlite@11.1.0:\n    resolution: {integrity: y}\n    engines: {node: '>=12'}\n\n  bindings@1.5.0:\n    resolution: {integrity: z}\n\n  esbuild@0.21.5:\n    requiresBuild: true\n\nsnapshots:\n\n  '@x/mac@1.0.0':\n    optional: true\n\n  bindings@1.5.0: {}\n\n  sqlite@11.1.0(peer@1.0.0):\n    dependencies:\n      bindings: 1.5.0\n";

    fn shown(graph: &Graph) -> Vec<(String, Kind, bool)> {
        let shown = |n: &Node| (n.package.clone().unwrap_or_default(), n.kind, n.prebuilt);
        let mut all: Vec<_> = graph.nodes.iter().map(shown).collect();
        all.sort();
        all
    }

    #[test]
    fn pnpm_tells_packages_addons_and_what_is_for_elsewhere() {
        let graph = pnpm("pnpm-lock.yaml", PNPM).unwrap().graph;
        let named = |name: &str, kind, prebuilt| (name.to_owned(), kind, prebuilt);
        assert_eq!(
            shown(&graph),
            [
                named("bindings@1.5.0", Kind::Dependency, true),
                named("esbuild@0.21.5", Kind::Dependency, true),
                named("esbuild@0.21.5", Kind::InstallScript, false),
                named("sqlite@11.1.0", Kind::Dependency, true),
                named("sqlite@11.1.0", Kind::Extension, false),
            ]
        );
        assert_eq!(graph.edges.len(), 3);
        assert_eq!(pnpm_id("/a/1.0.0_react@17.0.0"), "a/1.0.0_react@17.0.0");
        assert_eq!(pnpm_id("/@a/b/1.0.0_x"), "/@a/b@1.0.0".trim_start_matches('/'));
        assert_eq!(pnpm_id("'/@a/b@1.0.0(c@2.0.0)'"), "@a/b@1.0.0");
    }

    #[test]
    fn what_helps_addons_is_none() {
        let text = "__metadata:\n  version: 8\n\n\"node-addon-api@npm:^5\":\n  version: 5.1.0\n  dependencies:\n    node-gyp: \"npm:latest\"\n";
        let only = ("node-addon-api@5.1.0".to_owned(), Kind::Dependency, true);
        assert_eq!(shown(&yarn("yarn.lock", text).unwrap().graph), [only]);
    }

    #[test]
    fn both_yarns_are_read() {
        let old = "# yarn lockfile v1\n\n\na@^1.0.0, a@~1.2:\n  version \"1.2.3\"\n  resolved \"https://x\"\n  dependencies:\n    \"@b/c\" \"^2.0\"\n    nan \"2\"\n\n\"@b/c@^2.0\":\n  version \"2.1.0\"\n";
        let new = "__metadata:\n  version: 8\n\n\"a@npm:^1.0.0\":\n  version: 1.2.3\n  resolution: \"a@npm:1.2.3\"\n  dependencies:\n    \"@b/c\": \"npm:^2.0\"\n    nan: \"npm:2\"\n  linkType: hard\n\n\"@b/c@npm:^2.0\":\n  version: 2.1.0\n\n\"mac@npm:1\":\n  version: 1.0.0\n  conditions: os=darwin & cpu=x64\n\n\"own@workspace:.\":\n  version: 0.0.0-use.local\n";
        for text in [old, new] {
            let graph = yarn("yarn.lock", text).unwrap().graph;
            let packages: Vec<_> =
                shown(&graph).into_iter().map(|(name, kind, _)| (name, kind)).collect();
            assert_eq!(
                packages,
                [
                    ("@b/c@2.1.0".to_owned(), Kind::Dependency),
                    ("a@1.2.3".to_owned(), Kind::Dependency),
                    ("a@1.2.3".to_owned(), Kind::Extension)
                ]
            );
            assert_eq!(graph.edges.len(), 2, "{graph:?}");
        }
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_line() {
        let of_yarn = |text: &str| yarn("yarn.lock", text).unwrap_err().to_string();
        let merge = "# yarn lockfile v1\n\na@1:\n<<<<<<< HEAD\n  version \"1.0.0\"\n";
        assert!(of_yarn(merge).starts_with("yarn.lock:4: a conflict of a merge"));
        let cut = "# yarn lockfile v1\n\na@1:\n  version \"1.0.0\"\nb@1:\n";
        assert!(of_yarn(cut).starts_with("yarn.lock:5: b has no version"), "{}", of_yarn(cut));
        assert!(of_yarn("{}\n").starts_with("yarn.lock:1: not a lock file"));
        let of_pnpm = |text: &str| pnpm("pnpm-lock.yaml", text).unwrap_err().to_string();
        assert!(of_pnpm("packages:\n").starts_with("pnpm-lock.yaml:1: not a lock file"));
        // Cut off behind what the project needs.
        let cut = "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      '@x/a':\n        specifier: ^1\n        version: 1.0.0(b@2.0.0)\n      own:\n        version: link:../own\n";
        assert_eq!(pnpm("pnpm-lock.yaml", cut).unwrap().missing, 1);
        let whole = format!("{cut}packages:\n  '@x/a@1.0.0':\n    resolution: {{integrity: x}}\n");
        assert_eq!(pnpm("pnpm-lock.yaml", &whole).unwrap().missing, 0);
        // An empty file marks the top of a project.
        assert!(yarn("yarn.lock", "\n").unwrap().graph.nodes.is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(packages:\n|  |[a@/:'\"(, ]|\\PC|\n){0,60}") {
            let (of_pnpm, of_yarn) =
                (format!("lockfileVersion: 9\n{text}"), format!("__metadata:\n{text}"));
            let _ = (pnpm("f", &of_pnpm).is_ok(), yarn("f", &of_yarn).is_ok());
            let _ = (pnpm("f", &text).is_ok(), yarn("f", &text).is_ok());
        }
    }
}
