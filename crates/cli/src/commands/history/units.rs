//! `ironwright history units`.
//!
//! Does not know how units are found.

use std::time::Duration;

use clap::Args;
use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::units::human_duration;
use ironwright_history::{Order, RunId, UnitFilter};

use super::{existing, local, shortened, with_run};
use crate::error::CliError;
use crate::table::table;
use crate::ui;

/// List units: the compilers, linkers and other heavy processes of past runs.
#[derive(Args, Debug)]
#[command(
    after_help = "A unit whose outcome is `timed` comes from another tool's log, which tells no memory.\n\n\
        Examples:\n  ironwright history units --largest\n  ironwright history units --slowest --run 12\n  \
        ironwright history units --package ripgrep --limit 50\n  ironwright history units --largest --json"
)]
pub(crate) struct UnitsArgs {
    /// Those that held most memory first.
    #[arg(long)]
    largest: bool,
    /// Those that took longest first.
    #[arg(long, conflicts_with = "largest")]
    slowest: bool,
    /// Only of this run.
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
    /// Only of runs of this package.
    #[arg(long, short)]
    package: Option<String>,
    /// Only with this key.
    #[arg(long)]
    key: Option<String>,
    /// At most this many; without an order the newest.
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &UnitsArgs) -> Result<u8, CliError> {
    let filter = UnitFilter {
        order: match (args.largest, args.slowest) {
            (true, _) => Order::Largest,
            (_, true) => Order::Slowest,
            _ => Order::Newest,
        },
        run: args.run,
        package: args.package.clone(),
        key: args.key.clone(),
        limit: args.limit,
    };
    let history = match args.run {
        Some(run) => Some(with_run(run)?.0),
        None => existing()?,
    };
    let units = match history {
        Some(history) => history.find_units(&filter)?,
        None => Vec::new(),
    };
    if args.json {
        ui::print_json(&units)?;
    } else if units.is_empty() {
        ui::note("no such units: builds under `ironwright run` and `ironwright build` add them\n");
    } else {
        let headings = ["unit", "tool", "run", "started", "outcome", "time", "CPU", "peak", "key"];
        ui::print(&table(&headings, units.iter().map(row)))?;
    }
    Ok(0)
}

fn row(unit: &UnitRecord) -> Vec<String> {
    let logged = unit.outcome == UnitOutcome::Timed;
    let measured = |text: String| if logged { "?".to_owned() } else { text };
    let cpu = unit.user_us.saturating_add(unit.system_us);
    let attempt = if unit.attempt > 1 { format!(" ({})", unit.attempt) } else { String::new() };
    vec![
        shortened(&format!("{}{attempt}", unit.label), 40),
        unit.tool.clone(),
        unit.run.map(|run| run.to_string()).unwrap_or_default(),
        match unit.started_unix_us {
            0 => "?".to_owned(),
            us => local(us.saturating_mul(1000)),
        },
        unit.outcome.name().to_owned(),
        human_duration(Duration::from_micros(unit.wall_us.saturating_sub(unit.paused_us))),
        measured(human_duration(Duration::from_micros(cpu))),
        measured(unit.peak.to_string()),
        unit.key.clone(),
    ]
}
