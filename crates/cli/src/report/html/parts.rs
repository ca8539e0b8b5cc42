//! Small parts of which the page is made.
//!
//! Does not know reports.

/// A text as it may stand anywhere in a page, attributes included.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Characters that no page may hold.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// A section with its heading.
pub(super) fn section(id: &str, heading: &str, inner: &str) -> String {
    format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{}</h2>\n{inner}</section>\n",
        escape(heading)
    )
}

/// A part of a whole as a percentage of SVG or CSS.
pub(super) fn share(part: u64, whole: u64) -> String {
    number(part as f64 / whole.max(1) as f64 * 100.0) + "%"
}

/// A number with at most three digits behind the point.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1 pause`, `2 pauses`.
pub(super) fn plural(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// A distance between marks of a scale: 1, 2 or 5 times a power of ten, so that at most `most` fit.
pub(super) fn step(whole: f64, most: f64) -> f64 {
    let least = (whole / most).max(1e-12);
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * power >= least * 0.999_999);
    factor.unwrap_or(10.0) * power
}

/// The same for seconds, of which 60 make a minute.
pub(super) fn time_step(seconds: f64, most: f64) -> f64 {
    let least = seconds / most;
    let steps = [10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];
    if least <= 5.0 {
        return step(seconds, most);
    }
    steps.into_iter().find(|step| *step >= least).unwrap_or_else(|| step(least, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_are_text() {
        assert_eq!(
            escape("</script><b a='\"&\u{1}"),
            "&lt;/script&gt;&lt;b a=&#39;&quot;&amp;\u{fffd}"
        );
    }

    #[test]
    fn scales_have_round_steps() {
        assert!((step(83.0, 10.0) - 10.0).abs() < 1e-9);
        assert!((step(0.83, 5.0) - 0.2).abs() < 1e-9);
        assert!((time_step(83.0, 8.0) - 15.0).abs() < 1e-9);
        assert!((time_step(3.0, 6.0) - 0.5).abs() < 1e-9);
        assert_eq!([number(1.5), number(3.0), share(1, 3)], ["1.5", "3", "33.333%"]);
    }
}
