//! Passes a child's output on in whole lines, or in part when it pauses in the middle of one.
//!
//! Does not know where the output goes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Which stream of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Silence after which an unfinished line is passed on: a prompt, or a progress of dots.
const PATIENCE: Duration = Duration::from_millis(100);

/// The reading end of a child's stream.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) stream: Stream,
    end: Option<OwnedFd>,
    pending: Vec<u8>,
    last: Instant,
}

impl Relay {
    pub(crate) fn new(stream: Stream, end: OwnedFd) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&end)?;
        rustix::fs::fcntl_setfl(&end, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self { stream, end: Some(end), pending: Vec::new(), last: Instant::now() })
    }

    /// What to poll, until the child closed its end.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.end.as_ref().map(AsFd::as_fd)
    }

    /// Reads what is there and hands out what is complete.
    pub(crate) fn pump(&mut self, mut out: impl FnMut(&[u8])) {
        let mut buffer = [0; 16 * 1024];
        while let Some(end) = &self.end {
            match rustix::io::read(end, &mut buffer) {
                Ok(0) => self.end = None,
                Ok(n) => {
                    self.pending.extend_from_slice(buffer.get(..n).unwrap_or_default());
                    self.last = Instant::now();
                    self.complete(&mut out);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(_) => self.end = None,
            }
        }
        if self.end.is_none() || self.last.elapsed() >= PATIENCE {
            self.flush(&mut out);
        }
    }

    /// Hands out what is left.
    pub(crate) fn flush(&mut self, mut out: impl FnMut(&[u8])) {
        if !self.pending.is_empty() {
            out(&std::mem::take(&mut self.pending));
        }
    }

    /// True while part of a line waits for its end.
    pub(crate) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn complete(&mut self, out: &mut impl FnMut(&[u8])) {
        if let Some(newline) = self.pending.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.pending.split_off(newline + 1);
            out(&std::mem::replace(&mut self.pending, rest));
        }
    }
}
