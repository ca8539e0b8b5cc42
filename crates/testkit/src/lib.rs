//! Fake roots for tests: directory trees built from pairs of path and text.
//!
//! Does not know what the files mean, and knows nothing of the crates that it helps to test. It
//! panics when the temporary directory cannot be written, as a test should.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory tree that stands in for `/`; it is removed when the value is dropped.
#[derive(Debug)]
pub struct FakeRoot {
    dir: TempDir,
}

impl FakeRoot {
    /// A tree with these files: paths such as `/proc/meminfo`, with or without the leading slash.
    ///
    /// # Panics
    /// When the temporary directory cannot be written.
    pub fn new<P: AsRef<str>, T: AsRef<[u8]>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        let root = Self { dir: must(tempfile::tempdir()) };
        for (path, text) in files {
            root.write(path.as_ref(), text);
        }
        root
    }

    /// The directory that stands in for `/`.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Creates or replaces a file, with the directories above it.
    ///
    /// # Panics
    /// When the temporary directory cannot be written.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.resolve(path);
        if let Some(parent) = path.parent() {
            must(fs::create_dir_all(parent));
        }
        must(fs::write(path, text));
    }

    /// Creates an empty directory, with the directories above it.
    ///
    /// # Panics
    /// When the temporary directory cannot be written.
    pub fn directory(&self, path: &str) {
        must(fs::create_dir_all(self.resolve(path)));
    }

    /// Where a path of the tree lies on the real file system.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }
}

#[expect(clippy::panic, reason = "a test that cannot set up its files has to fail")]
fn must<T>(result: std::io::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the temporary tree cannot be written: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_below_the_root_with_or_without_a_leading_slash() {
        let root = FakeRoot::new([("/proc/meminfo", "a"), ("etc/os-release", "b")]);
        assert_eq!(fs::read_to_string(root.resolve("proc/meminfo")).unwrap(), "a");
        assert_eq!(fs::read_to_string(root.path().join("etc/os-release")).unwrap(), "b");
    }

    #[test]
    fn an_empty_directory_can_be_made() {
        let root = FakeRoot::new::<&str, &str>([]);
        root.directory("/sys/fs/cgroup");
        assert!(root.resolve("/sys/fs/cgroup").is_dir());
    }
}
