//! `ironwright history show`.
//!
//! Does not compute figures; the core derives them.

use clap::Args;
use ironwright_core::observe::generation::generation;
use ironwright_core::observe::summarise;
use ironwright_core::observe::totals::{LISTED, UnitFigures, UnitTotals, totals};
use ironwright_core::observe::{RunFacts, StepFacts};
use ironwright_core::units::human_duration;
use ironwright_history::{Record, RunId, State};
use schemars::JsonSchema;
use serde::Serialize;

use super::list::HistoryEntry;
use super::{local, outcome, shortened, with_run};
use crate::error::{CliError, count};
use crate::summary;
use crate::table::table;
use crate::ui::{self, HEADING, paint};

/// Show a run: its facts, its commands and what its units came to.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright history show 12\n  ironwright history show 12 --settings\n  ironwright history show 12 --json"
)]
pub(crate) struct ShowArgs {
    /// Number of the run in `ironwright history`.
    #[arg(value_name = "RUN")]
    run: RunId,
    /// Show the settings that were in force too.
    #[arg(long)]
    settings: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `history show --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunDetail {
    /// The run as `history --json` has it.
    #[serde(flatten)]
    run: HistoryEntry,
    /// What its units came to.
    units: UnitTotals,
}

pub(super) fn run(args: &ShowArgs) -> Result<u8, CliError> {
    let (history, record) = with_run(args.run)?;
    let units = totals(&history.units_of_run(args.run)?, LISTED);
    if args.json {
        ui::print_json(&RunDetail { run: HistoryEntry::new(record), units })?;
        return Ok(0);
    }
    let mut out = facts(&record);
    out.push_str(&steps(&record.facts.steps));
    if units.attempts > 0 {
        out.push_str(&units_text(&units));
    }
    if args.settings {
        out.push_str(&settings(&record.facts));
    }
    ui::print(&out)?;
    Ok(0)
}

fn facts(record: &Record) -> String {
    let facts = &record.facts;
    let mut out = format!(
        "{} started {} on {}\n",
        paint(HEADING, &format!("run {}", record.id)),
        local(facts.started_unix_ns),
        facts.host.as_deref().unwrap_or("an unknown host")
    );
    if record.state == State::Finished {
        out.push_str(&summary::text(facts, &summarise(facts), None));
    } else {
        let what = facts.source.as_deref().unwrap_or("a command");
        out.push_str(&format!("  {what}: {}\n", outcome(record)));
    }
    let mut line = |name: &str, value: &str| out.push_str(&format!("  {name:<11}{value}\n"));
    if let Some(package) = &facts.package {
        line("package", package);
    }
    if let Some(driver) = &facts.driver {
        line("driver", driver);
    }
    line("settings", &format!("{}, generation {}", facts.settings.len(), generation(facts)));
    line("by", &format!("ironwright {}", facts.ironwright));
    out
}

const MOST: usize = 60;

fn steps(steps: &[StepFacts]) -> String {
    let row = |step: &StepFacts| {
        let seen = &step.observed;
        let cpu = seen.user_ns.saturating_add(seen.system_ns);
        vec![
            shortened(&step.argv.join(" "), MOST),
            seen.exit.code().to_string(),
            human_duration(std::time::Duration::from_nanos(seen.wall_ns)),
            human_duration(std::time::Duration::from_nanos(cpu)),
            seen.peak_tree.to_string(),
        ]
    };
    if steps.is_empty() {
        return String::new();
    }
    format!("\n{}", table(&["step", "exit", "time", "CPU", "peak"], steps.iter().map(row)))
}

fn units_text(units: &UnitTotals) -> String {
    let ends: Vec<String> =
        units.outcomes.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let mut out = format!(
        "\n{} {}, {}: {}\n",
        paint(HEADING, "units"),
        units.units,
        match units.retries {
            0 => "none run again".to_owned(),
            retries => format!("{} run again", count(retries, "attempt")),
        },
        ends.join(", ")
    );
    out.push_str(&format!(
        "  {} CPU time, {} of it lost; waited {}, paused {} in all\n",
        human_duration(units.cpu),
        human_duration(units.lost_cpu),
        human_duration(units.waited),
        human_duration(units.paused)
    ));
    for (name, units) in [("slowest", &units.slowest), ("largest", &units.largest)] {
        out.push('\n');
        out.push_str(&table(
            &[name, "tool", "time", "CPU", "peak", "attempts"],
            units.iter().map(row),
        ));
    }
    out
}

fn row(unit: &UnitFigures) -> Vec<String> {
    vec![
        shortened(&unit.label, MOST),
        unit.tool.clone(),
        human_duration(unit.wall),
        human_duration(unit.cpu),
        unit.peak.map_or("?".to_owned(), |peak| peak.to_string()),
        unit.attempts.to_string(),
    ]
}

fn settings(facts: &RunFacts) -> String {
    let row = |(name, value): (&String, &serde_json::Value)| vec![name.clone(), plain(value)];
    format!("\n{}", table(&["setting", "value"], facts.settings.iter().map(row)))
}

/// A value without the quotes of JSON.
pub(super) fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
