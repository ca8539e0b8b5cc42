//! How a governor comes to be, is found, and leaves.
//!
//! Does not know what it governs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::home::{Home, begin, end_of, good, run, state_of, until};

#[test]
fn the_first_unit_starts_it_and_a_second_finds_it() {
    let home = Home::new();
    let output = run(home.unit("a", &[], "echo said; echo told >&2; exit 3"));
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"said\n"[..], &b"told\n"[..])
    );
    let first = home.governor().unwrap();
    run(home.unit("b", &[], "true"));
    assert_eq!(home.governor(), Some(first));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.socket()), 0o600);
    assert_eq!(mode(home.socket().parent().unwrap()), 0o700);
    home.end_governor();
    assert!(!home.socket().exists());
}

#[test]
fn a_run_starts_it_and_leaves_it_for_the_next() {
    let home = Home::new();
    good(&run(home.ironwright(&["run", "-q", "--", "true"])));
    let first = home.governor().unwrap();
    let script = "ps -o pid= -C ironwright >/dev/null; exit 5";
    let output = run(home.ironwright(&["run", "-q", "--", "sh", "-c", script]));
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(home.governor(), Some(first));
}

/// Sixty-four compilers of three builds in two sessions, and nobody governs yet.
#[test]
fn many_at_once_have_one_governor() {
    let home = Home::new();
    let script =
        "for i in $(seq 21); do \"$0\" unit --name $i -- sh -c 'echo $1 >> done' x $i & done; wait";
    let build = |session: bool| {
        let mut arguments = vec!["run", "-q", "--", "sh", "-c", script, crate::home::IRONWRIGHT];
        let command = if session {
            arguments.insert(0, crate::home::IRONWRIGHT);
            let mut command = home.command("setsid");
            command.arg("-w").args(&arguments);
            command
        } else {
            home.ironwright(&arguments)
        };
        begin(command)
    };
    let builds = [build(false), build(true), build(false)];
    let one_more = begin(home.unit("last", &[], "echo last >> done"));
    let mut most = 0;
    let began = Instant::now();
    let outputs: Vec<_> = builds.into_iter().chain([one_more]).map(end_of).collect();
    most = most.max(home.governors().len());
    for output in &outputs {
        good(output);
    }
    let done = fs::read_to_string(home.work().join("done")).unwrap();
    assert_eq!(done.lines().count(), 64, "after {:?}", began.elapsed());
    assert_eq!(most, 1);
    home.end_governor();
    assert_eq!(home.units("7").len(), 3, "each is recorded");
}

#[test]
fn a_second_one_ends_at_once_and_an_idle_one_soon() {
    let home = Home::new();
    let idle = |seconds| home.ironwright(&["govern", "--idle", seconds]);
    let mut first = begin(idle("1"));
    until("it listens", || home.governor().is_some());
    let second = run(idle("600"));
    assert!(second.status.success());
    let began = Instant::now();
    good(&run(home.unit("a", &[], "sleep 2")));
    assert!(first.try_wait().unwrap().is_none(), "it may not leave while a unit runs");
    assert!(end_of(first).status.success());
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(!home.socket().exists());
}

/// Who only watches does not keep it.
#[test]
fn a_view_does_not_keep_an_idle_one() {
    let home = Home::new();
    let governor = begin(home.ironwright(&["govern", "--idle", "1"]));
    until("it listens", || home.governor().is_some());
    let view = begin(home.ironwright(&["top", "--json"]));
    assert!(end_of(governor).status.success());
    end_of(view);
}

#[test]
fn a_view_sees_units_from_question_to_end() {
    let home = Home::new();
    let _governor = home.govern("2GiB");
    let mut view = begin(home.ironwright(&["top", "--json"]));
    let mut lines = BufReader::new(view.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("\"state\""));
    good(&run(home.unit("seen-by-all", &[], "sleep 0.1")));
    let mut seen = Vec::new();
    for line in lines.map(Result::unwrap) {
        let note: serde_json::Value = serde_json::from_str(&line).unwrap();
        let event = note["event"].as_str().unwrap().to_owned();
        let is_end = event == "ended";
        if ["asked", "granted", "started", "ended"].contains(&event.as_str()) {
            seen.push(event);
        }
        if is_end {
            break;
        }
    }
    assert_eq!(seen, ["asked", "granted", "started", "ended"]);
    let frame = good(&run(home.ironwright(&["top", "--once"])));
    assert!(frame.contains("seen-by-all"), "{frame}");
    home.end_governor();
    assert!(end_of(view).status.code().is_some());
}

#[test]
fn told_to_end_it_lets_what_runs_go_on() {
    let home = Home::new();
    let governor = home.govern("2GiB");
    let unit = begin(home.unit("a", &[], "touch begun; sleep 1; echo end"));
    until("it begins", || home.work().join("begun").exists());
    home.end_governor();
    assert!(end_of(governor).status.success());
    assert_eq!(good(&end_of(unit)), "end\n");
    until("nothing is left", || home.is_quiet());
    assert!(home.processes().keys().all(|pid| state_of(*pid) != Some('T')));
}
