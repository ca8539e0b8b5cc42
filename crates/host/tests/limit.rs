//! Control groups of the running kernel: limits that hold, counts that are right, nothing left.
//!
//! Does not know how a machine gets the hierarchy that a test wants. Tests that begin with
//! `nested_v2_` want version 2 with the memory controller in a group that only they use; `cargo
//! xtask vm` boots a machine that has it. None of the ignored tests passes where its hierarchy is
//! missing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ironwright_core::units::Bytes;
use ironwright_host::limit::domain::Domain;
use ironwright_host::limit::{Group, LimitError, Mechanism, prefer_to_kill};

const ROOT: &str = "/";
const WHAT: &str = "IRONWRIGHT_TEST_HELPER";
const PROCS: &str = "IRONWRIGHT_TEST_PROCS";

/// Not a test: what the processes in the groups do. They are this executable again, because there
/// is no other program where these tests run.
#[test]
fn helper() {
    let Ok(what) = std::env::var(WHAT) else { return };
    if let Ok(procs) = std::env::var(PROCS) {
        fs::write(procs, "0").unwrap();
    }
    match what.split_once(' ').unwrap_or((&what, "")) {
        ("grow", mebibytes) => grow(mebibytes.parse().unwrap()),
        ("write", _) => loop {
            std::io::stdout().write_all(b".").unwrap();
            std::io::stdout().flush().unwrap();
            sleep(Duration::from_millis(2));
        },
        ("group", _) => std::process::exit(refusal()),
        _ => sleep(Duration::from_mins(1)),
    }
}

/// Takes memory, tells that it has it, and holds it.
fn grow(mebibytes: usize) {
    let mut held = vec![0_u8; mebibytes << 20];
    for byte in held.iter_mut().step_by(4096) {
        *byte = 1;
    }
    std::io::stdout().write_all(b"READY").unwrap();
    std::io::stdout().flush().unwrap();
    sleep(Duration::from_mins(1));
    drop(held);
}

/// Why this process gets no group, as an exit status.
fn refusal() -> i32 {
    let Err(LimitError::Neither { v2, .. }) = Group::create(Path::new(ROOT), "x", Bytes::mib(64))
    else {
        return 0;
    };
    match *v2 {
        LimitError::Occupied { others: 1, .. } => 10,
        LimitError::NotDelegated { .. } => 11,
        _ => 12,
    }
}

/// A child that is killed when the test ends, however it ends.
struct Helper {
    child: Child,
    written: Arc<AtomicUsize>,
}

impl Helper {
    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// The signal that ended it, `None` for a plain end.
    fn signal(&mut self) -> Option<i32> {
        self.child.wait().unwrap().signal()
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Bytes that it wrote since the last call.
    fn written(&self) -> usize {
        self.written.swap(0, Ordering::SeqCst)
    }

    /// Waits for its first words.
    fn ready(&mut self) {
        eventually("the helper is ready", || {
            assert!(self.is_running(), "the helper ended");
            self.written.load(Ordering::SeqCst) > 0
        });
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

fn command(what: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    // Quiet, so that what it writes is its own.
    command.args(["--exact", "helper", "--nocapture", "--quiet"]).env(WHAT, what);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn start(what: &str, group: &Group) -> Helper {
    let mut child = command(what).env(PROCS, group.procs_path()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    std::thread::spawn(move || {
        // The harness's own "running 1 test" comes first.
        let (mut buffer, mut seen) = ([0; 4096], Vec::new());
        while let Ok(length @ 1..) = out.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..length]);
            let own = seen.iter().filter(|byte| b".Y".contains(byte)).count();
            seen.clear();
            count.fetch_add(own, Ordering::SeqCst);
        }
    });
    Helper { child, written }
}

fn group(name: &str, mebibytes: u64) -> Group {
    Group::create(Path::new(ROOT), name, Bytes::mib(mebibytes)).unwrap()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "not within 20 s: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// A count of `memory.events`.
fn events(group: &Group, key: &str) -> u64 {
    let text = fs::read_to_string(group.path().join("memory.events")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key} ")));
    line.unwrap().parse().unwrap()
}

fn has_ended(helper: &mut Helper) {
    eventually("the helper ends", || !helper.is_running());
}

#[test]
fn a_process_may_be_preferred_for_killing() {
    let child = Command::new("sleep").arg("10").spawn().unwrap();
    let child = Helper { child, written: Arc::default() };
    let adj = || {
        let path = format!("/proc/{}/oom_score_adj", child.pid());
        fs::read_to_string(path).unwrap().trim().parse::<i32>().unwrap()
    };
    let wanted = adj().max(400);
    prefer_to_kill(Path::new("/proc"), child.pid(), wanted).unwrap();
    prefer_to_kill(Path::new("/proc"), child.pid(), wanted - 100).unwrap();
    assert_eq!(adj(), wanted);
}

#[test]
#[ignore = "needs root and a v1 memory controller"]
fn v1_kills_at_the_budget_and_counts_it() {
    let group = group("kills-v1", 64);
    assert_eq!(group.mechanism(), Mechanism::CgroupV1);
    let mut helper = start("grow 256", &group);
    assert_eq!(helper.signal(), Some(9));
    assert_eq!(group.oom_kills(), Some(1));
    let peak = group.peak().unwrap();
    assert!(peak > Bytes::mib(56) && peak <= Bytes::mib(64), "{peak}");
    let path = group.path().to_owned();
    drop(group);
    assert!(!path.exists());
}

#[test]
#[ignore = "needs root and a v1 memory controller"]
fn v1_is_the_domain_of_what_is_in_it() {
    let group = group("domain-v1", 64);
    let mut helper = start("grow 24", &group);
    helper.ready();
    let domain = Domain::of(Path::new(ROOT), helper.pid());
    assert_eq!(Path::new(domain.name()), group.path());
    let reading = domain.read().unwrap();
    assert_eq!((reading.limit, reading.oom_kills), (Bytes::mib(64), 0));
    assert!(reading.held >= Bytes::mib(24) && reading.held < Bytes::mib(40), "{reading:?}");
    assert!(group.current().unwrap() >= reading.held);
    group.set_budget(Bytes::mib(128)).unwrap();
    assert_eq!(domain.read_fast().unwrap().limit, Bytes::mib(128));
    group.kill().unwrap();
    drop(group);
    assert!(domain.read_fast().is_err(), "a removed group tells nothing");
}

#[test]
#[ignore = "needs root and a v1 memory controller"]
fn v1_kills_all_and_leaves_nothing() {
    let group = group("kill-v1", 64);
    let mut helpers = [start("sleep", &group), start("sleep", &group)];
    let mut late = command("sleep").spawn().unwrap();
    group.add(i32::try_from(late.id()).unwrap()).unwrap();
    let procs = || fs::read_to_string(group.procs_path()).unwrap().lines().count();
    eventually("all are in the group", || procs() == 3);
    assert!(matches!(Group::create(Path::new(ROOT), "kill-v1", Bytes::mib(64)), Err(error)
        if error.to_string().contains("still in use")));
    assert_eq!(group.freeze(true).unwrap_err().kind(), std::io::ErrorKind::Unsupported);
    assert!(matches!(group.unit("one"), Err(LimitError::NotDivisible)));
    group.kill().unwrap();
    assert_eq!(late.wait().unwrap().signal(), Some(9));
    assert_eq!(helpers.each_mut().map(Helper::signal), [Some(9); 2]);
}

#[test]
#[ignore = "needs a version 2 memory controller: cargo xtask vm"]
fn nested_v2_throttles_at_the_budget() {
    let group = group("throttles", 96);
    assert_eq!(group.mechanism(), Mechanism::CgroupV2);
    let mut helper = start("grow 97", &group);
    helper.ready();
    assert!(events(&group, "high") > 0);
    assert_eq!(group.oom_kills(), Some(0));
    let (peak, current) = (group.peak().unwrap(), group.current().unwrap());
    assert!(current > Bytes::mib(96) && peak >= current && peak <= Bytes::mib(102), "{peak}");
    group.set_budget(Bytes::mib(128)).unwrap();
    let path = group.path().to_owned();
    group.kill().unwrap();
    drop(group);
    assert!(!path.exists());
}

#[test]
#[ignore = "needs a version 2 memory controller: cargo xtask vm"]
fn nested_v2_kills_one_process_above_the_budget() {
    let group = group("kills", 64);
    let mut bystander = start("grow 1", &group);
    bystander.ready();
    let mut helper = start("grow 256", &group);
    assert_eq!(helper.signal(), Some(9));
    assert_eq!(group.oom_kills(), Some(1));
    assert!(bystander.is_running(), "only the largest is killed");
}

#[test]
#[ignore = "needs a version 2 memory controller: cargo xtask vm"]
fn nested_v2_kills_a_unit_as_a_whole() {
    let group = group("units", 64);
    let (one, other) = (group.unit("one").unwrap(), group.unit("other").unwrap());
    assert!(matches!(one.unit("x"), Err(LimitError::NotDivisible)));
    let mut bystanders = [start("grow 1", &group), start("grow 1", &other)];
    let mut partner = start("grow 1", &one);
    bystanders.iter_mut().chain([&mut partner]).for_each(Helper::ready);
    let mut helper = start("grow 256", &one);
    assert_eq!(helper.signal(), Some(9));
    assert_eq!(partner.signal(), Some(9));
    // The kernel counts those again that have not ended yet when it goes through the group.
    assert!(matches!(one.oom_kills(), Some(2..)), "{:?}", one.oom_kills());
    assert_eq!(other.oom_kills(), Some(0));
    assert!(bystanders.iter_mut().all(Helper::is_running));
}

#[test]
#[ignore = "needs a version 2 memory controller: cargo xtask vm"]
fn nested_v2_freezes_and_thaws() {
    let group = group("freezes", 64);
    let mut helper = start("write", &group);
    helper.ready();
    group.freeze(true).unwrap();
    let state = || fs::read_to_string(group.path().join("cgroup.events")).unwrap();
    eventually("frozen", || state().contains("frozen 1"));
    sleep(Duration::from_millis(50));
    helper.written();
    sleep(Duration::from_millis(200));
    assert_eq!(helper.written(), 0, "a frozen process does nothing");
    group.freeze(false).unwrap();
    eventually("the helper goes on", || helper.written() > 0);
    group.freeze(true).unwrap();
    group.kill().unwrap();
    has_ended(&mut helper);
}

#[test]
#[ignore = "needs a version 2 memory controller: cargo xtask vm"]
fn nested_v2_kills_all_and_leaves_nothing() {
    let group = group("kill", 64);
    let unit = group.unit("one").unwrap();
    let mut helpers = [start("sleep", &group), start("sleep", &group), start("sleep", &unit)];
    let late = command("sleep").spawn().unwrap();
    let mut late = Helper { child: late, written: Arc::default() };
    unit.add(late.pid()).unwrap();
    let procs = |group: &Group| fs::read_to_string(group.procs_path()).unwrap().lines().count();
    eventually("all are in their groups", || (procs(&group), procs(&unit)) == (2, 2));
    assert!(Group::create(Path::new(ROOT), "kill", Bytes::mib(64)).is_err());
    group.kill().unwrap();
    assert_eq!(helpers.each_mut().map(Helper::signal), [Some(9); 3]);
    assert_eq!(late.signal(), Some(9));
    let path = group.path().to_owned();
    drop((group, unit));
    assert!(!path.exists());
}

#[test]
#[ignore = "needs a version 2 memory controller: cargo xtask vm"]
fn nested_v2_is_the_domain_of_what_is_in_it() {
    let group = group("domain", 64);
    let unit = group.unit("one").unwrap();
    let mut helper = start("grow 24", &unit);
    helper.ready();
    let domain = Domain::of(Path::new(ROOT), helper.pid());
    assert_eq!(Path::new(domain.name()), group.path());
    let before = domain.read().unwrap();
    assert_eq!((before.limit, before.oom_kills), (Bytes::mib(64), 0));
    assert!(before.held >= Bytes::mib(24) && before.held < Bytes::mib(40), "{before:?}");
    let mut greedy = start("grow 256", &group);
    assert_eq!(greedy.signal(), Some(9));
    let after = domain.read().unwrap();
    assert_eq!(after.oom_kills, 1);
    assert!(after.stall.unwrap().some > before.stall.unwrap().some, "{after:?}");
}

#[test]
#[ignore = "needs a version 2 memory controller: cargo xtask vm"]
fn nested_v2_refuses_where_others_are_or_nobody_may() {
    let group = group("refuses", 64);
    let mut neighbour = start("grow 1", &group);
    neighbour.ready();
    let status = command("group").env(PROCS, group.procs_path()).status().unwrap();
    assert_eq!(status.code(), Some(10), "the neighbour occupies the group");
    if rustix::process::getuid().is_root() {
        let status = command("group").uid(65534).gid(65534).status().unwrap();
        assert_eq!(status.code(), Some(11), "the group belongs to root");
    }
}

#[test]
#[ignore = "needs a version 2 memory controller: cargo xtask vm"]
fn nested_v2_does_not_kill_itself() {
    let group = group("itself", 64);
    let own = i32::try_from(std::process::id()).unwrap();
    let home = fs::read_to_string("/proc/self/cgroup").unwrap();
    let home = format!("/sys/fs/cgroup{}/cgroup.procs", home.trim().trim_start_matches("0::"));
    group.add(own).unwrap();
    let answer = group.kill();
    fs::write(home, "0").unwrap();
    assert_eq!(answer.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}
