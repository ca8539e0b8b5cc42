//! A trial for a terminal: what builds cost, how workloads ran, what each treatment does, what to keep.
//!
//! Does not judge.

use ironwright_core::decide::{Action, Recommendation};
use ironwright_core::evidence::Verdict;
use ironwright_core::evidence::compare::Bounds;
use ironwright_core::evidence::sample::Metric;
use ironwright_core::trial::effects::TreatmentEffects;
use ironwright_core::trial::facts::hold_code;
use ironwright_core::trial::{Package, VariantFacts};

use schemars::JsonSchema;
use serde::Serialize;

use super::report::{BuildRatio, Search, TrialReport, WorkloadReport};
use super::resolve::packages;
use crate::error::CliError;
use crate::table::table;
use crate::ui::{self, BAD, DIM, GOOD, HEADING, WARN, paint};

/// A package that can be tried.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct TrialPackage {
    /// Its name.
    name: String,
    /// What it is, in one line.
    summary: String,
    /// Where its source comes from; absent where `--source` has to name it.
    source: Option<String>,
    /// What is tried when nothing is named.
    treatments: Vec<String>,
    /// What is measured.
    workloads: Vec<String>,
}

impl From<Package> for TrialPackage {
    fn from(package: Package) -> Self {
        Self {
            name: package.name,
            summary: package.summary,
            source: package.source.map(|source| source.to_string()),
            treatments: package.treatments.iter().map(ToString::to_string).collect(),
            workloads: package.workloads.into_iter().map(|workload| workload.name).collect(),
        }
    }
}

/// The packages that can be tried.
pub(super) fn list(json: bool) -> Result<u8, CliError> {
    let all: Vec<TrialPackage> =
        packages()?.into_iter().map(|(package, _)| package.into()).collect();
    if json {
        ui::print_json(&all)?;
        return Ok(0);
    }
    let row = |package: &TrialPackage| {
        let source = package.source.clone().unwrap_or_else(|| "--source path:DIR".to_owned());
        vec![package.name.clone(), source, package.summary.clone(), package.workloads.join(" ")]
    };
    let headings = ["package", "source", "does", "workloads"];
    ui::print(&table(&headings, all.iter().map(row)))?;
    Ok(0)
}

pub(super) fn text(report: &TrialReport) -> String {
    let mut parts = vec![heading("what builds cost"), builds(report)];
    if !report.workloads.is_empty() {
        parts.push(heading("time of each build through the baseline's (below 1 is faster)"));
        parts.push(workloads(report));
        parts.push(heading("what each treatment does, over all builds"));
        parts.push(effects(report));
    }
    if !report.searches.is_empty() {
        parts.push(heading("which flag of a bundle does it"));
        parts.extend(report.searches.iter().map(search));
    }
    parts.extend(report.decisions.iter().enumerate().map(|(at, decision)| {
        let first = if at == 0 { heading("what to do") } else { String::new() };
        first + &decided(decision)
    }));
    parts.push(end(report));
    parts.concat()
}

fn heading(text: &str) -> String {
    format!("\n{}\n", paint(HEADING, text))
}

fn builds(report: &TrialReport) -> String {
    let base = report.builds.first();
    let archived = hold_code(&report.builds);
    let code = |facts: &VariantFacts| if archived { facts.text.0 } else { facts.run_text.0 };
    let row = |(at, facts): (usize, &VariantFacts)| {
        let same = report.same_code_as.get(at).filter(|first| **first != at);
        let same = same.and_then(|first| report.builds.get(*first));
        vec![
            facts.variant.label(),
            Metric::Wall.show(facts.wall),
            Metric::Wall.show(facts.cpu),
            facts.cold.map_or_else(String::new, |s| Metric::Wall.show(s)),
            facts.again.map_or_else(String::new, |s| Metric::Wall.show(s)),
            facts.peak.to_string(),
            grown(code(facts), base.map_or(0, code)),
            same.map_or_else(String::new, |first| format!("as {}", first.variant.label())),
        ]
    };
    let headings = [
        "build",
        "time",
        "processor",
        "to fill the cache",
        "after a change",
        "memory",
        if archived { "code" } else { "code that runs" },
        "same code",
    ];
    table(&headings, report.builds.iter().enumerate().map(row))
}

fn grown(bytes: u64, base: u64) -> String {
    // Nobody looked when it was built.
    if bytes == 0 {
        return "?".to_owned();
    }
    let size = ironwright_core::units::Bytes(bytes);
    if base == 0 || base == bytes {
        return size.to_string();
    }
    format!("{size} ({:+.0} %)", (bytes as f64 / base as f64 - 1.0) * 100.0)
}

fn workloads(report: &TrialReport) -> String {
    let names: Vec<&str> = report.plan.builds.iter().skip(1).map(|b| b.name.as_str()).collect();
    let mut headings = vec!["workload", "rounds", "noise"];
    headings.extend(names);
    let cell = |build: &BuildRatio| {
        paint(style(build.verdict), &format!("{:.3}{}", build.ratio.estimate, mark(build.verdict)))
    };
    let row = |workload: &WorkloadReport| {
        let noise =
            workload.noise.map_or_else(|| "?".to_owned(), |n| format!("{:.1} %", n * 100.0));
        let mut row = vec![workload.name.clone(), workload.rounds.to_string(), noise];
        row.extend(workload.builds.iter().map(cell));
        row
    };
    let mut out = table(&headings, report.workloads.iter().map(row));
    out.push_str(&paint(DIM, "  + slower, - faster, = no difference, ? more rounds are needed\n"));
    out
}

const fn style(verdict: Verdict) -> anstyle::Style {
    match verdict {
        Verdict::Less => GOOD,
        Verdict::More => BAD,
        Verdict::Same => DIM,
        Verdict::Unclear => WARN,
    }
}

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Less => " -",
        Verdict::More => " +",
        Verdict::Same => " =",
        Verdict::Unclear => " ?",
    }
}

fn effects(report: &TrialReport) -> String {
    let mut rows = Vec::new();
    for found in &report.effects {
        for effect in shown(found) {
            let name = if found.aliased_with.is_empty() {
                found.treatment.clone()
            } else {
                format!("{} (or {})", found.treatment, found.aliased_with.join(", or "))
            };
            rows.push(vec![
                name,
                effect.workload.clone(),
                format!("{:.3}", effect.ratio.estimate),
                between(effect.ratio),
                paint(style(effect.verdict), word(effect.verdict, report.metric)),
            ]);
        }
    }
    if rows.is_empty() {
        return "  none was found\n".to_owned();
    }
    table(&["treatment", "workload", "ratio", "between", ""], rows)
}

/// Of treatments every effect; of pairs those that are clear.
fn shown(found: &TreatmentEffects) -> Vec<&ironwright_core::trial::effects::Effect> {
    let is_pair = found.treatment.contains(" x ");
    let is_clear = |verdict| matches!(verdict, Verdict::Less | Verdict::More);
    found.effects.iter().filter(|effect| !is_pair || is_clear(effect.verdict)).collect()
}

fn between(ratio: Bounds) -> String {
    match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
        _ => "open".to_owned(),
    }
}

const fn word(verdict: Verdict, metric: Metric) -> &'static str {
    match (verdict, metric) {
        (Verdict::Less, Metric::Memory | Metric::Instructions) => "less",
        (Verdict::More, Metric::Memory | Metric::Instructions) => "more",
        (verdict, _) => verdict.word(),
    }
}

fn search(found: &Search) -> String {
    let does = if found.ratio > 1.0 { "harms" } else { "helps" };
    let what = match &found.besides {
        None => format!(
            "{} beside {} {does} {} ({:.3} of the time)",
            found.treatment, found.added_to, found.workload, found.ratio
        ),
        Some(flag) => format!(
            "{} without {flag} beside {} still {does} {}",
            found.treatment, found.added_to, found.workload
        ),
    };
    if !found.adds_up {
        return format!(
            "  {what}: the {} flags that the compiler names do not make the same code\n",
            found.flags
        );
    }
    let Some(flag) = &found.flag else {
        return format!("  {what}: no single one of its {} flags does most of it\n", found.flags);
    };
    let mut out = format!(
        "  {what}\n    of its {} flags {} does most of it: {:.0} % of the effect, found with {} builds\n",
        found.flags,
        paint(WARN, flag),
        found.share * 100.0,
        found.builds
    );
    for (workload, left) in &found.left_without {
        out.push_str(&format!(
            "    without {} {:.0} % of the effect on {workload} is left\n",
            if found.besides.is_some() { "both" } else { "it" },
            left * 100.0
        ));
    }
    out
}

fn decided(decision: &Recommendation) -> String {
    let style = match decision.action {
        Action::Keep => GOOD,
        Action::Revert => BAD,
        Action::MeasureMore => WARN,
    };
    let percent = |part: f64| format!("{:+.1} %", part * 100.0);
    let costs = decision.costs.in_words();
    let costs = if costs.is_empty() { String::new() } else { format!("; {}", costs.join(", ")) };
    format!(
        "  {}: {} (gain {}, between {} and {}{costs})\n    {}\n",
        decision.change,
        paint(style, decision.action.text()),
        percent(decision.gain.mean.exp_m1()),
        percent(decision.between[0]),
        percent(decision.between[1]),
        decision.reasons.last().map_or("", String::as_str),
    )
}

fn end(report: &TrialReport) -> String {
    let mut out = String::from("\n");
    match &report.keep {
        Some(change) => out.push_str(&format!("{} {change}\n", paint(GOOD, "to keep:"))),
        None if report.decisions.is_empty() => {}
        None => out.push_str("nothing of this is to be kept yet\n"),
    }
    for note in report.notes.iter().chain(&report.unresolved) {
        out.push_str(&format!("{} {note}\n", paint(WARN, "warning:")));
    }
    if !report.is_complete {
        out.push_str(&paint(DIM, "not all is measured yet: the same command goes on from here\n"));
    }
    out.push_str(&paint(
        DIM,
        "`ironwright advise --explain` tells how decisions come about, `ironwright apply` carries them out\n",
    ));
    out
}
