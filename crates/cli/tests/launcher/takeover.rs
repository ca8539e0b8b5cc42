//! Governors that die, and those that follow them.
//!
//! Does not know why they die.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use ironwright_wire::FromGovernor;

use crate::governor::{Governor, go_on, line_of, output_of, send, state_of, until};

#[test]
fn a_new_governor_is_asked_by_who_waits() {
    let mut governor = Governor::new();
    let child = governor.shell("echo $IRONWRIGHT_UNIT");
    let mut line = governor.accept();
    assert_eq!(line.ask().attempt, 1);
    governor.replace();
    drop(line);
    let mut line = governor.accept();
    let ask = line.ask();
    assert!(ask.running.is_none() && ask.attempt == 1);
    line.grant(99);
    assert_eq!(output_of(child), "99\n");
}

#[test]
fn who_waits_for_nobody_runs() {
    let governor = Governor::new();
    let child = governor.shell("echo $IRONWRIGHT_UNIT");
    let mut line = governor.accept();
    line.ask();
    std::fs::remove_file(governor.socket()).unwrap();
    let began = Instant::now();
    drop(line);
    assert_eq!(output_of(child), "0\n");
    let waited = began.elapsed();
    assert!(waited > Duration::from_millis(900) && waited < Duration::from_secs(5), "{waited:?}");
}

#[test]
fn who_is_kept_waiting_in_silence_asks_anew() {
    let governor = Governor::new();
    let child = governor.shell("exit 0");
    let mut silent = governor.accept();
    silent.ask();
    // While it speaks it is waited for.
    for _ in 0..6 {
        std::thread::sleep(Duration::from_secs(1));
        silent.say(&FromGovernor::Alive);
        assert!(governor.is_alone());
    }
    let mut line = governor.accept();
    line.ask();
    line.grant(1);
    output_of(child);
}

#[test]
fn a_new_governor_is_told_what_runs() {
    let mut governor = Governor::new();
    let mut child = governor.dialogue("echo ready; read x; echo done; exit 4");
    let mut line = governor.grant();
    let pid = line.started();
    line_of(&mut child);
    send("STOP", -pid);
    until("it was not stopped", || state_of(pid) == Some('T'));
    governor.replace();
    drop(line);
    let mut line = governor.accept();
    let running = line.ask().running.unwrap();
    assert_eq!(running.pid, pid);
    assert!(running.since_us > 0 && running.since_us < 20_000_000);
    assert_eq!(line.started(), pid);
    go_on(&mut child);
    assert_eq!(line_of(&mut child), "done");
    assert_eq!(line.ended().status, 4 << 8);
    assert_eq!(child.wait().unwrap().code(), Some(4));
}

#[test]
fn a_command_that_was_stopped_goes_on_without_its_governor() {
    let governor = Governor::new();
    let mut child = governor.dialogue("echo ready; read x; echo done");
    let mut line = governor.grant();
    let pid = line.started();
    line_of(&mut child);
    send("STOP", -pid);
    until("it was not stopped", || state_of(pid) == Some('T'));
    std::fs::remove_file(governor.socket()).unwrap();
    drop(line);
    go_on(&mut child);
    assert_eq!(line_of(&mut child), "done");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_kill_that_nobody_decides_on_is_tried_twice_more() {
    let governor = Governor::new();
    let mut command = governor.launcher(&["sh", "-c", "echo x >>tries; echo same; kill -9 $$"]);
    let child = command.current_dir(governor.directory.path()).spawn().unwrap();
    let mut line = governor.grant();
    std::fs::remove_file(governor.socket()).unwrap();
    line.started();
    line.ended();
    drop(line);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(9));
    assert_eq!(output.stdout, b"same\n");
    let tries = std::fs::read_to_string(governor.directory.path().join("tries")).unwrap();
    assert_eq!(tries, "x\nx\nx\n");
}

#[test]
fn a_new_governor_decides_on_a_kill() {
    let mut governor = Governor::new();
    let script = "[ -e mark ] || { touch mark; kill -9 $$; }";
    let mut command = governor.launcher(&["sh", "-c", script]);
    let child = command.current_dir(governor.directory.path()).spawn().unwrap();
    let mut line = governor.grant();
    line.started();
    line.ended();
    governor.replace();
    drop(line);
    let mut line = governor.accept();
    assert_eq!(line.ask().attempt, 2);
    line.grant(1);
    output_of(child);
}
