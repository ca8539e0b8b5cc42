//! The governor's seat: whoever holds the lock governs, and listens at the socket.
//!
//! Does not know what is said there.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ironwright_wire::Place;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::GovernError;

/// A file's identity: device and number.
type Identity = (u64, u64);

/// The lock and the socket of the one that governs.
#[derive(Debug)]
pub(crate) struct Seat {
    place: Place,
    listener: UnixListener,
    socket: Option<Identity>,
    lock: File,
}

/// What became of the files of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// They are as they were made.
    Held,
    /// The socket was gone, and is there again.
    Restored,
    /// Somebody removed the lock: another may govern by now.
    Lost,
}

impl Seat {
    /// Takes the seat; nothing when somebody has it.
    pub(crate) fn take(place: &Place) -> Result<Option<Self>, GovernError> {
        place.prepare(user()).map_err(GovernError::Place)?;
        let path = place.lock();
        let refused = |error| GovernError::File { path: path.clone(), error };
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(refused)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(refused(error.into())),
        }
        let path = place.socket();
        let listener =
            listen(&path).map_err(|error| GovernError::File { path: path.clone(), error })?;
        let socket = identity(&path);
        Ok(Some(Self { place: place.clone(), listener, socket, lock }))
    }

    /// The socket to poll for connections.
    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// The next connection, if one waits and comes from this user, with its process.
    pub(crate) fn accept(&self) -> Option<(UnixStream, i32)> {
        loop {
            let (socket, _) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // It stays in the queue, which would be looked at again at once.
                Err(error) if no_room(&error) => {
                    std::thread::sleep(BREATH);
                    return None;
                }
                Err(_) => return None,
            };
            let Ok(peer) = rustix::net::sockopt::socket_peercred(&socket) else { continue };
            if peer.uid.as_raw() == user() {
                return Some((socket, peer.pid.as_raw_nonzero().get()));
            }
        }
    }

    /// Looks after the files: makes the socket anew when somebody removed it.
    pub(crate) fn check(&mut self) -> State {
        let own = self.lock.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if own.is_none() || identity(&self.place.lock()) != own {
            return State::Lost;
        }
        if identity(&self.place.socket()) == self.socket {
            return State::Held;
        }
        match listen(&self.place.socket()) {
            Ok(listener) => {
                self.listener = listener;
                self.socket = identity(&self.place.socket());
                State::Restored
            }
            Err(_) => State::Held,
        }
    }

    /// Removes the socket, so that nobody comes any more. Who came before is still accepted.
    pub(crate) fn close(&self) {
        if identity(&self.place.socket()) == self.socket {
            let _ = fs::remove_file(self.place.socket());
        }
    }
}

/// Whether there are too many open files, here or on the machine.
fn no_room(error: &io::Error) -> bool {
    let room = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|error| room.contains(&error))
}

/// Pause while there is no room for another connection.
const BREATH: Duration = Duration::from_millis(2);

fn user() -> u32 {
    rustix::process::getuid().as_raw()
}

fn identity(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Listens at a path. The socket appears there only when it may be connected to by its owner alone.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let fresh: PathBuf = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    fs::rename(&fresh, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(directory: &Path) -> Place {
        Place::of(Some(directory.to_owned()), user())
    }

    #[test]
    fn one_governs_until_it_leaves() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        let seat = Seat::take(&place).unwrap().unwrap();
        assert!(Seat::take(&place).unwrap().is_none());
        let mode = fs::metadata(place.socket()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        seat.close();
        drop(seat);
        assert!(!place.socket().exists());
        assert!(Seat::take(&place).unwrap().is_some());
    }

    #[test]
    fn a_peer_is_known_by_its_process() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        let seat = Seat::take(&place).unwrap().unwrap();
        assert!(seat.accept().is_none());
        let _peer = UnixStream::connect(place.socket()).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(seat.accept().unwrap().1, own);
    }

    #[test]
    fn a_removed_socket_comes_back_and_a_removed_lock_ends_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        let mut seat = Seat::take(&place).unwrap().unwrap();
        assert_eq!(seat.check(), State::Held);
        fs::remove_file(place.socket()).unwrap();
        assert_eq!(seat.check(), State::Restored);
        let _peer = UnixStream::connect(place.socket()).unwrap();
        assert!(seat.accept().is_some());
        fs::remove_file(place.lock()).unwrap();
        assert_eq!(seat.check(), State::Lost);
        let other = Seat::take(&place).unwrap().unwrap();
        assert_eq!(seat.check(), State::Lost);
        seat.close();
        assert!(place.socket().exists(), "it is the other's by now");
        drop(other);
    }
}
