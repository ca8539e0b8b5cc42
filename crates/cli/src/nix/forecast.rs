//! The forecast of a plan, for people.
//!
//! Does not know how anything was estimated.

use std::time::Duration;

use ironwright_core::plan::{Schedule, Tier};
use ironwright_core::units::human_duration;

use super::plan::{NixPlan, Planned};
use crate::error::count;
use crate::table::table;
use crate::ui::{DIM, HEADING, paint};

/// Derivations that are listed; the others are counted.
const LISTED: usize = 30;

/// A time in words.
pub(crate) fn time(seconds: f64) -> String {
    human_duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
}

/// The forecast; with `all`, every derivation.
pub(crate) fn text(plan: &NixPlan, schedule: &Schedule, all: bool) -> String {
    let mut out = format!("{}\n", paint(HEADING, &plan.installables.join(" ")));
    let mut row = |name: &str, value: String| {
        out.push_str(&format!("  {name:<10} {value}\n"));
    };
    if plan.is_empty() {
        row("to build", "nothing: everything is in the store".to_owned());
        return out;
    }
    row("to build", tiers(plan));
    if !plan.fetch.paths.is_empty() {
        let fetch = &plan.fetch;
        row(
            "to fetch",
            format!(
                "{}, {} to download, {} unpacked",
                count(fetch.paths.len(), "path"),
                fetch.download,
                fetch.unpacked
            ),
        );
    }
    if !plan.build.is_empty() {
        let span = &schedule.makespan_seconds;
        row(
            "expected",
            format!("{} ({} to {})", time(span.expected), time(span.min), time(span.max)),
        );
        row("memory", format!("peak {} of {} for builds", schedule.peak, plan.budget));
        row("decided by", decided_by(schedule));
        let most = if all { usize::MAX } else { LISTED };
        out.push_str(&listed(&plan.build, most));
    }
    out
}

fn tiers(plan: &NixPlan) -> String {
    let of = |tier: Tier| plan.build.iter().filter(|planned| planned.tier == tier).count();
    format!(
        "{}: {} heavy, {} medium, {} light",
        count(plan.build.len(), "derivation"),
        of(Tier::Heavy),
        of(Tier::Medium),
        of(Tier::Light)
    )
}

fn decided_by(schedule: &Schedule) -> String {
    let names: Vec<&str> = schedule.critical_path.iter().map(|step| step.name.as_str()).collect();
    if schedule.limited_by == "the critical path" && names.len() > 1 {
        let shown = match names.as_slice() {
            [first, .., last] if names.len() > 4 => {
                format!("{first} -> … -> {last}, {} in a chain", names.len())
            }
            names => names.join(" -> "),
        };
        return format!("{}: {shown}", schedule.limited_by);
    }
    schedule.limited_by.to_owned()
}

/// The longest first: these decide.
fn listed(build: &[Planned], most: usize) -> String {
    let mut order: Vec<&Planned> = build.iter().collect();
    order.sort_by(|a, b| b.seconds.0.total_cmp(&a.seconds.0).then_with(|| a.name.cmp(&b.name)));
    let rows = order.iter().take(most).map(|planned| {
        vec![
            planned.name.clone(),
            planned.tier.name().to_owned(),
            count(planned.cores as usize, "core"),
            time(planned.seconds.0),
            planned.peak.0.to_string(),
            planned.timeout_seconds.map_or_else(|| "-".to_owned(), time),
            planned.because.clone(),
        ]
    });
    let headings = ["derivation", "tier", "cores", "time", "memory", "timeout", "from"];
    let mut out = table(&headings, rows);
    if order.len() > most {
        let more = count(order.len() - most, "further derivation");
        out.push_str(&format!("  {}\n", paint(DIM, &format!("and {more}"))));
    }
    out
}
