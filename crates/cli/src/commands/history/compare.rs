//! `ironwright history compare`.
//!
//! Does not compute differences; the core does.

use std::time::Duration;

use clap::Args;
use ironwright_core::observe::compare::{Comparison, Side, UnitDifference, compare};
use ironwright_core::observe::totals::UnitFigures;
use ironwright_core::units::{Bytes, human_duration};
use ironwright_history::RunId;

use super::show::plain;
use super::{shortened, with_run};
use crate::error::{CliError, count};
use crate::table::table;
use crate::ui;

/// Put two runs side by side: times, memory, settings that differ, and units.
#[derive(Args, Debug)]
#[command(
    after_help = "What differs may be chance: two runs do not show how much the same build varies.\n\n\
        Examples:\n  ironwright history compare 11 12\n  ironwright history compare 11 12 --limit 50\n  ironwright history compare 11 12 --json"
)]
pub(crate) struct CompareArgs {
    /// Number of the first run in `ironwright history`.
    #[arg(value_name = "A")]
    a: RunId,
    /// Number of the second run.
    #[arg(value_name = "B")]
    b: RunId,
    /// At most this many units, those whose time differs most first; `--json` has all.
    #[arg(long, short = 'n', default_value_t = 15)]
    limit: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CompareArgs) -> Result<u8, CliError> {
    let (history, a) = with_run(args.a)?;
    let (_, b) = with_run(args.b)?;
    let (units_a, units_b) = (history.units_of_run(args.a)?, history.units_of_run(args.b)?);
    let comparison = compare((&a.facts, &units_a), (&b.facts, &units_b));
    if args.json {
        ui::print_json(&comparison)?;
    } else {
        ui::print(&text(args, &comparison))?;
    }
    Ok(0)
}

fn text(args: &CompareArgs, comparison: &Comparison) -> String {
    let (a, b) = (format!("run {}", args.a), format!("run {}", args.b));
    let mut out = table(&["", &a, &b, "change"], sides(&comparison.a, &comparison.b));
    if comparison.settings.is_empty() {
        out.push_str("\n  the same settings were in force\n");
    } else {
        let value = |value: &Option<serde_json::Value>| {
            value.as_ref().map_or("not set".to_owned(), |value| shortened(&plain(value), 50))
        };
        let rows = comparison.settings.iter().map(|differing| {
            vec![differing.name.clone(), value(&differing.a), value(&differing.b)]
        });
        out.push_str(&format!("\n{}", table(&["setting", &a, &b], rows)));
    }
    if !comparison.units.is_empty() {
        let headings = ["unit", &a, &b, "change", "peak", "peak", "change"];
        let rows = comparison.units.iter().take(args.limit).map(unit_row);
        out.push_str(&format!("\n{}", table(&headings, rows)));
    }
    if comparison.units.iter().take(args.limit).any(|unit| !unit.same_key) {
        out.push_str("  * under other settings or in another version\n");
    }
    let more = comparison.units.len().saturating_sub(args.limit);
    if more > 0 {
        out.push_str(&format!("  and {}\n", count(more, "more unit")));
    }
    out
}

fn sides(a: &Side, b: &Side) -> Vec<Vec<String>> {
    let row =
        |name: &str, a: String, b: String, change: String| vec![name.to_owned(), a, b, change];
    let time = |name: &str, a: Duration, b: Duration| {
        row(name, human_duration(a), human_duration(b), ratio(a.as_secs_f64(), b.as_secs_f64()))
    };
    let size = |name: &str, a: Bytes, b: Bytes| {
        row(name, a.to_string(), b.to_string(), ratio(a.0 as f64, b.0 as f64))
    };
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".to_owned());
    let code = |code: Option<i32>| code.map_or_else(|| "?".to_owned(), |code| code.to_string());
    let number = |name: &str, a: usize, b: usize| {
        row(name, a.to_string(), b.to_string(), ratio(a as f64, b as f64))
    };
    vec![
        row("what", shortened(&a.what, 40), shortened(&b.what, 40), String::new()),
        row("host", name(&a.host), name(&b.host), String::new()),
        row("generation", a.generation.clone(), b.generation.clone(), String::new()),
        row("exit code", code(a.exit_code), code(b.exit_code), String::new()),
        number("threads", a.threads as usize, b.threads as usize),
        size("budget", a.budget, b.budget),
        time("time", a.wall, b.wall),
        time("CPU", a.cpu, b.cpu),
        size("peak", a.peak_tree, b.peak_tree),
        size("largest process", a.peak_process, b.peak_process),
        number("attempts at units", a.units, b.units),
        number("run again", a.retries, b.retries),
    ]
}

/// `+12 %`; nothing where both are the same or there is nothing to compare with.
fn ratio(a: f64, b: f64) -> String {
    let change = (b / a - 1.0) * 100.0;
    if change.is_finite() && change.abs() >= 0.5 {
        format!("{change:+.0} %")
    } else {
        String::new()
    }
}

fn unit_row(unit: &UnitDifference) -> Vec<String> {
    let time = |side: &Option<UnitFigures>| {
        side.as_ref().map_or("–".to_owned(), |it| human_duration(it.wall))
    };
    let peak = |side: &Option<UnitFigures>| side.as_ref().and_then(|it| it.peak);
    let shown = |peak: Option<Bytes>| peak.map_or("–".to_owned(), |peak| peak.to_string());
    let wall = |side: &Option<UnitFigures>| side.as_ref().map_or(0.0, |it| it.wall.as_secs_f64());
    let bytes = |peak: Option<Bytes>| peak.map_or(0.0, |peak| peak.0 as f64);
    let (both, peaks) = (unit.a.is_some() && unit.b.is_some(), (peak(&unit.a), peak(&unit.b)));
    let change = |a: f64, b: f64| if both { ratio(a, b) } else { String::new() };
    vec![
        format!("{}{}", shortened(&unit.label, 40), if unit.same_key { "" } else { " *" }),
        time(&unit.a),
        time(&unit.b),
        change(wall(&unit.a), wall(&unit.b)),
        shown(peaks.0),
        shown(peaks.1),
        change(bytes(peaks.0), bytes(peaks.1)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_where_there_are_any() {
        assert_eq!([ratio(2.0, 3.0), ratio(2.0, 1.0)], ["+50 %", "-50 %"]);
        assert_eq!([ratio(0.0, 3.0), ratio(2.0, 2.0), ratio(0.0, 0.0)], ["", "", ""]);
    }
}
