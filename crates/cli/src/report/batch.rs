//! Several runs of one command as text: what was predicted for each against what it took.
//!
//! Does not know how a report is derived.

use ironwright_core::report::{Batch, Judged, Report, Standing, Unjudged};

use super::phrases::{bytes, ending, seconds, took};
use crate::error::count;
use crate::table::table;
use crate::ui::{BAD, DIM, GOOD, HEADING, WARN, paint};

/// The text.
pub(crate) fn batch(batch: &Batch) -> String {
    let title = count(batch.runs.len(), "package");
    let mut out = format!(
        "{}: {} done in {}, at most {} of memory\n",
        paint(HEADING, &title),
        batch.done,
        seconds(batch.seconds),
        batch.peak
    );
    let headings =
        ["run", "package", "outcome", "time", "predicted", "peak", "predicted", "disk", ""];
    out += &table(&headings, batch.runs.iter().map(row));
    out += &format!("\n{}\n", verdict(batch));
    out += &paint(DIM, "`ironwright report RUN` shows more of one\n");
    out
}

/// How many kept to what was predicted.
pub(super) fn verdict(batch: &Batch) -> String {
    if batch.judged == 0 {
        return "nothing was predicted: it takes an earlier build of the same that ended well"
            .to_owned();
    }
    let style = match batch.judged - batch.kept {
        0 => GOOD,
        few if few * 10 <= batch.judged => WARN,
        _ => BAD,
    };
    let kept = paint(style, &format!("{} of {}", batch.kept, batch.judged));
    format!("{kept} took the time and the memory that were predicted for them")
}

/// The package, else what was built.
pub(super) fn name(report: &Report) -> &str {
    report.package.as_deref().unwrap_or(&report.what)
}

fn row(report: &Report) -> Vec<String> {
    let sizes = |value: f64| bytes(value).to_string();
    let range = |judged: Option<&Judged>, show: &dyn Fn(f64) -> String| {
        judged.map_or_else(String::new, |j| format!("{} to {}", show(j.low), show(j.high)))
    };
    let ranges = report.ranges.as_ref();
    vec![
        report.run.to_string(),
        name(report).to_owned(),
        ending(report),
        took(report),
        range(ranges.map(|ranges| &ranges.wall), &seconds),
        report.summary.peak_tree.to_string(),
        range(ranges.map(|ranges| &ranges.peak), &sizes),
        report.disk.map_or_else(String::new, |disk| disk.written.to_string()),
        judgement(report).to_owned(),
    ]
}

/// Whether a run kept to what was predicted; where nothing was, why.
pub(super) fn judgement(report: &Report) -> &'static str {
    let Some(ranges) = &report.ranges else {
        return match report.unjudged {
            Some(Unjudged::First) => "first build",
            Some(Unjudged::MostlyBuilt) => "mostly built before",
            Some(Unjudged::NotWell) if report.standing != Standing::Running => "did not end well",
            Some(Unjudged::NotWell) | None => "",
        };
    };
    match (ranges.wall.inside, ranges.peak.inside) {
        (true, true) => "inside",
        (false, true) => "time outside",
        (true, false) => "peak outside",
        (false, false) => "both outside",
    }
}
