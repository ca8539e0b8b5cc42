//! Texts of a fixed width, bars and small graphs.
//!
//! Does not know what the figures are.

use std::time::Duration;

use ironwright_core::units::{Bytes, human_duration};
use ratatui::text::Span;

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text cut to so many columns.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = text.to_owned();
    while !kept.is_empty() && width(&kept) + 1 > columns {
        kept.pop();
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The same, without its beginning where it is a path: the end tells more.
pub(crate) fn cut_path(text: &str, columns: usize) -> String {
    if width(text) <= columns || !text.contains('/') || columns == 0 {
        return cut(text, columns);
    }
    let mut kept = text;
    while width(kept) + 1 > columns {
        let mut characters = kept.chars();
        characters.next();
        kept = characters.as_str();
    }
    format!("…{kept}")
}

/// A text of exactly so many columns.
pub(crate) fn left(text: &str, columns: usize) -> String {
    let kept = cut(text, columns);
    let space = columns.saturating_sub(width(&kept));
    kept + &" ".repeat(space)
}

/// The same, at the right edge.
pub(crate) fn right(text: &str, columns: usize) -> String {
    let kept = cut(text, columns);
    " ".repeat(columns.saturating_sub(width(&kept))) + &kept
}

/// Cells of a part of a whole, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the part lies between 0 and 1"
)]
pub(crate) fn cells(part: f64, columns: usize) -> usize {
    let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
    let cells = (part * columns as f64).round() as usize;
    // What is not nothing is seen.
    if part > 0.0 && cells == 0 { columns.min(1) } else { cells }
}

/// Part of a whole, 0 to 1; all of it when there is no whole.
pub(crate) fn part(of: f64, whole: f64) -> f64 {
    if whole > 0.0 { (of / whole).clamp(0.0, 1.0) } else { f64::from(u8::from(of > 0.0)) }
}

/// A graph of the newest parts, one line high.
pub(crate) fn graph(parts: &[f64], columns: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = parts.get(parts.len().saturating_sub(columns)..).unwrap_or_default();
    let missing = columns.saturating_sub(shown.len());
    let level = |part: &f64| LEVELS.get(cells(*part, 7).min(7)).copied().unwrap_or('█');
    " ".repeat(missing) + &shown.iter().map(level).collect::<String>()
}

/// GiB with as many digits as a column has room for.
pub(crate) fn gib(bytes: Bytes) -> String {
    match bytes.as_gib() {
        g if g >= 100.0 => format!("{g:.0}"),
        g if g >= 10.0 => format!("{g:.1}"),
        g => format!("{g:.2}"),
    }
}

/// Seconds for people: `7 s`, `3 m 04 s`.
pub(crate) fn time(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
    match seconds.as_secs() {
        whole @ 0..60 => format!("{whole} s"),
        whole => human_duration(Duration::from_secs(whole)),
    }
}

/// The same, for times of which parts of a second matter.
pub(crate) fn exact_time(us: u64) -> String {
    human_duration(Duration::from_micros(us))
}

/// A part as a percentage.
pub(crate) fn percent(part: f64) -> String {
    match part * 100.0 {
        p if p > 0.0 && p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fill_their_columns_exactly() {
        assert_eq!([left("abc", 5), right("abc", 5)], ["abc  ", "  abc"]);
        assert_eq!([cut_path("a/b/cdef", 4), cut_path("abcdef", 4)], ["…def", "abc…"]);
        assert_eq!([left("abcdef", 4), left("日本語", 4), left("ab", 0)], ["abc…", "日… ", ""]);
    }

    #[test]
    fn bars_and_graphs_show_the_smallest_part() {
        assert_eq!(
            [cells(0.001, 20), cells(0.0, 20), cells(2.0, 20), cells(f64::NAN, 9)],
            [1, 0, 20, 0]
        );
        assert_eq!(graph(&[0.0, 0.5, 1.0], 5), "  ▁▅█");
        assert_eq!(graph(&[1.0, 0.0, 0.0], 2), "▁▁");
    }
}
