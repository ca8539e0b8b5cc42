//! Python: projects with their extensions, requirements and lock files, and CPython itself.
//!
//! Does not run Python: a `setup.py` is searched for the words that declare extensions. Whether a
//! requirement has a wheel is known only where a lock file lists its files; else it is taken for
//! prebuilt, as most are.

mod native;

use serde::Deserialize;

pub use native::is_native;

use super::make;
use super::{Graph, GraphBuilder, InventoryError, Kind, Language, Node, toml};
use crate::units::Bytes;

/// Build backends that compile, with the language of what they compile.
const COMPILING_BACKENDS: &[(&str, Language)] = &[
    ("maturin", Language::Rust),
    ("scikit_build_core", Language::CFamily),
    ("mesonpy", Language::CFamily),
    ("skbuild", Language::CFamily),
    ("py_build_cmake", Language::CFamily),
];

/// Build requirements that are there to compile.
const COMPILING_REQUIREMENTS: &[(&str, Language)] = &[
    ("setuptools-rust", Language::Rust),
    ("cython", Language::CFamily),
    ("pybind11", Language::CFamily),
    ("nanobind", Language::CFamily),
    ("cffi", Language::CFamily),
];

/// Words of a `setup.py` that declare an extension.
const DECLARING: &[(&str, Language)] = &[
    ("RustExtension(", Language::Rust),
    ("Pybind11Extension(", Language::CFamily),
    ("CMakeExtension(", Language::CFamily),
    ("CUDAExtension(", Language::CFamily),
    ("CppExtension(", Language::CFamily),
    ("cythonize(", Language::CFamily),
    ("cffi_modules", Language::CFamily),
    ("Extension(", Language::CFamily),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Manifest {
    build_system: BuildSystem,
    project: Project,
    tool: Tools,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct BuildSystem {
    requires: Vec<String>,
    build_backend: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Project {
    name: Option<String>,
    version: Option<String>,
    dependencies: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tools {
    setuptools: Setuptools,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Setuptools {
    ext_modules: Vec<Declared>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Declared {
    name: String,
    sources: Vec<String>,
}

impl Manifest {
    /// The build backend, if it is one that compiles by itself. All of these have a build tool that runs several
    /// compilers at a time; setuptools runs one after the other.
    fn compiling_backend(&self) -> Option<&'static (&'static str, Language)> {
        let backend = self.build_system.build_backend.split(['.', ':']).next().unwrap_or_default();
        COMPILING_BACKENDS.iter().find(|(known, _)| *known == backend)
    }
}

/// What a project's own files say. All of them may be absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts<'a> {
    /// `pyproject.toml`, with the name to call it in a mistake.
    pub pyproject: Option<(&'a str, &'a str)>,
    /// `setup.py`.
    pub setup: Option<&'a str>,
    /// The project's folder. Its name is that of a project that does not tell its own.
    pub folder: &'a str,
    /// Sources that may be compiled: paths from the folder, with their sizes in bytes.
    pub native: &'a [make::Source],
}

/// An extension that a project declares.
struct Extension {
    name: String,
    language: Language,
    /// What it is compiled from, where that is listed.
    sources: Vec<String>,
}

/// The graph of a project: its build, its extensions, and what it requires.
pub fn project(texts: &Texts<'_>) -> Result<Graph, InventoryError> {
    let manifest: Manifest = match texts.pyproject {
        Some((file, text)) => toml(file, text, "pyproject.toml")?,
        None => Manifest::default(),
    };
    let folder = texts.folder.rsplit('/').next().unwrap_or_default();
    let name = manifest.project.name.as_deref().unwrap_or(folder);
    let package = match &manifest.project.version {
        Some(version) => format!("{name}-{version}"),
        None => name.to_owned(),
    };
    let mut builder = GraphBuilder::default();
    let id = format!("python:{name} (build)");
    let build =
        builder.add(Node::new(Language::Python, Kind::Build, id, name).in_package(&package));
    let declared = extensions(&manifest, texts, name);
    if let Some(node) = builder.node_mut(build).filter(|_| declared.is_empty()) {
        // Packing text files into a wheel compiles nothing.
        node.prebuilt = true;
    }
    let in_order = manifest.compiling_backend().is_none();
    for extension in declared {
        let id = format!("python:{name}:{}", extension.name);
        let node = Node::new(extension.language, Kind::Extension, id, &extension.name);
        let place = builder.add(node.in_package(&package));
        builder.needs(build, place);
        if extension.language != Language::CFamily {
            continue;
        }
        let sources = native::compiled(texts.native, &extension.sources);
        if let Some(node) = builder.node_mut(place).filter(|_| !sources.is_empty()) {
            node.size_bytes = Some(Bytes(sources.iter().filter_map(|(_, size)| *size).sum()));
        }
        let mut before = None;
        for (path, size) in sources {
            let unit = builder.add(make::unit(texts.folder, path, *size).in_package(&package));
            builder.needs(place, unit);
            if let Some(before) = before.replace(unit).filter(|_| in_order) {
                builder.needs(unit, before);
            }
        }
    }
    let required = manifest.build_system.requires.iter().chain(&manifest.project.dependencies);
    for requirement in required {
        if let Some(place) = requirement_node(&mut builder, requirement) {
            builder.needs(build, place);
        }
    }
    Ok(builder.finish())
}

/// Extensions by name; one that stands for all where they are only known to be there.
fn extensions(manifest: &Manifest, texts: &Texts<'_>, name: &str) -> Vec<Extension> {
    let declared = &manifest.tool.setuptools.ext_modules;
    if !declared.is_empty() {
        let extension = |it: &Declared| Extension {
            name: it.name.clone(),
            language: Language::CFamily,
            sources: it.sources.clone(),
        };
        return declared.iter().map(extension).collect();
    }
    let by_backend = manifest.compiling_backend();
    let by_setup = || {
        let text = texts.setup?;
        DECLARING.iter().find(|(word, _)| code_contains(text, word))
    };
    let by_requirement = || {
        let names: Vec<String> =
            manifest.build_system.requires.iter().filter_map(|r| requirement_name(r)).collect();
        COMPILING_REQUIREMENTS.iter().find(|(known, _)| names.iter().any(|name| name == known))
    };
    // A backend of the project's own tells nothing; sources of Cython are there to be compiled.
    let by_source = || native::has_cython(texts.native).then_some(&("Cython", Language::CFamily));
    let found = by_backend.or_else(by_setup).or_else(by_requirement).or_else(by_source);
    let extension = |(_, language): &(&str, Language)| Extension {
        name: name.to_owned(),
        language: *language,
        sources: Vec::new(),
    };
    found.map(extension).into_iter().collect()
}

/// Whether a line of Python contains a word outside of a comment at the line's end.
fn code_contains(text: &str, word: &str) -> bool {
    text.lines().any(|line| line.split('#').next().unwrap_or_default().contains(word))
}

/// The name at the beginning of a requirement, as PEP 503 normalises it.
fn requirement_name(requirement: &str) -> Option<String> {
    let requirement = requirement.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = requirement.find(|c| !allowed(c)).unwrap_or(requirement.len());
    let name = requirement.get(..end).filter(|name| !name.is_empty())?;
    Some(name.to_ascii_lowercase().replace(['_', '.'], "-"))
}

/// `==1.2.3` of a requirement.
fn pinned(requirement: &str) -> Option<&str> {
    let (_, version) = requirement.split_once("==")?;
    let version = version.trim_start_matches('=').trim_start();
    let end = version.find(|c: char| c.is_whitespace() || matches!(c, ';' | ',' | '\\'));
    version.get(..end.unwrap_or(version.len())).filter(|version| !version.is_empty())
}

fn requirement_node(builder: &mut GraphBuilder, requirement: &str) -> Option<u32> {
    let name = requirement_name(requirement)?;
    let package = pinned(requirement).map_or_else(|| name.clone(), |v| format!("{name}-{v}"));
    let node = Node::new(Language::Python, Kind::Dependency, format!("python:{name}"), &name);
    Some(builder.add(node.in_package(package)))
}

/// The graph of a `requirements.txt`. Options and included files are left out.
pub fn requirements(text: &str) -> Graph {
    let mut builder = GraphBuilder::default();
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if !line.starts_with(['#', '-']) {
            requirement_node(&mut builder, line);
        }
    }
    builder.finish()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Locked {
    name: String,
    version: Option<String>,
    /// A list of tables in uv's, a table in Poetry's.
    dependencies: Option<::toml::Value>,
    /// uv: where it comes from.
    source: Option<::toml::Value>,
    wheels: Vec<File>,
    sdist: Option<File>,
    /// Poetry.
    files: Vec<File>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    url: String,
    #[serde(rename = "file")]
    name: String,
    size: Option<u64>,
}

impl Locked {
    /// Whether it is the project itself, or a member of its workspace.
    fn is_own(&self) -> bool {
        let has = |key| self.source.as_ref().is_some_and(|source| source.get(key).is_some());
        has("virtual") || has("editable")
    }

    fn is_wheel(file: &File) -> bool {
        [&file.url, &file.name].iter().any(|path| path.strip_suffix(".whl").is_some_and(fits))
    }

    /// Files are listed, and no wheel for this machine is among them: it is built from source.
    fn has_no_wheel(&self) -> bool {
        let listed = self.sdist.is_some() || !self.files.is_empty();
        listed && !self.wheels.iter().chain(&self.files).any(Self::is_wheel)
    }

    /// Size of what is fetched: the source where it is built, else the first wheel.
    fn size(&self) -> Option<Bytes> {
        let sdist = || self.sdist.as_ref()?.size;
        self.wheels.first().and_then(|file| file.size).or_else(sdist).map(Bytes)
    }

    fn needs(&self) -> Vec<&str> {
        match &self.dependencies {
            Some(::toml::Value::Array(all)) => {
                all.iter().filter_map(|needed| needed.get("name")?.as_str()).collect()
            }
            Some(::toml::Value::Table(all)) => all.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// Whether a wheel is for this machine, by the platforms at the end of its name: `any`, or some Linux with this
/// processor.
fn fits(stem: &str) -> bool {
    let platforms = stem.rsplit('-').next().unwrap_or_default();
    let own = |one: &str| one.contains("linux") && one.ends_with(std::env::consts::ARCH);
    platforms.split('.').any(|one| one == "any" || own(one))
}

/// The graph of a `uv.lock` or `poetry.lock`: what has no wheel is compiled.
pub fn lock(file: &str, text: &str) -> Result<Graph, InventoryError> {
    let lock: Lock = toml(file, text, "lock file of uv or Poetry")?;
    let mut builder = GraphBuilder::default();
    let id = |name: &str| requirement_name(name).map(|name| format!("python:{name}"));
    for package in lock.package.iter().filter(|package| !package.is_own()) {
        let Some(id) = id(&package.name) else { continue };
        let kind = if package.has_no_wheel() { Kind::Build } else { Kind::Dependency };
        let mut node = Node::new(Language::Python, kind, id, &*package.name);
        node.size_bytes = package.size();
        let version = package.version.as_deref().map(|version| format!("-{version}"));
        let package = format!("{}{}", package.name, version.unwrap_or_default());
        builder.add(node.in_package(package));
    }
    for package in &lock.package {
        let own = id(&package.name).and_then(|id| builder.place(&id));
        for needed in package.needs().into_iter().filter_map(id) {
            if let (Some(own), Some(needed)) = (own, builder.place(&needed)) {
                builder.needs(own, needed);
            }
        }
    }
    Ok(builder.finish())
}

/// Files that CPython's source has and no other project.
pub const CPYTHON_MARKERS: &[&str] =
    &["Programs/python.c", "Include/patchlevel.h", "Modules/Setup", "Lib/site.py"];

/// The node of CPython itself. `patchlevel` is its `Include/patchlevel.h`.
pub fn cpython(patchlevel: &str, bytes: Option<u64>) -> Node {
    let version = patchlevel.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("#define")?.trim_start().strip_prefix("PY_VERSION")?;
        let quoted = rest.starts_with([' ', '\t']).then_some(rest)?;
        quoted.split('"').nth(1)
    });
    let package = version.map_or_else(|| "cpython".to_owned(), |v| format!("cpython-{v}"));
    Node::new(Language::Python, Kind::Interpreter, format!("python:{package}"), &package)
        .in_package(package)
        .sized(bytes)
}

#[cfg(test)]
mod tests;
