//! `ironwright top` and `ironwright replay` through the binary, with a governor that a test plays.
//!
//! Does not know the policy, nor how frames are drawn in detail.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use common::{ironwright, text};
use ironwright_core::observe::RunFacts;
use ironwright_core::units::Bytes;
use ironwright_core::view::{Asked, Happening, Note, View};
use ironwright_history::{History, Owner, StoredEvent};
use ironwright_wire::{Channel, FromGovernor, ToGovernor};
use rustix::process::{Pid, Signal};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

fn note(second: i64, what: Happening) -> Note {
    Note { at_us: 1_700_000_000_000_000 + second * 1_000_000, what }
}

fn asked(unit: u64, label: &str) -> Happening {
    Happening::Asked(Asked {
        unit,
        run: Some(1),
        label: label.to_owned(),
        tool: "rustc".to_owned(),
        package: None,
        memory: Bytes::mib(640),
        seconds: Some(20.0),
        threads: 1.0,
        basis: "stated".to_owned(),
    })
}

fn run_began() -> Happening {
    let (label, source) = ("cargo".to_owned(), Some("crate:bat@0.24.0".to_owned()));
    Happening::RunBegan { run: 1, recorded: Some(1), pid: 5, label, source }
}

fn state() -> Note {
    let mut view = View::default();
    let budget = Happening::Budget { memory: Bytes::gib(4), threads: 2.0 };
    for what in [Happening::GovernorBegan { pid: 42 }, budget, run_began(), asked(1, "syntect")] {
        view.apply(&note(0, what));
    }
    view.apply(&note(1, Happening::Started { unit: 1, pid: 9 }));
    note(1, Happening::State { view: Box::new(view) })
}

/// A governor that tells its state and then what the test says.
struct Governor {
    home: TempDir,
    notes: Sender<Note>,
}

impl Governor {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let notes = listen(&home.path().join("socket"));
        Self { home, notes }
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("socket")
    }

    fn top(&self, arguments: &[&str]) -> Command {
        top(&self.socket(), arguments)
    }
}

fn top(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ironwright"));
    command.arg("top").args(arguments).env("IRONWRIGHT_SOCKET", socket);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn listen(socket: &Path) -> Sender<Note> {
    let listener = UnixListener::bind(socket).unwrap();
    let (sender, notes) = channel::<Note>();
    std::thread::spawn(move || {
        let mut channel = Channel::new(listener.accept().unwrap().0).unwrap();
        while channel.next_for_governor().unwrap() != Some(ToGovernor::Watch) {
            std::thread::sleep(Duration::from_millis(1));
            channel.receive().unwrap();
        }
        let mut say = |note: &Note| {
            let json = serde_json::to_string(note).unwrap();
            channel.answer(&FromGovernor::Alive)?;
            channel.answer(&FromGovernor::Note(json))
        };
        // Until the test, or whoever watches, has had enough.
        let _ = say(&state());
        while let Ok(note) = notes.recv() {
            if say(&note).is_err() {
                return;
            }
        }
    });
    sender
}

fn output_within(mut child: Child, seconds: u64) -> Output {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn without_a_governor_top_says_how_one_starts() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["--once"], &["--json"]] {
        let output = top(&home.path().join("socket"), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains("no governor runs; one starts with"), "{}", text(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn one_frame_shows_what_runs() {
    let governor = Governor::new();
    let output = output_within(governor.top(&["--once"]).spawn().unwrap(), 20);
    let shown = text(&output);
    assert!(output.status.success(), "{shown}");
    for part in ["governor 42", "of 4.00 GiB", "crate:bat@0.24.0", "running   syntect"] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'));
}

#[test]
fn a_governor_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("socket");
    let child = top(&socket, &["--once", "--wait"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let _notes = listen(&socket);
    assert!(text(&output_within(child, 20)).contains("syntect"));
}

#[test]
fn notes_come_as_json_until_the_pipe_is_closed() {
    let governor = Governor::new();
    let mut child = governor.top(&["--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Note>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next(), state());
    let more = note(3, asked(2, "bat"));
    governor.notes.send(more.clone()).unwrap();
    assert_eq!(next(), more);
    drop(lines);
    governor.notes.send(more).unwrap();
    let output = output_within(child, 20);
    assert_eq!((output.status.code(), text(&output)), (Some(0), String::new()));
}

#[test]
fn something_else_on_the_socket_is_told() {
    let home = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(home.path().join("socket")).unwrap();
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(&[255; 64]).unwrap();
        let _ = stream.read(&mut [0; 64]);
    });
    let child = top(&home.path().join("socket"), &["--once"]).spawn().unwrap();
    let output = output_within(child, 20);
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output).contains("another version"), "{}", text(&output));
}

/// `top` on a terminal of its own, and what it writes there until it ends.
struct OnTerminal {
    child: Child,
    terminal: File,
    written: Vec<u8>,
}

impl OnTerminal {
    fn new(mut command: Command) -> Self {
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&main).unwrap();
        unlockpt(&main).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&main, size).unwrap();
        let path = ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
        let end = || File::options().read(true).write(true).open(&path).unwrap();
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm");
        let child = command.env_remove("NO_COLOR").spawn().unwrap();
        // The terminal ends when only the child's ends of it are left to close.
        drop(command);
        Self { child, terminal: File::from(main), written: Vec::new() }
    }

    fn has_written(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.written).contains(text)
    }

    fn read_until(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.has_written(text) {
            let count = self.terminal.read(&mut buffer).unwrap_or(0);
            assert!(count > 0, "no {text} in {}", String::from_utf8_lossy(&self.written));
            self.written.extend(&buffer[..count]);
        }
    }
}

const ENTERED: &str = "\u{1b}[?1049h";
const LEFT: &str = "\u{1b}[?1049l";

#[test]
fn a_terminal_is_given_back_after_a_key_and_after_a_signal() {
    for is_key in [true, false] {
        let governor = Governor::new();
        let mut shown = OnTerminal::new(governor.top(&[]));
        for text in [ENTERED, "syntect", "q quit"] {
            shown.read_until(text);
        }
        assert!(!shown.has_written(LEFT));
        if is_key {
            shown.terminal.write_all(b"q").unwrap();
        } else {
            let pid = Pid::from_child(&shown.child);
            rustix::process::kill_process(pid, Signal::TERM).unwrap();
        }
        shown.read_until(LEFT);
        assert!(output_within(shown.child, 20).status.success());
    }
}

#[test]
fn the_view_outlives_its_governor() {
    let governor = Governor::new();
    let mut shown = OnTerminal::new(governor.top(&[]));
    shown.read_until("syntect");
    std::fs::remove_file(governor.socket()).unwrap();
    drop(governor.notes);
    shown.read_until("the governor ended");
    shown.written.clear();
    let notes = listen(&governor.home.path().join("socket"));
    notes.send(note(2, asked(2, "successor"))).unwrap();
    shown.read_until("successor");
    shown.terminal.write_all(&[3]).unwrap();
    shown.read_until(LEFT);
    assert!(output_within(shown.child, 20).status.success());
}

/// A home whose history has one run of a minute, with its events and one that is no JSON.
fn home_with_a_run() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".local/state/ironwright/history.db");
    let mut history = History::open(&path).unwrap();
    let facts = RunFacts {
        governed: None,
        batch: None,
        disk: None,
        ironwright: "0.1.0".to_owned(),
        host: None,
        package: None,
        driver: None,
        settings: serde_json::Map::new(),
        steps: Vec::new(),
        source: Some("crate:bat@0.24.0".to_owned()),
        threads: 2,
        budget: Bytes::gib(4),
        started_unix_ns: 1_700_000_000_000_000_000,
        compiler_cache: None,
    };
    let owner = Owner { pid: 1, started: 1 };
    assert_eq!(history.begin(&facts, owner).unwrap(), 1);
    assert_eq!(history.begin(&facts, owner).unwrap(), 2);
    let notes = [
        note(0, run_began()),
        note(1, asked(1, "syntect")),
        note(2, Happening::Started { unit: 1, pid: 9 }),
        note(30, asked(2, "bat")),
        note(40, Happening::Paused { unit: 1 }),
        note(60, Happening::RunEnded { run: 1 }),
    ];
    let stored = notes.iter().map(|note| (note.at_us, serde_json::to_string(note).unwrap()));
    let broken = (note(45, run_began()).at_us, "{\"event\":\"of the future\"}".to_owned());
    let events: Vec<_> = stored
        .chain([broken])
        .map(|(at_us, json)| StoredEvent { at_us, run: Some(1), json })
        .collect();
    history.record_events(&events).unwrap();
    home
}

#[test]
fn a_past_run_is_shown_at_any_moment() {
    let home = home_with_a_run();
    let early = ironwright(home.path(), &["replay", "1", "--at", "10"]);
    let shown = String::from_utf8(early.stdout).unwrap();
    assert!(early.status.success(), "{shown}");
    for part in
        ["replay of run 1: crate:bat@0.24.0", "10 s of 1 m 00 s", "running   syntect", "8 s / 20 s"]
    {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(!shown.contains("waiting   bat"));
    let end = ironwright(home.path(), &["replay", "1"]);
    let shown = text(&end);
    for part in ["1 event cannot be read", "paused    syntect", "waiting   bat", "of 4.00 GiB"] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}

#[test]
fn a_past_run_is_printed_as_it_was_stored() {
    let home = home_with_a_run();
    let output = ironwright(home.path(), &["replay", "1", "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 7);
    let first: Note = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first, note(0, run_began()));
}

#[test]
fn runs_without_events_and_unknown_runs_are_told() {
    let home = home_with_a_run();
    let without = ironwright(home.path(), &["replay", "2"]);
    assert_eq!(without.status.code(), Some(1));
    assert!(text(&without).contains("no events of run 2"), "{}", text(&without));
    let unknown = ironwright(home.path(), &["replay", "77"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown).contains("there is no run 77"), "{}", text(&unknown));
    let wrong = ironwright(home.path(), &["replay", "1", "--speed", "0"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn the_schema_describes_every_line() {
    let home = tempfile::tempdir().unwrap();
    let schema = common::json(&ironwright(home.path(), &["schema", "note"]));
    let line = serde_json::to_value(state()).unwrap();
    assert!(jsonschema::is_valid(&schema, &line), "{line}");
    assert!(!jsonschema::is_valid(&schema, &serde_json::json!({"at_us": 1, "event": "other"})));
    assert!(common::host("shoshin").ends_with("shoshin"));
}
