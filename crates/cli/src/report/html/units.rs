//! Units one by one: the slowest, the largest, and a table of all.
//!
//! Does not know how the table is sorted; the page's script does that.

use ironwright_core::observe::unit::UnitOutcome;
use ironwright_core::report::{Attempt, Doing, Report, Span, UnitReport};

use super::estimates::{peak_bar, peak_text, time_text};
use super::parts::{escape, number, section, share};
use crate::report::phrases::{outcome, ratio, reason, time};

/// The slowest and the largest, side by side.
pub(super) fn extremes(report: &Report) -> String {
    let slowest =
        report.slowest.iter().filter_map(|place| report.units.get(*place)).map(|u| u.ran_us);
    let most = slowest.max().unwrap_or(1);
    let slow = list(report, &report.slowest, |unit| {
        let ran = share(unit.ran_us, most);
        let bar =
            format!("<span class=\"meter\"><i class=\"ran\" style=\"width:{ran}\"></i></span>");
        (bar, time_text(unit))
    });
    let largest = largest(report);
    let large = list(report, &report.largest, |unit| (peak_bar(unit, largest), peak_text(unit)));
    if slow.is_empty() && large.is_empty() {
        return String::new();
    }
    let text = format!(
        "<div class=\"pair\"><div><h3>Slowest <small>ran, of what was expected</small></h3><ol class=\"most\">{slow}</ol></div>\
         <div><h3>Largest <small>peak, of what was reserved</small></h3><ol class=\"most\">{large}</ol></div></div>\n"
    );
    section("extremes", "Slowest and largest", &text)
}

/// The largest figure that a bar of memory shows.
fn largest(report: &Report) -> u64 {
    let of = |unit: &UnitReport| unit.peak.unwrap_or_default().max(unit.reserved).0;
    report.units.iter().map(of).max().unwrap_or(1).max(1)
}

fn list(
    report: &Report,
    places: &[usize],
    shown: impl Fn(&UnitReport) -> (String, String),
) -> String {
    let item = |place: &usize| {
        let unit = report.units.get(*place)?;
        let (bar, text) = shown(unit);
        Some(format!(
            "<li><span class=\"name\"><a href=\"#u{place}\">{}</a> <small>{}</small></span><span class=\"n\">{}</span>{bar}</li>\n",
            escape(&unit.label),
            escape(&unit.tool),
            escape(&text)
        ))
    };
    places.iter().filter_map(item).collect()
}

/// The headings: their text, what of them sorts, and a class.
const HEADINGS: [(&str, &str, &str); 8] = [
    ("unit", "text", "name"),
    ("started", "number", "n opt"),
    ("waited", "number", "n"),
    ("ran", "number", "n"),
    ("peak", "number", "n"),
    ("of reserved", "number", "n"),
    ("over the run", "number", "line"),
    ("ended", "text", "end"),
];

/// All units.
pub(super) fn table(report: &Report) -> String {
    if report.units.is_empty() {
        let text = "<p class=\"lead\">No units: this run did not go on under a governor, or nothing was kept of it.</p>\n";
        return section("units", "Units", text);
    }
    let heading = |(text, sort, class): &(&str, &str, &str)| {
        format!("<th scope=\"col\" class=\"{class}\" data-sort=\"{sort}\">{text}</th>")
    };
    let headings: String = HEADINGS.iter().map(heading).collect();
    let rows: String =
        report.units.iter().enumerate().map(|(place, unit)| row(report, place, unit)).collect();
    let text = format!(
        "<div class=\"bar\" id=\"tools\" hidden><label>Find <input id=\"find\" type=\"search\" placeholder=\"name, tool or ending\"></label>\
         <span id=\"shown\" role=\"status\"></span><button type=\"button\" id=\"more\" hidden>Show all</button></div>\n\
         <ul class=\"legend\"><li><i class=\"k-wait\"></i>waited</li><li><i class=\"k-run\"></i>ran</li><li><i class=\"k-pause\"></i>paused</li><li><i class=\"k-evict\"></i>attempt lost</li></ul>\n\
         <div class=\"scroll\" role=\"region\" aria-labelledby=\"units-h\" tabindex=\"0\"><table id=\"all\"><thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    );
    section("units", "Every unit", &text)
}

fn row(report: &Report, place: usize, unit: &UnitReport) -> String {
    let started = unit.attempts.iter().find_map(Attempt::active).map_or(0, |(from, _)| from);
    let part = ratio(unit);
    let over = if part.is_some_and(|part| part > 1.0) { " over" } else { "" };
    let cell = |class: &str, value: u64, text: &str| {
        format!("<td class=\"{class}\" data-v=\"{value}\">{}</td>", escape(text))
    };
    let tries = match unit.attempts.len() {
        0 | 1 => String::new(),
        n => format!(", {n} attempts"),
    };
    let end = format!("{}{tries}", outcome(unit.outcome));
    let good = if unit.outcome == Some(UnitOutcome::Succeeded) { "end" } else { "end bad" };
    let dash = |us: u64| if us < 1000 { "–".to_owned() } else { time(us) };
    format!(
        "<tr id=\"u{place}\"><th scope=\"row\" class=\"name\">{} <small>{}</small></th>{}{}{}{}<td class=\"n{over}\" data-v=\"{}\">{}</td>{}<td class=\"{good}\">{}</td></tr>\n",
        escape(&unit.label),
        escape(&unit.tool),
        cell("n opt", started, &time(started)),
        cell("n", unit.waited_us, &dash(unit.waited_us)),
        cell("n", unit.ran_us, &time(unit.ran_us)),
        cell("n", unit.peak.unwrap_or_default().0, &crate::report::phrases::size(unit.peak)),
        number(part.unwrap_or(-1.0)),
        part.map_or_else(|| "?".to_owned(), |part| format!("{:.0} %", part * 100.0)),
        line(report, unit),
        escape(&end),
    )
}

/// What a unit did over the run's time.
fn line(report: &Report, unit: &UnitReport) -> String {
    let mut spans = String::new();
    for (index, attempt) in unit.attempts.iter().enumerate() {
        let is_lost = index + 1 < unit.attempts.len();
        spans.extend(attempt.spans.iter().map(|span| piece(report, span, is_lost)));
    }
    let first = unit.asked_us().unwrap_or(0);
    format!(
        "<td class=\"line\" data-v=\"{first}\"><svg width=\"100%\" height=\"14\" role=\"img\" aria-label=\"{}\">{spans}</svg></td>",
        escape(&told(unit)),
    )
}

fn piece(report: &Report, span: &Span, is_lost: bool) -> String {
    let (class, y, height) = match span.doing {
        Doing::Waiting { .. } => ("s-wait", 5, 4),
        Doing::Paused => ("s-pause", 1, 12),
        Doing::Running if is_lost => ("s-lost", 1, 12),
        Doing::Running => ("s-run", 1, 12),
    };
    format!(
        "<rect class=\"{class}\" x=\"{}\" width=\"{}\" y=\"{y}\" height=\"{height}\"/>",
        share(span.from_us, report.span_us),
        share(span.us(), report.span_us)
    )
}

/// The same in words.
fn told(unit: &UnitReport) -> String {
    let told: Vec<_> = unit
        .spans()
        .map(|span| match span.doing {
            Doing::Waiting { why } => format!("waited {} for {}", time(span.us()), reason(why)),
            Doing::Running => format!("ran {}", time(span.us())),
            Doing::Paused => format!("paused {}", time(span.us())),
        })
        .collect();
    told.join(", ")
}
