//! Which processes belong to which unit, and what they take of memory and processors.
//!
//! A process belongs to the unit whose process group it is in, else to its parent's. Does not know
//! what a unit is for, nor when to look.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ironwright_core::govern::UnitId;
use ironwright_core::units::Bytes;
use ironwright_host::kernel;
use ironwright_host::procfs::{Stat, pids, read_stat, read_statm};

use rustix::time::{ClockId, clock_gettime};

use crate::chores::{Births, Chore, UNSURE_FOR};
use crate::forked::{Family, Forked};

/// The processor time of who has run for less is read at each look: others may start as soon as it is seen
/// to sleep.
const YOUNG: Duration = Duration::from_secs(1);
/// A search that takes less is made for each unit that starts; else its children wait for the next one.
const CHEAP: Duration = Duration::from_millis(1);

/// What the processes of a unit take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Resident memory that no file backs; pages that forks share are counted once.
    pub(crate) memory: Bytes,
    /// Resident memory of the largest process that files back.
    pub(crate) files: Bytes,
    /// Processor time used and waited for since the unit began; nothing at a look at memory alone.
    pub(crate) wanted: Option<Duration>,
    /// The part of it that was waited for.
    pub(crate) delay: Duration,
}

/// A process of a unit.
#[derive(Debug)]
struct Member {
    unit: UnitId,
    parent: i32,
    /// Neither stopped nor killed with its unit.
    apart: bool,
    memory: u64,
    files: u64,
    /// Processor time at the last look, and what each thread had waited for by then.
    used: Duration,
    delays: BTreeMap<i32, u64>,
}

/// A unit's totals.
#[derive(Debug)]
struct Totals {
    began: Instant,
    used: Duration,
    delay: Duration,
    forked: Forked,
}

impl Totals {
    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < YOUNG
    }
}

/// All processes that are looked at.
#[derive(Debug)]
pub(crate) struct Processes {
    proc: PathBuf,
    page: u64,
    leaders: BTreeMap<i32, UnitId>,
    /// Roots of trees that work for a unit though they do not descend from its leader.
    also: BTreeMap<i32, UnitId>,
    totals: BTreeMap<UnitId, Totals>,
    members: BTreeMap<i32, Member>,
    /// Processes that are in no unit and were never going to be.
    others: BTreeSet<i32>,
    births: Births,
    accounts: Chore,
    searches: Chore,
}

impl Processes {
    /// Looks at the processes that a directory such as `/proc` lists.
    pub(crate) fn new(proc: impl Into<PathBuf>) -> Self {
        Self {
            proc: proc.into(),
            page: rustix::param::page_size() as u64,
            leaders: BTreeMap::new(),
            also: BTreeMap::new(),
            totals: BTreeMap::new(),
            members: BTreeMap::new(),
            others: BTreeSet::new(),
            births: Births::default(),
            accounts: Chore::default(),
            searches: Chore::default(),
        }
    }

    /// A unit's process group from now on; it has run for so long.
    pub(crate) fn add(&mut self, unit: UnitId, leader: i32, ran: Duration) {
        self.leaders.insert(leader, unit);
        let (used, delay, forked) = (Duration::ZERO, Duration::ZERO, Forked::default());
        self.totals.insert(unit, Totals { began: Instant::now(), used, delay, forked });
        if ran > UNSURE_FOR / 2 {
            // What it has forked by now was taken for somebody else's.
            self.others.clear();
        }
        if let Some(stat) = read_stat(&self.proc, leader) {
            self.members.insert(leader, member(unit, false, &stat));
        }
        if self.searches.took() < CHEAP {
            self.searches.hurry();
        }
    }

    /// Another tree that works for a unit from now on.
    pub(crate) fn add_also(&mut self, unit: UnitId, root: i32) {
        if self.totals.contains_key(&unit) && !self.leaders.contains_key(&root) {
            self.also.insert(root, unit);
            // It was there before, and was taken for somebody else's.
            self.others.clear();
            self.searches.hurry();
        }
    }

    /// Forgets a unit.
    pub(crate) fn remove(&mut self, unit: UnitId) {
        self.leaders.retain(|_, other| *other != unit);
        self.also.retain(|_, other| *other != unit);
        self.totals.remove(&unit);
        self.members.retain(|_, member| member.unit != unit);
    }

    /// Processes of a unit that are not in the group of its leader now.
    pub(crate) fn strays(&self, unit: UnitId, leader: i32) -> Vec<i32> {
        let left = |pid: i32| read_stat(&self.proc, pid).is_some_and(|stat| stat.group != leader);
        let own = |member: &Member| member.unit == unit && !member.apart;
        let members = self.members.iter().filter(|(_, member)| own(member));
        members.map(|(pid, _)| *pid).filter(|pid| left(*pid)).collect()
    }

    /// Processes of a unit that there are at this moment.
    pub(crate) fn all_of(&mut self, unit: UnitId) -> Vec<i32> {
        self.search();
        let own = |member: &Member| member.unit == unit && !member.apart;
        let members = self.members.iter().filter(|(_, member)| own(member));
        members.map(|(pid, _)| *pid).collect()
    }

    /// Whether a process descends from a unit's, so that the unit holds what it needs already.
    pub(crate) fn is_inside_a_unit(&self, pid: i32) -> bool {
        let mut at = pid;
        for _ in 0..DEEPEST {
            let Some(stat) = read_stat(&self.proc, at) else { return false };
            let parent = stat.parent;
            if self.leaders.contains_key(&parent) || self.members.contains_key(&parent) {
                return true;
            }
            if parent <= 1 || self.others.contains(&parent) {
                return false;
            }
            at = parent;
        }
        false
    }

    /// The parent of a process; nothing when it is gone. Of one that is just being reaped the kernel
    /// still tells, but no parent.
    pub(crate) fn parent_of(&self, pid: i32) -> Option<i32> {
        read_stat(&self.proc, pid).map(|stat| stat.parent).filter(|parent| *parent > 0)
    }

    /// Finds processes that were born since the last time, now and then.
    pub(crate) fn follow(&mut self, now: Instant) {
        if self.searches.is_due(now)
            && self.births.may_be_missed(&self.proc, self.searches.last(), now)
        {
            let began = Instant::now();
            self.search();
            self.searches.is_done(began);
        }
    }

    /// Looks at all units. Their memory is read each time, the rest only now and then.
    pub(crate) fn look(&mut self, now: Instant) -> BTreeMap<UnitId, Taken> {
        let full = self.accounts.is_due(now);
        let began = Instant::now();
        let mut taken: BTreeMap<UnitId, Taken> =
            self.totals.keys().map(|unit| (*unit, Taken::default())).collect();
        let mut gone = Vec::new();
        for (pid, member) in &mut self.members {
            let Some((resident, files)) = read_statm(&self.proc, *pid) else {
                gone.push(*pid);
                continue;
            };
            member.memory = resident.saturating_sub(files) * self.page;
            member.files = files * self.page;
            let total = self.totals.get_mut(&member.unit);
            if let Some(total) = total.filter(|total| full || total.is_young(now)) {
                account(&self.proc, *pid, member, total);
            }
            let unit = taken.entry(member.unit).or_default();
            unit.memory = unit.memory.saturating_add(Bytes(member.memory));
            unit.files = unit.files.max(Bytes(member.files));
        }
        for pid in gone {
            self.members.remove(&pid);
        }
        if full {
            self.look_for_shared(now);
            self.accounts.is_done(began);
        }
        for (unit, taken) in &mut taken {
            let Some(totals) = self.totals.get(unit) else { continue };
            taken.delay = totals.delay;
            taken.wanted = (full || totals.is_young(now)).then(|| totals.used + totals.delay);
            taken.memory = totals.forked.corrected(taken.memory);
        }
        taken
    }

    /// Sees how much of a unit's memory its processes share.
    fn look_for_shared(&mut self, now: Instant) {
        let mut families: BTreeMap<UnitId, Family> = BTreeMap::new();
        for (pid, member) in &self.members {
            let family = families.entry(member.unit).or_default();
            family.insert(*pid, (member.parent, member.memory));
        }
        for (unit, totals) in &mut self.totals {
            let family = families.remove(unit).unwrap_or_default();
            totals.forked.look(&self.proc, &family, now);
        }
    }

    /// Finds new processes and the units that they belong to.
    fn search(&mut self) {
        let all: BTreeSet<i32> = pids(&self.proc).into_iter().collect();
        self.members.retain(|pid, _| all.contains(pid));
        if self.births.are_many() {
            self.others.clear();
        }
        self.others.retain(|pid| all.contains(pid));
        let fresh =
            all.iter().filter(|pid| !self.members.contains_key(pid) && !self.others.contains(pid));
        let fresh: BTreeMap<i32, Stat> =
            fresh.filter_map(|pid| Some((*pid, read_stat(&self.proc, *pid)?))).collect();
        let mut found = Vec::new();
        let recent = ticks_since_boot().saturating_sub(UNSURE_FOR.as_secs() * TICKS);
        for (pid, stat) in &fresh {
            match self.unit_of(*pid, stat, &fresh) {
                Some((unit, apart)) => found.push((*pid, member(unit, apart, stat))),
                None if stat.started < recent => drop(self.others.insert(*pid)),
                None => {}
            }
        }
        self.members.extend(found);
    }

    /// The unit of a process, and whether it stands apart from the unit's own tree.
    fn unit_of(
        &self,
        pid: i32,
        stat: &Stat,
        fresh: &BTreeMap<i32, Stat>,
    ) -> Option<(UnitId, bool)> {
        let (mut pid, mut stat) = (pid, stat);
        for _ in 0..DEEPEST {
            let own = self.leaders.get(&pid).or_else(|| self.leaders.get(&stat.group));
            if let Some(unit) = own {
                return Some((*unit, false));
            }
            if let Some(unit) = self.also.get(&pid) {
                return Some((*unit, true));
            }
            if let Some(parent) = self.members.get(&stat.parent) {
                return Some((parent.unit, parent.apart));
            }
            (pid, stat) = (stat.parent, fresh.get(&stat.parent)?);
        }
        None
    }
}

/// Generations that are looked at; no build starts its compilers deeper.
const DEEPEST: usize = 64;

fn member(unit: UnitId, apart: bool, stat: &Stat) -> Member {
    Member {
        unit,
        apart,
        parent: stat.parent,
        memory: 0,
        files: 0,
        used: Duration::ZERO,
        delays: BTreeMap::new(),
    }
}

/// Adds what a process wanted since the last look to its unit.
fn account(proc: &Path, pid: i32, member: &mut Member, total: &mut Totals) {
    let Some(stat) = read_stat(proc, pid) else { return };
    let used = if stat.threads <= 1 {
        let Some((used, delay)) = schedstat(&proc.join(format!("{pid}/schedstat"))) else { return };
        total.delay += waited(&mut member.delays, pid, delay);
        used
    } else {
        // The sum over threads misses those that ended; the kernel's own sum is coarse and whole.
        let threads = proc.join(format!("{pid}/task"));
        for thread in pids(&threads) {
            let path = threads.join(format!("{thread}/schedstat"));
            if let Some((_, delay)) = schedstat(&path) {
                total.delay += waited(&mut member.delays, thread, delay);
            }
        }
        Duration::from_millis(stat.used.saturating_mul(1000 / TICKS))
    };
    total.used += used.saturating_sub(member.used);
    member.used = member.used.max(used);
}

/// The time in which `/proc` tells when a process started.
fn ticks_since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(TICKS)
}

/// Clock ticks a second in `/proc`: the same on every machine that Linux runs builds on.
const TICKS: u64 = 100;

fn waited(delays: &mut BTreeMap<i32, u64>, thread: i32, delay: u64) -> Duration {
    let before = delays.insert(thread, delay).unwrap_or(0);
    Duration::from_nanos(delay.saturating_sub(before))
}

/// Time on a processor, and nanoseconds spent waiting for one.
fn schedstat(path: &Path) -> Option<(Duration, u64)> {
    parse_schedstat(&kernel::read(path).ok()?)
}

fn parse_schedstat(line: &str) -> Option<(Duration, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let used = fields.next()?.parse().ok()?;
    Some((Duration::from_nanos(used), fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    fn look(processes: &mut Processes) -> BTreeMap<UnitId, Taken> {
        processes.follow(Instant::now());
        processes.look(Instant::now())
    }

    fn start(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).process_group(0).spawn().unwrap()
    }

    fn pid(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    fn end(mut child: Child) {
        let group = rustix::process::Pid::from_raw(pid(&child)).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        child.wait().unwrap();
    }

    #[test]
    fn memory_and_time_of_a_unit_are_those_of_its_processes() {
        let script = "python3 -c 'x = bytearray(64 << 20)\nwhile True: pass' & wait";
        let child = start(script);
        let mut processes = Processes::new("/proc");
        processes.add(UnitId(7), pid(&child), Duration::ZERO);
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut taken = Taken::default();
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(60));
            taken = look(&mut processes)[&UnitId(7)];
            let wanted = taken.wanted.unwrap_or_default();
            if taken.memory > Bytes::mib(64) && wanted > Duration::from_millis(300) {
                break;
            }
        }
        let inside = processes.is_inside_a_unit(*processes.members.keys().max().unwrap());
        end(child);
        assert!(taken.memory > Bytes::mib(64) && taken.memory < Bytes::mib(90), "{taken:?}");
        assert!(taken.wanted.unwrap() > Duration::from_millis(300), "{taken:?}");
        assert!(inside);
        processes.remove(UnitId(7));
        assert!(look(&mut processes).is_empty());
    }

    #[test]
    fn what_left_the_group_is_still_of_the_unit() {
        let child = start("setsid sleep 30 & sleep 30");
        let mut processes = Processes::new("/proc");
        processes.add(UnitId(1), pid(&child), Duration::ZERO);
        let mut strays = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(10);
        while strays.is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(60));
            look(&mut processes);
            strays = processes.strays(UnitId(1), pid(&child));
        }
        let stray = strays.first().copied();
        for pid in &strays {
            let pid = rustix::process::Pid::from_raw(*pid).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        end(child);
        assert!(stray.is_some());
    }

    #[test]
    fn another_tree_counts_and_is_not_ended_with_the_unit() {
        let child = start("sleep 30");
        let daemon = start("python3 -c 'import time; x = bytearray(32 << 20); time.sleep(30)'");
        let mut processes = Processes::new("/proc");
        processes.add(UnitId(1), pid(&child), Duration::ZERO);
        look(&mut processes);
        processes.add_also(UnitId(1), pid(&daemon));
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut memory = Bytes::ZERO;
        while memory < Bytes::mib(32) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(60));
            memory = look(&mut processes)[&UnitId(1)].memory;
        }
        let strays = processes.strays(UnitId(1), pid(&child));
        let all = processes.all_of(UnitId(1));
        processes.remove(UnitId(1));
        let after = look(&mut processes);
        let of_daemon = all.contains(&pid(&daemon));
        end(child);
        end(daemon);
        assert!(memory >= Bytes::mib(32), "{memory}");
        assert!(strays.is_empty() && !of_daemon, "{strays:?} {all:?}");
        assert!(after.is_empty());
    }

    #[test]
    fn this_process_is_in_no_unit() {
        let processes = Processes::new("/proc");
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!processes.is_inside_a_unit(own));
        assert_ne!(processes.parent_of(own), Some(own));
        assert_eq!(processes.parent_of(i32::MAX), None);
    }

    #[test]
    fn a_process_that_is_being_reaped_is_gone() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir(proc.path().join("7")).unwrap();
        let line = "7 (sh) X 0 -1 -1 0 -1 4194572 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0 0 0 0\n";
        std::fs::write(proc.path().join("7/stat"), line).unwrap();
        assert!(read_stat(proc.path(), 7).is_some());
        assert_eq!(Processes::new(proc.path()).parent_of(7), None);
    }

    #[test]
    fn the_kernel_s_lines_are_read() {
        assert_eq!(parse_schedstat("5 6 7\n"), Some((Duration::from_nanos(5), 6)));
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line in "(\\PC{0,9}\\) R )?([0-9]{1,20} ){0,22}\\PC{0,9}") {
            let _ = parse_schedstat(&line);
        }
    }
}
