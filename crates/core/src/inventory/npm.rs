//! npm: the packages of a `package-lock.json`, their install scripts and native addons.
//!
//! Reads lock files of version 1 to 3, as npm's documentation of `package-lock.json` describes them.
//! Does not know what a script does; a package counts as an addon by the helpers that it needs.

mod other;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Graph, GraphBuilder, InventoryError, Kind, Language, Node, json};

/// Packages that only those need which compile an addon.
const COMPILING: &[&str] = &["node-addon-api", "nan", "node-gyp", "cmake-js", "bindings"];
/// Packages that fetch a compiled addon where there is one for the platform.
const FETCHING: &[&str] = &[
    "prebuild-install",
    "node-gyp-build",
    "node-gyp-build-optional-packages",
    "@mapbox/node-pre-gyp",
    "node-pre-gyp",
    "pkg-prebuilds",
];

pub use other::{Read, pnpm, yarn};

/// Whether a package with these dependencies compiles an addon. What helps others does not: yarn names
/// `node-gyp` as a dependency of all that use it, be it only to test themselves.
fn compiles(name: &str, dependencies: &[String]) -> bool {
    let helps = |name: &str| COMPILING.contains(&name);
    !helps(name) && dependencies.iter().any(|needed| helps(needed))
}

/// Whether it fetches a compiled one where there is one, or has a package of files for this system.
fn fetches(dependencies: &[String]) -> bool {
    let fetches = |name: &String| FETCHING.contains(&name.as_str()) || is_for_this_system(name);
    dependencies.iter().any(fetches)
}

/// What npm calls the system that this is built for.
const OS: &str = "linux";

/// What npm calls this processor.
const fn cpu() -> &'static str {
    match std::env::consts::ARCH.as_bytes() {
        b"x86_64" => "x64",
        b"aarch64" => "arm64",
        b"x86" => "ia32",
        _ => std::env::consts::ARCH,
    }
}

/// Whether the name of a package is that of files for this system: `@parcel/watcher-linux-x64-glibc`.
fn is_for_this_system(name: &str) -> bool {
    let words = || name.split(['/', '-', '_', '.']);
    words().any(|word| word == OS) && words().any(|word| word == cpu())
}

/// Whether a package that is for some systems or processors is for this: `["linux"]`, `["!win32"]`.
fn fits(wanted: &[String], own: &str) -> bool {
    let mut refused = wanted.iter().filter_map(|word| word.strip_prefix('!'));
    let mut named = wanted.iter().filter(|word| !word.starts_with('!')).peekable();
    let is_named = named.peek().is_none() || named.any(|word| word == own || word == "any");
    is_named && !refused.any(|word| word == own)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Lock {
    name: Option<String>,
    packages: BTreeMap<String, Locked>,
    /// Version 1.
    dependencies: BTreeMap<String, Nested>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Locked {
    name: Option<String>,
    version: Option<String>,
    link: bool,
    resolved: Option<String>,
    has_install_script: bool,
    os: Vec<String>,
    cpu: Vec<String>,
    dependencies: BTreeMap<String, serde_json::Value>,
    optional_dependencies: BTreeMap<String, serde_json::Value>,
    dev_dependencies: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Nested {
    version: String,
    requires: Requires,
    dependencies: BTreeMap<String, Nested>,
}

/// `requires` is a list of names in packages, and `true` at the top.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Requires {
    Names(BTreeMap<String, String>),
    Other(serde::de::IgnoredAny),
}

impl Default for Requires {
    fn default() -> Self {
        Self::Names(BTreeMap::new())
    }
}

/// What a `package.json` says of the project.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Manifest {
    name: Option<String>,
    version: Option<String>,
    scripts: BTreeMap<String, String>,
}

/// The graph of a lock file.
pub fn lock(file: &str, text: &str) -> Result<Graph, InventoryError> {
    let lock: Lock = json(file, text, "npm writes as package-lock.json")?;
    let mut packages = lock.packages;
    if packages.is_empty() {
        flatten("", lock.dependencies, &mut packages);
    }
    packages.retain(|_, package| fits(&package.os, OS) && fits(&package.cpu, cpu()));
    let root = lock.name.unwrap_or_else(|| "project".to_owned());
    let mut builder = GraphBuilder::default();
    for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty()) {
        add(&mut builder, path, package);
    }
    if packages.contains_key("") {
        builder.add(Node::new(Language::Npm, Kind::Group, "npm:", root));
    }
    for (path, package) in &packages {
        connect(&mut builder, path, package, &packages);
    }
    Ok(builder.finish())
}

/// The version of a lock file's format and the newest that is read here, where that is older. `lock` is
/// the name of the file.
pub fn newer_version(lock: &str, text: &str) -> Option<(u64, u64)> {
    let after = |text: &str, mark: &str| {
        let (_, rest) = text.split_once(mark)?;
        let rest = rest.trim_start_matches([' ', '\'', '"']);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse::<u64>().ok()
    };
    let (version, known) = match (lock, text.split_once("__metadata:")) {
        ("pnpm-lock.yaml", _) => (after(text, "lockfileVersion:"), 9),
        ("yarn.lock", Some((_, rest))) => (after(rest, "version:"), 8),
        ("yarn.lock", None) => (after(text, "# yarn lockfile v"), 1),
        _ => (after(text, "\"lockfileVersion\":"), 3),
    };
    version.filter(|version| *version > known).map(|version| (version, known))
}

/// Gives the packages of version 1 the paths of later versions. A list stands in for recursion, so
/// that no lock file is nested too deeply.
fn flatten(above: &str, nested: BTreeMap<String, Nested>, packages: &mut BTreeMap<String, Locked>) {
    let mut queue = vec![(above.to_owned(), nested)];
    while let Some((above, nested)) = queue.pop() {
        for (name, package) in nested {
            let slash = if above.is_empty() { "" } else { "/" };
            let path = format!("{above}{slash}node_modules/{name}");
            let helpers: Vec<String> = match package.requires {
                Requires::Names(names) => names.into_keys().collect(),
                Requires::Other(_) => Vec::new(),
            };
            let dependencies =
                helpers.iter().map(|name| (name.clone(), serde_json::Value::Null)).collect();
            let locked = Locked {
                version: Some(package.version),
                // Locks of that version do not tell.
                has_install_script: compiles(&name, &helpers) || fetches(&helpers),
                dependencies,
                ..Locked::default()
            };
            packages.insert(path.clone(), locked);
            queue.push((path, package.dependencies));
        }
    }
}

fn name_of<'a>(path: &'a str, package: &'a Locked) -> &'a str {
    let from_path = || path.rsplit_once("node_modules/").map_or(path, |(_, name)| name);
    package.name.as_deref().unwrap_or_else(from_path)
}

fn add(builder: &mut GraphBuilder, path: &str, package: &Locked) {
    let name = name_of(path, package);
    let named = match &package.version {
        Some(version) => format!("{name}@{version}"),
        None => name.to_owned(),
    };
    // What lies outside of node_modules is a part of the project itself.
    let is_own = package.link || !path.contains("node_modules/");
    let kind = if is_own { Kind::Group } else { Kind::Dependency };
    let node = Node::new(Language::Npm, kind, format!("npm:{path}"), name);
    builder.add(node.in_package(&named));
    let needed = package.dependencies.keys().chain(package.optional_dependencies.keys());
    let helpers: Vec<String> = needed.cloned().collect();
    let fetches = fetches(&helpers);
    if !package.has_install_script {
        // It may still carry an addon, which others compiled.
        return;
    }
    let is_addon = compiles(name, &helpers) || fetches;
    let script = if is_addon { Kind::Extension } else { Kind::InstallScript };
    let mut node = Node::new(Language::Npm, script, script_id(path), name).in_package(named);
    node.prebuilt = fetches;
    builder.add(node);
}

fn script_id(path: &str) -> String {
    format!("npm:{path} (install)")
}

fn connect(
    builder: &mut GraphBuilder,
    path: &str,
    package: &Locked,
    packages: &BTreeMap<String, Locked>,
) {
    let own = builder.place(&format!("npm:{path}"));
    let script = builder.place(&script_id(path));
    if let (Some(own), Some(script)) = (own, script) {
        builder.needs(own, script);
    }
    let Some(user) = script.or(own) else { return };
    let target = package.resolved.as_ref().filter(|_| package.link);
    if let Some(target) = target.and_then(|target| builder.place(&format!("npm:{target}"))) {
        builder.needs(user, target);
    }
    let names = package.dependencies.keys();
    let names = names.chain(package.optional_dependencies.keys());
    for name in names.chain(package.dev_dependencies.keys()) {
        let found = resolve(path, name, packages).map(|found| format!("npm:{found}"));
        if let Some(needed) = found.and_then(|id| builder.place(&id)) {
            builder.needs(user, needed);
        }
    }
}

/// Where Node.js finds a package: in the nearest `node_modules` at or above the one that asks.
fn resolve(path: &str, name: &str, packages: &BTreeMap<String, Locked>) -> Option<String> {
    let mut above = path;
    loop {
        let slash = if above.is_empty() { "" } else { "/" };
        let candidate = format!("{above}{slash}node_modules/{name}");
        if packages.contains_key(&candidate) {
            return Some(candidate);
        }
        if above.is_empty() {
            return None;
        }
        above = above.rsplit_once("/node_modules/").map_or("", |(above, _)| above);
    }
}

/// The project's own build, when its `package.json` has one. `bytes` are those of its sources.
pub fn project(file: &str, text: &str, bytes: Option<u64>) -> Result<Graph, InventoryError> {
    let manifest: Manifest = json(file, text, "npm reads as package.json")?;
    let mut builder = GraphBuilder::default();
    if manifest.scripts.contains_key("build") {
        let name = manifest.name.unwrap_or_else(|| "project".to_owned());
        let package = manifest.version.map_or_else(|| name.clone(), |v| format!("{name}@{v}"));
        let node = Node::new(Language::Npm, Kind::Build, format!("npm:{name} (build)"), name);
        let build = builder.add(node.in_package(package).sized(bytes));
        let root = builder.add(Node::new(Language::Npm, Kind::Group, "npm:", "project"));
        builder.needs(build, root);
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOCK: &str = r#"{"name": "demo", "lockfileVersion": 3, "packages": {
        "": {"name": "demo", "dependencies": {"a": "1", "sqlite": "1"}, "devDependencies": {"esbuild": "1"}},
        "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "2"}},
        "node_modules/a/node_modules/b": {"version": "2.0.0"},
        "node_modules/b": {"version": "1.0.0"},
        "node_modules/esbuild": {"version": "0.25.0", "hasInstallScript": true, "dev": true},
        "node_modules/@x/sqlite": {"version": "5.0.0"},
        "node_modules/nan": {"version": "2.0.0"},
        "packages/own": {"name": "own", "version": "1.0.0"},
        "node_modules/sqlite": {"version": "1.0.0", "hasInstallScript": true, "dependencies": {"nan": "2", "@x/sqlite": "5"}}
    }}"#;

    fn place(graph: &Graph, id: &str) -> u32 {
        let at = graph.nodes.iter().position(|node| node.id == id);
        u32::try_from(at.unwrap_or_else(|| panic!("{id} is missing"))).unwrap()
    }

    #[test]
    fn a_lock_of_a_newer_version_is_told() {
        let npm = |version: &str| {
            newer_version(
                "package-lock.json",
                &format!("{{\"lockfileVersion\": {version}, \"packages\": {{}}}}"),
            )
        };
        assert_eq!((npm("3"), npm("4"), npm("x")), (None, Some((4, 3)), None));
        let pnpm = |version: &str| {
            newer_version("pnpm-lock.yaml", &format!("lockfileVersion: '{version}'\n"))
        };
        assert_eq!((pnpm("9.0"), pnpm("5.4"), pnpm("10.1")), (None, None, Some((10, 9))));
        let yarn = |text: &str| newer_version("yarn.lock", text);
        assert_eq!(yarn("# yarn lockfile v1\n\na@1:\n  version \"2.0.0\"\n"), None);
        assert_eq!(yarn("# yarn lockfile v2\n"), Some((2, 1)));
        assert_eq!(yarn("# made by yarn\n\n__metadata:\n  version: 8\n"), None);
        assert_eq!(yarn("__metadata:\n  version: 12\n"), Some((12, 8)));
    }

    #[test]
    fn a_package_is_found_where_node_finds_it() {
        let graph = lock("package-lock.json", LOCK).unwrap();
        let needs = graph.needs();
        let a = place(&graph, "npm:node_modules/a") as usize;
        assert_eq!(needs[a], [place(&graph, "npm:node_modules/a/node_modules/b")]);
        let root = place(&graph, "npm:") as usize;
        assert_eq!(needs[root].len(), 3);
        assert!(graph.nodes.iter().any(|n| n.label == "@x/sqlite"));
        // A member of the workspace is no dependency.
        assert_eq!(graph.nodes[place(&graph, "npm:packages/own") as usize].kind, Kind::Group);
    }

    #[test]
    fn addons_are_told_from_scripts() {
        let graph = lock("package-lock.json", LOCK).unwrap();
        let of = |kind| -> Vec<_> {
            let all = graph.nodes.iter().filter(|n| n.kind == kind);
            all.map(|n| (n.label.as_str(), n.prebuilt)).collect()
        };
        assert_eq!(of(Kind::Extension), [("sqlite", false)]);
        assert_eq!(of(Kind::InstallScript), [("esbuild", false)]);
        let carried = LOCK.replace("\"1.0.0\", \"hasInstallScript\": true", "\"1.0.0\"");
        let graph = lock("package-lock.json", &carried).unwrap();
        assert!(!graph.nodes.iter().any(|n| n.kind == Kind::Extension));
        let own =
            format!("\"optionalDependencies\": {{\"@x/sqlite-{OS}-{}-glibc\": \"1\"}},", cpu());
        let own = LOCK
            .replace("\"dependencies\": {\"nan\"", &format!("{own} \"dependencies\": {{\"nan\""));
        let graph = lock("package-lock.json", &own).unwrap();
        assert!(graph.nodes.iter().any(|n| n.kind == Kind::Extension && n.prebuilt), "{own}");
        let fetching = LOCK.replace("\"nan\": \"2\"", "\"prebuild-install\": \"2\"");
        let graph = lock("package-lock.json", &fetching).unwrap();
        assert!(graph.nodes.iter().any(|n| n.kind == Kind::Extension && n.prebuilt));
    }

    #[test]
    fn the_first_version_of_the_format_is_read() {
        let text = r#"{"name": "x", "lockfileVersion": 1, "requires": true, "dependencies": {
            "a": {"version": "1.0.0", "requires": {"b": "^1"}, "dependencies": {"b": {"version": "1.1.0"}}}}}"#;
        let graph = lock("package-lock.json", text).unwrap();
        assert_eq!((graph.nodes.len(), graph.edges.len()), (2, 1));
    }

    #[test]
    fn packages_for_other_systems_are_left_out() {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert!(fits(&[], OS) && fits(&words(&["darwin", "linux"]), OS));
        assert!(fits(&words(&["!win32"]), OS) && !fits(&words(&["!linux"]), OS));
        assert!(!fits(&words(&["win32"]), OS));
        let text = LOCK.replace("\"2.0.0\"}", "\"2.0.0\", \"os\": [\"aix\"]}");
        let graph = lock("f", &text).unwrap();
        assert!(!graph.nodes.iter().any(|node| node.label == "nan"), "{graph:?}");
    }

    #[test]
    fn a_build_script_is_a_build() {
        let text = r#"{"name": "x", "version": "1.0.0", "scripts": {"build": "tsc"}}"#;
        let graph = project("package.json", text, Some(5)).unwrap();
        assert_eq!(graph.nodes[0].kind, Kind::Build);
        assert!(project("package.json", "{}", None).unwrap().nodes.is_empty());
        let error = project("package.json", "{\n1}", None).unwrap_err().to_string();
        assert!(error.starts_with("package.json:2:1: not the JSON"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,60}", path in "(node_modules/|[a@/]){0,8}") {
            let _ = (lock("f", &text).is_ok(), project("f", &text, None).is_ok());
            let text = serde_json::json!({"packages": {path: {"dependencies": {"a": "1"}}}});
            prop_assert!(lock("f", &text.to_string()).is_ok());
        }
    }
}
