//! npm packages of a project, by the lock file of npm, pnpm or yarn, and its own build.
//!
//! Does not run npm, which could change the project.

use std::path::Path;

use ironwright_core::inventory::{Graph, Kind, make, npm};
use ironwright_core::units::Bytes;

use super::{Found, ReadError, shown, text, walk};

/// Lock files, the one that npm prefers first.
const LOCKS: &[&str] = &["npm-shrinkwrap.json", "package-lock.json", "pnpm-lock.yaml", "yarn.lock"];
/// Endings of what a build step reads.
const SOURCES: &[&str] =
    &["ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs", "vue", "svelte", "css", "scss"];

pub(super) fn read(project: &Path) -> Result<Found, ReadError> {
    let manifest = project.join("package.json");
    let is_source =
        |name: &str| name.rsplit_once('.').is_some_and(|(_, end)| SOURCES.contains(&end));
    let bytes = || walk::files(project, is_source).iter().filter_map(|(_, size)| *size).sum();
    let own = match text(&manifest)? {
        Some(text) => npm::project(&shown(&manifest), &text, Some(bytes()))?,
        None => Graph::default(),
    };
    for name in LOCKS {
        let path = project.join(name);
        if let Some(text) = text(&path)? {
            let shown = shown(&path);
            let npm::Read { mut graph, missing } = match *name {
                "pnpm-lock.yaml" => npm::pnpm(&shown, &text)?,
                "yarn.lock" => npm::yarn(&shown, &text)?,
                _ => npm::Read { graph: npm::lock(&shown, &text)?, missing: 0 },
            };
            size(project, &mut graph);
            let gaps = (missing > 0).then(|| {
                format!("{shown}: {missing} packages that others need are not in it; is all of it there?")
            });
            let newer = npm::newer_version(name, &text).map(|(version, known)| {
                format!("{shown}: of version {version}, and {known} is the newest that is known: some of it may be misread")
            });
            return Ok(Found::new(graph.merged(own), *name).noted(gaps.into_iter().chain(newer)));
        }
    }
    let note = format!("{}: without a lock file its dependencies are not known", shown(&manifest));
    Ok(Found::new(own, "package.json").noted(Some(note)))
}

/// Addons that are installed show their sources.
fn size(project: &Path, graph: &mut Graph) {
    for node in graph.nodes.iter_mut().filter(|node| node.kind == Kind::Extension) {
        let place = node.id.trim_start_matches("npm:").trim_end_matches(" (install)");
        let folder = project.join(place);
        if folder.is_dir() {
            let files = walk::files(&folder, make::is_source);
            node.size_bytes = Some(Bytes(files.iter().filter_map(|(_, size)| *size).sum()));
        }
    }
}
