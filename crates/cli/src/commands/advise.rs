//! `ironwright advise`.
//!
//! Does not decide; it shows what the core makes of what is known.

use std::path::PathBuf;

use clap::Args;
use ironwright_core::decide::{Band, Recommendation, Usage};
use ironwright_core::trial::Package;

use super::trial::packages;
use crate::args::HostArgs;
use crate::closures::Closures;
use crate::context::Context;
use crate::decisions::{Known, Preferences, suggestions};
use crate::error::CliError;
use crate::table::table;
use crate::ui::{self, BAD, DIM, GOOD, HEADING, WARN, paint};

/// Recommend settings that change what is built: gain, cost, confidence, and what to measure next.
///
/// Rests on what `ironwright trial` and `ironwright bench --with` measured, here or on a host of the same
/// microarchitecture (`ironwright history import`), and on published figures as weak priors.
/// Confidence is the probability of a gain that pays times that of a build within the machine's
/// means; band A is below 0.45 (do not), B below 0.75 (only as a canary), C above (go). Nothing that
/// was not measured on this host reaches C, and nothing is kept that makes a workload lose 2 %.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright advise\n  ironwright advise zlib --explain\n  ironwright advise zlib --weight inflate=0 --hours 100\n  ironwright advise --json"
)]
pub(crate) struct AdviseArgs {
    /// Only changes for this package.
    package: Option<String>,
    /// Show the way to each decision.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    preferences: PreferenceArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How decisions are weighed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Weights")]
pub(crate) struct PreferenceArgs {
    /// Hours a month that what is built keeps a processor busy.
    #[arg(long, value_name = "N", default_value_t = Usage::default().hours_a_month, value_parser = amount)]
    hours: f64,
    /// Builds of it a month.
    #[arg(long, value_name = "N", default_value_t = Usage::default().builds_a_month, value_parser = amount)]
    builds: f64,
    /// Weight of a workload beside 1; one with weight 0 may lose. May be given several times.
    #[arg(long, value_name = "WORKLOAD=N", value_parser = weight)]
    weight: Vec<(String, f64)>,
    /// What `ironwright impact --json` said of overlays that make the changes: rebuilding what depends on a
    /// package counts as its cost.
    #[arg(long, value_name = "FILE")]
    impact: Option<PathBuf>,
}

impl PreferenceArgs {
    pub(crate) fn preferences(&self) -> Result<Preferences, CliError> {
        let usage = Usage { hours_a_month: self.hours, builds_a_month: self.builds };
        let closures = self.impact.as_deref().map(Closures::read).transpose()?.unwrap_or_default();
        Ok(Preferences { usage, weights: self.weight.clone(), closures })
    }
}

fn amount(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(format!("expected a number of zero or more, found \"{text}\"")),
    }
}

fn weight(text: &str) -> Result<(String, f64), String> {
    let (workload, number) =
        text.split_once('=').ok_or("expected WORKLOAD=N, such as inflate=0")?;
    Ok((workload.to_owned(), amount(number)?))
}

pub(crate) fn run(args: &AdviseArgs, host: &HostArgs) -> Result<u8, CliError> {
    let context = Context::load(host)?;
    let known = Known::load(&context, args.preferences.preferences()?)?;
    let package = args.package.as_deref();
    let tried = packages()?;
    let own = package.and_then(|name| named(&tried, name));
    let mut changes = known.changes(package);
    changes.extend(suggestions(&context.profile(package), package, own));
    let mut found =
        changes.iter().map(|change| known.recommend(change)).collect::<Result<Vec<_>, _>>()?;
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    if args.json {
        ui::print_json(&found)?;
    } else if args.explain {
        let texts: Vec<_> = found.iter().map(|it| explained(it, &known, &tried)).collect();
        ui::print(&texts.join("\n"))?;
    } else {
        ui::print(&overview(&found, &known))?;
    }
    Ok(0)
}

fn overview(found: &[Recommendation], known: &Known) -> String {
    let headings = ["change", "do", "gain", "between", "cost", "confidence", "next"];
    let row = |it: &Recommendation| {
        vec![
            it.change.to_string(),
            done(it, known),
            percent(it.gain.mean.exp_m1()),
            format!("{} and {}", percent(it.between[0]), percent(it.between[1])),
            it.costs.in_words().join(", "),
            format!("{:.2} {:?}", it.confidence, it.band),
            it.next.as_ref().map_or_else(String::new, |next| {
                let what = next.workload.as_deref().unwrap_or("a workload of yours");
                format!("bench {what}, {:.1} min", next.minutes)
            }),
        ]
    };
    let mut out = table(&headings, found.iter().map(row));
    out.push_str(&paint(
        DIM,
        "gain: speed of what is built; cost: what a build takes more, where `ironwright trial` measured it. `--explain` tells how each figure came about.\n",
    ));
    out
}

/// The action, or what stands in its way.
fn done(it: &Recommendation, known: &Known) -> String {
    let decision = known.present.as_ref().and_then(|present| present.decision(&it.change));
    let state = match decision {
        Some(decision) if decision.canary => " (canary now)",
        Some(_) => " (holds now)",
        None if known.rejection(it).is_some() => " (was taken back)",
        None => "",
    };
    format!("{}{state}", it.action.text())
}

/// The package of a name among those that can be tried.
fn named<'a>(tried: &'a [(Package, PathBuf)], name: &str) -> Option<&'a Package> {
    tried.iter().map(|(package, _)| package).find(|package| package.name == name)
}

/// A decision with the way to it.
pub(crate) fn explained(
    it: &Recommendation,
    known: &Known,
    tried: &[(Package, PathBuf)],
) -> String {
    let style = match it.band {
        Band::A => BAD,
        Band::B => WARN,
        Band::C => GOOD,
    };
    let mut out =
        format!("{}: {}\n", paint(HEADING, &it.change.to_string()), paint(style, &done(it, known)));
    for reason in &it.reasons {
        out.push_str(&format!("  {reason}\n"));
    }
    if let Some(why) = known.rejection(it) {
        out.push_str(&format!("  taken back before: {why}; a new benchmark opens it again\n"));
    }
    if let Some(next) = &it.next {
        out.push_str(&format!("  next: {}\n", command(it, next.workload.as_deref(), tried)));
    }
    out
}

/// The command that makes the next measurement: a trial where it is known how to make one.
fn command(it: &Recommendation, workload: Option<&str>, tried: &[(Package, PathBuf)]) -> String {
    if let Some(package) = it.change.package.as_ref().and_then(|name| named(tried, name)) {
        let knobs: Vec<_> = it.change.knobs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        return format!("ironwright trial {} --treatment {}", package.name, knobs.join("+"));
    }
    let with: Vec<_> = it.change.knobs.iter().map(|(k, v)| format!("--with {k}={v}")).collect();
    let package = it.change.package.as_ref().map(|name| format!(" --package {name}"));
    format!(
        "ironwright bench BUILT_WITHOUT BUILT_WITH{} {} --as {}",
        package.unwrap_or_default(),
        with.join(" "),
        workload.unwrap_or("WORKLOAD")
    )
}

fn percent(part: f64) -> String {
    format!("{:+.1} %", part * 100.0)
}
