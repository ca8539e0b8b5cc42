//! What is stored as the retention policy takes it, and carrying its plan out.
//!
//! Does not know what should go: the core plans.

use std::collections::HashMap;

use ironwright_core::retention::{LooseEvents, Plan, RunItem, Stored, UnitItem};
use ironwright_core::units::Bytes;
use rusqlite::{Connection, Row, TransactionBehavior, params};

use crate::{History, HistoryError, Owner};

/// Room of a row beside its texts and curve: its numbers, and its entries in indexes.
const UNIT_ROW: i64 = 200;
const EVENT_ROW: i64 = 60;
const RUN_ROW: i64 = 200;
const DAY_US: i64 = 86_400_000_000;

const RUNS: &str =
    "SELECT id, package, started_unix_ns, finished, pid, pid_started, octet_length(facts),
    (SELECT count(*) FROM events WHERE run = runs.id),
    (SELECT coalesce(sum(octet_length(json) + ?1), 0) FROM events WHERE run = runs.id) FROM runs";
/// Key and family stand in an index too.
const UNITS: &str = "SELECT id, run, key, outcome = 'timed', started_unix_us,
    2 * octet_length(key) + 2 * octet_length(family) + octet_length(tool) + octet_length(label) + octet_length(curve) + ?1
    FROM units";
const LOOSE_EVENTS: &str = "SELECT at_us / ?2, count(*), sum(octet_length(json) + ?1) FROM events
    WHERE run IS NULL OR run NOT IN (SELECT id FROM runs) GROUP BY 1";

impl History {
    /// All that is stored, with what each takes of the file, to be planned with. `is_alive` tells
    /// whether a process still runs.
    pub fn stored(&self, is_alive: impl Fn(Owner) -> bool) -> Result<Stored, HistoryError> {
        let mut stored = Stored {
            runs: self.rows(RUNS, [EVENT_ROW], |row| run_item(row, &is_alive))?,
            units: self.unit_items().map_err(self.error())?,
            loose_events: self.rows(LOOSE_EVENTS, [EVENT_ROW, DAY_US], loose_events)?,
        };
        // Benchmarks and builds of variants are evidence and stay.
        let kept = self.evidence_bytes().map_err(self.error())?;
        scale(&mut stored, self.used().map_err(self.error())?.saturating_sub(kept));
        Ok(stored)
    }

    fn unit_items(&self) -> rusqlite::Result<Vec<UnitItem>> {
        let mut keys: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut statement = self.db.prepare(UNITS)?;
        let mut rows = statement.query([UNIT_ROW])?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            let key = row.get_ref(2)?.as_bytes()?;
            let next = u32::try_from(keys.len()).unwrap_or(u32::MAX);
            let key = match keys.get(key) {
                Some(number) => *number,
                None => *keys.entry(key.to_owned()).or_insert(next),
            };
            items.push(UnitItem {
                id: row.get(0)?,
                run: row.get(1)?,
                key,
                logged: row.get(3)?,
                started_us: row.get(4)?,
                size: size(row.get(5)?),
            });
        }
        Ok(items)
    }

    /// Bytes of the file that hold something.
    fn used(&self) -> rusqlite::Result<u64> {
        let pragma =
            |name: &str| self.db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
        Ok(size(pages.saturating_mul(pragma("page_size")?)).0)
    }

    fn evidence_bytes(&self) -> rusqlite::Result<u64> {
        let query = "SELECT coalesce(sum(octet_length(json)), 0)
            FROM (SELECT json FROM benches UNION ALL SELECT json FROM variants)";
        self.db.query_row(query, [], |row| row.get(0)).map(|bytes| size(bytes).0)
    }

    /// Carries a plan out: all of it, or nothing.
    pub fn prune(&mut self, plan: &Plan) -> Result<(), HistoryError> {
        let pruned = carry_out(&mut self.db, plan);
        pruned.map_err(self.error())
    }

    /// Gives the room of what is gone back to the disk. Others wait meanwhile.
    pub fn compact(&self) -> Result<(), HistoryError> {
        self.db.execute_batch("VACUUM").map_err(self.error())?;
        let pragma = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.db.query_row(pragma, [], |_| Ok(())).map_err(self.error())
    }
}

fn run_item(row: &Row<'_>, is_alive: &impl Fn(Owner) -> bool) -> rusqlite::Result<Option<RunItem>> {
    let started: i64 = row.get(5)?;
    let owner = Owner { pid: row.get(4)?, started: u64::try_from(started).unwrap_or(0) };
    let finished: bool = row.get(3)?;
    Ok(Some(RunItem {
        id: row.get(0)?,
        package: row.get(1)?,
        started_us: row.get::<_, i64>(2)?.div_euclid(1000),
        running: !finished && is_alive(owner),
        size: size(row.get::<_, i64>(6)?.saturating_add(RUN_ROW)),
        events: size(row.get(7)?).0,
        events_size: size(row.get(8)?),
    }))
}

fn loose_events(row: &Row<'_>) -> rusqlite::Result<Option<LooseEvents>> {
    let (day, count, bytes) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Some(LooseEvents { day, count: size(count).0, size: size(bytes) }))
}

fn size(stored: i64) -> Bytes {
    Bytes(u64::try_from(stored).unwrap_or(0))
}

/// Makes the sizes add up to what the file really takes.
fn scale(stored: &mut Stored, used: u64) {
    let runs = stored.runs.iter_mut().flat_map(|run| [&mut run.size, &mut run.events_size]);
    let units = stored.units.iter_mut().map(|unit| &mut unit.size);
    let events = stored.loose_events.iter_mut().map(|events| &mut events.size);
    let mut sizes: Vec<&mut Bytes> = runs.chain(units).chain(events).collect();
    let estimated = sizes.iter().fold(0_u64, |sum, size| sum.saturating_add(size.0));
    let factor = used as f64 / (estimated as f64).max(1.0);
    for size in &mut sizes {
        **size = size.scaled(factor);
    }
}

fn carry_out(db: &mut Connection, plan: &Plan) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut unit = transaction.prepare("DELETE FROM units WHERE id = ?1")?;
        for id in &plan.unit_ids {
            unit.execute([id])?;
        }
        let mut events = transaction.prepare("DELETE FROM events WHERE run = ?1")?;
        let mut learned = transaction.prepare("UPDATE units SET run = NULL WHERE run = ?1")?;
        let mut run = transaction.prepare("DELETE FROM runs WHERE id = ?1")?;
        for going in &plan.runs {
            for statement in [&mut events, &mut learned, &mut run] {
                statement.execute([going.id])?;
            }
        }
    }
    if let Some(day) = plan.loose_events_before_day {
        let delete = "DELETE FROM events WHERE at_us < ?1 AND (run IS NULL OR run NOT IN (SELECT id FROM runs))";
        transaction.execute(delete, params![day.saturating_mul(DAY_US)])?;
    }
    transaction.commit()
}
