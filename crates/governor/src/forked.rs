//! Memory that forked processes share, which a sum over processes counts more than once.
//!
//! The kernel's proportional share of a process (PSS) counts it once, but costs a walk over its
//! page tables. So it is read only where two large processes may share, and seldom; in between
//! the ratio that was seen is presumed. Does not know units.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ironwright_core::units::{Bytes, MIB};
use ironwright_host::kernel;

/// A process smaller than this shares too little to matter, in bytes.
const SMALL: u64 = 32 * MIB;
/// Time between two readings.
const READ_EVERY: Duration = Duration::from_millis(500);

/// Parent and resident bytes of each process of a unit.
pub(crate) type Family = BTreeMap<i32, (i32, u64)>;

/// How much of the sum over processes there really is.
#[derive(Debug)]
pub(crate) struct Forked {
    part: f64,
    read: Option<Instant>,
}

impl Default for Forked {
    fn default() -> Self {
        Self { part: 1.0, read: None }
    }
}

impl Forked {
    /// A sum of resident memory, without what was counted twice.
    pub(crate) fn corrected(&self, sum: Bytes) -> Bytes {
        sum.scaled(self.part)
    }

    /// Reads the share of processes that may have been forked from each other: those of one program
    /// with a parent of the same.
    pub(crate) fn look(&mut self, proc: &Path, family: &Family, now: Instant) {
        let relatives = relatives(proc, family);
        if relatives.is_empty() {
            *self = Self::default();
            return;
        }
        if self.read.is_some_and(|then| now.duration_since(then) < READ_EVERY) {
            return;
        }
        self.read = Some(now);
        let sum: u64 = family.values().map(|(_, memory)| *memory).sum();
        let excess: u64 = relatives
            .iter()
            .filter_map(|pid| {
                let (_, memory) = family.get(pid)?;
                Some(memory.saturating_sub(share(proc, *pid)?))
            })
            .sum();
        self.part = (1.0 - excess as f64 / (sum as f64).max(1.0)).clamp(0.1, 1.0);
    }
}

fn relatives(proc: &Path, family: &Family) -> Vec<i32> {
    let large = |pid: &i32| family.get(pid).is_some_and(|(_, memory)| *memory >= SMALL);
    let mut found = Vec::new();
    for (pid, (parent, _)) in family {
        let related = large(pid) && large(parent) && {
            let own = program(proc, *pid);
            own.is_some() && own == program(proc, *parent)
        };
        if related {
            found.extend([*pid, *parent]);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn program(proc: &Path, pid: i32) -> Option<PathBuf> {
    fs::read_link(proc.join(format!("{pid}/exe"))).ok()
}

/// A process's share of the pages that no file backs, in bytes.
fn share(proc: &Path, pid: i32) -> Option<u64> {
    parse(&kernel::read(&proc.join(format!("{pid}/smaps_rollup"))).ok()?)
}

fn parse(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:"))?;
    line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    /// Two children that hold the 200 MiB of their parent take no more than it alone.
    #[test]
    fn forks_that_share_all_are_counted_once() {
        let script = "import os, time\nx = bytearray(os.urandom(1) * (200 << 20))\n\
                      for _ in range(2):\n    if os.fork() == 0:\n        time.sleep(30)\n\
                      print('ready', flush=True)\ntime.sleep(30)";
        let mut command = Command::new("python3");
        command.args(["-c", script]).stdout(std::process::Stdio::piped());
        let mut child =
            std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn().unwrap();
        let mut line = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let parent = i32::try_from(child.id()).unwrap();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        let memory = 205 * MIB;
        let mut family = BTreeMap::from([(parent, (1, memory))]);
        for pid in children.unwrap().split_ascii_whitespace() {
            family.insert(pid.parse().unwrap(), (parent, memory));
        }
        let mut forked = Forked::default();
        forked.look(Path::new("/proc"), &family, Instant::now());
        let corrected = forked.corrected(Bytes(3 * memory));
        let group = rustix::process::Pid::from_raw(parent).unwrap();
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        child.wait().unwrap();
        assert_eq!(family.len(), 3);
        assert!(corrected > Bytes::mib(190) && corrected < Bytes::mib(240), "{corrected}");
        forked.look(Path::new("/proc"), &BTreeMap::new(), Instant::now());
        assert_eq!(forked.corrected(Bytes(5)), Bytes(5));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(Pss_Anon: *[0-9]{0,20} ?kB\n|\\PC){0,4}") {
            let _ = parse(&text);
        }
    }
}
