//! The bound around a whole run, by the best mechanism that there is.
//!
//! A last line of defence: admission keeps units below it. Does not know the processes of the run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ironwright_core::units::Bytes;

use super::domain::Domain;
use super::scope::scope_prefix;
use super::{Group, Mechanism};

/// What bounds a run; the bound is gone when this is dropped.
#[derive(Debug, Default)]
pub struct Containment {
    group: Option<Group>,
    prefix: Vec<String>,
}

/// A limit that is there already and lies no higher than this above the budget bounds the run well.
const NEAR: f64 = 17.0 / 16.0;

impl Containment {
    /// Bounds a run of this process, if it can be done. `name` must be no other run's.
    pub fn new(name: &str, budget: Bytes, environment: impl Fn(&str) -> Option<OsString>) -> Self {
        let root = Path::new("/");
        if let Ok(group) = Group::create_divisible(root, name, budget) {
            return Self { group: Some(group), prefix: Vec::new() };
        }
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let limit = Domain::of(root, own).read_fast().map(|room| room.limit);
        if limit.is_ok_and(|limit| limit <= budget.scaled(NEAR)) {
            return Self::default();
        }
        if let Ok(group) = Group::create(root, name, budget) {
            return Self { group: Some(group), prefix: Vec::new() };
        }
        let prefix = scope_prefix(environment, budget).filter(|prefix| works(prefix));
        Self { group: None, prefix: prefix.unwrap_or_default() }
    }

    /// How the run is bounded.
    pub fn mechanism(&self) -> Mechanism {
        match &self.group {
            Some(group) => group.mechanism(),
            None if self.prefix.is_empty() => Mechanism::ProcessTree,
            None => Mechanism::SystemdScope,
        }
    }

    /// `cgroup.procs` of the group that commands are put in, if there is one.
    pub fn procs_path(&self) -> Option<PathBuf> {
        self.group.as_ref().map(|group| group.procs_path().to_owned())
    }

    /// A command as it is to be started: behind the service manager, if that makes the bound.
    #[must_use]
    pub fn wrap(&self, argv: &[String]) -> Vec<String> {
        self.prefix.iter().chain(argv).cloned().collect()
    }
}

/// A manager that answers may still refuse: where no session is open, say.
fn works(prefix: &[String]) -> bool {
    let Some((program, arguments)) = prefix.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).arg("true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_bounded_as_far_as_this_machine_lets_it() {
        let name = format!("contain-{}", std::process::id());
        let made = Containment::new(&name, Bytes::gib(1), |_| None);
        match made.mechanism() {
            Mechanism::ProcessTree => assert!(made.procs_path().is_none()),
            _ => assert!(made.procs_path().is_some_and(|path| path.exists())),
        }
        let argv = ["make".to_owned(), "-j2".to_owned()];
        assert_eq!(made.wrap(&argv), argv);
    }

    #[test]
    fn a_manager_that_refuses_is_not_asked_again() {
        let word = |word: &str| word.to_owned();
        assert!(works(&[word("env")]));
        assert!(!works(&[word("false")]));
        assert!(!works(&[word("/nonexistent/systemd-run")]));
        let prefix = vec![word("systemd-run"), word("--")];
        let made = Containment { group: None, prefix };
        assert_eq!(made.wrap(&[word("make")]), ["systemd-run", "--", "make"]);
        assert_eq!(made.mechanism(), Mechanism::SystemdScope);
    }
}
