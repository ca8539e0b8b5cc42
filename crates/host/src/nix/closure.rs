//! Reads derivations from the store's folder, with the sizes of the sources that lie there.
//!
//! Does not ask Nix: a derivation is a file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ironwright_core::inventory::aterm;
use ironwright_core::nix::allot::SourceFile;
use ironwright_core::nix::facts::Facts;
use ironwright_core::nix::impact::Closure;

use crate::inventory::{NixError, StoreFolder};

/// Files of one derivation's sources that are looked at.
const MOST_FILES: usize = 2000;

/// Reads these derivations and nothing that they need. `prefix` stands before their paths on disk.
pub fn read_all(prefix: Option<&Path>, paths: &[String]) -> Result<Vec<Facts>, NixError> {
    let Some(first) = paths.first() else { return Ok(Vec::new()) };
    let mut folder = StoreFolder::open(&folder_of(prefix, first))?;
    paths.iter().map(|path| read(&mut folder, path)).collect()
}

/// Reads derivations with all that they need.
pub fn read_closures(prefix: Option<&Path>, roots: &[String]) -> Result<Closure, NixError> {
    let mut closure = Closure::default();
    let Some(first) = roots.first() else { return Ok(closure) };
    let mut folder = StoreFolder::open(&folder_of(prefix, first))?;
    let mut seen = HashSet::new();
    let mut queue: Vec<String> =
        roots.iter().filter(|root| seen.insert((*root).clone())).cloned().collect();
    while let Some(path) = queue.pop() {
        let facts = read(&mut folder, &path)?;
        queue.extend(facts.inputs.iter().filter(|input| seen.insert((*input).clone())).cloned());
        closure.derivations.push(facts);
    }
    Ok(closure)
}

fn read(folder: &mut StoreFolder, path: &str) -> Result<Facts, NixError> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let bytes = folder.read(name)?;
    Ok(Facts::of(path, &aterm::parse(path, bytes)?))
}

fn folder_of(prefix: Option<&Path>, path: &str) -> PathBuf {
    let parent = Path::new(path).parent().unwrap_or(Path::new("/"));
    on_disk(prefix, parent)
}

/// Where a path of the store lies on disk.
fn on_disk(prefix: Option<&Path>, path: &Path) -> PathBuf {
    match (prefix, path.strip_prefix("/")) {
        (Some(prefix), Ok(relative)) => prefix.join(relative),
        _ => path.to_owned(),
    }
}

/// The files of a derivation's own sources, as far as they lie in the store.
pub fn source_files(prefix: Option<&Path>, facts: &Facts) -> Vec<SourceFile> {
    let mut files = Vec::new();
    for source in &facts.sources {
        add_files(&on_disk(prefix, Path::new(source)), &mut files);
    }
    files
}

fn add_files(path: &Path, files: &mut Vec<SourceFile>) {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return };
    if metadata.is_file() && files.len() < MOST_FILES {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push(SourceFile { name, bytes: metadata.len() });
    }
    if !metadata.is_dir() {
        return;
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if files.len() >= MOST_FILES {
            return;
        }
        add_files(&entry.path(), files);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join("nix/store").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn derivation(inputs: &[&str], sources: &[&str]) -> String {
        let inputs: Vec<_> =
            inputs.iter().map(|i| format!("(\"/nix/store/{i}\",[\"out\"])")).collect();
        let sources: Vec<_> = sources.iter().map(|s| format!("\"/nix/store/{s}\"")).collect();
        format!(
            r#"Derive([("out","/nix/store/o","","")],[{}],[{}],"s","b",[],[])"#,
            inputs.join(","),
            sources.join(",")
        )
    }

    #[test]
    fn a_closure_is_read_from_the_store_on_disk() {
        let (a, b) = (derivation(&["b.drv"], &["src"]), derivation(&[], &[]));
        let root = store(&[("a.drv", &a), ("b.drv", &b), ("src/x.c", "int x;"), ("src/d/y.h", "")]);
        let roots = ["/nix/store/a.drv".to_owned()];
        let closure = read_closures(Some(root.path()), &roots).unwrap();
        let paths: Vec<_> = closure.derivations.iter().map(|facts| facts.path.as_str()).collect();
        assert_eq!(paths, ["/nix/store/a.drv", "/nix/store/b.drv"]);
        let mut files = source_files(Some(root.path()), &closure.derivations[0]);
        files.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(files.len(), 2);
        assert_eq!((files[0].name.as_str(), files[0].bytes), ("x.c", 6));
    }

    #[test]
    fn a_derivation_that_is_not_there_is_named() {
        let root = store(&[("a.drv", &derivation(&["b.drv"], &[]))]);
        let roots = ["/nix/store/a.drv".to_owned()];
        let error = read_closures(Some(root.path()), &roots).unwrap_err().to_string();
        assert!(error.contains("b.drv"), "{error}");
    }
}
