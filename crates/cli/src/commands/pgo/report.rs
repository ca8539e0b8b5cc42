//! What came of a profile, as JSON and in words.
//!
//! Does not judge; the core has.

use std::path::PathBuf;

use ironwright_core::evidence::Bench;
use ironwright_core::pgo::{Level, ProfileCheck, Toolchain, Verdict};
use ironwright_core::units::human_duration;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::bench;
use crate::error::count;
use crate::ui::{BAD, GOOD, HEADING, WARN, paint};

/// What `pgo --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PgoReport {
    /// Version of this shape.
    pub(super) schema: u32,
    /// What was built, as it was written.
    pub(super) source: String,
    /// The package.
    pub(super) package: String,
    /// What was told of profiles.
    pub(super) toolchain: Toolchain,
    /// How much of it.
    pub(super) level: Level,
    /// The compiler, in its own words.
    pub(super) compiler: String,
    /// What merged profiles.
    pub(super) merger: Option<String>,
    /// Where profiles, builds and logs lie.
    pub(super) directory: PathBuf,
    /// The program that was built with the profile.
    pub(super) program: PathBuf,
    /// Steps that an earlier run had finished.
    pub(super) kept: Vec<String>,
    /// Whether the profile belongs to the code, and covers it.
    pub(super) check: ProfileCheck,
    /// What the program itself shows of a profile: `on`, `off`, or unknown.
    pub(super) binary: Option<String>,
    /// What that rests on.
    pub(super) binary_evidence: String,
    /// Comparisons with a build without a profile, a judging command each.
    pub(super) judged: Vec<Bench>,
}

impl PgoReport {
    /// In words.
    pub(super) fn text(&self) -> String {
        let check = &self.check;
        let (style, verdict) = match check.verdict {
            Verdict::Matches => (GOOD, "matches"),
            Verdict::Stale => (WARN, "is stale"),
            Verdict::DoesNotCover => (BAD, "does not cover the code"),
        };
        let mut out = format!(
            "{} {} ({}, {})\n",
            paint(HEADING, "pgo"),
            self.source,
            self.level,
            self.toolchain
        );
        let mut line = |name: &str, value: &str| out.push_str(&format!("  {name:<12}{value}\n"));
        line("profile", &format!("{}: {}", paint(style, verdict), check.why));
        if let Some(part) = check.kept_counts {
            let counts = check.coverage.counts;
            line(
                "counts",
                &format!("{:.1} % of {counts} are of code that is still there", part * 100.0),
            );
        }
        if !check.matching.missing_objects.is_empty() {
            let objects = count(check.matching.missing_objects.len(), "object");
            line("", &format!("{objects} without a profile: no training ran what holds them"));
        }
        if !self.kept.is_empty() {
            line("finished", &format!("before: {}", self.kept.join(", ")));
        }
        let shown = self.binary.as_deref().unwrap_or("unknown");
        line("verified", &format!("profile-guided: {shown} ({})", self.binary_evidence));
        line("program", &self.program.display().to_string());
        line("profiles in", &self.directory.display().to_string());
        for bench in &self.judged {
            out.push_str(&bench::text(bench));
        }
        out
    }
}

/// Seconds of a training, for people.
pub(super) fn seconds(seconds: f64) -> String {
    human_duration(std::time::Duration::from_secs_f64(seconds.max(0.0)))
}
