//! Writes what happened to the history, on a thread of its own: a slow or full disk must not make
//! compilers wait.
//!
//! Does not know what the entries mean.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ironwright_core::observe::unit::UnitRecord;
use ironwright_history::{History, HistoryError, StoredEvent};

use crate::daemon::say;

/// Entries that may wait to be written; more are dropped.
const BACKLOG: usize = 20_000;
/// Time between two transactions.
const WRITE_EVERY: Duration = Duration::from_millis(500);
/// Time after which a database that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Age of events that are forgotten.
const EVENTS_FOR: Duration = Duration::from_hours(30 * 24);

enum Entry {
    Unit(Box<UnitRecord>),
    Event(StoredEvent),
}

/// Takes entries and writes them some time later.
#[derive(Debug)]
pub(crate) struct Recorder {
    entries: Option<SyncSender<Entry>>,
    /// Somebody is going to read what there is by now.
    wishes: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Begins to write to a database.
    pub(crate) fn start(path: &Path) -> std::io::Result<Self> {
        let (entries, kept) = sync_channel(BACKLOG);
        let (wishes, heard) = sync_channel(1);
        let writer = Writer {
            path: path.to_owned(),
            history: None,
            failed: None,
            units: Vec::new(),
            events: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || writer.run(&kept, &heard))?;
        Ok(Self { entries: Some(entries), wishes: Some(wishes), thread: Some(thread) })
    }

    /// Keeps a unit.
    pub(crate) fn unit(&self, unit: UnitRecord) {
        self.send(Entry::Unit(Box::new(unit)));
    }

    /// Keeps an event.
    pub(crate) fn event(&self, event: StoredEvent) {
        self.send(Entry::Event(event));
    }

    /// Writes soon what was given so far.
    pub(crate) fn hurry(&self) {
        // One that is heard already is enough.
        let _ = self.wishes.as_ref().map(|wishes| wishes.try_send(()));
    }

    fn send(&self, entry: Entry) {
        let Some(entries) = &self.entries else { return };
        match entries.try_send(entry) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The thread ends when nobody can send any more, and has written everything by then.
        (self.entries, self.wishes) = (None, None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    path: PathBuf,
    history: Option<History>,
    failed: Option<Instant>,
    units: Vec<UnitRecord>,
    events: Vec<StoredEvent>,
}

impl Writer {
    fn run(mut self, entries: &Receiver<Entry>, wishes: &Receiver<()>) {
        // Who waits for entries is woken by each: a compiler would wait for that. So only the first of many is
        // waited for.
        while let Ok(first) = entries.recv() {
            self.take(first);
            let _ = wishes.recv_timeout(WRITE_EVERY);
            for entry in entries.try_iter() {
                self.take(entry);
            }
            self.write();
        }
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Unit(unit) => self.units.push(*unit),
            Entry::Event(event) => self.events.push(event),
        }
    }

    /// Writes what there is. What cannot be written is dropped: memory is for the builds.
    fn write(&mut self) {
        let (units, events) = (std::mem::take(&mut self.units), std::mem::take(&mut self.events));
        let nothing = units.is_empty() && events.is_empty();
        if nothing || self.failed.is_some_and(|then| then.elapsed() < AGAIN_AFTER) {
            return;
        }
        let written = self.open().and_then(|history| {
            history.record_units(&units)?;
            history.record_events(&events)
        });
        match written {
            Ok(()) => self.failed = None,
            Err(error) => {
                if self.failed.is_none() {
                    say(&format!("what happens is not kept: {error}"));
                }
                (self.history, self.failed) = (None, Some(Instant::now()));
            }
        }
    }

    fn open(&mut self) -> Result<&mut History, HistoryError> {
        let history = if let Some(history) = self.history.take() {
            history
        } else {
            let mut history = History::open(&self.path)?;
            history.prune_events(oldest())?;
            history
        };
        Ok(self.history.insert(history))
    }
}

/// Microseconds since 1970 before which events are forgotten.
fn oldest() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_sub(EVENTS_FOR).as_micros()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at_us: i64) -> StoredEvent {
        StoredEvent { at_us, run: Some(1), json: "{}".into() }
    }

    #[test]
    fn everything_is_written_by_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.db");
        let recorder = Recorder::start(&path).unwrap();
        for _ in 0..1000 {
            recorder.event(event(oldest() + 1_000_000_000));
        }
        drop(recorder);
        let history = History::open(&path).unwrap();
        assert_eq!(history.events_of_run(1).unwrap().len(), 1000);
    }

    #[test]
    fn a_database_that_cannot_be_written_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file/history.db");
        std::fs::write(directory.path().join("file"), "in the way").unwrap();
        let recorder = Recorder::start(&path).unwrap();
        for at in 0..100 {
            recorder.event(event(at));
        }
        drop(recorder);
        assert!(!path.exists());
    }
}
