//! Commands that are killed, and run again so that nobody notices.
//!
//! Does not know who kills them.

use std::io::{Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};

use crate::governor::{Governor, Line, send};

/// Says something, dies by SIGKILL the first time and ends well the second.
const ONCE_KILLED: &str = "echo same; echo same >&2; echo same; [ -e mark ] || { touch mark; \
    printf half; kill -9 $$; }; echo other; echo same >&2; exit 3";

fn start(governor: &Governor, script: &str) -> std::process::Child {
    let mut command = governor.launcher(&["sh", "-c", script]);
    command.current_dir(governor.directory.path()).spawn().unwrap()
}

/// Hears of a death by SIGKILL.
fn killed(line: &mut Line) {
    line.started();
    let ended = line.ended();
    assert_eq!(ended.status & 0x7f, 9);
    assert!(!ended.ended_by_user && !ended.killed_inside);
}

fn text(output: &Output) -> (String, String) {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|b| String::from_utf8(b.clone()).unwrap());
    (out, err)
}

#[test]
fn a_second_attempt_says_only_what_is_new() {
    let governor = Governor::new();
    let child = start(&governor, ONCE_KILLED);
    let mut line = governor.grant();
    killed(&mut line);
    line.verdict(true, None);
    line.grant(8);
    line.started();
    assert_eq!(line.ended().status, 3 << 8);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output), ("same\nsame\nother\n".into(), "same\nsame\n".into()));
}

#[test]
fn without_another_attempt_the_death_passes_through() {
    let governor = Governor::new();
    let child = start(&governor, ONCE_KILLED);
    let mut line = governor.grant();
    killed(&mut line);
    line.verdict(false, Some("it wanted 3 GiB"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(9));
    let (out, err) = text(&output);
    assert_eq!(out, "same\nsame\nhalf");
    assert_eq!(err, "same\nironwright: it wanted 3 GiB\n");
}

#[test]
fn a_driver_that_survives_tells_of_the_kill() {
    let governor = Governor::new();
    let script = "echo before >&2; [ -e mark ] || { touch mark; \
        echo 'g++: fatal error: Killed signal terminated program cc1plus' >&2; \
        echo 'compilation terminated.' >&2; exit 1; }; echo after >&2";
    let child = start(&governor, script);
    let mut line = governor.grant();
    line.started();
    let ended = line.ended();
    assert!(ended.killed_inside && ended.status == 1 << 8, "{ended:?}");
    line.verdict(true, None);
    line.grant(8);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output).1, "before\nafter\n");
}

#[test]
fn a_shell_that_survives_ends_with_a_code() {
    let governor = Governor::new();
    let child = start(&governor, "[ -e mark ] || { touch mark; sh -c 'kill -9 $$'; exit $?; }");
    let mut line = governor.grant();
    line.started();
    assert!(line.ended().killed_inside);
    line.verdict(true, None);
    line.grant(8);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn what_only_talks_of_a_kill_is_not_run_again() {
    let governor = Governor::new();
    let child = start(&governor, "echo Killed >&2; echo more >&2");
    let mut line = governor.grant();
    line.started();
    assert!(!line.ended().killed_inside);
    assert_eq!(text(&child.wait_with_output().unwrap()).1, "Killed\nmore\n");
}

#[test]
fn a_unit_that_must_not_run_again_does_not() {
    let governor = Governor::new();
    let options = ["--unit", "--no-retry", "--", "sh", "-c", "kill -9 $$"];
    let child = governor.launcher(&options).spawn().unwrap();
    let mut line = governor.grant();
    killed(&mut line);
    assert_eq!(child.wait_with_output().unwrap().status.signal(), Some(9));
}

#[test]
fn a_source_on_standard_input_is_kept() {
    let governor = Governor::new();
    let script = "head -c 3 >/dev/null; [ -e mark ] || { touch mark; kill -9 $$; }; cat";
    let mut command = governor.launcher(&["sh", "-c", script, "-"]);
    command.stdin(Stdio::piped()).current_dir(governor.directory.path());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"int main;").unwrap();
    let mut line = governor.accept();
    assert!(line.ask().stdin_is_source);
    line.grant(1);
    killed(&mut line);
    line.verdict(true, None);
    line.grant(2);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output).0, " main;");
}

#[test]
fn a_file_on_standard_input_is_read_from_where_it_was() {
    let governor = Governor::new();
    let path = governor.directory.path().join("source");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let mut file = std::fs::File::open(path).unwrap();
    file.seek(std::io::SeekFrom::Start(4)).unwrap();
    let script = "cat; [ -e mark ] || { touch mark; kill -9 $$; }; cat";
    let mut command = governor.launcher(&["--unit", "--", "sh", "-c", script]);
    let child = command.stdin(file).current_dir(governor.directory.path()).spawn().unwrap();
    let mut line = governor.grant();
    killed(&mut line);
    line.verdict(true, None);
    line.grant(2);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output).0, "two\n");
}

#[test]
fn a_unit_that_reads_from_a_pipe_does_not_run_again() {
    let governor = Governor::new();
    let mut command = governor.launcher(&["--unit", "--", "sh", "-c", "cat; kill -9 $$"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut line = governor.accept();
    assert!(!line.ask().retryable);
    line.grant(1);
    child.stdin.take().unwrap().write_all(b"once").unwrap();
    killed(&mut line);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), output.stdout), (Some(9), b"once".to_vec()));
}

#[test]
fn what_a_killed_driver_leaves_is_ended_before_the_next_attempt() {
    let governor = Governor::new();
    let script = "[ -e mark ] && exit 0; touch mark; sleep 100 & echo $!; kill -9 $$";
    let mut child = start(&governor, script);
    let mut line = governor.grant();
    killed(&mut line);
    let left = crate::governor::line_of(&mut child).parse().unwrap();
    crate::governor::until("a helper outlived its driver", || {
        crate::governor::state_of(left).is_none_or(|state| state == 'Z')
    });
    line.verdict(true, None);
    line.grant(2);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_kill_after_the_users_signal_is_the_end() {
    let governor = Governor::new();
    let mut child = start(&governor, "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    let mut line = governor.grant();
    let pid = line.started();
    crate::governor::line_of(&mut child);
    send("TERM", crate::governor::pid_of(&child));
    std::thread::sleep(std::time::Duration::from_millis(50));
    send("KILL", -pid);
    assert!(line.ended().ended_by_user);
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}
