//! Builds of variants: what each took, so that what a change costs can be concluded again.
//!
//! Does not know what is concluded, nor where what was built lies.

use ironwright_core::trial::VariantFacts;
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::{History, HistoryError};

pub(crate) fn insert(db: &Connection, facts: &VariantFacts, json: &str) -> rusqlite::Result<()> {
    let insert = "INSERT INTO variants (built_unix_ns, host, package, key, json) VALUES (?1, ?2, ?3, ?4, ?5)";
    let row = params![facts.built_unix_ns, facts.host, facts.package, facts.key, json];
    db.prepare_cached(insert)?.execute(row)?;
    Ok(())
}

impl History {
    /// Keeps the build of a variant.
    pub fn record_variant(&self, facts: &VariantFacts) -> Result<(), HistoryError> {
        let json = serde_json::to_string(facts)?;
        insert(&self.db, facts, &json).map_err(self.error())
    }

    /// Builds of variants of every package, oldest first.
    pub fn variants(&self) -> Result<Vec<VariantFacts>, HistoryError> {
        self.rows("SELECT json FROM variants ORDER BY id", [], |row| {
            let text: String = row.get(0)?;
            Ok(serde_json::from_str(&text).ok())
        })
    }

    /// The stored texts, so that what a newer program added stays.
    pub(crate) fn variant_texts(&self) -> Result<Vec<Value>, HistoryError> {
        self.rows("SELECT json FROM variants ORDER BY id", [], |row| {
            let text: String = row.get(0)?;
            Ok(serde_json::from_str(&text).ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_core::trial::Variant;
    use ironwright_core::units::Bytes;

    fn facts(built: i64) -> VariantFacts {
        VariantFacts {
            package: "zlib".to_owned(),
            variant: Variant::default(),
            host: Some("box".to_owned()),
            built_unix_ns: built,
            compiler: "cc".to_owned(),
            key: "k".to_owned(),
            code: "c".to_owned(),
            wall: 2.0,
            cpu: 3.0,
            again: Some(0.5),
            cold: None,
            peak: Bytes::mib(30),
            largest: Bytes::mib(20),
            text: Bytes(1000),
            run_text: Bytes(1000),
            size: Bytes(2000),
            threads: 2,
            governed: true,
        }
    }

    #[test]
    fn builds_are_kept_and_travel_with_the_history() {
        let directory = tempfile::tempdir().unwrap();
        let history = History::open(&directory.path().join("history.db")).unwrap();
        let all = [facts(1), facts(2)];
        for facts in &all {
            history.record_variant(facts).unwrap();
        }
        assert_eq!(history.variants().unwrap(), all);
        let mut lines = Vec::new();
        let written = history.export(None, &mut lines).unwrap();
        assert_eq!(written.variants, 2);
        let mut other = History::open(&directory.path().join("other.db")).unwrap();
        let first = other.import(lines.as_slice()).unwrap();
        let again = other.import(lines.as_slice()).unwrap();
        assert_eq!((first.added.variants, again.added.variants), (2, 0));
        assert_eq!(other.variants().unwrap(), all);
    }
}
