//! Generations on disk: a file each that is never written again, and a link to the present one.
//!
//! Whoever reads sees the old generation or the new one: the link is replaced by one rename. Does not
//! know what decisions mean.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use ironwright_core::decide::Generation;

/// Why generations cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// A file or the directory.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// A generation that cannot be understood.
    #[error("{} is no generation: {error}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// A number that no generation has.
    #[error("there is no generation {0}")]
    Unknown(u32),
}

/// Name of the link.
const CURRENT: &str = "current";
/// Whoever writes holds this file locked.
const LOCK: &str = "lock";

/// The directory of generations.
#[derive(Clone, Debug)]
pub struct Generations {
    directory: PathBuf,
}

impl Generations {
    /// Those of a directory, which need not exist.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The present generation, if any was applied and none of it was rolled back.
    pub fn current(&self) -> Result<Option<Generation>, GenerationError> {
        let link = self.directory.join(CURRENT);
        let target = match fs::read_link(&link) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(GenerationError::Io { path: link, error }),
        };
        match target.file_stem().and_then(|stem| stem.to_str()?.parse().ok()) {
            // Zero stands for the state before the first.
            Some(0) => Ok(None),
            Some(number) => self.read(number).map(Some),
            None => Err(GenerationError::Io { path: link, error: io::Error::other("odd link") }),
        }
    }

    /// One generation.
    pub fn read(&self, number: u32) -> Result<Generation, GenerationError> {
        let path = self.file(number);
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => GenerationError::Unknown(number),
            _ => GenerationError::Io { path: path.clone(), error },
        })?;
        serde_json::from_str(&text).map_err(|error| GenerationError::Damaged { path, error })
    }

    /// Numbers of all generations, oldest first.
    pub fn numbers(&self) -> Result<Vec<u32>, GenerationError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(error)),
        };
        let number = |name: &str| name.strip_suffix(".json")?.parse::<u32>().ok();
        let mut numbers: Vec<u32> =
            entries.flatten().filter_map(|entry| number(entry.file_name().to_str()?)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes a generation from the present one and makes it the present one. `make` is given the
    /// present one and a number that was never used. Two programs take turns.
    pub fn add(
        &self,
        make: impl FnOnce(Option<&Generation>, u32) -> Generation,
    ) -> Result<Generation, GenerationError> {
        let _turn = self.lock()?;
        let number = self.numbers()?.last().map_or(1, |last| last + 1);
        let generation = make(self.current()?.as_ref(), number);
        self.store(&generation)?;
        self.point_to(generation.number)?;
        Ok(generation)
    }

    /// Makes an older or newer generation the present one; zero for the state before the first.
    pub fn switch(&self, number: u32) -> Result<(), GenerationError> {
        let _turn = self.lock()?;
        if number > 0 {
            self.read(number)?;
        }
        self.point_to(number)
    }

    fn store(&self, generation: &Generation) -> Result<(), GenerationError> {
        let path = self.file(generation.number);
        let failed = |error| GenerationError::Io { path: path.clone(), error };
        let text = serde_json::to_string_pretty(generation)
            .map_err(|error| GenerationError::Damaged { path: path.clone(), error })?;
        let mut file = tempfile::NamedTempFile::new_in(&self.directory).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        let read_only = fs::Permissions::from_mode(0o444);
        file.as_file().set_permissions(read_only).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist_noclobber(&path).map(drop).map_err(|error| failed(error.error))
    }

    /// One rename.
    fn point_to(&self, number: u32) -> Result<(), GenerationError> {
        let failed = |error| self.failed(error);
        let place = tempfile::Builder::new().prefix(".new-").tempdir_in(&self.directory);
        let place = place.map_err(failed)?;
        let link = place.path().join(CURRENT);
        symlink(format!("{number}.json"), &link).map_err(failed)?;
        fs::rename(&link, self.directory.join(CURRENT)).map_err(failed)?;
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(failed)
    }

    fn lock(&self) -> Result<File, GenerationError> {
        fs::create_dir_all(&self.directory).map_err(|error| self.failed(error))?;
        let path = self.directory.join(LOCK);
        let open = File::options().create(true).append(true).open(&path);
        open.and_then(|file| file.lock().map(|()| file))
            .map_err(|error| GenerationError::Io { path, error })
    }

    fn file(&self, number: u32) -> PathBuf {
        self.directory.join(format!("{number}.json"))
    }

    fn failed(&self, error: io::Error) -> GenerationError {
        GenerationError::Io { path: self.directory.clone(), error }
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(generations: &Generations, reason: &str) -> Generation {
        let make = |present: Option<&Generation>, number| {
            Generation::after(present, number, 5, reason.to_owned(), Vec::new())
        };
        generations.add(make).unwrap()
    }

    #[test]
    fn generations_are_numbered_and_any_can_be_restored() {
        let directory = tempfile::tempdir().unwrap();
        let generations = Generations::at(directory.path().join("g"));
        assert_eq!(
            (generations.current().unwrap(), generations.numbers().unwrap()),
            (None, vec![])
        );
        add(&generations, "one");
        let second = add(&generations, "two");
        assert_eq!((second.number, second.parent), (2, Some(1)));
        generations.switch(1).unwrap();
        assert_eq!(generations.current().unwrap().unwrap().reason, "one");
        let third = add(&generations, "three");
        assert_eq!((third.number, third.parent), (3, Some(1)), "numbers are never used twice");
        generations.switch(0).unwrap();
        assert_eq!(generations.current().unwrap(), None);
        assert_eq!(generations.numbers().unwrap(), [1, 2, 3]);
        assert!(matches!(generations.switch(9), Err(GenerationError::Unknown(9))));
        let names = fs::read_dir(generations.directory()).unwrap().count();
        assert_eq!(names, 5, "three generations, the link and the lock");
    }

    #[test]
    fn a_stored_generation_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let generations = Generations::at(directory.path());
        let first = add(&generations, "one");
        assert!(generations.store(&first).is_err());
        let mode = fs::metadata(generations.file(1)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o444);
    }

    #[test]
    fn a_damaged_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let generations = Generations::at(directory.path());
        fs::write(generations.file(4), "{").unwrap();
        let error = generations.read(4).unwrap_err().to_string();
        assert!(error.contains("4.json is no generation"), "{error}");
    }
}
