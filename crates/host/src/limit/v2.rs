//! Limits by control groups of version 2 (the kernel's `admin-guide/cgroup-v2.rst`).
//!
//! Does not know who delegated a group, only whether it may be used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ironwright_core::units::Bytes;

use super::{Group, LimitError, Mechanism, is_busy, make, own_directory, refused, write};
use crate::root::Root;

/// Where this process moves when it was alone in its group.
const SELF: &str = "ironwright-self";
/// The processes of a run that belong to no unit. They need a group of their own, since a group
/// either has processes or limits those below.
const MAIN: &str = "main";
/// Part of the budget that lies between throttling and killing.
const MARGIN: u64 = 16;

/// Makes and limits a group beside or below that of this process.
pub(super) fn create(root: &Root, name: &str, budget: Bytes) -> Result<Group, LimitError> {
    let base = base(root)?;
    hand_down_memory(&base)?;
    let path = base.join(name);
    make(&path)?;
    let mut group = Group::new(Mechanism::CgroupV2, path);
    let refuse = |action, error| refused(action, &group.path, &base, error);
    set_budget(&group.path, budget).map_err(|error| refuse("limit the control group", error))?;
    hand_down_memory(&group.path)?;
    let main = group.path.join(MAIN);
    make(&main)?;
    group.procs = main.join("cgroup.procs");
    group.divisible = true;
    Ok(group)
}

/// A group for a unit in that of its run.
pub(super) fn unit(run: &Path, name: &str) -> Result<Group, LimitError> {
    let path = run.join(format!("unit-{name}"));
    make(&path)?;
    let group = Group::new(Mechanism::CgroupV2, path);
    write(&group.path.join("memory.oom.group"), "1")
        .map_err(|error| refused("configure the control group", &group.path, run, error))?;
    Ok(group)
}

/// `memory.oom.group` stays 0: which of a run's processes dies is the kernel's choice, and the rest
/// goes on.
pub(super) fn set_budget(path: &Path, budget: Bytes) -> io::Result<()> {
    let most = budget.0.saturating_add(budget.0 / MARGIN);
    write(&path.join("memory.high"), &budget.0.to_string())?;
    write(&path.join("memory.max"), &most.to_string())
}

/// The group in which those of runs are made.
fn base(root: &Root) -> Result<PathBuf, LimitError> {
    let own = own_directory(root, None).ok_or(LimitError::NotMounted(2))?;
    match own.parent() {
        Some(parent) if own.ends_with(SELF) => Ok(parent.to_owned()),
        _ => Ok(own),
    }
}

/// Lets the groups below have the memory controller.
fn hand_down_memory(group: &Path) -> Result<(), LimitError> {
    let file = group.join("cgroup.subtree_control");
    let has = |name: &str| {
        let text = fs::read_to_string(group.join(name)).unwrap_or_default();
        text.split_ascii_whitespace().any(|controller| controller == "memory")
    };
    if !has("cgroup.controllers") {
        return Err(LimitError::NoController(group.to_owned()));
    }
    if has("cgroup.subtree_control") {
        return Ok(());
    }
    let mut answer = write(&file, "+memory");
    if matches!(&answer, Err(error) if is_busy(error)) {
        step_aside(group)?;
        answer = write(&file, "+memory");
    }
    answer.map_err(|error| refused("write to", &file, group, error))
}

/// Moves this process out of a group in which it is alone.
fn step_aside(group: &Path) -> Result<(), LimitError> {
    let procs = group.join("cgroup.procs");
    let text = fs::read_to_string(&procs).map_err(|error| refused("read", &procs, group, error))?;
    let own = std::process::id().to_string();
    let others = text.lines().filter(|line| *line != own).count();
    if others > 0 {
        return Err(LimitError::Occupied { group: group.to_owned(), others });
    }
    let aside = group.join(SELF);
    match fs::create_dir(&aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(refused("make", &aside, group, error));
        }
        _ => {}
    }
    let procs = aside.join("cgroup.procs");
    write(&procs, "0").map_err(|error| refused("write to", &procs, group, error))
}
