//! A control group with a memory limit for a batch, of version 1 or 2.
//!
//! Does not know what runs in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// Where version 1's memory controller is mounted.
const V1: &str = "/sys/fs/cgroup/memory";
/// Where version 2 is mounted.
const V2: &str = "/sys/fs/cgroup";
/// Time that what is left has to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A group; goes with all that still runs in it when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    directory: PathBuf,
    version: u8,
}

impl Group {
    /// Makes a group whose processes may hold `mib` together, without swap.
    pub(crate) fn make(name: &str, mib: u64) -> Result<Self> {
        let v1 = Path::new(V1).join("memory.limit_in_bytes").exists();
        let (parent, version) = if v1 { (PathBuf::from(V1), 1) } else { (own_v2()?, 2) };
        let directory = parent.join(format!("ironwright-bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).with_context(|| advice(&directory))?;
        let group = Self { directory, version };
        let limit = (mib << 20).to_string();
        match version {
            1 => group.write("memory.limit_in_bytes", &limit),
            _ => group.write("memory.max", &limit),
        }
        .with_context(|| advice(&group.directory))?;
        // Neither file exists where the kernel keeps no count of swap.
        let _ = group.write("memory.memsw.limit_in_bytes", &limit);
        let _ = group.write("memory.swap.max", "0");
        Ok(group)
    }

    fn write(&self, file: &str, text: &str) -> std::io::Result<()> {
        fs::write(self.directory.join(file), text)
    }

    /// A command that moves itself into the group before it becomes the program.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo 0 > \"$0\" && exec \"$@\""])
            .arg(self.directory.join("cgroup.procs"))
            .arg(program);
        command
    }

    /// Processes in it now.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.directory.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Kills by the kernel for want of memory since it was made.
    pub(crate) fn kills(&self) -> u64 {
        let file = if self.version == 1 { "memory.oom_control" } else { "memory.events" };
        let text = fs::read_to_string(self.directory.join(file)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    /// Most memory that was ever held, in MiB; file pages count too.
    pub(crate) fn peak_mib(&self) -> u64 {
        let file = if self.version == 1 { "memory.max_usage_in_bytes" } else { "memory.peak" };
        let text = fs::read_to_string(self.directory.join(file)).unwrap_or_default();
        text.trim().parse::<u64>().unwrap_or(0) >> 20
    }

    fn signal(&self, signal: Signal) {
        for pid in self.processes().into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let began = Instant::now();
        // The governor writes what it knows before it ends.
        self.signal(Signal::TERM);
        while !self.processes().is_empty() && began.elapsed() < 2 * PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
            if began.elapsed() > PATIENCE {
                self.signal(Signal::KILL);
            }
        }
        while fs::remove_dir(&self.directory).is_err() && began.elapsed() < 3 * PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The group that groups of version 2 are made in: the root's for root, else the own one, out of
/// which this process moves first, because only leaves may hold processes.
fn own_v2() -> Result<PathBuf> {
    let parent = if rustix::process::getuid().is_root() {
        PathBuf::from(V2)
    } else {
        let text = fs::read_to_string("/proc/self/cgroup")?;
        let own = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        let own = Path::new(V2).join(own);
        let bench = own.file_name().is_some_and(|name| name == "bench");
        if bench { own.parent().unwrap_or(&own).to_owned() } else { own }
    };
    let control = parent.join("cgroup.subtree_control");
    if !fs::read_to_string(&control).unwrap_or_default().split(' ').any(|it| it.trim() == "memory")
    {
        if parent != Path::new(V2) {
            let leaf = parent.join("bench");
            fs::create_dir_all(&leaf).with_context(|| advice(&leaf))?;
            let entered = fs::write(leaf.join("cgroup.procs"), "0");
            entered.with_context(|| advice(&leaf))?;
        }
        fs::write(&control, "+memory").with_context(|| advice(&parent))?;
    }
    Ok(parent)
}

fn advice(directory: &Path) -> String {
    format!(
        "no memory group can be made at {}: run this as root, or inside \
         `systemd-run --user --scope -p Delegate=yes -- cargo xtask bench govern`",
        directory.display()
    )
}
