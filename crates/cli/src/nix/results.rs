//! What became of a plan.
//!
//! Does not know how it is shown.

use ironwright_core::observe::TIMED_OUT;
use ironwright_core::units::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a derivation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// It was built.
    Built,
    /// A substituter gave it after all.
    Fetched,
    /// Somebody else had built it by then.
    AlreadyValid,
    /// It failed.
    Failed,
    /// It took too long, or was silent for too long.
    TimedOut,
    /// It was killed for want of memory although it ran alone.
    OutOfMemory,
    /// Something that it needs failed.
    Blocked,
    /// It was not tried, because something else failed.
    NotTried,
}

impl Outcome {
    /// Whether its outputs are there now.
    pub(crate) const fn is_there(self) -> bool {
        matches!(self, Self::Built | Self::Fetched | Self::AlreadyValid)
    }

    /// Whether it was tried and failed.
    pub(crate) const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::OutOfMemory)
    }
}

/// What became of a derivation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DerivationResult {
    /// Path of the derivation.
    pub(crate) path: String,
    /// Its name with the version.
    pub(crate) name: String,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Seconds of its last attempt.
    pub(crate) seconds: f64,
    /// Cores of its last attempt.
    pub(crate) cores: u32,
    /// Attempts: more than one where it was killed for want of memory.
    pub(crate) attempts: u32,
    /// Memory that was reserved for it.
    pub(crate) reserved: Bytes,
    /// What Nix says about a failure.
    pub(crate) message: Option<String>,
    /// The last lines of its log, if it failed.
    pub(crate) last_lines: Vec<String>,
    /// The folder of its build, if it failed and that was to be kept.
    pub(crate) kept: Option<String>,
}

/// What became of a plan.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Results {
    /// Every derivation of the plan, in its order.
    pub(crate) derivations: Vec<DerivationResult>,
    /// Paths that were fetched.
    pub(crate) fetched: usize,
    /// Why something could not be fetched.
    pub(crate) fetch_failure: Option<String>,
    /// Paths that no substituter gave although one lists them.
    #[serde(default)]
    pub(crate) unfetched: Vec<String>,
    /// Outputs of what was asked for whose paths are known only now: request, name, path.
    pub(crate) outputs: Vec<(String, String, String)>,
}

impl Results {
    /// Derivations that ended so.
    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.derivations.iter().filter(|result| result.outcome == outcome).count()
    }

    /// These results, after those of a plan that could not fetch what it meant to.
    pub(crate) fn after(mut self, mut earlier: Self) -> Self {
        let is_built = |result: &DerivationResult| result.outcome.is_there();
        earlier.derivations.retain(is_built);
        earlier.derivations.append(&mut self.derivations);
        earlier.outputs.append(&mut self.outputs);
        earlier.unfetched.append(&mut self.unfetched);
        let (fetched, fetch_failure) = (earlier.fetched + self.fetched, self.fetch_failure);
        Self { fetched, fetch_failure, ..earlier }
    }

    /// Whether something was tried and failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.derivations.iter().any(|result| result.outcome.is_failure())
    }

    /// The exit code that tells it: 124 where nothing failed but what took too long.
    pub(crate) fn exit_code(&self) -> u8 {
        let failed = self.count(Outcome::Failed) + self.count(Outcome::OutOfMemory);
        match self.count(Outcome::TimedOut) {
            _ if self.is_success() => 0,
            0 => 1,
            _ if failed > 0 || self.fetch_failure.is_some() => 1,
            _ => TIMED_OUT,
        }
    }

    /// Whether everything is there.
    pub(crate) fn is_success(&self) -> bool {
        self.fetch_failure.is_none()
            && self.derivations.iter().all(|result| result.outcome.is_there())
    }
}
