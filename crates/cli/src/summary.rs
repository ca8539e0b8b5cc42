//! The summary at the end of a run.
//!
//! Does not compute figures; the core derives them from the facts.

use ironwright_core::observe::{DiskUse, Governed, Limiter, RunFacts, Summary, summarise};
use ironwright_core::units::{Bytes, human_duration};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::count;
use crate::nix::results::Results;
use crate::sources::shown;
use crate::ui::{self, BAD, GOOD, HEADING, paint};

/// What `run --json` and `build --json` print of a run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunReport {
    /// What was observed.
    facts: RunFacts,
    /// What follows from it.
    summary: Summary,
    /// What became of derivations, where Nix built.
    #[serde(skip_serializing_if = "Option::is_none")]
    nix: Option<Results>,
}

impl RunReport {
    /// The facts with their summary.
    pub(crate) fn new(facts: RunFacts) -> Self {
        Self { summary: summarise(&facts), facts, nix: None }
    }

    /// The same with what became of derivations.
    pub(crate) fn with_nix(self, results: Results) -> Self {
        Self { nix: Some(results), ..self }
    }
}

/// The exit code that a run passes on: the command's, or the signal's that a user ended it with.
pub(crate) fn exit_code(facts: &RunFacts) -> u8 {
    let code = facts.steps.last().map_or(0, |step| step.observed.code());
    // A code that does not fit must not turn into success.
    u8::try_from(code).unwrap_or(1)
}

/// Prints the summary to standard error, where it does not mix with results.
pub(crate) fn show(facts: &RunFacts, output: Option<&std::path::Path>) {
    let summary = summarise(facts);
    if let Some(message) = start_failure(facts) {
        ui::error(&message);
    }
    ui::note(&text(facts, &summary, output));
}

fn start_failure(facts: &RunFacts) -> Option<String> {
    use ironwright_core::observe::Exit;
    let step = facts.steps.last()?;
    match &step.observed.exit {
        Exit::NotStarted { message, .. } => Some(format!(
            "cannot run {}: {message}",
            step.argv.first().map_or("nothing", String::as_str)
        )),
        Exit::Code(_) | Exit::Signal(_) => None,
    }
}

/// The summary in words; `output` is where the result is.
pub(crate) fn text(
    facts: &RunFacts,
    summary: &Summary,
    output: Option<&std::path::Path>,
) -> String {
    let code = exit_code(facts);
    let interrupted = facts.steps.last().is_some_and(|step| step.observed.interrupted_by.is_some());
    let outcome = match code {
        0 => paint(GOOD, "done"),
        _ if interrupted => paint(BAD, "interrupted"),
        _ => paint(BAD, &failure(facts, code)),
    };
    let what =
        facts.source.as_deref().map(|source| format!(" {}", shown(source))).unwrap_or_default();
    let mut out = format!(
        "{}{what}: {outcome} in {}\n",
        paint(HEADING, "ironwright"),
        human_duration(summary.wall)
    );
    let mut line = |name: &str, value: String| out.push_str(&format!("  {name:<11}{value}\n"));
    line(
        "processor",
        format!(
            "{} CPU time, {:.1} of {} threads busy ({:.0} %)",
            human_duration(summary.cpu),
            summary.busy_threads,
            facts.threads,
            summary.cpu_use * 100.0
        ),
    );
    let name = summary.peak_process_name.as_deref().unwrap_or("a process");
    line(
        "memory",
        format!(
            "peak {} of {} for builds; largest process {name} {}",
            summary.peak_tree, facts.budget, summary.peak_process
        ),
    );
    if let Some(governed) = facts.governed.filter(|governed| governed.units > 0) {
        line("governed", governed_text(governed));
    }
    for held in &summary.held_back {
        line("held back", format!("by {}: {}", limiter(held.by), held.because));
    }
    let left: u32 = facts.steps.iter().map(|step| step.observed.left_running).max().unwrap_or(0);
    if left > 0 && code == 0 {
        line(
            "still runs",
            format!(
                "{left} process(es) that the build left behind, a compiler cache's server for instance"
            ),
        );
    }
    if let Some(disk) = facts.disk.filter(|disk| disk.written > Bytes::ZERO) {
        line("disk", disk_text(disk));
    }
    if let (Some(output), 0) = (output, code) {
        line("result", output.display().to_string());
    }
    out
}

fn failure(facts: &RunFacts, code: u8) -> String {
    let overrun = facts.overran().map(|overrun| overrun.to_string());
    overrun.unwrap_or_else(|| format!("failed with exit code {code}"))
}

fn governed_text(governed: Governed) -> String {
    let mut out = count(governed.units as usize, "unit");
    if governed.paused > 0 {
        out.push_str(&format!(", stopped for a while {}", times(governed.paused)));
    }
    if governed.again > 0 {
        out.push_str(&format!(", killed and run again {}", times(governed.again)));
    }
    out
}

fn disk_text(disk: DiskUse) -> String {
    if disk.left == disk.written {
        format!("{} written", disk.written)
    } else {
        format!("{} written, {} of it stays", disk.written, disk.left)
    }
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

const fn limiter(by: Limiter) -> &'static str {
    match by {
        Limiter::Processor => "the processor",
        Limiter::Memory => "memory",
        Limiter::Disk => "the disk",
        Limiter::Serial => "the build itself",
    }
}
