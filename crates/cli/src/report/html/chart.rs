//! Time from left to right: memory against the budget, how many units did what, and who ran where.
//!
//! Positions are percentages, so that the page's width decides. Does not know how times are zoomed;
//! the page's script changes what is drawn here.

use ironwright_core::observe::unit::UnitOutcome;
use ironwright_core::report::{
    Attempt, Doing, IncidentKind, MemoryFrom, MemoryPoint, Report, UnitReport,
};
use ironwright_core::units::Bytes;

use super::parts::{escape, number, section, share, step, time_step};
use crate::report::phrases::{seconds, time};

/// Height of a slot and of the space below it, in pixels.
const SLOT: usize = 22;
/// Width of the drawing space of curves; they are stretched to the page.
const WIDE: f64 = 10_000.0;
/// Tools that have a colour of their own; all others share one.
const COLOURS: usize = 5;

/// The section.
pub(super) fn chart(report: &Report) -> String {
    if report.span_us == 0 {
        return String::new();
    }
    let is_known = report.memory.iter().any(|point| point.held > Bytes::ZERO);
    if report.units.is_empty() && !is_known {
        let text = "<p class=\"lead\">It was over before anybody looked at its memory.</p>\n";
        return section("time", "Over time", text);
    }
    let tools = tools(report);
    let mut rows = memory(report);
    rows += &load(report);
    rows += &slots(report, &tools);
    rows += &axis(report);
    let text = format!(
        "<p class=\"lead\">{}</p>\n<div class=\"bar\">{}<button type=\"button\" id=\"whole\" hidden>Show all of it</button></div>\n\
         <div id=\"chart\" class=\"chart\">\n{rows}<div id=\"cross\" hidden></div><div id=\"zoom\" hidden></div></div>\n\
         <p class=\"tip\" id=\"zoom-tip\" hidden>Drag to zoom, double-click to see all of it. Click a bar to find its row.</p>\n",
        lead(report),
        legend(report, &tools),
    );
    section("time", "Over time", &text)
}

fn lead(report: &Report) -> String {
    let source = match report.memory_from {
        MemoryFrom::Governor => "Memory as the governor saw it, a few times a second.",
        MemoryFrom::ProcessTree => "Memory of the whole process tree, as it was sampled.",
        MemoryFrom::Nowhere => "Nothing was kept of memory over time.",
    };
    let largest = report.memory.iter().max_by_key(|point| point.held);
    let peak = largest.map_or_else(String::new, |point| {
        format!(" Most was held {} after the start: {}.", time(point.at_us), point.held)
    });
    format!("{source}{peak}")
}

/// Tools by how long they ran, longest first; those beyond the colours are left out.
fn tools(report: &Report) -> Vec<&str> {
    let mut tools: Vec<(&str, u64)> = Vec::new();
    for unit in &report.units {
        match tools.iter_mut().find(|(tool, _)| *tool == unit.tool) {
            Some((_, ran)) => *ran = ran.saturating_add(unit.ran_us),
            None => tools.push((&unit.tool, unit.ran_us)),
        }
    }
    tools.sort_by_key(|(_, ran)| std::cmp::Reverse(*ran));
    tools.into_iter().take(COLOURS).map(|(tool, _)| tool).collect()
}

fn colour(tools: &[&str], unit: &UnitReport) -> usize {
    tools.iter().position(|tool| *tool == unit.tool).unwrap_or(COLOURS)
}

fn legend(report: &Report, tools: &[&str]) -> String {
    let key =
        |class: &str, text: &str| format!("<li><i class=\"{class}\"></i>{}</li>", escape(text));
    let mut items: String =
        tools.iter().enumerate().map(|(n, tool)| key(&format!("t{n}"), tool)).collect();
    if report.units.iter().any(|unit| colour(tools, unit) == COLOURS) {
        items += &key("t5", "other tools");
    }
    let counts = &report.counts;
    let states = [
        (counts.pauses > 0, "k-pause", "paused"),
        (counts.evictions > 0, "k-evict", "evicted"),
        (counts.kernel_kills > 0, "k-kill", "killed by the kernel"),
        (counts.failed > 0, "k-fail", "failed"),
    ];
    for (_, class, name) in states.into_iter().filter(|(is_there, ..)| *is_there) {
        items += &key(class, name);
    }
    format!("<ul class=\"legend\">{items}</ul>")
}

/// A row of the chart: what it shows, marks of its scale, and the drawing.
fn row(class: &str, name: &str, marks: &str, height: usize, drawing: &str, told: &str) -> String {
    format!(
        "<div class=\"row {class}\"><div class=\"caption\">{}</div>\
         <div class=\"scale\" aria-hidden=\"true\" style=\"height:{height}px\">{marks}</div>\
         <div class=\"plot\"><svg role=\"img\" aria-label=\"{}\" width=\"100%\" height=\"{height}\">{drawing}</svg></div></div>\n",
        escape(name),
        escape(told),
    )
}

/// A curve's drawing space, stretched to the row.
fn stretched(inner: &str) -> String {
    format!(
        "<svg class=\"z\" width=\"100%\" height=\"100%\" viewBox=\"0 0 {WIDE} 100\" preserveAspectRatio=\"none\">{inner}</svg>"
    )
}

fn x(at_us: u64, report: &Report) -> f64 {
    at_us as f64 / report.span_us.max(1) as f64 * WIDE
}

/// The largest figure that the scale of memory shows. A budget far above what was held would
/// flatten everything.
fn top(report: &Report) -> (f64, bool) {
    let held = |p: &MemoryPoint| p.held.saturating_add(p.others).0;
    let peak = report.memory.iter().map(held).max().unwrap_or(0).max(1) as f64;
    let budget = report.budget.0 as f64;
    let shows_budget = budget <= peak * 3.0;
    ((if shows_budget { peak.max(budget) } else { peak }) * 1.08, shows_budget)
}

fn memory(report: &Report) -> String {
    const HEIGHT: usize = 190;
    if report.memory.is_empty() {
        return String::new();
    }
    let (top, shows_budget) = top(report);
    let y = |value: f64| 100.0 - value / top * 100.0;
    let held = |p: &MemoryPoint| p.held.0 as f64;
    let all = |p: &MemoryPoint| p.held.saturating_add(p.others).0 as f64;
    let mut drawing = String::new();
    if report.memory.iter().any(|point| point.others > Bytes::ZERO) {
        drawing += &area(report, "others", |p| y(all(p)));
    }
    drawing += &area(report, "held", |p| y(held(p)));
    if shows_budget {
        drawing += &room(report, y);
    }
    let each = memory_step(top);
    // A mark beside the budget's own would cover it.
    let budget = report.budget.0 as f64;
    let is_free = |value: f64| !shows_budget || (value - budget).abs() > top * 0.07;
    let mut marks = marks(top, each, is_free, |value| Bytes(1).scaled(value).to_string());
    let caption = if shows_budget {
        let y = number(y(budget));
        marks += &format!("<span class=\"budget\" style=\"top:{y}%\">budget</span>");
        format!("Memory of units, budget {}", report.budget)
    } else {
        format!("Memory of units, far below the budget of {}", report.budget)
    };
    let told = format!("{caption}, at most {} held", report.summary.peak_tree);
    let drawing = grid(top, each) + &stretched(&drawing);
    row("memory", &caption, &marks, HEIGHT, &drawing, &told)
}

/// Steps of sizes: powers of two.
fn memory_step(top: f64) -> f64 {
    2_f64.powf((top / 4.0).max(1.0).log2().ceil())
}

fn grid(top: f64, each: f64) -> String {
    let count = std::iter::successors(Some(each), |value| Some(value + each));
    count
        .take_while(|value| *value < top)
        .map(|value| {
            let y = number(100.0 - value / top * 100.0);
            format!("<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{y}%\" y2=\"{y}%\"/>")
        })
        .collect::<Vec<_>>()
        .concat()
}

fn marks(
    top: f64,
    each: f64,
    is_free: impl Fn(f64) -> bool,
    show: impl Fn(f64) -> String,
) -> String {
    let count = std::iter::successors(Some(each), |value| Some(value + each));
    count
        .take_while(|value| *value < top * 0.97)
        .filter(|value| is_free(*value))
        .map(|value| {
            let y = number(100.0 - value / top * 100.0);
            format!("<span style=\"top:{y}%\">{}</span>", escape(&show(value)))
        })
        .collect::<Vec<_>>()
        .concat()
}

fn area(report: &Report, class: &str, y: impl Fn(&MemoryPoint) -> f64) -> String {
    let mut line = String::new();
    for point in &report.memory {
        line += &format!(" {} {}", number(x(point.at_us, report)), number(y(point)));
    }
    let first = report.memory.first().map_or(0.0, |point| x(point.at_us, report));
    let last = report.memory.last().map_or(0.0, |point| x(point.at_us, report));
    format!(
        "<path class=\"{class}\" d=\"M{} 100 L{line} L{} 100Z\"/><polyline class=\"{class}-line\" points=\"{line}\"/>",
        number(first),
        number(last)
    )
}

/// What units could hold, as steps, or the budget where nothing else was told.
fn room(report: &Report, y: impl Fn(f64) -> f64) -> String {
    let mut line = format!("M0 {}", number(y(report.budget.0 as f64)));
    let mut last = report.budget;
    for point in &report.memory {
        let available = point.available.unwrap_or(report.budget);
        if available != last {
            let at = number(x(point.at_us, report));
            line += &format!(" H{at} V{}", number(y(available.0 as f64).max(0.0)));
            last = available;
        }
    }
    format!("<path class=\"room\" d=\"{line} H{WIDE}\"/>")
}

/// How many units ran, were paused and waited.
fn load(report: &Report) -> String {
    const HEIGHT: usize = 64;
    let all = |p: &MemoryPoint| f64::from(p.running + p.paused + p.waiting);
    let most = report.memory.iter().map(all).fold(0.0, f64::max);
    if most < 1.0 {
        return String::new();
    }
    let top = most * 1.1;
    let y = |value: f64| 100.0 - value / top * 100.0;
    let mut drawing = area(report, "waiting", |p| y(all(p)));
    drawing += &area(report, "paused", |p| y(f64::from(p.running + p.paused)));
    drawing += &area(report, "running", |p| y(f64::from(p.running)));
    let each = step(top, 2.0).max(1.0);
    let marks = marks(top, each, |_| true, |value| format!("{value:.0}"));
    let told = format!("Units that ran, were paused and waited over time, at most {most:.0}");
    row(
        "load",
        "Units that run (blue), are paused (amber), wait (grey)",
        &marks,
        HEIGHT,
        &(grid(top, each) + &stretched(&drawing)),
        &told,
    )
}

fn slots(report: &Report, tools: &[&str]) -> String {
    let count = report.counts.slots;
    if count == 0 {
        return String::new();
    }
    let mut drawing = String::new();
    for (place, unit) in report.units.iter().enumerate() {
        for attempt in &unit.attempts {
            drawing += &bar(report, place, unit, attempt, colour(tools, unit));
        }
    }
    let height = count * SLOT + 4;
    let told = format!("Which units ran when, at most {count} at a time; the table has the same");
    row("slots", "Who ran", "", height, &drawing, &told)
}

fn bar(
    report: &Report,
    place: usize,
    unit: &UnitReport,
    attempt: &Attempt,
    colour: usize,
) -> String {
    let (Some((from, to)), Some(slot)) = (attempt.active(), attempt.slot) else {
        return String::new();
    };
    let span = to.saturating_sub(from).max(1);
    let end = match attempt.outcome {
        Some(UnitOutcome::Evicted) => " evicted",
        Some(UnitOutcome::OomKilled) => " kernel",
        Some(UnitOutcome::Succeeded) | None => "",
        Some(_) => " failed",
    };
    let pauses = attempt
        .spans
        .iter()
        .filter(|pause| pause.doing == Doing::Paused)
        .map(|pause| {
            format!(
                "<rect class=\"pause\" x=\"{}\" width=\"{}\" height=\"100%\"/>",
                share(pause.from_us.saturating_sub(from), span),
                share(pause.us(), span)
            )
        })
        .collect::<Vec<_>>()
        .concat();
    format!(
        "<svg class=\"u t{colour}{end}\" data-u=\"{place}\" data-a=\"{from}\" data-b=\"{to}\" x=\"{}\" width=\"{}\" y=\"{}\" height=\"{}\">\
         <rect class=\"body\" width=\"100%\" height=\"100%\" rx=\"2\"/>{pauses}<text x=\"5\" y=\"13\">{}</text></svg>",
        share(from, report.span_us),
        share(to.saturating_sub(from), report.span_us),
        slot * SLOT + 2,
        SLOT - 4,
        escape(short(&unit.label)),
    )
}

/// The last part of a path: there is little room.
fn short(label: &str) -> &str {
    match label.rsplit_once('/') {
        Some((_, last)) if !last.is_empty() => last,
        _ => label,
    }
}

fn axis(report: &Report) -> String {
    let whole = report.span_us as f64 / 1e6;
    let each = time_step(whole, 8.0).max(1e-3);
    let ticks = std::iter::successors(Some(0.0), |at| Some(at + each));
    let ticks = ticks
        .take_while(|at| *at <= whole)
        .map(|at| {
            let left = number(at / whole * 100.0);
            let text = if at == 0.0 { "0".to_owned() } else { seconds(at) };
            format!("<span style=\"left:{left}%\">{}</span>", escape(&text.replace(".0 s", " s")))
        })
        .collect::<Vec<_>>()
        .concat();
    let marks = report
        .incidents
        .iter()
        .filter(|incident| incident.what != IncidentKind::Paused)
        .map(|incident| {
            format!(
                "<i data-a=\"{}\" style=\"left:{}\" title=\"{}\"></i>",
                incident.at_us,
                share(incident.at_us, report.span_us),
                escape(incident.what.name())
            )
        })
        .collect::<Vec<_>>()
        .concat();
    format!(
        "<div class=\"row axis\" aria-hidden=\"true\"><div class=\"scale\"></div><div class=\"plot\"><div id=\"ticks\">{ticks}</div><div class=\"marks\">{marks}</div></div></div>\n"
    )
}
