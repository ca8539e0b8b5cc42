//! Control groups: how they are mounted, and the limits from this process's group to the root.
//!
//! Does not know what a limit means for builds.

use ironwright_core::facts::{CgroupFacts, CgroupMode, Fact};
use ironwright_core::units::{Bytes, Limit};

use super::answers;
use super::reader::Reader;
use crate::root::Root;

const GROUPS: &str = "/proc/self/cgroup";
pub(crate) const MOUNTS: &str = "/proc/self/mountinfo";

/// "No limit" in version 1 is the largest multiple of a page below 2^63.
const NO_LIMIT_V1: u64 = 1 << 62;

/// Controllers of version 1 (`include/linux/cgroup_subsys.h` of Linux 6.12). A hierarchy with none
/// of them (`name=systemd`) only groups processes and limits nothing.
const CONTROLLERS_V1: &[&str] = &[
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "debug",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "misc",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
    "rdma",
];

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The group that is mounted; not the root inside of containers.
    root: String,
    /// Where.
    pub(crate) point: String,
    /// Version 2.
    pub(crate) unified: bool,
    /// Controllers of a version 1 hierarchy.
    controllers: Vec<String>,
}

impl Mount {
    pub(crate) fn controls(&self, controller: &str) -> bool {
        self.controllers.iter().any(|one| one == controller)
    }
}

pub(crate) fn read(reader: &mut Reader<'_>) -> CgroupFacts {
    let mounts = mounts(&reader.optional(MOUNTS).unwrap_or_default());
    let groups = reader.optional(GROUPS).unwrap_or_default();
    let unified = mounts.iter().find(|m| m.unified);
    let memory_v1 = mounts.iter().find(|m| m.controls("memory"));
    let cpu_v1 = mounts.iter().find(|m| m.controls("cpu"));
    let mode = mode(&mounts);
    let unified_path = own_path(&groups, None);
    let delegated =
        delegated(reader, unified.filter(|_| mode == CgroupMode::V2), unified_path.as_deref());
    let mut facts = CgroupFacts {
        mode,
        path: own_path(&groups, memory_v1.map(|_| "memory")),
        memory_limit: Fact::new(Limit::Unlimited, GROUPS),
        memory_high: Fact::new(Limit::Unlimited, GROUPS),
        swap_limit: Fact::new(Limit::Unlimited, GROUPS),
        cpu_quota: None,
        delegated,
    };
    // In a hybrid each controller is in one of the two versions; the other has no files for it.
    version_2(reader, unified, unified_path.as_deref(), &mut facts);
    version_1(reader, memory_v1, own_path(&groups, Some("memory")).as_deref(), &mut facts);
    let quota = quota_v1(reader, cpu_v1, own_path(&groups, Some("cpu")).as_deref());
    facts.cpu_quota = smaller(facts.cpu_quota.take(), quota);
    facts
}

fn mode(mounts: &[Mount]) -> CgroupMode {
    let unified = mounts.iter().any(|m| m.unified);
    let legacy = mounts.iter().any(|m| !m.unified && !m.controllers.is_empty());
    match (unified, legacy) {
        (true, true) => CgroupMode::Hybrid,
        (true, false) => CgroupMode::V2,
        (false, true) => CgroupMode::V1,
        (false, false) => CgroupMode::None,
    }
}

/// The mounted hierarchies that a mountinfo lists.
pub(crate) fn mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(mount).collect()
}

/// A line of mountinfo that mounts control groups (proc(5)): root and mount point are fields 4 and
/// 5; behind the lone hyphen stand the file system and, last, its options.
fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let (root, point) = (fields.next()?.to_owned(), fields.next()?.to_owned());
    let mut behind = after.split(' ');
    let unified = match behind.next()? {
        "cgroup2" => true,
        "cgroup" => false,
        _ => return None,
    };
    let options = behind.next_back().unwrap_or_default();
    let is_controller = |option: &&str| !unified && CONTROLLERS_V1.contains(option);
    let controllers = options.split(',').filter(is_controller).map(str::to_owned).collect();
    Some(Mount { root, point, unified, controllers })
}

/// The group that a `/proc/<pid>/cgroup` tells in the hierarchy with the controller; `None` asks for version 2.
pub(crate) fn own_path(groups: &str, controller: Option<&str>) -> Option<String> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let is_it = match controller {
            None => controllers.is_empty(),
            Some(wanted) => controllers.split(',').any(|c| c == wanted),
        };
        is_it.then(|| path.to_owned())
    })
}

/// What of a group's path lies below what is mounted.
///
/// Inside a container the path may be told as the host sees it; the mounted root is then cut off. A
/// path that climbs (`/../other`) leads out of the namespace that is mounted, as
/// `cgroup_namespaces(7)` tells.
fn below<'a>(mount: &Mount, path: &'a str) -> &'a str {
    if path.split('/').any(|part| part == "..") {
        return "";
    }
    match path.strip_prefix(mount.root.as_str()) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

/// The directories from a group up to the mount point, own group first. Where the path leads to
/// nothing, the mount point itself is the group.
pub(crate) fn directories(root: &Root, mount: &Mount, path: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut at = below(mount, path).trim_matches('/');
    while !at.is_empty() {
        let directory = format!("{}/{at}", mount.point);
        if root.exists(&directory) {
            out.push(directory);
        }
        at = at.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    out.push(mount.point.clone());
    out
}

fn version_2(
    reader: &mut Reader<'_>,
    mount: Option<&Mount>,
    path: Option<&str>,
    facts: &mut CgroupFacts,
) {
    let (Some(mount), Some(path)) = (mount, path) else { return };
    for directory in directories(reader.root, mount, path) {
        lower(&mut facts.memory_limit, limit(reader, &format!("{directory}/memory.max")));
        lower(&mut facts.memory_high, limit(reader, &format!("{directory}/memory.high")));
        lower(&mut facts.swap_limit, limit(reader, &format!("{directory}/memory.swap.max")));
        let quota = quota_v2(reader, &format!("{directory}/cpu.max"));
        facts.cpu_quota = smaller(facts.cpu_quota.take(), quota);
    }
}

fn version_1(
    reader: &mut Reader<'_>,
    mount: Option<&Mount>,
    path: Option<&str>,
    facts: &mut CgroupFacts,
) {
    let (Some(mount), Some(path)) = (mount, path) else { return };
    for directory in directories(reader.root, mount, path) {
        lower(
            &mut facts.memory_limit,
            limit(reader, &format!("{directory}/memory.limit_in_bytes")),
        );
    }
}

fn quota_v2(reader: &mut Reader<'_>, path: &str) -> Option<Fact<f64>> {
    let text = reader.optional(path)?;
    if text.split_whitespace().next() == Some("max") {
        return None;
    }
    let quota = cpu_max(&text);
    if quota.is_none() {
        reader.malformed(path, "a quota or \"max\" and a period", &text);
    }
    quota.map(|quota| Fact::new(quota, path))
}

fn quota_v1(
    reader: &mut Reader<'_>,
    mount: Option<&Mount>,
    path: Option<&str>,
) -> Option<Fact<f64>> {
    let (mount, path) = (mount?, path?);
    let mut lowest = None;
    for directory in directories(reader.root, mount, path) {
        let file = format!("{directory}/cpu.cfs_quota_us");
        let quota = reader.number::<i64>(&file).map(|fact| fact.value);
        let period =
            reader.number::<i64>(&format!("{directory}/cpu.cfs_period_us")).map(|fact| fact.value);
        // -1 stands for no quota.
        if let (Some(quota @ 1..), Some(period @ 1..)) = (quota, period) {
            lowest = smaller(lowest, Some(Fact::new(quota as f64 / period as f64, file)));
        }
    }
    lowest
}

fn limit(reader: &mut Reader<'_>, path: &str) -> Option<Fact<Limit>> {
    let text = reader.optional(path)?;
    let parsed = parse_limit(&text);
    if parsed.is_none() {
        reader.malformed(path, "a number of bytes or \"max\"", &text);
    }
    parsed.map(|limit| Fact::new(limit, path))
}

pub(crate) fn parse_limit(text: &str) -> Option<Limit> {
    match text {
        "max" => Some(Limit::Unlimited),
        number => match number.parse::<u64>().ok()? {
            NO_LIMIT_V1.. => Some(Limit::Unlimited),
            bytes => Some(Limit::Bytes(Bytes(bytes))),
        },
    }
}

/// Processors' worth of time of `cpu.max` (`200000 100000`); `None` when there is no such number.
fn cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period) = (quota.parse::<u64>().ok()?, period.trim().parse::<u64>().ok()?);
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

fn lower(current: &mut Fact<Limit>, other: Option<Fact<Limit>>) {
    let Some(other) = other else { return };
    let is_lower = match (other.value.bytes(), current.value.bytes()) {
        (Some(other), Some(current)) => other < current,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if is_lower {
        *current = other;
    }
}

fn smaller(one: Option<Fact<f64>>, other: Option<Fact<f64>>) -> Option<Fact<f64>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.value < one.value { other } else { one }),
        (one, other) => one.or(other),
    }
}

fn delegated(reader: &mut Reader<'_>, mount: Option<&Mount>, path: Option<&str>) -> Vec<String> {
    if !reader.root.is_live() {
        return answers::recorded(reader).delegated;
    }
    let (Some(mount), Some(path)) = (mount, path) else { return Vec::new() };
    let Some(own) = directories(reader.root, mount, path).into_iter().next() else {
        return Vec::new();
    };
    let writable = ["cgroup.procs", "cgroup.subtree_control"].iter().all(|file| {
        rustix::fs::access(format!("{own}/{file}"), rustix::fs::Access::WRITE_OK).is_ok()
    });
    if !writable {
        return Vec::new();
    }
    let text = reader.optional(&format!("{own}/cgroup.controllers")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_testkit::FakeRoot;
    use proptest::prelude::*;

    fn facts(files: &[(&str, &str)]) -> CgroupFacts {
        let fake = FakeRoot::new(files.iter().copied());
        let root = Root::at(fake.path());
        let mut reader = Reader::new(&root);
        let facts = read(&mut reader);
        assert_eq!(reader.problems, []);
        facts
    }

    #[test]
    fn the_lowest_limit_on_the_way_up_counts() {
        let facts = facts(&[
            (
                "proc/self/mountinfo",
                "30 1 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n",
            ),
            ("proc/self/cgroup", "0::/user.slice/app.scope\n"),
            ("sys/fs/cgroup/user.slice/memory.max", "4294967296\n"),
            ("sys/fs/cgroup/user.slice/app.scope/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/app.scope/cpu.max", "150000 100000\n"),
        ]);
        assert_eq!(
            (facts.mode, facts.memory_limit.value),
            (CgroupMode::V2, Limit::Bytes(Bytes::gib(4)))
        );
        assert_eq!(facts.memory_limit.source, "/sys/fs/cgroup/user.slice/memory.max");
        assert!((facts.cpu_quota.unwrap().value - 1.5).abs() < 1e-9);
    }

    #[test]
    fn version_1_beside_a_bare_version_2_is_hybrid() {
        let facts = facts(&[
            (
                "proc/self/mountinfo",
                "1 1 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n2 1 0:2 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                 3 1 0:3 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
            ),
            ("proc/self/cgroup", "4:memory:/job/x\n1:cpu:/job\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/job/x/memory.limit_in_bytes", "1073741824\n"),
            ("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n"),
        ]);
        assert_eq!(
            (facts.mode, facts.memory_limit.value),
            (CgroupMode::Hybrid, Limit::Bytes(Bytes::gib(1)))
        );
        assert_eq!(facts.cpu_quota, None);
    }

    #[test]
    fn a_container_sees_its_group_as_the_mount_itself() {
        let facts = facts(&[
            (
                "proc/self/mountinfo",
                "30 1 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            ),
            ("proc/self/cgroup", "0::/docker/abc\n"),
            ("sys/fs/cgroup/memory.max", "536870912\n"),
        ]);
        assert_eq!(facts.memory_limit.value, Limit::Bytes(Bytes::mib(512)));
    }

    const V2_MOUNT: &str = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn a_named_hierarchy_beside_version_2_limits_nothing() {
        let named = "31 1 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
        let mounts = format!("{V2_MOUNT}{named}");
        let facts = facts(&[
            ("proc/self/mountinfo", mounts.as_str()),
            ("proc/self/cgroup", "1:name=systemd:/\n0::/job\n"),
            ("sys/fs/cgroup/job/memory.max", "1073741824\n"),
        ]);
        assert_eq!((facts.mode, facts.path.as_deref()), (CgroupMode::V2, Some("/job")));
        assert_eq!(facts.memory_limit.value, Limit::Bytes(Bytes::gib(1)));
    }

    #[test]
    fn a_hybrid_may_have_memory_and_processors_in_version_2() {
        let facts = facts(&[
            (
                "proc/self/mountinfo",
                "30 1 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                 31 1 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n",
            ),
            ("proc/self/cgroup", "1:cpuset:/\n0::/job\n"),
            ("sys/fs/cgroup/unified/job/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/unified/job/cpu.max", "200000 100000\n"),
        ]);
        assert_eq!((facts.mode, facts.path.as_deref()), (CgroupMode::Hybrid, Some("/job")));
        assert_eq!(facts.memory_limit.value, Limit::Bytes(Bytes::gib(1)));
        assert!((facts.cpu_quota.unwrap().value - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_not_followed() {
        let limit = |root: &str, path: &str| {
            let mounts = format!("30 1 0:26 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
            let groups = format!("0::{path}\n");
            facts(&[
                ("proc/self/mountinfo", mounts.as_str()),
                ("proc/self/cgroup", groups.as_str()),
                ("sys/fs/cgroup/memory.max", "2097152\n"),
                ("sys/fs/cgroup/def/memory.max", "1048576\n"),
                ("sys/fs/other/memory.max", "1048576\n"),
            ])
            .memory_limit
        };
        for (root, path) in [("/docker/abc", "/docker/abcdef"), ("/", "/../other")] {
            assert_eq!(limit(root, path).source, "/sys/fs/cgroup/memory.max", "{path}");
        }
        assert_eq!(limit("/docker/abc", "/docker/abc/def").source, "/sys/fs/cgroup/def/memory.max");
    }

    #[test]
    fn malformed_limits_are_problems_and_no_limits() {
        let fake = FakeRoot::new([
            ("proc/self/mountinfo", V2_MOUNT),
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", ""),
            ("sys/fs/cgroup/memory.high", "max\n"),
            ("sys/fs/cgroup/cpu.max", "banana\n"),
        ]);
        let root = Root::at(fake.path());
        let mut reader = Reader::new(&root);
        let facts = read(&mut reader);
        assert_eq!((facts.memory_limit.value, facts.cpu_quota), (Limit::Unlimited, None));
        let sources: Vec<&str> = reader.problems.iter().map(|p| p.source.as_str()).collect();
        assert_eq!(sources, ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max"]);
    }

    #[test]
    fn nothing_to_read_is_no_problem() {
        let facts = facts(&[]);
        assert_eq!((facts.mode, facts.path), (CgroupMode::None, None));
        assert_eq!(facts.memory_limit.value, Limit::Unlimited);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,60}", line in "[0-9:/ -]{0,40}(cgroup2? )?[a-z, ]{0,10}") {
            let _ = (mount(&text), mount(&line), own_path(&text, None), parse_limit(&text), cpu_max(&line));
        }
    }
}
