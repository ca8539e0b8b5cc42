//! Standard output and error of the command on their way to those of the launcher.
//!
//! Both are left to the command itself where it could not run again, and at a terminal, where it
//! decides on colours. Where both go to the same place they share one pipe, so that their order
//! stays. Does not know which lines are held back.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl, fstat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::governor::timespec;
use crate::lines::Lines;

/// Read at once. Most units say nothing, and pages of a large buffer would cost each of them.
const READ: usize = 16 << 10;
/// Written at once: a pipe that has any room takes this much without blocking, see `PIPE_BUF` in
/// `pipe(7)`.
const WRITE: usize = 4096;
/// While so much waits to be written nothing is read, so that the command has to wait as well.
const MOST_WAITING: usize = 64 << 10;
/// Read at most after the end, in case what the command left behind writes for ever. The largest
/// pipe that an unprivileged process can make.
const MOST_DRAINED: usize = 1 << 20;

/// One of the launcher's own streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Output,
    Error,
    /// Both, because they are the same.
    Both,
}

impl To {
    fn descriptor(self) -> BorrowedFd<'static> {
        match self {
            Self::Output | Self::Both => rustix::stdio::stdout(),
            Self::Error => rustix::stdio::stderr(),
        }
    }
}

#[derive(Debug)]
struct Relay {
    to: To,
    from: Option<File>,
    lines: Lines,
    fault: Option<Errno>,
}

/// The streams that are relayed: none, one or two.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    relays: Vec<Relay>,
    buffer: Vec<u8>,
}

impl Streams {
    /// Finds out what has to be relayed.
    pub(crate) fn new(retryable: bool) -> Self {
        if !retryable {
            return Self::default();
        }
        let (output, error) = (rustix::stdio::stdout(), rustix::stdio::stderr());
        let targets: &[To] = match (is_relayed(output), is_relayed(error)) {
            (true, true) if is_same(output, error) => &[To::Both],
            (true, true) => &[To::Output, To::Error],
            (true, false) => &[To::Output],
            (false, true) => &[To::Error],
            (false, false) => &[],
        };
        let relay = |to: &To| Relay { to: *to, from: None, lines: Lines::default(), fault: None };
        Self { relays: targets.iter().map(relay).collect(), buffer: Vec::new() }
    }

    /// Gives a command the pipes that end here.
    pub(crate) fn attach(&mut self, command: &mut Command) -> io::Result<()> {
        for relay in &mut self.relays {
            let (from, to) = pipe_with(PipeFlags::CLOEXEC)?;
            // The other end is the command's, which expects one that blocks.
            fcntl_setfl(&from, OFlags::NONBLOCK)?;
            relay.from = Some(File::from(from));
            relay.give(command, to)?;
        }
        Ok(())
    }

    /// What to wait for.
    pub(crate) fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        for relay in &self.relays {
            if !relay.lines.ready().is_empty() {
                watched.push(PollFd::from_borrowed_fd(relay.to.descriptor(), PollFlags::OUT));
            }
            if let Some(from) = relay.from.as_ref().filter(|_| relay.has_room()) {
                watched.push(PollFd::new(from, PollFlags::IN));
            }
        }
    }

    /// Passes on what can be passed on without waiting.
    pub(crate) fn step(&mut self) {
        self.buffer.resize(READ, 0);
        for relay in &mut self.relays {
            if relay.has_room() {
                relay.read(&mut self.buffer);
            }
            relay.write();
        }
    }

    /// Takes in what the command left, without waiting for those that still hold its pipes.
    pub(crate) fn drain(&mut self) {
        self.buffer.resize(READ, 0);
        for relay in &mut self.relays {
            let mut left = MOST_DRAINED;
            while let Some(count) = relay.read(&mut self.buffer).filter(|_| left > 0) {
                left = left.saturating_sub(count);
            }
            relay.from = None;
            // Whoever reads should not have to wait for a verdict.
            relay.write();
        }
    }

    /// Whether a line told of a killed process.
    pub(crate) fn tell_of_kill(&self) -> bool {
        self.relays.iter().any(|relay| relay.lines.tells_of_kill())
    }

    /// The command runs again.
    pub(crate) fn again(&mut self) {
        for relay in &mut self.relays {
            relay.lines.again();
        }
    }

    /// The command does not run again: writes everything, for as long as it takes.
    pub(crate) fn finish(&mut self) -> Result<(), Errno> {
        for relay in &mut self.relays {
            relay.lines.release();
            while !relay.lines.ready().is_empty() {
                let target = relay.to.descriptor();
                let _ = poll(&mut [PollFd::from_borrowed_fd(target, PollFlags::OUT)], None);
                relay.write();
            }
            // Whoever closed a pipe does not miss what would have gone into it.
            if let Some(fault) = relay.fault.filter(|fault| *fault != Errno::PIPE) {
                return Err(fault);
            }
        }
        Ok(())
    }
}

impl Relay {
    fn give(&self, command: &mut Command, to: OwnedFd) -> io::Result<()> {
        match self.to {
            To::Output => drop(command.stdout(Stdio::from(to))),
            To::Error => drop(command.stderr(Stdio::from(to))),
            To::Both => drop(command.stdout(Stdio::from(to.try_clone()?)).stderr(Stdio::from(to))),
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.lines.ready().len() < MOST_WAITING
    }

    /// Reads once; how much, if anything was there.
    fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match self.from.as_mut()?.read(buffer) {
            Ok(0) => self.from = None,
            Ok(count) => {
                if self.fault.is_none() {
                    self.lines.feed(buffer.get(..count).unwrap_or_default());
                }
                return Some(count);
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
                _ => self.from = None,
            },
        }
        None
    }

    fn write(&mut self) {
        let target = self.to.descriptor();
        while let Some(piece) = self.lines.ready().chunks(WRITE).next() {
            let mut watched = [PollFd::from_borrowed_fd(target, PollFlags::OUT)];
            if poll(&mut watched, Some(&timespec(std::time::Duration::ZERO))) == Ok(0) {
                return;
            }
            match rustix::io::write(target, piece) {
                Ok(count) => self.lines.written(count),
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(fault) => self.fail(fault),
            }
        }
    }

    /// Closes the command's pipe, so that it learns of it as it would have without the launcher.
    fn fail(&mut self, fault: Errno) {
        self.fault = Some(fault);
        self.from = None;
        self.lines.written(usize::MAX);
    }
}

/// A stream that is closed is left as it is.
fn is_relayed(stream: BorrowedFd<'_>) -> bool {
    rustix::io::fcntl_getfd(stream).is_ok() && !rustix::termios::isatty(stream)
}

fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let identity = |stream: BorrowedFd<'_>| fstat(stream).ok().map(|s| (s.st_dev, s.st_ino));
    identity(one.as_fd()).is_some_and(|one| identity(other) == Some(one))
}
