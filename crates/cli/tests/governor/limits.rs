//! Memory: who may start beside whom, who is run again, and that nobody notices.
//!
//! Does not know how memory is predicted.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

use ironwright_core::observe::unit::UnitOutcome;
use ironwright_core::units::Bytes;

use crate::group::Group;
use crate::home::{Home, begin, end_of, good, run, stderr, until};

/// Holds memory for some time, and notes how many do so at a time.
fn holds(mebibytes: u32, seconds: f32) -> String {
    format!(
        "exec python3 -c 'import os, time; x = bytearray({mebibytes} << 20); \
         name = \"holds.%d\" % os.getpid(); open(name, \"w\"); time.sleep({seconds}); \
         open(\"seen\", \"a\").write(\"%d\\n\" % sum(n.startswith(\"holds\") for n in os.listdir())); \
         os.remove(name)'"
    )
}

fn most_seen(home: &Home) -> u32 {
    let seen = fs::read_to_string(home.work().join("seen")).unwrap();
    seen.lines().map(|line| line.parse().unwrap()).max().unwrap()
}

fn all(children: Vec<Child>) {
    for child in children {
        good(&end_of(child));
    }
}

#[test]
fn what_does_not_fit_together_takes_turns() {
    let home = Home::new();
    let _governor = home.govern("600MiB");
    let start = |number: u32| {
        let unit = home.unit(&format!("u{number}"), &["--memory", "250MiB"], &holds(200, 0.6));
        begin(unit)
    };
    all((0..6).map(start).collect());
    assert_eq!(most_seen(&home), 2);
}

/// A build tool starts compilers at once, and they stay where they were started.
#[test]
fn what_a_run_starts_first_is_in_its_group_already() {
    let home = Home::new();
    let script = "cat /proc/self/cgroup > first; sleep 0.3; cat /proc/self/cgroup > second";
    good(&run(home.ironwright(&["run", "-q", "--", "sh", "-c", script])));
    let read = |name: &str| fs::read_to_string(home.work().join(name)).unwrap();
    assert_eq!(read("first"), read("second"));
}

/// A user's word holds before the memory is taken.
#[test]
fn a_stated_size_is_kept_free_until_it_is_taken() {
    let home = Home::new();
    let _governor = home.govern("400MiB");
    let script = format!("touch first; sleep 2; {}", holds(250, 0.3));
    let first = begin(home.unit("first", &["--memory", "260MiB"], &script));
    until("the first runs", || home.work().join("first").exists());
    let second = begin(home.unit("second", &["--memory", "260MiB"], &holds(250, 0.3)));
    all(vec![first, second]);
    assert_eq!(most_seen(&home), 1);
    home.end_governor();
    assert_eq!(home.units("first").len() + home.units("second").len(), 2, "none was run again");
}

#[test]
fn below_every_unit_they_run_one_at_a_time() {
    let home = Home::new();
    let _governor = home.govern("64MiB");
    let start = |number: u32| {
        let unit = home.unit(&format!("u{number}"), &["--memory", "250MiB"], &holds(100, 0.2));
        begin(unit)
    };
    all((0..4).map(start).collect());
    assert_eq!(most_seen(&home), 1);
}

/// First on a user's word, then by what was measured.
#[test]
fn the_second_time_it_is_known_what_they_take() {
    let home = Home::new();
    let _governor = home.govern("600MiB");
    let start = |options: &[&str]| {
        let names = ["a", "b", "c"];
        let start = |name: &&str| begin(home.unit(name, options, &holds(100, 0.5)));
        all(names.iter().map(start).collect());
    };
    start(&["--memory", "500MiB"]);
    assert_eq!(most_seen(&home), 1);
    fs::remove_file(home.work().join("seen")).unwrap();
    start(&[]);
    assert_eq!(most_seen(&home), 3);
    home.end_governor();
    let units = home.units("a");
    assert_eq!(units.len(), 2);
    assert!(units.iter().all(|unit| unit.outcome == UnitOutcome::Succeeded));
    let peak = units[0].peak;
    assert!(peak > Bytes::mib(100) && peak < Bytes::mib(130), "{peak}");
    assert_eq!(units[1].reserved, Bytes::mib(500));
    assert!(units[0].reserved < Bytes::mib(160), "{}", units[0].reserved);
}

#[test]
fn a_measurement_outlives_its_governor() {
    let home = Home::new();
    let _governor = home.govern("600MiB");
    good(&run(home.unit("a", &["--memory", "500MiB"], &holds(100, 0.5))));
    home.end_governor();
    let _governor = home.govern("600MiB");
    good(&run(home.unit("a", &[], &holds(100, 0.5))));
    home.end_governor();
    assert!(home.units("a")[0].reserved < Bytes::mib(160));
}

/// A short unit takes no processor from a long one, once it is known how long both take.
#[test]
fn what_is_short_gives_way_to_what_is_long() {
    let home = Home::new();
    let _governor = home.govern("2GiB");
    let long = || home.unit("long", &[], "touch begun; sleep 4");
    let niceness = || {
        let told = good(&run(home.unit("short", &[], "sleep 0.05; nice")));
        told.trim().parse::<i32>().unwrap()
    };
    good(&run(long()));
    let alone = niceness();
    fs::remove_file(home.work().join("begun")).unwrap();
    let other = begin(long());
    until("the long one runs", || home.work().join("begun").exists());
    let beside = niceness();
    assert!(beside >= (alone + 5).min(19), "{alone} {beside}");
    good(&end_of(other));
}

/// Grows once another has, and waits for the end of that.
const OLDER: &str = r#"
import os, time
open("older", "w").close()
while not os.path.exists("grown"): time.sleep(0.01)
grown = bytearray(300 << 20)
pid = int(open("grown").read())
while os.path.exists(f"/proc/{pid}"): time.sleep(0.01)
"#;

/// Grows; the first time it stays until somebody ends it.
const YOUNGER: &str = r#"
import os, time
grown = bytearray(250 << 20)
if not os.path.exists("grown"):
    with open("told", "w") as file: file.write(str(os.getpid()))
    os.rename("told", "grown")
    time.sleep(1000)
"#;

/// Two units that grow beyond what anybody expected: the younger is killed, waits, and runs again.
#[test]
fn a_second_attempt_is_invisible() {
    let home = Home::new();
    let _governor = home.govern("400MiB");
    // The older one grows when the younger one has, and stays until that one is gone.
    fs::write(home.work().join("older.py"), OLDER).unwrap();
    fs::write(home.work().join("younger.py"), YOUNGER).unwrap();
    let older = "echo one; python3 older.py; echo two";
    let older = begin(home.unit("older", &["--memory", "64MiB"], older));
    until("the older one runs", || home.work().join("older").exists());
    let younger = "echo one; echo warned >&2; python3 younger.py; printf 'two\\nend'; exit 5";
    let younger = begin(home.unit("younger", &["--memory", "64MiB"], younger));
    assert_eq!(good(&end_of(older)), "one\ntwo\n");
    let output = end_of(younger);
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\ntwo\nend");
    assert_eq!(stderr(&output), "warned\n");
    home.end_governor();
    let attempts: Vec<_> = home.units("younger").iter().map(|unit| unit.outcome).collect();
    assert_eq!(attempts, [UnitOutcome::Failed, UnitOutcome::Evicted]);
    assert_eq!(home.units("older").len(), 1);
}

#[test]
fn what_must_not_run_twice_does_not() {
    let home = Home::new();
    let _governor = home.govern("400MiB");
    let script = "echo x >> times; kill -9 $$";
    let output = run(home.unit("a", &["--no-retry"], script));
    assert_eq!(output.status.signal(), Some(9));
    assert_eq!(fs::read_to_string(home.work().join("times")).unwrap(), "x\n");
}

#[test]
#[ignore = "needs root and a v1 memory controller"]
fn what_the_kernel_kills_alone_fails_with_its_figures() {
    let home = Home::new();
    let _governor = home.govern("4GiB");
    let group = Group::new(Bytes::mib(200));
    let script = "echo begun; python3 -c 'x = bytearray(400 << 20)'; exit $?";
    let mut giant = group.inside(&home.unit("giant", &[], script));
    giant.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = end_of(begin(giant));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(137), "{said}");
    assert!(said.contains("giant was killed for want of memory although it ran alone"), "{said}");
    assert!(said.contains("MiB"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "begun\n");
}
