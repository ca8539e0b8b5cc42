//! Starts a command that is to be measured.
//!
//! The kernel counts a process's memory from that of the process that started it on, and this program
//! holds more than many commands ever take. So a small program starts them where there is one, and this
//! one, which takes orphans in, waits. Does not wait itself.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ironwright_core::units::Bytes;
use ironwright_wire::Handed;
use rustix::io::FdFlags;
use rustix::time::{ClockId, clock_gettime};

use super::{Job, PROC};
use crate::procfs;

/// A command that runs.
pub(super) struct Started {
    pub(super) pid: i32,
    /// Its process group.
    pub(super) group: i32,
    /// When it was started, by `now`.
    pub(super) began: Duration,
    /// What it begins to be counted with: a peak below it cannot be told.
    pub(super) floor: Bytes,
}

/// Time on a clock that never jumps.
pub(super) fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}

/// A command in a process group of its own, so that a terminal's Ctrl-C reaches it through us.
pub(super) fn command(program: &OsStr, job: &Job, input: Stdio) -> Command {
    let mut command = Command::new(program);
    command
        .envs(job.environment.iter().map(|(name, value)| (name, value)))
        .process_group(0)
        .stdin(input);
    command
}

/// Starts a command from here.
pub(super) fn directly(mut command: Command) -> io::Result<Started> {
    let floor = procfs::own_peak(Path::new(PROC)).unwrap_or_default();
    let began = now();
    let pid = number(command.spawn()?.id())?;
    Ok(Started { pid, group: pid, began, floor })
}

/// Has a command started: `command` runs the launcher, which gets the job's words as arguments.
pub(super) fn by_launcher(mut command: Command, words: &[String]) -> io::Result<Started> {
    let (report, write) = report()?;
    take_orphans_in();
    command.arg("--hand-over").arg(write.as_raw_fd().to_string()).args(words);
    let mut launcher = command.spawn()?;
    drop((command, write));
    let group = number(launcher.id())?;
    let mut bytes = [0; Handed::SIZE];
    let told = std::fs::File::from(report).read_exact(&mut bytes);
    launcher.wait()?;
    told?;
    let handed = Handed::from_bytes(bytes);
    if handed.error != 0 {
        return Err(io::Error::from_raw_os_error(handed.error));
    }
    Ok(Started {
        pid: handed.process,
        group,
        began: Duration::from_nanos(handed.began_ns),
        floor: Bytes(handed.held),
    })
}

/// Makes orphans of commands children of this process. A run that was watched in between has given that up.
pub(super) fn take_orphans_in() {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// A pipe whose end to write to is left to the launcher.
fn report() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::fcntl_setfd(&write, FdFlags::empty())?;
    Ok((read, write))
}

fn number(pid: u32) -> io::Result<i32> {
    i32::try_from(pid).map_err(io::Error::other)
}
