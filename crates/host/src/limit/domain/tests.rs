//! Domains of fake machines. Does not know a real kernel: `tests/limit.rs` does.

use std::collections::BTreeSet;

use ironwright_testkit::FakeRoot;
use proptest::prelude::*;

use super::*;

const MEMINFO: &str = "MemTotal:       8388608 kB\nMemFree:         100 kB\n\
    MemAvailable:    6291456 kB\nSwapTotal:       2097152 kB\nSwapFree:        1048576 kB\n";
const PRESSURE: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\n\
    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
const V1: &str = "1 1 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
const V2: &str = "2 1 0:2 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

fn machine(files: &[(&str, &str)]) -> FakeRoot {
    let common = [
        ("proc/meminfo", MEMINFO),
        ("proc/vmstat", "nr_free_pages 1\noom_kill 3\noom_kill_other 9\n"),
        ("proc/pressure/memory", PRESSURE),
        ("sys/block/zram0/disksize", "4294967296\n"),
        ("sys/block/zram0/mm_stat", "1048576 300000 400000 0 400000 0 0 0 0\n"),
        ("sys/block/zram1/disksize", "0\n"),
        ("sys/block/vda/size", "1\n"),
    ];
    FakeRoot::new(common.into_iter().chain(files.iter().copied()))
}

fn unified(files: &[(&str, &str)]) -> FakeRoot {
    let mounts = ("proc/self/mountinfo", V2);
    let fake = machine(&[mounts, ("proc/7/cgroup", "0::/user/build/leaf\n")]);
    let base = "sys/fs/cgroup/unified/user";
    fake.directory(&format!("{base}/build/leaf"));
    for (name, text) in files {
        fake.write(&format!("{base}/{name}"), text);
    }
    fake
}

#[test]
fn a_process_without_limits_is_bounded_by_the_machine() {
    let fake = machine(&[]);
    let domain = Domain::of(fake.path(), 7);
    assert_eq!((domain.name(), domain.is_machine()), ("machine", true));
    let reading = domain.read().unwrap();
    assert_eq!((reading.limit, reading.held), (Bytes::gib(8), Bytes::gib(2)));
    assert_eq!((reading.available, reading.oom_kills), (Bytes::gib(6), 3));
    assert_eq!((reading.swap_total, reading.swap_free), (Bytes::gib(2), Bytes::gib(1)));
    let zram =
        Zram { size: Bytes::gib(4), used_uncompressed: Bytes::mib(1), taken: Bytes(400_000) };
    assert_eq!(reading.zram, Some(zram));
    let stall = Stall { some: Duration::from_micros(12), full: Duration::from_micros(7) };
    assert_eq!(reading.stall, Some(stall));
}

#[test]
fn the_lowest_limit_on_the_way_up_is_the_domain() {
    let fake = unified(&[
        ("memory.max", "2147483648\n"),
        ("memory.high", "max\n"),
        ("memory.current", "1073741824\n"),
        ("memory.stat", "anon 5\nfile 6\ninactive_file 268435456\nactive_file 134217728\n"),
        ("build/memory.max", "max\n"),
        ("build/leaf/memory.max", "3221225472\n"),
    ]);
    let domain = Domain::of(fake.path(), 7);
    assert_eq!(domain.name(), "/sys/fs/cgroup/unified/user");
    let error = domain.read_fast().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    fake.write(
        "sys/fs/cgroup/unified/user/memory.stat",
        "inactive_file 268435456\nactive_file 134217728\nunevictable 1\nslab_reclaimable 134217728\n",
    );
    fake.write("sys/fs/cgroup/unified/user/memory.high", "1610612736\n");
    let room = domain.read_fast().unwrap();
    assert_eq!((room.limit, room.held), (Bytes::mib(1536), Bytes::mib(512)));
    assert_eq!(room.available, Bytes::mib(1024));
}

#[test]
fn a_group_of_version_2_tells_its_own_kills_swap_and_stalls() {
    let fake = unified(&[
        ("memory.max", "2147483648\n"),
        ("memory.current", "1073741824\n"),
        ("memory.stat", "inactive_file 0\nactive_file 0\nslab_reclaimable 0\n"),
        ("memory.events", "low 0\nhigh 4\nmax 9\noom 1\noom_kill 2\noom_group_kill 0\n"),
        ("memory.pressure", "some avg10=0 total=5\nfull avg10=0 total=4\n"),
        ("memory.swap.max", "1610612736\n"),
        ("memory.swap.current", "1073741824\n"),
    ]);
    let reading = Domain::of(fake.path(), 7).read().unwrap();
    assert_eq!((reading.limit, reading.oom_kills, reading.zram), (Bytes::gib(2), 2, None));
    assert_eq!((reading.swap_total, reading.swap_free), (Bytes::mib(1536), Bytes::mib(512)));
    assert_eq!(reading.stall.unwrap().full, Duration::from_micros(4));
}

#[test]
fn a_hybrid_has_the_limit_where_the_memory_controller_is() {
    let mounts = format!("{V2}{V1}");
    let base = "sys/fs/cgroup/memory/job";
    let fake = machine(&[
        ("proc/self/mountinfo", &mounts),
        ("proc/7/cgroup", "4:memory:/job/x\n1:cpu:/\n0::/job\n"),
        ("sys/fs/cgroup/unified/job/cgroup.procs", "7\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        (&format!("{base}/memory.limit_in_bytes"), "3221225472\n"),
        (&format!("{base}/memory.usage_in_bytes"), "2147483648\n"),
        (&format!("{base}/memory.memsw.limit_in_bytes"), "4294967296\n"),
        (&format!("{base}/memory.memsw.usage_in_bytes"), "2415919104\n"),
        (
            &format!("{base}/memory.stat"),
            "inactive_file 1\nactive_file 1\ntotal_inactive_file 805306368\ntotal_active_file 268435456\n",
        ),
        (&format!("{base}/memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
        (&format!("{base}/x/memory.oom_control"), "oom_kill_disable 0\noom_kill 4\n"),
        (&format!("{base}/x/memory.limit_in_bytes"), "3221225472\n"),
    ]);
    let domain = Domain::of(fake.path(), 7);
    assert_eq!(domain.name(), "/sys/fs/cgroup/memory/job");
    let reading = domain.read().unwrap();
    assert_eq!((reading.limit, reading.held), (Bytes::gib(3), Bytes::gib(1)));
    assert_eq!((reading.available, reading.oom_kills), (Bytes::gib(2), 5));
    assert_eq!((reading.swap_total, reading.swap_free), (Bytes::gib(1), Bytes::mib(768)));
    assert_eq!(reading.stall.unwrap().some, Duration::from_micros(12));
}

#[test]
fn version_1_alone_is_followed() {
    let fake = machine(&[
        ("proc/self/mountinfo", V1),
        ("proc/7/cgroup", "4:memory:/docker/abc (deleted)\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n"),
        ("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 5\ntotal_active_file 5\n"),
    ]);
    let room = Domain::of(fake.path(), 7).read_fast().unwrap();
    assert_eq!((room.limit, room.held), (Bytes::gib(1), Bytes::ZERO));
}

#[test]
fn a_limit_that_is_none_leaves_the_machine() {
    for limit in ["8589934592\n", "99999999999\n", "max\n", "garbage\n", "", "-1\n"] {
        let fake = unified(&[("memory.max", limit), ("build/memory.max", "max\n")]);
        assert!(Domain::of(fake.path(), 7).is_machine(), "{limit:?}");
    }
}

#[test]
fn what_is_missing_or_malformed_is_an_error_that_names_the_file() {
    let empty = FakeRoot::new::<&str, &str>([]);
    let error = Domain::machine(empty.path()).read().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().starts_with("/proc/meminfo: "), "{error}");
    let old = FakeRoot::new([("proc/meminfo", "MemTotal: 5 kB\nMemFree: 1 kB\n")]);
    let error = Domain::machine(old.path()).read().unwrap_err();
    assert_eq!(error.to_string(), "/proc/meminfo: expected MemTotal and MemAvailable in kB");
    let bare = FakeRoot::new([("proc/meminfo", "MemTotal: 5 kB\nMemAvailable: 1 kB\n")]);
    let reading = Domain::machine(bare.path()).read().unwrap();
    assert_eq!((reading.oom_kills, reading.swap_total), (0, Bytes::ZERO));
    assert_eq!((reading.zram, reading.stall), (None, None));
    let group = unified(&[("memory.max", "1073741824\n"), ("memory.current", "x\n")]);
    let error = Domain::of(group.path(), 7).read_fast().unwrap_err();
    assert_eq!(error.to_string(), "/sys/fs/cgroup/unified/user/memory.current: expected a number");
}

#[test]
fn a_limit_that_is_lifted_later_is_what_the_machine_has() {
    let fake = unified(&[
        ("memory.max", "1073741824\n"),
        ("memory.current", "4096\n"),
        ("memory.stat", "inactive_file 0\nactive_file 0\nslab_reclaimable 0\n"),
    ]);
    let domain = Domain::of(fake.path(), 7);
    assert_eq!(domain.read_fast().unwrap().limit, Bytes::gib(1));
    fake.write("sys/fs/cgroup/unified/user/memory.max", "max\n");
    assert_eq!(domain.read_fast().unwrap().limit, Bytes::gib(8));
}

#[test]
fn the_same_group_is_the_same_domain() {
    let fake = unified(&[("memory.max", "1073741824\n")]);
    fake.write("proc/8/cgroup", "0::/user/build\n");
    let (one, other) = (Domain::of(fake.path(), 7), Domain::of(fake.path(), 8));
    let machine = Domain::machine(fake.path());
    let all: BTreeSet<Domain> = [one.clone(), other.clone(), machine.clone()].into();
    assert_eq!((one == other, one == machine, all.len()), (true, false, 2));
}

#[test]
fn this_machine_is_read() {
    let own = i32::try_from(std::process::id()).unwrap();
    let reading = Domain::of(Path::new("/"), own).read().unwrap();
    assert!(reading.limit > Bytes::mib(64) && reading.held > Bytes::ZERO, "{reading:?}");
    let machine = Domain::machine(Path::new("/")).read_fast().unwrap();
    assert_eq!(machine.held.saturating_add(machine.available), machine.limit);
}

proptest! {
    #[test]
    fn any_meminfo_is_read_without_a_panic(text in "(MemTotal:|kB|[0-9]{0,25}| |\n|\\PC){0,9}") {
        let _ = meminfo(&text, "MemTotal:");
    }
}
