//! A governor that does what a test says.
//!
//! Does not know the policy.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ironwright_wire::{Ask, Channel, Ended, FromGovernor, ToGovernor};
use tempfile::TempDir;

/// Longer than anything that is waited for.
const LONG: Duration = Duration::from_secs(20);

/// The launcher.
pub(crate) const LAUNCHER: &str = env!("CARGO_BIN_EXE_ironwright-launcher");

/// A listening governor in a directory of its own.
pub(crate) struct Governor {
    pub(crate) directory: TempDir,
    lines: Receiver<Line>,
}

impl Governor {
    /// Answers every connection that it is queued, and hands it to the test.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lines = listen(&directory.path().join("socket"));
        Self { directory, lines }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Another governor on the same socket.
    pub(crate) fn replace(&mut self) {
        std::fs::remove_file(self.socket()).unwrap();
        self.lines = listen(&self.socket());
    }

    /// The launcher with these arguments, its streams in pipes.
    pub(crate) fn launcher<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(LAUNCHER);
        command.args(arguments).env("IRONWRIGHT_SOCKET", self.socket());
        command.env_remove("IRONWRIGHT_UNIT").env_remove("IRONWRIGHT_NAMES");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A shell script below the launcher.
    pub(crate) fn shell(&self, script: &str) -> Child {
        self.launcher(&["sh", "-c", script]).spawn().unwrap()
    }

    /// A shell script below the launcher that waits until it is told something. The signals have
    /// their default actions: what starts tests in the background often ignores some. It has a process
    /// group of its own, which is no orphan as long as the test lives: orphans are not suspended.
    pub(crate) fn dialogue(&self, script: &str) -> Child {
        let launcher = self.launcher(&["sh", "-c", script]);
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(LAUNCHER).args(launcher.get_args());
        for (key, value) in launcher.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// The next connection. Dropping it is a governor's death, on which the launcher looks for
    /// the next one.
    #[must_use]
    pub(crate) fn accept(&self) -> Line {
        self.lines.recv_timeout(LONG).unwrap()
    }

    /// The next connection, asked on and granted; to be kept as [`Self::accept`] says.
    #[must_use]
    pub(crate) fn grant(&self) -> Line {
        let mut line = self.accept();
        line.ask();
        line.grant(7);
        line
    }

    /// Nobody connected.
    pub(crate) fn is_alone(&self) -> bool {
        self.lines.try_recv().is_err()
    }
}

fn listen(socket: &Path) -> Receiver<Line> {
    let listener = UnixListener::bind(socket).unwrap();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut line = Line(Channel::new(connection.unwrap()).unwrap());
            line.say(&FromGovernor::Queued);
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A connection from a launcher.
pub(crate) struct Line(Channel);

impl Line {
    pub(crate) fn say(&mut self, message: &FromGovernor) {
        self.0.answer(message).unwrap();
    }

    pub(crate) fn grant(&mut self, unit: u64) {
        self.say(&FromGovernor::Granted { unit, oom_score_adj: 0, group: None });
    }

    /// What the launcher says next.
    pub(crate) fn hear(&mut self) -> ToGovernor {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(message) = self.0.next_for_governor().unwrap() {
                return message;
            }
            assert!(Instant::now() < deadline, "the launcher says nothing");
            std::thread::sleep(Duration::from_millis(1));
            self.0.receive().unwrap();
        }
    }

    pub(crate) fn ask(&mut self) -> Ask {
        match self.hear() {
            ToGovernor::Ask(ask) => ask,
            other => panic!("{other:?} instead of a question"),
        }
    }

    pub(crate) fn started(&mut self) -> i32 {
        match self.hear() {
            ToGovernor::Started { pid } => pid,
            other => panic!("{other:?} instead of a start"),
        }
    }

    pub(crate) fn ended(&mut self) -> Ended {
        match self.hear() {
            ToGovernor::Ended(ended) => ended,
            other => panic!("{other:?} instead of an end"),
        }
    }

    pub(crate) fn verdict(&mut self, retry: bool, message: Option<&str>) {
        let message = message.map(str::to_owned);
        self.say(&FromGovernor::Verdict { retry, message, by_others: 0 });
    }
}

/// Standard output of a launcher that ends well.
pub(crate) fn output_of(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until a process has written a line, and reads it.
pub(crate) fn line_of(child: &mut Child) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    let output = child.stdout.as_mut().unwrap();
    while output.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// Lets a script go on that waits in `read`.
pub(crate) fn go_on(child: &mut Child) {
    child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
}

/// Sends a signal to a process, or to a group when the number is negative.
pub(crate) fn send(signal: &str, target: i32) {
    let arguments = ["-s", signal, "--", &target.to_string()];
    assert!(Command::new("kill").args(arguments).status().unwrap().success());
}

pub(crate) fn pid_of(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

/// The letter by which the kernel tells the state of a process; nothing when it is gone.
pub(crate) fn state_of(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
