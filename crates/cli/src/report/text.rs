//! A report as text for a terminal.
//!
//! Does not know how a report is derived.

use ironwright_core::report::{Estimate, IncidentKind, Judged, Report, Standing, UnitReport};
use ironwright_core::units::Bytes;

use super::phrases::{
    bytes, cache, ending, outcome, percent, ratio, reason, seconds, size, time, times, took,
    unjudged, verdict,
};
use crate::error::count;
use crate::table::table;
use crate::ui::{BAD, DIM, GOOD, HEADING, WARN, paint};

pub(crate) use super::batch::batch;

/// Incidents that are listed.
const MOST_INCIDENTS: usize = 12;
/// Columns of a unit's timeline.
const TIMELINE: usize = 32;

/// The text. Sections of which nothing is known are left out.
pub(crate) fn text(report: &Report) -> String {
    let sections = [
        head(report),
        ranges(report),
        estimates(report),
        waits(report),
        named("Slowest units", report, &report.slowest),
        named("Largest units", report, &report.largest),
        incidents(report),
    ];
    let shown: Vec<_> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    shown.join("\n")
}

fn heading(text: &str) -> String {
    format!("{}\n", paint(HEADING, text))
}

fn line(name: &str, text: &str) -> String {
    format!("  {name:<10} {text}\n")
}

fn head(report: &Report) -> String {
    let (summary, counts) = (&report.summary, &report.counts);
    let style = if matches!(summary.exit_code, Some(0) | None) { GOOD } else { BAD };
    let title = format!("run {}: {}", report.run, report.what);
    let mut out = format!("{} ({})\n", paint(HEADING, &title), paint(style, &ending(report)));
    out += &line("time", &took(report));
    out += &line(
        "processor",
        &format!(
            "{} CPU time, {:.1} of {} threads busy ({})",
            seconds(summary.cpu.as_secs_f64()),
            summary.busy_threads,
            report.threads,
            percent(summary.cpu_use),
        ),
    );
    let part = summary.peak_tree.0 as f64 / report.budget.0.max(1) as f64;
    out += &line(
        "memory",
        &format!("peak {} of {} ({})", summary.peak_tree, report.budget, percent(part)),
    );
    if let Some(disk) = report.disk.filter(|disk| disk.written > Bytes::ZERO) {
        out += &line("disk", &format!("{} written, {} of it left", disk.written, disk.left));
    }
    if counts.units == 0 {
        let none = if report.governed { "none" } else { "none: it did not run under a governor" };
        out += &line("units", none);
    } else {
        out += &line("units", &unit_counts(report));
    }
    out += &line(
        "cache",
        &match cache(report) {
            (rate, more) if more.is_empty() => rate,
            (rate, more) => format!("{rate} ({more})"),
        },
    );
    if report.ranges.is_none() && report.standing != Standing::Running {
        out += &line("range", &format!("none: {}", unjudged(report)));
    }
    out
}

fn unit_counts(report: &Report) -> String {
    let counts = &report.counts;
    let mut parts = vec![format!("{} done", counts.succeeded)];
    let mut add = |n: usize, text: String| {
        if n > 0 {
            parts.push(text);
        }
    };
    add(counts.failed, format!("{} failed", counts.failed));
    add(counts.open, format!("{} not ended", counts.open));
    add(counts.pauses, format!("paused {}", times(counts.pauses)));
    add(counts.evictions, format!("evicted {}", times(counts.evictions)));
    add(counts.kernel_kills, format!("killed by the kernel {}", times(counts.kernel_kills)));
    add(counts.retries, format!("{} CPU time lost to it", time(counts.lost_cpu_us)));
    format!("{}: {}", counts.units, parts.join(", "))
}

fn ranges(report: &Report) -> String {
    let Some(ranges) = &report.ranges else { return String::new() };
    let mut out = heading(&format!("Against what was predicted ({})", ranges.basis));
    let row = |name: &str, judged: &Judged, show: &dyn Fn(f64) -> String| {
        vec![
            name.to_owned(),
            show(judged.value),
            show(judged.expected),
            format!("{} to {}", show(judged.low), show(judged.high)),
            verdict(judged).to_owned(),
        ]
    };
    let sizes = |value: f64| bytes(value).to_string();
    out += &table(
        &["figure", "this run", "expected", "range", ""],
        [
            row("time", &ranges.wall, &seconds),
            row("CPU time", &ranges.cpu, &seconds),
            row("peak", &ranges.peak, &sizes),
        ],
    );
    out
}

fn estimates(report: &Report) -> String {
    let accuracy = &report.accuracy;
    let Some(inside) = accuracy.inside_part() else { return String::new() };
    let mut out = heading("Estimates against reality");
    out += &line(
        "memory",
        &format!(
            "{} of {} units peaked inside what was reserved ({}); {} reserved for peaks of {} ({:.2} x)",
            accuracy.inside,
            accuracy.judged,
            percent(inside),
            accuracy.reserved,
            accuracy.peaks,
            accuracy.reserved_ratio().unwrap_or(1.0),
        ),
    );
    out += &match &accuracy.times {
        Some(times) => line(
            "time",
            &format!(
                "{} of {} expected in {}; the middle one took {:.2} x",
                seconds(times.seconds),
                seconds(times.expected_seconds),
                count(times.judged, "unit"),
                times.median_ratio,
            ),
        ),
        None => line("time", "none was expected of any unit"),
    };
    out
}

fn waits(report: &Report) -> String {
    if report.counts.waited_us < 1000 {
        return String::new();
    }
    let mut out = heading("What waited for what");
    let all = report.counts.waited_us.max(1) as f64;
    out += &table(
        &["for", "time", "part", "units"],
        report.waits.iter().map(|sum| {
            let part = percent(sum.us as f64 / all);
            vec![reason(sum.why).to_owned(), time(sum.us), part, sum.units.to_string()]
        }),
    );
    let held_up = report.held_up.iter().take(5).filter_map(|held| {
        let unit = report.units.get(held.unit)?;
        let others = count(held.others, "unit");
        Some(vec![unit.label.clone(), size(unit.peak), time(held.us), others])
    });
    let rows: Vec<_> = held_up.collect();
    if !rows.is_empty() {
        out.push('\n');
        out += &table(&["while this ran", "peak", "others waited", ""], rows);
    }
    out
}

fn named(title: &str, report: &Report, places: &[usize]) -> String {
    let units: Vec<_> = places.iter().filter_map(|place| report.units.get(*place)).collect();
    if units.is_empty() {
        return String::new();
    }
    let headings =
        ["unit", "tool", "ran", "expected", "peak", "reserved", "", "waited", "timeline", ""];
    let mut out = heading(title);
    out += &table(&headings, units.into_iter().map(|unit| row(report, unit)));
    out
}

fn row(report: &Report, unit: &UnitReport) -> Vec<String> {
    let expected = unit.expected_seconds.map_or_else(|| "?".to_owned(), seconds);
    let judged = match (unit.estimate, ratio(unit)) {
        (Estimate::Unknown, _) | (_, None) => String::new(),
        (_, Some(ratio)) => percent(ratio),
    };
    vec![
        shortened(&unit.label),
        unit.tool.clone(),
        time(unit.ran_us),
        expected,
        size(unit.peak),
        unit.reserved.to_string(),
        judged,
        time(unit.waited_us),
        timeline(report, unit),
        outcome(unit.outcome).to_owned(),
    ]
}

/// What a unit did over the run's time, a character a part of it.
fn timeline(report: &Report, unit: &UnitReport) -> String {
    use ironwright_core::report::Doing;
    let mut cells = [' '; TIMELINE];
    let columns = u64::try_from(TIMELINE).unwrap_or(1);
    let span = report.span_us.max(1);
    for (index, cell) in (0_u64..).zip(&mut cells) {
        let (from, to) = (span * index / columns, span * (index + 1) / columns);
        let during = |s: &&ironwright_core::report::Span| s.to_us > from && s.from_us < to;
        let longest = unit
            .spans()
            .filter(during)
            .max_by_key(|s| s.to_us.min(to).saturating_sub(s.from_us.max(from)));
        *cell = match longest.map(|s| s.doing) {
            Some(Doing::Waiting { .. }) => '·',
            Some(Doing::Running) => '█',
            Some(Doing::Paused) => '▒',
            None => ' ',
        };
    }
    format!("▏{}▏", cells.iter().collect::<String>())
}

fn incidents(report: &Report) -> String {
    if report.incidents.is_empty() {
        return String::new();
    }
    let mut out = heading("What happened");
    for incident in report.incidents.iter().take(MOST_INCIDENTS) {
        let Some(unit) = report.units.get(incident.unit) else { continue };
        let style = match incident.what {
            IncidentKind::Paused => WARN,
            _ => BAD,
        };
        let at = time(incident.at_us);
        out += &format!("  {at:>10}  {} {}\n", paint(style, incident.what.name()), unit.label);
    }
    let more = report.incidents.len().saturating_sub(MOST_INCIDENTS);
    if more > 0 {
        out += &format!("  {}\n", paint(DIM, &format!("and {more} more (--html shows all)")));
    }
    out
}

/// The end of a long label tells more than its beginning.
fn shortened(label: &str) -> String {
    const MOST: usize = 36;
    let long = label.chars().count();
    if long <= MOST {
        return label.to_owned();
    }
    ['…'].into_iter().chain(label.chars().skip(long - MOST + 1)).collect()
}
