//! The root that every reader starts from: this machine, or a directory that stands in for it.
//!
//! A directory never leads outside itself: a link that points out of it counts as absent, and what
//! is neither a file nor a directory is not opened. Does not know what any file means.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Most bytes that are read of one file. The longest that is of use, `/proc/cpuinfo` of a machine
/// with 1024 threads, has under 2 MiB.
const LONGEST_FILE: u64 = 16 << 20;

/// As many bytes as most files have: the kernel does not tell how long its own are.
const USUAL_FILE: usize = 4096;

/// What a reader saw at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A file with this content.
    File(Vec<u8>),
    /// A file that was only asked for, not read.
    Presence,
    /// A directory.
    Directory,
}

/// Where `/proc`, `/sys`, `/etc` and `/run` are found.
#[derive(Debug)]
pub struct Root {
    /// The stand-in, resolved; `None` for this machine.
    dir: Option<PathBuf>,
    /// What was read so far, when somebody wants to know.
    trace: Option<Mutex<BTreeMap<PathBuf, Seen>>>,
}

impl Root {
    /// This machine.
    pub fn live() -> Self {
        Self { dir: None, trace: None }
    }

    /// A directory with `proc`, `sys`, `etc`, `run` and `ironwright` in it. One that does not exist
    /// is a machine of which nothing is known.
    pub fn at(dir: impl AsRef<Path>) -> Self {
        let dir = dir.as_ref();
        let resolved = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_path_buf());
        Self { dir: Some(resolved), trace: None }
    }

    /// Whether this is the machine itself, so that system calls tell about it too.
    pub const fn is_live(&self) -> bool {
        self.dir.is_none()
    }

    /// The same root, remembering what is read from it.
    pub(crate) fn traced(&self) -> Self {
        Self { dir: self.dir.clone(), trace: Some(Mutex::default()) }
    }

    /// What was read since [`Root::traced`].
    pub(crate) fn into_trace(self) -> BTreeMap<PathBuf, Seen> {
        self.trace
            .map(|trace| trace.into_inner().unwrap_or_else(PoisonError::into_inner))
            .unwrap_or_default()
    }

    /// Where `path` (`/proc/meminfo`) really lies.
    ///
    /// # Errors
    /// `NotFound` when it does not exist or leads out of the root.
    pub fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let Some(dir) = &self.dir else {
            return Ok(PathBuf::from(path));
        };
        let resolved = fs::canonicalize(dir.join(path.trim_start_matches('/')))?;
        if resolved.starts_with(dir) { Ok(resolved) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// Those of the operating system; `NotFound` when the path leads out of the root.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let resolved = self.resolve(path)?;
        if !self.is_live() && !fs::metadata(&resolved)?.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut bytes = Vec::with_capacity(USUAL_FILE);
        fs::File::open(resolved)?.take(LONGEST_FILE).read_to_end(&mut bytes)?;
        self.note(path, || Seen::File(bytes.clone()));
        Ok(bytes)
    }

    /// Whether a file or directory exists.
    pub fn exists(&self, path: &str) -> bool {
        let Ok(metadata) = self.resolve(path).and_then(fs::metadata) else {
            return false;
        };
        self.note(path, || if metadata.is_dir() { Seen::Directory } else { Seen::Presence });
        true
    }

    /// The names in a directory, sorted; none when it cannot be read. Names that are not UTF-8 are
    /// left out: no kernel interface has such.
    pub fn list(&self, path: &str) -> Vec<String> {
        let Ok(entries) = self.resolve(path).and_then(fs::read_dir) else {
            return Vec::new();
        };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    fn note(&self, path: &str, seen: impl FnOnce() -> Seen) {
        let Some(trace) = &self.trace else {
            return;
        };
        let mut trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = trace.entry(PathBuf::from(path)).or_insert(Seen::Presence);
        if !matches!(entry, Seen::File(_)) {
            *entry = seen();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_testkit::FakeRoot;

    #[test]
    fn a_link_that_leads_out_counts_as_absent() {
        let outside = FakeRoot::new([("secret", "x")]);
        let root = FakeRoot::new([("proc/meminfo", "y")]);
        std::os::unix::fs::symlink(outside.resolve("secret"), root.resolve("proc/link")).unwrap();
        let root = Root::at(root.path());
        assert_eq!(root.read("/proc/meminfo").unwrap(), b"y");
        assert_eq!(root.read("/proc/link").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!root.exists("/proc/link"));
        assert!(!root.exists("/proc/../../etc"));
    }

    #[test]
    fn a_missing_directory_is_an_unknown_machine() {
        let root = Root::at("/nonexistent/recording");
        assert!(!root.is_live());
        assert!(root.read("/proc/meminfo").is_err());
        assert!(root.list("/sys/block").is_empty());
    }

    #[test]
    fn the_trace_keeps_contents_over_presence() {
        let fake = FakeRoot::new([("proc/a", "1"), ("sys/b", "2")]);
        fake.directory("sys/dir");
        let root = Root::at(fake.path()).traced();
        let _ = (root.read("/proc/a"), root.exists("/proc/a"), root.exists("/sys/b"));
        let _ = (root.exists("/sys/dir"), root.exists("/sys/absent"));
        let seen: Vec<Seen> = root.into_trace().into_values().collect();
        assert_eq!(seen, [Seen::File(b"1".to_vec()), Seen::Presence, Seen::Directory]);
    }

    #[test]
    fn a_fifo_in_a_recording_is_not_opened() {
        let fake = FakeRoot::new([("proc/a", "1")]);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            fake.resolve("proc/meminfo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(Root::at(fake.path()).read("/proc/meminfo").is_err());
    }
}
