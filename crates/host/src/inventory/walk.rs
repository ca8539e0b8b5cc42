//! Walks a directory tree for projects and sources.
//!
//! Folders of results and copies are left out, as are hidden ones, and links are not followed. Does
//! not know what makes a project beyond the names that the core lists.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ironwright_core::build::Driver;
use ironwright_core::workspace::{Directory, SKIPPED};

/// Deepest folder that is looked at.
const DEEPEST: usize = 24;
/// What a folder has in which CMake builds.
const BUILD_TREE: &str = "CMakeCache.txt";
/// Longest marker that is read for a project's name.
const LONGEST_MARKER: u64 = 4 << 20;

/// Whether a folder may hold sources.
fn is_entered(name: &str) -> bool {
    !name.starts_with('.') && !SKIPPED.contains(&name)
}

/// Every directory at and below a root, with the names in it.
///
/// # Errors
/// When the root itself cannot be read; what lies below and cannot be is left out.
pub fn directories(root: &Path) -> io::Result<Vec<Directory>> {
    fs::read_dir(root)?;
    let mut found = Vec::new();
    visit(root, is_entered, &mut |path, names, depth| {
        let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        let marker = marker(path, &names);
        found.push(Directory { path: relative, names, marker });
        depth < DEEPEST
    });
    Ok(found)
}

/// Every file below a root whose name is wanted: its path from the root and its size in bytes.
pub fn files(root: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, Option<u64>)> {
    listed(root, is_entered, wanted)
}

/// The same with folders of copies, as a package that carries sources of others has them.
pub fn every_file(root: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, Option<u64>)> {
    listed(root, |name| !name.starts_with('.'), wanted)
}

fn listed(
    root: &Path,
    enters: fn(&str) -> bool,
    wanted: impl Fn(&str) -> bool,
) -> Vec<(String, Option<u64>)> {
    let mut found = Vec::new();
    visit(root, enters, &mut |path, names, depth| {
        for name in names.iter().filter(|name| wanted(name)) {
            let file = path.join(name);
            let size = fs::metadata(&file).ok().filter(fs::Metadata::is_file).map(|m| m.len());
            let relative = file.strip_prefix(root).unwrap_or(&file);
            found.extend(size.map(|size| (relative.to_string_lossy().into_owned(), Some(size))));
        }
        depth < DEEPEST
    });
    found.sort();
    found
}

/// Calls `see` with every directory that may be entered, the names in it, and how deep it lies; goes on below where it
/// says so.
fn visit(
    root: &Path,
    enters: fn(&str) -> bool,
    see: &mut dyn FnMut(&Path, Vec<String>, usize) -> bool,
) {
    let mut queue: Vec<(PathBuf, usize)> = vec![(root.to_owned(), 0)];
    while let Some((path, depth)) = queue.pop() {
        let Ok(entries) = fs::read_dir(&path) else { continue };
        let mut names = Vec::new();
        let mut below = Vec::new();
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && enters(&name) {
                below.push((path.join(&name), depth + 1));
            }
            names.push(name);
        }
        names.sort_unstable();
        // Of a build tree below, files of CMake's own are the most; where it belongs, it is read by its build files.
        if depth > 0 && names.iter().any(|name| name == BUILD_TREE) {
            continue;
        }
        if see(&path, names, depth) {
            queue.extend(below);
        }
    }
}

/// The text of the first marker of the build system that is recognised first.
fn marker(directory: &Path, names: &[String]) -> Option<String> {
    let driver = Driver::recognise(names).first().copied()?;
    let is_there = |marker: &&&str| names.iter().any(|name| name == *marker);
    let path = directory.join(driver.markers().iter().find(is_there)?);
    let small = fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= LONGEST_MARKER);
    small.then(|| fs::read_to_string(&path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_testkit::FakeRoot;

    #[test]
    fn results_and_copies_are_left_out() {
        let root = FakeRoot::new([
            ("Cargo.toml", "[package]\n"),
            ("src/a.c", "12"),
            ("target/b.c", "x"),
            ("web/node_modules/x/package.json", "{}"),
            (".git/c.c", "x"),
            ("vendor/d.c", "x"),
        ]);
        let mut paths: Vec<_> =
            directories(root.path()).unwrap().into_iter().map(|d| d.path).collect();
        paths.sort();
        assert_eq!(paths, ["", "src", "web"]);
        let files = files(root.path(), |name| name.contains(".c"));
        assert_eq!(files, [("src/a.c".to_owned(), Some(2))]);
        let all = every_file(root.path(), |name| name.contains(".c"));
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(directories(&root.path().join("absent")).is_err());
    }

    #[test]
    fn a_loop_of_links_ends() {
        let root = FakeRoot::new([("a/b.c", "x")]);
        std::os::unix::fs::symlink(root.path(), root.resolve("a/loop")).unwrap();
        assert_eq!(files(root.path(), |name| name.contains(".c")).len(), 1);
    }
}
