//! A schedule as lines of text.
//!
//! Does not know the terminal; its width is a parameter.

/// One line: what runs, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What runs.
    pub name: String,
    /// Seconds from the plan's start to its start.
    pub start: f64,
    /// Seconds to its end.
    pub end: f64,
}

/// Narrowest and widest column of names.
const NAMES: (usize, usize) = (8, 32);
/// Narrowest field for bars.
const FIELD: usize = 10;

/// Draws bars in the order in which they come, with a scale below them. `width` counts characters.
pub fn gantt(bars: &[Bar], width: usize) -> String {
    let total = bars.iter().map(|bar| bar.end).fold(0.0, f64::max);
    if bars.is_empty() || total <= 0.0 {
        return String::new();
    }
    let longest = bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0);
    let names = longest.clamp(NAMES.0, NAMES.1.min(width / 3).max(NAMES.0));
    let field = width.saturating_sub(names + 3).max(FIELD);
    let mut out = String::new();
    for bar in bars {
        let from = column(bar.start / total, field).min(field - 1);
        let to = column(bar.end / total, field).clamp(from + 1, field);
        let line =
            format!(" {} {}{}", fitted(&bar.name, names), " ".repeat(from), "█".repeat(to - from));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push_str(&scale(names, field, total));
    out
}

fn column(part: f64, field: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let column = (part.clamp(0.0, 1.0) * field as f64).round() as usize;
    column
}

/// A name in just so many characters.
fn fitted(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return format!("{name}{}", " ".repeat(width - length));
    }
    let kept: String = name.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn scale(names: usize, field: usize, total: f64) -> String {
    let time = |seconds| crate::units::human_duration(std::time::Duration::from_secs_f64(seconds));
    let (middle, end) = (time(total / 2.0), time(total));
    let half = field / 2;
    let gap = half.saturating_sub(1 + middle.chars().count() / 2);
    let used = 1 + gap + middle.chars().count();
    let rest = field.saturating_sub(used + end.chars().count()).max(1);
    format!("{}0{}{middle}{}{end}\n", " ".repeat(names + 2), " ".repeat(gap), " ".repeat(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bars_stand_where_their_time_is() {
        let bar = |name: &str, start, end| Bar { name: name.to_owned(), start, end };
        let drawn = gantt(&[bar("first", 0.0, 10.0), bar("second", 10.0, 20.0)], 31);
        let lines: Vec<_> = drawn.lines().collect();
        assert_eq!(lines[0], " first    ██████████");
        assert_eq!(lines[1], " second             ██████████");
        assert!(lines[2].starts_with("          0") && lines[2].ends_with("20.0 s"), "{drawn}");
    }

    proptest! {
        #[test]
        fn no_bar_is_wider_than_the_field(
            bars in prop::collection::vec(("\\PC{0,40}", 0.0..1e6_f64, 0.0..1e6_f64), 0..9),
            width in 0_usize..200,
        ) {
            let bars: Vec<_> = bars
                .into_iter()
                .map(|(name, start, length)| Bar { name, start, end: start + length })
                .collect();
            for line in gantt(&bars, width).lines() {
                prop_assert!(line.chars().filter(|c| *c == '█').count() <= width.max(40));
            }
        }
    }
}
