//! What no file tells: answers of system calls, commands and drivers.
//!
//! A recorded machine keeps them in `ironwright/answers.json`. Does not know how tools or GPUs are
//! asked.

use std::collections::BTreeMap;

use ironwright_core::facts::{Gpu, Tool};
use serde::{Deserialize, Serialize};

use super::reader::Reader;

/// Where a recording keeps the answers.
pub(crate) const PATH: &str = "/ironwright/answers.json";

/// The answers of a recorded machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Answers {
    /// `uname -m`.
    pub(crate) machine: Option<String>,
    /// Processors in the affinity mask.
    pub(crate) affinity: Option<u32>,
    /// Controllers that this user may hand on.
    pub(crate) delegated: Vec<String>,
    /// A user manager runs.
    pub(crate) user_manager: bool,
    /// Tools by command.
    pub(crate) tools: BTreeMap<String, Tool>,
    /// GPUs.
    pub(crate) gpus: Vec<Gpu>,
}

/// The answers of a recorded machine; empty for this one, and where they were not recorded.
pub(crate) fn recorded(reader: &mut Reader<'_>) -> Answers {
    if reader.root.is_live() {
        return Answers::default();
    }
    let Some(text) = reader.optional(PATH) else { return Answers::default() };
    match serde_json::from_str(&text) {
        Ok(answers) => answers,
        Err(error) => {
            reader.problem(PATH, error.to_string());
            Answers::default()
        }
    }
}

/// `uname -m`.
pub(crate) fn machine(reader: &mut Reader<'_>) -> Option<String> {
    if reader.root.is_live() {
        return Some(rustix::system::uname().machine().to_string_lossy().into_owned());
    }
    recorded(reader).machine
}

/// Processors that the affinity mask allows.
pub(crate) fn affinity(reader: &mut Reader<'_>) -> Option<u32> {
    if reader.root.is_live() {
        return rustix::thread::sched_getaffinity(None).ok().map(|set| set.count());
    }
    recorded(reader).affinity
}
