//! How long the launcher takes where nobody answers. A program of its own, for a busy process that
//! listens would be waited for.
//!
//! Does not know any governor.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The least time of a few runs: other work on the machine only ever adds.
fn least(program: &str, socket: &Path) -> Duration {
    let run = || {
        let mut command = Command::new(program);
        command.arg("true").env("IRONWRIGHT_SOCKET", socket).env_remove("IRONWRIGHT_UNIT");
        command.stdin(Stdio::null());
        let began = Instant::now();
        assert!(command.status().unwrap().success());
        began.elapsed()
    };
    (0..200).map(|_| run()).min().unwrap()
}

#[test]
fn the_launcher_fails_open_within_5_ms() {
    let launcher = env!("CARGO_BIN_EXE_ironwright-launcher");
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let plain = least("env", &missing);
    let none = least(launcher, &missing).saturating_sub(plain);
    assert!(none < Duration::from_millis(5), "{none:?} without a socket");
    let silent = directory.path().join("silent");
    let listener = UnixListener::bind(&silent).unwrap();
    let added = least(launcher, &silent).saturating_sub(plain);
    // Four are waited for, and what is left is the start of both.
    assert!(added > Duration::from_millis(3), "{added:?}: nobody was asked");
    assert!(added < Duration::from_millis(7), "{added:?} before one that says nothing");
    let (mut asked, _) = listener.accept().unwrap();
    let mut text = Vec::new();
    asked.read_to_end(&mut text).unwrap();
    assert!(text.len() > 20, "the question and the start can be read later");
    // A queue that is full is as good as nobody.
    let many: Vec<_> = (0..10_000).map_while(|_| connect(&silent)).collect();
    let full = least(launcher, &silent).saturating_sub(plain);
    assert!(full < Duration::from_millis(7), "{full:?} with a full queue");
    drop(many);
}

/// Connects without waiting; nothing when the queue is full.
fn connect(socket: &Path) -> Option<std::os::unix::net::UnixStream> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let socket = socket.to_path_buf();
    std::thread::spawn(move || {
        let stream = std::os::unix::net::UnixStream::connect(socket);
        let _ = sender.send(stream);
    });
    receiver.recv_timeout(Duration::from_millis(200)).ok()?.ok()
}
