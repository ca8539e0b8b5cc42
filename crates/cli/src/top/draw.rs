//! A frame: which sections it has, and how high they are.
//!
//! A function of a view, a time and a size, so that terminals, plain text and tests show the same. Does not
//! know terminals.

use ironwright_core::govern::Alarm;
use ironwright_core::units::Bytes;
use ironwright_core::view::{Point, UnitView, View};
use ratatui::text::{Line, Span};

use super::palette::{DIM, HEADING, Palette};
use super::rows::{self, NARROW, WIDE, title};
use super::text::{cells, cut, gib, graph, left, part, percent, right, time, width};

/// In which order units stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// What runs, what is paused, what waits; the oldest first.
    #[default]
    State,
    /// The largest first.
    Memory,
    /// The oldest first.
    Age,
}

impl Sort {
    pub(crate) const fn next(self) -> Self {
        match self {
            Self::State => Self::Memory,
            Self::Memory => Self::Age,
            Self::Age => Self::State,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::State => "by state",
            Self::Memory => "by memory",
            Self::Age => "by age",
        }
    }
}

/// What is drawn.
pub(crate) struct Scene<'a> {
    /// The figures.
    pub(crate) view: &'a View,
    /// The time that is shown, microseconds since 1970.
    pub(crate) now_us: i64,
    /// What is watched: `ironwright top`.
    pub(crate) name: String,
    /// Something that a user should know of the view itself.
    pub(crate) notice: Option<String>,
    /// Keys, where there are any.
    pub(crate) keys: &'static [&'static str],
    /// Order of units.
    pub(crate) sort: Sort,
    /// Units that are scrolled past.
    pub(crate) scroll: usize,
    /// Styles.
    pub(crate) palette: Palette,
}

/// Runs that are shown where there is little room.
const FEW: usize = 3;
/// A frame lower than this has no graphs and few headings.
const LOW: usize = 18;
/// Ended units that are shown.
const MOST_ENDED: usize = 8;

/// The lines of a frame; as many as it takes when no height is given.
pub(crate) fn draw(scene: &Scene<'_>, columns: usize, height: Option<usize>) -> Vec<Line<'static>> {
    let mut top = head(scene, columns);
    if height.is_none_or(|height| height >= LOW) && !scene.view.trend.points.is_empty() {
        top.extend(trends(scene, columns));
    }
    let mut runs = run_section(scene, columns, height);
    let foot = foot(scene, columns);
    if scene.view.units.is_empty() && scene.view.runs.is_empty() {
        runs = vec![
            Line::default(),
            Line::from(cut("nothing runs; builds appear here when they start", columns)),
        ];
    }
    let used = top.len() + runs.len() + foot.len();
    let room = height.map(|height| height.saturating_sub(used));
    let units = unit_section(scene, columns, room);
    let room = room.map(|room| room.saturating_sub(units.len()));
    let ended = ended_section(scene, columns, room);
    let empty = room.map_or(0, |room| room.saturating_sub(ended.len()));
    let mut lines = top;
    lines.extend(runs);
    lines.extend(units);
    lines.extend(ended);
    lines.extend(std::iter::repeat_n(Line::default(), empty));
    lines.extend(foot);
    lines.truncate(height.unwrap_or(usize::MAX));
    lines
}

/// Whom we watch, and how it is, with the two gauges.
fn head(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let view = scene.view;
    let (badge, style) = (alarm_name(view.look.alarm), scene.palette.alarm(view.look.alarm));
    let mut who = String::new();
    if let Some(pid) = view.governor {
        who.push_str(&format!("  governor {pid}"));
    }
    if let Some(up) = view.up_seconds(scene.now_us).filter(|_| columns >= NARROW) {
        who.push_str(&format!(", up {}", time(up)));
    }
    let badge = cut(badge, columns);
    let name = cut(&scene.name, columns.saturating_sub(width(&badge) + 1));
    let room = columns.saturating_sub(width(&name) + width(&badge) + 1);
    if width(&who) > room {
        who.clear();
    }
    let mut lines = vec![Line::from(vec![
        Span::styled(name, HEADING),
        Span::styled(left(&who, room), DIM),
        Span::raw(" "),
        Span::styled(badge, style),
    ])];
    if let Some(notice) = &scene.notice {
        lines.push(Line::styled(cut(notice, columns), scene.palette.warn()));
    }
    lines.push(memory_gauge(scene, columns));
    lines.push(thread_gauge(scene, columns));
    lines
}

const fn alarm_name(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::Calm => "calm",
        Alarm::Throttle => "pressure: nothing new starts",
        Alarm::Pause => "pressure: the newest are paused",
    }
}

/// Columns for the words beside a gauge.
fn words_beside(columns: usize) -> usize {
    let wanted = match columns {
        ..NARROW => 32,
        NARROW..WIDE => 40,
        _ => 46,
    };
    wanted.min(columns.saturating_sub(9))
}

fn memory_gauge(scene: &Scene<'_>, columns: usize) -> Line<'static> {
    let view = scene.view;
    let whole = if view.budget.0 > 0 { view.budget } else { view.look.available };
    let reserved = view.reserved();
    let words = words_beside(columns);
    let room = columns.saturating_sub(9 + words);
    let share = |bytes: Bytes| part(bytes.0 as f64, whole.0 as f64);
    let held = cells(share(view.look.held), room);
    let kept = cells(share(reserved), room).saturating_sub(held);
    let mut text = format!("{} of {} GiB", gib(view.look.held), gib(whole));
    text.push_str(&format!(", {} reserved", gib(reserved)));
    // What others hold cannot be had.
    let available = view.look.available;
    if available.0 > 0 && available < whole {
        text.push_str(&format!(", {} usable", gib(available)));
    }
    Line::from(vec![
        Span::raw("memory  "),
        Span::styled("█".repeat(held), scene.palette.level(share(view.look.held))),
        Span::styled("▒".repeat(kept), scene.palette.bar()),
        Span::styled("░".repeat(room.saturating_sub(held + kept)), DIM),
        Span::raw(format!(" {}", left(&text, words))),
    ])
}

fn thread_gauge(scene: &Scene<'_>, columns: usize) -> Line<'static> {
    let view = scene.view;
    let words = words_beside(columns);
    let room = columns.saturating_sub(9 + words);
    let busy = cells(part(view.look.busy, view.threads), room);
    let mut text = format!("{:.1} of {:.0} busy", view.look.busy, view.threads);
    let pools = view.runs.values().filter(|run| run.ended_us.is_none()).filter_map(|run| run.pool);
    let (size, free) = pools.fold((0_u64, 0_u64), |(size, free), pool| {
        (size.saturating_add(pool.size.into()), free.saturating_add(pool.free.into()))
    });
    if size > 0 {
        text.push_str(&format!(", {} of {size} tokens", size.saturating_sub(free)));
    }
    Line::from(vec![
        Span::raw("threads "),
        Span::styled("█".repeat(busy), scene.palette.good()),
        Span::styled("░".repeat(room.saturating_sub(busy)), DIM),
        Span::raw(format!(" {}", left(&text, words))),
    ])
}

/// Three graphs beside each other, under their names.
fn trends(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    let look = &scene.view.look;
    let points: Vec<&Point> = scene.view.trend.points.iter().collect();
    let series =
        |of: &dyn Fn(&Point) -> f64| points.iter().map(|point| of(point)).collect::<Vec<_>>();
    let third = if look.zram_size.0 > 0 {
        let of = |point: &Point| part(point.zram.0 as f64, look.zram_size.0 as f64);
        (format!("zram {} of {} GiB", gib(look.zram_used), gib(look.zram_size)), series(&of))
    } else {
        let of = |point: &Point| part(point.busy, scene.view.threads);
        (format!("busy threads {:.1}", look.busy), series(&of))
    };
    let all = [
        (
            format!("memory {}", percent(points.last().map_or(0.0, |p| p.held_part()))),
            series(&Point::held_part),
        ),
        (
            format!("stalled {}", percent(look.stall_some)),
            series(&|point| point.stall.clamp(0.0, 1.0)),
        ),
        third,
    ];
    let each = columns.saturating_sub(4) / 3;
    let names = all.iter().map(|(name, _)| (left(name, each), DIM)).collect();
    let graphs = all.iter().map(|(_, parts)| {
        let newest = parts.last().copied().unwrap_or(0.0);
        (graph(parts, each), scene.palette.level(newest))
    });
    vec![Line::default(), rows::line(names), rows::line(graphs.collect())]
}

fn run_section(scene: &Scene<'_>, columns: usize, height: Option<usize>) -> Vec<Line<'static>> {
    let runs = &scene.view.runs;
    if runs.is_empty() {
        return Vec::new();
    }
    let most = match height {
        None => usize::MAX,
        Some(height) if height < LOW => 2,
        Some(height) => (height / 5).max(FEW),
    };
    let mut lines = Vec::new();
    let is_high = height.is_none_or(|height| height >= LOW);
    if is_high {
        lines.push(Line::default());
        lines.push(rows::run_headings(columns));
    }
    // Those that go on come first.
    let (open, over): (Vec<_>, Vec<_>) = runs.values().partition(|run| run.ended_us.is_none());
    let shown = open.into_iter().chain(over).take(most);
    lines.extend(shown.map(|run| rows::run(scene, columns, run)));
    if runs.len() > most && is_high {
        let more = format!("… and {} more", runs.len() - most);
        lines.push(Line::styled(more, DIM));
    }
    lines
}

fn unit_section(scene: &Scene<'_>, columns: usize, room: Option<usize>) -> Vec<Line<'static>> {
    let units = sorted(scene);
    if units.is_empty() || room.is_some_and(|room| room < 2) {
        return Vec::new();
    }
    let tally = scene.view.tally();
    let mut parts = vec![format!("{} running", tally.running)];
    if tally.paused > 0 {
        parts.push(format!("{} paused", tally.paused));
    }
    parts.push(format!("{} waiting", tally.waiting));
    let more = format!("{}, {}", parts.join(", "), scene.sort.name());
    let mut lines = Vec::new();
    let is_roomy = room.is_none_or(|room| room >= 10);
    if is_roomy {
        lines.push(Line::default());
    }
    lines.push(title(columns, "units", &more));
    if room.is_none_or(|room| room >= 5) {
        lines.push(rows::unit_headings(columns));
    }
    let space = room.map_or(usize::MAX, |room| room.saturating_sub(lines.len()));
    let fits = units.len() <= space;
    let shown = if fits { units.len() } else { space.saturating_sub(1) };
    let first = scene.scroll.min(units.len().saturating_sub(shown));
    lines.extend(units.iter().skip(first).take(shown).map(|unit| rows::unit(scene, columns, unit)));
    if !fits {
        let hidden = units.len().saturating_sub(shown);
        let text = match first {
            0 => format!("… {hidden} more"),
            _ => format!("… {first} above, {} below", hidden.saturating_sub(first)),
        };
        lines.push(Line::styled(cut(&text, columns), DIM));
    }
    lines
}

fn sorted<'a>(scene: &Scene<'a>) -> Vec<&'a UnitView> {
    let mut units: Vec<_> = scene.view.units.values().collect();
    match scene.sort {
        Sort::State => units.sort_by_key(|unit| (unit.phase, unit.asked.unit)),
        Sort::Memory => {
            units.sort_by_key(|unit| {
                std::cmp::Reverse((unit.memory, unit.is_active(), unit.asked.memory))
            });
        }
        Sort::Age => {}
    }
    units
}

fn ended_section(scene: &Scene<'_>, columns: usize, room: Option<usize>) -> Vec<Line<'static>> {
    let ended = &scene.view.ended;
    let most = room.map_or(MOST_ENDED, |room| room.saturating_sub(2).min(MOST_ENDED));
    if ended.is_empty() || most == 0 {
        return Vec::new();
    }
    let mut lines = vec![Line::default(), title(columns, "ended", &rows::totals(scene))];
    lines.extend(ended.iter().rev().take(most).map(|ended| rows::ended(scene, columns, ended)));
    lines
}

/// Keys, with the counts where there is no section for them.
fn foot(scene: &Scene<'_>, columns: usize) -> Vec<Line<'static>> {
    if scene.keys.is_empty() {
        return Vec::new();
    }
    let counts = scene.view.counts;
    let totals =
        format!("{} done, {} failed, {} again", counts.done, counts.failed, counts.retries);
    let room = columns.saturating_sub(width(&totals) + 1);
    let mut keys = String::new();
    for key in scene.keys {
        if width(&keys) + width(key) <= room {
            keys.push_str(key);
            keys.push_str("  ");
        }
    }
    vec![Line::from(vec![
        Span::styled(left(&keys, room), DIM),
        Span::raw(" "),
        Span::raw(right(&totals, columns.saturating_sub(room + 1))),
    ])]
}
