//! What is said of derivations while they are built, and of those that failed.
//!
//! Does not know what follows.

use std::time::Duration;

use ironwright_core::emit::shell::quote_posix;
use ironwright_core::units::human_duration;

use super::plan::Planned;
use super::results::{DerivationResult, Outcome};
use crate::ui::{self, BAD, DIM, GOOD, WARN, paint};

/// Lines of a failed build's log that are shown.
const SHOWN: usize = 12;

/// Something to say.
pub(super) enum Line<'a> {
    /// A derivation is being built.
    Begins { job: &'a Planned, cores: u32 },
    /// Its builder printed a line.
    Printed { name: &'a str, line: &'a str },
    /// It was killed for want of memory.
    Again { job: &'a Planned },
    /// So many paths were not given by any substituter that lists them.
    Unfetched { count: usize, why: &'a str },
    /// It ended.
    Ended { result: &'a DerivationResult, store: Option<&'a str> },
}

pub(super) fn say(line: &Line<'_>) {
    match line {
        Line::Begins { job, cores } => {
            let cores = crate::error::count(*cores as usize, "core");
            let what = format!("{}, {cores}, {} expected", job.tier.name(), job.peak.0);
            ui::note(&format!("  {} {} {}\n", paint(DIM, "begins"), job.name, paint(DIM, &what)));
        }
        Line::Printed { name, line } => {
            ui::note(&format!("{} {line}\n", paint(DIM, &format!("{name}>"))));
        }
        Line::Again { job } => ui::note(&format!(
            "  {}  {} was killed for want of memory and is built again\n",
            paint(WARN, "again"),
            job.name
        )),
        Line::Unfetched { count, why } => {
            let (paths, word) = (crate::error::count(*count, "path"), paint(WARN, "missed"));
            let why = why.trim_start_matches("warning: ");
            ui::note(&format!("  {word} {paths} that a substituter lists: {why}\n"));
        }
        Line::Ended { result, store } => ui::note(&ended(result, *store)),
    }
}

fn ended(result: &DerivationResult, store: Option<&str>) -> String {
    let time = human_duration(Duration::from_secs_f64(result.seconds.clamp(0.0, 1e9)));
    match result.outcome {
        Outcome::Built if result.path.is_empty() => {
            format!("  {} in {time}\n", paint(GOOD, "fetched"))
        }
        Outcome::Built => {
            format!("  {}  {} {}\n", paint(GOOD, "built"), result.name, paint(DIM, &time))
        }
        Outcome::Fetched => {
            format!("  {} {} {}\n", paint(GOOD, "fetched"), result.name, paint(DIM, &time))
        }
        Outcome::AlreadyValid => {
            format!(
                "  {}  {} {}\n",
                paint(GOOD, "there"),
                result.name,
                paint(DIM, "somebody else built it")
            )
        }
        Outcome::NotTried | Outcome::Blocked => String::new(),
        Outcome::Failed | Outcome::TimedOut | Outcome::OutOfMemory => failure(result, store, &time),
    }
}

fn failure(result: &DerivationResult, store: Option<&str>, time: &str) -> String {
    let how = match result.outcome {
        Outcome::TimedOut => "took too long",
        Outcome::OutOfMemory => "needs more memory than there is",
        _ => "failed",
    };
    let mut out = format!("  {} {} {how} after {time}\n", paint(BAD, "failed"), result.name);
    let message = result.message.as_deref().unwrap_or_default();
    // Nix repeats the end of the log in its message.
    let first = message.split("last ").next().unwrap_or_default();
    for line in first.lines().map(str::trim).filter(|line| !line.is_empty()) {
        out.push_str(&format!("    {}\n", line.trim_end_matches([';', ':'])));
    }
    let skipped = result.last_lines.len().saturating_sub(SHOWN);
    for line in result.last_lines.iter().skip(skipped) {
        out.push_str(&format!("    {} {line}\n", paint(DIM, "|")));
    }
    if let Some(folder) = &result.kept {
        out.push_str(&format!("    kept: {folder}\n"));
    }
    // Where no builder ran or spoke there is no log.
    if !result.path.is_empty() && !result.last_lines.is_empty() {
        let store =
            store.map_or_else(String::new, |store| format!("--store {} ", quote_posix(store)));
        out.push_str(&format!("    the whole log: nix log {store}{}\n", result.path));
    }
    out
}
