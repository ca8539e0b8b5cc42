//! Units: the compilers, linkers and other heavy processes that ran under the governor.
//!
//! Does not know what is predicted from them.

use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::units::Bytes;
use rusqlite::{Connection, Row, Statement, TransactionBehavior, params};

use crate::{History, HistoryError, RunId};

/// A unit's columns in the order in which [`insert`] and [`unit`] take them.
macro_rules! columns {
    () => {
        "run, key, family, tool, label, package, attempt, outcome, exit, started_unix_us, \
         waited_us, wall_us, paused_us, user_us, system_us, peak, peak_process, reserved, curve, \
         input_bytes, alone, delay_us"
    };
}
pub(crate) use columns;

pub(crate) const INSERT: &str = concat!(
    "INSERT INTO units (",
    columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
     ?19, ?20, ?21, ?22)"
);
const NEWEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM units WHERE outcome <> 'timed' ORDER BY id DESC LIMIT ?1"
);
/// The condition of a query is, word for word, that of the index that serves it.
macro_rules! newest {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM units WHERE ",
            $condition,
            " ORDER BY id DESC LIMIT ?2"
        )
    };
}

const BY_KEY: &str = newest!("outcome <> 'timed' AND key = ?1");
const BY_FAMILY: &str = newest!("outcome <> 'timed' AND family = ?1");
const LOGGED_BY_KEY: &str = newest!("outcome = 'timed' AND key = ?1");
const LOGGED_BY_FAMILY: &str = newest!("outcome = 'timed' AND family = ?1");
// The index has them by size: numbers are sorted, not rows with their curves.
const OF_RUN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM units WHERE id IN (SELECT id FROM units WHERE run = ?1) ORDER BY id"
);

impl History {
    /// Adds units: all of them, or none.
    pub fn record_units(&mut self, units: &[UnitRecord]) -> Result<(), HistoryError> {
        let roomy = units.len() >= MANY;
        let stored = insert_all(&mut self.db, units, roomy);
        stored.map_err(self.error())
    }

    /// At most `limit` units of that key that were measured, newest first.
    pub fn units_by_key(&self, key: &str, limit: u32) -> Result<Vec<UnitRecord>, HistoryError> {
        self.rows(BY_KEY, params![key, limit], unit)
    }

    /// At most `limit` units of that family that were measured, newest first.
    pub fn units_by_family(
        &self,
        family: &str,
        limit: u32,
    ) -> Result<Vec<UnitRecord>, HistoryError> {
        self.rows(BY_FAMILY, params![family, limit], unit)
    }

    /// At most `limit` units of whatever kind, newest first.
    pub fn newest_units(&self, limit: u32) -> Result<Vec<UnitRecord>, HistoryError> {
        self.rows(NEWEST, [limit], unit)
    }

    /// At most `limit` units that other tools' logs tell of, newest first: of that key, else of that
    /// family.
    pub fn logged_units(
        &self,
        key: &str,
        family: &str,
        limit: u32,
    ) -> Result<Vec<UnitRecord>, HistoryError> {
        let same: Vec<UnitRecord> = self.rows(LOGGED_BY_KEY, params![key, limit], unit)?;
        if same.is_empty() {
            self.rows(LOGGED_BY_FAMILY, params![family, limit], unit)
        } else {
            Ok(same)
        }
    }

    /// Adds units that another tool's log tells of, except those that are there already: a log may
    /// be read again after it has grown. All of them or none; tells how many were added.
    pub fn record_logged(&mut self, units: &[UnitRecord]) -> Result<usize, HistoryError> {
        let stored = insert_missing(&mut self.db, units);
        stored.map_err(self.error())
    }

    /// All units of a run, in the order in which they were recorded.
    pub fn units_of_run(&self, run: RunId) -> Result<Vec<UnitRecord>, HistoryError> {
        self.rows(OF_RUN, [run], unit)
    }
}

/// Units for which pages are worth being kept in memory until all are stored.
const MANY: usize = 5000;
/// Memory for pages: as it usually is, and while very many rows are stored, in KiB as SQLite counts it.
/// Every index is written at random places, and pages that do not fit are written again and again. For
/// a few rows little is enough, and a governor that runs beside builds is to be small.
const PAGES: [i64; 2] = [-512, -100_000];

/// Lets pages take more memory, or as little as usual.
pub(crate) fn make_room(db: &Connection, roomy: bool) -> rusqlite::Result<()> {
    let [usual, more] = PAGES;
    db.pragma_update(None, "cache_size", if roomy { more } else { usual })
}

fn insert_all(db: &mut Connection, units: &[UnitRecord], roomy: bool) -> rusqlite::Result<()> {
    if !roomy {
        return in_transaction(db, |db| insert_each(db, units));
    }
    make_room(db, true)?;
    let stored = in_transaction(db, |db| indexed_afterwards(db, || insert_each(db, units)));
    make_room(db, false)?;
    stored
}

fn in_transaction(
    db: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    // A transaction that begins as a writer waits for other writers; one that becomes a writer
    // later may be refused at once.
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    work(&transaction)?;
    transaction.commit()
}

/// Does work that adds very many units. Where there are none yet, the indexes are made of sorted entries
/// afterwards: one that grows row by row is written at random places.
pub(crate) fn indexed_afterwards<T, E: From<rusqlite::Error>>(
    db: &Connection,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    if db.prepare("SELECT 1 FROM units LIMIT 1")?.exists([])? {
        return work();
    }
    let indexes = indexes(db)?;
    for (name, _) in &indexes {
        db.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    let done = work()?;
    for (_, sql) in &indexes {
        db.execute_batch(sql)?;
    }
    Ok(done)
}

/// The names of the units' indexes, and how each is made.
fn indexes(db: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let made = "SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'units' AND type = 'index'";
    let mut query = db.prepare(made)?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn insert_each(db: &Connection, units: &[UnitRecord]) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(INSERT)?;
    units.iter().try_for_each(|unit| insert(&mut statement, unit))
}

fn insert_missing(db: &mut Connection, units: &[UnitRecord]) -> rusqlite::Result<usize> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut added = 0;
    {
        let known = "SELECT 1 FROM units WHERE outcome = 'timed' AND key = ?1 AND started_unix_us = ?2 AND wall_us = ?3";
        let mut known = transaction.prepare_cached(known)?;
        let mut statement = transaction.prepare_cached(INSERT)?;
        for unit in units {
            let wall = unit.wall_us.cast_signed();
            if !known.exists(params![unit.key, unit.started_unix_us, wall])? {
                insert(&mut statement, unit)?;
                added += 1;
            }
        }
    }
    transaction.commit()?;
    Ok(added)
}

/// SQLite's integers are signed. Figures keep their bits, so that even one that makes no sense is
/// read as it was written.
pub(crate) fn insert(statement: &mut Statement<'_>, unit: &UnitRecord) -> rusqlite::Result<()> {
    statement.execute(params![
        unit.run,
        unit.key,
        unit.family,
        unit.tool,
        unit.label,
        unit.package,
        unit.attempt,
        unit.outcome.name(),
        unit.exit,
        unit.started_unix_us,
        unit.waited_us.cast_signed(),
        unit.wall_us.cast_signed(),
        unit.paused_us.cast_signed(),
        unit.user_us.cast_signed(),
        unit.system_us.cast_signed(),
        unit.peak.0.cast_signed(),
        unit.peak_process.0.cast_signed(),
        unit.reserved.0.cast_signed(),
        packed(&unit.curve),
        unit.input_bytes.cast_signed(),
        unit.alone,
        unit.delay_us.cast_signed(),
    ])?;
    Ok(())
}

/// The unit of a row; nothing when its outcome or its curve cannot be understood.
pub(crate) fn unit(row: &Row<'_>) -> rusqlite::Result<Option<UnitRecord>> {
    let figure = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let outcome = UnitOutcome::named(row.get_ref(7)?.as_str()?);
    let curve = unpacked(row.get_ref(18)?.as_blob()?);
    let (Some(outcome), Some(curve)) = (outcome, curve) else { return Ok(None) };
    Ok(Some(UnitRecord {
        run: row.get(0)?,
        key: row.get(1)?,
        family: row.get(2)?,
        tool: row.get(3)?,
        label: row.get(4)?,
        package: row.get(5)?,
        attempt: row.get(6)?,
        outcome,
        exit: row.get(8)?,
        started_unix_us: row.get(9)?,
        waited_us: figure(10)?,
        wall_us: figure(11)?,
        paused_us: figure(12)?,
        user_us: figure(13)?,
        system_us: figure(14)?,
        peak: Bytes(figure(15)?),
        peak_process: Bytes(figure(16)?),
        reserved: Bytes(figure(17)?),
        curve,
        input_bytes: figure(19)?,
        alone: row.get(20)?,
        delay_us: figure(21)?,
    }))
}

/// Eight bytes a point, the least significant first.
fn packed(curve: &[Bytes]) -> Vec<u8> {
    curve.iter().flat_map(|point| point.0.to_le_bytes()).collect()
}

/// The curve again; nothing when a part of a point is missing.
fn unpacked(stored: &[u8]) -> Option<Vec<Bytes>> {
    let (points, rest) = stored.as_chunks();
    rest.is_empty().then(|| points.iter().map(|point| Bytes(u64::from_le_bytes(*point))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    /// What SQLite intends to do for a query.
    fn plan(query: &str) -> String {
        let mut db = Connection::open_in_memory().unwrap();
        schema::migrate(&mut db).unwrap();
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let count = statement.parameter_count();
        let rows = statement
            .query_map(rusqlite::params_from_iter(vec!["1"; count]), |row| row.get::<_, String>(3))
            .unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_newest_units_are_found_without_sorting() {
        assert_eq!(plan(BY_KEY), "SEARCH units USING INDEX units_by_key (key=?)");
        assert_eq!(plan(BY_FAMILY), "SEARCH units USING INDEX units_by_family (family=?)");
        assert_eq!(plan(LOGGED_BY_KEY), "SEARCH units USING INDEX logged_by_key (key=?)");
        assert_eq!(plan(LOGGED_BY_FAMILY), "SEARCH units USING INDEX logged_by_family (family=?)");
        let of_run = "SEARCH units USING INTEGER PRIMARY KEY (rowid=?); LIST SUBQUERY 1; \
                      SEARCH units USING COVERING INDEX units_by_run (run=?)";
        assert_eq!(plan(OF_RUN), of_run);
    }

    #[test]
    fn a_curve_that_lost_bytes_is_not_understood() {
        let curve = [Bytes(1), Bytes(u64::MAX)];
        let stored = packed(&curve);
        assert_eq!(unpacked(&stored).as_deref(), Some(&curve[..]));
        assert_eq!(unpacked(&stored[1..]), None);
        assert_eq!(unpacked(&[]), Some(Vec::new()));
    }
}
