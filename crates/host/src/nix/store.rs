//! A connection to a Nix store: a process that speaks the store's protocol on its standard input and
//! output.
//!
//! `nix daemon --stdio` builds by itself where the store is the user's own, and passes everything on
//! where there is a daemon, so one way does for both. Does not know what is asked for.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use ironwright_core::nix::activity::Event;
use ironwright_core::nix::protocol::{
    Decoder, Expect, Incoming, ProtocolError, Request, greeting, introduction,
};

use super::place::Command;

/// Why a store is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nix cannot be started.
    #[error("cannot run nix: {0}")]
    Start(io::Error),
    /// There is no place for what it says.
    #[error("cannot make a temporary file (TMPDIR names the folder): {0}")]
    Temporary(io::Error),
    /// The process is gone.
    #[error("the connection to the Nix store ended{}", said(.0))]
    Closed(String),
    /// It speaks something else.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// It could not do what it was asked.
    #[error("Nix cannot do this: {0}")]
    Refused(String),
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// Time that a process has to end after it closed its connection.
const LEAVE: Duration = Duration::from_secs(1);

/// A connection. The process ends with it.
#[derive(Debug)]
pub struct Store {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    complaints: File,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// Version of Nix at the other end.
    pub version: String,
    /// Whether the store trusts this user; nothing when it does not say.
    pub trusted: Option<bool>,
}

impl AsFd for Store {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }
}

impl Store {
    /// Starts the process, as the leader of a group of its own. `scratch` is where it puts the folders
    /// of builds, if it builds by itself.
    pub fn start(nix: &Command, scratch: Option<&Path>) -> Result<Self, StoreError> {
        let argv = nix.argv(&["daemon", "--stdio"]);
        let (program, arguments) = argv.split_first().ok_or_else(|| closed(""))?;
        let complaints = tempfile::tempfile().map_err(StoreError::Temporary)?;
        let stderr = complaints.try_clone().map_err(StoreError::Temporary)?;
        let mut command = std::process::Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        command.process_group(0);
        if let Some(scratch) = scratch {
            command.env("TMPDIR", scratch);
        }
        let mut child = command.spawn().map_err(StoreError::Start)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(closed(""));
        };
        let decoder = Decoder::new();
        let (version, buffer) = (String::new(), vec![0; 64 << 10]);
        let mut store =
            Self { child, input, output, complaints, decoder, buffer, version, trusted: None };
        store.write(&greeting())?;
        Ok(store)
    }

    /// Waits until the store takes requests.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        loop {
            match self.wait_for_next()? {
                Incoming::Greeting(_) => {
                    self.decoder.expect(Expect::Welcome);
                    self.write(&introduction())?;
                }
                Incoming::Welcome(version, trusted) => {
                    (self.version, self.trusted) = (version, trusted);
                }
                Incoming::Done => return Ok(()),
                Incoming::Failed(message) => return Err(StoreError::Refused(message)),
                _ => {}
            }
        }
    }

    /// A connection that takes requests.
    pub fn open(nix: &Command, scratch: Option<&Path>) -> Result<Self, StoreError> {
        let mut store = Self::start(nix, scratch)?;
        store.settle()?;
        Ok(store)
    }

    /// Whether it passes everything on to a daemon.
    pub fn passes_on(&self) -> bool {
        super::builder::passes_on(Path::new("/proc"), self.pid())
    }

    /// Process id, and number of the group.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(0)
    }

    /// Sends a request; what follows comes from [`take`](Self::take).
    pub fn send(&mut self, request: &Request) -> Result<(), StoreError> {
        self.decoder.expect(request.expects());
        self.write(&request.encode())
    }

    /// Asks and waits for the reply; events are passed on.
    pub fn ask(
        &mut self,
        request: &Request,
        mut event: impl FnMut(&Event),
    ) -> Result<Incoming, StoreError> {
        self.send(request)?;
        loop {
            match self.wait_for_next()? {
                Incoming::Event(happened) => event(&happened),
                Incoming::Failed(message) => return Err(StoreError::Refused(message)),
                reply => return Ok(reply),
            }
        }
    }

    fn wait_for_next(&mut self) -> Result<Incoming, StoreError> {
        loop {
            if let Some(incoming) = self.take()? {
                return Ok(incoming);
            }
            self.receive()?;
        }
    }

    /// The next thing that came whole.
    pub fn take(&mut self) -> Result<Option<Incoming>, StoreError> {
        Ok(self.decoder.take()?)
    }

    /// Takes in what has come; waits if nothing has.
    pub fn receive(&mut self) -> Result<(), StoreError> {
        loop {
            match self.output.read(&mut self.buffer) {
                Ok(0) => return Err(self.ended()),
                Ok(count) => {
                    self.decoder.push(self.buffer.get(..count).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(self.ended()),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let written = self.input.write_all(bytes).and_then(|()| self.input.flush());
        written.map_err(|_| self.ended())
    }

    /// What the process said before it was gone.
    fn ended(&mut self) -> StoreError {
        let mut bytes = Vec::new();
        let read = self.complaints.rewind().and_then(|()| self.complaints.read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(if read.is_ok() { &bytes } else { &[] });
        closed(text.trim())
    }

    /// Waits for the process after it closed the connection; how it ended, as the kernel gives it.
    pub fn status(mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let began = Instant::now();
        while began.elapsed() < LEAVE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.into_raw();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        self.child.wait().map_or(0, ExitStatusExt::into_raw)
    }
}

fn closed(text: &str) -> StoreError {
    StoreError::Closed(text.to_owned())
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> (tempfile::TempDir, Command) {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("nix");
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let nix = Command { program, store: None, settings: Vec::new() };
        (directory, nix)
    }

    #[test]
    fn a_process_that_ends_tells_why() {
        let (_keep, nix) = script("echo 'error: no such store' >&2; exit 1");
        let error = Store::open(&nix, None).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("no such store"), "{error}");
    }

    #[test]
    fn another_program_is_no_store() {
        let (_keep, nix) = script("echo 0123456789abcdefghij; sleep 5");
        let error = Store::open(&nix, None).map(|_| ()).unwrap_err();
        assert!(matches!(error, StoreError::Protocol(ProtocolError::NoStore)), "{error}");
    }
}
