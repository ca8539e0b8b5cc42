//! A run's place in the history, from its start to its end, and the daily tidying of the history.
//!
//! The history is an observer: whatever fails here is told and changes nothing else. Does not know
//! what is observed, nor what should go; the core plans that.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ironwright_core::observe::RunFacts;
use ironwright_core::retention::{Plan, Policy, plan};
use ironwright_history::{History, HistoryError, Owner, RunId};
use ironwright_host::procfs;

use crate::clock::unix_us;
use crate::context::Directories;
use crate::error::count;
use crate::ui;

/// Where the history lies.
pub(crate) fn history_path() -> Option<PathBuf> {
    Directories::state().map(|dir| dir.join("history.db"))
}

/// Opens the history and tells when a damaged one was set aside.
pub(crate) fn open_history(path: &Path) -> Result<History, HistoryError> {
    let history = History::open(path)?;
    if let Some(aside) = &history.set_aside {
        ui::warn(&format!(
            "the history was damaged; it was moved to {} and a new one begun",
            aside.display()
        ));
    }
    Ok(history)
}

/// Whether the process that a run belongs to still runs.
pub(crate) fn is_alive(owner: Owner) -> bool {
    procfs::started(Path::new("/proc"), owner.pid) == Some(owner.started)
}

/// A run in the history.
pub(crate) struct Recording(Option<(History, RunId)>);

impl Recording {
    /// Puts the run into the history, without its end.
    pub(crate) fn begin(facts: &RunFacts) -> Self {
        let Some(path) = history_path() else { return Self(None) };
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        let started = procfs::started(Path::new("/proc"), pid).unwrap_or(0);
        let begun = open_history(&path).and_then(|history| {
            let id = history.begin(facts, Owner { pid, started })?;
            Ok((history, id))
        });
        Self(begun.map_err(|error| ui::warn(&format!("this run is not kept: {error}"))).ok())
    }

    /// The run's number in the history.
    pub(crate) fn number(&self) -> Option<RunId> {
        self.0.as_ref().map(|(_, id)| *id)
    }

    /// Adds its end, and tidies the history when that is due.
    pub(crate) fn finish(self, facts: &RunFacts) {
        let Some((mut history, id)) = self.0 else { return };
        if let Err(error) = history.finish(id, facts) {
            ui::warn(&format!("this run is kept without its end: {error}"));
        }
        if let Err(error) = tidy(&mut history) {
            ui::remark(&format!("the history was not tidied: {error}"));
        }
    }
}

/// Set to keep everything.
const KEEP: &str = "IRONWRIGHT_KEEP_HISTORY";
/// How often the history is tidied.
const EVERY: Duration = Duration::from_hours(24);

/// Forgets what the usual policy lets go, once a day, and says what went and how to keep it.
fn tidy(history: &mut History) -> Result<(), HistoryError> {
    if std::env::var_os(KEEP).is_some_and(|value| !value.is_empty()) || !is_due() {
        return Ok(());
    }
    let policy = Policy::default();
    let plan = plan(&history.stored(is_alive)?, &policy, unix_us());
    if !plan.is_empty() {
        history.prune(&plan)?;
        ui::remark(&forgotten(&plan, &policy));
    }
    Ok(())
}

fn forgotten(plan: &Plan, policy: &Policy) -> String {
    format!(
        "forgotten, as older than {}: {}, {} and {} events ({KEEP}=1 keeps everything)",
        count(policy.keep_days as usize, "day"),
        count(plan.runs.len(), "run"),
        count(plan.unit_ids.len(), "unit"),
        plan.events
    )
}

/// Whether a day went by since the last time; from now on it has not.
fn is_due() -> bool {
    let Some(mark) = history_path().map(|path| path.with_file_name("tidied")) else { return false };
    let age = std::fs::metadata(&mark).and_then(|metadata| metadata.modified()).map(|time| {
        // A time to come, of a clock that was wrong, must not end the tidying for good.
        SystemTime::now().duration_since(time).unwrap_or(EVERY)
    });
    let is_due = age.map_or(true, |age| age >= EVERY);
    is_due && std::fs::write(&mark, "").is_ok()
}
