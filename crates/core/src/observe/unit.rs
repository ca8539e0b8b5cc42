//! Raw facts about one heavy process that ran under the governor.
//!
//! Does not know how they were measured, where they are kept, nor what is predicted from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Bytes;

/// How one attempt at a unit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnitOutcome {
    /// By itself, with exit code 0.
    Succeeded,
    /// By itself, with another exit code. Its peak says nothing about an attempt that succeeds.
    Failed,
    /// The governor killed it, to run it again when there is room.
    Evicted,
    /// The kernel killed it because memory was short.
    OomKilled,
    /// Somebody else killed it.
    Killed,
    /// Its launcher vanished; how it ended is not known.
    Lost,
    /// It ended well under another tool, whose log tells how long it took and nothing else: memory,
    /// processor time and curve are 0 and mean nothing.
    Timed,
}

impl UnitOutcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Succeeded,
        Self::Failed,
        Self::Evicted,
        Self::OomKilled,
        Self::Killed,
        Self::Lost,
        Self::Timed,
    ];

    /// The name under which it is stored, the same as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Evicted => "evicted",
            Self::OomKilled => "oom-killed",
            Self::Killed => "killed",
            Self::Lost => "lost",
            Self::Timed => "timed",
        }
    }

    /// The outcome of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// One compiler, linker or other heavy process that ran under the governor: raw facts of one
/// attempt. A unit that was killed and run again has one record for each attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitRecord {
    /// Place in the history of the run that it belonged to; absent when no run was recorded.
    pub run: Option<i64>,
    /// What is expected to need the same again: tool, what it makes, and the settings that matter.
    pub key: String,
    /// What is expected to need something similar: the key without what was made.
    pub family: String,
    /// The recognised tool (`rustc`, `cc1plus`, `lld`).
    pub tool: String,
    /// What a person calls it (`regex-syntax`, `src/parser.cpp`).
    pub label: String,
    /// Package that was being built.
    pub package: Option<String>,
    /// Which attempt this was; the first is 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: UnitOutcome,
    /// Its exit code; absent when a signal ended it or its end is not known.
    pub exit: Option<i32>,
    /// Start of the process, microseconds since 1970; 0 when a log does not tell.
    pub started_unix_us: i64,
    /// Microseconds from asking for admission to the start.
    pub waited_us: u64,
    /// Microseconds from the start to the end, pauses included.
    pub wall_us: u64,
    /// Microseconds in which it was paused.
    pub paused_us: u64,
    /// Processor microseconds in user mode.
    pub user_us: u64,
    /// Processor microseconds in the kernel.
    pub system_us: u64,
    /// Microseconds in which its threads were ready to run and had no processor, as far as seen.
    pub delay_us: u64,
    /// Largest sampled sum over its process tree, or the exact figure of its control group.
    pub peak: Bytes,
    /// Largest resident memory of a single process, from the kernel's own account (`wait4`).
    pub peak_process: Bytes,
    /// What it was predicted to need when it was admitted.
    pub reserved: Bytes,
    /// Largest memory in each of equal parts of its running time, pauses excluded. Empty when it
    /// was too short to be sampled.
    pub curve: Vec<Bytes>,
    /// Size of its input files.
    pub input_bytes: u64,
    /// True when nothing else was admitted while it ran.
    pub alone: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_name_is_the_one_of_json_and_leads_back() {
        for outcome in UnitOutcome::ALL {
            let json = serde_json::to_value(outcome).unwrap();
            assert_eq!(json, outcome.name());
            assert_eq!(UnitOutcome::named(outcome.name()), Some(outcome));
        }
        assert_eq!(UnitOutcome::named("exploded"), None);
    }
}
