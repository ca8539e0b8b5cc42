//! The lines of each section of a frame.
//!
//! Does not know where on the screen they stand.

use ironwright_core::govern::Waiting;
use ironwright_core::observe::unit::UnitOutcome;
use ironwright_core::view::{EndedUnit, Phase, RunView, UnitView};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::draw::Scene;
use super::palette::{DIM, HEADING};
use super::text::{cells, cut, cut_path, exact_time, gib, left, part, percent, right, time, width};

/// Space between columns.
const GAP: usize = 2;
/// A frame narrower than this has short columns.
pub(crate) const NARROW: usize = 76;
/// A frame narrower than this has only the columns that matter most.
const TINY: usize = 56;
/// A frame at least this wide has columns of their own for times and reasons.
pub(crate) const WIDE: usize = 104;
/// A frame at least this wide has room for figures that are seldom needed.
const VERY_WIDE: usize = 124;

/// A cell: its text fills its column.
pub(crate) type Cell = (String, Style);

/// A line of cells.
pub(crate) fn line(cells: Vec<Cell>) -> Line<'static> {
    let mut spans = Vec::new();
    for (text, style) in cells {
        if !spans.is_empty() {
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

/// A title with a rule that fills the line.
pub(crate) fn title(columns: usize, name: &str, more: &str) -> Line<'static> {
    let more = if more.is_empty() { String::new() } else { format!("{more} ") };
    let used = width(name) + width(&more) + 1;
    let rule = "─".repeat(columns.saturating_sub(used));
    Line::from(vec![
        Span::styled(format!("{name} "), HEADING),
        Span::raw(cut(&more, columns.saturating_sub(width(name) + 1))),
        Span::styled(rule, DIM),
    ])
}

/// A bar of which a part is filled.
pub(crate) fn bar(filled: f64, columns: usize) -> String {
    // What is not all is not shown as all.
    let most = if filled < 1.0 { columns.saturating_sub(1) } else { columns };
    let cells = cells(filled, columns).min(most);
    "█".repeat(cells) + &"░".repeat(columns.saturating_sub(cells))
}

/// What of a line is left for the column that takes all that others do not.
fn rest(columns: usize, others: &[usize]) -> usize {
    columns.saturating_sub(others.iter().map(|width| width + GAP).sum())
}

/// Widths of the columns of runs; a column of no width is left out.
struct RunColumns {
    label: usize,
    bar: usize,
    units: usize,
    left: usize,
    now: usize,
    tokens: usize,
    retries: usize,
    cpu: usize,
}

impl RunColumns {
    fn of(columns: usize) -> Self {
        let mut widths =
            Self { label: 0, bar: 16, units: 9, left: 14, now: 21, tokens: 7, retries: 7, cpu: 9 };
        if columns < VERY_WIDE {
            widths.bar = 8;
        }
        if columns < WIDE {
            (widths.bar, widths.now, widths.cpu) = (12, 0, 0);
        }
        if columns < NARROW {
            (widths.bar, widths.tokens, widths.retries) = (8, 0, 0);
        }
        if columns < TINY {
            widths.bar = 0;
        }
        let others = [
            widths.bar,
            widths.units,
            widths.left,
            widths.now,
            widths.tokens,
            widths.retries,
            widths.cpu,
        ];
        let shown: Vec<_> = others.into_iter().filter(|width| *width > 0).collect();
        widths.label = rest(columns, &shown);
        widths
    }
}

/// Cells without those of columns that are left out.
fn kept(cells: impl IntoIterator<Item = (usize, bool, String, Style)>) -> Line<'static> {
    let fitted = cells.into_iter().filter(|(columns, ..)| *columns > 0);
    line(
        fitted
            .map(|(columns, at_right, text, style)| {
                (if at_right { right(&text, columns) } else { left(&text, columns) }, style)
            })
            .collect(),
    )
}

/// The headings of runs.
pub(crate) fn run_headings(columns: usize) -> Line<'static> {
    let w = RunColumns::of(columns);
    kept([
        (w.label, false, "run".to_owned(), DIM),
        (w.bar, false, "progress".to_owned(), DIM),
        (w.units, true, "units".to_owned(), DIM),
        (w.left, true, "time left".to_owned(), DIM),
        (w.now, false, "now".to_owned(), DIM),
        (w.tokens, true, "tokens".to_owned(), DIM),
        (w.retries, true, "retries".to_owned(), DIM),
        (w.cpu, true, "CPU".to_owned(), DIM),
    ])
}

/// A run.
pub(crate) fn run(scene: &Scene<'_>, columns: usize, run: &RunView) -> Line<'static> {
    let w = RunColumns::of(columns);
    let palette = scene.palette;
    let progress = scene.view.progress(run, scene.now_us);
    let tally = scene.view.tally_of(run.run);
    let is_over = run.ended_us.is_some();
    let left = match (is_over, progress.at_least_seconds) {
        (true, _) => format!("took {}", time(run.seconds(scene.now_us))),
        (false, Some(seconds)) => format!("≥ {}", time(seconds)),
        (false, None) => "unknown".to_owned(),
    };
    let mut now = format!("{} run, {} wait", tally.running, tally.waiting);
    if tally.paused > 0 {
        now = format!("{} run {} paused {} wait", tally.running, tally.paused, tally.waiting);
    }
    let tokens =
        run.pool.map(|pool| format!("{}/{}", pool.size.saturating_sub(pool.free), pool.size));
    let failed = run.counts.failed > 0;
    let label_style = if is_over { DIM } else { HEADING };
    let bar_style = if failed { palette.bad() } else { palette.good() };
    let retries_style = if run.counts.retries > 0 { palette.warn() } else { DIM };
    kept([
        (w.label, false, cut_path(&run_name(run), w.label), label_style),
        (w.bar, false, bar(progress.part(), w.bar), bar_style),
        (w.units, true, format!("{}/{}", progress.ended, progress.seen), Style::new()),
        (w.left, true, left, Style::new()),
        (w.now, false, if is_over { "over".to_owned() } else { now }, Style::new()),
        (w.tokens, true, tokens.unwrap_or_else(|| "-".to_owned()), Style::new()),
        (w.retries, true, run.counts.retries.to_string(), retries_style),
        (w.cpu, true, time(run.counts.cpu_us as f64 / 1e6), Style::new()),
    ])
}

fn run_name(run: &RunView) -> String {
    match &run.source {
        Some(source) => source.clone(),
        None if run.label.is_empty() => format!("process {}", run.pid),
        None => run.label.clone(),
    }
}

/// Widths of the columns of units.
struct UnitColumns {
    phase: usize,
    label: usize,
    tool: usize,
    bar: usize,
    memory: usize,
    peak: usize,
    time: usize,
    why: usize,
}

impl UnitColumns {
    fn of(columns: usize) -> Self {
        let mut widths =
            Self { phase: 8, label: 0, tool: 8, bar: 10, memory: 14, peak: 5, time: 16, why: 22 };
        if columns < VERY_WIDE {
            (widths.bar, widths.peak) = (8, 0);
        }
        if columns < WIDE {
            (widths.bar, widths.memory, widths.time, widths.why) = (6, 12, 0, 18);
        }
        if columns < NARROW {
            (widths.tool, widths.bar, widths.why) = (0, 0, 16);
        }
        if columns < TINY {
            widths.why = 0;
        }
        let others = [
            widths.phase,
            widths.tool,
            widths.bar,
            widths.memory,
            widths.peak,
            widths.time,
            widths.why,
        ];
        let shown: Vec<_> = others.into_iter().filter(|width| *width > 0).collect();
        widths.label = rest(columns, &shown);
        widths
    }
}

/// The headings of units.
pub(crate) fn unit_headings(columns: usize) -> Line<'static> {
    let w = UnitColumns::of(columns);
    let why = if w.time > 0 { "waits for, known from" } else { "time, waits for" };
    kept([
        (w.phase, false, "state".to_owned(), DIM),
        (w.label, false, "unit".to_owned(), DIM),
        (w.tool, false, "tool".to_owned(), DIM),
        (w.bar, false, "memory".to_owned(), DIM),
        (
            w.memory,
            true,
            (if w.memory > 12 { "GiB / reserved" } else { "GiB/reserved" }).to_owned(),
            DIM,
        ),
        (w.peak, true, "peak".to_owned(), DIM),
        (w.time, true, "time".to_owned(), DIM),
        (w.why, false, why.to_owned(), DIM),
    ])
}

/// A unit.
pub(crate) fn unit(scene: &Scene<'_>, columns: usize, unit: &UnitView) -> Line<'static> {
    let w = UnitColumns::of(columns);
    let palette = scene.palette;
    let is_active = unit.is_active();
    let filled = part(unit.memory.0 as f64, unit.asked.memory.0 as f64);
    let memory = if is_active {
        format!("{} / {}", gib(unit.memory), gib(unit.asked.memory))
    } else {
        format!("- / {}", gib(unit.asked.memory))
    };
    let peak = if unit.peak.0 > 0 { gib(unit.peak) } else { "-".to_owned() };
    let quiet = if is_active { Style::new() } else { DIM };
    let over = unit.memory > unit.asked.memory;
    let memory_style = if over { palette.warn() } else { quiet };
    let (why, why_style) = why(scene, unit, w.time > 0);
    kept([
        (w.phase, false, phase_name(unit.phase).to_owned(), palette.phase(unit.phase)),
        (w.label, false, unit_name(unit, w.label), quiet),
        (w.tool, false, unit.asked.tool.clone(), DIM),
        (
            w.bar,
            false,
            if is_active { bar(filled, w.bar) } else { String::new() },
            palette.level(filled * 0.9),
        ),
        (w.memory, true, memory, memory_style),
        (w.peak, true, peak, quiet),
        (w.time, true, unit_time(scene, unit), quiet),
        (w.why, false, why, why_style),
    ])
}

const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Running => "running",
        Phase::Starting => "starting",
        Phase::Paused => "paused",
        Phase::Ending => "evicted",
        Phase::Waiting => "waiting",
    }
}

/// What a unit is called, with the number of its attempt when it is not the first.
fn unit_name(unit: &UnitView, columns: usize) -> String {
    let label = &unit.asked.label;
    let package = unit.asked.package.as_ref().filter(|package| !label.contains(package.as_str()));
    let name = package.map_or_else(|| label.clone(), |package| format!("{package}: {label}"));
    if unit.attempt <= 1 {
        return cut_path(&name, columns);
    }
    let attempt = format!(" ×{}", unit.attempt);
    cut_path(&name, columns.saturating_sub(width(&attempt))) + &attempt
}

/// How long it ran, of what is expected; how long it waits or is paused.
fn unit_time(scene: &Scene<'_>, unit: &UnitView) -> String {
    match (unit.phase, unit.asked.seconds) {
        (Phase::Running | Phase::Ending, Some(expected)) => {
            format!("{} / {}", time(unit.ran_us(scene.now_us) as f64 / 1e6), time(expected))
        }
        (Phase::Running | Phase::Ending, None) => time(unit.ran_us(scene.now_us) as f64 / 1e6),
        _ => time(unit.in_phase_seconds(scene.now_us)),
    }
}

/// Why it waits, else what its figures rest on; with its time where that has no column.
fn why(scene: &Scene<'_>, unit: &UnitView, has_time: bool) -> Cell {
    let palette = scene.palette;
    let reason = match unit.phase {
        Phase::Waiting => unit.why.map_or("its turn", reason),
        Phase::Paused if has_time => "memory to be freed",
        Phase::Paused => "memory",
        _ if has_time => return (unit.asked.basis.clone(), DIM),
        _ => return (unit_time(scene, unit), Style::new()),
    };
    let style = if unit.phase == Phase::Waiting { DIM } else { palette.warn() };
    (
        if has_time { reason.to_owned() } else { format!("{reason} {}", unit_time(scene, unit)) },
        style,
    )
}

/// What a unit waits for.
const fn reason(why: Waiting) -> &'static str {
    match why {
        Waiting::Memory => "memory",
        Waiting::Thread => "a thread",
        Waiting::Alone => "all to end",
        Waiting::Another => "another first",
        Waiting::Pressure => "less pressure",
    }
}

/// An attempt that ended.
pub(crate) fn ended(scene: &Scene<'_>, columns: usize, ended: &EndedUnit) -> Line<'static> {
    let palette = scene.palette;
    let (word, style) = match ended.outcome {
        _ if ended.retried => ("again", palette.warn()),
        UnitOutcome::Succeeded | UnitOutcome::Timed => ("done", palette.good()),
        UnitOutcome::Failed => ("failed", palette.bad()),
        UnitOutcome::Evicted => ("evicted", palette.warn()),
        UnitOutcome::OomKilled => ("too big", palette.bad()),
        UnitOutcome::Killed => ("killed", palette.bad()),
        UnitOutcome::Lost => ("lost", palette.warn()),
    };
    let exit = ended.exit.filter(|code| *code != 0).map(|code| format!("exit code {code}"));
    let told = ended.message.clone().or(exit).unwrap_or_else(|| retry_reason(ended).to_owned());
    let label_width = match columns {
        ..TINY => 16,
        TINY..NARROW => 20,
        _ => 30,
    };
    let mut cells = vec![
        (left(word, 8), style),
        (left(&unit_name(&ended.unit, label_width), label_width), Style::new()),
        (right(&exact_time(ended.wall_us), 10), Style::new()),
    ];
    if columns >= TINY {
        cells.push((right(&format!("{} GiB", gib(ended.peak)), 9), Style::new()));
    }
    let room = rest(columns, &[8, label_width, 10, 9]);
    if room > 4 && !told.is_empty() {
        cells.push((cut(&told, room), DIM));
    }
    line(cells)
}

fn retry_reason(ended: &EndedUnit) -> &'static str {
    match (ended.retried, ended.outcome) {
        (true, UnitOutcome::OomKilled) => "the kernel killed it; runs again",
        (true, _) => "made room; runs again",
        _ => "",
    }
}

/// What became of all units, in words.
pub(crate) fn totals(scene: &Scene<'_>) -> String {
    let counts = scene.view.counts;
    let mut text = format!("{} done, {} failed", counts.done, counts.failed);
    if counts.retries > 0 {
        text.push_str(&format!(", {} run again", counts.retries));
        let lost = part(counts.lost_cpu_us as f64, counts.cpu_us as f64);
        text.push_str(&format!(
            " ({} evicted, {} by the kernel; {} of CPU time lost)",
            counts.evictions,
            counts.kernel_kills,
            percent(lost)
        ));
    }
    text
}
