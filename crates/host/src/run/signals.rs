//! The signals that matter to a run, as something to poll.
//!
//! Does not know what is done about them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::SigId;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

/// How many watch at present.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Wakes a poll loop on SIGCHLD and on the signals that end a run, until dropped.
#[derive(Debug)]
pub(crate) struct Signals {
    wake: UnixStream,
    endings: Vec<(i32, Arc<AtomicUsize>)>,
    registered: Vec<SigId>,
    idle: Arc<AtomicBool>,
}

impl Signals {
    pub(crate) fn register() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let heeded = heeded();
        let idle = defaults_while_idle(&heeded)?;
        LIVE.fetch_add(1, Ordering::SeqCst);
        idle.store(false, Ordering::SeqCst);
        let mut signals = Self { wake, endings: Vec::new(), registered: Vec::new(), idle };
        for signal in heeded {
            let count = Arc::new(AtomicUsize::new(0));
            let shared = Arc::clone(&count);
            signals.registered.push(signal_hook::flag::register_usize(signal, shared, 1)?);
            signals.wake_on(signal, &write)?;
            signals.endings.push((signal, count));
        }
        signals.wake_on(SIGCHLD, &write)?;
        Ok(signals)
    }

    fn wake_on(&mut self, signal: i32, write: &UnixStream) -> io::Result<()> {
        let id = signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        self.registered.push(id);
        Ok(())
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
        // Whoever watches the whole of something still does while a part of it ends.
        if LIVE.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.idle.store(true, Ordering::SeqCst);
        }
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// The signals that end a run. One that was ignored when this program started stays ignored, for
/// us and for the command: so `nohup` and a shell's background jobs want it.
fn heeded() -> Vec<i32> {
    static HEEDED: OnceLock<Vec<i32>> = OnceLock::new();
    let look = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = ignored(&status);
        let is_ignored = |signal: i32| ignored & (1 << (signal - 1)) != 0;
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)).collect()
    };
    HEEDED.get_or_init(look).clone()
}

/// The mask of ignored signals in `/proc/<pid>/status`: bit `n - 1` stands for signal `n`.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// A handler stays installed for good once there was one, and would swallow the signals that come
/// when nothing runs. While the returned flag is set, they do what they do without a handler.
fn defaults_while_idle(signals: &[i32]) -> io::Result<Arc<AtomicBool>> {
    static IDLE: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(idle) = IDLE.get() {
        return Ok(Arc::clone(idle));
    }
    let idle = Arc::new(AtomicBool::new(true));
    for signal in signals {
        signal_hook::flag::register_conditional_default(*signal, Arc::clone(&idle))?;
    }
    Ok(Arc::clone(IDLE.get_or_init(|| idle)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        assert_eq!(ignored("Name:\tx\nSigIgn:\t0000000000000003\nSigCgt:\t0\n"), 3);
        assert_eq!((ignored(""), ignored("SigIgn:\tnothing")), (0, 0));
    }
}
