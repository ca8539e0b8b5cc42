//! Profiles and builds on disk: a directory for each profile, named by the hash of all that goes into it,
//! with what was finished, so that a run that was interrupted goes on where it was.
//!
//! Does not know how anything in it is made.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use ironwright_core::pgo::{Coverage, Matching};
use serde::{Deserialize, Serialize};

use super::PgoError;
use crate::files::replace;

/// What was finished.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Builds and trainings by name, with what each left: the program, or seconds.
    pub steps: BTreeMap<String, String>,
    /// What the profile knows, once it is merged.
    pub coverage: Option<Coverage>,
    /// What the compiler made of it, once it is used.
    pub matching: Option<Matching>,
}

/// A profile's directory, locked while it exists.
#[derive(Debug)]
pub struct Place {
    directory: PathBuf,
    _lock: File,
    /// What was finished, by earlier runs and this one.
    pub finished: Finished,
}

const STATE: &str = "finished.json";

impl Place {
    /// Opens or makes one.
    ///
    /// # Errors
    /// Where another process has it open, and those of writing.
    pub fn open(directory: PathBuf) -> Result<Self, PgoError> {
        fs::create_dir_all(&directory).map_err(PgoError::io(&directory))?;
        let path = directory.join("lock");
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.map_err(PgoError::io(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PgoError::Busy(directory)),
            Err(TryLockError::Error(error)) => return Err(PgoError::Io { path, error }),
        }
        // What cannot be read is done again.
        let text = fs::read_to_string(directory.join(STATE)).unwrap_or_default();
        let finished = serde_json::from_str(&text).unwrap_or_default();
        Ok(Self { directory, _lock: lock, finished })
    }

    /// Something in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps what was finished.
    ///
    /// # Errors
    /// Those of writing.
    pub fn keep(&self) -> Result<(), PgoError> {
        let path = self.at(STATE);
        let text = serde_json::to_string_pretty(&self.finished).unwrap_or_default();
        replace(&path, text.as_bytes()).map_err(PgoError::io(&path))
    }

    /// Makes a folder in it that is empty.
    ///
    /// # Errors
    /// Those of writing.
    pub fn fresh(&self, name: &str) -> Result<PathBuf, PgoError> {
        let path = self.at(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(PgoError::Io { path, error });
            }
            _ => {}
        }
        fs::create_dir_all(&path).map_err(PgoError::io(&path))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_finished_is_there_again_and_nobody_else_may_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        let mut place = Place::open(path.clone()).unwrap();
        assert_eq!(place.finished, Finished::default());
        place.finished.steps.insert("baseline".to_owned(), "/x/prog".to_owned());
        place.keep().unwrap();
        fs::write(place.fresh("raw").unwrap().join("old"), "").unwrap();
        assert_eq!(fs::read_dir(place.fresh("raw").unwrap()).unwrap().count(), 0);
        assert!(matches!(Place::open(path.clone()), Err(PgoError::Busy(_))));
        drop(place);
        assert_eq!(Place::open(path).unwrap().finished.steps["baseline"], "/x/prog");
    }
}
