//! Where memory is limited: which process counts in which domain, and how each stands.
//!
//! Does not know which units run, nor what is done about distress.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ironwright_core::govern::{Alarm, DomainId, DomainSample};
use ironwright_core::units::Bytes;
use ironwright_host::kernel;
use ironwright_host::limit::PREFIX;
use ironwright_host::limit::domain::{Domain, Stall, Zram};

/// Part of a group's limit that is not given to builds when no run tells a budget: the kernel's own
/// structures and file pages in use need some.
const KEPT_OF_GROUP: f64 = 1.0 / 96.0;
/// The same for the machine, whose desktop lives in it.
const KEPT_OF_MACHINE: f64 = 1.0 / 8.0;
/// Part of the reserve that must be left, or nothing new starts: 6 GB of 7, which is the red flag at
/// 22 GB on a machine that has 28 and gives 21 to builds.
const RED_RESERVE: f64 = 6.0 / 7.0;
/// What counts as reserve at most, of all memory, however small the budget is.
const MOST_RESERVE: f64 = 1.0 / 4.0;
/// Fill of compressed swap from which on nothing new starts: 10 GB of 12.
const RED_ZRAM: f64 = 10.0 / 12.0;
/// Part of the time in which every task waits for memory, from which on nothing new starts, and
/// from which on units pause. A machine that feels frozen is above a half.
const STALLED: (f64, f64) = (0.10, 0.30);
/// Time over which stalls are measured at least.
const STALL_OVER: Duration = Duration::from_millis(250);

/// The domains that any unit was in.
#[derive(Debug)]
pub(crate) struct Domains {
    root: PathBuf,
    known: BTreeMap<DomainId, Known>,
    next: u32,
    /// What `/proc/<pid>/cgroup` said, and the domain that this meant.
    by_groups: BTreeMap<String, DomainId>,
    distress: Distress,
    stall: Option<(Instant, Stall)>,
}

#[derive(Debug)]
struct Known {
    domain: Domain,
    /// As a run told it.
    budget: Option<Bytes>,
    /// Kills by the kernel that are accounted for.
    kills: u64,
}

impl Known {
    /// Whether it is the group of a run, made by this program.
    fn is_run(&self) -> bool {
        let name = Path::new(self.domain.name()).file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(PREFIX)) && !self.domain.is_machine()
    }
}

/// Signs of distress.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Distress {
    pub(crate) alarm: Alarm,
    pub(crate) stall_some: f64,
    pub(crate) stall_full: f64,
    pub(crate) zram: Zram,
    pub(crate) swap_used: Bytes,
}

impl Domains {
    /// Knows the machine alone. `root` is `/`, or what stands in for it.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let mut made = Self {
            known: BTreeMap::new(),
            next: 0,
            by_groups: BTreeMap::new(),
            distress: Distress::default(),
            stall: None,
            root,
        };
        made.insert(Domain::machine(&made.root));
        made
    }

    fn insert(&mut self, domain: Domain) -> DomainId {
        let id = DomainId(self.next);
        self.next += 1;
        let kills = domain.read().map_or(0, |reading| reading.oom_kills);
        self.known.insert(id, Known { domain, budget: None, kills });
        id
    }

    /// The domain of a process, and whether it is new.
    pub(crate) fn of(&mut self, pid: i32) -> (DomainId, bool) {
        let path = self.root.join(format!("proc/{pid}/cgroup"));
        let groups = kernel::read(&path).unwrap_or_default();
        if let Some(id) = self.by_groups.get(&groups) {
            return (*id, false);
        }
        let domain = Domain::of(&self.root, pid);
        let found = self.known.iter().find(|(_, known)| known.domain == domain);
        let (id, new) = match found {
            Some((id, _)) => (*id, false),
            None => (self.insert(domain), true),
        };
        self.by_groups.insert(groups, id);
        (id, new)
    }

    /// Sets what builds may hold in a domain; nothing leaves it to the domain's limit.
    pub(crate) fn set_budget(&mut self, id: DomainId, budget: Option<Bytes>) {
        if let Some(known) = self.known.get_mut(&id) {
            known.budget = budget;
        }
    }

    /// What builds may hold in a domain: what a run told, else its limit without a reserve.
    pub(crate) fn budget(&self, id: DomainId) -> Bytes {
        let Some(known) = self.known.get(&id) else { return Bytes::ZERO };
        let kept = if known.domain.is_machine() {
            KEPT_OF_MACHINE
        } else if known.is_run() {
            // Its limit is the budget.
            0.0
        } else {
            KEPT_OF_GROUP
        };
        let limit = || known.domain.read_fast().map_or(Bytes::gib(1), |room| room.limit);
        known.budget.unwrap_or_else(|| limit().scaled(1.0 - kept))
    }

    /// The group of version 2 of a run, in which its units may have groups of their own.
    pub(crate) fn divisible(&self, id: DomainId) -> Option<&Path> {
        let known = self.known.get(&id).filter(|known| known.is_run())?;
        let path = Path::new(known.domain.name());
        path.join("cgroup.subtree_control").exists().then_some(path)
    }

    /// How all domains stand. One that cannot be read, since its group is gone, is left out.
    pub(crate) fn look(&self) -> Vec<DomainSample> {
        let sample = |(id, known): (&DomainId, &Known)| {
            let room = known.domain.read_fast().ok()?;
            // A budget above the machine's memory counts on swap, which then counts as room.
            let worth = known.budget.unwrap_or_default();
            Some(DomainSample { domain: *id, limit: room.limit.max(worth), held: room.held })
        };
        self.known.iter().filter_map(sample).collect()
    }

    /// Forgets the domains that nothing is in and whose groups are gone.
    pub(crate) fn forget(&mut self, used: &BTreeSet<DomainId>) -> Vec<DomainId> {
        let directory = |name: &str| self.root.join(name.trim_start_matches('/'));
        let gone = |(id, known): &(&DomainId, &Known)| {
            let is_group = !used.contains(id) && !known.domain.is_machine();
            is_group && !directory(known.domain.name()).exists()
        };
        let gone: Vec<DomainId> = self.known.iter().filter(gone).map(|(id, _)| *id).collect();
        self.known.retain(|id, _| !gone.contains(id));
        self.by_groups.retain(|_, id| !gone.contains(id));
        gone
    }

    /// Whether the kernel killed something in a domain that is not accounted for. Accounts for it.
    pub(crate) fn killed(&mut self, id: DomainId) -> bool {
        let Some(known) = self.known.get_mut(&id) else { return false };
        let Ok(reading) = known.domain.read() else { return false };
        // A group's count may fall, because it forgets what was counted in groups that are gone.
        known.kills = known.kills.min(reading.oom_kills);
        let rose = reading.oom_kills > known.kills;
        known.kills += u64::from(rose);
        rose
    }

    /// Takes all kills so far for those of processes that are in no unit.
    pub(crate) fn settle(&mut self) {
        for known in self.known.values_mut() {
            if let Ok(reading) = known.domain.read() {
                known.kills = reading.oom_kills;
            }
        }
    }

    /// Signs of distress, measured anew now and then.
    pub(crate) fn distress(&mut self, now: Instant) -> Distress {
        let fresh = self.stall.is_some_and(|(then, _)| now.duration_since(then) < STALL_OVER);
        if !fresh {
            self.measure(now);
        }
        self.distress
    }

    fn measure(&mut self, now: Instant) {
        let Some(machine) = self.known.get(&DomainId::default()) else { return };
        let Ok(reading) = machine.domain.read() else { return };
        let mut distress = Distress {
            zram: reading.zram.unwrap_or_default(),
            swap_used: reading.swap_total.saturating_sub(reading.swap_free),
            ..Distress::default()
        };
        let stall = reading.stall.unwrap_or_default();
        if let Some((then, before)) = self.stall {
            let passed = now.duration_since(then).as_secs_f64().max(1e-3);
            let part = |now: Duration, then: Duration| {
                (now.saturating_sub(then).as_secs_f64() / passed).min(1.0)
            };
            distress.stall_some = part(stall.some, before.some);
            distress.stall_full = part(stall.full, before.full);
        }
        self.stall = Some((now, stall));
        let budget = machine.budget.unwrap_or(reading.limit);
        distress.alarm = alarm(&distress, reading.held, reading.limit, budget);
        self.distress = distress;
    }
}

/// `held` of `memory` is taken, compressed memory not counted.
fn alarm(distress: &Distress, held: Bytes, memory: Bytes, budget: Bytes) -> Alarm {
    let zram = distress.zram;
    let filled = zram.used_uncompressed > zram.size.scaled(RED_ZRAM);
    let total = memory.saturating_add(zram.size);
    let reserve = total.saturating_sub(budget).min(total.scaled(MOST_RESERVE));
    let red = total.saturating_sub(reserve.scaled(RED_RESERVE));
    let over = held.saturating_add(zram.used_uncompressed) > red;
    if distress.stall_full > STALLED.1 || (filled && zram.size > Bytes::ZERO && over) {
        return Alarm::Pause;
    }
    let red = over || (filled && zram.size > Bytes::ZERO) || distress.stall_full > STALLED.0;
    if red { Alarm::Throttle } else { Alarm::Calm }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn red_flags_are_parts_of_the_profile() {
        // The reference host: 16 GB and 12 GB of zram, 21 GB of them for builds.
        let gib = Bytes::gib;
        let zram = |used| Zram { size: gib(12), used_uncompressed: gib(used), taken: gib(3) };
        let with = |used| Distress { zram: zram(used), ..Distress::default() };
        let alarm_at = |used, held| alarm(&with(used), gib(held), gib(16), gib(21));
        assert_eq!(alarm_at(7, 15), Alarm::Calm);
        assert_eq!(alarm_at(8, 15), Alarm::Throttle);
        assert_eq!(alarm_at(11, 9), Alarm::Throttle);
        assert_eq!(alarm_at(11, 15), Alarm::Pause);
    }

    #[test]
    fn a_small_budget_is_no_reason_for_alarm() {
        let calm = Distress::default();
        let alarm_at = |held| alarm(&calm, Bytes::gib(held), Bytes::gib(24), Bytes::gib(1));
        assert_eq!(alarm_at(18), Alarm::Calm);
        assert_eq!(alarm_at(19), Alarm::Throttle);
    }

    #[test]
    fn stalls_are_an_alarm() {
        let stalled = |stall_full| Distress { stall_full, ..Distress::default() };
        let alarm_at = |part| alarm(&stalled(part), Bytes::gib(1), Bytes::gib(24), Bytes::gib(20));
        assert_eq!(alarm_at(0.05), Alarm::Calm);
        assert_eq!(alarm_at(0.2), Alarm::Throttle);
        assert_eq!(alarm_at(0.4), Alarm::Pause);
    }

    #[test]
    fn a_run_s_group_is_known_by_its_name_and_forgotten_with_it() {
        let mounts = "2 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let group = "sys/fs/cgroup/job/ironwright-run-5";
        let fake = ironwright_testkit::FakeRoot::new([
            ("proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n"),
            ("proc/self/mountinfo", mounts),
            ("proc/7/cgroup", "0::/job/ironwright-run-5/main\n"),
            ("proc/8/cgroup", "0::/\n"),
        ]);
        for (name, text) in [
            ("memory.max", "1073741824\n"),
            ("memory.current", "4096\n"),
            ("memory.stat", "inactive_file 0\nactive_file 0\nslab_reclaimable 0\n"),
        ] {
            fake.write(&format!("{group}/{name}"), text);
        }
        fake.directory(&format!("{group}/main"));
        let mut domains = Domains::new(fake.path());
        assert_eq!(domains.of(8), (DomainId(0), false));
        let (id, new) = domains.of(7);
        assert!(new && id != DomainId(0));
        // Its limit is the budget of the run, and needs no reserve.
        assert_eq!(domains.budget(id), Bytes::gib(1));
        assert_eq!(domains.look().len(), 2);
        assert_eq!(domains.forget(&BTreeSet::new()), []);
        fs::remove_dir_all(fake.resolve(group)).unwrap();
        assert_eq!(domains.forget(&BTreeSet::from([id])), []);
        assert_eq!(domains.forget(&BTreeSet::new()), [id]);
        assert_eq!(domains.look().len(), 1);
    }

    #[test]
    fn this_machine_has_room() {
        let mut domains = Domains::new("/");
        let own = i32::try_from(std::process::id()).unwrap();
        let (id, _) = domains.of(own);
        assert_eq!(domains.of(own), (id, false));
        assert!(domains.budget(id) > Bytes::mib(64));
        let samples = domains.look();
        assert!(samples.iter().any(|sample| sample.domain == id && sample.held > Bytes::ZERO));
        domains.set_budget(id, Some(Bytes::gib(9000)));
        assert_eq!(domains.budget(id), Bytes::gib(9000));
        assert!(domains.look().iter().any(|sample| sample.limit >= Bytes::gib(9000)));
        assert!(!domains.killed(id) || domains.known[&id].kills > 0);
        let distress = domains.distress(Instant::now());
        assert!((0.0..=1.0).contains(&distress.stall_full));
    }
}
