//! A history that cannot be written: a full disk, or something in the way.
//!
//! Does not know what the history holds.

use std::fs;
use std::path::PathBuf;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::home::{Home, good, run, stderr};
use crate::project::Project;

fn builds_well(home: &Home, told: &str) {
    let project = Project::new(home.work(), 2);
    let expected = project.expected();
    let output = run(home.ironwright(&["run", "--", "make", "-s"]));
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(told), "{said}");
    assert!(project.outputs() == expected);
    assert_eq!(good(&run(home.unit("a", &[], "echo went"))), "went\n");
}

#[test]
fn a_file_in_the_way_changes_nothing_else() {
    let home = Home::new();
    fs::write(home.path().join("state"), "in the way").unwrap();
    builds_well(&home, "this run is not kept");
}

/// A file system of its own, which is gone at the end.
struct Tiny(PathBuf);

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

fn tiny(home: &Home, flags: MountFlags) -> Tiny {
    let state = home.path().join("state");
    fs::create_dir(&state).unwrap();
    mount("tmpfs", &state, "tmpfs", flags, Some(c"size=64k")).unwrap();
    Tiny(state)
}

#[test]
#[ignore = "needs root, to mount"]
fn a_full_disk_changes_nothing_else() {
    let home = Home::new();
    let tiny = tiny(&home, MountFlags::empty());
    let _ = fs::write(tiny.0.join("full"), vec![0; 128 << 10]);
    builds_well(&home, "this run is not kept");
    drop((tiny, home));
}

#[test]
#[ignore = "needs root, to mount"]
fn a_disk_that_fills_up_changes_nothing_else() {
    let home = Home::new();
    let tiny = tiny(&home, MountFlags::empty());
    fs::create_dir(tiny.0.join("ironwright")).unwrap();
    builds_well(&home, "");
    drop((tiny, home));
}

#[test]
#[ignore = "needs root, to mount"]
fn a_disk_for_reading_only_changes_nothing_else() {
    let home = Home::new();
    let tiny = tiny(&home, MountFlags::RDONLY);
    builds_well(&home, "this run is not kept");
    drop((tiny, home));
}
