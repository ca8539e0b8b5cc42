//! What is told of what happens: to the governor's own view, to views that are attached, and to the
//! history.
//!
//! Does not know how it is shown.

use ironwright_core::view::{Happening, Note};
use ironwright_history::StoredEvent;
use ironwright_wire::FromGovernor;

use super::Daemon;

impl Daemon {
    /// Tells that something happened; `run` is the governor's number of the run it concerns.
    pub(super) fn note(&mut self, what: Happening, run: Option<u64>) {
        let note = Note { at_us: Self::unix_us(), what };
        self.view.apply(&note);
        let views = self.views();
        if views.is_empty() && self.recorder.is_none() {
            return;
        }
        let Ok(json) = serde_json::to_string(&note) else { return };
        for view in views {
            self.send(view, &FromGovernor::Note(json.clone()));
        }
        if let Some(recorder) = &self.recorder {
            let run = run.and_then(|run| self.runs.get(run)?.begins.run);
            recorder.event(StoredEvent { at_us: note.at_us, run, json });
        }
    }
}
