//! Runs: what was built, and how it went.
//!
//! Does not know what is concluded from a run, nor whether a process lives: the caller tells.

use ironwright_core::observe::{Observed, RunFacts};
use rusqlite::{Row, params};
use serde::Serialize;

use crate::{History, HistoryError, understood};

/// A run's place in the history.
pub type RunId = i64;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It goes on.
    Running,
    /// It ended, and its facts are complete.
    Finished,
    /// Its process died before it could say how it ended.
    Lost,
}

/// A stored run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Its place in the history.
    pub id: RunId,
    /// Where it stands.
    pub state: State,
    /// Its facts; those of the start only, unless it is finished.
    pub facts: RunFacts,
}

/// Process that a run belongs to; the start tells a reused id apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Process id.
    pub pid: i32,
    /// Its start in clock ticks since boot.
    pub started: u64,
}

/// Which runs are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// At most this many, newest first.
    pub limit: Option<u32>,
    /// Only of this package.
    pub package: Option<String>,
}

impl History {
    /// Notes that a run starts.
    pub fn begin(&self, facts: &RunFacts, owner: Owner) -> Result<RunId, HistoryError> {
        let started = i64::try_from(owner.started).unwrap_or(i64::MAX);
        self.db
            .execute(
                "INSERT INTO runs (started_unix_ns, package, source, pid, pid_started, facts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![facts.started_unix_ns, facts.package, facts.source, owner.pid, started, serde_json::to_string(facts)?],
            )
            .map_err(self.error())?;
        Ok(self.db.last_insert_rowid())
    }

    /// Completes a run.
    pub fn finish(&self, id: RunId, facts: &RunFacts) -> Result<(), HistoryError> {
        let sum = |of: fn(&Observed) -> u64| {
            let total =
                facts.steps.iter().map(|step| of(&step.observed)).fold(0, u64::saturating_add);
            i64::try_from(total).unwrap_or(i64::MAX)
        };
        let peak = facts.steps.iter().map(|step| step.observed.peak_tree.0).max().unwrap_or(0);
        let exit = facts.steps.last().map_or(0, |step| step.observed.exit.code());
        self.db
            .execute(
                "UPDATE runs SET finished = 1, exit_code = ?2, wall_ns = ?3, cpu_ns = ?4, peak_tree = ?5, facts = ?6 WHERE id = ?1",
                params![
                    id,
                    exit,
                    sum(|o| o.wall_ns),
                    sum(|o| o.user_ns.saturating_add(o.system_ns)),
                    i64::try_from(peak).unwrap_or(i64::MAX),
                    serde_json::to_string(facts)?
                ],
            )
            .map_err(self.error())?;
        Ok(())
    }

    /// Stored runs, newest first. `is_alive` tells whether a process still runs.
    pub fn list(
        &self,
        filter: &Filter,
        is_alive: impl Fn(Owner) -> bool,
    ) -> Result<Vec<Record>, HistoryError> {
        let query = "SELECT id, finished, pid, pid_started, facts FROM runs WHERE ?1 IS NULL OR package = ?1 ORDER BY id DESC LIMIT ?2";
        let limit = filter.limit.map_or(-1, i64::from);
        self.rows(query, params![filter.package, limit], |row| record(row, &is_alive))
    }

    /// One run.
    pub fn get(
        &self,
        id: RunId,
        is_alive: impl Fn(Owner) -> bool,
    ) -> Result<Option<Record>, HistoryError> {
        let query = "SELECT id, finished, pid, pid_started, facts FROM runs WHERE id = ?1";
        Ok(self.rows(query, [id], |row| record(row, &is_alive))?.pop())
    }

    /// The newest run before `before` that ended well and built the same: the same package, or the
    /// same source.
    pub fn previous_run(
        &self,
        source_or_package: &str,
        before: RunId,
    ) -> Result<Option<Record>, HistoryError> {
        self.find_previous(source_or_package, before).map_err(self.error())
    }

    /// Facts of a run are large, so no more are read than are needed.
    fn find_previous(&self, what: &str, before: RunId) -> rusqlite::Result<Option<Record>> {
        let query = "SELECT id, finished, pid, pid_started, facts FROM runs WHERE (package = ?1 OR source = ?1) AND id < ?2 AND finished = 1 AND exit_code = 0 ORDER BY id DESC";
        let mut statement = self.db.prepare_cached(query)?;
        let mut rows = statement.query(params![what, before])?;
        while let Some(row) = rows.next()? {
            if let Some(found) = understood(record(row, &|_| false))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn record(row: &Row<'_>, is_alive: &impl Fn(Owner) -> bool) -> rusqlite::Result<Option<Record>> {
    let (id, finished, pid, started): (i64, bool, i32, i64) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let text: String = row.get(4)?;
    let Ok(facts) = serde_json::from_str(&text) else { return Ok(None) };
    let owner = Owner { pid, started: u64::try_from(started).unwrap_or(0) };
    let state = match finished {
        true => State::Finished,
        false if is_alive(owner) => State::Running,
        false => State::Lost,
    };
    Ok(Some(Record { id, state, facts }))
}
