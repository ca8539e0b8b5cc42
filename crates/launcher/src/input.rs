//! Standard input of a command that may be run again: each attempt has to find all of it.
//!
//! Does not know what the command does with it.

use std::fs::File;
use std::io::{self, Seek};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, MemfdFlags, SeekFrom, fstat, memfd_create, seek, tell};

use crate::governor::timespec;

/// What an attempt begins with.
#[derive(Debug)]
pub(crate) enum Input {
    /// What nobody could have read from: the launcher's own.
    Own,
    /// The launcher's own, a file, from this offset in bytes on.
    Offset(u64),
    /// A copy of what came through a pipe.
    Copy(File),
}

impl Input {
    /// Prepares for a command whose input is a source. Waits for the whole of a pipe, which a
    /// compiler does as well before it has much to say.
    pub(crate) fn of_source() -> Self {
        match kind() {
            FileType::Fifo | FileType::Socket => copy().map_or(Self::Own, Self::Copy),
            _ => Self::in_place(),
        }
    }

    /// Prepares for a command that may read from a file, but from nothing else.
    pub(crate) fn in_place() -> Self {
        match (kind(), tell(rustix::stdio::stdin())) {
            (FileType::RegularFile, Ok(offset)) => Self::Offset(offset),
            _ => Self::Own,
        }
    }

    /// Lets an attempt begin where the first one began.
    pub(crate) fn attach(&mut self, command: &mut Command) {
        match self {
            Self::Own => {}
            Self::Offset(offset) => {
                let _ = seek(rustix::stdio::stdin(), SeekFrom::Start(*offset));
            }
            Self::Copy(copy) => {
                if copy.rewind().is_ok()
                    && let Ok(copy) = copy.try_clone()
                {
                    command.stdin(Stdio::from(copy));
                }
            }
        }
    }
}

/// Whether a command that reads its input cannot be run again unless the input is copied: what it
/// takes from a pipe is gone. One that is empty and closed gives nothing.
pub(crate) fn is_stream() -> bool {
    matches!(kind(), FileType::Fifo | FileType::Socket) && !is_at_end()
}

fn kind() -> FileType {
    let stat = fstat(rustix::stdio::stdin());
    stat.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}

fn is_at_end() -> bool {
    let stdin = rustix::stdio::stdin();
    let mut watched = [PollFd::from_borrowed_fd(stdin, PollFlags::IN)];
    let ready = poll(&mut watched, Some(&timespec(std::time::Duration::ZERO)));
    ready.is_ok()
        && watched.first().is_some_and(|stdin| {
            stdin.revents().contains(PollFlags::HUP) && !stdin.revents().contains(PollFlags::IN)
        })
}

fn copy() -> Option<File> {
    let mut file = File::from(memfd_create("ironwright-stdin", MemfdFlags::CLOEXEC).ok()?);
    // What was read in part is what there is.
    let _ = io::copy(&mut io::stdin().lock(), &mut file);
    Some(file)
}
