//! The governor dies, stops, or loses its files while builds run.
//!
//! Does not know what the builds make, only that it is what it would have been.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::{Home, begin, end_of, good, pid_of, run, send, state_of, stderr, until};
use crate::project::Project;

#[test]
fn a_killed_governor_is_replaced_and_the_build_ends_well() {
    let home = Home::new();
    let project = Project::new(home.work(), 15);
    let expected = project.expected();
    let mut build = begin(home.ironwright(&["run", "-q", "--", "make", "-s"]));
    until("the first object", || !project.outputs().is_empty());
    let mut deaths = 0;
    let mut last = 0;
    while build.try_wait().unwrap().is_none() {
        if let Some(governor) = home.governor().filter(|pid| *pid != last) {
            last = governor;
            std::thread::sleep(Duration::from_millis(100));
            send(governor, Signal::KILL);
            deaths += 1;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = end_of(build);
    good(&output);
    assert_eq!(stderr(&output), "");
    assert!(project.outputs() == expected);
    assert!(deaths >= 2, "{deaths} governors died");
    until("nothing is left", || home.is_quiet());
}

/// What a governor stopped goes on when it dies.
#[test]
fn nothing_stays_stopped_when_the_governor_dies() {
    let home = Home::new();
    let _governor = home.govern("400MiB");
    let (older, younger) = growing_pair(&home);
    let stopped = || home.processes().into_keys().find(|pid| state_of(*pid) == Some('T'));
    until("the younger one is stopped", || stopped().is_some());
    send(home.governor().unwrap(), Signal::KILL);
    until("it goes on", || stopped().is_none());
    good(&end_of(older));
    good(&end_of(younger));
}

/// Grows to 300 MiB, so slowly that a busy machine sees it coming: what has grown too far is ended at once,
/// and never stopped.
const GROWS: &str = "import time\nx = []\nfor i in range(150):\n    x.append(bytearray(2 << 20))\n    time.sleep(0.05)\n";

/// Two units that both grow slowly to what only one can have.
fn growing_pair(home: &Home) -> (std::process::Child, std::process::Child) {
    fs::write(home.work().join("grow.py"), GROWS).unwrap();
    let start = |name: &str| {
        let script = format!("touch {name}; exec python3 grow.py");
        let child = begin(home.unit(name, &["--memory", "150MiB"], &script));
        until("it runs", || home.work().join(name).exists());
        child
    };
    (start("older"), start("younger"))
}

/// The same when what is stopped has left its process group.
#[test]
fn nothing_stays_stopped_that_left_its_group() {
    let home = Home::new();
    let governor = home.govern("400MiB");
    fs::write(home.work().join("grow.py"), GROWS).unwrap();
    let start = |name: &str| {
        let script = format!("touch {name}; setsid -w python3 grow.py; echo end");
        let child = begin(home.unit(name, &["--memory", "150MiB"], &script));
        until("it runs", || home.work().join(name).exists());
        child
    };
    let (older, younger) = (start("older"), start("younger"));
    let stopped = || {
        let all = home.processes().into_iter();
        { all }.any(|(pid, line)| line.contains(" grow.py") && state_of(pid) == Some('T'))
    };
    until("the younger one is stopped", stopped);
    send(pid_of(&governor), Signal::KILL);
    until("it goes on", || !stopped());
    assert_eq!(good(&end_of(older)), "end\n");
    assert_eq!(good(&end_of(younger)), "end\n");
}

#[test]
fn a_stopped_governor_holds_nobody_up_for_long() {
    let home = Home::new();
    let project = Project::new(home.work(), 3);
    let began = Instant::now();
    let expected = project.expected();
    let alone = began.elapsed();
    good(&run(home.ironwright(&["run", "-q", "--", "true"])));
    let governor = home.governor().unwrap();
    send(governor, Signal::STOP);
    let began = Instant::now();
    let build = begin(home.ironwright(&["run", "-q", "--", "make", "-s"]));
    let unit = begin(home.unit("a", &[], "echo went"));
    assert_eq!(good(&end_of(unit)), "went\n");
    good(&end_of(build));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(30) + 4 * alone, "{took:?}, undisturbed {alone:?}");
    assert!(project.outputs() == expected);
    send(governor, Signal::CONT);
    assert_eq!(good(&run(home.unit("b", &[], "echo again"))), "again\n");
    assert_eq!(home.governor(), Some(governor));
    until("it has heard of all", || {
        !good(&run(home.ironwright(&["top", "--once"]))).contains("running")
    });
}

/// A unit that waits for memory does not wait for ever for one who cannot say that there is some.
#[test]
fn who_waits_for_a_stopped_governor_starts_in_the_end() {
    let home = Home::new();
    let governor = home.govern("300MiB");
    let first = begin(home.unit("first", &["--memory", "250MiB"], "touch first; sleep 2"));
    until("the first runs", || home.work().join("first").exists());
    let second = begin(home.unit("second", &["--memory", "250MiB"], "echo second"));
    std::thread::sleep(Duration::from_millis(200));
    send(pid_of(&governor), Signal::STOP);
    let began = Instant::now();
    assert_eq!(good(&end_of(second)), "second\n");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    good(&end_of(first));
}

#[test]
fn a_deleted_socket_comes_back() {
    let home = Home::new();
    let _governor = home.govern("2GiB");
    let first = home.governor().unwrap();
    let unit = begin(home.unit("long", &[], "touch begun; sleep 3; echo end"));
    until("it begins", || home.work().join("begun").exists());
    fs::remove_file(home.socket()).unwrap();
    let began = Instant::now();
    until("it is there again", || home.governor().is_some());
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(home.governor(), Some(first));
    good(&run(home.unit("asks-again", &[], "true")));
    assert_eq!(good(&end_of(unit)), "end\n");
    home.end_governor();
    assert_eq!(home.units("asks-again").len(), 1);
}

/// The whole directory goes, as when a session ends: builds go on, and the governor leaves.
#[test]
fn a_deleted_directory_ends_it() {
    let home = Home::new();
    let governor = home.govern("2GiB");
    let unit = begin(home.unit("long", &[], "touch begun; sleep 2; echo end"));
    until("it begins", || home.work().join("begun").exists());
    fs::remove_dir_all(home.socket().parent().unwrap()).unwrap();
    assert_eq!(good(&end_of(unit)), "end\n");
    assert!(end_of(governor).status.success());
    good(&run(home.unit("next", &[], "true")));
}
