//! `ironwright generations`.
//!
//! Does not change any; `apply` and `rollback` do.

use clap::{Args, Subcommand};
use ironwright_core::decide::{Difference, Generation};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use crate::decisions::generations;
use crate::error::{CliError, count};
use crate::table::table;
use crate::ui::{self, DIM, HEADING, paint};

/// List the generations of settings that were applied, show one, or compare two.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  ironwright generations\n  ironwright generations show 2\n  ironwright generations diff 1 3\n  ironwright generations --json"
)]
pub(crate) struct GenerationsArgs {
    #[command(subcommand)]
    command: Option<GenerationsCommand>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum GenerationsCommand {
    /// Show the decisions of a generation with what they rest on.
    Show {
        /// The generation; the present one when absent.
        number: Option<u32>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what one generation has and another has not.
    Diff {
        /// The generation to start from.
        from: u32,
        /// The one to compare with.
        to: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// All generations.
#[derive(Serialize, JsonSchema)]
pub(crate) struct GenerationList {
    /// The one that holds.
    current: Option<u32>,
    /// Oldest first.
    generations: Vec<Generation>,
}

pub(crate) fn run(args: &GenerationsArgs) -> Result<u8, CliError> {
    match &args.command {
        None => list(args.json),
        Some(GenerationsCommand::Show { number, json }) => show(*number, *json),
        Some(GenerationsCommand::Diff { from, to, json }) => diff(*from, *to, *json),
    }
}

fn list(json: bool) -> Result<u8, CliError> {
    let stored = generations()?;
    let current = stored.current()?.map(|generation| generation.number);
    let all = stored
        .numbers()?
        .into_iter()
        .map(|number| stored.read(number))
        .collect::<Result<Vec<_>, _>>()?;
    if json {
        ui::print_json(&GenerationList { current, generations: all })?;
        return Ok(0);
    }
    if all.is_empty() {
        ui::note("nothing was applied yet: `ironwright advise` says what is known\n");
        return Ok(0);
    }
    let row = |generation: &Generation| {
        let mark = if Some(generation.number) == current { "holds" } else { "" };
        let canaries = generation.decisions.iter().filter(|decision| decision.canary).count();
        let canaries = if canaries > 0 { format!(", {canaries} on trial") } else { String::new() };
        vec![
            generation.number.to_string(),
            mark.to_owned(),
            when(generation.created_unix_ns),
            format!("{}{canaries}", count(generation.decisions.len(), "decision")),
            generation.reason.clone(),
        ]
    };
    ui::print(&table(&["generation", "", "made", "holds", "by"], all.iter().map(row)))?;
    Ok(0)
}

fn show(number: Option<u32>, json: bool) -> Result<u8, CliError> {
    let stored = generations()?;
    let generation = match number {
        Some(number) => stored.read(number)?,
        None => stored.current()?.ok_or_else(|| {
            CliError::usage("no generation holds", "`ironwright generations` lists them")
        })?,
    };
    if json {
        ui::print_json(&generation)?;
    } else {
        ui::print(&text(&generation))?;
    }
    Ok(0)
}

fn text(generation: &Generation) -> String {
    let mut out = format!(
        "{} made {}: {}\n",
        paint(HEADING, &format!("generation {}", generation.number)),
        when(generation.created_unix_ns),
        generation.reason
    );
    for decision in &generation.decisions {
        let trial = if decision.canary { " (canary)" } else { "" };
        out.push_str(&format!("\n{}{trial}\n", paint(HEADING, &decision.change.to_string())));
        for reason in &decision.evidence.reasons {
            out.push_str(&format!("  {reason}\n"));
        }
        let benches = decision.evidence.benches();
        if !benches.is_empty() {
            let numbers: Vec<_> = benches.iter().map(ToString::to_string).collect();
            out.push_str(&paint(DIM, &format!("  benchmarks {}\n", numbers.join(", "))));
        }
    }
    for rejection in &generation.rejected {
        out.push_str(&format!("\ntaken back: {}\n  {}\n", rejection.change, rejection.why));
    }
    out
}

fn diff(from: u32, to: u32, json: bool) -> Result<u8, CliError> {
    let stored = generations()?;
    let difference = Difference::between(&stored.read(from)?, &stored.read(to)?);
    if json {
        ui::print_json(&difference)?;
        return Ok(0);
    }
    let text = difference.to_string();
    if text.is_empty() {
        ui::note(&format!("generations {from} and {to} hold the same\n"));
    }
    ui::print(&text)?;
    Ok(0)
}

/// A time as the user's clock shows it.
fn when(unix_ns: i64) -> String {
    let Ok(time) = Timestamp::from_nanosecond(i128::from(unix_ns)) else { return "?".to_owned() };
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}
