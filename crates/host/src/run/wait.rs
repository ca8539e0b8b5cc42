//! `wait4(2)`: the end of a child with the resources that it and its own children used.
//!
//! No library in use wraps the call. Does not know which child is the one that matters.

use std::time::Duration;

use ironwright_core::observe::Exit;
use ironwright_core::units::Bytes;

/// A child that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) pid: i32,
    pub(crate) exit: Exit,
    /// User time of the child and of those of its descendants that were waited for.
    pub(crate) user: Duration,
    /// The same in the kernel.
    pub(crate) system: Duration,
    /// Resident memory of the largest single process among them.
    pub(crate) largest: Bytes,
}

/// A child that ended and was not yet waited for, if there is one. Never blocks.
pub(crate) fn reap() -> Option<Ended> {
    reap_one(-1)
}

/// A certain child, if it ended and was not yet waited for. Never blocks.
#[expect(unsafe_code, reason = "no safe wrapper of wait4 tells the resources")]
pub(crate) fn reap_one(child: i32) -> Option<Ended> {
    let mut status = 0;
    // SAFETY: `rusage` holds integers only, for which all bits zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live, writable locals of the types that the call expects.
    let pid = unsafe { libc::wait4(child, &raw mut status, libc::WNOHANG, &raw mut usage) };
    if pid <= 0 {
        return None;
    }
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    let kib = u64::try_from(usage.ru_maxrss).unwrap_or(0);
    Some(Ended {
        pid,
        exit,
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        largest: Bytes::kib(kib),
    })
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
