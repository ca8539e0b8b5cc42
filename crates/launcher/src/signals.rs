//! The signals that a launcher takes while its command runs.
//!
//! They are blocked and read from a descriptor, so no code runs at an arbitrary moment; the command
//! gets the mask that the launcher began with. Does not know what follows from a signal.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::{self, Mask};

/// Passed on to the command.
const FORWARDED: &[i32] =
    &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];

/// By which a user or a build tool ends a command.
const ENDING: &[i32] = &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// A `signalfd_siginfo`, which begins with the number of the signal; see `signalfd(2)`.
const RECORD: usize = 128;

/// What a signal is to the launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Something happened to the command.
    Child,
    /// From the terminal: everything is to stop for a while.
    Suspend,
    /// To be passed on.
    Forward {
        signal: i32,
        /// Whether it is meant to end the command.
        ending: bool,
    },
}

/// The signals, taken until this is dropped.
pub(crate) struct Signals {
    descriptor: OwnedFd,
    before: Mask,
    child_ignored: bool,
}

impl Signals {
    /// Takes them. What is ignored stays so: the command, which ignores it too, need not hear.
    pub(crate) fn take() -> io::Result<Self> {
        let child_ignored = sys::is_ignored(libc::SIGCHLD);
        if child_ignored {
            // Or the kernel would reap the command, and nobody would learn how it ended.
            sys::act(libc::SIGCHLD, false);
        }
        let wanted = FORWARDED.iter().chain(&[libc::SIGTSTP]).copied();
        let mut wanted: Vec<i32> = wanted.filter(|signal| !sys::is_ignored(*signal)).collect();
        wanted.push(libc::SIGCHLD);
        let descriptor = Mask::of(&wanted).descriptor()?;
        // Taking back the terminal from the background must not stop the launcher.
        wanted.push(libc::SIGTTOU);
        Ok(Self { descriptor, before: Mask::of(&wanted).block(), child_ignored })
    }

    /// The mask that held before.
    pub(crate) fn before(&self) -> Mask {
        self.before
    }

    /// Whether SIGCHLD was ignored before.
    pub(crate) fn child_ignored(&self) -> bool {
        self.child_ignored
    }

    /// The next signal that came. Never waits.
    pub(crate) fn next(&self) -> Option<Signal> {
        let mut record = [0_u8; RECORD];
        let length = rustix::io::read(&self.descriptor, &mut record).ok()?;
        let (number, _) = record.get(..length)?.split_first_chunk::<4>()?;
        Some(match i32::from_ne_bytes(*number) {
            libc::SIGCHLD => Signal::Child,
            libc::SIGTSTP => Signal::Suspend,
            signal => Signal::Forward { signal, ending: ENDING.contains(&signal) },
        })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if self.child_ignored {
            sys::act(libc::SIGCHLD, true);
        }
        self.before.set();
    }
}

/// Stops this process, or with 0 its whole group, by a signal whose action is the default one.
/// Returns when it goes on.
pub(crate) fn stop(target: i32, signal: i32) {
    let before = Mask::of(&[signal]).unblock();
    sys::send(target, signal);
    before.set();
}
