//! Benchmarks: what was measured, whole, so that whatever is concluded can be concluded again.
//!
//! Does not know what is concluded.

use ironwright_core::evidence::{BenchFacts, Change};
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::{History, HistoryError};

/// A benchmark's place in the history.
pub type BenchId = i64;

/// A stored benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredBench {
    /// Its place in the history.
    pub id: BenchId,
    /// What was measured.
    pub facts: BenchFacts,
}

/// The text by which benchmarks of the same change are found: a map of knobs is always in order.
fn about(change: &Change) -> String {
    serde_json::to_string(change).unwrap_or_default()
}

pub(crate) fn insert(db: &Connection, bench: &BenchFacts, json: &str) -> rusqlite::Result<BenchId> {
    let change = bench.setup.subject.as_ref().map(|subject| &subject.change);
    let insert = "INSERT INTO benches (started_unix_ns, host, package, about, json) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(insert)?.execute(params![
        bench.setup.started_unix_ns,
        bench.setup.host,
        change.and_then(|change| change.package.clone()),
        change.map(about),
        json
    ])?;
    Ok(db.last_insert_rowid())
}

impl History {
    /// Keeps a benchmark.
    pub fn record_bench(&self, bench: &BenchFacts) -> Result<BenchId, HistoryError> {
        let json = serde_json::to_string(bench)?;
        insert(&self.db, bench, &json).map_err(self.error())
    }

    /// Benchmarks that are about settings, oldest first.
    pub fn benches_of_changes(&self) -> Result<Vec<StoredBench>, HistoryError> {
        self.benches("about IS NOT NULL ORDER BY id", [])
    }

    /// Benchmarks, of settings of a package where one is named, newest first.
    pub fn find_benches(
        &self,
        package: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredBench>, HistoryError> {
        let condition = "?1 IS NULL OR package = ?1 ORDER BY id DESC LIMIT ?2";
        self.benches(condition, params![package, limit])
    }

    /// One benchmark.
    pub fn bench(&self, id: BenchId) -> Result<Option<StoredBench>, HistoryError> {
        Ok(self.benches("id = ?1", [id])?.pop())
    }

    fn benches(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<StoredBench>, HistoryError> {
        self.rows(&format!("SELECT id, json FROM benches WHERE {condition}"), params, |row| {
            let text: String = row.get(1)?;
            let id = row.get(0)?;
            Ok(serde_json::from_str(&text).ok().map(|facts| StoredBench { id, facts }))
        })
    }

    /// The stored texts of all benchmarks, so that what a newer program added stays.
    pub(crate) fn bench_texts(&self) -> Result<Vec<Value>, HistoryError> {
        self.rows("SELECT json FROM benches ORDER BY id", [], |row| {
            let text: String = row.get(0)?;
            Ok(serde_json::from_str(&text).ok())
        })
    }
}
