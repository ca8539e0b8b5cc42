//! What a command started and is stopped, wherever it has gone since.
//!
//! Does not know who stopped it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A process that was seen: its parent, and whether it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    parent: i32,
    stopped: bool,
}

/// Lets a process group go on, and what was stopped below its leader, wherever it has gone: a governor
/// that stopped it may be dead.
pub fn let_go_on(leader: i32) {
    crate::sys::send(-leader, libc::SIGCONT);
    for pid in stopped_below(leader) {
        crate::sys::send(pid, libc::SIGCONT);
    }
}

/// Descendants of a process that are stopped.
fn stopped_below(root: i32) -> Vec<i32> {
    let all = all();
    let stopped = all.iter().filter(|(_, seen)| seen.stopped);
    stopped.map(|(pid, _)| *pid).filter(|pid| descends(*pid, root, &all)).collect()
}

fn all() -> BTreeMap<i32, Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let seen = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, see(&entry.path())?))
    };
    entries.filter_map(seen).collect()
}

fn see(directory: &Path) -> Option<Seen> {
    let stat = fs::read(directory.join("stat")).ok()?;
    parse(&String::from_utf8_lossy(&stat))
}

/// The third and the fourth field of `proc_pid_stat(5)`; the name before them may hold anything.
fn parse(stat: &str) -> Option<Seen> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let stopped = fields.next()? == "T";
    Some(Seen { parent: fields.next()?.parse().ok()?, stopped })
}

fn descends(mut pid: i32, root: i32, all: &BTreeMap<i32, Seen>) -> bool {
    // Processes come and go while they are listed, so a circle is possible.
    for _ in 0..all.len() {
        match all.get(&pid) {
            Some(seen) if seen.parent == root => return true,
            Some(seen) => pid = seen.parent,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_stopped_ones_below_are_found() {
        let seen = |parent, stopped| Seen { parent, stopped };
        let all = BTreeMap::from([
            (2, seen(1, true)),
            (3, seen(2, false)),
            (4, seen(3, true)),
            (5, seen(6, true)),
            (6, seen(5, true)),
        ]);
        assert!(descends(4, 2, &all) && descends(3, 2, &all));
        assert!(!descends(2, 3, &all) && !descends(5, 2, &all) && !descends(9, 2, &all));
        assert_eq!(parse("7 (a) b) T 3 7 7"), Some(seen(3, true)));
        assert_eq!(parse("7 (a) S 3 7 7"), Some(seen(3, false)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,20}|[0-9]+ \\(.{0,9}\\) [A-Z] [0-9]{0,12}") {
            let _ = parse(&text);
        }
    }
}
