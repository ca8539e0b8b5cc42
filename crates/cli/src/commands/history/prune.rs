//! `ironwright history prune`.
//!
//! Does not decide what goes; the core plans.

use clap::Args;
use ironwright_core::retention::{GoingRun, LEARNED_FROM, Plan, Policy, Why, plan};
use ironwright_core::units::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use super::{existing, is_alive, local, now_ns};
use crate::error::{CliError, count};
use crate::table::table;
use crate::ui;

/// Forget old runs, units and events by a plan that is shown.
///
/// The newest runs of each package stay, and so do the newest units of each key, from which
/// predictions are learned.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright history prune --dry-run\n  ironwright history prune --keep-days 90 --keep-runs 5\n  \
        ironwright history prune --max-size 200MiB"
)]
pub(crate) struct PruneArgs {
    /// Show the plan and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Forget what is older than this many days.
    #[arg(long, value_name = "DAYS", default_value_t = Policy::default().keep_days)]
    keep_days: u32,
    /// Newest runs of each package that always stay.
    #[arg(long, value_name = "RUNS", default_value_t = Policy::default().keep_runs)]
    keep_runs: u32,
    /// Forget more, oldest first, until the history is no larger.
    #[arg(long, value_name = "SIZE")]
    max_size: Option<Bytes>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `history prune --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Pruning {
    /// What should stay.
    policy: Policy,
    /// What goes.
    plan: Plan,
    /// It has gone; otherwise this is only the plan.
    done: bool,
}

pub(super) fn run(args: &PruneArgs) -> Result<u8, CliError> {
    let policy = Policy {
        keep_days: args.keep_days,
        keep_runs: args.keep_runs,
        units_per_key: LEARNED_FROM,
        max_size: args.max_size,
    };
    let Some(mut history) = existing()? else {
        ui::note("there is no history yet\n");
        return Ok(0);
    };
    let plan = plan(&history.stored(is_alive)?, &policy, now_ns() / 1000);
    let done = !args.dry_run && !plan.is_empty();
    if done {
        history.prune(&plan)?;
        // The room is used again in any case.
        if let Err(error) = history.compact() {
            ui::remark(&format!("the file keeps its size: {error}"));
        }
    }
    if args.json {
        ui::print_json(&Pruning { policy, plan, done })?;
    } else {
        ui::print(&text(&plan, &policy, done))?;
    }
    Ok(0)
}

fn text(plan: &Plan, policy: &Policy, done: bool) -> String {
    let mut out = String::new();
    if !plan.runs.is_empty() {
        let headings =
            ["run", "started", "package", "units", "kept to learn from", "events", "why"];
        out.push_str(&table(&headings, plan.runs.iter().map(|run| row(run, policy))));
        out.push('\n');
    }
    if plan.loose_units > 0 {
        out.push_str(&format!("  {} of no run\n", number(plan.loose_units, "unit")));
    }
    if let Some(day) = plan.loose_events_before_day {
        let date = local(day.saturating_mul(86_400_000_000_000));
        let date = date.split(' ').next().unwrap_or_default();
        out.push_str(&format!("  events of no run before {date}\n"));
    }
    let going = plan.unit_ids.len();
    out.push_str(&match (plan.is_empty(), done) {
        (true, _) => "  nothing goes\n".to_owned(),
        (false, _) => format!(
            "  {}: {}, {} and {}, about {}\n",
            if done { "gone" } else { "would go" },
            count(plan.runs.len(), "run"),
            count(going, "unit"),
            number(plan.events, "event"),
            plan.freed
        ),
    });
    out.push_str(&stays(plan, policy));
    out
}

fn stays(plan: &Plan, policy: &Policy) -> String {
    let mut out = format!(
        "  stays: {} and {}, {} of them only to learn from, about {}\n",
        count(plan.kept.runs, "run"),
        count(plan.kept.units, "unit"),
        plan.kept.learned_from,
        plan.left
    );
    if let (true, Some(size)) = (plan.above_size, policy.max_size) {
        out.push_str(&format!(
            "  that is more than {size}: the newest {} of each package and the newest {} units of each key always stay\n",
            count(policy.keep_runs as usize, "run"),
            policy.units_per_key
        ));
    }
    out
}

fn number(n: u64, noun: &str) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX), noun)
}

fn row(run: &GoingRun, policy: &Policy) -> Vec<String> {
    vec![
        run.id.to_string(),
        local(run.started_us.saturating_mul(1000)),
        run.package.clone().unwrap_or_default(),
        run.units.to_string(),
        run.learned_from.to_string(),
        run.events.to_string(),
        match (run.why, policy.max_size) {
            (Why::Size, Some(size)) => format!("more than {size}"),
            _ => format!("older than {}", count(policy.keep_days as usize, "day")),
        },
    ]
}
