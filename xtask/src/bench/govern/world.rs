//! Where a bench runs: its own governor, history and files, and the programs of this checkout.
//!
//! Does not know what is measured.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_history::{Filter, History};
use rustix::process::{Pid, Signal, kill_process_group};

use super::group::Group;
use crate::root;

/// Directories of its own; they go when it is dropped.
#[derive(Debug)]
pub(crate) struct World {
    home: PathBuf,
    binaries: PathBuf,
}

/// How a command ended, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    pub(crate) seconds: f64,
    pub(crate) well: bool,
}

impl World {
    /// An empty one of that name.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let home = std::env::temp_dir()
            .join(format!("ironwright-bench-govern-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        for directory in ["run", "state", "data", "cache", "work"] {
            fs::create_dir_all(home.join(directory))?;
        }
        fs::set_permissions(home.join("run"), fs::Permissions::from_mode(0o700))?;
        Ok(Self { home, binaries: root().join("target/release") })
    }

    /// Where batches may write.
    pub(crate) fn work(&self) -> PathBuf {
        self.home.join("work")
    }

    pub(crate) fn ironwright(&self) -> PathBuf {
        self.binaries.join("ironwright")
    }

    pub(crate) fn launcher(&self) -> PathBuf {
        self.binaries.join("ironwright-launcher")
    }

    /// Makes a command one of this world: it finds this governor and no build above it.
    pub(crate) fn enter(&self, command: &mut Command) {
        let path = std::env::var("PATH").unwrap_or_default();
        for (name, directory) in [
            ("XDG_RUNTIME_DIR", "run"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
        ] {
            command.env(name, self.home.join(directory));
        }
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.filter(|name| name.to_string_lossy().starts_with("IRONWRIGHT_")) {
            command.env_remove(name);
        }
        for name in ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS", "CARGO_TARGET_DIR", "RUSTC_WRAPPER"]
        {
            command.env_remove(name);
        }
        command.env("PATH", format!("{}:{path}", self.binaries.display()));
        command.current_dir(self.work()).stdin(Stdio::null());
    }

    /// Attempts at units of the newest runs, by the history.
    pub(crate) fn units(&self, runs: u32) -> Result<Vec<UnitRecord>> {
        let path = self.home.join("state/ironwright/history.db");
        let Some(history) = History::open_existing(&path)? else { return Ok(Vec::new()) };
        let filter = Filter { limit: Some(runs), ..Filter::default() };
        let mut units = Vec::new();
        for run in history.list(&filter, |_| false)? {
            units.extend(history.units_of_run(run.id)?);
        }
        Ok(units)
    }

    /// What a command says; kept for whoever looks for the reason of a failure.
    pub(crate) fn log(&self, name: &str) -> Result<Stdio> {
        let file = fs::File::create(self.home.join(name)).context("cannot write a log")?;
        Ok(Stdio::from(file))
    }

    /// A directory of that name, made anew.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let directory = self.work().join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory)?;
        Ok(directory)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::env::var_os("BENCH_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.home);
        }
    }
}

/// Attempts that ended so.
pub(crate) fn count(units: &[UnitRecord], outcome: UnitOutcome) -> usize {
    units.iter().filter(|unit| unit.outcome == outcome).count()
}

/// Runs commands at once in a group until all have ended; what takes too long is killed.
pub(crate) fn run_all(commands: Vec<Command>, limit: Duration) -> Result<Ran> {
    use std::os::unix::process::CommandExt;
    let began = Instant::now();
    let mut children = Vec::new();
    for mut command in commands {
        let child = command.process_group(0).spawn();
        children.push(child.with_context(|| format!("cannot run {command:?}"))?);
    }
    let mut statuses: Vec<Option<ExitStatus>> = vec![None; children.len()];
    while statuses.iter().any(Option::is_none) {
        for (child, status) in children.iter_mut().zip(&mut statuses) {
            if status.is_none() {
                *status = child.try_wait()?;
            }
            if status.is_none() && began.elapsed() > limit {
                let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(Ran { seconds, well: statuses.iter().flatten().all(ExitStatus::success) })
}

/// A command of this world in a group.
pub(crate) fn command(world: &World, group: &Group, program: &Path) -> Command {
    let mut command = group.command(program);
    world.enter(&mut command);
    command
}
