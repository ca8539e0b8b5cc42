//! What bounds the memory of processes, and bounds for the processes of a run.
//!
//! Does not know how much memory a build may have, nor what is built. A limit here is the last
//! line of defence: what crosses it is slowed down or killed by the kernel.

mod pinned;
mod v1;
mod v2;

pub mod contain;
pub mod domain;
pub mod scope;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ironwright_core::units::Bytes;
use rustix::io::Errno;

use crate::kernel;
use crate::probe::cgroup::{MOUNTS, Mount, directories, mounts, own_path};
use crate::root::Root;
use pinned::sum;

/// How the memory of a run is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// A control group of version 2: throttled at the budget, killed above.
    CgroupV2,
    /// A control group of version 1: killed at the budget.
    CgroupV1,
    /// A scope that the user's service manager made and limits.
    SystemdScope,
    /// None: the memory of the processes is added up, and nothing stops what grows too fast.
    ProcessTree,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CgroupV2 => "control group (version 2)",
            Self::CgroupV1 => "control group (version 1)",
            Self::SystemdScope => "systemd scope",
            Self::ProcessTree => "process tree",
        })
    }
}

/// Why there is no control group for a run.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// Not a name of a directory.
    #[error("{0:?} cannot name a control group: use up to 100 letters, digits, and \"-_.\"")]
    Name(String),
    /// No hierarchy of this version can be found.
    #[error("control groups of version {0} with the memory controller are not mounted")]
    NotMounted(u8),
    /// The groups above did not hand the controller down.
    #[error(
        "the control group {} has no memory controller; a service manager hands it down with \
         Delegate=yes", .0.display()
    )]
    NoController(PathBuf),
    /// Not this user's.
    #[error(
        "this user may not change the control group {} ({source}); start the command in one of its \
         own: systemd-run --user --scope -p Delegate=yes COMMAND", group.display()
    )]
    NotDelegated {
        /// The group.
        group: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// In version 2 only a group without processes has groups with limits below it.
    #[error(
        "the control group {} also holds {others} other processes, so no limit can be set below it; \
         start the command in one of its own: systemd-run --user --scope -p Delegate=yes COMMAND",
        group.display()
    )]
    Occupied {
        /// The group.
        group: PathBuf,
        /// Processes in it besides this one.
        others: usize,
    },
    /// A group of the same name is in use.
    #[error("the control group {} is still in use; choose another name", .0.display())]
    InUse(PathBuf),
    /// Version 1, or a group that is itself for a unit.
    #[error("only the control group of a run in version 2 can hold groups for units")]
    NotDivisible,
    /// Neither version works here.
    #[error("no control group can limit the run: {v2}; {v1}")]
    Neither {
        /// Why not version 2.
        v2: Box<Self>,
        /// Why not version 1.
        v1: Box<Self>,
    },
    /// The kernel refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
}

/// What the names of groups of runs begin with.
pub const PREFIX: &str = "ironwright-";

/// A control group for the processes of one run, or for those of one unit of it.
///
/// Dropping it removes it when no process is left in it. Nothing is killed unless asked.
#[derive(Debug)]
pub struct Group {
    mechanism: Mechanism,
    path: PathBuf,
    procs: PathBuf,
    divisible: bool,
}

impl Group {
    /// Makes `ironwright-NAME` below the group of this process and limits it: in version 2 where
    /// that group is delegated and has the memory controller, else in version 1.
    ///
    /// `root` is `/`, or a directory that stands in for it. In version 2 this process moves into
    /// `ironwright-self` beside the new group when it is the only one of its group, because a group
    /// with processes cannot limit those below. It stays there.
    ///
    /// # Errors
    /// When neither version works: what each is missing.
    pub fn create(root: &Path, name: &str, budget: Bytes) -> Result<Self, LimitError> {
        check_name(name)?;
        let root = domain::root_at(root);
        let name = format!("{PREFIX}{name}");
        match v2::create(&root, &name, budget) {
            Ok(group) => Ok(group),
            Err(v2) => v1::create(&root, &name, budget)
                .map_err(|v1| LimitError::Neither { v2: Box::new(v2), v1: Box::new(v1) }),
        }
    }

    /// A group of version 2 below this one, all of whose processes the kernel kills together when it
    /// has to kill one. It shares the run's budget.
    ///
    /// # Errors
    /// [`LimitError::NotDivisible`], or what the kernel refused.
    pub fn unit(&self, name: &str) -> Result<Self, LimitError> {
        check_name(name)?;
        if self.divisible { v2::unit(&self.path, name) } else { Err(LimitError::NotDivisible) }
    }

    /// The same below the group of a run that another process made.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn unit_below(run: &Path, name: &str) -> Result<Self, LimitError> {
        check_name(name)?;
        v2::unit(run, name)
    }

    /// As [`Group::create`], but in version 2 only: a group that can hold groups for units.
    ///
    /// # Errors
    /// What is missing for it.
    pub fn create_divisible(root: &Path, name: &str, budget: Bytes) -> Result<Self, LimitError> {
        check_name(name)?;
        v2::create(&domain::root_at(root), &format!("{PREFIX}{name}"), budget)
    }

    fn new(mechanism: Mechanism, path: PathBuf) -> Self {
        let procs = path.join("cgroup.procs");
        Self { mechanism, path, procs, divisible: false }
    }

    /// What limits it.
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file to which a child writes `0` before it executes a command, to be in the group from
    /// its first page on.
    pub fn procs_path(&self) -> &Path {
        &self.procs
    }

    /// Moves a process here; its memory so far stays charged where it was.
    pub fn add(&self, pid: i32) -> io::Result<()> {
        write(&self.procs, &pid.to_string())
    }

    /// Sets the limit anew. Version 2 throttles from the budget on and kills a sixteenth above it;
    /// version 1 knows no throttling and kills at the budget.
    pub fn set_budget(&self, budget: Bytes) -> io::Result<()> {
        match self.mechanism {
            Mechanism::CgroupV2 => v2::set_budget(&self.path, budget),
            _ => v1::set_budget(&self.path, budget),
        }
    }

    /// The most memory that it ever held, caches of files included; `None` before Linux 5.19 in
    /// version 2.
    pub fn peak(&self) -> Option<Bytes> {
        number(&self.path.join(self.file("memory.peak", "memory.max_usage_in_bytes"))).ok()
    }

    /// The memory that it holds, caches of files included.
    pub fn current(&self) -> io::Result<Bytes> {
        number(&self.path.join(self.file("memory.current", "memory.usage_in_bytes")))
    }

    /// Processes in it that the kernel killed for want of memory. Where it kills a unit as a whole
    /// it may count a process more than once.
    pub fn oom_kills(&self) -> Option<u64> {
        let file = self.file("memory.events", "memory.oom_control");
        sum(&kernel::read(&self.path.join(file)).ok()?, &["oom_kill"])
    }

    /// Kills every process in it and returns when none is left.
    ///
    /// # Errors
    /// `InvalidInput` when this process is in it, `TimedOut` when some are left after five seconds.
    pub fn kill(&self) -> io::Result<()> {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        if processes(&self.path)?.contains(&own) {
            let text = "this process is itself in the control group";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let end = Instant::now() + PATIENCE;
        while !self.kill_once()? {
            if Instant::now() > end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Kills what there is now, without waiting until it is gone; true when there was nothing.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn kill_once(&self) -> io::Result<bool> {
        let left = processes(&self.path)?;
        if left.is_empty() {
            return Ok(true);
        }
        if self.mechanism == Mechanism::CgroupV2
            && write(&self.path.join("cgroup.kill"), "1").is_ok()
        {
            return Ok(false);
        }
        // Version 1, and version 2 before Linux 5.14.
        for pid in left.into_iter().filter_map(rustix::process::Pid::from_raw) {
            match rustix::process::kill_process(pid, rustix::process::Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Stops all processes in it, or lets them go on. They keep their memory. The kernel stops those
    /// that wait for a disk only later.
    ///
    /// # Errors
    /// `Unsupported` in version 1, where another controller does this.
    pub fn freeze(&self, frozen: bool) -> io::Result<()> {
        match self.mechanism {
            Mechanism::CgroupV2 => {
                write(&self.path.join("cgroup.freeze"), if frozen { "1" } else { "0" })
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn file(&self, v2: &'static str, v1: &'static str) -> &'static str {
        if self.mechanism == Mechanism::CgroupV2 { v2 } else { v1 }
    }
}

/// How long killed processes are waited for, and how long between two looks.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

impl Drop for Group {
    fn drop(&mut self) {
        // Processes that were just killed hold their group for a moment after they left its list.
        for _ in 0..10 {
            if !matches!(remove(&self.path), Err(error) if is_busy(&error)) {
                return;
            }
            if processes(&self.path).is_ok_and(|left| !left.is_empty()) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Lets the kernel prefer a process when it has to kill one. Only ever raises the preference
/// (`oom_score_adj`, at most 1000), which needs no privilege.
pub fn prefer_to_kill(proc: &Path, pid: i32, adj: i32) -> io::Result<()> {
    let path = proc.join(pid.to_string()).join("oom_score_adj");
    let now: i32 = fs::read_to_string(&path)?
        .trim()
        .parse()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let wanted = adj.min(1000);
    if wanted > now { write(&path, &wanted.to_string()) } else { Ok(()) }
}

/// A name must not lead elsewhere; control files of the kernel all have another beginning.
fn check_name(name: &str) -> Result<(), LimitError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=100).contains(&name.len()) && name.chars().all(is_plain) {
        Ok(())
    } else {
        Err(LimitError::Name(name.to_owned()))
    }
}

/// Where this process's group lies in the hierarchy that has the controller; `None` stands for
/// version 2.
fn own_directory(root: &Root, controller: Option<&str>) -> Option<PathBuf> {
    let text = |path: &str| {
        let bytes = root.read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let is_it = |mount: &Mount| controller.map_or(mount.unified, |name| mount.controls(name));
    let mount = mounts(&text(MOUNTS)).into_iter().find(is_it)?;
    let path = own_path(&text("/proc/self/cgroup"), controller)?;
    let directory = directories(root, &mount, &path).into_iter().next()?;
    root.resolve(&directory).ok()
}

/// Makes the directory of a group. What is left of an earlier one is removed.
fn make(path: &Path) -> Result<(), LimitError> {
    let parent = path.parent().unwrap_or(path);
    let mut made = fs::create_dir(path);
    if matches!(&made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
        remove(path).map_err(|_| LimitError::InUse(path.to_owned()))?;
        made = fs::create_dir(path);
    }
    made.map_err(|error| refused("make", path, parent, error))
}

/// Removes a group and those in it, none of which may have processes.
fn remove(path: &Path) -> io::Result<()> {
    for below in subdirectories(path) {
        remove(&below)?;
    }
    fs::remove_dir(path)
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let is_directory =
        |entry: &fs::DirEntry| entry.file_type().is_ok_and(|file_type| file_type.is_dir());
    entries.flatten().filter(is_directory).map(|entry| entry.path()).collect()
}

/// The processes of a group and of those in it.
fn processes(path: &Path) -> io::Result<Vec<i32>> {
    let text = fs::read_to_string(path.join("cgroup.procs"))?;
    let mut all: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    for below in subdirectories(path) {
        all.extend(processes(&below).unwrap_or_default());
    }
    Ok(all)
}

/// Writes to a file of the kernel, which must exist.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

fn number(path: &Path) -> io::Result<Bytes> {
    let parsed = kernel::read(path)?.trim().parse();
    parsed.map(Bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The error of a refusal: one for who may do it, one for all else.
fn refused(action: &'static str, path: &Path, group: &Path, source: io::Error) -> LimitError {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match source.kind() {
        PermissionDenied | ReadOnlyFilesystem => {
            LimitError::NotDelegated { group: group.to_owned(), source }
        }
        _ => LimitError::Io { action, path: path.to_owned(), source },
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::BUSY.raw_os_error())
}

#[cfg(test)]
mod tests;
