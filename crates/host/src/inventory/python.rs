//! Python projects: their own files, lock files and requirements.
//!
//! Does not run Python: a `setup.py` is a program, and nobody knows what it does.

use std::path::{Path, PathBuf};

use ironwright_core::inventory::python::{self, Texts};
use ironwright_core::inventory::{Graph, Kind, Language, Node};

use super::sizes::Sizes;
use super::{Found, Options, ReadError, cargo, shown, text, walk};

/// Lock files that list what each package has: wheels, sources, or both.
const LOCKS: &[&str] = &["uv.lock", "poetry.lock"];

pub(super) fn read(
    project: &Path,
    options: Options,
    sizes: &mut Sizes,
) -> Result<Found, ReadError> {
    let manifest_path = project.join("pyproject.toml");
    let name = shown(&manifest_path);
    let (manifest, setup) = (text(&manifest_path)?, text(&project.join("setup.py"))?);
    let native = walk::files(project, python::is_native);
    let folder = shown(project);
    let texts = Texts {
        pyproject: manifest.as_deref().map(|text| (name.as_str(), text)),
        setup: setup.as_deref(),
        folder: &folder,
        native: &native,
    };
    let mut own = python::project(&texts)?;
    let mut read_from = if manifest.is_some() { "pyproject.toml" } else { "setup.py" }.to_owned();
    let mut notes = Vec::new();
    if let Some(folder) = crate_of(project, &own) {
        let found = cargo::read(&folder, options, sizes)?;
        own = own.merged(found.graph);
        read_from = format!("{read_from}, {}", found.read_from);
        notes = found.notes;
    }
    for name in LOCKS {
        let path = project.join(name);
        if let Some(text) = text(&path)? {
            read_from = format!("{name}, {read_from}");
            // What the lock file knows of a package is more than its name alone.
            let graph = python::lock(&shown(&path), &text)?.merged(own);
            return Ok(Found::new(graph, read_from).noted(notes));
        }
    }
    if let Some(found) = requirements(project)? {
        own = found.graph.merged(own);
        read_from = format!("requirements.txt, {read_from}");
    }
    Ok(Found::new(own, read_from).noted(notes))
}

/// Where the crate of an extension in Rust lies. One in the project's own folder is read as a project.
fn crate_of(project: &Path, own: &Graph) -> Option<PathBuf> {
    let is_rust = |node: &Node| node.kind == Kind::Extension && node.language == Language::Rust;
    if !own.nodes.iter().any(is_rust) || project.join("Cargo.toml").is_file() {
        return None;
    }
    let manifests = walk::files(project, |name| name == "Cargo.toml");
    let (path, _) = manifests.iter().min_by_key(|(path, _)| (path.matches('/').count(), path))?;
    Some(project.join(path).parent()?.to_owned())
}

/// A list of requirements.
pub(super) fn requirements(project: &Path) -> Result<Option<Found>, ReadError> {
    let text = text(&project.join("requirements.txt"))?;
    Ok(text.map(|text| Found::new(python::requirements(&text), "requirements.txt")))
}

/// CPython itself, when the project is its source.
pub(super) fn cpython(project: &Path, bytes: u64) -> Result<Option<Node>, ReadError> {
    let is_there = python::CPYTHON_MARKERS.iter().all(|marker| project.join(marker).is_file());
    if !is_there {
        return Ok(None);
    }
    let patchlevel = text(&project.join("Include/patchlevel.h"))?.unwrap_or_default();
    Ok(Some(python::cpython(&patchlevel, Some(bytes))))
}
