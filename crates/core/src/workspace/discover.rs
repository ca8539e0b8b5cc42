//! The projects of a directory tree: which are packages of their own, and what they are called.
//!
//! Does not walk the tree; whoever does lists each directory with the text of its marker.

use schemars::JsonSchema;
use serde::Serialize;

use crate::build::{Driver, is_cpython};

/// Directories that hold what was built or copied, not projects.
pub const SKIPPED: &[&str] = &["target", "node_modules", "vendor", "build", "dist", "__pycache__"];

/// A directory of the tree.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// From the root of the tree, with `/` between its parts; empty for the root.
    pub path: String,
    /// Names in it.
    pub names: Vec<String>,
    /// Text of the first marker of [`Driver::recognise`]'s first choice.
    pub marker: Option<String>,
}

/// A project that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Discovered {
    /// A name that no other of them has.
    pub name: String,
    /// From the root of the tree; `.` for the root.
    pub path: String,
    /// Build system.
    pub driver: Driver,
    /// Build systems that are there as well.
    pub also: Vec<Driver>,
}

/// The projects of a tree, outer ones first. Directories come in any order; `root` is what the tree's
/// own folder is called.
pub fn discover(root: &str, directories: &[Directory]) -> Vec<Discovered> {
    let mut sorted: Vec<&Directory> = directories.iter().collect();
    sorted.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    let mut found: Vec<(&Directory, Driver)> = Vec::new();
    let mut projects: Vec<Discovered> = Vec::new();
    for directory in sorted {
        let drivers = Driver::recognise(&directory.names);
        let Some((driver, also)) = drivers.split_first() else { continue };
        let is_part = found.iter().any(|(outer, of)| is_part(outer, *of, directory, *driver));
        if is_part {
            continue;
        }
        found.push((directory, *driver));
        let name = unique(name(root, directory, *driver), *driver, &projects);
        let path = if directory.path.is_empty() { "." } else { &directory.path };
        projects.push(Discovered {
            name,
            path: path.to_owned(),
            driver: *driver,
            also: also.to_vec(),
        });
    }
    projects
}

/// Whether a directory is built by an outer project rather than being one.
///
/// Recipes and CMake files below a project belong to it. Crates belong to the workspace above them,
/// npm packages likewise. A `go.mod` or `pyproject.toml` always begins a project of its own.
fn is_part(outer: &Directory, of: Driver, inner: &Directory, driver: Driver) -> bool {
    let below = outer.path.is_empty()
        || inner.path.strip_prefix(&outer.path).is_some_and(|rest| rest.starts_with('/'));
    if !below || outer.path == inner.path {
        return false;
    }
    let text = outer.marker.as_deref().unwrap_or_default();
    match driver {
        Driver::Make => true,
        Driver::Cmake => {
            matches!(of, Driver::Cmake | Driver::Make | Driver::Cargo | Driver::Python)
        }
        Driver::Cargo if of == Driver::Cargo => is_member(text, &outer.path, &inner.path),
        Driver::Cargo => of == Driver::Python,
        Driver::Npm => of == Driver::Npm && has_workspaces(text),
        Driver::Python => is_cpython(&outer.names),
        Driver::Go => false,
    }
}

/// Whether Cargo takes a folder below a workspace for a part of it: it does unless it is excluded.
fn is_member(manifest: &str, outer: &str, inner: &str) -> bool {
    let Ok(manifest) = manifest.parse::<toml::Table>() else { return true };
    let Some(workspace) = manifest.get("workspace") else { return false };
    let relative = inner.strip_prefix(outer).unwrap_or(inner).trim_start_matches('/');
    let excluded = workspace.get("exclude").and_then(|list| list.as_array());
    !excluded.into_iter().flatten().filter_map(|path| path.as_str()).any(|path| {
        let path = path.trim_end_matches('/');
        relative.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn has_workspaces(manifest: &str) -> bool {
    let manifest: Result<serde_json::Value, _> = serde_json::from_str(manifest);
    manifest.is_ok_and(|manifest| manifest.get("workspaces").is_some())
}

/// The name in the project's own file, else the directory's.
fn name(root: &str, directory: &Directory, driver: Driver) -> String {
    let text = directory.marker.as_deref().unwrap_or_default();
    let in_toml = |table: &str| {
        let manifest: toml::Table = text.parse().ok()?;
        Some(manifest.get(table)?.get("name")?.as_str()?.to_owned())
    };
    let told = match driver {
        Driver::Cargo => in_toml("package"),
        Driver::Python => in_toml("project"),
        Driver::Npm => serde_json::from_str::<serde_json::Value>(text)
            .ok()
            .and_then(|manifest| Some(manifest.get("name")?.as_str()?.to_owned())),
        Driver::Go => text.lines().find_map(|line| {
            let path = line.trim().strip_prefix("module ")?.trim().trim_matches('"');
            path.rsplit('/').next().map(str::to_owned)
        }),
        Driver::Cmake | Driver::Make => None,
    };
    let below = directory.path.rsplit('/').next().filter(|name| !name.is_empty());
    let folder = below.unwrap_or(root);
    let name = told.unwrap_or_else(|| folder.to_owned());
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@/".contains(c);
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches('-');
    if name.is_empty() { "project".to_owned() } else { name.to_owned() }
}

fn unique(name: String, driver: Driver, others: &[Discovered]) -> String {
    let taken = |name: &str| others.iter().any(|other| other.name == name);
    if !taken(&name) {
        return name;
    }
    let named = format!("{name}-{}", driver.name());
    let numbered = (2..).map(|number| format!("{named}-{number}"));
    std::iter::once(named.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn directory(path: &str, names: &[&str], marker: &str) -> Directory {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Directory { path: path.to_owned(), names, marker: Some(marker.to_owned()) }
    }

    fn found(directories: &[Directory]) -> Vec<(String, String, Driver)> {
        discover("here", directories).into_iter().map(|d| (d.path, d.name, d.driver)).collect()
    }

    #[test]
    fn members_belong_to_their_workspace() {
        let root = "[workspace]\nmembers = [\"crates/*\"]\nexclude = [\"fuzz\"]\n";
        let tree = [
            directory("crates/a", &["Cargo.toml"], "[package]\nname = \"a\"\n"),
            directory("", &["Cargo.toml"], root),
            directory("fuzz", &["Cargo.toml"], "[package]\nname = \"fuzzing\"\n"),
            directory("docs", &["Makefile"], ""),
        ];
        let of = |path: &str, name: &str| (path.to_owned(), name.to_owned(), Driver::Cargo);
        assert_eq!(found(&tree), [of(".", "here"), of("fuzz", "fuzzing")]);
    }

    #[test]
    fn projects_beside_each_other_are_all_found() {
        let tree = [
            directory("", &["README.md"], ""),
            directory("web", &["package.json", "Makefile"], r#"{"name": "@me/web"}"#),
            directory("tool", &["go.mod"], "module example.org/me/tool\n"),
            directory("tool/sub", &["go.mod"], "module example.org/me/sub/tool\n"),
            directory("lib", &["CMakeLists.txt"], ""),
            directory("lib/src", &["CMakeLists.txt"], ""),
            directory("rs", &["Cargo.toml"], "[package]\nname = \"rs\"\n"),
            directory("rs/nested", &["Cargo.toml"], "[package]\nname = \"rs\"\n"),
        ];
        let names: Vec<_> = found(&tree).into_iter().map(|(_, name, _)| name).collect();
        assert_eq!(names, ["lib", "rs", "rs-cargo", "tool", "tool-go", "@me/web"]);
        assert_eq!(discover("here", &tree)[5].also, [Driver::Make]);
    }

    proptest! {
        #[test]
        fn any_marker_is_read_without_a_panic(
            text in "\\PC{0,40}",
            path in "[a/]{0,6}",
            driver in prop::sample::select(vec!["Cargo.toml", "go.mod", "package.json", "setup.py"]),
        ) {
            let tree = [directory("", &[driver], &text), directory(&path, &[driver], &text)];
            for project in discover("", &tree) {
                prop_assert!(!project.name.is_empty());
            }
        }
    }
}
