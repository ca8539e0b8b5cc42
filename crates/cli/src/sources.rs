//! What there is to build of a source, wherever it has to be fetched from first.
//!
//! Does not know formats; the host reads, the core parses.

use std::path::{Component, Path, PathBuf};

use ironwright_core::build::{Source, SourceError};
use ironwright_core::inventory::Graph;
use ironwright_host::inventory::registry::{Package, go_program, npm_package, pypi_package};
use ironwright_host::inventory::{
    FetchError, Inventory, Options, Project, crate_directory, derivation_of, read_closure,
    read_directory,
};

use crate::context::Directories;
use crate::error::{CliError, count};

/// A source as people name it: of a directory the path alone will do.
pub(crate) fn named(text: &str) -> Result<Source, SourceError> {
    let mut first = Path::new(text).components();
    let is_path = !matches!(first.next(), Some(Component::Normal(_)) | None);
    if is_path { Ok(Source::Path(text.into())) } else { text.parse() }
}

/// The inventory of a source.
pub(crate) fn inventory_of(source: &Source, options: Options) -> Result<Inventory, CliError> {
    let version = source.package().and_then(|(_, version)| version);
    let package = |name| Package { name, version };
    let cache = Directories::cache().map(|cache| cache.join("sources"));
    Ok(match source {
        Source::Path(path) => read_directory(path, options)?,
        Source::Crate { name, version } => {
            let directory = crate_directory(name, version.as_deref(), options.online)?;
            read_directory(&directory, options)?
        }
        Source::Npm { name, .. } => npm_package(package(name), options.online, cache.as_deref())?,
        Source::Pypi { name, .. } => pypi_package(package(name), options, cache.as_deref())?,
        Source::Go { name, .. } => go_program(package(name), options.online)?,
        Source::Nix(installable) => closure(installable)?,
    })
}

/// The name under which builds of a source are kept: a directory is the same from wherever it is named.
pub(crate) fn kept_as(source: &str) -> String {
    let absolute =
        |path: &str| Some(format!("path:{}", std::fs::canonicalize(path).ok()?.display()));
    source.strip_prefix("path:").and_then(absolute).unwrap_or_else(|| source.to_owned())
}

/// The same for people: a directory as it is named from here.
pub(crate) fn shown(source: &str) -> String {
    let below = || {
        let path = Path::new(source.strip_prefix("path:")?);
        let below = path.strip_prefix(std::env::current_dir().ok()?).ok()?;
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        Some(format!("path:{}", below.display()))
    };
    below().unwrap_or_else(|| source.to_owned())
}

/// The names in a directory, in order, by which its build system is recognised.
pub(crate) fn names_in(directory: &Path) -> Result<Vec<String>, CliError> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| CliError::Read { path: directory.to_owned(), error })?;
    let mut names: Vec<_> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

/// Whether a source is only unknown because it cannot be fetched now.
pub(crate) const fn is_out_of_reach(error: &CliError) -> bool {
    matches!(error, CliError::Fetch(FetchError::Tool { .. }))
}

fn closure(installable: &str) -> Result<Inventory, CliError> {
    let path = derivation_of(installable)?;
    let closure = read_closure(&path, true)?;
    let mut notes = Vec::new();
    if closure.missing > 0 {
        let missing = count(closure.missing, "derivation");
        notes.push(format!("{missing} needed and not in the store: their inputs are not known"));
    }
    let read_from = count(closure.read, "derivation");
    let project = Project { name: installable.to_owned(), path, driver: None, read_from };
    Ok(Inventory { graph: closure.graph, projects: vec![project], notes })
}

/// Where the derivation lies that an inventory was read from.
pub(crate) fn derivation(inventory: &Inventory) -> PathBuf {
    inventory.projects.first().map(|project| project.path.clone()).unwrap_or_default()
}

/// What is fetched of a graph rather than compiled.
pub(crate) fn fetched(graph: &Graph) -> usize {
    use ironwright_core::inventory::{Kind, Language};
    let is_fetched = |node: &&ironwright_core::inventory::Node| {
        node.language == Language::Npm && node.kind == Kind::Dependency
    };
    graph.nodes.iter().filter(is_fetched).count()
}
