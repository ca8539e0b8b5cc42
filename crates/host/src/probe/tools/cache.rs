//! Versions that tools told, kept between runs.
//!
//! A damaged or foreign file counts as empty, and one that cannot be written is lost: the tools are
//! then asked again. Does not know tools.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::files::replace;

/// A tool's file in a particular state: command, path, size and time of the last change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(String);

impl Key {
    /// The command's name is part of it because one file may serve several (`gcc`, rustup).
    pub(super) fn of(name: &str, path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let time = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Some(Self(format!("{name} {} {time} {}", metadata.len(), path.to_str()?)))
    }
}

/// The kept versions; `None` for a tool that did not tell.
#[derive(Debug)]
pub(super) struct Cache {
    path: Option<PathBuf>,
    versions: BTreeMap<String, Option<String>>,
    changed: bool,
}

impl Cache {
    pub(super) fn load(path: Option<&Path>) -> Self {
        let text = path.and_then(|path| fs::read_to_string(path).ok());
        let versions = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { path: path.map(Path::to_owned), versions, changed: false }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Option<String>> {
        self.versions.get(&key.0)
    }

    /// Keeps an answer and forgets what the same command told in an earlier state.
    pub(super) fn insert(&mut self, key: Key, version: Option<String>) {
        let place = |text: &str| {
            let mut words = text.splitn(4, ' ');
            (words.next().map(str::to_owned), words.nth(2).map(str::to_owned))
        };
        let own = place(&key.0);
        self.versions.retain(|other, _| place(other) != own);
        self.versions.insert(key.0, version);
        self.changed = true;
    }

    pub(super) fn save(&self) {
        let Some(path) = self.path.as_ref().filter(|_| self.changed) else { return };
        if let Ok(text) = serde_json::to_string(&self.versions) {
            let _ = replace(path, text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_another_key_and_replaces_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let (tool, file) = (directory.path().join("tool"), directory.path().join("cache.json"));
        fs::write(&tool, "one").unwrap();
        let before = Key::of("gcc", &tool).unwrap();
        let mut cache = Cache::load(Some(&file));
        cache.insert(before.clone(), Some("12.2.0".into()));
        cache.save();
        fs::write(&tool, "longer").unwrap();
        let after = Key::of("gcc", &tool).unwrap();
        let mut cache = Cache::load(Some(&file));
        assert_eq!(cache.get(&before), Some(&Some("12.2.0".into())));
        assert_eq!(cache.get(&after), None);
        cache.insert(after.clone(), None);
        assert_eq!((cache.get(&before), cache.get(&after)), (None, Some(&None)));
    }

    #[test]
    fn a_damaged_cache_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cache.json");
        fs::write(&file, "{\"half").unwrap();
        assert!(Cache::load(Some(&file)).versions.is_empty());
    }
}
