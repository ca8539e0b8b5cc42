//! What is going to be built: the value that `--dry-run` prints and that is carried out.
//!
//! Does not know how it was found out.

use std::path::PathBuf;

use ironwright_core::nix::allot::{Allotment, cores_now};
use ironwright_core::nix::facts::Facts;
use ironwright_core::plan::{Schedule, Tier};
use ironwright_core::unit::DerivationUnit;
use ironwright_core::units::Bytes;
use ironwright_host::nix::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patience::TimeoutChoice;

/// Version of the shape.
pub(crate) const SCHEMA: u32 = 1;

/// A plan.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct NixPlan {
    /// Version of this shape.
    pub(crate) schema: u32,
    /// What was asked for.
    pub(crate) installables: Vec<String>,
    /// How Nix is started.
    pub(crate) nix: PathBuf,
    /// The store, if it is not the one that Nix takes by itself.
    pub(crate) store: Option<String>,
    /// Settings of nix.conf for this build.
    pub(crate) settings: Vec<(String, String)>,
    /// What was asked for, as derivations and their outputs.
    pub(crate) wanted: Vec<WantedResult>,
    /// What must be built.
    pub(crate) build: Vec<Planned>,
    /// What is fetched.
    pub(crate) fetch: Fetch,
    /// Threads for all builds.
    pub(crate) threads: u32,
    /// Memory for all builds.
    pub(crate) budget: Bytes,
    /// Most derivations that are built at a time, whatever the governor grants.
    pub(crate) max_jobs: u32,
    /// Cores that every builder is told of, instead of what is allotted.
    pub(crate) cores: Option<u32>,
    /// Go on with what does not need it when something failed.
    pub(crate) keep_going: bool,
    /// Keep the folders of failed builds.
    pub(crate) keep_failed: bool,
    /// Print what builders print.
    pub(crate) print_logs: bool,
    /// Whether the governor is asked.
    pub(crate) govern: bool,
    /// Build what a substituter lists and does not give.
    #[serde(default)]
    pub(crate) fallback: bool,
}

/// Something that was asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct WantedResult {
    /// The derivation with its outputs (`….drv!out,dev`), or a path.
    pub(crate) request: String,
    /// Outputs, and their paths where these are known before.
    pub(crate) outputs: Vec<(String, Option<String>)>,
}

/// A derivation that is going to be built.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Planned {
    /// Path of the derivation.
    pub(crate) path: String,
    /// Its name with the version.
    pub(crate) name: String,
    /// Digest of what its builder does.
    pub(crate) digest: String,
    /// Paths of its outputs, as far as they are known.
    pub(crate) outputs: Vec<String>,
    /// Places in `build` of what it waits for.
    pub(crate) after: Vec<usize>,
    /// Whether it waits for what is fetched.
    pub(crate) after_fetch: bool,
    /// How much of the machine it takes.
    pub(crate) tier: Tier,
    /// Cores that it is told of while others are built beside it.
    pub(crate) cores: u32,
    /// Whether its builder uses more than one.
    pub(crate) parallel: bool,
    /// Seconds after which it is ended; absent where it never is.
    pub(crate) timeout_seconds: Option<f64>,
    /// Seconds without output after which it is ended.
    pub(crate) silence_seconds: Option<f64>,
    /// Memory that it is expected to take, and in the worst of twenty cases.
    pub(crate) peak: (Bytes, Bytes),
    /// Seconds that it is expected to take, and in the worst of twenty cases.
    pub(crate) seconds: (f64, f64),
    /// Threads that it is expected to keep busy.
    pub(crate) threads: f64,
    /// What this rests on.
    pub(crate) because: String,
}

/// What comes from substituters.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Fetch {
    /// The paths.
    pub(crate) paths: Vec<String>,
    /// What is downloaded.
    pub(crate) download: Bytes,
    /// What it unpacks to.
    pub(crate) unpacked: Bytes,
}

/// What `build --dry-run --json` prints of Nix.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct NixForecast {
    /// What is carried out.
    #[serde(flatten)]
    pub(crate) plan: NixPlan,
    /// The schedule, in model time.
    pub(crate) schedule: Schedule,
}

impl NixPlan {
    /// How Nix is started.
    pub(crate) fn command(&self) -> Command {
        let settings = self.settings.clone();
        Command { program: self.nix.clone(), store: self.store.clone(), settings }
    }

    /// Whether there is nothing to do.
    pub(crate) const fn is_empty(&self) -> bool {
        self.build.is_empty() && self.fetch.paths.is_empty()
    }
}

/// The unit that a derivation of which only the text is known is to the governor.
pub(crate) fn unit_of(facts: &Facts, cores: u32) -> DerivationUnit<'_> {
    let (name, digest) = (facts.name.as_str(), facts.digest.as_str());
    DerivationUnit { name, digest, cores, memory: Bytes::ZERO, threads: 1.0 }
}

impl Planned {
    /// The unit that it is to the governor, with so many cores.
    pub(crate) fn unit(&self, cores: u32) -> DerivationUnit<'_> {
        let (memory, threads) = (self.peak.0, self.threads.min(f64::from(cores.max(1))));
        DerivationUnit { name: &self.name, digest: &self.digest, cores, memory, threads }
    }

    /// Cores for an attempt.
    pub(crate) fn cores_now(&self, threads: u32, alone: bool, killed: u32) -> u32 {
        cores_now(self.tier, self.parallel, self.cores, threads, alone, killed)
    }

    /// Sets when it is ended: as a user wants it, else by the plan and at the latest after so many seconds,
    /// or so many without output.
    pub(crate) fn ended_after(mut self, choice: TimeoutChoice, most: (f64, f64)) -> Self {
        let at_most = |limit: Option<f64>, most: f64| Some(limit.map_or(most, |it| it.min(most)));
        (self.timeout_seconds, self.silence_seconds) = match choice {
            TimeoutChoice::Never => (None, None),
            TimeoutChoice::After(limit) => {
                (Some(limit.as_secs_f64()), at_most(self.silence_seconds, most.1))
            }
            TimeoutChoice::Auto => {
                (at_most(self.timeout_seconds, most.0), at_most(self.silence_seconds, most.1))
            }
        };
        self
    }

    /// Takes what the core allotted.
    pub(crate) fn with(mut self, allotment: &Allotment) -> Self {
        let estimate = &allotment.estimate;
        (self.tier, self.cores) = (allotment.tier, allotment.cores);
        self.timeout_seconds = allotment.timeout_seconds;
        self.silence_seconds = allotment.silence_seconds;
        self.peak = (estimate.peak.expected, estimate.peak.max);
        self.seconds = (estimate.wall_seconds.expected, estimate.wall_seconds.max);
        self.threads = estimate.threads;
        self.because = estimate.basis.to_string();
        self
    }
}
