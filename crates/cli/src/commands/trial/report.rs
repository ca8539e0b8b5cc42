//! What a trial found, as `--json` prints it.
//!
//! Does not measure or decide; it puts together what is known.

use std::collections::BTreeMap;

use ironwright_core::decide::{Action, Recommendation, surest_first};
use ironwright_core::evidence::compare::Bounds;
use ironwright_core::evidence::report::Setup;
use ironwright_core::evidence::{Bench, Comparison, Metric, Verdict};
use ironwright_core::trial::effects::{Measured, TreatmentEffects, effects};
use ironwright_core::trial::{Layout, VariantFacts};
use schemars::JsonSchema;
use serde::Serialize;

use super::campaign::{Campaigns, End};
use super::plan::TrialPlan;

/// Version of this shape.
const TRIAL_SCHEMA: u32 = 1;

/// What a trial found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TrialReport {
    /// Version of this shape.
    pub(super) schema: u32,
    /// What was to be done.
    pub(super) plan: TrialPlan,
    /// What each build cost, in the order of the plan; those that are not built yet are left out.
    pub(super) builds: Vec<VariantFacts>,
    /// For each build of the plan, the one whose code it shares: itself where it shares none.
    pub(super) same_code_as: Vec<usize>,
    /// The figure that decides.
    pub(super) metric: Metric,
    /// Every build beside the baseline, a workload each.
    pub(super) workloads: Vec<WorkloadReport>,
    /// What each treatment does, over all builds; then pairs of them.
    pub(super) effects: Vec<TreatmentEffects>,
    /// Combinations that would tell which of two mixed pairs does something.
    pub(super) unresolved: Vec<String>,
    /// Bundles of flags that were taken apart.
    pub(super) searches: Vec<Search>,
    /// A decision for each build.
    pub(super) decisions: Vec<Recommendation>,
    /// What is to be kept of them: the surest gain.
    pub(super) keep: Option<String>,
    /// Whether everything that was to be measured was.
    pub(super) is_complete: bool,
    /// What a reader must know.
    pub(super) notes: Vec<String>,
}

/// One workload.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WorkloadReport {
    pub(super) name: String,
    pub(super) rounds: usize,
    /// Difference below which nothing is called different, as a part: what the baseline shows against
    /// itself.
    pub(super) noise: Option<f64>,
    /// A build of the plan each; the baseline is left out.
    pub(super) builds: Vec<BuildRatio>,
}

/// A build beside the baseline.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BuildRatio {
    pub(super) name: String,
    /// The figure through the baseline's; below 1 is better.
    pub(super) ratio: Bounds,
    pub(super) verdict: Verdict,
}

/// A bundle of flags that was taken apart for one workload.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Search {
    /// The treatment.
    pub(super) treatment: String,
    /// What it was added to.
    pub(super) added_to: String,
    /// The workload that it was searched on.
    pub(super) workload: String,
    /// The figure with the bundle through that without it.
    pub(super) ratio: f64,
    /// Flags in the bundle.
    pub(super) flags: usize,
    /// Whether these flags make the same code as the bundle; else its parts explain nothing.
    pub(super) adds_up: bool,
    /// A flag that was found before and is not in the bundle any more: what is left is searched.
    pub(super) besides: Option<String>,
    /// Builds that the search took.
    pub(super) builds: usize,
    /// The flag, when a single one makes most of it.
    pub(super) flag: Option<String>,
    /// Part of the effect that the flag makes.
    pub(super) share: f64,
    /// Part of the effect that is left with all flags but this one, a workload each.
    pub(super) left_without: BTreeMap<String, f64>,
}

/// What is put together into a report.
pub(super) struct Found<'a> {
    pub(super) plan: TrialPlan,
    pub(super) layout: &'a Layout,
    pub(super) builds: Vec<VariantFacts>,
    pub(super) same_code_as: Vec<usize>,
    pub(super) arms: &'a [usize],
    pub(super) campaigns: Option<&'a Campaigns<'a>>,
    pub(super) setup: &'a Setup,
    pub(super) searches: Vec<Search>,
    pub(super) decisions: Vec<Recommendation>,
    pub(super) end: Option<End>,
}

impl Found<'_> {
    pub(super) fn report(self) -> TrialReport {
        let effects = self.effects();
        let unresolved = ironwright_core::trial::effects::unresolved(self.layout, &effects);
        let notes = self.campaigns.map(Campaigns::notes).unwrap_or_default();
        TrialReport {
            schema: TRIAL_SCHEMA,
            metric: self.setup.judged_by,
            workloads: self.workloads(),
            effects,
            unresolved: unresolved
                .into_iter()
                .map(|(pair, run)| told(self.layout, &pair, run))
                .collect(),
            keep: keep(&self.decisions),
            is_complete: self.end == Some(End::Done),
            notes,
            plan: self.plan,
            builds: self.builds,
            same_code_as: self.same_code_as,
            searches: self.searches,
            decisions: self.decisions,
        }
    }

    fn effects(&self) -> Vec<TreatmentEffects> {
        let lanes = self.campaigns.iter().flat_map(|campaigns| &campaigns.lanes);
        let measured: Vec<_> = lanes
            .map(|lane| {
                let session = &lane.session;
                let measured = Measured {
                    rounds: session.rounds(),
                    arms: self.arms,
                    design: session.setup().design(),
                    metric: session.setup().judged_by,
                };
                (lane.workload.name.clone(), measured)
            })
            .collect();
        effects(self.layout, &measured, &self.setup.rules())
    }

    fn workloads(&self) -> Vec<WorkloadReport> {
        let lanes = self.campaigns.iter().flat_map(|campaigns| &campaigns.lanes);
        lanes.map(|lane| self.workload(&lane.workload.name, &lane.session.bench())).collect()
    }

    fn workload(&self, name: &str, bench: &Bench) -> WorkloadReport {
        let metric = bench.setup.judged_by;
        let ratio = |at: usize| {
            let name = self.layout.variants.get(at)?.label();
            let arm = *self.arms.get(at)?;
            if arm == 0 {
                let ratio = Bounds { estimate: 1.0, low: Some(1.0), high: Some(1.0) };
                return Some(BuildRatio { name, ratio, verdict: Verdict::Same });
            }
            let outcome = bench.results.get(arm)?;
            let ratio = outcome.by(metric).map(|c: &Comparison| c.ratio)?;
            Some(BuildRatio { name, ratio, verdict: outcome.verdict? })
        };
        WorkloadReport {
            name: name.to_owned(),
            rounds: bench.rounds.len(),
            noise: bench.floor.as_ref().and_then(|floor| floor.difference),
            builds: (1..self.layout.variants.len()).filter_map(ratio).collect(),
        }
    }
}

fn told(layout: &Layout, pair: &str, run: u32) -> String {
    let build = layout.settings(run);
    format!("{pair} may be another pair's doing: --treatment {build} would tell")
}

/// The surest gain of what may be kept.
fn keep(decisions: &[Recommendation]) -> Option<String> {
    let kept = decisions.iter().filter(|decision| decision.action == Action::Keep);
    let first = surest_first(kept.cloned().collect()).into_iter().next();
    first.map(|decision| decision.change.to_string())
}
