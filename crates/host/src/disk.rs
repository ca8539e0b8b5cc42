//! How much disk space files take that were written since a moment.
//!
//! Asks for the blocks that a file has, not for its length, and counts a file with several names
//! once. Does not know who wrote a file: whatever changed below the given folders since then counts.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ironwright_core::units::Bytes;

/// Time after which nobody waits for an answer any longer; a disk may be slow and full.
const PATIENCE: Duration = Duration::from_secs(2);
/// How far the time of files may lie behind the clock: the kernel keeps it by its ticks.
const TICK: Duration = Duration::from_millis(20);
/// Bytes of a block in the kernel's answers, whatever blocks the disk has.
const BLOCK: u64 = 512;

/// Bytes of disk that the files at and below some paths take, as far as they were made or changed
/// since then. What lies below two of them counts once. `None` when it took too long to tell.
pub fn written_since(paths: &[&Path], since: SystemTime) -> Option<Bytes> {
    let since = since.checked_sub(TICK).unwrap_or(UNIX_EPOCH);
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut count = Count { since, seen: HashSet::new(), folders: HashSet::new(), blocks: 0 };
    let mut queue: Vec<PathBuf> = paths.iter().map(|path| (*path).to_owned()).collect();
    let began = Instant::now();
    while let Some(path) = queue.pop() {
        if began.elapsed() > PATIENCE {
            return None;
        }
        count.look(&path, &mut queue);
    }
    Some(Bytes(count.blocks.saturating_mul(BLOCK)))
}

struct Count {
    /// Since 1970.
    since: Duration,
    /// Files with several names, by device and number.
    seen: HashSet<(u64, u64)>,
    folders: HashSet<(u64, u64)>,
    blocks: u64,
}

impl Count {
    fn look(&mut self, path: &Path, queue: &mut Vec<PathBuf>) {
        // What is gone meanwhile, or may not be seen, takes nothing.
        let Ok(metadata) = fs::symlink_metadata(path) else { return };
        let identity = (metadata.dev(), metadata.ino());
        if metadata.is_dir() {
            if self.folders.insert(identity) {
                let entries = fs::read_dir(path).into_iter().flatten().flatten();
                queue.extend(entries.map(|entry| entry.path()));
            }
        } else if self.is_new(&metadata) && (metadata.nlink() < 2 || self.seen.insert(identity)) {
            self.blocks = self.blocks.saturating_add(metadata.blocks());
        }
    }

    /// By the time of its last change of any kind: the others can be set, and unpackers do.
    fn is_new(&self, metadata: &Metadata) -> bool {
        let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
        let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
        Duration::new(seconds, nanos) >= self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(path: &Path, kib: usize) {
        fs::write(path, vec![7; kib << 10]).unwrap();
    }

    #[test]
    fn what_was_there_before_is_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        fill(&folder.path().join("old"), 400);
        std::thread::sleep(TICK * 4);
        let since = SystemTime::now();
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        fill(&below.join("new"), 64);
        fs::hard_link(below.join("new"), folder.path().join("same")).unwrap();
        std::os::unix::fs::symlink(folder.path(), below.join("loop")).unwrap();
        let written = written_since(&[folder.path(), &below], since).unwrap();
        assert!((Bytes::kib(64)..Bytes::kib(128)).contains(&written), "{written}");
        let all = written_since(&[folder.path()], UNIX_EPOCH).unwrap();
        assert!(all >= Bytes::kib(464), "{all}");
    }

    #[test]
    fn what_is_not_there_takes_nothing() {
        assert_eq!(written_since(&[Path::new("/nowhere/at/all")], UNIX_EPOCH), Some(Bytes::ZERO));
    }
}
