//! Hands a plan to a process of its own, under the watch that every build has, and reads what became
//! of it.
//!
//! Does not know how a plan is carried out.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ironwright_core::build::Step;
use ironwright_core::observe::RunFacts;

use super::plan::NixPlan;
use super::results::Results;
use crate::context::Context;
use crate::error::CliError;
use crate::execute::{Execution, execute};
use crate::governance;
use crate::progress::Progress;

/// Name of the command that carries a plan out.
pub(crate) const COMMAND: &str = "realise";

/// Files of a plan that is carried out.
pub(crate) struct Files {
    directory: PathBuf,
}

impl Files {
    /// In a directory that exists.
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    pub(crate) fn plan(&self) -> PathBuf {
        self.directory.join("plan.json")
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.directory.join("results.json")
    }

    /// One line of how it goes.
    pub(crate) fn status(&self) -> PathBuf {
        self.directory.join("status")
    }

    /// Folder for the folders of builds.
    pub(crate) fn builds(&self) -> PathBuf {
        self.directory.join("builds")
    }
}

/// A directory that goes with all that builds left in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, CliError> {
        let path = std::env::temp_dir().join(format!("ironwright-nix-{}", std::process::id()));
        let failed = |error| CliError::Write { path: path.clone(), error };
        // Another process had this number once, and was killed.
        remove(&path);
        std::fs::create_dir_all(path.join("builds")).map_err(failed)?;
        // Users that Nix builds as must reach the folders of their builds.
        for directory in [path.clone(), path.join("builds")] {
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&directory, mode).map_err(failed)?;
        }
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes a directory. Builders make folders in which nothing may be removed.
fn remove(path: &Path) {
    if std::fs::remove_dir_all(path).is_err() && path.is_dir() {
        open_up(path);
        let _ = std::fs::remove_dir_all(path);
    }
}

fn open_up(directory: &Path) {
    let _ = std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|file_type| file_type.is_dir()) {
            open_up(&entry.path());
        }
    }
}

/// Carries a plan out. Results are missing when it was ended before there were any.
pub(crate) fn carry_out(
    plan: &NixPlan,
    label: &str,
    context: &Context,
    progress: &mut Progress,
) -> Result<(RunFacts, Option<Results>), CliError> {
    let scratch = Scratch::new()?;
    let files = Files::at(&scratch.0);
    let failed = |path: PathBuf| move |error| CliError::Write { path, error };
    std::fs::write(files.plan(), serde_json::to_vec(plan)?).map_err(failed(files.plan()))?;
    let own = std::env::current_exe()
        .map_err(|error| CliError::Read { path: "/proc/self/exe".into(), error })?;
    let argv = [own.as_os_str(), COMMAND.as_ref(), scratch.0.as_os_str()];
    let step = Step {
        title: label.to_owned(),
        argv: argv.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        cwd: "/".into(),
    };
    let launcher = plan.govern.then(governance::launcher).flatten();
    let execution = Execution::of_nix(label, step, &context.profile(None), launcher);
    progress.follow(files.status());
    let facts = execute(&execution, context, progress);
    let text = std::fs::read(files.results()).ok();
    let results = text.and_then(|text| serde_json::from_slice(&text).ok());
    Ok((facts, results))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builders_lock_up_is_removed_too() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("scratch");
        let locked = path.join("builds/a/b");
        std::fs::create_dir_all(&locked).unwrap();
        std::fs::write(locked.join("file"), "").unwrap();
        for directory in [locked.clone(), path.join("builds/a")] {
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o555)).unwrap();
        }
        remove(&path);
        assert!(!path.exists());
    }
}
