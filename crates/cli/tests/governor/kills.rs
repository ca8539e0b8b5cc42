//! Compilers that somebody kills, in the middle of real builds.
//!
//! Does not know why they were killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::{
    Home, LAUNCHER, LONG, all_processes, begin, good, pid_of, run, send, stderr, until,
};
use crate::project::Project;

/// Kills in all.
const KILLS: u32 = 200;
/// Kills of one unit in a build: fewer than those after which it is given up.
const OF_ONE: u32 = 5;
/// Programs that are killed: drivers, the compilers proper, assemblers and linkers.
const VICTIMS: &[&str] = &["cc", "gcc", "cc1", "as", "collect2", "ld", "x86_64-linux-gn"];

/// Numbers without a pattern, the same in each run: an xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

/// A process of a build that may be killed. The launcher goes by the compiler's name.
fn is_victim(home: &Home, pid: i32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let inside =
        || fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(home.path()));
    let program = || {
        fs::read_link(format!("/proc/{pid}/exe"))
            .is_ok_and(|exe| !exe.ends_with("ironwright-launcher"))
    };
    VICTIMS.contains(&name.trim()) && inside() && program()
}

fn victims(home: &Home) -> Vec<i32> {
    all_processes().filter(|pid| is_victim(home, *pid)).collect()
}

/// What a process makes, as its command line tells.
fn makes(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).into_owned();
    let is_made = |word: &&str| Path::new(word).extension().is_some_and(|e| e == "o" || e == "c");
    let first = line.split('\0').find(is_made).unwrap_or_default();
    first.split('.').next().unwrap_or_default().to_owned()
}

/// Kills while a build runs; how many. A unit that is killed again and again is given up.
fn disturb(home: &Home, build: &mut Child, dice: &mut Dice, most: u32) -> u32 {
    let (mut kills, began) = (BTreeMap::<String, u32>::new(), Instant::now());
    while build.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < LONG, "the build hangs");
        std::thread::sleep(Duration::from_millis(20 + dice.roll(90) as u64));
        let found = victims(home);
        if kills.values().sum::<u32>() < most && !found.is_empty() {
            let victim = found[dice.roll(found.len())];
            let times = kills.entry(makes(victim)).or_default();
            if *times < OF_ONE {
                send(victim, Signal::KILL);
                *times += 1;
            }
        }
    }
    kills.values().sum()
}

#[test]
fn builds_end_as_if_nobody_killed_their_compilers() {
    let home = Home::new();
    let project = Project::new(home.work(), 5);
    let expected = project.expected();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut kills = 0;
    while kills < KILLS {
        let mut build = begin(home.ironwright(&["run", "-q", "--", "make", "-s"]));
        kills += disturb(&home, &mut build, &mut dice, KILLS - kills);
        let output = build.wait_with_output().unwrap();
        good(&output);
        assert_eq!(stderr(&output), "", "after {kills} kills");
        assert!(project.outputs() == expected, "other bytes after {kills} kills");
        project.clean();
    }
    until("nothing is left", || home.is_quiet());
}

/// A driver that survives its compiler tells of it, and is run again as well.
#[test]
fn a_compiler_proper_that_is_killed_runs_again() {
    let home = Home::new();
    let source = "#include \"pipe\"\n";
    fs::write(home.work().join("a.c"), source).unwrap();
    let pipe = home.work().join("pipe");
    assert!(run(home.command("mkfifo").args_of(&pipe)).status.success());
    let compiler = home.command(LAUNCHER).args_of("gcc").args_of("-c").args_of("a.c");
    let _governor = home.govern("2GiB");
    let child = begin(compiler);
    let launcher = pid_of(&child);
    let proper = || {
        let found = victims(&home).into_iter();
        { found }
            .find(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|n| n == "cc1\n"))
    };
    until("the compiler runs", || proper().is_some());
    let first = proper().unwrap();
    send(first, Signal::KILL);
    until("it runs again", || proper().is_some_and(|pid| pid != first));
    fs::write(&pipe, "int g(void) { return 2; }\n").unwrap();
    let output = crate::home::end_of(child);
    good(&output);
    assert_eq!(stderr(&output), "", "of launcher {launcher}");
    assert!(home.work().join("a.o").exists());
}

/// A command with one more argument, in one expression.
trait ArgsOf: Sized {
    fn args_of(self, argument: impl AsRef<std::ffi::OsStr>) -> Self;
}

impl ArgsOf for std::process::Command {
    fn args_of(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.arg(argument);
        self
    }
}

/// The launcher is killed: what it started may not go on, since nobody waits for it.
#[test]
fn nothing_outlives_a_killed_launcher() {
    let home = Home::new();
    let _governor = home.govern("2GiB");
    let script = "sh -c 'touch begun; sleep 30; touch late' & wait";
    let child = begin(home.unit("a", &[], script));
    until("it begins", || home.work().join("begun").exists());
    std::thread::sleep(Duration::from_millis(300));
    send(pid_of(&child), Signal::KILL);
    until("nothing is left", || home.is_quiet());
    drop(child);
}
