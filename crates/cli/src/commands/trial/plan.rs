//! What a trial will do: builds, workloads, and how long that takes; the value that `--dry-run` prints.
//!
//! Does not build or measure.

use ironwright_core::evidence::robust::median;
use ironwright_core::trial::treatment::Knobs;
use ironwright_core::trial::{Layout, Variant, VariantFacts};
use ironwright_core::units::human_duration;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

use super::TrialArgs;
use super::builder::Builder;
use super::repeats::times_built;
use super::resolve::Resolved;
use crate::error::count;
use crate::table::table;
use crate::ui::{DIM, HEADING, paint};

/// What a trial will do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct TrialPlan {
    /// The package.
    pub(super) package: String,
    /// Its source with its version.
    source: String,
    /// The compiler as it names itself.
    compiler: String,
    /// What every build has.
    against: Knobs,
    /// What is tried.
    pub(super) treatments: Vec<String>,
    /// The builds; the first is the baseline.
    pub(super) builds: Vec<PlannedBuild>,
    /// Builds that trying every combination would take.
    pub(super) all_combinations: usize,
    /// Builds that are left to be made.
    pub(super) to_build: usize,
    /// Seconds that they are expected to take; absent where nothing is known yet.
    build_seconds: Option<f64>,
    /// What is measured.
    pub(super) workloads: Vec<String>,
    /// Seconds that measuring takes at most in this call.
    measure_seconds: f64,
}

/// A build.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct PlannedBuild {
    /// Its name in tables.
    pub(super) name: String,
    /// What it has beyond the baseline.
    #[serde(flatten)]
    pub(super) variant: Variant,
    /// Hash of all that goes into it.
    pub(super) key: String,
    /// Whether it was made before.
    pub(super) is_built: bool,
}

/// The plan of a layout. Times come from builds of the package that the history knows.
pub(super) fn plan(
    args: &TrialArgs,
    resolved: &Resolved,
    layout: &Layout,
    builder: &Builder<'_>,
    past: &[VariantFacts],
) -> TrialPlan {
    let planned = |variant: &Variant| PlannedBuild {
        name: variant.label(),
        variant: variant.clone(),
        key: builder.key(variant, None),
        is_built: !args.how.rebuild && builder.cached(variant).is_some(),
    };
    let builds: Vec<_> = layout.variants.iter().map(planned).collect();
    let left = |build: &PlannedBuild| {
        let first = u32::from(!build.is_built);
        let made = (times_built(builder, &build.variant, past) + first).max(1);
        (first + args.how.build_rounds.saturating_sub(made)) as usize
    };
    let to_build = builds.iter().map(left).sum();
    let own = past.iter().filter(|facts| facts.package == resolved.package.name);
    let walls: Vec<f64> = own.map(|facts| facts.wall + facts.again.unwrap_or(0.0)).collect();
    let each = (!walls.is_empty()).then(|| median(&walls));
    TrialPlan {
        package: resolved.package.name.clone(),
        source: resolved.source.to_string(),
        compiler: builder.tools.version.clone(),
        against: builder.base.clone(),
        treatments: layout.treatments.iter().map(ToString::to_string).collect(),
        build_seconds: each.map(|each| each * to_build as f64),
        builds,
        all_combinations: layout.full_size(),
        to_build,
        workloads: resolved.workloads.iter().map(|workload| workload.name.clone()).collect(),
        measure_seconds: if args.how.build_only { 0.0 } else { args.amount.time.as_secs_f64() },
    }
}

impl TrialPlan {
    /// The plan for people.
    pub(super) fn text(&self) -> String {
        let title = format!("trial of {} ({})", self.package, self.source);
        let mut out = format!("{}\n  {}\n", paint(HEADING, &title), self.compiler);
        let row = |build: &PlannedBuild| {
            let state = if build.is_built { "made before" } else { "to build" };
            vec![build.name.clone(), state.to_owned()]
        };
        out.push_str(&table(&["build", ""], self.builds.iter().map(row)));
        out.push_str(&format!(
            "  {} of {} combinations, {} left to build{}; {} for up to {}\n",
            self.builds.len(),
            self.all_combinations,
            self.to_build,
            self.forecast(),
            count(self.workloads.len(), "workload"),
            human_duration(Duration::from_secs_f64(self.measure_seconds)),
        ));
        out.push_str(&paint(DIM, &format!("  workloads: {}\n", self.workloads.join(", "))));
        out
    }

    fn forecast(&self) -> String {
        match self.build_seconds {
            _ if self.to_build == 0 => String::new(),
            Some(seconds) => {
                let seconds = Duration::from_secs_f64(seconds.round());
                format!(" in about {}", human_duration(seconds))
            }
            None => " (how long that takes is known after the first)".to_owned(),
        }
    }
}
