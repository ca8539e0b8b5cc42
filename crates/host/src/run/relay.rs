//! Passes a child's output on in whole lines, or in part when it pauses in the middle of one.
//!
//! Does not know where the output goes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::pipe::PipeFlags;

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
/// Bytes of one read: what a pipe holds unless somebody enlarges it.
const CHUNK: usize = 64 * 1024;
/// Reads before other events get their turn, or a child that prints without end would keep its
/// user from interrupting it. Together they empty the largest pipe that a user may make (1 MiB).
const CHUNKS_AT_ONCE: usize = 17;
/// Bytes of an unfinished line that are kept back at most.
const LONGEST_LINE: usize = 64 * 1024;

/// The reading end of a child's stream.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) stream: Stream,
    end: Option<OwnedFd>,
    buffer: Vec<u8>,
    pending: Vec<u8>,
    last: Instant,
}

impl Relay {
    /// A relay, and the end for the child to write to.
    pub(crate) fn new(stream: Stream) -> io::Result<(Self, OwnedFd)> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        // Only our end: the flag belongs to the open file, and a child may not expect it on its.
        rustix::fs::fcntl_setfl(&read, OFlags::NONBLOCK)?;
        let (buffer, pending) = (vec![0; CHUNK], Vec::new());
        Ok((Self { stream, end: Some(read), buffer, pending, last: Instant::now() }, write))
    }

    /// What to poll, until the child closed its end.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.end.as_ref().map(AsFd::as_fd)
    }

    /// Reads what is there, up to a bound, and hands out what is complete.
    pub(crate) fn pump(&mut self, mut out: impl FnMut(&[u8])) {
        for _ in 0..CHUNKS_AT_ONCE {
            let Some(end) = &self.end else { break };
            match rustix::io::read(end, &mut self.buffer) {
                Ok(0) => self.end = None,
                Ok(n) => self.take(n, &mut out),
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

    /// Takes the first `n` bytes of the buffer; hands out everything up to their last line end.
    fn take(&mut self, n: usize, out: &mut impl FnMut(&[u8])) {
        self.last = Instant::now();
        let chunk = self.buffer.get(..n).unwrap_or_default();
        let complete = chunk.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (lines, rest) = chunk.split_at(complete);
        self.pending.extend_from_slice(lines);
        if complete > 0 {
            out(&std::mem::take(&mut self.pending));
        }
        self.pending.extend_from_slice(rest);
        if self.pending.len() >= LONGEST_LINE {
            self.flush(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn handed_out(relay: &mut Relay) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        relay.pump(|bytes| all.push(bytes.to_vec()));
        all
    }

    #[test]
    fn lines_come_whole_and_the_rest_after_a_pause() {
        let (mut relay, child) = Relay::new(Stream::Stdout).unwrap();
        rustix::io::write(&child, b"one\ntwo\nthr").unwrap();
        assert_eq!(handed_out(&mut relay), [b"one\ntwo\n"]);
        assert!(relay.is_pending());
        rustix::io::write(&child, b"ee\n? ").unwrap();
        assert_eq!(handed_out(&mut relay), [b"three\n"]);
        std::thread::sleep(PATIENCE);
        assert_eq!(handed_out(&mut relay), [b"? "]);
    }

    #[test]
    fn the_end_hands_out_an_unfinished_line() {
        let (mut relay, child) = Relay::new(Stream::Stdout).unwrap();
        rustix::io::write(&child, b"no newline").unwrap();
        drop(child);
        assert_eq!(handed_out(&mut relay), [b"no newline"]);
        assert!(relay.fd().is_none());
    }

    #[test]
    fn a_writer_without_end_does_not_hold_the_loop() {
        let (mut relay, child) = Relay::new(Stream::Stdout).unwrap();
        let mut read = 0;
        let mut refill = |bytes: &[u8]| {
            read += bytes.len();
            let _ = rustix::io::write(&child, &vec![b'y'; CHUNK]);
        };
        refill(b"");
        relay.pump(&mut refill);
        assert!((CHUNK..=CHUNK * CHUNKS_AT_ONCE).contains(&read), "{read}");
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_moved(chunks in prop::collection::vec("[a\n]{0,40}", 0..8)) {
            let (mut relay, child) = Relay::new(Stream::Stderr).unwrap();
            let mut got = Vec::new();
            for chunk in &chunks {
                rustix::io::write(&child, chunk.as_bytes()).unwrap();
                relay.pump(|bytes| got.extend_from_slice(bytes));
            }
            relay.flush(|bytes| got.extend_from_slice(bytes));
            prop_assert_eq!(got, chunks.concat().into_bytes());
        }
    }
}
