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

use ironwright_core::build::JobserverStyle;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::pipe::PipeFlags;
use tempfile::TempDir;

/// A running jobserver; ends, and removes its fifo, when dropped.
#[derive(Debug)]
pub struct Jobserver {
    tokens: NonZeroU32,
    channel: Channel,
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
        let server = Self { tokens, channel };
        server.fill(tokens.get() - 1)?;
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
        format!(" -j{} --jobserver-auth={auth}", self.tokens)
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
