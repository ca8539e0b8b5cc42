//! A GNU make jobserver: tokens that every build tool below it shares.
//!
//! Does not know how many tokens are right, nor which style a tool speaks; the core does.
//! Protocol: GNU make manual, "POSIX Jobserver Interaction". Every client owns one implicit slot,
//! so `n` tokens are `n - 1` bytes to read.

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ironwright_core::build::JobserverStyle;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::pipe::PipeFlags;
use tempfile::TempDir;

/// A running jobserver; ends, and removes its fifo, when dropped.
#[derive(Debug)]
pub struct Jobserver {
    tokens: NonZeroU32,
    channel: Channel,
    pool: Mutex<Pool>,
}

/// Tokens in the channel and in the hands of clients, the implicit one not counted.
#[derive(Debug)]
struct Pool {
    /// As many as there are.
    made: u32,
    /// As many as there should be. Those that are too many are taken when clients return them.
    wanted: u32,
    /// A way to take tokens without waiting; opened when it is first needed.
    taker: Option<OwnedFd>,
}

#[derive(Debug)]
enum Channel {
    /// Both ends are inherited by every process that is started while it lives.
    Pipe { read: OwnedFd, write: OwnedFd },
    /// Clients open the path; our own end keeps the bytes alive.
    Fifo { end: OwnedFd, path: PathBuf, _directory: TempDir },
}

impl Jobserver {
    /// Starts one with `tokens` slots, the implicit one included. `directory` is where the fifo's
    /// private directory is made.
    pub fn start(
        style: JobserverStyle,
        tokens: NonZeroU32,
        directory: &std::path::Path,
    ) -> io::Result<Self> {
        let channel = match style {
            JobserverStyle::Pipe => {
                // No close-on-exec: the descriptors are the interface.
                let (read, write) = rustix::pipe::pipe_with(PipeFlags::empty())?;
                Channel::Pipe { read, write }
            }
            JobserverStyle::Fifo => fifo(directory)?,
        };
        let made = tokens.get() - 1;
        let pool = Mutex::new(Pool { made, wanted: made, taker: None });
        let server = Self { tokens, channel, pool };
        server.fill(made)?;
        Ok(server)
    }

    fn fill(&self, tokens: u32) -> io::Result<()> {
        let end = match &self.channel {
            Channel::Pipe { write, .. } => write.as_fd(),
            Channel::Fifo { end, .. } => end.as_fd(),
        };
        let bytes = vec![b'+'; tokens as usize];
        // Usually 64 KiB, less for a user who has many pipes. Writing more would wait for ever.
        let room = rustix::pipe::fcntl_getpipe_size(end)?;
        if bytes.len() > room {
            return Err(io::Error::other(format!("{tokens} tokens do not fit in {room} bytes")));
        }
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            written += rustix::io::write(end, rest)?;
        }
        Ok(())
    }

    /// What a client is told in `MAKEFLAGS`.
    pub fn makeflags(&self) -> String {
        let auth = match &self.channel {
            Channel::Pipe { read, write } => format!("{},{}", read.as_raw_fd(), write.as_raw_fd()),
            Channel::Fifo { path, .. } => format!("fifo:{}", path.display()),
        };
        // The leading space says that no bundle of single letters comes first.
        // With -j1 make would leave a jobserver that may grow.
        format!(" -j{} --jobserver-auth={auth}", self.tokens.get().max(2))
    }

    /// Makes the pool larger or smaller: tokens, the implicit one not counted. What clients hold
    /// beyond a smaller size is taken away by [`Jobserver::settle`] once they return it.
    pub fn resize(&self, tokens: u32) -> io::Result<()> {
        self.pool().wanted = tokens;
        self.settle()
    }

    /// Takes away tokens that are too many, and adds those that are missing.
    pub fn settle(&self) -> io::Result<()> {
        let mut pool = self.pool();
        // More than were made: somebody returned what had been taken for lost.
        let left = u32::try_from(self.tokens_left()?).unwrap_or(u32::MAX);
        pool.made = pool.made.max(left);
        if pool.made < pool.wanted {
            self.fill(pool.wanted - pool.made)?;
            pool.made = pool.wanted;
        }
        while pool.made > pool.wanted && self.take(&mut pool)? {
            pool.made -= 1;
        }
        Ok(())
    }

    /// Puts back what clients took along when they were killed. Only right at a moment at which no
    /// client holds any. Returns how many were missing.
    pub fn reclaim(&self) -> io::Result<u32> {
        let left = u32::try_from(self.tokens_left()?).unwrap_or(u32::MAX);
        let lost = {
            let mut pool = self.pool();
            let lost = pool.made.saturating_sub(left);
            pool.made = left;
            lost
        };
        self.settle()?;
        Ok(lost)
    }

    /// Tokens that there are by now, the implicit one not counted.
    pub fn size(&self) -> u32 {
        self.pool().made
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a token that nobody holds, if there is one.
    fn take(&self, pool: &mut Pool) -> io::Result<bool> {
        let taker = match &pool.taker {
            Some(taker) => taker,
            None => pool.taker.insert(self.open_taker()?),
        };
        match rustix::io::read(taker, &mut [0_u8; 1]) {
            Ok(count) => Ok(count == 1),
            Err(rustix::io::Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the channel anew. Clients share the flags of the end that they inherited, and must not
    /// find it non-blocking.
    fn open_taker(&self) -> io::Result<OwnedFd> {
        let end = match &self.channel {
            Channel::Pipe { read, .. } => read.as_raw_fd(),
            Channel::Fifo { end, .. } => end.as_raw_fd(),
        };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(rustix::fs::open(format!("/proc/self/fd/{end}"), flags, Mode::empty())?)
    }

    /// Tokens that nobody holds now.
    pub fn tokens_left(&self) -> io::Result<u64> {
        let end = match &self.channel {
            Channel::Pipe { read, .. } => read.as_fd(),
            Channel::Fifo { end, .. } => end.as_fd(),
        };
        Ok(rustix::io::ioctl_fionread(end)?)
    }
}

fn fifo(directory: &std::path::Path) -> io::Result<Channel> {
    let private = tempfile::Builder::new()
        .prefix("ironwright-jobserver-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(directory)?;
    let path = private.path().join("fifo");
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    // Opened for both, so that it neither blocks here nor reaches its end when a client closes.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let end = rustix::fs::open(&path, flags, Mode::empty())?;
    Ok(Channel::Fifo { end, path, _directory: private })
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn tokens(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    #[test]
    fn the_implicit_slot_is_not_a_byte() {
        for style in [JobserverStyle::Pipe, JobserverStyle::Fifo] {
            let server = Jobserver::start(style, tokens(3), &std::env::temp_dir()).unwrap();
            assert_eq!(server.tokens_left().unwrap(), 2);
            let server = Jobserver::start(style, tokens(1), &std::env::temp_dir()).unwrap();
            assert_eq!(server.tokens_left().unwrap(), 0);
        }
    }

    #[test]
    fn more_tokens_than_fit_are_an_error() {
        for style in [JobserverStyle::Pipe, JobserverStyle::Fifo] {
            assert!(Jobserver::start(style, tokens(1 << 24), &std::env::temp_dir()).is_err());
        }
    }

    /// A client as ninja and make 4.4 are: opens the path, takes tokens, gives them back.
    #[test]
    fn a_fifo_client_takes_and_returns_tokens() {
        let server = Jobserver::start(JobserverStyle::Fifo, tokens(3), &std::env::temp_dir());
        let server = server.unwrap();
        let flags = server.makeflags();
        let path = flags.strip_prefix(" -j3 --jobserver-auth=fifo:").unwrap();
        let take = "exec 3<>\"$0\"; head -c 2 <&3 >/dev/null; read go; printf ++ >&3";
        let mut client = Command::new("sh")
            .args(["-c", take, path])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let all_taken = (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            server.tokens_left().unwrap() == 0
        });
        drop(client.stdin.take());
        assert!(client.wait().unwrap().success() && all_taken);
        assert_eq!(server.tokens_left().unwrap(), 2);
    }

    #[test]
    fn only_their_owner_can_take_tokens_from_a_fifo() {
        use std::os::unix::fs::FileTypeExt;
        let directory = tempfile::tempdir().unwrap();
        let server = Jobserver::start(JobserverStyle::Fifo, tokens(2), directory.path()).unwrap();
        let flags = server.makeflags();
        let path = std::path::Path::new(flags.split_once("fifo:").unwrap().1);
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert!(path.metadata().unwrap().file_type().is_fifo());
        assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn the_fifo_is_removed_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let server = Jobserver::start(JobserverStyle::Fifo, tokens(2), directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        drop(server);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_pool_grows_shrinks_and_finds_what_was_lost() {
        for style in [JobserverStyle::Pipe, JobserverStyle::Fifo] {
            let server = Jobserver::start(style, tokens(3), &std::env::temp_dir()).unwrap();
            server.resize(6).unwrap();
            assert_eq!((server.size(), server.tokens_left().unwrap()), (6, 6));
            server.resize(1).unwrap();
            assert_eq!((server.size(), server.tokens_left().unwrap()), (1, 1));
            // A client holds the only token when the pool shrinks.
            let mut pool = server.pool();
            assert!(server.take(&mut pool).unwrap() && !server.take(&mut pool).unwrap());
            drop(pool);
            server.resize(0).unwrap();
            assert_eq!(server.size(), 1);
            server.fill(1).unwrap();
            server.settle().unwrap();
            assert_eq!((server.size(), server.tokens_left().unwrap()), (0, 0));
            // A client that was killed returns nothing.
            server.resize(4).unwrap();
            let mut pool = server.pool();
            assert!(server.take(&mut pool).unwrap());
            drop(pool);
            assert_eq!(server.reclaim().unwrap(), 1);
            assert_eq!((server.size(), server.tokens_left().unwrap()), (4, 4));
        }
    }

    /// make runs as many recipes at a time as there are tokens, and no more.
    #[test]
    fn make_keeps_to_the_tokens() {
        let directory = tempfile::tempdir().unwrap();
        let recipe = "\t@touch run.$@; ls run.* | wc -l >> seen; sleep 0.15; rm run.$@\n";
        let targets = "t1 t2 t3 t4 t5 t6 t7 t8";
        let makefile = format!("all: {targets}\n{targets}:\n{recipe}");
        std::fs::write(directory.path().join("Makefile"), makefile).unwrap();
        let server = Jobserver::start(JobserverStyle::Pipe, tokens(3), directory.path()).unwrap();
        let status = Command::new("make")
            .current_dir(directory.path())
            .env("MAKEFLAGS", server.makeflags())
            .env_remove("MAKELEVEL")
            .status()
            .unwrap();
        assert!(status.success());
        let seen = std::fs::read_to_string(directory.path().join("seen")).unwrap();
        let most = seen.lines().map(|line| line.trim().parse::<u32>().unwrap()).max().unwrap();
        assert_eq!(most, 3, "{seen}");
        assert_eq!(server.tokens_left().unwrap(), 2);
    }
}
