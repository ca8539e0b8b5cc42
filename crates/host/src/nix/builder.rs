//! The processes that build for a connection to a store.
//!
//! Does not know what they build, nor how much memory they may take.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::procfs::pids;

/// The root of the tree that a daemon builds in for a connection, if the connection's process only
/// passes on to a daemon: the daemon names the process that serves a client after the client's number.
pub fn builder_tree(connection: i32) -> Option<i32> {
    let proc = Path::new("/proc");
    passes_on(proc, connection).then(|| served_by(proc, connection))?
}

/// Whether a process holds a socket, as the one of a connection does that passes on to a daemon.
pub(super) fn passes_on(proc: &Path, pid: i32) -> bool {
    let links = fs::read_dir(proc.join(format!("{pid}/fd"))).into_iter().flatten().flatten();
    links
        .filter_map(|link| fs::read_link(link.path()).ok())
        .any(|target| target.to_string_lossy().starts_with("socket:"))
}

/// The process of a daemon that serves a client: `nix-daemon PID`, or `nix PID`.
fn served_by(proc: &Path, client: i32) -> Option<i32> {
    let number = client.to_string();
    pids(proc).into_iter().find(|pid| {
        let bytes = fs::read(proc.join(format!("{pid}/cmdline"))).unwrap_or_default();
        let mut words = bytes.split(|byte| *byte == 0);
        let program = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
        let name = program.rsplit('/').next().unwrap_or_default();
        // The name stands over an argument, and is cut to its length.
        let mut names = words.take(4).filter(|word| !word.is_empty());
        name.starts_with("nix") && names.any(|word| word == number.as_bytes())
    })
}

/// Clock ticks a second in `/proc`: the same on every machine that Linux runs builds on.
const TICKS: u64 = 100;

/// Processor time of a process and of all children that it waited for.
pub fn processor_time(pid: i32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    Duration::from_millis(ticks(&stat).saturating_mul(1000 / TICKS))
}

/// Fields 14 to 17 of `proc_pid_stat(5)`; the name before them may hold anything.
fn ticks(stat: &str) -> u64 {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = rest.split_ascii_whitespace().skip(11).take(4);
    fields.filter_map(|field| field.parse::<u64>().ok()).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(proc: &Path, pid: i32, cmdline: &str, descriptor: &str) {
        let directory = proc.join(pid.to_string());
        fs::create_dir_all(directory.join("fd")).unwrap();
        fs::write(directory.join("cmdline"), cmdline).unwrap();
        std::os::unix::fs::symlink(descriptor, directory.join("fd/4")).unwrap();
    }

    #[test]
    fn a_daemon_names_who_it_serves() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 70, "nix\0daemon\0--stdio\0", "socket:[1]");
        process(proc.path(), 71, "nix\0daemon\0--stdio\0", "pipe:[2]");
        process(proc.path(), 80, "/bin/nix-daemon\x0071\0", "x");
        process(proc.path(), 81, "nix-daemon\x0070\0", "x");
        process(proc.path(), 82, "less\x0070\0", "x");
        assert!(passes_on(proc.path(), 70) && !passes_on(proc.path(), 71));
        assert_eq!(served_by(proc.path(), 70), Some(81));
        assert_eq!(served_by(proc.path(), 7), None);
    }

    #[test]
    fn times_of_children_count() {
        assert_eq!(ticks("7 (a) b) S 1 7 7 0 -1 4 9 9 9 9 10 20 30 40 20 0 1"), 100);
        assert_eq!(ticks("nothing"), 0);
    }
}
