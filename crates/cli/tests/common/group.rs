//! A control group of version 1 with a limit of memory, for commands that are to meet the kernel's.
//!
//! Needs root and a v1 memory controller. Does not know what runs in it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use ironwright_core::units::Bytes;

/// A group, removed at the end.
pub(crate) struct Group(PathBuf);

impl Group {
    /// One that may hold so much.
    pub(crate) fn new(limit: Bytes) -> Self {
        let path = format!("/sys/fs/cgroup/memory/ironwright-test-{}", std::process::id());
        let made = Self(path.into());
        fs::create_dir(&made.0).unwrap();
        fs::write(made.0.join("memory.limit_in_bytes"), limit.0.to_string()).unwrap();
        made
    }

    /// The command as it runs inside.
    pub(crate) fn inside(&self, command: &Command) -> Command {
        let script = "echo $$ > \"$0\"; exec \"$@\"";
        let mut inside = Command::new("sh");
        inside.args(["-c", script]).arg(self.0.join("cgroup.procs"));
        inside.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(key, value),
                None => inside.env_remove(key),
            };
        }
        inside.current_dir(command.get_current_dir().unwrap());
        inside
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
