//! Questions, grants, figures, and ends that pass through.
//!
//! Does not know retries.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use ironwright_wire::FromGovernor;

use crate::governor::{Governor, LAUNCHER, output_of, state_of};

/// A shell that prepares what the launcher begins with, and becomes it.
fn shell(governor: &Governor, script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).env("IRONWRIGHT_SOCKET", governor.socket());
    shell
}

#[test]
fn the_question_tells_what_is_needed() {
    let governor = Governor::new();
    let mut command = governor.launcher(&["sh", "-c", "exit 0", "@nothing"]);
    command.env("CARGO_PKG_NAME", "zopfli").env("IRONWRIGHT_RUN", "12");
    command.env("IRONWRIGHT_JOB", "demo").current_dir("/");
    let child = command.spawn().unwrap();
    let mut line = governor.accept();
    let ask = line.ask();
    assert_eq!(ask.argv, ["sh", "-c", "exit 0", "@nothing"]);
    assert!(ask.environment.contains(&("CARGO_PKG_NAME".into(), "zopfli".into())));
    assert_eq!((ask.run, ask.job.as_deref(), ask.attempt), (Some(12), Some("demo"), 1));
    assert_eq!(ask.cwd, std::path::Path::new("/"));
    assert!(ask.retryable && !ask.explicit && !ask.stdin_is_source && ask.running.is_none());
    assert_eq!(u32::try_from(ask.pid).unwrap(), child.id());
    line.grant(1);
    output_of(child);
}

#[test]
fn an_explicit_unit_says_so() {
    let governor = Governor::new();
    let options = ["--unit", "--name", "tests", "--memory", "4096", "--no-retry", "--", "true"];
    let child = governor.launcher(&options).spawn().unwrap();
    let mut line = governor.accept();
    let ask = line.ask();
    assert_eq!((ask.name.as_deref(), ask.memory), (Some("tests"), Some(4096)));
    assert!(ask.explicit && !ask.retryable);
    line.grant(1);
    output_of(child);
}

#[test]
fn the_figures_are_those_of_the_command() {
    let governor = Governor::new();
    let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.1";
    let child = governor.shell(script);
    let mut line = governor.grant();
    assert!(line.started() > 0);
    let ended = line.ended();
    output_of(child);
    assert_eq!(ended.status, 0);
    assert!(ended.wall_us > 100_000 && ended.wall_us < 20_000_000, "{ended:?}");
    assert!(ended.user_us > 10_000 && ended.user_us < ended.wall_us, "{ended:?}");
    assert!(ended.peak_process > 500_000 && ended.peak_process < 100_000_000, "{ended:?}");
    assert!(!ended.killed_inside && !ended.ended_by_user);
}

#[test]
fn codes_and_signals_pass_through() {
    let governor = Governor::new();
    for code in [0, 1, 42, 255] {
        let child = governor.shell(&format!("exit {code}"));
        let mut line = governor.grant();
        line.started();
        assert_eq!(line.ended().status, code << 8);
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(code));
    }
    for (name, number) in [("SEGV", 11), ("TERM", 15), ("PIPE", 13), ("ABRT", 6)] {
        let child = governor.shell(&format!("kill -{name} $$"));
        let mut line = governor.grant();
        line.started();
        assert_eq!(line.ended().status & 0x7f, number);
        assert_eq!(child.wait_with_output().unwrap().status.signal(), Some(number));
    }
}

#[test]
fn a_command_that_is_passed_takes_the_place_of_the_launcher() {
    let governor = Governor::new();
    let child = governor.shell("echo $$ ${IRONWRIGHT_UNIT-none}");
    let mut line = governor.accept();
    line.ask();
    line.say(&FromGovernor::Pass);
    let pid = child.id();
    assert_eq!(output_of(child), format!("{pid} none\n"));
}

#[test]
fn inside_a_unit_nobody_is_asked() {
    let governor = Governor::new();
    let child = governor.shell(&format!("echo $$ $IRONWRIGHT_UNIT; {LAUNCHER} sh -c 'echo $PPID'"));
    let mut line = governor.grant();
    let pid = line.started();
    assert_eq!(output_of(child), format!("{pid} 7\n{pid}\n"));
    assert!(governor.is_alone());
}

#[test]
fn the_command_leads_a_group_and_enters_where_it_is_told() {
    let governor = Governor::new();
    let group = governor.directory.path().join("cgroup.procs");
    std::fs::write(&group, "").unwrap();
    let script = "echo $(cut -d' ' -f5 /proc/$$/stat) $(cat /proc/self/oom_score_adj)";
    let child = governor.shell(script);
    let mut line = governor.accept();
    line.ask();
    line.say(&FromGovernor::Granted { unit: 1, oom_score_adj: 400, group: Some(group.clone()) });
    let pid = line.started();
    assert_eq!(output_of(child), format!("{pid} 400\n"));
    assert_eq!(std::fs::read_to_string(group).unwrap(), "0");
}

#[test]
fn what_cannot_be_started_fails_as_in_a_shell() {
    let governor = Governor::new();
    for granted in [true, false] {
        for (program, code) in [("/nonexistent/cc", 127), ("/etc/passwd", 126)] {
            let child = governor.launcher(&[program]).spawn().unwrap();
            let mut line = governor.accept();
            line.ask();
            if granted {
                line.grant(1);
            } else {
                line.say(&FromGovernor::Pass);
            }
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(code));
            assert!(String::from_utf8(output.stderr).unwrap().contains(program));
        }
    }
}

#[test]
fn who_kills_the_launcher_kills_the_command() {
    let governor = Governor::new();
    let mut child = governor.shell("exec sleep 100");
    let mut line = governor.grant();
    let pid = line.started();
    child.kill().unwrap();
    child.wait().unwrap();
    crate::governor::until("the command outlived the launcher", || {
        state_of(pid).is_none_or(|state| state == 'Z')
    });
}

#[test]
fn the_command_gets_the_signals_as_the_launcher_got_them() {
    let governor = Governor::new();
    let plain = Command::new("grep").args(["^Sig[BI]", "/proc/self/status"]).output().unwrap();
    let arguments = ["grep", "^Sig[BI]", "/proc/self/status"];
    let child = governor.launcher(&arguments).spawn().unwrap();
    let _line = governor.grant();
    assert_eq!(output_of(child), String::from_utf8(plain.stdout).unwrap());
}

#[test]
fn a_closed_stream_is_nobody_elses() {
    let governor = Governor::new();
    // The launcher's connection must not become what the command reads.
    let script = format!("exec {LAUNCHER} readlink /proc/self/fd/0 <&-");
    let child = shell(&governor, &script).stdout(Stdio::piped()).spawn().unwrap();
    let _line = governor.grant();
    assert_eq!(output_of(child), "/dev/null\n");
}

#[test]
fn an_ignored_end_of_children_is_no_trap() {
    let governor = Governor::new();
    let script = format!("trap '' CHLD HUP; exec {LAUNCHER} sh -c 'exit 42'");
    let mut child = shell(&governor, &script).spawn().unwrap();
    let mut line = governor.grant();
    line.started();
    assert_eq!(line.ended().status, 42 << 8);
    assert_eq!(child.wait().unwrap().code(), Some(42));
}

#[test]
fn no_room_for_two_is_room_for_the_command() {
    let governor = Governor::new();
    let script = format!("ulimit -n 6; exec {LAUNCHER} sh -c 'echo $$; exit 3'");
    let child = shell(&governor, &script).stdout(Stdio::piped()).spawn().unwrap();
    let _line = governor.grant();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, format!("{pid}\n").into_bytes());
}
