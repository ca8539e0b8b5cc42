//! Packages of npm's registry, of `PyPI` and of Go: what building one would compile.
//!
//! npm and go resolve them in a folder of their own, as for a project that needs just them; of `PyPI` the
//! source archive is fetched and unpacked. No script of any package runs. Does not know what the answers
//! mean.

use std::io;
use std::path::{Path, PathBuf};

use ironwright_core::inventory::{go, npm};

use super::cargo::FetchError;
use super::sizes::Sizes;
use super::tool::ask;
use super::{Found, Inventory, Options, Project, ReadError, read_directory};

/// Fetches the source archive of a package of `PyPI`.
const SDIST: &str = include_str!("sdist.py");

/// A package of a registry.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    /// Its name in the registry.
    pub name: &'a str,
    /// The version asked for; the newest without one.
    pub version: Option<&'a str>,
}

impl Package<'_> {
    fn asked(&self) -> String {
        match self.version {
            Some(version) => format!("{}@{version}", self.name),
            None => format!("{}@latest", self.name),
        }
    }

    /// A file name that no other version has.
    fn file_name(&self) -> String {
        self.asked().replace(['/', '\\'], "-")
    }

    fn failed(&self, message: impl Into<String>) -> FetchError {
        FetchError::Tool { name: self.name.to_owned(), message: message.into() }
    }

    fn scratch(&self, error: io::Error) -> FetchError {
        FetchError::Scratch { name: self.name.to_owned(), error }
    }

    fn unread(&self, error: &ReadError) -> FetchError {
        self.failed(error.to_string())
    }

    fn inventory(&self, found: Found) -> Inventory {
        let mut inventory =
            Inventory { graph: found.graph, notes: found.notes, projects: Vec::new() };
        inventory.projects.push(Project {
            name: self.name.to_owned(),
            path: PathBuf::new(),
            driver: None,
            read_from: found.read_from,
        });
        inventory
    }
}

/// What installing a package of npm's registry fetches and runs. What npm resolved stays in `cache`, where a
/// version was asked for.
pub fn npm_package(
    package: Package<'_>,
    online: bool,
    cache: Option<&Path>,
) -> Result<Inventory, FetchError> {
    let kept = cache.filter(|_| package.version.is_some());
    let kept = kept.map(|cache| cache.join("npm").join(format!("{}.json", package.file_name())));
    let known = kept.as_deref().and_then(|path| std::fs::read_to_string(path).ok());
    let text = if let Some(text) = known {
        text
    } else {
        let text = resolved_by_npm(package, online)?;
        // Without a cache it is resolved again.
        kept.and_then(|path| crate::files::replace(&path, text.as_bytes()).ok());
        text
    };
    let graph = npm::lock("package-lock.json", &text).map_err(|e| package.failed(e.to_string()))?;
    Ok(package.inventory(Found::new(graph, "npm's registry")))
}

fn resolved_by_npm(package: Package<'_>, online: bool) -> Result<String, FetchError> {
    let folder = tempfile::tempdir().map_err(|error| package.scratch(error))?;
    let manifest = r#"{"name": "ironwright-inventory", "private": true}"#;
    std::fs::write(folder.path().join("package.json"), manifest)
        .map_err(|error| package.scratch(error))?;
    let asked = package.asked();
    let mut arguments = vec!["install", "--package-lock-only", "--ignore-scripts", "--no-audit"];
    arguments.extend(["--no-fund", "--loglevel=error", "--fetch-retries=1", "--prefer-offline"]);
    if !online {
        arguments.push("--offline");
    }
    arguments.push(&asked);
    ask("npm", &arguments, folder.path(), &[]).map_err(|why| package.failed(why))?;
    std::fs::read_to_string(folder.path().join("package-lock.json"))
        .map_err(|error| package.scratch(error))
}

/// What is compiled of a package of `PyPI` whose source is unpacked below `cache`.
pub fn pypi_package(
    package: Package<'_>,
    options: Options,
    cache: Option<&Path>,
) -> Result<Inventory, FetchError> {
    let scratch;
    let folder = if let Some(cache) = cache.filter(|_| package.version.is_some()) {
        cache.join("pypi").join(package.file_name())
    } else {
        scratch = tempfile::tempdir().map_err(|error| package.scratch(error))?;
        scratch.path().join("sdist")
    };
    if unpacked(&folder).is_none() {
        if !options.online {
            return Err(package.failed("its source was never fetched, and nothing may be now"));
        }
        // What is there and empty is in the way.
        let _ = std::fs::remove_dir_all(&folder);
        unpack(package, &folder)?;
    }
    let inner = unpacked(&folder).ok_or_else(|| package.failed("its source archive is empty"))?;
    read_directory(&inner, Options { is_copy: true, ..options })
        .map_err(|error| package.unread(&error))
}

/// An archive has one folder with everything in it.
fn unpacked(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| path.is_dir())
}

/// Unpacks beside the place where it belongs, so that a half is never taken for the whole.
fn unpack(package: Package<'_>, folder: &Path) -> Result<(), FetchError> {
    let scratch = |error| package.scratch(error);
    let above = folder.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(above).map_err(scratch)?;
    let half = tempfile::tempdir_in(above).map_err(scratch)?;
    let place = half.path().to_string_lossy();
    let version = package.version.unwrap_or_default();
    ask("python3", &["-c", SDIST, package.name, version, &place], above, &[])
        .map_err(|why| package.failed(why))?;
    std::fs::rename(half.keep(), folder).map_err(scratch)
}

/// The packages of a Go program and of all that it imports.
pub fn go_program(package: Package<'_>, online: bool) -> Result<Inventory, FetchError> {
    let folder = tempfile::tempdir().map_err(|error| package.scratch(error))?;
    std::fs::write(folder.path().join("go.mod"), "module ironwright-inventory\n")
        .map_err(|error| package.scratch(error))?;
    let mut environment = vec![("GOFLAGS", "-mod=mod"), ("GOTOOLCHAIN", "local")];
    if !online {
        environment.push(("GOPROXY", "off"));
    }
    let go = |arguments: &[&str]| {
        ask("go", arguments, folder.path(), &environment).map_err(|why| package.failed(why))
    };
    go(&["get", &package.asked()])?;
    let answer = go(&["list", "-deps", "-json", package.name])?;
    let version = go(&["env", "GOVERSION"]).ok();
    let mut sizes = Sizes::default();
    let size = &mut |path: &Path| sizes.of(path);
    let graph = go::packages("go list", &answer, version.as_deref().map(str::trim), size)
        .map_err(|error| package.failed(error.to_string()))?;
    Ok(package.inventory(Found::new(graph, "go list")))
}
