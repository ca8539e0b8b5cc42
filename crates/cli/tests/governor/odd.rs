//! Commands that behave badly, below the governor.
//!
//! Does not know why they do.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::{Home, begin, end_of, good, pid_of, run, send, until};
use crate::project::Project;

/// A compiler that leaves something behind which holds its output open.
#[test]
fn what_forks_and_leaves_holds_nobody_up() {
    let home = Home::new();
    let _governor = home.govern("2GiB");
    let began = Instant::now();
    let script = "setsid sleep 20 & echo compiled";
    assert_eq!(good(&run(home.unit("a", &[], script))), "compiled\n");
    let inside = "\"$0\" unit --name b -- sh -c 'setsid sleep 20 & echo compiled'";
    let build = ["run", "-q", "--", "sh", "-c", inside, crate::home::IRONWRIGHT];
    assert_eq!(good(&run(home.ironwright(&build))), "compiled\n");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    // What stays behind is no unit any more.
    let frame = good(&run(home.ironwright(&["top", "--once"])));
    assert!(!frame.lines().any(|line| line.starts_with("running")), "{frame}");
}

/// Ctrl-C and a compiler that will not hear of it.
#[test]
fn what_ignores_signals_is_killed_in_the_end() {
    let home = Home::new();
    let makefile = "all:\n\t\"$(I)\" unit --name a -- sh -c 'trap \"\" INT TERM HUP; touch begun; while :; do sleep 0.1; done'\n";
    fs::write(home.work().join("Makefile"), makefile).unwrap();
    let mut command = home.ironwright(&["run", "-q", "--", "make", "-s"]);
    let build = begin(command.env("I", crate::home::IRONWRIGHT));
    until("it begins", || home.work().join("begun").exists());
    let began = Instant::now();
    send(pid_of(&build), Signal::INT);
    let output = end_of(build);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(began.elapsed() < Duration::from_secs(15));
    until("nothing is left", || home.is_quiet());
    let frame = good(&run(home.ironwright(&["top", "--once"])));
    assert!(!frame.lines().any(|line| line.starts_with("running")), "{frame}");
}

/// A user's own number of jobs: the governor holds back what has no room.
#[test]
fn sixty_four_jobs_end_well() {
    let home = Home::new();
    let project = Project::new(home.work(), 5);
    let expected = project.expected();
    let build = ["run", "-q", "--set", "memory-budget=256MiB", "--", "make", "-s", "-j64"];
    good(&run(home.ironwright(&build)));
    assert!(project.outputs() == expected);
    home.end_governor();
    assert_eq!(home.units_of_last_run().len(), expected.len());
}

/// Many units that are over at once: each is known afterwards.
#[test]
fn the_shortest_units_are_recorded() {
    let home = Home::new();
    let _governor = home.govern("2GiB");
    let start = |number: u32| begin(home.unit(&format!("n{number}"), &[], "exit 0"));
    for child in (0..40).map(start).collect::<Vec<_>>() {
        good(&end_of(child));
    }
    home.end_governor();
    let missing: Vec<u32> =
        (0..40).filter(|number| home.units(&format!("n{number}")).len() != 1).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// More units at once than a governor may have open files by default.
#[test]
fn a_low_limit_of_open_files_is_raised() {
    let home = Home::new();
    let script = "ulimit -S -n 48; exec \"$0\" govern --set build-threads=64";
    let mut governor = home.command("sh");
    governor.args(["-c", script, crate::home::IRONWRIGHT]);
    let _governor = begin(governor);
    until("it listens", || home.governor().is_some());
    let start = |number: u32| begin(home.unit(&format!("n{number}"), &[], "sleep 1"));
    let children: Vec<_> = (0..60).map(start).collect();
    until("all ask", || {
        let frame = good(&run(home.ironwright(&["top", "--once"])));
        frame.lines().any(|line| line.starts_with("running"))
    });
    for child in children {
        good(&end_of(child));
    }
    home.end_governor();
    let known = (0..60).filter(|number| home.units(&format!("n{number}")).len() == 1);
    assert_eq!(known.count(), 60);
}
