//! Builds and measured rounds on disk, so that a trial that was interrupted goes on where it was.
//!
//! A build is a folder that is named by the hash of all that went into it, and that appears whole, by
//! one rename. Rounds are a file that is replaced as a whole. Whoever builds a package holds it
//! locked. Does not know what is built or measured.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ironwright_core::evidence::stop::Stop;
use ironwright_core::evidence::{Metric, Round};
use ironwright_core::trial::VariantFacts;
use ironwright_core::units::Bytes;
use serde::{Deserialize, Serialize};

use crate::files::replace;

/// Why builds or rounds cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// Another trial of the package goes on.
    #[error("another trial of {0} goes on")]
    Busy(String),
}

/// Where builds and rounds lie.
#[derive(Clone, Debug)]
pub struct Store {
    builds: PathBuf,
    rounds: PathBuf,
}

/// Measured rounds of one workload by a number of builds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// The rounds.
    pub rounds: Vec<Round>,
    /// Seconds that they took.
    pub elapsed: f64,
    /// Rounds that the history has.
    pub recorded: usize,
    /// Seconds that those took.
    pub recorded_seconds: f64,
    /// Why measuring ended; absent while more is to come.
    pub stopped: Option<Stop>,
    /// The figure by which that was decided.
    pub judged_by: Metric,
    /// The precision by which that was decided.
    #[serde(default)]
    pub precision: f64,
}

/// Name of a build's facts.
const FACTS: &str = "facts.json";
/// Folder of what workloads run.
const OUT: &str = "out";
/// Folder of a build's source with all objects, where it is kept.
const TREE: &str = "tree";

/// A build that was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What it cost.
    pub facts: VariantFacts,
    /// What workloads run.
    pub out: PathBuf,
    /// Its source with all objects, where it was kept.
    pub tree: Option<PathBuf>,
}

/// The place where a package is built, locked while it exists.
#[derive(Debug)]
pub struct Workshop {
    _lock: File,
    /// Folder of one package's builds.
    directory: PathBuf,
}

impl Store {
    /// Builds below a cache directory, rounds below a state directory.
    pub fn at(cache: &Path, state: &Path) -> Self {
        Self { builds: cache.join("trial"), rounds: state.join("trials") }
    }

    /// A build, if it was kept. It counts as used now.
    pub fn build(&self, package: &str, key: &str) -> Option<Kept> {
        let folder = self.builds.join(package).join(key);
        let text = fs::read_to_string(folder.join(FACTS)).ok()?;
        // One that cannot be marked may be removed early, and is built again then.
        let _ =
            File::open(folder.join(FACTS)).and_then(|file| file.set_modified(SystemTime::now()));
        let facts = serde_json::from_str(&text).ok()?;
        let tree = folder.join(TREE);
        Some(Kept { facts, out: folder.join(OUT), tree: tree.is_dir().then_some(tree) })
    }

    /// Rounds that were measured before; a file that cannot be read counts as none.
    pub fn campaign(&self, package: &str, key: &str) -> Campaign {
        let text = fs::read_to_string(self.rounds_file(package, key)).ok();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Keeps rounds.
    pub fn keep(&self, package: &str, key: &str, campaign: &Campaign) -> Result<(), StoreError> {
        let path = self.rounds_file(package, key);
        let text = serde_json::to_string(campaign).unwrap_or_default();
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| replace(&path, text.as_bytes()))
            .map_err(|error| StoreError::Io { path, error })
    }

    /// Forgets all rounds of a package, and its builds, too, when `builds`.
    pub fn forget(&self, package: &str, builds: bool) -> Result<(), StoreError> {
        let all = [Some(self.rounds.join(package)), builds.then(|| self.builds.join(package))];
        for path in all.into_iter().flatten() {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::Io { path, error });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes the builds of all packages that nobody used since a time; their bytes. One whose package is locked
    /// stays, and so does what cannot be removed.
    pub fn prune(&self, since: SystemTime) -> Bytes {
        let packages = fs::read_dir(&self.builds).into_iter().flatten().flatten();
        let names = packages.filter_map(|entry| entry.file_name().into_string().ok());
        names
            .map(|package| self.prune_package(&package, since))
            .fold(Bytes::ZERO, Bytes::saturating_add)
    }

    fn prune_package(&self, package: &str, since: SystemTime) -> Bytes {
        let Ok(_held) = self.workshop(package) else { return Bytes::ZERO };
        let used = |folder: &Path| fs::metadata(folder.join(FACTS)).and_then(|it| it.modified());
        let builds = fs::read_dir(self.builds.join(package)).into_iter().flatten().flatten();
        let old = builds
            .map(|entry| entry.path())
            .filter(|folder| used(folder).is_ok_and(|used| used < since));
        old.map(|folder| {
            let bytes = size_below(&folder);
            fs::remove_dir_all(&folder).map_or(Bytes::ZERO, |()| bytes)
        })
        .fold(Bytes::ZERO, Bytes::saturating_add)
    }

    /// Locks a package's builds. Two trials of it would build in each other's way.
    pub fn workshop(&self, package: &str) -> Result<Workshop, StoreError> {
        let directory = self.builds.join(package);
        let failed = |error| StoreError::Io { path: directory.clone(), error };
        fs::create_dir_all(&directory).map_err(failed)?;
        let lock = directory.join("lock");
        let file = File::options().create(true).append(true).open(&lock).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Workshop { _lock: file, directory }),
            Err(fs::TryLockError::WouldBlock) => Err(StoreError::Busy(package.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn rounds_file(&self, package: &str, key: &str) -> PathBuf {
        self.rounds.join(package).join(format!("{key}.json"))
    }
}

/// Bytes of the files below a folder.
fn size_below(folder: &Path) -> Bytes {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_below(&entry.path()),
        Ok(metadata) => Bytes(metadata.len()),
        Err(_) => Bytes::ZERO,
    });
    sizes.fold(Bytes::ZERO, Bytes::saturating_add)
}

impl Workshop {
    /// The folder in which sources are built: always the same, because compilers put its name into
    /// what they make. What an interrupted build left there is removed.
    pub fn tree(&self) -> Result<PathBuf, StoreError> {
        self.empty(TREE)
    }

    /// An empty folder for what workloads run.
    pub fn out(&self) -> Result<PathBuf, StoreError> {
        let out = self.empty(OUT)?;
        fs::create_dir_all(&out).map_err(|error| StoreError::Io { path: out.clone(), error })?;
        Ok(out)
    }

    /// An empty folder for a profile.
    pub fn profile(&self) -> Result<PathBuf, StoreError> {
        self.empty("profile")
    }

    /// An empty folder for a compiler cache: what other builds left in the user's own would be answered
    /// from there.
    pub fn cache(&self) -> Result<PathBuf, StoreError> {
        self.empty("cache")
    }

    fn empty(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.directory.join("work").join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Io { path, error })
            }
            _ => Ok(path),
        }
    }

    /// Keeps what was built in the folders of this workshop. It appears whole or not at all.
    pub fn keep(&self, facts: &VariantFacts, with_tree: bool) -> Result<(), StoreError> {
        let failed = |error| StoreError::Io { path: self.directory.clone(), error };
        let half = tempfile::Builder::new().prefix(".half-").tempdir_in(&self.directory);
        let half = half.map_err(failed)?;
        let work = self.directory.join("work");
        fs::rename(work.join(OUT), half.path().join(OUT)).map_err(failed)?;
        if with_tree {
            fs::rename(work.join(TREE), half.path().join(TREE)).map_err(failed)?;
        }
        let text = serde_json::to_string_pretty(facts).unwrap_or_default();
        fs::write(half.path().join(FACTS), text).map_err(failed)?;
        let place = self.directory.join(&facts.key);
        // An unreadable build of the same key makes room.
        let _ = fs::remove_dir_all(&place);
        fs::rename(half.keep(), &place).map_err(failed)?;
        fs::remove_dir_all(&work).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_core::trial::Variant;

    fn facts(key: &str) -> VariantFacts {
        VariantFacts {
            package: "demo".to_owned(),
            variant: Variant::default(),
            host: None,
            built_unix_ns: 1,
            compiler: "cc".to_owned(),
            key: key.to_owned(),
            code: "x".to_owned(),
            wall: 1.0,
            cpu: 1.0,
            again: None,
            cold: None,
            peak: Bytes(1),
            largest: Bytes(1),
            text: Bytes(1),
            run_text: Bytes(1),
            size: Bytes(1),
            threads: 1,
            governed: true,
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&folder.path().join("cache"), &folder.path().join("state"));
        (folder, store)
    }

    #[test]
    fn a_build_is_there_when_it_is_whole() {
        let (_folder, store) = store();
        let workshop = store.workshop("demo").unwrap();
        let (tree, out) = (workshop.tree().unwrap(), workshop.out().unwrap());
        fs::create_dir_all(&tree).unwrap();
        fs::write(out.join("driver"), "x").unwrap();
        assert!(store.build("demo", "k").is_none());
        workshop.keep(&facts("k"), true).unwrap();
        let kept = store.build("demo", "k").unwrap();
        assert_eq!(fs::read_to_string(kept.out.join("driver")).unwrap(), "x");
        assert!(kept.tree.is_some() && !tree.exists());
        assert!(matches!(store.workshop("demo"), Err(StoreError::Busy(_))), "it is locked");
        drop(workshop);
        assert!(store.workshop("demo").is_ok());
    }

    #[test]
    fn a_build_that_nobody_used_for_long_goes() {
        let (_folder, store) = store();
        for key in ["old", "used"] {
            let workshop = store.workshop("demo").unwrap();
            fs::create_dir_all(workshop.tree().unwrap()).unwrap();
            fs::write(workshop.out().unwrap().join("driver"), "four").unwrap();
            workshop.keep(&facts(key), false).unwrap();
        }
        let past = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
        for key in ["old", "used"] {
            let file = File::open(store.builds.join("demo").join(key).join(FACTS)).unwrap();
            file.set_modified(past).unwrap();
        }
        assert!(store.build("demo", "used").is_some());
        let held = store.workshop("demo").unwrap();
        let since = past + std::time::Duration::from_secs(1);
        assert_eq!(store.prune(since), Bytes::ZERO, "somebody builds there");
        drop(held);
        assert!(store.prune(since) > Bytes(4));
        assert!(store.build("demo", "old").is_none() && store.build("demo", "used").is_some());
    }

    #[test]
    fn rounds_outlive_their_program() {
        let (_folder, store) = store();
        assert_eq!(store.campaign("demo", "c"), Campaign::default());
        let campaign = Campaign { elapsed: 2.5, stopped: Some(Stop::Time), ..Campaign::default() };
        store.keep("demo", "c", &campaign).unwrap();
        assert_eq!(store.campaign("demo", "c"), campaign);
        store.forget("demo", true).unwrap();
        assert_eq!(store.campaign("demo", "c"), Campaign::default());
        store.forget("demo", true).unwrap();
    }
}
