//! Runs: what was built, and how it went.
//!
//! Does not know what is concluded from a run, nor whether a process lives: the caller tells.

use ironwright_core::observe::generation::generation;
use ironwright_core::observe::{Observed, RunFacts};
use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};
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

/// Failures that are told of a package that never or not lately ended well.
const FAILURES: usize = 4;

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
    /// Only on this host.
    pub host: Option<String>,
    /// Only with settings of this generation.
    pub generation: Option<String>,
    /// Only those that began at this time or later, nanoseconds since 1970.
    pub since_unix_ns: Option<i64>,
    /// Only those that failed or were lost.
    pub failed: bool,
}

impl Filter {
    /// The condition as far as indexes serve it, and its values.
    fn condition(&self) -> (String, Vec<Value>) {
        let text = |value: &Option<String>| value.clone().map(Value::Text);
        let mut conditions = vec!["1".to_owned()];
        let mut values = Vec::new();
        for (condition, value) in [
            ("package = ?", text(&self.package)),
            ("host = ?", text(&self.host)),
            ("(generation = ? OR generation IS NULL)", text(&self.generation)),
            ("started_unix_ns >= ?", self.since_unix_ns.map(Value::Integer)),
        ] {
            if let Some(value) = value {
                conditions.push(condition.to_owned());
                values.push(value);
            }
        }
        if self.failed {
            conditions.push("(finished = 0 OR exit_code <> 0)".to_owned());
        }
        (conditions.join(" AND "), values)
    }

    /// What no column says.
    fn wants(&self, run: &Record) -> bool {
        let of_generation =
            self.generation.as_ref().is_none_or(|wanted| generation(&run.facts) == *wanted);
        of_generation && !(self.failed && run.state == State::Running)
    }
}

/// Figures of a run that have columns.
pub(crate) struct Figures {
    pub(crate) exit_code: i32,
    pub(crate) wall_ns: i64,
    pub(crate) cpu_ns: i64,
    pub(crate) peak_tree: i64,
}

impl Figures {
    pub(crate) fn of(facts: &RunFacts) -> Self {
        let sum = |of: fn(&Observed) -> u64| {
            let total =
                facts.steps.iter().map(|step| of(&step.observed)).fold(0, u64::saturating_add);
            i64::try_from(total).unwrap_or(i64::MAX)
        };
        let peak = facts.steps.iter().map(|step| step.observed.peak().0).max().unwrap_or(0);
        Self {
            exit_code: facts.steps.last().map_or(0, |step| step.observed.exit.code()),
            wall_ns: sum(|o| o.wall_ns),
            cpu_ns: sum(|o| o.user_ns.saturating_add(o.system_ns)),
            peak_tree: i64::try_from(peak).unwrap_or(i64::MAX),
        }
    }
}

impl History {
    /// Notes that a run starts.
    pub fn begin(&self, facts: &RunFacts, owner: Owner) -> Result<RunId, HistoryError> {
        let started = i64::try_from(owner.started).unwrap_or(i64::MAX);
        self.db
            .execute(
                "INSERT INTO runs (started_unix_ns, package, source, pid, pid_started, facts, host, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    facts.started_unix_ns,
                    facts.package,
                    facts.source,
                    owner.pid,
                    started,
                    serde_json::to_string(facts)?,
                    facts.host,
                    generation(facts)
                ],
            )
            .map_err(self.error())?;
        Ok(self.db.last_insert_rowid())
    }

    /// Completes a run.
    pub fn finish(&self, id: RunId, facts: &RunFacts) -> Result<(), HistoryError> {
        let figures = Figures::of(facts);
        self.db
            .execute(
                "UPDATE runs SET finished = 1, exit_code = ?2, wall_ns = ?3, cpu_ns = ?4, peak_tree = ?5, facts = ?6 WHERE id = ?1",
                params![
                    id,
                    figures.exit_code,
                    figures.wall_ns,
                    figures.cpu_ns,
                    figures.peak_tree,
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
        self.find(filter, &is_alive).map_err(self.error())
    }

    /// Facts of a run are large, so no more are read than are wanted.
    fn find(
        &self,
        filter: &Filter,
        is_alive: &impl Fn(Owner) -> bool,
    ) -> rusqlite::Result<Vec<Record>> {
        let (condition, values) = filter.condition();
        let query = format!(
            "SELECT id, finished, pid, pid_started, facts FROM runs WHERE {condition} ORDER BY id DESC"
        );
        let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        let mut statement = self.db.prepare_cached(&query)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(row) = rows.next()? else { break };
            let run = understood(record(row, is_alive))?;
            found.extend(run.filter(|run| filter.wants(run)));
        }
        Ok(found)
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

    /// Runs before `before` that built the same package or source, newest first: so many that ended
    /// well, and those failures that are newer than all of them, at most four.
    pub fn past_runs(
        &self,
        source_or_package: &str,
        before: RunId,
        good: usize,
    ) -> Result<Vec<Record>, HistoryError> {
        self.find_past(source_or_package, before, good).map_err(self.error())
    }

    fn find_past(&self, what: &str, before: RunId, good: usize) -> rusqlite::Result<Vec<Record>> {
        let query = "SELECT id, finished, pid, pid_started, facts, exit_code = 0 FROM runs WHERE (package = ?1 OR source = ?1) AND id < ?2 AND finished = 1 ORDER BY id DESC";
        let mut statement = self.db.prepare_cached(query)?;
        let mut rows = statement.query(params![what, before])?;
        let (mut found, mut ended_well) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let is_good = row.get::<_, Option<bool>>(5)?.unwrap_or(false);
            if !is_good && (ended_well > 0 || found.len() >= FAILURES) {
                continue;
            }
            let Some(run) = understood(record(row, &|_| false))? else { continue };
            found.push(run);
            ended_well += usize::from(is_good);
            if ended_well >= good {
                break;
            }
        }
        Ok(found)
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
