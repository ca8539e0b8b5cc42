//! The signals that matter to a run, as something to poll.
//!
//! Does not know what is done about them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::SigId;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

/// Wakes a poll loop on SIGCHLD and on the signals that end a run, until dropped.
pub(crate) struct Signals {
    wake: UnixStream,
    endings: Vec<(i32, Arc<AtomicUsize>)>,
    registered: Vec<SigId>,
}

impl Signals {
    pub(crate) fn register() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut signals = Self { wake, endings: Vec::new(), registered: Vec::new() };
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let count = Arc::new(AtomicUsize::new(0));
            let shared = Arc::clone(&count);
            signals.registered.push(signal_hook::flag::register_usize(signal, shared, 1)?);
            signals.endings.push((signal, count));
        }
        for signal in [SIGCHLD, SIGINT, SIGTERM, SIGHUP] {
            let end = write.try_clone()?;
            signals.registered.push(signal_hook::low_level::pipe::register(signal, end)?);
        }
        Ok(signals)
    }

    /// What becomes readable when a signal comes.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// The ending signal that came since the last call, if one did.
    pub(crate) fn take_ending(&self) -> Option<i32> {
        let mut buffer = [0; 64];
        while io::Read::read(&mut &self.wake, &mut buffer).is_ok_and(|n| n > 0) {}
        let came = |count: &AtomicUsize| count.swap(0, Ordering::SeqCst) > 0;
        self.endings.iter().find(|(_, count)| came(count)).map(|(signal, _)| *signal)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}
