//! A user's directories of its own, with all that runs in them.
//!
//! Does not know what is tested.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use ironwright_core::observe::unit::UnitRecord;
use ironwright_history::{History, RunId};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The program.
pub(crate) const IRONWRIGHT: &str = env!("CARGO_BIN_EXE_ironwright");
/// The launcher.
pub(crate) const LAUNCHER: &str = env!("CARGO_BIN_EXE_ironwright-launcher");
/// Longer than anything takes here on a busy machine.
pub(crate) const LONG: Duration = Duration::from_mins(4);

/// Variables that a tester may have set and that would change what is tested.
const FOREIGN: &[&str] = &[
    "IRONWRIGHT_SOCKET",
    "IRONWRIGHT_RUN",
    "IRONWRIGHT_JOB",
    "IRONWRIGHT_UNIT",
    "IRONWRIGHT_NAMES",
    "IRONWRIGHT_PROFILE",
    "MAKEFLAGS",
    "MAKELEVEL",
    "CC",
    "CFLAGS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "GOFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_JOBS",
    "CCACHE_PREFIX",
];

/// Private directories. What still runs in them when this is dropped is ended.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let made = Self(tempfile::Builder::new().prefix("iw-").tempdir().unwrap());
        fs::create_dir(made.path().join("run")).unwrap();
        fs::set_permissions(made.path().join("run"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(made.path().join("work")).unwrap();
        made
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where commands run.
    pub(crate) fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("run/ironwright/governor.sock")
    }

    /// Any program, as this user.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in FOREIGN {
            command.env_remove(name);
        }
        for (name, directory) in
            [("RUNTIME_DIR", "run"), ("STATE_HOME", "state"), ("DATA_HOME", "data")]
        {
            command.env(format!("XDG_{name}"), self.path().join(directory));
        }
        command.env("XDG_CACHE_HOME", self.path().join("cache")).env("NO_COLOR", "1");
        command.env("LC_ALL", "C").current_dir(self.work());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn ironwright(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(IRONWRIGHT);
        command.args(arguments);
        command
    }

    /// A script as a unit of that name, with further options.
    pub(crate) fn unit(&self, name: &str, options: &[&str], script: &str) -> Command {
        let mut command = self.ironwright(&["unit", "--name", name]);
        command.args(options).args(["--", "sh", "-c", script]);
        command
    }

    /// A governor with a memory budget and eight threads, once it listens.
    pub(crate) fn govern(&self, budget: &str) -> Child {
        let budget = format!("memory-budget={budget}");
        let settings = ["govern", "--set", "build-threads=8", "--set", &budget];
        let mut command = self.ironwright(&settings);
        let child = begin(command.stdout(Stdio::null()).stderr(Stdio::null()));
        until("the governor listens", || self.governor().is_some());
        child
    }

    /// The process that governs.
    pub(crate) fn governor(&self) -> Option<i32> {
        let socket = UnixStream::connect(self.socket()).ok()?;
        let peer = rustix::net::sockopt::socket_peercred(&socket).ok()?;
        Some(peer.pid.as_raw_nonzero().get())
    }

    /// All processes of this user with their command lines; not those that ended.
    pub(crate) fn processes(&self) -> BTreeMap<i32, String> {
        let mark = format!("XDG_RUNTIME_DIR={}", self.path().join("run").display());
        let own = |pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        };
        let line = |pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        };
        all_processes().filter(own).map(|pid| (pid, line(pid))).collect()
    }

    /// Processes that govern, or try to.
    pub(crate) fn governors(&self) -> Vec<i32> {
        let all = self.processes().into_iter();
        all.filter(|(_, line)| line.contains("ironwright govern")).map(|(pid, _)| pid).collect()
    }

    /// Nothing but governors is left, and nothing is stopped.
    pub(crate) fn is_quiet(&self) -> bool {
        let governors = self.governors();
        self.processes().keys().all(|pid| governors.contains(pid))
    }

    /// Every unit of that name so far, newest first.
    pub(crate) fn units(&self, key: &str) -> Vec<UnitRecord> {
        self.history().map(|history| history.units_by_key(key, 100).unwrap()).unwrap_or_default()
    }

    /// Every unit of the newest run.
    pub(crate) fn units_of_last_run(&self) -> Vec<UnitRecord> {
        let Some(history) = self.history() else { return Vec::new() };
        let runs: Vec<RunId> = (1..100).rev().collect();
        let mut units = runs.into_iter().map(|run| history.units_of_run(run).unwrap());
        units.find(|units| !units.is_empty()).unwrap_or_default()
    }

    fn history(&self) -> Option<History> {
        History::open_existing(&self.path().join("state/ironwright/history.db")).ok().flatten()
    }

    /// Ends the governor, so that everything is written by now.
    pub(crate) fn end_governor(&self) {
        for pid in self.governors() {
            send(pid, Signal::CONT);
            send(pid, Signal::TERM);
        }
        until("the governor ends when it is told to", || self.governors().is_empty());
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut signal = Signal::TERM;
        while !self.processes().is_empty() && Instant::now() < deadline {
            for pid in self.processes().keys() {
                send(*pid, Signal::CONT);
                send(*pid, signal);
            }
            std::thread::sleep(Duration::from_millis(20));
            if deadline.saturating_duration_since(Instant::now()) < Duration::from_secs(4) {
                signal = Signal::KILL;
            }
        }
    }
}

pub(crate) fn all_processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The letter by which the kernel tells the state of a process; nothing when it is gone.
pub(crate) fn state_of(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Sends a signal; who is gone is no fault.
pub(crate) fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

pub(crate) fn pid_of(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a command. Whoever begins one waits for its end, or leaves that to its home.
pub(crate) fn begin(mut command: impl std::borrow::BorrowMut<Command>) -> Child {
    command.borrow_mut().spawn().unwrap()
}

/// Waits for the end of a command, which may not hang.
pub(crate) fn end_of(child: Child) -> Output {
    end_within(child, LONG)
}

/// Waits for the end of a command for so long.
pub(crate) fn end_within(child: Child, limit: Duration) -> Output {
    let pid = child.id();
    let (sender, ended) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = ended.recv_timeout(limit);
    assert!(output.is_ok(), "process {pid} hangs");
    output.unwrap().unwrap()
}

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> Output {
    end_of(begin(command))
}

/// Standard output of a command that must end well.
pub(crate) fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", output.status, stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
