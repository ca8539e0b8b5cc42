//! What a person sees of a governor: one state that notes are folded into.
//!
//! The live view, the replay of a past run and the governor itself use the same fold. Does not know
//! how it is drawn.

mod note;

pub use note::{Asked, Happening, Look, Note};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct View {
    /// Time of the newest note, microseconds since 1970.
    pub at_us: i64,
}

impl View {
    /// Takes in what happened.
    pub fn apply(&mut self, note: &Note) {
        self.at_us = self.at_us.max(note.at_us);
        if let Happening::State { view } = &note.what {
            self.clone_from(view);
        }
    }
}
