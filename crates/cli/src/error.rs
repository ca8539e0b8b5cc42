//! Every error that reaches a user, with its kind, its hint and its exit code.
//!
//! The only place that chooses an exit code for a failure. Does not know how an error came about.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ironwright_core::build::{PlanError, SourceError};
use ironwright_core::diagnostic::Diagnostic;
use ironwright_core::emit::EmitError;
use ironwright_core::evidence::parameters::ParameterError;
use ironwright_core::evidence::void::Void;
use ironwright_core::logs::LogError;
use ironwright_history::{RunId, TransferError};
use ironwright_host::generations::GenerationError;
use ironwright_host::measure::MeasureError;
use ironwright_host::nix::EvaluateError;
use ironwright_host::pgo::PgoError;
use ironwright_host::trial::StoreError;
use ironwright_wire::ChannelError;

use crate::ui;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The profile, the environment or a flag holds mistakes.
    #[error("{} found", count(mistakes.len(), "mistake"))]
    Mistakes {
        /// All of them.
        mistakes: Vec<Diagnostic>,
    },
    /// A file could not be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is no binary, or a damaged one.
    #[error("cannot examine {}: {error}", path.display())]
    Examine {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// Standard output is gone or full.
    #[error("cannot print: {0}")]
    Output(io::Error),
    /// A name that does not exist.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: Option<String>,
    },
    /// A source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An inventory cannot be read.
    #[error(transparent)]
    Inventory(#[from] ironwright_host::inventory::ReadError),
    /// A crate cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] ironwright_host::inventory::FetchError),
    /// Derivations cannot be read.
    #[error(transparent)]
    Nix(#[from] ironwright_host::inventory::NixError),
    /// There is no Nix.
    #[error("there is no nix on PATH")]
    NoNix,
    /// Something of Nix cannot be evaluated.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// A configuration cannot be activated.
    #[error("not activated: {what}")]
    Activation {
        /// Which command, and how it ended.
        what: String,
        /// The signal by which a user ended it.
        signal: Option<i32>,
    },
    /// The Nix store does not answer.
    #[error(transparent)]
    Store(#[from] ironwright_host::nix::StoreError),
    /// A source cannot be built.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An existing file cannot be edited.
    #[error("{}: {error}", path.display())]
    Emit {
        /// The file.
        path: PathBuf,
        /// Why.
        error: EmitError,
    },
    /// The governor cannot govern.
    #[error(transparent)]
    Govern(#[from] ironwright_governor::GovernError),
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] ironwright_history::HistoryError),
    /// An export of a history cannot be written or taken in.
    #[error("{what}: {error}")]
    Transfer {
        /// The file.
        what: String,
        /// Why.
        error: TransferError,
    },
    /// Another tool's log cannot be read.
    #[error("{what}: {error}")]
    Log {
        /// The file.
        what: String,
        /// Why.
        error: LogError,
    },
    /// A benchmark measured nothing.
    #[error("nothing is published: {0}")]
    Void(#[from] Void),
    /// A command cannot be measured.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// Parameters of commands cannot be used.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// What is known does not allow it.
    #[error("{message}")]
    Refused {
        /// What is refused, and why.
        message: String,
        /// What would be allowed.
        hint: String,
    },
    /// A variant of a package that is tried cannot be built.
    #[error("building {what} failed with exit code {code}")]
    TrialBuild {
        /// Package and settings.
        what: String,
        /// Exit code of the command that failed.
        code: i32,
    },
    /// Builds and rounds of a trial cannot be kept.
    #[error("the trial cannot go on: {0}")]
    TrialStore(#[from] StoreError),
    /// The source of a package that is tried cannot be had.
    #[error(transparent)]
    TrialSource(#[from] ironwright_host::trial::source::SourceError),
    /// There is no profile, or none that fits.
    #[error(transparent)]
    Pgo(#[from] PgoError),
    /// A build of a profiled variant failed.
    #[error("the {what} failed with exit code {code}{said}")]
    Variant {
        /// Which.
        what: String,
        /// The exit code.
        code: u8,
        /// The end of what it printed, and where all of it is.
        said: String,
    },
    /// Generations of settings cannot be used.
    #[error("generations of settings: {0}")]
    Generation(GenerationError),
    /// There is nothing to watch.
    #[error("no governor runs; one starts with the first `ironwright build`, `run` or `unit`")]
    NoGovernor,
    /// The governor accepts connections, and says nothing.
    #[error("the governor does not answer")]
    SilentGovernor,
    /// What the governor says is of no use.
    #[error("the governor cannot be watched: {0}")]
    Governor(ChannelError),
    /// Nothing was kept of what happened in a run.
    #[error(
        "the history has no events of run {0}: it did not run under a governor, or it is too long ago"
    )]
    NoEvents(RunId),
    /// The terminal cannot be used.
    #[error("the terminal cannot be used: {0}")]
    Terminal(io::Error),
    /// A value cannot be shown as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// What builds a folder in which no project is recognised.
fn other_ways(folder: &Path) -> &'static str {
    if folder.join("flake.nix").is_file() {
        "the flake that is there is built by its attributes: ironwright build .#ATTRIBUTE"
    } else if folder.join("default.nix").is_file() {
        "what default.nix gives is built by: ironwright build -f default.nix ATTRIBUTE"
    } else {
        "choose one with --driver, or run the build command itself: ironwright run -- COMMAND"
    }
}

impl CliError {
    /// A usage error with a hint.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// Mistakes in what a user wrote.
    pub(crate) fn mistakes(mistakes: Vec<Diagnostic>) -> Self {
        Self::Mistakes { mistakes }
    }

    const fn exit_code(&self) -> u8 {
        match self {
            Self::NoGovernor
            | Self::NoEvents(_)
            | Self::Void(_)
            | Self::Refused { .. }
            | Self::TrialBuild { .. }
            | Self::Activation { signal: None, .. }
            | Self::Pgo(
                PgoError::Unfit(_) | PgoError::NoProfile { .. } | PgoError::Failed { .. },
            )
            | Self::Evaluate(EvaluateError::Failed(_)) => 1,
            Self::Variant { code, .. } => *code,
            Self::Evaluate(EvaluateError::Interrupted(_))
            | Self::Pgo(PgoError::Interrupted(_))
            | Self::Activation { signal: Some(_), .. } => 130,
            Self::Usage { .. } | Self::Source(_) | Self::Plan(_) | Self::Parameter(_) => 2,
            Self::Mistakes { .. } | Self::Emit { .. } => 3,
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Examine { .. }
            | Self::Output(_)
            | Self::Inventory(_)
            | Self::Fetch(_)
            | Self::Nix(_)
            | Self::NoNix
            | Self::Evaluate(_)
            | Self::Store(_)
            | Self::Govern(_)
            | Self::History(_)
            | Self::Transfer { .. }
            | Self::Log { .. }
            | Self::SilentGovernor
            | Self::Governor(_)
            | Self::Measure(_)
            | Self::Generation(_)
            | Self::Pgo(_)
            | Self::Terminal(_)
            | Self::TrialStore(_)
            | Self::TrialSource(_)
            | Self::Json(_) => 4,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::Usage { hint, .. } => hint.as_deref(),
            Self::Plan(PlanError::NotRecognised(folder)) => Some(other_ways(Path::new(folder))),
            Self::Plan(PlanError::OfNix(_)) => Some("ironwright build INSTALLABLE"),
            Self::Transfer { .. } => {
                Some("nothing was taken; `ironwright history export` writes what can be read")
            }
            Self::Void(void) => Some(void.hint()),
            Self::Refused { hint, .. } => Some(hint),
            Self::NoGovernor => Some("`ironwright top --wait` waits for one"),
            Self::Activation { .. } => Some(
                "the generation before is still recorded as the current one; `ironwright switch --list` shows all",
            ),
            Self::TrialBuild { .. } => Some(
                "the message above says why; leave the treatment out, or name others with --treatment",
            ),
            Self::TrialStore(StoreError::Busy(_)) => {
                Some("wait for it, or end it: what it built and measured stays")
            }
            Self::Pgo(PgoError::NoProfile { .. }) => Some(
                "does the training run the program that was built, and does it end by itself? --train '{program} ARGUMENTS' names it",
            ),
            Self::Pgo(PgoError::Busy(_)) => Some("wait for it, or end it: what it finished stays"),
            Self::NoNix => Some("install Nix (https://nixos.org/download), or put it on PATH"),
            Self::Mistakes { .. }
            | Self::NoEvents(_)
            | Self::Measure(_)
            | Self::Generation(_)
            | Self::Pgo(_)
            | Self::Variant { .. }
            | Self::Parameter(_)
            | Self::SilentGovernor
            | Self::Governor(_)
            | Self::Terminal(_)
            | Self::TrialStore(_)
            | Self::TrialSource(_)
            | Self::Read { .. }
            | Self::Examine { .. }
            | Self::Write { .. }
            | Self::Output(_)
            | Self::Source(_)
            | Self::Inventory(_)
            | Self::Fetch(_)
            | Self::Nix(_)
            | Self::Evaluate(_)
            | Self::Store(_)
            | Self::Emit { .. }
            | Self::Govern(_)
            | Self::History(_)
            | Self::Log { .. }
            | Self::Json(_) => None,
        }
    }

    /// Shows the error and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        // Whoever reads our output has had enough: that is no error.
        if matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        if let Self::Mistakes { mistakes } = self {
            for mistake in mistakes {
                ui::note(&format!("{}\n", mistake.render(ui::styled())));
            }
        }
        if let Self::Void(Void::Failed { output, .. }) = self {
            ui::note(output);
        }
        ui::error(&self.to_string());
        if let Some(hint) = self.hint() {
            ui::hint(hint);
        }
        ExitCode::from(self.exit_code())
    }
}

/// `1 mistake`, `2 mistakes`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
