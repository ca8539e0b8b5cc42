//! A benchmark as a Markdown table, with a line for everything that a reader must know.
//!
//! Does not know terminals.

use super::compare::{Bounds, percent};
use super::report::{Bench, Outcome};
use super::sample::Metric;

/// The table.
pub fn markdown(bench: &Bench) -> String {
    let metric = bench.setup.judged_by;
    let mut out = format!(
        "| Command | Mean {title} | Deviation | Least | Most | Ratio | Interval | Verdict |\n|:---|---:|---:|---:|---:|---:|---:|:---|\n",
        title = metric.title()
    );
    for result in &bench.results {
        out.push_str(&row(result, metric));
    }
    out.push('\n');
    for line in notes(bench) {
        out.push_str(&format!("- {}\n", cell(&line)));
    }
    out
}

fn row(result: &Outcome, metric: Metric) -> String {
    let Some(figures) = result.figures.get(&metric) else {
        return format!("| `{}` | | | | | | | |\n", cell(&result.name));
    };
    let show = |value| metric.show(value);
    let ratio = result.by(metric).map(|comparison| comparison.ratio);
    format!(
        "| `{}` | {} | {} | {} | {} | {} | {} | {} |\n",
        cell(&result.name),
        show(figures.mean),
        show(figures.deviation),
        show(figures.least),
        show(figures.most),
        ratio.map_or_else(|| "1".to_owned(), |ratio| format!("{:.3}", ratio.estimate)),
        ratio.map_or_else(String::new, bounds),
        result.why.as_deref().map_or_else(|| "baseline".to_owned(), |why| verdict(result, why)),
    )
}

fn verdict(result: &Outcome, why: &str) -> String {
    let word = result.verdict.map_or("", super::Verdict::word);
    cell(&format!("{word}: {why}"))
}

/// `0.912 to 0.934`, or that it is open.
pub fn bounds(ratio: Bounds) -> String {
    match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
        _ => "open".to_owned(),
    }
}

/// What a table does not say: rounds, noise, what is missing, warnings.
pub fn notes(bench: &Bench) -> Vec<String> {
    let setup = &bench.setup;
    let stop = bench.stopped.map_or("not finished", super::stop::Stop::text);
    let mut lines = vec![format!(
        "{} rounds in random order in {:.1} s, {stop}",
        bench.rounds.len(),
        bench.elapsed
    )];
    lines.push(match bench.floor.as_ref().map(|floor| floor.difference) {
        Some(Some(noise)) => format!(
            "noise floor {}: the baseline beside itself ({})",
            percent(noise),
            bench.floor.as_ref().map_or_else(String::new, |f| bounds(f.comparison.ratio))
        ),
        Some(None) => "noise floor unknown: fewer than three rounds".to_owned(),
        None => "noise floor unknown: the baseline did not run twice a round".to_owned(),
    });
    lines.push(match setup.pinned_to {
        Some(thread) => format!("all ran on hardware thread {thread}"),
        None => "not pinned to a hardware thread".to_owned(),
    });
    if let Some(overhead) = setup.overhead {
        lines.push(format!(
            "{} of each run is starting a process; it is not subtracted",
            Metric::Wall.show(overhead)
        ));
    }
    lines.extend(setup.not_measured.iter().map(|missing| format!("not measured: {missing}")));
    lines.extend(bench.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines
}

/// A text that breaks neither table nor line.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::report::tests::sample_bench;

    #[test]
    fn every_command_has_a_row_and_every_row_the_same_cells() {
        let mut bench = sample_bench(0.9, 40);
        bench.results[1].name = "a | b\nc".to_owned();
        let text = markdown(&bench);
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), 4);
        for row in rows {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 9, "{row}");
        }
        assert!(text.contains("faster"), "{text}");
        assert!(text.contains("instructions: the kernel counts none here"), "{text}");
    }
}
