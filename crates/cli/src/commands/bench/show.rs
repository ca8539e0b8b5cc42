//! A benchmark for a terminal: a table of the commands, a verdict each, and what must be known.
//!
//! Does not judge.

use ironwright_core::evidence::markdown::{bounds, notes};
use ironwright_core::evidence::report::Outcome;
use ironwright_core::evidence::{Bench, Figures, Metric, Verdict};

use crate::table::table;
use crate::ui::{BAD, DIM, GOOD, HEADING, WARN, paint};

/// Longest name in a table; the whole command stands in the JSON.
const NAME: usize = 40;

pub(super) fn text(bench: &Bench) -> String {
    let mut out = commands(bench);
    for result in bench.results.iter().skip(1) {
        out.push('\n');
        out.push_str(&verdict(bench, result));
    }
    out.push('\n');
    for line in notes(bench) {
        let style = if line.starts_with("warning") { WARN } else { DIM };
        out.push_str(&format!("{}\n", paint(style, &line)));
    }
    out
}

fn commands(bench: &Bench) -> String {
    let headings = ["command", "mean", "deviation", "least", "most", "processor", "memory"];
    let rows = bench.results.iter().map(|result| {
        let shown = |metric: Metric, of: fn(&Figures) -> f64| {
            result
                .figures
                .get(&metric)
                .map_or_else(|| "?".to_owned(), |figures| metric.show(of(figures)))
        };
        vec![
            short(&result.name),
            shown(Metric::Wall, |f| f.mean),
            shown(Metric::Wall, |f| f.deviation),
            shown(Metric::Wall, |f| f.least),
            shown(Metric::Wall, |f| f.most),
            shown(Metric::Cpu, |f| f.mean),
            shown(Metric::Memory, |f| f.median),
        ]
    });
    table(&headings, rows)
}

fn verdict(bench: &Bench, result: &Outcome) -> String {
    let metric = bench.setup.judged_by;
    let baseline = bench.results.first().map_or_else(String::new, |first| short(&first.name));
    let Some(comparison) = result.by(metric) else { return String::new() };
    let word = result.verdict.map_or("", |verdict| said(verdict, metric));
    let style = match result.verdict {
        Some(Verdict::Less) => GOOD,
        Some(Verdict::More) => BAD,
        Some(Verdict::Same) => HEADING,
        Some(Verdict::Unclear) | None => WARN,
    };
    let mut out = format!(
        "{} / {baseline}: {:.3} of the {} ({}): {}\n  {}\n",
        short(&result.name),
        comparison.ratio.estimate,
        metric.title(),
        bounds(comparison.ratio),
        paint(style, word),
        result.why.as_deref().unwrap_or_default(),
    );
    let others: Vec<_> = result
        .comparisons
        .iter()
        .filter(|other| other.metric != metric)
        .map(|other| {
            format!(
                "{} {:.3} ({})",
                other.metric.title(),
                other.ratio.estimate,
                bounds(other.ratio)
            )
        })
        .collect();
    if !others.is_empty() {
        out.push_str(&paint(DIM, &format!("  {}\n", others.join(", "))));
    }
    out
}

const fn said(verdict: Verdict, metric: Metric) -> &'static str {
    match (verdict, metric) {
        (Verdict::Less, Metric::Memory | Metric::Instructions) => "less",
        (Verdict::More, Metric::Memory | Metric::Instructions) => "more",
        (verdict, _) => verdict.word(),
    }
}

fn short(name: &str) -> String {
    let flat = name.replace(['\n', '\r', '\t'], " ");
    if flat.chars().count() <= NAME {
        return flat;
    }
    flat.chars().take(NAME - 1).chain(['…']).collect()
}
