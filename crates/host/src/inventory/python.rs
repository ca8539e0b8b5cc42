//! Python projects: their own files, lock files and requirements.
//!
//! Does not run Python: a `setup.py` is a program, and nobody knows what it does.

use std::path::Path;

use ironwright_core::inventory::make;
use ironwright_core::inventory::python::{self, Texts};

use super::sizes::Sizes;
use super::{Found, ReadError, shown, text, walk};

/// Lock files that list what each package has: wheels, sources, or both.
const LOCKS: &[&str] = &["uv.lock", "poetry.lock"];

pub(super) fn read(project: &Path, _sizes: &mut Sizes) -> Result<Found, ReadError> {
    let manifest_path = project.join("pyproject.toml");
    let name = shown(&manifest_path);
    let (manifest, setup) = (text(&manifest_path)?, text(&project.join("setup.py"))?);
    let is_cython = |name: &str| name.rsplit_once('.').is_some_and(|(_, ending)| ending == "pyx");
    let is_native = |name: &str| make::is_source(name) || is_cython(name);
    let native = walk::files(project, is_native).iter().filter_map(|(_, size)| *size).sum();
    let folder = project.file_name().unwrap_or_default().to_string_lossy();
    let texts = Texts {
        pyproject: manifest.as_deref().map(|text| (name.as_str(), text)),
        setup: setup.as_deref(),
        folder: &folder,
        native_bytes: Some(native),
    };
    let own = python::project(&texts)?;
    let mut read_from = if manifest.is_some() { "pyproject.toml" } else { "setup.py" }.to_owned();
    for name in LOCKS {
        let path = project.join(name);
        if let Some(text) = text(&path)? {
            read_from = format!("{name}, {read_from}");
            // What the lock file knows of a package is more than its name alone.
            let graph = python::lock(&shown(&path), &text)?.merged(own);
            return Ok(Found::new(graph, read_from));
        }
    }
    match requirements(project)? {
        Some(found) => {
            Ok(Found::new(found.graph.merged(own), format!("requirements.txt, {read_from}")))
        }
        None => Ok(Found::new(own, read_from)),
    }
}

/// A list of requirements.
pub(super) fn requirements(project: &Path) -> Result<Option<Found>, ReadError> {
    let text = text(&project.join("requirements.txt"))?;
    Ok(text.map(|text| Found::new(python::requirements(&text), "requirements.txt")))
}

/// CPython itself, when the project is its source.
pub(super) fn cpython(
    project: &Path,
    bytes: u64,
) -> Result<Option<ironwright_core::inventory::Node>, ReadError> {
    let is_there = python::CPYTHON_MARKERS.iter().all(|marker| project.join(marker).is_file());
    if !is_there {
        return Ok(None);
    }
    let patchlevel = text(&project.join("Include/patchlevel.h"))?.unwrap_or_default();
    Ok(Some(python::cpython(&patchlevel, Some(bytes))))
}
