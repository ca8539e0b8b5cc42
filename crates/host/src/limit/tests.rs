//! Refusals on fake machines, and what needs no control group. Does not make a real group:
//! `tests/limit.rs` does.

use super::*;
use ironwright_testkit::FakeRoot;

const V1: &str = "1 1 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
const V2: &str = "2 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

fn refusal(files: &[(&str, &str)]) -> String {
    let fake = FakeRoot::new(files.iter().copied());
    let error = Group::create(fake.path(), "run", Bytes::gib(1)).unwrap_err();
    error.to_string().replace(&fs::canonicalize(fake.path()).unwrap().display().to_string(), "")
}

#[test]
fn a_refusal_tells_what_each_version_is_missing() {
    assert_eq!(
        refusal(&[]),
        "no control group can limit the run: control groups of version 2 with the memory controller \
         are not mounted; control groups of version 1 with the memory controller are not mounted"
    );
    let own = ("proc/self/cgroup", "0::/job\n");
    let controllers = ("sys/fs/cgroup/job/cgroup.controllers", "cpu pids\n");
    let text = refusal(&[("proc/self/mountinfo", V2), own, controllers]);
    assert!(text.contains("group /sys/fs/cgroup/job has no memory controller"), "{text}");
}

#[test]
fn what_was_begun_is_removed_after_a_refusal() {
    let own = ("proc/self/cgroup", "4:memory:/\n");
    let fake = FakeRoot::new([("proc/self/mountinfo", V1), own, ("sys/fs/cgroup/memory/x", "")]);
    // No kernel fills the new directory, so its limit cannot be written.
    let error = Group::create(fake.path(), "run", Bytes::gib(1)).unwrap_err();
    assert!(error.to_string().contains("cannot limit the control group"), "{error}");
    assert!(!fake.resolve("sys/fs/cgroup/memory/ironwright-run").exists());
}

#[test]
fn a_name_leads_nowhere_else() {
    let fake = FakeRoot::new::<&str, &str>([]);
    let long = "x".repeat(101);
    for name in ["", "a/b", "../x", "a\nb", "ü", long.as_str()] {
        let error = Group::create(fake.path(), name, Bytes::gib(1)).unwrap_err();
        assert!(matches!(error, LimitError::Name(_)), "{name:?}: {error}");
    }
}

#[test]
fn the_preference_to_kill_is_only_raised() {
    let fake = FakeRoot::new([("proc/7/oom_score_adj", "300\n")]);
    let read = || fs::read_to_string(fake.resolve("proc/7/oom_score_adj")).unwrap();
    prefer_to_kill(&fake.resolve("proc"), 7, 200).unwrap();
    assert_eq!(read(), "300\n");
    prefer_to_kill(&fake.resolve("proc"), 7, 5000).unwrap();
    assert_eq!(read(), "1000");
    let absent = prefer_to_kill(&fake.resolve("proc"), 8, 1).unwrap_err();
    assert_eq!(absent.kind(), io::ErrorKind::NotFound);
    fake.write("proc/7/oom_score_adj", "much\n");
    assert!(prefer_to_kill(&fake.resolve("proc"), 7, 1).is_err());
}
