//! Output on its way through the launcher.
//!
//! Does not know what it says.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::governor::{Governor, line_of, output_of};

/// Bytes that look like no text, from a linear congruential generator.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24).to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn bytes_pass_unchanged_however_many() {
    let governor = Governor::new();
    let file = governor.directory.path().join("noise");
    for length in [0, 1, 4096, 65_536, 3_000_001] {
        std::fs::write(&file, noise(length)).unwrap();
        let child = governor.launcher(&["cat", file.to_str().unwrap()]).spawn().unwrap();
        let _line = governor.grant();
        let output = child.wait_with_output().unwrap();
        assert!(output.stdout == noise(length), "of {length} bytes");
    }
}

#[test]
fn both_streams_in_one_pipe_stay_in_order() {
    let governor = Governor::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done; printf end";
    let mut command = governor.launcher(&["sh", "-c", script]);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let _line = governor.grant();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    let lines: Vec<_> = (1..10).map(|i| format!("out {i}\nerr {i}\n")).collect();
    assert_eq!(text, lines.concat() + "end");
}

#[test]
fn lines_pass_while_the_command_runs() {
    let governor = Governor::new();
    let mut command = governor.launcher(&["sh", "-c", "echo first; read x; echo $x"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let _line = governor.grant();
    assert_eq!(line_of(&mut child), "first");
    child.stdin.take().unwrap().write_all(b"second\n").unwrap();
    assert_eq!(line_of(&mut child), "second");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_process_that_stays_does_not_hold_the_launcher() {
    let governor = Governor::new();
    let began = Instant::now();
    let child = governor.shell("sleep 30 & echo $!");
    let _line = governor.grant();
    let output = output_of(child);
    assert!(began.elapsed() < Duration::from_secs(15));
    crate::governor::send("KILL", output.trim().parse().unwrap());
}

#[test]
fn a_reader_that_leaves_is_felt_by_the_command() {
    let governor = Governor::new();
    let mut child = governor.launcher(&["yes"]).spawn().unwrap();
    let mut line = governor.grant();
    line.started();
    drop(child.stdout.take());
    assert_eq!(line.ended().status & 0x7f, 13);
    child.wait().unwrap();
}

#[test]
fn a_slow_reader_slows_the_command() {
    let governor = Governor::new();
    let mut child = governor.launcher(&["yes"]).spawn().unwrap();
    let mut line = governor.grant();
    let pid = line.started();
    std::thread::sleep(Duration::from_millis(300));
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: u64 = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 20_000, "{resident}");
    crate::governor::send("TERM", pid_of_launcher(&child));
    assert_eq!(line.ended().status & 0x7f, 15);
    assert_ne!(crate::governor::state_of(pid), Some('R'));
    drop(child.stdout.take());
    child.wait().unwrap();
}

fn pid_of_launcher(child: &std::process::Child) -> i32 {
    crate::governor::pid_of(child)
}

#[test]
fn a_full_disk_is_not_kept_secret() {
    let governor = Governor::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = governor.launcher(&["sh", "-c", "echo lost; exit 0"]);
    let child = command.stdout(full).spawn().unwrap();
    let _line = governor.grant();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("No space left"));
}
