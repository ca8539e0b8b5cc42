//! Expected against real: the run against earlier ones, units against their reservations.
//!
//! Does not know how estimates are made.

use ironwright_core::report::{Estimate, Judged, Report, UnitReport};

use super::parts::{escape, number, plural, section, share};
use crate::report::phrases::{bytes, outcome, percent, seconds, size, time, unjudged, verdict};

/// Side of a diagram.
const SIDE: f64 = 300.0;

/// The section.
pub(super) fn estimates(report: &Report) -> String {
    let mut out = ranges(report);
    out += &accuracy(report);
    let diagrams = [memory(report), times(report)].concat();
    if !diagrams.is_empty() {
        out += &format!("<div class=\"pair\">{diagrams}</div>\n");
    }
    section("estimates", "Estimates against reality", &out)
}

fn ranges(report: &Report) -> String {
    let Some(ranges) = &report.ranges else {
        return format!("<p class=\"lead\">No range: {}.</p>\n", unjudged(report));
    };
    let sizes = |value: f64| bytes(value).to_string();
    let rows = [
        range("time", &ranges.wall, &seconds),
        range("CPU time", &ranges.cpu, &seconds),
        range("peak memory", &ranges.peak, &sizes),
    ];
    let runs: Vec<_> = ranges.runs.iter().map(i64::to_string).collect();
    format!(
        "<p class=\"lead\">Against what was predicted from {} ({}).</p>\n<div class=\"ranges\">{}</div>\n",
        plural(ranges.runs.len(), "earlier run"),
        runs.join(", "),
        rows.concat()
    )
}

/// A figure with its range.
fn range(name: &str, judged: &Judged, show: &dyn Fn(f64) -> String) -> String {
    let class = verdict(judged);
    format!(
        "<div class=\"range\"><span class=\"name\">{}</span><strong>{}</strong>{}\
         <span class=\"likely-text\">{} – {}</span><span class=\"chip {class}\">{class}</span></div>\n",
        escape(name),
        escape(&show(judged.value)),
        strip(judged),
        escape(&show(judged.low)),
        escape(&show(judged.high)),
    )
}

/// A scale with the range, earlier figures as ticks and the run's own as a dot.
pub(super) fn strip(judged: &Judged) -> String {
    let values = judged.earlier.iter().copied().chain([judged.value, judged.low, judged.high]);
    let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
    let (from, to) = (least - (most - least) * 0.12, most + (most - least) * 0.12);
    let at = |value: f64| number((value - from) / (to - from).max(1e-12) * 100.0);
    let wide = number((judged.high - judged.low) / (to - from).max(1e-12) * 100.0);
    let earlier = judged
        .earlier
        .iter()
        .map(|value| format!("<i class=\"was\" style=\"left:{}%\"></i>", at(*value)))
        .collect::<Vec<_>>()
        .concat();
    format!(
        "<span class=\"strip\" aria-hidden=\"true\"><i class=\"likely\" style=\"left:{}%;width:{wide}%\"></i>{earlier}<i class=\"is {}\" style=\"left:{}%\"></i></span>",
        at(judged.low),
        verdict(judged),
        at(judged.value),
    )
}

fn accuracy(report: &Report) -> String {
    let accuracy = &report.accuracy;
    let (Some(inside), Some(ratio)) = (accuracy.inside_part(), accuracy.reserved_ratio()) else {
        return String::new();
    };
    let mut text = format!(
        "<p class=\"lead\"><b>{}</b> of {} peaked inside what was reserved when they first asked ({}). {} were reserved for peaks of {}: <b>{ratio:.2} times</b> as much.",
        accuracy.inside,
        plural(accuracy.judged, "unit"),
        percent(inside),
        accuracy.reserved,
        accuracy.peaks,
    );
    if let Some(times) = &accuracy.times {
        text += &format!(
            " {} of running were expected of {}, and it was {}.",
            seconds(times.expected_seconds),
            plural(times.judged, "unit"),
            seconds(times.seconds)
        );
    }
    text + "</p>\n"
}

/// A unit in a diagram.
struct Dot<'a> {
    expected: f64,
    real: f64,
    class: &'static str,
    unit: &'a UnitReport,
    place: usize,
}

fn memory(report: &Report) -> String {
    let dot = |(place, unit): (usize, &'_ UnitReport)| {
        let class = match unit.estimate {
            Estimate::Inside => "inside",
            Estimate::Above => "outside",
            Estimate::Unknown => return None,
        };
        let peak = unit.peak?.0.max(1) as f64;
        Some((place, unit.reserved.0.max(1) as f64, peak, class))
    };
    let dots: Vec<_> = report.units.iter().enumerate().filter_map(dot).collect();
    let dots = dots.into_iter().filter_map(|(place, expected, real, class)| {
        Some(Dot { expected, real, class, unit: report.units.get(place)?, place })
    });
    let scale = |value: f64| bytes(value).to_string();
    diagram("Memory of units", "reserved", "peak", &dots.collect::<Vec<_>>(), 2.0, &scale)
}

fn times(report: &Report) -> String {
    let dots = report.units.iter().enumerate().filter_map(|(place, unit)| {
        let expected = unit.expected_seconds.filter(|s| *s > 0.0)?;
        let real = (unit.ran_us as f64 / 1e6).max(1e-3);
        let ends_well = unit.estimate != Estimate::Unknown;
        let ratio = real / expected;
        let class = if (0.5..=2.0).contains(&ratio) { "inside" } else { "outside" };
        ends_well.then_some(Dot { expected: expected.max(1e-3), real, class, unit, place })
    });
    diagram("Time of units", "expected", "ran", &dots.collect::<Vec<_>>(), 10.0, &seconds)
}

/// Both axes are logarithmic and the same; below the diagonal it was less than expected.
fn diagram(
    title: &str,
    across: &str,
    up: &str,
    dots: &[Dot<'_>],
    base: f64,
    show: &dyn Fn(f64) -> String,
) -> String {
    let values = dots.iter().flat_map(|dot| [dot.expected, dot.real]);
    let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
    if dots.is_empty() || most <= 0.0 {
        return String::new();
    }
    let (from, to) = ((least * 0.8).log2(), (most * 1.25).log2());
    let at = |value: f64| (value.log2() - from) / (to - from).max(1e-9) * SIDE;
    let mut drawing = format!(
        "<path class=\"beyond\" d=\"M0 0H{SIDE}L0 {SIDE}Z\"/><path class=\"even\" d=\"M0 {SIDE}L{SIDE} 0\"/>"
    );
    drawing += &diagram_marks(from, to, base, show);
    // Many small dots hide each other less than many large ones.
    let radius = if dots.len() > 200 { 3.0 } else { 4.5 };
    for dot in dots {
        drawing += &format!(
            "<circle class=\"{}\" data-u=\"{}\" cx=\"{}\" cy=\"{}\" r=\"{radius}\"><title>{}: {} of {}, {}</title></circle>",
            dot.class,
            dot.place,
            number(at(dot.expected)),
            number(SIDE - at(dot.real)),
            escape(&dot.unit.label),
            escape(&show(dot.real)),
            escape(&show(dot.expected)),
            outcome(dot.unit.outcome),
        );
    }
    let inside = dots.iter().filter(|dot| dot.class == "inside").count();
    format!(
        "<figure class=\"diagram\"><figcaption>{title}: <span>{up} ↑ against {across} →</span></figcaption>\
         <svg viewBox=\"-62 -8 {} {}\" role=\"img\" aria-label=\"{title}, {up} against {across}: {inside} of {} as expected\">{drawing}</svg></figure>\n",
        SIDE + 74.0,
        SIDE + 36.0,
        dots.len(),
    )
}

/// Marks at powers of the base, thinned so that their texts have room.
fn diagram_marks(from: f64, to: f64, base: f64, show: &dyn Fn(f64) -> String) -> String {
    let each = base.log2();
    let every = ((to - from) / each / 4.0).ceil().max(1.0) * each;
    let first = (from / every).ceil() * every;
    let marks = std::iter::successors(Some(first), |mark| Some(mark + every));
    marks
        .take_while(|mark| *mark <= to)
        .take(40)
        .map(|mark| {
            let place = (mark - from) / (to - from).max(1e-9) * SIDE;
            let (across, up) = (number(place), number(SIDE - place));
            let text = escape(&show(mark.exp2()).replace(".0 ", " "));
            format!(
                "<path class=\"grid\" d=\"M{across} 0V{SIDE}M0 {up}H{SIDE}\"/>\
                 <text x=\"{across}\" y=\"{}\" text-anchor=\"middle\">{text}</text>\
                 <text x=\"-6\" y=\"{}\" text-anchor=\"end\">{text}</text>",
                SIDE + 17.0,
                number(SIDE - place + 4.0)
            )
        })
        .collect::<Vec<_>>()
        .concat()
}

/// A bar of a peak within what was reserved; beyond it the bar changes its colour.
pub(super) fn peak_bar(unit: &UnitReport, largest: u64) -> String {
    let peak = unit.peak.unwrap_or_default().0;
    let inside = peak.min(unit.reserved.0);
    let beyond = peak.saturating_sub(unit.reserved.0);
    format!(
        "<span class=\"peak\" aria-hidden=\"true\"><i class=\"took\" style=\"width:{}\"></i><i class=\"beyond\" style=\"width:{}\"></i><i class=\"kept\" style=\"left:{}\"></i></span>",
        share(inside, largest),
        share(beyond, largest),
        share(unit.reserved.0.min(largest), largest),
    )
}

/// What a row says of a unit's memory.
pub(super) fn peak_text(unit: &UnitReport) -> String {
    format!("{} of {}", size(unit.peak), unit.reserved)
}

/// What a row says of a unit's time.
pub(super) fn time_text(unit: &UnitReport) -> String {
    let expected =
        unit.expected_seconds.map_or_else(String::new, |s| format!(" of {}", seconds(s)));
    format!("{}{expected}", time(unit.ran_us))
}
