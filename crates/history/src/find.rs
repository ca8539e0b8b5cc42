//! Units as a person looks for them: the largest, the slowest, those of a run or a package.
//!
//! Does not know how they are shown.

use ironwright_core::observe::unit::UnitRecord;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use crate::units::{columns, unit};
use crate::{History, HistoryError, RunId};

/// Which units come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Those that were recorded last.
    #[default]
    Newest,
    /// Those that held most memory.
    Largest,
    /// Those that took longest.
    Slowest,
}

/// Which units are wanted.
#[derive(Clone, Debug, Default)]
pub struct UnitFilter {
    /// Which come first.
    pub order: Order,
    /// Only of this run.
    pub run: Option<RunId>,
    /// Only of runs of this package.
    pub package: Option<String>,
    /// Only with this key.
    pub key: Option<String>,
    /// At most this many.
    pub limit: u32,
}

impl UnitFilter {
    fn query(&self) -> (String, Vec<Value>) {
        let text = |value: &Option<String>| value.clone().map(Value::Text);
        let key = text(&self.key);
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        for (condition, value) in [
            ("run = ?", self.run.map(Value::Integer)),
            ("run IN (SELECT id FROM runs WHERE package = ?)", text(&self.package)),
            // Measured and logged units have indexes of their own.
            ("((outcome <> 'timed' AND key = ?)", key.clone()),
            ("(outcome = 'timed' AND key = ?))", key),
        ] {
            if let Some(value) = value {
                conditions.push(condition);
                values.push(value);
            }
        }
        let condition = conditions.join(" AND ").replace(") AND (outcome = ", ") OR (outcome = ");
        let column = match self.order {
            Order::Newest => "id",
            Order::Largest => "peak",
            Order::Slowest => "wall_us",
        };
        values.push(Value::Integer(self.limit.into()));
        let columns = columns!();
        // Few units are sorted sooner than all are gone through in order: the `+` hides the index.
        // They are sorted by what indexes hold, and only those that come first are read.
        let query = if conditions.is_empty() {
            format!("SELECT {columns} FROM units ORDER BY {column} DESC LIMIT ?")
        } else {
            format!(
                "SELECT {columns} FROM units WHERE id IN (SELECT id FROM units WHERE {condition} \
                 ORDER BY +{column} DESC LIMIT ?) ORDER BY +{column} DESC"
            )
        };
        (query, values)
    }
}

impl History {
    /// The first units in an order.
    pub fn find_units(&self, filter: &UnitFilter) -> Result<Vec<UnitRecord>, HistoryError> {
        let (query, values) = filter.query();
        self.rows(&query, params_from_iter(values), unit)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn plan(filter: &UnitFilter) -> String {
        let mut db = Connection::open_in_memory().unwrap();
        crate::schema::migrate(&mut db).unwrap();
        let (query, values) = filter.query();
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let rows =
            statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn no_question_goes_through_all_units() {
        let filter = UnitFilter { limit: 5, ..UnitFilter::default() };
        let ordered = |order| plan(&UnitFilter { order, ..filter.clone() });
        assert_eq!(ordered(Order::Largest), "SCAN units USING INDEX units_by_peak");
        assert_eq!(ordered(Order::Slowest), "SCAN units USING INDEX units_by_wall");
        assert_eq!(ordered(Order::Newest), "SCAN units");
        for (filter, indexes) in [
            (UnitFilter { run: Some(1), ..filter.clone() }, &["COVERING INDEX units_by_run"][..]),
            (
                UnitFilter { package: Some("a".into()), ..filter.clone() },
                &["COVERING INDEX units_by_run", "runs_by_package"],
            ),
            (
                UnitFilter { key: Some("a".into()), ..filter.clone() },
                &["units_by_key", "logged_by_key"],
            ),
        ] {
            let plan = plan(&UnitFilter { order: Order::Largest, ..filter });
            assert!(indexes.iter().all(|index| plan.contains(index)), "{plan}");
            assert!(!plan.contains("SCAN units"), "{plan}");
        }
    }
}
