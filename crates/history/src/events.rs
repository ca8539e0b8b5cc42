//! Events: what happened, moment by moment, so that it can be shown again.
//!
//! Does not know what an event says: its text is kept as it came.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use crate::{History, HistoryError, RunId};

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// When it happened, microseconds since 1970.
    pub at_us: i64,
    /// The run that it concerns; absent when it concerns all of them.
    pub run: Option<RunId>,
    /// What happened, as JSON.
    pub json: String,
}

const INSERT: &str = "INSERT INTO events (at_us, run, json) VALUES (?1, ?2, ?3)";
const OF_RUN: &str = "SELECT at_us, run, json FROM events WHERE run = ?1 OR (run IS NULL AND at_us BETWEEN ?2 AND ?3) ORDER BY at_us, id";
/// Start, and end as far as it is known.
const SPAN: &str = "SELECT started_unix_ns, coalesce(wall_ns, 0), (SELECT max(at_us) FROM events WHERE run = ?1) FROM runs WHERE id = ?1";

impl History {
    /// Adds events: all of them, or none.
    pub fn record_events(&mut self, events: &[StoredEvent]) -> Result<(), HistoryError> {
        let stored = insert_all(&mut self.db, events);
        stored.map_err(self.error())
    }

    /// The events of a run in the order of their times, with those of no run that happened between
    /// its start and its end. It ended when its commands had taken their time, or with its last own
    /// event where that is later; of a run that is not finished only the latter is known.
    pub fn events_of_run(&self, run: RunId) -> Result<Vec<StoredEvent>, HistoryError> {
        let found = self.db.query_row(SPAN, [run], span).optional().map_err(self.error())?;
        // Of a run that is not stored there are only its own.
        let (start, end) = found.unwrap_or((0, -1));
        self.rows(OF_RUN, params![run, start, end], event)
    }

    /// Forgets events that happened before a time, microseconds since 1970; tells how many.
    pub fn prune_events(&mut self, older_than_unix_us: i64) -> Result<usize, HistoryError> {
        let delete = "DELETE FROM events WHERE at_us < ?1";
        self.db.execute(delete, [older_than_unix_us]).map_err(self.error())
    }
}

fn insert_all(db: &mut Connection, events: &[StoredEvent]) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut statement = transaction.prepare_cached(INSERT)?;
        for event in events {
            statement.execute(params![event.at_us, event.run, event.json])?;
        }
    }
    transaction.commit()
}

fn event(row: &Row<'_>) -> rusqlite::Result<Option<StoredEvent>> {
    Ok(Some(StoredEvent { at_us: row.get(0)?, run: row.get(1)?, json: row.get(2)? }))
}

/// First and last microsecond of a run.
fn span(row: &Row<'_>) -> rusqlite::Result<(i64, i64)> {
    let (started_ns, wall_ns, last_event): (i64, i64, Option<i64>) =
        (row.get(0)?, row.get(1)?, row.get(2)?);
    let end = started_ns.saturating_add(wall_ns).div_euclid(1000);
    Ok((started_ns.div_euclid(1000), last_event.map_or(end, |last| end.max(last))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn the_events_of_a_run_are_found_by_indexes() {
        let mut db = Connection::open_in_memory().unwrap();
        schema::migrate(&mut db).unwrap();
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {OF_RUN}")).unwrap();
        let rows = statement.query_map([1, 2, 3], |row| row.get::<_, String>(3)).unwrap();
        let plan = rows.map(Result::unwrap).collect::<Vec<_>>().join("; ");
        assert!(plan.contains("events_by_run (run=?)"), "{plan}");
        assert!(plan.contains("events_by_run (run=? AND at_us>? AND at_us<?)"), "{plan}");
    }
}
