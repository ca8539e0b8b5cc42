//! The signals that end a governor, as something to poll.
//!
//! Does not know what an end needs.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Receives SIGTERM, SIGINT and SIGHUP.
#[derive(Debug)]
pub(crate) struct Signals {
    socket: UnixStream,
}

impl Signals {
    /// Begins to receive them.
    pub(crate) fn register() -> io::Result<Self> {
        let (socket, end) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, end.try_clone()?)?;
        }
        Ok(Self { socket })
    }

    /// Whether one came.
    pub(crate) fn take(&mut self) -> bool {
        let mut buffer = [0; 16];
        matches!(self.socket.read(&mut buffer), Ok(count) if count > 0)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
