//! The source of a package: found, told apart from other versions, and copied to be built.
//!
//! Does not know how it is built.

use std::io;
use std::path::{Path, PathBuf};

use ironwright_core::build::Source;

use crate::inventory::{FetchError, crate_directory};
use crate::tree;

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
            let identity = tree::hash(&directory)
                .map_err(|error| SourceError::Io { path: directory.clone(), error })?;
            Ok(Located { directory, identity })
        }
        _ => {
            let error = io::Error::other("neither a crate nor a directory");
            Err(SourceError::Io { path: PathBuf::from(source.to_string()), error })
        }
    }
}

/// Copies a folder with all files and links in it; times are kept, so that what was up to date stays
/// so.
pub fn copy(from: &Path, to: &Path) -> Result<(), SourceError> {
    tree::copy(from, to).map_err(|error| SourceError::Io { path: from.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("src/.git")).unwrap();
        fs::write(folder.path().join("src/a.c"), "int a;\n").unwrap();
        fs::write(folder.path().join("src/.git/HEAD"), "x").unwrap();
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
}
