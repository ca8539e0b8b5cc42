//! A connection to the governor, from the launcher's side.
//!
//! Never waits longer than it is told to, and takes every fault for a governor that is gone. Does
//! not know what is asked for.

use std::env;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ironwright_wire::{Channel, FromGovernor, Place, ToGovernor, runtime_directory, variable};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::time::Timespec;

use crate::sys;

/// Pause before a socket whose queue is full is tried again.
const FULL_QUEUE: Duration = Duration::from_micros(500);

/// What came from the governor.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Message(FromGovernor),
    /// Nothing in the time given.
    Nothing,
    /// It is dead, or of another version.
    Gone,
}

/// A connected governor.
#[derive(Debug)]
pub struct Governor {
    channel: Channel,
    process: i32,
    open: bool,
    heard: Instant,
}

impl Governor {
    /// Connects. Where the queue of connections is full, it is tried again for as long as given.
    pub fn connect(within: Duration) -> Option<Self> {
        let address = SocketAddrUnix::new(socket_path()).ok()?;
        let began = Instant::now();
        let socket = loop {
            let socket = new_socket()?;
            match rustix::net::connect(&socket, &address) {
                Ok(()) => break socket,
                Err(Errno::AGAIN) if began.elapsed() < within => std::thread::sleep(FULL_QUEUE),
                Err(_) => return None,
            }
        };
        let peer = rustix::net::sockopt::socket_peercred(&socket).ok()?;
        if peer.uid != rustix::process::getuid() && !peer.uid.is_root() {
            return None;
        }
        let channel = Channel::new(UnixStream::from(socket)).ok()?;
        let process = peer.pid.as_raw_nonzero().get();
        Some(Self { channel, process, open: true, heard: Instant::now() })
    }

    /// Sends, as far as the socket takes it now.
    pub fn tell(&mut self, message: &ToGovernor) {
        self.open &= self.channel.tell(message).is_ok();
    }

    /// Waits for the next message, at most for as long as given.
    pub fn hear(&mut self, within: Duration) -> Heard {
        let deadline = Instant::now() + within;
        loop {
            match self.take() {
                Heard::Nothing => {}
                heard => return heard,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let mut watched = [PollFd::new(self, self.interest())];
            match poll(&mut watched, Some(&timespec(left))) {
                Ok(0) => return Heard::Nothing,
                Ok(_) => self.exchange(),
                Err(Errno::INTR) => {}
                Err(_) => return Heard::Gone,
            }
        }
    }

    /// What to poll the connection for.
    pub fn interest(&self) -> PollFlags {
        if self.channel.unsent() > 0 { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN }
    }

    /// Whether something is not sent yet.
    pub fn owes(&self) -> bool {
        self.open && self.channel.unsent() > 0
    }

    /// Sends what is left and takes in what has come.
    pub fn exchange(&mut self) {
        self.open &= self.channel.flush().is_ok();
        self.open &= self.channel.receive().is_ok();
    }

    /// The next message that was taken in.
    pub fn take(&mut self) -> Heard {
        match self.channel.next_from_governor() {
            Ok(Some(message)) => {
                self.heard = Instant::now();
                Heard::Message(message)
            }
            Ok(None) if self.open => Heard::Nothing,
            Ok(None) | Err(_) => Heard::Gone,
        }
    }

    /// Time since anything came.
    pub fn silence(&self) -> Duration {
        self.heard.elapsed()
    }

    /// Whether the governor could answer if only it got a processor or its disk: one of its threads
    /// is runnable or in uninterruptible sleep. Then it is slow, neither stopped nor dead.
    pub fn is_starved(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process));
        threads.is_ok_and(|threads| threads.flatten().any(|thread| is_busy(&thread.path())))
    }
}

fn is_busy(thread: &Path) -> bool {
    matches!(sys::state_in(thread), Some('R' | 'D'))
}

impl AsFd for Governor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

fn new_socket() -> Option<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()
}

fn socket_path() -> PathBuf {
    env::var_os(variable::SOCKET).map_or_else(default_socket, PathBuf::from)
}

fn default_socket() -> PathBuf {
    Place::of(runtime_directory(), rustix::process::getuid().as_raw()).socket()
}

/// A time to wait, as the kernel takes it.
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
