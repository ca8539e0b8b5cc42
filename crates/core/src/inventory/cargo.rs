//! Crates: what Cargo will compile, by `cargo metadata` or by `Cargo.lock` alone.
//!
//! A package of build scripts and proc macros is compiled for the host with other settings than for
//! the target, so it may stand twice in the graph. Features are those that `cargo metadata` tells,
//! which are unified over host and target. Does not run Cargo.

mod command;
mod native;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use command::Release;

use super::{Graph, GraphBuilder, InventoryError, Kind, Language, Node, json, toml};

/// The index of crates.io, as package ids begin with it.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index#";

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    workspace_default_members: Option<Vec<String>>,
    resolve: Option<Resolve>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    id: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
    crate_types: Vec<String>,
    name: String,
    src_path: PathBuf,
    #[serde(default, rename = "required-features")]
    required_features: Vec<String>,
}

impl Target {
    fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|own| own == kind)
    }

    fn is_library(&self) -> bool {
        self.kind.iter().any(|kind| {
            matches!(
                kind.as_str(),
                "lib" | "rlib" | "dylib" | "cdylib" | "staticlib" | "proc-macro"
            )
        })
    }

    /// What stands for the sources: the folder of a root with a usual name, else the file.
    fn sources(&self) -> &Path {
        let usual = ["lib.rs", "main.rs"].iter().any(|name| self.src_path.ends_with(name));
        self.src_path.parent().filter(|_| usual).unwrap_or(&self.src_path)
    }
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Resolved>,
}

#[derive(Debug, Deserialize)]
struct Resolved {
    id: String,
    deps: Vec<Dependency>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    #[serde(default)]
    dep_kinds: Vec<DependencyKind>,
}

impl Dependency {
    fn is(&self, wanted: Option<&str>) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.as_deref() == wanted)
    }
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// The graph of what `cargo metadata --format-version 1` prints. `size` tells how many bytes the
/// sources of a file, or those below a folder, have; `native` lists the C and C++ sources of a folder.
pub fn metadata(
    file: &str,
    text: &str,
    release: &Release,
    size: &mut dyn FnMut(&Path) -> Option<u64>,
    native: &mut dyn FnMut(&Path) -> Vec<(PathBuf, u64)>,
) -> Result<Graph, InventoryError> {
    let metadata: Metadata = json(file, text, "`cargo metadata` prints")?;
    let mut walk = Walk::new(&metadata, release, size, native);
    let members = metadata.workspace_default_members.as_ref().filter(|all| !all.is_empty());
    for member in members.unwrap_or(&metadata.workspace_members) {
        walk.member(member);
    }
    Ok(walk.builder.finish())
}

struct Walk<'a, 's> {
    packages: HashMap<&'a str, &'a Package>,
    resolved: HashMap<&'a str, &'a Resolved>,
    release: &'a Release,
    size: &'s mut dyn FnMut(&Path) -> Option<u64>,
    native: &'s mut dyn FnMut(&Path) -> Vec<(PathBuf, u64)>,
    builder: GraphBuilder,
    /// Libraries whose dependencies are still to be walked.
    queue: Vec<(&'a Package, bool, u32)>,
}

impl<'a, 's> Walk<'a, 's> {
    fn new(
        metadata: &'a Metadata,
        release: &'a Release,
        size: &'s mut dyn FnMut(&Path) -> Option<u64>,
        native: &'s mut dyn FnMut(&Path) -> Vec<(PathBuf, u64)>,
    ) -> Self {
        let resolved = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
        Self {
            packages: metadata.packages.iter().map(|p| (p.id.as_str(), p)).collect(),
            resolved: resolved.map(|node| (node.id.as_str(), node)).collect(),
            release,
            size,
            native,
            builder: GraphBuilder::default(),
            queue: Vec::new(),
        }
    }

    fn member(&mut self, id: &str) {
        let Some(package) = self.packages.get(id).copied() else { return };
        let library = self.library(package, false);
        let features = self.features(package);
        for target in package.targets.iter().filter(|target| target.is("bin")) {
            if !target.required_features.iter().all(|wanted| features.contains(wanted)) {
                continue;
            }
            let (place, _) = self.unit(package, target, Kind::Program, false);
            if let Some(library) = library {
                self.builder.needs(place, library);
            }
            self.dependencies(package, false, place);
        }
        self.drain();
    }

    /// Dependencies are walked from a list: a chain of crates may be longer than a stack is deep.
    fn drain(&mut self) {
        while let Some((package, host, place)) = self.queue.pop() {
            self.dependencies(package, host, place);
        }
    }

    /// The library of a package, which is queued when it is new.
    fn library(&mut self, package: &'a Package, host: bool) -> Option<u32> {
        let target = package.targets.iter().find(|target| target.is_library())?;
        let is_macro = target.is("proc-macro");
        let host = host || is_macro;
        let kind = if is_macro { Kind::ProcMacro } else { Kind::Library };
        let (place, is_new) = self.unit(package, target, kind, host);
        if is_new {
            self.queue.push((package, host, place));
        }
        Some(place)
    }

    /// What a library or program needs: libraries, and the package's own build script.
    fn dependencies(&mut self, package: &'a Package, host: bool, place: u32) {
        self.libraries(package, None, host, place);
        let Some(script) = package.targets.iter().find(|target| target.is("custom-build")) else {
            return;
        };
        // Built for the host whatever it is for, and run once for each.
        let (script, is_new) = self.unit(package, script, Kind::BuildScript, true);
        self.builder.needs(place, script);
        if is_new {
            self.libraries(package, Some("build"), true, script);
        }
        self.natives(package, place, script);
    }

    /// What a build script compiles lies between it and what needs it.
    fn natives(&mut self, package: &'a Package, place: u32, script: u32) {
        let needed: Vec<&'a Package> = self.built_with(package);
        let names: Vec<&str> = needed.iter().map(|needed| needed.name.as_str()).collect();
        let own = native::Script { built_with: &names, features: self.features(package) };
        let carried = needed.iter().copied().filter(|it| native::carries_sources(&it.name));
        let sources: Vec<&Package> = carried.chain(own.compiles().then_some(package)).collect();
        for source in sources {
            let folder = source.manifest_path.parent().unwrap_or(Path::new("/"));
            let name = format!("{}-{}", source.name, source.version);
            for (path, bytes) in (self.native)(folder) {
                let Some(unit) = native::unit(&name, folder, &path, bytes) else { continue };
                let unit = self.builder.add(unit);
                self.builder.needs(place, unit);
                self.builder.needs(unit, script);
            }
        }
    }

    /// What a package's build script is built with.
    fn built_with(&self, package: &Package) -> Vec<&'a Package> {
        let resolved = self.resolved.get(package.id.as_str()).copied();
        let dependencies = resolved.into_iter().flat_map(|resolved| &resolved.deps);
        let build = dependencies.filter(|dependency| dependency.is(Some("build")));
        build.filter_map(|dependency| self.packages.get(dependency.pkg.as_str()).copied()).collect()
    }

    fn libraries(&mut self, package: &Package, kind: Option<&str>, host: bool, place: u32) {
        let Some(resolved) = self.resolved.get(package.id.as_str()).copied() else { return };
        for dependency in resolved.deps.iter().filter(|dependency| dependency.is(kind)) {
            let needed = self.packages.get(dependency.pkg.as_str()).copied();
            if let Some(needed) = needed.and_then(|needed| self.library(needed, host)) {
                self.builder.needs(place, needed);
            }
        }
    }

    fn features(&self, package: &Package) -> &'a [String] {
        self.resolved.get(package.id.as_str()).map_or(&[], |resolved| &resolved.features)
    }

    fn unit(&mut self, package: &Package, target: &Target, kind: Kind, host: bool) -> (u32, bool) {
        let name = package.id.strip_prefix(CRATES_IO).unwrap_or(&package.id);
        let place = if host { " (host)" } else { "" };
        let id = format!("rust:{name}:{}:{}{place}", kind.name(), target.name);
        if let Some(place) = self.builder.place(&id) {
            return (place, false);
        }
        let features = self.features(package);
        let label = match kind {
            Kind::BuildScript => format!("{} (build script)", package.name),
            _ if host && kind != Kind::ProcMacro => format!("{} (for the build)", target.name),
            _ => target.name.clone(),
        };
        let command = command::Compile {
            package: &package.name,
            version: &package.version,
            directory: package.manifest_path.parent().unwrap_or(Path::new("/")),
            crate_name: &target.name,
            crate_types: &target.crate_types,
            root: &target.src_path,
            features,
            host,
        };
        let bytes = (self.size)(target.sources());
        let mut node = Node::new(Language::Rust, kind, id, label)
            .in_package(format!("{}-{}", package.name, package.version))
            .sized(bytes);
        node.features = features.to_vec();
        (self.builder.add(command.keyed(node, self.release)), true)
    }
}

/// Leaves out packages that Cargo will not build. `tree` is what `cargo tree --prefix none --format {p}`
/// prints: it knows which optional dependencies no feature asks for, and `cargo metadata` lists them all.
#[must_use]
pub fn built(graph: Graph, tree: &str) -> Graph {
    let package = |line: &str| {
        let (name, rest) = line.trim().split_once(" v")?;
        Some(format!("{name}-{}", rest.split(' ').next()?))
    };
    let built: HashSet<String> = tree.lines().filter_map(package).collect();
    if built.is_empty() {
        return graph;
    }
    graph.only(|node| node.package.as_ref().is_none_or(|package| built.contains(package)))
}

/// Where the manifest of a package lies, by what `cargo metadata` prints.
pub fn manifest_of(text: &str, name: &str) -> Option<PathBuf> {
    let metadata: Metadata = serde_json::from_str(text).ok()?;
    metadata.packages.into_iter().find(|package| package.name == name).map(|p| p.manifest_path)
}

#[derive(Debug, Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<LockedPackage>,
}

#[derive(Debug, Deserialize)]
struct LockedPackage {
    name: String,
    version: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The version of a package in a `Cargo.lock`.
pub fn locked_version(text: &str, name: &str) -> Option<String> {
    let lock: Lock = ::toml::from_str(text).ok()?;
    lock.package.into_iter().find(|package| package.name == name).map(|package| package.version)
}

/// The graph of a `Cargo.lock`: crates and versions of every platform, without features, build
/// scripts or sizes.
pub fn lock(file: &str, text: &str) -> Result<Graph, InventoryError> {
    let lock: Lock = toml(file, text, "Cargo.lock")?;
    let mut builder = GraphBuilder::default();
    let mut by_name: HashMap<&str, Vec<u32>> = HashMap::new();
    for package in &lock.package {
        let named = format!("{}@{}", package.name, package.version);
        let node =
            Node::new(Language::Rust, Kind::Library, format!("rust:{named}"), &*package.name)
                .in_package(format!("{}-{}", package.name, package.version));
        by_name.entry(&package.name).or_default().push(builder.add(node));
    }
    for package in &lock.package {
        let own = builder.place(&format!("rust:{}@{}", package.name, package.version));
        for dependency in &package.dependencies {
            // `name`, `name version`, or `name version (source)` where there are several.
            let mut words = dependency.split(' ');
            let name = words.next().unwrap_or_default();
            let needed = match words.next() {
                Some(version) => builder.place(&format!("rust:{name}@{version}")),
                None => by_name.get(name).and_then(|places| places.first().copied()),
            };
            if let (Some(own), Some(needed)) = (own, needed) {
                builder.needs(own, needed);
            }
        }
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests;
