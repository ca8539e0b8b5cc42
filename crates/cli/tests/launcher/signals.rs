//! Signals on their way to the command.
//!
//! Does not know retries.

use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::Duration;

use crate::governor::{Governor, Line, go_on, line_of, pid_of, send, state_of, until};

/// A script that runs, and has said so. It should not start anything while signals are on their
/// way: dash forgets an interrupt that comes while it waits in `vfork`, and a shell that waits
/// there for a process that was stopped does not look stopped itself.
fn running(governor: &Governor, script: &str) -> (Child, Line, i32) {
    let mut child = governor.dialogue(script);
    let mut line = governor.grant();
    let pid = line.started();
    assert_eq!(line_of(&mut child), "ready");
    (child, line, pid)
}

#[test]
fn ending_signals_end_the_command_and_its_helpers() {
    let governor = Governor::new();
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3), ("USR1", 10)] {
        let (mut child, mut line, _) = running(&governor, "echo ready; read x; echo no");
        send(name, pid_of(&child));
        let ended = line.ended();
        assert_eq!(ended.status & 0x7f, number, "{name}");
        assert_eq!(ended.ended_by_user, name != "USR1");
        assert_eq!(child.wait().unwrap().signal(), Some(number));
    }
}

#[test]
fn who_ignores_the_signal_is_waited_for() {
    let governor = Governor::new();
    let script = "trap '' TERM; echo ready; read x; echo done; exit 5";
    let (mut child, mut line, _) = running(&governor, script);
    send("TERM", pid_of(&child));
    std::thread::sleep(Duration::from_millis(50));
    go_on(&mut child);
    assert_eq!(line_of(&mut child), "done");
    assert!(line.ended().ended_by_user);
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn a_command_that_is_stopped_hears_that_it_should_end() {
    let governor = Governor::new();
    let (mut child, mut line, pid) = running(&governor, "echo ready; read x");
    send("STOP", -pid);
    until("it was not stopped", || state_of(pid) == Some('T'));
    send("TERM", pid_of(&child));
    assert_eq!(line.ended().status & 0x7f, 15);
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn suspending_the_launcher_suspends_the_command() {
    let governor = Governor::new();
    let (mut child, _line, pid) = running(&governor, "echo ready; read x; echo done");
    send("TSTP", pid_of(&child));
    until("the command runs on", || state_of(pid) == Some('T'));
    until("the launcher runs on", || state_of(pid_of(&child)) == Some('T'));
    std::thread::sleep(Duration::from_millis(50));
    send("CONT", pid_of(&child));
    go_on(&mut child);
    assert_eq!(line_of(&mut child), "done");
    assert!(child.wait().unwrap().success());
}

#[test]
fn stops_by_the_governor_are_its_own_business() {
    let governor = Governor::new();
    let (mut child, mut line, pid) = running(&governor, "echo ready; read x; echo done");
    send("STOP", -pid);
    until("it was not stopped", || state_of(pid) == Some('T'));
    // Longer than a governor may be silent, if it said nothing.
    for _ in 0..6 {
        std::thread::sleep(Duration::from_secs(1));
        line.say(&ironwright_wire::FromGovernor::Alive);
        assert_eq!(state_of(pid), Some('T'));
    }
    send("CONT", -pid);
    go_on(&mut child);
    assert_eq!(line_of(&mut child), "done");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_governor_that_stops_and_falls_silent_is_not_obeyed() {
    let governor = Governor::new();
    let (mut child, _line, pid) = running(&governor, "echo ready; read x; echo done");
    send("STOP", -pid);
    until("it was not stopped", || state_of(pid) == Some('T'));
    go_on(&mut child);
    assert_eq!(line_of(&mut child), "done");
    assert!(child.wait().unwrap().success());
}

#[test]
fn waiting_is_ended_by_the_first_signal() {
    let governor = Governor::new();
    let mut child = governor.shell("echo never");
    let mut line = governor.accept();
    line.ask();
    send("TERM", pid_of(&child));
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}
