//! Files that a benchmark is written to, kept up to date while rounds go on.
//!
//! Does not know their formats; the core renders.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ironwright_core::evidence::Bench;
use ironwright_core::evidence::markdown::markdown;
use ironwright_core::evidence::plot::svg;
use ironwright_core::evidence::session::Session;
use ironwright_host::files::replace;

use super::FileArgs;
use crate::error::CliError;

/// Shortest time between two writings: writing takes the disk's time, and a round that takes less
/// than this would feel it.
const EVERY: Duration = Duration::from_secs(1);

/// The files.
pub(crate) struct Exports<'a> {
    args: &'a FileArgs,
    written: Option<Instant>,
}

impl<'a> Exports<'a> {
    pub(crate) const fn new(args: &'a FileArgs) -> Self {
        Self { args, written: None }
    }

    /// Writes what there is after a round, unless that was done a moment ago.
    pub(super) fn keep_current(&mut self, session: &Session) -> Result<(), CliError> {
        if !self.args.is_wanted() || self.written.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(());
        }
        self.write(&session.bench())?;
        self.written = Some(Instant::now());
        Ok(())
    }

    fn files(&self) -> [(Option<&PathBuf>, Format); 3] {
        [
            (self.args.export_json.as_ref(), Format::Json),
            (self.args.export_markdown.as_ref(), Format::Markdown),
            (self.args.export_svg.as_ref(), Format::Svg),
        ]
    }

    /// Replaces each file as a whole.
    pub(crate) fn write(&self, bench: &Bench) -> Result<(), CliError> {
        for (path, format) in self.files() {
            if let Some(path) = path {
                write(path, &format.text(bench)?)?;
            }
        }
        Ok(())
    }
}

impl FileArgs {
    /// Whether any file is named.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.export_json.is_some() || self.export_markdown.is_some() || self.export_svg.is_some()
    }
}

#[derive(Clone, Copy)]
enum Format {
    Json,
    Markdown,
    Svg,
}

impl Format {
    fn text(self, bench: &Bench) -> Result<String, CliError> {
        Ok(match self {
            Self::Json => serde_json::to_string_pretty(bench)? + "\n",
            Self::Markdown => markdown(bench),
            Self::Svg => svg(bench),
        })
    }
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    replace(path, text.as_bytes()).map_err(|error| CliError::Write { path: path.to_owned(), error })
}
