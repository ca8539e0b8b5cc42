//! Limits by control groups of version 1: one figure, at which the kernel kills.
//!
//! Does not know other controllers than that for memory, so it cannot freeze.

use std::io;
use std::path::Path;

use ironwright_core::units::Bytes;

use super::{Group, LimitError, Mechanism, make, own_directory, refused, write};
use crate::root::Root;

/// Makes and limits a group below that of this process.
pub(super) fn create(root: &Root, name: &str, budget: Bytes) -> Result<Group, LimitError> {
    let own = own_directory(root, Some("memory")).ok_or(LimitError::NotMounted(1))?;
    let path = own.join(name);
    make(&path)?;
    let group = Group::new(Mechanism::CgroupV1, path);
    set_budget(&group.path, budget)
        .map_err(|error| refused("limit the control group", &group.path, &own, error))?;
    Ok(group)
}

/// The kernel drops what caches it must; it refuses (`EBUSY`) when more than the limit stays held.
pub(super) fn set_budget(path: &Path, budget: Bytes) -> io::Result<()> {
    write(&path.join("memory.limit_in_bytes"), &budget.0.to_string())
}
