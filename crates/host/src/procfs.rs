//! Processes as the kernel lists them: who descends from whom, and the memory each holds.
//!
//! Does not know why a process runs. A process that ends while it is read counts as gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ironwright_core::units::Bytes;

use crate::kernel;

/// A process of a tree at the moment of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Command name, at most 15 bytes.
    pub name: String,
    /// Ended, but not yet waited for: holds no memory and needs no signal.
    pub zombie: bool,
    /// Start, in clock ticks since boot: tells two processes with the same id apart.
    pub started: u64,
    /// Resident memory that no file backs. Pages of files are shared by every process that maps
    /// them and can be dropped, so summing whole resident sizes would count a compiler's own text
    /// once for each of its processes. The exact share (PSS) costs a walk over the page tables,
    /// milliseconds for a large process, and differs only between a fork and its exec.
    pub memory: Bytes,
    /// Resident memory, files included.
    pub resident: Bytes,
    /// Processor time in clock ticks, of its own threads.
    pub used: u64,
}

/// Finds the descendants of a process, again and again at little cost.
///
/// Reads `stat` of every process rather than `children` of every thread of the tree: measured at
/// 9 µs a process against 11 µs a thread, and a compiler has many threads. What is known to be
/// foreign is not read again, so a snapshot costs what the tree costs.
#[derive(Debug)]
pub struct TreeReader {
    proc: PathBuf,
    root: i32,
    page: u64,
    /// Processes known not to descend from the root. They cannot come to, so they need not be read
    /// again until their ids may have been reused.
    foreign: BTreeSet<i32>,
    /// Children that the root had before, with their start: not part of the tree.
    existing: BTreeMap<i32, u64>,
    age: u32,
}

/// Snapshots after which the foreign processes are read again.
const FOREIGN_FOR: u32 = 20;

impl TreeReader {
    /// A reader for the descendants of `root`, the process itself excluded.
    pub fn new(proc: impl Into<PathBuf>, root: i32) -> Self {
        let page = rustix::param::page_size() as u64;
        let (foreign, existing) = (BTreeSet::new(), BTreeMap::new());
        Self { proc: proc.into(), root, page, foreign, existing, age: 0 }
    }

    /// Takes the descendants that there are now for foreign: a shell that became this program
    /// with `exec` may have left it children of its own.
    pub fn disown_existing(&mut self) {
        let tree = self.snapshot();
        self.existing = tree.iter().map(|process| (process.pid, process.started)).collect();
    }

    /// Takes one more process, and what it starts, for foreign.
    pub fn disown(&mut self, pid: i32) {
        if let Some(stat) = read_stat(&self.proc, pid) {
            self.existing.insert(pid, stat.started);
        }
    }

    /// True for a descendant that was disowned.
    pub fn is_disowned(&self, pid: i32) -> bool {
        self.existing.contains_key(&pid)
    }

    /// The descendants now.
    pub fn snapshot(&mut self) -> Vec<Process> {
        if self.age.is_multiple_of(FOREIGN_FOR) {
            self.foreign.clear();
        }
        self.age = self.age.wrapping_add(1);
        let mut stats: BTreeMap<i32, Stat> = BTreeMap::new();
        for pid in pids(&self.proc) {
            if pid != self.root && !self.foreign.contains(&pid) {
                stats.extend(read_stat(&self.proc, pid).map(|stat| (pid, stat)));
            }
        }
        self.reread_orphans(&mut stats);
        let mut tree = Vec::new();
        for (pid, stat) in &stats {
            if self.descends(*pid, &stats) {
                tree.push(self.process(*pid, stat));
            } else {
                self.foreign.insert(*pid);
            }
        }
        tree
    }

    /// A process whose parent ended between the two reads has a new parent by now.
    fn reread_orphans(&self, stats: &mut BTreeMap<i32, Stat>) {
        let is_orphan = |stat: &Stat| {
            let known = stat.parent == 0 || stat.parent == self.root;
            !known && !self.foreign.contains(&stat.parent) && !stats.contains_key(&stat.parent)
        };
        let orphans: Vec<i32> =
            stats.iter().filter(|(_, stat)| is_orphan(stat)).map(|(pid, _)| *pid).collect();
        for pid in orphans {
            stats.extend(read_stat(&self.proc, pid).map(|stat| (pid, stat)));
        }
    }

    fn descends(&self, pid: i32, stats: &BTreeMap<i32, Stat>) -> bool {
        let mut at = pid;
        // Bounded by the number of processes: two reads at different times may form a cycle.
        for _ in 0..=stats.len() {
            match stats.get(&at) {
                Some(stat) if self.existing.get(&at) == Some(&stat.started) => return false,
                Some(stat) if stat.parent == self.root => return true,
                Some(stat) => at = stat.parent,
                None => return false,
            }
        }
        false
    }

    fn process(&self, pid: i32, stat: &Stat) -> Process {
        let (resident, shared) = read_statm(&self.proc, pid).unwrap_or_default();
        Process {
            pid,
            parent: stat.parent,
            name: stat.name.clone(),
            zombie: stat.zombie,
            started: stat.started,
            memory: Bytes(resident.saturating_sub(shared).saturating_mul(self.page)),
            resident: Bytes(resident.saturating_mul(self.page)),
            used: stat.used,
        }
    }
}

/// Numbers that name an entry of a directory: processes of `/proc`, threads of `/proc/<pid>/task`.
pub fn pids(proc: &Path) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Processes and threads that were ever started, of `/proc/stat`; `None` where the kernel does not count.
pub fn births(proc: &Path) -> Option<u64> {
    parse_births(&kernel::read(&proc.join("stat")).ok()?)
}

fn parse_births(text: &str) -> Option<u64> {
    let count = text.lines().find_map(|line| line.strip_prefix("processes "))?;
    count.trim().parse().ok().filter(|count| *count > 0)
}

/// What `/proc/<pid>/stat` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Command name, at most 15 bytes.
    pub name: String,
    /// Ended, but not yet waited for.
    pub zombie: bool,
    /// Its parent's process id.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Processor time of all its threads, in clock ticks.
    pub used: u64,
    /// Number of threads.
    pub threads: u32,
    /// Start, in clock ticks since boot.
    pub started: u64,
}

/// Reads the state of a process; `None` when there is no such process.
pub fn read_stat(proc: &Path, pid: i32) -> Option<Stat> {
    parse_stat(&kernel::read(&proc.join(format!("{pid}/stat"))).ok()?)
}

/// Reads a line of `/proc/<pid>/stat`. The name stands in parentheses and may hold any character,
/// so it ends at the last closing one.
fn parse_stat(line: &str) -> Option<Stat> {
    let open = line.find('(')?;
    let close = line.rfind(')')?;
    let name = line.get(open + 1..close)?.to_owned();
    let mut fields = line.get(close + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // state is field 3, ppid 4, pgrp 5, utime 14, stime 15, num_threads 20 and starttime 22.
    let group = fields.next()?.parse().ok()?;
    let in_user: u64 = fields.nth(8)?.parse().ok()?;
    let in_kernel: u64 = fields.next()?.parse().ok()?;
    let threads = fields.nth(4)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    let used = in_user.saturating_add(in_kernel);
    let zombie = matches!(state, "Z" | "X");
    Some(Stat { name, zombie, parent, group, used, threads, started })
}

/// Resident and file-backed pages of a process; `None` when there is no such process.
pub fn read_statm(proc: &Path, pid: i32) -> Option<(u64, u64)> {
    parse_statm(&kernel::read(&proc.join(format!("{pid}/statm"))).ok()?)
}

/// Resident and file-backed pages of `/proc/<pid>/statm`.
fn parse_statm(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Start of a process in clock ticks since boot, `None` when there is no such process.
pub fn started(proc: &Path, pid: i32) -> Option<u64> {
    read_stat(proc, pid).filter(|stat| !stat.zombie).map(|stat| stat.started)
}

/// Largest resident size that this process ever had, from `/proc/self/status`.
pub fn own_peak(proc: &Path) -> Option<Bytes> {
    let text = fs::read_to_string(proc.join("self/status")).ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(Bytes::kib(kib.trim().strip_suffix("kB")?.trim_end().parse().ok()?))
}

/// Processes that the kernel killed for memory since boot, from `/proc/vmstat`.
pub fn oom_kills(proc: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc.join("vmstat")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_testkit::FakeRoot;
    use proptest::prelude::*;

    fn stat(pid: i32, name: &str, parent: i32) -> String {
        format!(
            "{pid} ({name}) S {parent} 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 {} 9 10\n",
            pid * 10
        )
    }

    #[test]
    fn descendants_are_found_through_strange_names() {
        let root = FakeRoot::new([
            ("proc/10/stat", stat(10, "ironwright", 1)),
            ("proc/11/stat", stat(11, "a) S 1 (b", 10)),
            ("proc/11/statm", "1000 300 100 1 0 1 0\n".to_owned()),
            ("proc/12/stat", stat(12, "cc1plus", 11)),
            ("proc/13/stat", stat(13, "other", 1)),
            ("proc/14/stat", "garbage".to_owned()),
            ("proc/vmstat", "nr_free 1\noom_kill 3\n".to_owned()),
        ]);
        let proc = root.path().join("proc");
        let mut reader = TreeReader::new(&proc, 10);
        let tree = reader.snapshot();
        assert_eq!(tree.iter().map(|p| p.pid).collect::<Vec<_>>(), [11, 12]);
        assert_eq!(tree[0].name, "a) S 1 (b");
        assert_eq!((tree[0].memory.0, tree[0].used), (200 * reader.page, 11));
        assert_eq!((started(&proc, 12), oom_kills(&proc)), (Some(120), Some(3)));
        assert_eq!(reader.snapshot().len(), 2);
    }

    #[test]
    fn children_of_before_are_not_of_the_tree() {
        let root = FakeRoot::new([
            ("proc/11/stat", stat(11, "daemon", 10)),
            ("proc/12/stat", stat(12, "its child", 11)),
        ]);
        let proc = root.path().join("proc");
        let mut reader = TreeReader::new(&proc, 10);
        reader.disown_existing();
        fs::create_dir(proc.join("20")).unwrap();
        fs::write(proc.join("20/stat"), stat(20, "make", 10)).unwrap();
        assert_eq!(reader.snapshot().iter().map(|p| p.pid).collect::<Vec<_>>(), [20]);
        assert!(reader.is_disowned(11) && !reader.is_disowned(20));
        // The id of the daemon is used again, by a process of the tree.
        fs::write(proc.join("11/stat"), stat(11, "cc", 20).replace(" 110 ", " 500 ")).unwrap();
        let mut found = BTreeSet::new();
        for _ in 0..=FOREIGN_FOR {
            found.extend(reader.snapshot().iter().map(|p| p.pid));
        }
        assert!(found.contains(&11), "{found:?}");
    }

    #[test]
    fn a_process_that_lost_its_parent_is_read_again() {
        let root = FakeRoot::new([("proc/50/stat", stat(50, "orphan", 10))]);
        let reader = TreeReader::new(root.path().join("proc"), 10);
        let stale = parse_stat(&stat(50, "orphan", 100)).unwrap();
        let mut stats = BTreeMap::from([(50, stale)]);
        assert!(!reader.descends(50, &stats));
        reader.reread_orphans(&mut stats);
        assert!(reader.descends(50, &stats));
    }

    #[test]
    fn this_process_sees_its_child() {
        let mut child = std::process::Command::new("sleep").arg("10").spawn().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let tree = TreeReader::new("/proc", own).snapshot();
        let found = tree.iter().any(|p| p.pid == i32::try_from(child.id()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found, "{tree:?}");
    }

    #[test]
    fn the_kernel_s_lines_are_read() {
        let line = "42 (a) b) R 7 42 42 0 -1 4194304 1 2 3 4 150 25 7 8 20 0 3 0 99 1 2";
        let name = "a) b".to_owned();
        let (zombie, parent, group, used, threads) = (false, 7, 42, 175, 3);
        let stat = Stat { name, zombie, parent, group, used, threads, started: 99 };
        assert_eq!(parse_stat(line), Some(stat));
        assert_eq!(parse_statm("1000 300 100 1 0 1 0\n"), Some((300, 100)));
        assert_eq!(parse_births("cpu 1 2\nprocesses 86031\nprocs_running 6\n"), Some(86031));
        assert_eq!(parse_births("processes 0\n"), None);
    }

    proptest! {
        #[test]
        fn any_fields_are_read_without_a_panic(line in "(\\PC{0,9}\\) R )?([0-9]{1,20} ){0,22}\\PC{0,9}") {
            let _ = (parse_stat(&line), parse_statm(&line));
        }

        #[test]
        fn any_line_is_read_without_a_panic(line in "\\PC{0,60}") {
            let _ = (parse_stat(&line), parse_statm(&line));
        }
    }
}
