//! Reads what there is to build: the projects of a directory, a crate, or a derivation with all it
//! needs.
//!
//! Tools are asked where they tell more than files do, never in a way that changes the project, and
//! what they do not answer is read from files. Does not know formats; the core parses.

mod c_family;
mod cargo;
mod go;
mod nix;
mod npm;
mod python;
pub mod registry;
mod sizes;
mod tool;
pub mod walk;

use std::io;
use std::path::{Path, PathBuf};

use ironwright_core::build::Driver;
use ironwright_core::inventory::{Graph, InventoryError};
use ironwright_core::workspace::discover;

pub use cargo::{FetchError, crate_directory, write_lock};
pub(crate) use nix::StoreFolder;
pub use nix::{Closure, NixError, check_closure, derivation_of, read_closure};
use sizes::Sizes;

/// Longest text that is read: the metadata of a thousand crates has 10 MB.
const LONGEST_TEXT: u64 = 1 << 30;

/// How an inventory is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Start no tool; read files only.
    pub files_only: bool,
    /// Let Cargo fetch what it does not have.
    pub online: bool,
    /// Of a folder that is a project, leave out those below it, which are not built with it.
    pub outermost: bool,
    /// The folder is a copy that nobody works in: a tool may write there.
    pub is_copy: bool,
}

/// One project and what its part of the inventory was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// Its build system.
    pub driver: Option<Driver>,
    /// What was read (`cargo metadata`, `go.mod`).
    pub read_from: String,
}

/// An inventory.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// What was found.
    pub graph: Graph,
    /// The projects, outer ones first.
    pub projects: Vec<Project>,
    /// What a user should know of how it was read.
    pub notes: Vec<String>,
}

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file or directory.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A text that is not what it should be.
    #[error(transparent)]
    Format(#[from] InventoryError),
    /// A manifest that its build tool refuses: what it says, with the file.
    #[error("{0}")]
    Refused(String),
}

/// What one reader found.
struct Found {
    graph: Graph,
    read_from: String,
    notes: Vec<String>,
}

impl Found {
    fn new(graph: Graph, read_from: impl Into<String>) -> Self {
        Self { graph, read_from: read_from.into(), notes: Vec::new() }
    }

    fn noted(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }
}

/// The inventory of all projects at and below a directory.
pub fn read_directory(directory: &Path, options: Options) -> Result<Inventory, ReadError> {
    let directory = directory.canonicalize().map_err(|error| io_error(directory, error))?;
    let tree = walk::directories(&directory).map_err(|error| io_error(&directory, error))?;
    let mut inventory = Inventory::default();
    let mut sizes = Sizes::default();
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let mut projects = discover(&name, &tree);
    if options.outermost && projects.iter().any(|project| project.path == ".") {
        projects.retain(|project| project.path == ".");
    }
    for project in projects {
        let path = match &*project.path {
            "." => directory.clone(),
            below => directory.join(below),
        };
        // A Makefile beside another build system is one of shortcuts.
        let also = project.also.iter().copied().filter(|driver| *driver != Driver::Make);
        for driver in std::iter::once(project.driver).chain(also) {
            let found = read_project(&path, driver, options, &mut sizes)?;
            inventory.add(&project.name, &path, Some(driver), found);
        }
    }
    if inventory.projects.is_empty() {
        inventory.add_unmarked(&directory, &mut sizes)?;
    }
    Ok(inventory)
}

impl Inventory {
    fn add(&mut self, name: &str, path: &Path, driver: Option<Driver>, found: Found) {
        let graph = std::mem::take(&mut self.graph);
        self.graph = graph.merged(found.graph);
        self.notes.extend(found.notes);
        self.projects.push(Project {
            name: name.to_owned(),
            path: path.to_owned(),
            driver,
            read_from: found.read_from,
        });
    }

    /// A build tree or a list of requirements alone is no project, and tells all the same.
    fn add_unmarked(&mut self, directory: &Path, sizes: &mut Sizes) -> Result<(), ReadError> {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(found) = c_family::build_tree(directory, sizes)? {
            self.add(&name, directory, None, found);
        }
        if let Some(found) = python::requirements(directory)? {
            self.add(&name, directory, None, found);
        }
        if self.projects.is_empty() {
            let found = c_family::unrecognised(directory);
            if found.graph.nodes.is_empty() {
                self.notes.extend(found.notes);
            } else {
                self.add(&name, directory, None, found);
            }
        }
        Ok(())
    }
}

fn read_project(
    path: &Path,
    driver: Driver,
    options: Options,
    sizes: &mut Sizes,
) -> Result<Found, ReadError> {
    match driver {
        Driver::Cargo => cargo::read(path, options, sizes),
        Driver::Cmake | Driver::Make => c_family::read(path, sizes),
        Driver::Go => go::read(path, options, sizes),
        Driver::Npm => npm::read(path),
        Driver::Python => python::read(path, options, sizes),
    }
}

fn io_error(path: &Path, error: io::Error) -> ReadError {
    ReadError::Io { path: path.to_owned(), error }
}

/// The text of a file that may be absent.
fn text(path: &Path) -> Result<Option<String>, ReadError> {
    use std::io::Read;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path, error)),
    };
    let mut bytes = Vec::new();
    file.take(LONGEST_TEXT).read_to_end(&mut bytes).map_err(|error| io_error(path, error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io_error(path, io::Error::other(format!("not UTF-8 text at byte {at}")))
    })?;
    Ok(Some(text))
}

/// A path as it is named in a mistake.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests;
