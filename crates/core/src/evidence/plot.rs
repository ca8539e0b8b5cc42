//! A benchmark as a picture: every run as a dot, the middle half as a bar, and ratios with their
//! intervals beside the noise floor.
//!
//! Plain SVG in text, readable on light and dark grounds. Does not know browsers or fonts.

use super::bootstrap::quantile;
use super::report::Bench;
use super::robust::median;
use super::sample::values;

const WIDE: f64 = 900.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 40.0;
/// Height of a command's row, and of the space above the first.
const ROW: f64 = 46.0;
const TOP: f64 = 40.0;

/// A scale from values to places.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// From the least to the most, with a little room.
    fn around(values: impl Iterator<Item = f64>) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return Self { low: 0.0, high: 1.0 };
        }
        let room = ((high - low) * 0.04).max(high.abs() * 1e-3);
        Self { low: low - room, high: high + room }
    }

    fn place(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low).max(f64::MIN_POSITIVE);
        LEFT + part.clamp(0.0, 1.0) * (WIDE - LEFT - RIGHT)
    }

    /// Round values on the way.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 6.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * power)
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let first = (self.low / step).ceil();
        (0..12).map(|n| (first + f64::from(n)) * step).filter(|tick| *tick <= self.high).collect()
    }
}

/// The picture.
pub fn svg(bench: &Bench) -> String {
    let n = bench.results.len() as f64;
    let ratios = bench.results.len() > 1;
    let upper = TOP + n * ROW + 34.0;
    let high = if ratios { upper + TOP + (n - 1.0) * ROW + 40.0 } else { upper };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDE} {high}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <style>text{{fill:#444}}.dot{{fill:#3b6ea5;fill-opacity:.35}}.bar{{fill:#3b6ea5;fill-opacity:.25}}.line{{stroke:#888;stroke-width:1}}.grid{{stroke:#888;stroke-opacity:.25}}.floor{{fill:#888;fill-opacity:.18}}.whole{{stroke:#3b6ea5;stroke-width:3}}@media(prefers-color-scheme:dark){{text{{fill:#ccc}}}}</style>\n"
    );
    out += &runs(bench);
    if ratios {
        out += &comparisons(bench, upper);
    }
    out + "</svg>\n"
}

fn runs(bench: &Bench) -> String {
    let metric = bench.setup.judged_by;
    let of = |arm| values(&bench.rounds, metric, arm);
    let axis = Axis::around((0..bench.results.len()).flat_map(of));
    let title = format!("{} of {} rounds", metric.title(), bench.rounds.len());
    let bottom = TOP + bench.results.len() as f64 * ROW;
    let mut out = heading(0.0, &title) + &grid(&axis, TOP, bottom, |tick| metric.show(tick));
    for (arm, result) in bench.results.iter().enumerate() {
        let y = TOP + (arm as f64 + 0.5) * ROW;
        out += &label(y, &result.name);
        out += &strip(&axis, &of(arm), y);
    }
    out
}

/// The dots of a command, spread over the height of its row in their order, and its middle half.
fn strip(axis: &Axis, values: &[f64], y: f64) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (from, to) = (axis.place(quantile(&sorted, 0.25)), axis.place(quantile(&sorted, 0.75)));
    let mut out = format!(
        "<rect class=\"bar\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"24\"/>\n",
        y - 12.0,
        (to - from).max(1.0)
    );
    for (at, value) in values.iter().enumerate() {
        let offset = (at as f64 / values.len().max(1) as f64 - 0.5) * 28.0;
        out += &format!(
            "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"/>\n",
            axis.place(*value),
            y + offset
        );
    }
    let middle = axis.place(median(values));
    out + &format!(
        "<line class=\"whole\" x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\n",
        y - 14.0,
        y + 14.0
    )
}

fn comparisons(bench: &Bench, top: f64) -> String {
    let metric = bench.setup.judged_by;
    let noise = bench.floor.as_ref().and_then(|floor| floor.difference).unwrap_or(0.0);
    let found: Vec<_> = bench
        .results
        .iter()
        .filter_map(|result| Some((result.name.as_str(), result.by(metric)?.ratio)))
        .collect();
    let bounds =
        found.iter().flat_map(|(_, r)| [r.low.unwrap_or(r.estimate), r.high.unwrap_or(r.estimate)]);
    let axis = Axis::around(bounds.chain([1.0 - noise, 1.0 + noise]));
    let (from, bottom) = (top + TOP, top + TOP + found.len() as f64 * ROW);
    let mut out =
        heading(top, "ratio to the baseline; the band is what the baseline shows against itself");
    out += &format!(
        "<rect class=\"floor\" x=\"{:.1}\" y=\"{from:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\n",
        axis.place(1.0 / (1.0 + noise)),
        axis.place(1.0 + noise) - axis.place(1.0 / (1.0 + noise)),
        bottom - from
    );
    out += &grid(&axis, from, bottom, |tick| format!("{tick:.3}"));
    for (at, (name, ratio)) in found.iter().enumerate() {
        let y = from + (at as f64 + 0.5) * ROW;
        let (low, high) = (ratio.low.unwrap_or(axis.low), ratio.high.unwrap_or(axis.high));
        out += &label(y, name);
        out += &format!(
            "<line class=\"whole\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n\
             <circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"#3b6ea5\"/>\n",
            axis.place(low),
            axis.place(high),
            axis.place(ratio.estimate)
        );
    }
    out
}

fn heading(top: f64, text: &str) -> String {
    format!("<text x=\"12\" y=\"{:.1}\" font-weight=\"bold\">{}</text>\n", top + 22.0, escape(text))
}

fn label(y: f64, name: &str) -> String {
    let short: String = name.chars().take(22).collect();
    let dots = if name.chars().count() > 22 { "…" } else { "" };
    format!("<text x=\"12\" y=\"{:.1}\">{}{dots}</text>\n", y + 4.0, escape(&short))
}

fn grid(axis: &Axis, top: f64, bottom: f64, show: impl Fn(f64) -> String) -> String {
    let mut out = String::new();
    for tick in axis.ticks() {
        let x = axis.place(tick);
        out += &format!(
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\">{}</text>\n",
            bottom + 16.0,
            escape(&show(tick))
        );
    }
    out
}

/// A text inside an element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::report::tests::sample_bench;

    #[test]
    fn every_run_is_a_dot_and_names_cannot_break_out() {
        let mut bench = sample_bench(0.9, 40);
        bench.results[1].name = "</svg><script>&".to_owned();
        let picture = svg(&bench);
        assert_eq!(picture.matches("class=\"dot\"").count(), 80);
        assert!(!picture.contains("<script") && picture.contains("&lt;/svg&gt;"));
        assert_eq!(picture.matches("<svg").count(), picture.matches("</svg>").count());
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
    }

    #[test]
    fn equal_values_and_none_have_places() {
        let same = Axis::around([2.0, 2.0].into_iter());
        assert!(same.place(2.0).is_finite() && !same.ticks().is_empty());
        assert!(Axis::around(std::iter::empty()).place(0.5).is_finite());
    }
}
