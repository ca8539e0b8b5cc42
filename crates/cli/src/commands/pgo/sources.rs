//! The folders that a project is built of: its own, the workspace around it, and what its manifests name
//! elsewhere on this machine.
//!
//! Does not know registries: what comes from there is pinned by a lock file.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use ironwright_core::build::Driver;
use ironwright_host::tree;

/// A hash of all files that a project is built of.
pub(super) fn hash(folder: &Path, driver: Driver) -> io::Result<String> {
    let roots = roots(folder, driver)?;
    let hashes = roots.iter().map(|root| tree::hash(root)).collect::<io::Result<Vec<_>>>()?;
    match hashes.as_slice() {
        [only] => Ok(only.clone()),
        several => Ok(tree::hash_of_texts(several.iter().map(String::as_str))),
    }
}

/// The folders, none of them inside another; the project's own first.
fn roots(folder: &Path, driver: Driver) -> io::Result<Vec<PathBuf>> {
    let mut roots = vec![workspace_of(folder, driver)];
    let mut seen = BTreeSet::new();
    let mut at = 0;
    while let Some(root) = roots.get(at).cloned() {
        at += 1;
        for manifest in tree::files(&root)? {
            for other in named_in(&manifest, driver) {
                let is_inside = roots.iter().any(|root| other.starts_with(root));
                if !is_inside && seen.insert(other.clone()) {
                    roots.push(other);
                }
            }
        }
    }
    Ok(roots)
}

/// Folders that a manifest names; nothing for any other file, nor for one that cannot be read.
fn named_in(manifest: &Path, driver: Driver) -> Vec<PathBuf> {
    let name = manifest.file_name().unwrap_or_default();
    let read = || std::fs::read_to_string(manifest).ok();
    let (marker, names) = match driver {
        Driver::Cargo if name == "Cargo.toml" => {
            let parsed = read().and_then(|text| text.parse::<toml::Table>().ok());
            let mut names = Vec::new();
            for value in parsed.iter().flat_map(toml::Table::values) {
                paths(value, &mut names);
            }
            ("Cargo.toml", names)
        }
        Driver::Go if name == "go.mod" || name == "go.work" => {
            ("go.mod", replacements(&read().unwrap_or_default()))
        }
        _ => return Vec::new(),
    };
    let beside = manifest.parent().unwrap_or(manifest);
    let folders = names.iter().filter_map(|name| std::fs::canonicalize(beside.join(name)).ok());
    folders.filter(|folder| folder.join(marker).is_file()).collect()
}

/// What stands as `path` anywhere in a manifest of Cargo's.
fn paths(value: &toml::Value, found: &mut Vec<String>) {
    let toml::Value::Table(table) = value else { return };
    for (name, value) in table {
        match value {
            toml::Value::String(path) if name == "path" => found.push(path.clone()),
            value => paths(value, found),
        }
    }
}

/// The folders of `replace … => ../x` and of `use ../x`.
fn replacements(text: &str) -> Vec<String> {
    let words = text.split_whitespace();
    words
        .filter(|word| word.starts_with("./") || word.starts_with("../"))
        .map(str::to_owned)
        .collect()
}

/// A member of a Cargo workspace may be built of all of it.
fn workspace_of(folder: &Path, driver: Driver) -> PathBuf {
    let is_workspace = |directory: &&Path| {
        let manifest = std::fs::read_to_string(directory.join("Cargo.toml"));
        manifest.is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
    };
    let found = (driver == Driver::Cargo).then(|| folder.ancestors().find(is_workspace)).flatten();
    found.unwrap_or(folder).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn what_lies_elsewhere_counts_and_is_followed() {
        let home = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(home.path()).unwrap();
        write(
            &root,
            "app/Cargo.toml",
            "[dependencies]\na = { path = \"../a\" }\n[[bin]]\npath = \"x.rs\"\n",
        );
        write(
            &root,
            "a/Cargo.toml",
            "[target.'cfg(unix)'.build-dependencies.b]\npath = \"../deep/b\"\n",
        );
        write(
            &root,
            "deep/b/Cargo.toml",
            "[dependencies]\na = { path = \"../../a\" }\nno = { path = \"../none\" }\n",
        );
        let found = roots(&root.join("app"), Driver::Cargo).unwrap();
        assert_eq!(found, [root.join("app"), root.join("a"), root.join("deep/b")]);
        let before = hash(&root.join("app"), Driver::Cargo).unwrap();
        write(&root, "deep/b/lib.rs", "fn f() {}");
        assert_ne!(hash(&root.join("app"), Driver::Cargo).unwrap(), before);
    }

    #[test]
    fn modules_of_go_name_theirs_too() {
        let home = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(home.path()).unwrap();
        write(&root, "app/go.mod", "module app\nreplace example.com/x => ../x\n");
        write(&root, "x/go.mod", "module x\n");
        let found = roots(&root.join("app"), Driver::Go).unwrap();
        assert_eq!(found, [root.join("app"), root.join("x")]);
        assert_eq!(roots(&root.join("app"), Driver::Make).unwrap().len(), 1);
    }
}
