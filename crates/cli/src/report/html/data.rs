//! What the page's script reads: points of the curves, and a hint for each unit.
//!
//! Does not know how it is shown.

use ironwright_core::report::{Report, UnitReport};
use serde_json::{Value, json};

use crate::report::phrases::{outcome, ratio, seconds, size, time};

/// JSON that may stand in a script element: nothing in it looks like markup.
pub(super) fn data(report: &Report) -> Result<String, serde_json::Error> {
    let points = report.memory.iter().map(|p| {
        json!([p.at_us, p.held, p.others, p.available, p.busy, p.running, p.paused, p.waiting])
    });
    let units = report.units.iter().map(|unit| hint(report, unit));
    let value = json!({
        "span": report.span_us,
        "points": points.collect::<Vec<_>>(),
        "units": units.collect::<Vec<_>>(),
    });
    let text = serde_json::to_string(&value)?;
    Ok(text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}

/// Lines about a unit, the first its name.
fn hint(report: &Report, unit: &UnitReport) -> Value {
    let mut lines = vec![unit.label.clone()];
    let package = unit.package.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
    lines.push(format!("{}{package}, {}", unit.tool, outcome(unit.outcome)));
    let expected =
        unit.expected_seconds.map_or_else(String::new, |s| format!(", {} expected", seconds(s)));
    lines.push(format!("ran {}{expected}", time(unit.ran_us)));
    let part = ratio(unit).map_or_else(String::new, |r| format!(" ({:.0} %)", r * 100.0));
    lines.push(format!("peak {} of {} reserved{part}", size(unit.peak), unit.reserved));
    if unit.waited_us > 0 {
        let behind = unit.behind.and_then(|behind| report.units.get(behind.unit));
        let behind = behind.map_or_else(String::new, |b| format!(", mostly behind {}", b.label));
        lines.push(format!("waited {}{behind}", time(unit.waited_us)));
    }
    if unit.paused_us > 0 {
        lines.push(format!("paused {}", time(unit.paused_us)));
    }
    if unit.attempts.len() > 1 {
        lines.push(format!("{} attempts", unit.attempts.len()));
    }
    lines.extend(unit.basis.as_ref().map(|basis| format!("estimate from {basis}")));
    json!(lines)
}
