//! `ironwright build` of what Nix builds: plan, show, carry out, link.
//!
//! Does not know sources of other kinds.

use std::path::PathBuf;

use clap::Args;
use ironwright_core::observe::RunFacts;

use super::carry::carry_out;
use super::evaluation::EvaluationArgs;
use super::forecast;
use super::plan::NixForecast;
use super::prepare::{Prepared, Wishes, prepare};
use super::results::{Outcome, Results};
use super::roots::link_results;
use crate::context::Context;
use crate::error::{CliError, count};
use crate::patience::TimeoutChoice;
use crate::progress::Progress;
use crate::{summary, ui};

/// Options of builds of derivations.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Nix")]
pub(crate) struct NixBuildArgs {
    #[command(flatten)]
    pub(crate) evaluation: EvaluationArgs,
    /// Build at most so many derivations at a time; without it, as many as the governor lets.
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_jobs: Option<u32>,
    /// Tell every builder of so many cores, instead of what the plan allots.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cores: Option<u32>,
    /// Name of the links to results.
    #[arg(long, short, value_name = "LINK", default_value = "result", conflicts_with = "no_link")]
    out_link: PathBuf,
    /// Make no links to results.
    #[arg(long)]
    no_link: bool,
    /// Keep the folders of failed builds.
    #[arg(long, short = 'K')]
    keep_failed: bool,
    /// Print what builders print.
    #[arg(long, short = 'L')]
    print_build_logs: bool,
}

/// What a build of derivations left.
pub(crate) struct Built {
    /// The runs that it took: one, or none where everything was there; more where something that was to
    /// be fetched had to be built.
    pub(crate) runs: Vec<RunFacts>,
    pub(crate) results: Results,
    /// Where the results are.
    pub(crate) links: Vec<PathBuf>,
}

impl NixBuildArgs {
    /// Makes a plan of these installables.
    pub(crate) fn prepare(
        &self,
        installables: &[String],
        (keep_going, govern, timeout): (bool, bool, TimeoutChoice),
        context: &Context,
    ) -> Result<Prepared, CliError> {
        let wishes = Wishes {
            evaluation: self.evaluation.evaluation(),
            nix: self.evaluation.command()?,
            max_jobs: self.max_jobs,
            cores: self.cores,
            keep_going,
            keep_failed: self.keep_failed,
            print_logs: self.print_build_logs,
            govern,
            timeout,
        };
        prepare(installables, &wishes, context)
    }

    /// Carries a plan out and links to the results.
    pub(crate) fn build(
        &self,
        prepared: &mut Prepared,
        context: &Context,
        progress: &mut Progress,
    ) -> Result<Built, CliError> {
        let link = (!self.no_link).then_some(self.out_link.as_path());
        build(prepared, link, context, progress)
    }
}

/// Carries a plan out and links to the results.
pub(crate) fn build(
    prepared: &mut Prepared,
    link: Option<&std::path::Path>,
    context: &Context,
    progress: &mut Progress,
) -> Result<Built, CliError> {
    let label = format!("nix:{}", prepared.plan.installables.join(" "));
    let mut built = Built { runs: Vec::new(), results: Results::default(), links: Vec::new() };
    while !prepared.plan.is_empty() {
        let (facts, results) = carry_out(&prepared.plan, &label, context, progress)?;
        built.runs.push(facts);
        let Some(results) = results else {
            built.show_run();
            return Ok(built);
        };
        let instead = !results.unfetched.is_empty()
            && !results.has_failed()
            && prepared.build_instead(&results.unfetched, context)?;
        built.results = results.after(built.results);
        if !instead {
            built.show_run();
            break;
        }
        ui::remark("what no substituter gave is built instead");
        show_forecast(prepared);
    }
    if built.results.is_success() {
        let Prepared { plan, store, .. } = prepared;
        let links = link_results(plan, &built.results, link, store)?;
        built.links = links.into_iter().map(|(at, _)| at).collect();
    }
    Ok(built)
}

impl Built {
    /// Shows the last run.
    fn show_run(&self) {
        if let Some(facts) = self.runs.last() {
            summary::show(facts, None);
        }
    }

    /// The exit code that tells how it went.
    pub(crate) fn exit_code(&self) -> u8 {
        self.runs.last().map_or(0, summary::exit_code)
    }
}

/// What `--dry-run` prints of a plan.
pub(crate) fn dry_run(prepared: &Prepared) -> NixForecast {
    NixForecast { plan: prepared.plan.clone(), schedule: prepared.schedule() }
}

/// Shows the forecast before anything is built.
pub(crate) fn show_forecast(prepared: &Prepared) {
    ui::note(&forecast::text(&prepared.plan, &prepared.schedule(), false));
}

/// What is to be known at the end beside the run's own summary.
pub(crate) fn show_end(built: &Built) {
    let results = &built.results;
    let failed: Vec<&str> = results
        .derivations
        .iter()
        .filter(|it| it.outcome.is_failure())
        .map(|it| it.name.as_str())
        .collect();
    if !failed.is_empty() {
        let left = results.count(Outcome::Blocked) + results.count(Outcome::NotTried);
        let rest = match left {
            0 => String::new(),
            left => format!("; {} not built because of that", count(left, "derivation")),
        };
        ui::error(&format!(
            "{} failed: {}{rest}",
            count(failed.len(), "derivation"),
            failed.join(", ")
        ));
        ui::hint("what was built stays in the store: the same command goes on from there");
    }
    if let Some(message) = &results.fetch_failure {
        ui::error(&format!("something could not be fetched: {message}"));
    }
    for link in &built.links {
        ui::note(&format!("  {:<10} {}\n", "result", link.display()));
    }
}
