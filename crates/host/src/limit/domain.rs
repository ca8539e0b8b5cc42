//! The memory domain of a process: where its memory is limited, and how much of it is left.
//!
//! Does not know which processes hold the memory, nor what should happen when it runs short.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ironwright_core::units::{Bytes, Limit};

use super::pinned::{Buffer, LongBuffer, Pinned, sum};
use crate::probe::cgroup::{MOUNTS, Mount, directories, mounts, own_path, parse_limit};
use crate::probe::memory::mm_stat;
use crate::psi;
use crate::root::Root;

/// What bounds a process's memory: the whole machine, or the control group above it with the lowest
/// limit. Of groups with the same limit the outer one counts, because it holds what the inner ones
/// hold.
///
/// Two domains are equal when they are the same group, whichever process led to it.
#[derive(Clone, Debug)]
pub struct Domain(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: Root,
    /// The directory of a group.
    name: String,
    /// The machine's memory, 0 where it is unknown.
    ram: u64,
    meminfo: Pinned,
    kills: Pinned,
    stall: Pinned,
    group: Option<GroupFiles>,
}

/// How much memory there is and how much of it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What the domain may hold.
    pub limit: Bytes,
    /// Memory that cannot be dropped.
    pub held: Bytes,
    /// What can still be taken without swapping.
    pub available: Bytes,
}

/// All that is known about a domain at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What the domain may hold: for a group the lower of its limit and the amount from which on it
    /// is throttled, never more than the machine has.
    pub limit: Bytes,
    /// Memory that cannot be dropped. Pages of files can, even those in use and those that have to
    /// be written first; so can the kernel's reclaimable caches.
    pub held: Bytes,
    /// What can still be taken without swapping.
    pub available: Bytes,
    /// Processes that the kernel killed for want of memory, ever. Version 1 counts by group and
    /// forgets with it, so there the total is over the groups that exist.
    pub oom_kills: u64,
    /// Swap that the domain may use.
    pub swap_total: Bytes,
    /// The part of it that is free.
    pub swap_free: Bytes,
    /// Swap in compressed memory; only the machine's reading has it.
    pub zram: Option<Zram>,
    /// How long tasks waited for memory: the group's in version 2, else the machine's; `None` where
    /// the kernel does not tell.
    pub stall: Option<Stall>,
}

/// All compressed block devices together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zram {
    /// What they can hold, uncompressed.
    pub size: Bytes,
    /// What they hold, uncompressed.
    pub used_uncompressed: Bytes,
    /// The memory that this takes.
    pub taken: Bytes,
}

/// Totals since boot, or since the group was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    /// Some task waited.
    pub some: Duration,
    /// Every task waited.
    pub full: Duration,
}

/// Where a group's figures stand.
#[derive(Debug)]
struct GroupFiles {
    unified: bool,
    limits: Vec<Pinned>,
    usage: Pinned,
    stat: Pinned,
    /// What of the usage can be dropped: keys of `stat`.
    droppable: &'static [&'static str],
    /// The limit of swap and what is used; in version 1 memory included.
    swap: [Pinned; 2],
}

/// `active_file` is dropped as well when nothing else is left, as `MemAvailable` presumes too.
const DROPPABLE_V2: &[&str] = &["inactive_file", "active_file", "slab_reclaimable"];
/// Version 1 tells nothing about the kernel's caches.
const DROPPABLE_V1: &[&str] = &["total_inactive_file", "total_active_file"];

impl GroupFiles {
    fn new(directory: &str, unified: bool) -> Self {
        let file = |name: &str| Pinned::new(format!("{directory}/{name}"));
        if unified {
            return Self {
                unified,
                limits: vec![file("memory.max"), file("memory.high")],
                usage: file("memory.current"),
                stat: file("memory.stat"),
                droppable: DROPPABLE_V2,
                swap: [file("memory.swap.max"), file("memory.swap.current")],
            };
        }
        Self {
            unified,
            limits: vec![file("memory.limit_in_bytes")],
            usage: file("memory.usage_in_bytes"),
            stat: file("memory.stat"),
            droppable: DROPPABLE_V1,
            swap: [file("memory.memsw.limit_in_bytes"), file("memory.memsw.usage_in_bytes")],
        }
    }

    /// The lowest limit, `None` when there is none. A kernel without one of the files limits
    /// nothing by it.
    fn limit(&self, root: &Root) -> io::Result<Option<u64>> {
        let mut lowest = None;
        for file in &self.limits {
            match limit(file, root) {
                Ok(Some(bytes)) => lowest = Some(lowest.map_or(bytes, |low: u64| low.min(bytes))),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(lowest)
    }

    fn held(&self, root: &Root) -> io::Result<u64> {
        let usage = self.usage.number(root)?;
        let mut buffer: Buffer = [0; _];
        let droppable = sum(self.stat.text(root, &mut buffer)?, self.droppable)
            .ok_or_else(|| self.stat.malformed("the sizes of file pages"))?;
        Ok(usage.saturating_sub(droppable))
    }

    /// The swap that the group may use and what of it is free, out of the machine's.
    fn swap(&self, root: &Root, total: u64, free: u64) -> (u64, u64) {
        let [limit_file, usage_file] = &self.swap;
        let (Ok(Some(mut limit)), Ok(mut used)) =
            (limit(limit_file, root), usage_file.number(root))
        else {
            return (total, free);
        };
        if !self.unified {
            let memory = self.limit(root).ok().flatten().unwrap_or(u64::MAX);
            limit = limit.saturating_sub(memory);
            used = used.saturating_sub(self.usage.number(root).unwrap_or(0));
        }
        (total.min(limit), free.min(limit.saturating_sub(used)))
    }
}

fn limit(file: &Pinned, root: &Root) -> io::Result<Option<u64>> {
    let mut buffer = [0; 64];
    match parse_limit(file.text(root, &mut buffer)?.trim()) {
        Some(Limit::Bytes(Bytes(bytes))) => Ok(Some(bytes)),
        Some(Limit::Unlimited) => Ok(None),
        None => Err(file.malformed("a number of bytes or \"max\"")),
    }
}

impl Domain {
    /// The whole machine. `root` is `/`, or a directory that stands in for it.
    pub fn machine(root: &Path) -> Self {
        Self::new(root_at(root), None)
    }

    /// The domain of a process now; that of the machine when nothing else limits it, or when its
    /// groups cannot be read.
    pub fn of(root: &Path, pid: i32) -> Self {
        let root = root_at(root);
        let group = lowest(&root, pid);
        Self::new(root, group)
    }

    fn new(root: Root, group: Option<(String, bool)>) -> Self {
        let ram = ram(&root);
        let (kills, stall) = match &group {
            Some((directory, true)) => {
                (format!("{directory}/memory.events"), format!("{directory}/memory.pressure"))
            }
            _ => ("/proc/vmstat".to_owned(), "/proc/pressure/memory".to_owned()),
        };
        let files = group.as_ref().map(|(directory, unified)| GroupFiles::new(directory, *unified));
        Self(Arc::new(Inner {
            root,
            name: group.map_or_else(|| "machine".to_owned(), |(directory, _)| directory),
            ram,
            meminfo: Pinned::new("/proc/meminfo"),
            kills: Pinned::new(kills),
            stall: Pinned::new(stall),
            group: files,
        }))
    }

    /// `machine`, or the directory of the group.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// False for a control group.
    pub fn is_machine(&self) -> bool {
        self.0.group.is_none()
    }

    /// How much there is and how much is taken.
    ///
    /// Cheap enough for a hundred times a second, a thousandth of a core: measured at 6 µs for the
    /// machine and 11 µs for a group of version 1 (two cores of Zen 4 under KVM, Linux 6.18), nearly
    /// all of it the kernel's writing of `meminfo` or `memory.stat`.
    ///
    /// # Errors
    /// When the figures cannot be read or are no figures; `ENODEV` (`Uncategorized`) when the group
    /// was removed.
    pub fn read_fast(&self) -> io::Result<Room> {
        let inner = &*self.0;
        let Some(group) = &inner.group else { return inner.machine_room() };
        let limit = group.limit(&inner.root)?.unwrap_or(u64::MAX).min(inner.ram_or_all());
        let held = group.held(&inner.root)?;
        Ok(Room {
            limit: Bytes(limit),
            held: Bytes(held),
            available: Bytes(limit.saturating_sub(held)),
        })
    }

    /// Everything; 60 to 90 µs on the same machine, since `vmstat` and the block devices are read too.
    ///
    /// # Errors
    /// As [`Domain::read_fast`]. What a kernel may lack (swap, zram, stalls, the count of kills) is
    /// none, not an error.
    pub fn read(&self) -> io::Result<Reading> {
        let inner = &*self.0;
        let Room { limit, held, available } = self.read_fast()?;
        let (swap_total, swap_free) = inner.swap();
        Ok(Reading {
            limit,
            held,
            available,
            oom_kills: inner.oom_kills(),
            swap_total: Bytes(swap_total),
            swap_free: Bytes(swap_free),
            zram: if self.is_machine() { zram(&inner.root) } else { None },
            stall: inner.stall(),
        })
    }
}

impl Inner {
    const fn ram_or_all(&self) -> u64 {
        if self.ram == 0 { u64::MAX } else { self.ram }
    }

    fn machine_room(&self) -> io::Result<Room> {
        let mut buffer: Buffer = [0; _];
        let text = self.meminfo.text(&self.root, &mut buffer)?;
        let (Some(total), Some(available)) =
            (meminfo(text, "MemTotal:"), meminfo(text, "MemAvailable:"))
        else {
            return Err(self.meminfo.malformed("MemTotal and MemAvailable in kB"));
        };
        let held = total.saturating_sub(available);
        Ok(Room { limit: Bytes(total), held: Bytes(held), available: Bytes(available) })
    }

    fn swap(&self) -> (u64, u64) {
        let mut buffer: Buffer = [0; _];
        let text = self.meminfo.text(&self.root, &mut buffer).unwrap_or_default();
        let total = meminfo(text, "SwapTotal:").unwrap_or(0);
        let free = meminfo(text, "SwapFree:").unwrap_or(0);
        self.group.as_ref().map_or((total, free), |group| group.swap(&self.root, total, free))
    }

    fn oom_kills(&self) -> u64 {
        if self.group.as_ref().is_some_and(|group| !group.unified) {
            return kills_v1(&self.root, &self.name, DEEPEST);
        }
        let mut buffer: LongBuffer = [0; _];
        let text = self.kills.text(&self.root, &mut buffer).unwrap_or_default();
        sum(text, &["oom_kill"]).unwrap_or(0)
    }

    fn stall(&self) -> Option<Stall> {
        let mut buffer = [0; 512];
        let text = self.stall.text(&self.root, &mut buffer).ok()?;
        let total = |kind| psi::total(text, kind).map(Duration::from_micros);
        Some(Stall { some: total("some")?, full: total("full")? })
    }
}

/// Levels of groups below a domain that are asked for killed processes.
const DEEPEST: u32 = 8;

/// Version 1 counts a kill in the group of the process alone.
fn kills_v1(root: &Root, directory: &str, levels: u32) -> u64 {
    let mut buffer = [0; 512];
    let file = Pinned::new(format!("{directory}/memory.oom_control"));
    let Ok(text) = file.text(root, &mut buffer) else { return 0 };
    let own = sum(text, &["oom_kill"]).unwrap_or(0);
    if levels == 0 {
        return own;
    }
    let is_control = |name: &&String| name.starts_with("memory.") || name.starts_with("cgroup.");
    let below = |name: &String| kills_v1(root, &format!("{directory}/{name}"), levels - 1);
    let names = root.list(directory);
    names.iter().filter(|name| !is_control(name)).map(below).fold(own, u64::saturating_add)
}

pub(super) fn root_at(root: &Path) -> Root {
    if root == Path::new("/") { Root::live() } else { Root::at(root) }
}

fn ram(root: &Root) -> u64 {
    let text = root.read("/proc/meminfo").unwrap_or_default();
    meminfo(&String::from_utf8_lossy(&text), "MemTotal:").unwrap_or(0)
}

/// Bytes of a line of meminfo, which writes kB and means 1024 bytes.
fn meminfo(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

/// The directory of the group that bounds a process, and whether it is of version 2.
fn lowest(root: &Root, pid: i32) -> Option<(String, bool)> {
    let text = |path: &str| {
        let bytes = root.read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (mounts, groups) = (mounts(&text(MOUNTS)), text(&format!("/proc/{pid}/cgroup")));
    let version_1 = mounts.iter().find(|mount| mount.controls("memory"));
    let version_2 = mounts.iter().find(|mount| mount.unified);
    let hierarchies = [(version_1, Some("memory")), (version_2, None)];
    let mut lowest = None;
    let mut at_most = ram(root).checked_sub(1).unwrap_or(u64::MAX);
    for (mount, controller) in hierarchies {
        let (Some(mount), Some(path)) = (mount, own_path(&groups, controller)) else { continue };
        for (directory, limit) in limits(root, mount, &path) {
            if limit <= at_most {
                (at_most, lowest) = (limit, Some((directory, mount.unified)));
            }
        }
    }
    lowest
}

/// The groups with a limit from a process's own to the root.
fn limits(root: &Root, mount: &Mount, path: &str) -> Vec<(String, u64)> {
    let groups = directories(root, mount, path).into_iter();
    let limit = |directory: String| {
        let limit = GroupFiles::new(&directory, mount.unified).limit(root).ok()??;
        Some((directory, limit))
    };
    groups.filter_map(limit).collect()
}

fn zram(root: &Root) -> Option<Zram> {
    let mut all = Zram::default();
    for name in root.list("/sys/block").iter().filter(|name| name.starts_with("zram")) {
        let size = Pinned::new(format!("/sys/block/{name}/disksize")).number(root).unwrap_or(0);
        let mut buffer = [0; 512];
        let file = Pinned::new(format!("/sys/block/{name}/mm_stat"));
        let stat = file.text(root, &mut buffer).ok().and_then(mm_stat);
        let (stored, taken, _) = stat.unwrap_or((Bytes::ZERO, Bytes::ZERO, Limit::Unlimited));
        all.size = all.size.saturating_add(Bytes(size));
        all.used_uncompressed = all.used_uncompressed.saturating_add(stored);
        all.taken = all.taken.saturating_add(taken);
    }
    // The module makes a device of no size that waits to be set up.
    (all.size > Bytes::ZERO).then_some(all)
}

impl Domain {
    fn identity(&self) -> (Option<bool>, &str) {
        (self.0.group.as_ref().map(|group| group.unified), &self.0.name)
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Domain {}

impl PartialOrd for Domain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Domain {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for Domain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

#[cfg(test)]
mod tests;
