//! What a unit is expected to take: from the history of it, or of what is like it, or from its kind.
//!
//! Does not know which units run now.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ironwright_core::govern::{Basis, Forecast, Past};
use ironwright_core::observe::unit::UnitRecord;
use ironwright_core::unit::UnitFacts;
use ironwright_core::units::Bytes;
use ironwright_history::History;

/// Past runs that are looked at.
const LOOKED_AT: u32 = 12;
/// Keys that are remembered; with more all are read again when they are asked for.
const REMEMBERED: usize = 20_000;
/// Time after which a history that is not there is looked for again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Units by which the guess for a tool is corrected.
const CORRECTED_BY: usize = 32;
/// Fewest units that say something about the others of their tool.
const TELLING: usize = 3;
/// What takes less time says little about its share of a thread: starting is most of it.
const SHORTEST: Duration = Duration::from_millis(50);
/// Bounds of the correction. Small ones may have come first, so it goes down with care.
const CORRECTION: (f64, f64) = (0.5, 6.0);

/// Remembers what units took.
#[derive(Debug)]
pub(crate) struct Predictor {
    path: Option<PathBuf>,
    history: Option<History>,
    tried: Option<Instant>,
    by_key: BTreeMap<String, Vec<Past>>,
    by_family: BTreeMap<String, Vec<Past>>,
    /// Units that other tools' logs tell of, by key; only where nothing was measured.
    logged: BTreeMap<String, Vec<UnitRecord>>,
    /// What units of a tool took, in parts of what was guessed.
    guesses: BTreeMap<String, VecDeque<f64>>,
    /// Threads that units of a tool kept busy.
    shares: BTreeMap<String, VecDeque<f64>>,
}

impl Predictor {
    /// Learns from a database, if one is given.
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            history: None,
            tried: None,
            by_key: BTreeMap::new(),
            by_family: BTreeMap::new(),
            logged: BTreeMap::new(),
            guesses: BTreeMap::new(),
            shares: BTreeMap::new(),
        }
    }

    /// What a unit is expected to take, given the size of its inputs and what a user stated.
    pub(crate) fn forecast(
        &mut self,
        facts: &UnitFacts,
        inputs: u64,
        stated: Option<Bytes>,
    ) -> Forecast {
        self.load(facts);
        let measured = self.by_key.get(&facts.key).and_then(|past| Forecast::measured(past));
        let known = measured
            .or_else(|| self.by_family.get(&facts.family).and_then(|past| Forecast::similar(past)));
        match (known, stated) {
            (Some(known), Some(stated)) if stated >= known.peak => {
                Forecast { peak: stated, basis: Basis::Stated, ..known }
            }
            (Some(known), _) => known,
            (None, Some(stated)) => {
                Forecast { peak: stated, basis: Basis::Stated, ..facts.forecast(inputs) }
            }
            (None, None) => self.guess(facts, inputs),
        }
    }

    /// What the kind of a unit tells, corrected by how far off that was for others of its tool.
    fn guess(&self, facts: &UnitFacts, inputs: u64) -> Forecast {
        let cold = facts.forecast(inputs);
        let factor = upper(self.guesses.get(&facts.tool)).unwrap_or(1.0);
        let peak = cold.peak.scaled(factor.clamp(CORRECTION.0, CORRECTION.1));
        let threads = upper(self.shares.get(&facts.tool)).unwrap_or(cold.threads);
        let guess = Forecast { peak, threads, ..cold };
        match self.logged.get(&facts.key) {
            Some(records) => guess.with_logged(records),
            None => guess,
        }
    }

    /// Takes in what a unit took. `explicit` ones, which a user made, have nothing in common.
    pub(crate) fn learn(&mut self, facts: &UnitFacts, record: &UnitRecord, explicit: bool) {
        let Some(past) = Past::of(record) else { return };
        if past.complete && !explicit {
            let cold = facts.forecast(record.input_bytes).peak.0 as f64;
            let seen = self.guesses.entry(facts.tool.clone()).or_default();
            seen.push_front(past.peak.0 as f64 / cold.max(1.0));
            seen.truncate(CORRECTED_BY);
        }
        if past.complete && past.duration >= SHORTEST {
            let seen = self.shares.entry(facts.tool.clone()).or_default();
            seen.push_front(past.wanted.as_secs_f64() / past.duration.as_secs_f64());
            seen.truncate(CORRECTED_BY);
        }
        for (of, key) in [(&mut self.by_key, &facts.key), (&mut self.by_family, &facts.family)] {
            let all = of.entry(key.clone()).or_default();
            all.insert(0, past.clone());
            all.truncate(LOOKED_AT as usize);
        }
    }

    fn load(&mut self, facts: &UnitFacts) {
        if self.by_key.len() > REMEMBERED {
            self.by_key.clear();
            self.by_family.clear();
            self.logged.clear();
        }
        if self.by_key.contains_key(&facts.key) {
            return;
        }
        let history = self.history();
        let read = |records: Option<Vec<UnitRecord>>| -> Vec<Past> {
            records.unwrap_or_default().iter().filter_map(Past::of).collect()
        };
        let key = read(history.and_then(|h| h.units_by_key(&facts.key, LOOKED_AT).ok()));
        let family = read(history.and_then(|h| h.units_by_family(&facts.family, LOOKED_AT).ok()));
        if key.is_empty() && family.is_empty() {
            let logged =
                history.and_then(|h| h.logged_units(&facts.key, &facts.family, LOOKED_AT).ok());
            self.logged.extend(
                logged.filter(|some| !some.is_empty()).map(|some| (facts.key.clone(), some)),
            );
        }
        self.by_key.insert(facts.key.clone(), key);
        self.by_family.entry(facts.family.clone()).or_insert(family);
    }

    fn history(&mut self) -> Option<&History> {
        let wait = self.tried.is_some_and(|then| then.elapsed() < AGAIN_AFTER);
        if self.history.is_none() && !wait {
            self.tried = Some(Instant::now());
            let path = self.path.as_deref()?;
            self.history = History::open_existing(path).ok().flatten();
        }
        self.history.as_ref()
    }
}

/// The upper quartile, where there is enough to tell.
fn upper(seen: Option<&VecDeque<f64>>) -> Option<f64> {
    let mut sorted: Vec<f64> = seen.filter(|seen| seen.len() >= TELLING)?.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() * 3 / 4).copied()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ironwright_core::logs;
    use ironwright_core::observe::unit::UnitOutcome;
    use ironwright_core::unit::logged;

    use super::*;

    fn facts() -> UnitFacts {
        logged("ninja", "big.o", "big.o")
    }

    fn forecast(path: &Path) -> Forecast {
        Predictor::new(Some(path.to_owned())).forecast(&facts(), 0, None)
    }

    #[test]
    fn logs_teach_durations_and_never_displace_a_measurement() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.db");
        let mut history = History::open(&path).unwrap();
        let logged: Vec<_> = (1..40).map(|s| logs::timed(&facts(), s, 9_000_000)).collect();
        history.record_logged(&logged).unwrap();
        let cold = facts().forecast(0);
        let learned = forecast(&path);
        assert_eq!(learned.duration(), Some(Duration::from_secs(9)));
        assert_eq!(Forecast { logged: None, ..learned }, cold);
        let outcome = UnitOutcome::Succeeded;
        let peak = cold.peak.scaled(4.0);
        let measured = UnitRecord { outcome, peak, ..logs::timed(&facts(), 0, 1_000_000) };
        history.record_units(&[measured]).unwrap();
        history.record_logged(&[logs::timed(&facts(), 99, 9_000_000)]).unwrap();
        let learned = forecast(&path);
        assert!(learned.peak >= peak && matches!(learned.basis, Basis::Measured(1)), "{learned:?}");
    }

    #[test]
    fn what_is_learned_from_a_log_now_changes_no_peak() {
        let mut predictor = Predictor::new(None);
        for _ in 0..20 {
            predictor.learn(&facts(), &logs::timed(&facts(), 0, 5), false);
        }
        assert_eq!(predictor.forecast(&facts(), 0, None), facts().forecast(0));
    }
}
