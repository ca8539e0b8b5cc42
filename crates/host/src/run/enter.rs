//! Puts a command into a control group before it is a program.
//!
//! The kernel may take some tens of milliseconds to move a process, and a build tool has started compilers by
//! then, which would stay outside for ever. Does not know what the group limits.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Lets a command start in the group of this `cgroup.procs`.
///
/// # Errors
/// Where the file cannot be written to. Where the kernel refuses the command itself, starting it fails.
#[expect(unsafe_code, reason = "code between fork and exec cannot be checked by the compiler")]
pub(super) fn enter(command: &mut Command, group: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(group)?;
    let enter = move || {
        // 0 is whoever writes it; see cgroups(7).
        rustix::io::write(&file, b"0")?;
        Ok(())
    };
    // SAFETY: all that happens between fork and exec is one system call on a descriptor that is open.
    unsafe { command.pre_exec(enter) };
    Ok(())
}
