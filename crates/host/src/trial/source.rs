//! The source of a package: found, told apart from other versions, and copied to be built.
//!
//! Does not know how it is built.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ironwright_core::build::Source;
use sha2::{Digest, Sha256};

use super::code::hex;
use crate::inventory::{FetchError, crate_directory};

/// A source on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its folder.
    pub directory: PathBuf,
    /// What tells it from other versions: a crate's name and version, else a hash of all files.
    pub identity: String,
}

/// Why there is no source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A crate cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A folder cannot be read or copied.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
}

/// Finds a source; crates are fetched when `online`. Paths start from `base`.
pub fn locate(
    source: &Source,
    folder: &str,
    base: &Path,
    online: bool,
) -> Result<Located, SourceError> {
    match source {
        Source::Crate { name, version } => {
            let whole = crate_directory(name, version.as_deref(), online)?;
            let identity = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Located { directory: whole.join(folder), identity })
        }
        Source::Path(path) => {
            let directory = base.join(path).join(folder);
            let identity = hash(&directory)
                .map_err(|error| SourceError::Io { path: directory.clone(), error })?;
            Ok(Located { directory, identity })
        }
        _ => {
            let error = io::Error::other("neither a crate nor a directory");
            Err(SourceError::Io { path: PathBuf::from(source.to_string()), error })
        }
    }
}

/// A hash of the names and contents of all files below a folder.
fn hash(folder: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    for path in files(folder)? {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        let bytes = fs::read(&path)?;
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    Ok(hex(&hash.finalize()))
}

/// Folders that hold no source.
const LEFT_OUT: [&str; 2] = [".git", "target"];

/// Every file below a folder, in the order of their names.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let is_left_out = LEFT_OUT.iter().any(|name| entry.file_name() == *name);
            if kind.is_dir() && !is_left_out {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Copies a folder with all files and links in it; times are kept, so that what was up to date stays
/// so.
pub fn copy(from: &Path, to: &Path) -> Result<(), SourceError> {
    let mut open = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = open.pop() {
        let failed = |error| SourceError::Io { path: from.clone(), error };
        fs::create_dir_all(&to).map_err(failed)?;
        for entry in fs::read_dir(&from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let target = to.join(entry.file_name());
            let is_left_out = LEFT_OUT.iter().any(|name| entry.file_name() == *name);
            if kind.is_dir() && !is_left_out {
                open.push((entry.path(), target));
            } else if kind.is_symlink() {
                let leads = fs::read_link(entry.path()).map_err(failed)?;
                symlink(leads, &target).map_err(failed)?;
            } else if kind.is_file() {
                copy_file(&entry.path(), &target).map_err(failed)?;
            }
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    let modified = fs::metadata(from)?.modified()?;
    fs::File::options().append(true).open(to).and_then(|file| file.set_modified(modified))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("src/.git")).unwrap();
        fs::write(folder.path().join("src/a.c"), "int a;\n").unwrap();
        fs::write(folder.path().join("src/.git/HEAD"), "x").unwrap();
        symlink("a.c", folder.path().join("src/b.c")).unwrap();
        folder
    }

    #[test]
    fn a_source_is_told_by_what_is_in_it() {
        let folder = tree();
        let find = || locate(&Source::Path("src".into()), "", folder.path(), false).unwrap();
        let before = find();
        fs::write(folder.path().join("src/.git/HEAD"), "y").unwrap();
        assert_eq!(find(), before, "its history is no part of it");
        fs::write(folder.path().join("src/a.c"), "int b;\n").unwrap();
        assert_ne!(find().identity, before.identity);
        assert!(locate(&Source::Path("no".into()), "", folder.path(), false).is_err());
    }

    #[test]
    fn a_copy_has_the_same_times_and_links() {
        let folder = tree();
        let (from, to) = (folder.path().join("src"), folder.path().join("copy"));
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
        fs::File::options()
            .append(true)
            .open(from.join("a.c"))
            .and_then(|file| file.set_modified(old))
            .unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::metadata(to.join("a.c")).unwrap().modified().unwrap(), old);
        assert_eq!(fs::read_link(to.join("b.c")).unwrap(), Path::new("a.c"));
        assert!(!to.join(".git").exists());
    }
}
