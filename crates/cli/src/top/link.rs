//! The line to the governor, on which its notes come as JSON.
//!
//! Finds the next governor when one goes. Does not know what the notes say.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ironwright_wire::{
    Channel, ChannelError, FromGovernor, Place, ToGovernor, runtime_directory, variable,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Time between two attempts to find a governor.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// A governor tells each second that it lives; one that is silent for longer does not.
const SILENCE: Duration = Duration::from_secs(4);

/// How the line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Notes come.
    Attached,
    /// There is a governor that says nothing, for so long.
    Silent(Duration),
    /// There has been none for so long.
    Gone(Duration),
}

/// A line to whichever governor there is.
pub(crate) struct Link {
    path: PathBuf,
    channel: Option<Channel>,
    /// When something came last, or when the line broke.
    since: Instant,
    next_try: Instant,
    /// Why a governor could not be understood.
    pub(crate) fault: Option<ChannelError>,
}

/// Where the governor of this user listens.
pub(crate) fn socket_path() -> PathBuf {
    match std::env::var_os(variable::SOCKET).filter(|path| !path.is_empty()) {
        Some(path) => path.into(),
        None => Place::of(runtime_directory(), rustix::process::getuid().as_raw()).socket(),
    }
}

impl Link {
    /// A line to the governor at a place, where there may be none yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        let now = Instant::now();
        let mut link = Self { path, channel: None, since: now, next_try: now, fault: None };
        link.connect();
        link
    }

    /// Whether there is a governor.
    pub(crate) const fn is_open(&self) -> bool {
        self.channel.is_some()
    }

    /// How the line stands.
    pub(crate) fn standing(&self) -> Standing {
        let elapsed = self.since.elapsed();
        match &self.channel {
            Some(_) if elapsed < SILENCE => Standing::Attached,
            Some(_) => Standing::Silent(elapsed),
            None => Standing::Gone(elapsed),
        }
    }

    fn connect(&mut self) {
        self.next_try = Instant::now() + TRY_EVERY;
        let Ok(mut channel) = connected(&self.path) else { return };
        if channel.tell(&ToGovernor::Watch).is_ok() {
            self.channel = Some(channel);
            self.since = Instant::now();
        }
    }

    /// The notes that have come. Looks for another governor where there is none.
    pub(crate) fn notes(&mut self) -> Vec<String> {
        if self.channel.is_none() && Instant::now() >= self.next_try {
            self.connect();
        }
        let mut notes = Vec::new();
        let Some(channel) = &mut self.channel else { return notes };
        let received = channel.flush().and_then(|()| channel.receive());
        let heard = loop {
            match channel.next_from_governor() {
                Ok(Some(FromGovernor::Note(json))) => notes.push(json),
                Ok(Some(_)) => self.since = Instant::now(),
                Ok(None) => break received,
                Err(error) => break Err(error),
            }
        };
        if !notes.is_empty() {
            (self.since, self.fault) = (Instant::now(), None);
        }
        if let Err(error) = heard {
            self.channel = None;
            self.since = Instant::now();
            self.fault = Some(error).filter(|error| !matches!(error, ChannelError::Closed));
        }
        notes
    }

    /// Waits until something comes, at most for so long.
    pub(crate) fn wait(&self, within: Duration) {
        let Some(channel) = &self.channel else {
            std::thread::sleep(within.min(TRY_EVERY));
            return;
        };
        let mut watched = [PollFd::new(channel, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: within.subsec_nanos().into(),
        };
        // Interrupted or not, whoever waits looks at what came.
        let _ = poll(&mut watched, Some(&timeout));
    }
}

/// Connects without waiting: a governor that is stopped has a full queue.
fn connected(path: &Path) -> io::Result<Channel> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    let peer = rustix::net::sockopt::socket_peercred(&socket)?;
    // In a directory that is everybody's, anybody may listen.
    if peer.uid != rustix::process::getuid() && !peer.uid.is_root() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Channel::new(UnixStream::from(socket))
}
