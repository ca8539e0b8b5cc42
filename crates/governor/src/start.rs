//! Starting a governor when one is needed.
//!
//! Does not know how a governor governs; it is another process, made by the same program.

use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ironwright_wire::Place;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// How long a new governor may take until it listens. Ten times what a busy machine needed.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pause between two tries to connect.
const PAUSE: Duration = Duration::from_millis(2);

/// What was found or made.
#[derive(Debug)]
pub enum Started {
    /// One governs already.
    Running,
    /// This one was started, and listens.
    New(Child),
}

/// Connects to the governor, and starts one first if there is none.
///
/// `command` is the program with the arguments that make it govern. What it says goes to `log`.
/// `started` is told the process as soon as there is one.
///
/// # Errors
/// When it cannot be started, or does not listen in time.
pub fn ensure(
    place: &Place,
    command: Command,
    log: Option<&Path>,
    started: impl FnOnce(i32),
) -> io::Result<Started> {
    if is_listened_at(place) {
        return Ok(Started::Running);
    }
    let mut child = detached(command, log).spawn()?;
    started(i32::try_from(child.id()).map_err(io::Error::other)?);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if is_listened_at(place) {
            // Two may have been started at once; the one that came second is gone.
            return Ok(match state(&mut child) {
                State::Runs => Started::New(child),
                State::Done | State::Failed(_) => Started::Running,
            });
        }
        if let State::Failed(status) = state(&mut child) {
            return Err(io::Error::other(format!("the governor ended: {status}")));
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the governor does not listen"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Connects without waiting: a governor that is stopped may have a full queue.
///
/// # Errors
/// When nobody listens, or nobody accepts.
pub fn connect(place: &Place) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(place.socket())?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

/// Whether somebody has the socket, be he busy.
fn is_listened_at(place: &Place) -> bool {
    match connect(place) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

enum State {
    Runs,
    Done,
    Failed(ExitStatus),
}

/// A caller that waits for all its children may learn of the end first.
fn state(child: &mut Child) -> State {
    match child.try_wait() {
        Ok(None) => State::Runs,
        Ok(Some(status)) if !status.success() => State::Failed(status),
        Ok(Some(_)) | Err(_) => State::Done,
    }
}

fn detached(mut command: Command, log: Option<&Path>) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(log.and_then(|log| open_log(log).ok()).map_or_else(Stdio::null, Stdio::from));
    // A directory that a build removes must not be kept busy.
    command.current_dir("/");
    command
}

fn open_log(log: &Path) -> io::Result<File> {
    if let Some(directory) = log.parent() {
        fs::create_dir_all(directory)?;
    }
    File::create(log)
}
