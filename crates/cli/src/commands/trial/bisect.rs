//! Takes a bundle of flags apart on the workloads that it changed, until the single flag is named.
//!
//! Where a package says in which objects a workload spends its time, only these are compiled anew
//! for each step. Does not know what flags do; the core decides where to look next.

use std::collections::BTreeMap;
use std::time::Instant;

use ironwright_core::evidence::compare::{Comparison, Floor, Verdict, judge};
use ironwright_core::evidence::report::Setup;
use ironwright_core::evidence::robust::location;
use ironwright_core::evidence::sample::log_ratios;
use ironwright_core::trial::bisect::{Bisection, Probe};
use ironwright_core::trial::bundle::Bundle;
use ironwright_core::trial::effects::Measured;
use ironwright_core::trial::layout::Pair;
use ironwright_core::trial::package::Workload;
use ironwright_core::trial::{Layout, Variant};
use ironwright_host::measure::Measurer;
use ironwright_host::trial::compiler;
use ironwright_host::trial::store::Kept;

use super::builder::{Builder, Built, Partial};
use super::campaign::{Amount, Arm, Campaigns, End};
use super::report::Search;
use super::resolve::Resolved;
use crate::error::CliError;
use crate::ui;

/// Knob that stands for a bundle.
const MARCH: &str = "c-march";
/// Part of the time that a bundle must move a workload by before it is taken apart.
const NOTABLE: f64 = 0.04;
/// Rounds of a step: what is looked for is large.
const ROUNDS: usize = 20;
/// Rounds below which a step says nothing.
const LEAST_ROUNDS: usize = 7;
/// Part of an effect that may be left for a flag to be its cause.
const LEFT: f64 = 0.5;
/// Part of an effect that must be left for another flag to be looked for.
const REST: f64 = 0.2;

/// Treatments that are bundles, with what they stand for.
pub(super) struct Bundles(Vec<(usize, String, Bundle)>);

impl Bundles {
    /// Asks the compiler what targets stand for. Levels of the psABI are what others rest on.
    pub(super) fn find(builder: &Builder<'_>, layout: &Layout, none: bool) -> Self {
        if none || !builder.package.language.is_c() {
            return Self(Vec::new());
        }
        let bundle = |(at, treatment): (usize, &ironwright_core::trial::Treatment)| {
            let march = treatment.knobs.get(MARCH).filter(|_| treatment.knobs.len() == 1)?;
            if march.starts_with("x86-64") {
                return None;
            }
            let bundle = compiler::bundle(&builder.tools.cc, march);
            (!bundle.is_empty()).then(|| (at, march.clone(), bundle))
        };
        Self(layout.treatments.iter().enumerate().filter_map(bundle).collect())
    }

    /// Whether nothing is to be taken apart.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the objects of a build are needed later.
    pub(super) fn wants_tree(&self, resolved: &Resolved, variant: &Variant) -> bool {
        let march = variant.knobs.get(MARCH);
        let is_bundle = self.0.iter().any(|(_, own, _)| Some(own) == march);
        is_bundle && resolved.workloads.iter().any(|workload| !workload.hot.is_empty())
    }
}

/// What a search starts from.
pub(super) struct Situation<'a> {
    pub(super) builder: &'a Builder<'a>,
    pub(super) layout: &'a Layout,
    pub(super) kept: &'a [Kept],
    pub(super) arms: &'a [usize],
    pub(super) campaigns: &'a Campaigns<'a>,
    pub(super) setup: &'a Setup,
    pub(super) amount: &'a Amount,
    pub(super) no_bisect: bool,
}

/// What came of all searches.
#[derive(Default)]
pub(super) struct Searched {
    pub(super) searches: Vec<Search>,
    /// Why they ended early.
    pub(super) end: Option<End>,
}

/// A workload that a bundle changed.
#[derive(Clone)]
struct Target {
    workload: Workload,
    pair: Pair,
    /// Logarithm of the figure with the bundle through that without.
    log: f64,
}

/// Part of an effect that is left, a workload each.
type Left = BTreeMap<String, f64>;

/// What one step can come to.
enum Step<T> {
    Done(T),
    Ended(End),
}

/// Takes every bundle apart that changed something.
pub(super) fn search(
    situation: &Situation<'_>,
    measurer: &mut Measurer,
) -> Result<Searched, CliError> {
    let bundles = Bundles::find(situation.builder, situation.layout, situation.no_bisect);
    let mut found = Searched::default();
    for (treatment, _, bundle) in &bundles.0 {
        let targets = targets(situation, *treatment);
        let mut explained: Vec<String> = Vec::new();
        for target in &targets {
            if explained.contains(&target.workload.name) {
                continue;
            }
            let mut dissection = Dissection::of(situation, bundle, target, &targets);
            loop {
                let (search, cause) = match dissection.run(measurer)? {
                    Step::Done(done) => done,
                    Step::Ended(end) => {
                        found.end = Some(end);
                        return Ok(found);
                    }
                };
                let left = search.left_without.iter().filter(|(_, left)| **left < LEFT);
                explained.extend(left.map(|(workload, _)| workload.clone()));
                let rest = cause.and_then(|cause| dissection.rest(&search, cause));
                found.searches.push(search);
                match rest {
                    Some(rest) => dissection = rest,
                    None => break,
                }
            }
        }
    }
    Ok(found)
}

/// Workloads that a bundle changed clearly and notably: the worst harm first, gains last.
fn targets(situation: &Situation<'_>, treatment: usize) -> Vec<Target> {
    let pairs = situation.layout.pairs(treatment);
    let mut found = Vec::new();
    for lane in &situation.campaigns.lanes {
        let setup = lane.session.setup();
        let measured = Measured {
            rounds: lane.session.rounds(),
            arms: situation.arms,
            design: setup.design(),
            metric: setup.judged_by,
        };
        let clear = pairs.iter().filter_map(|pair| clear(&measured, setup, *pair, pairs.len()));
        let worst = clear.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        found.extend(worst.map(|(pair, log)| Target {
            workload: lane.workload.clone(),
            pair,
            log,
        }));
    }
    found.sort_by(|a, b| b.log.total_cmp(&a.log));
    found
}

fn clear(measured: &Measured<'_>, setup: &Setup, pair: Pair, among: usize) -> Option<(Pair, f64)> {
    let logs = measured.series(&[(pair.with, 1.0), (pair.without, -1.0)]);
    let rules = setup.rules();
    let comparison =
        Comparison::of_logs(&logs, setup.judged_by, setup.level(), rules.seed, &rules)?;
    let floor = Floor::of(measured.rounds, setup.judged_by, measured.design, &rules);
    let (verdict, _) = judge(&comparison, floor.as_ref(), among, &rules);
    let is_clear = matches!(verdict, Verdict::Less | Verdict::More);
    let log = comparison.log_ratio;
    (is_clear && log.abs() > NOTABLE).then_some((pair, log))
}

/// One bundle on one workload.
struct Dissection<'a> {
    situation: &'a Situation<'a>,
    bundle: Bundle,
    target: &'a Target,
    targets: &'a [Target],
    /// A flag that was taken away, with the build without it.
    taken_away: Option<(String, Arm)>,
}

/// A flag that makes most of an effect, by its number, and the build without it.
struct Cause {
    flag: usize,
    without: Arm,
}

impl<'a> Dissection<'a> {
    fn of(
        situation: &'a Situation<'a>,
        bundle: &Bundle,
        target: &'a Target,
        targets: &'a [Target],
    ) -> Self {
        Self { situation, bundle: bundle.clone(), target, targets, taken_away: None }
    }

    /// What is left to be taken apart when one flag is known. Only one more is looked for.
    fn rest(&self, search: &Search, cause: Cause) -> Option<Self> {
        let left = *search.left_without.get(&self.target.workload.name)?;
        let is_notable = left > REST && left < 1.0 && (left * self.target.log).abs() > NOTABLE;
        let is_flag = cause.flag >= self.bundle.levels();
        (is_notable && is_flag && self.taken_away.is_none()).then(|| Self {
            bundle: self.bundle.less(cause.flag),
            taken_away: Some((self.bundle.name(cause.flag), cause.without)),
            ..*self
        })
    }

    fn run(&self, measurer: &mut Measurer) -> Result<Step<(Search, Option<Cause>)>, CliError> {
        let target = self.target;
        ui::note(&format!(
            "ironwright: taking {} flags apart on {}\n",
            self.bundle.len(),
            target.workload.name
        ));
        let ends = match self.ends()? {
            Step::Done(ends) => ends,
            Step::Ended(end) => return Ok(Step::Ended(end)),
        };
        match self.adds_up(&ends.1)? {
            Step::Done(true) => {}
            Step::Done(false) => return Ok(Step::Done((self.unexplained(), None))),
            Step::Ended(end) => return Ok(Step::Ended(end)),
        }
        let mut bisection = Bisection::new(self.bundle.len());
        let mut known: BTreeMap<String, (f64, f64)> =
            BTreeMap::from([(ends.0.code.clone(), (0.0, 0.0)), (ends.1.code.clone(), (1.0, 0.0))]);
        while let Some(flags) = bisection.next() {
            let label = format!("the first {flags} of {}", self.bundle.len());
            let arm = match self.arm(self.bundle.first(flags), &target.workload.hot, label)? {
                Step::Done(arm) => arm,
                Step::Ended(end) => return Ok(Step::Ended(end)),
            };
            let place = match known.get(&arm.code) {
                Some(place) => *place,
                None => match self.place(&ends, &arm, &target.workload, measurer)? {
                    Step::Done(place) => place,
                    Step::Ended(end) => return Ok(Step::Ended(end)),
                },
            };
            known.insert(arm.code, place);
            ui::note(&format!("ironwright: {flags} flags: {:.0} % of it\n", place.0 * 100.0));
            bisection.observe(Probe { flags, share: place.0, error: place.1 });
        }
        self.conclude(&bisection, measurer)
    }

    /// Whether all steps together make the code of the bundle: else its parts explain nothing.
    fn adds_up(&self, with: &Arm) -> Result<Step<bool>, CliError> {
        let label = "all of its flags".to_owned();
        Ok(match self.arm(self.bundle.all(), &self.target.workload.hot, label)? {
            Step::Done(arm) => Step::Done(arm.code == with.code),
            Step::Ended(end) => Step::Ended(end),
        })
    }

    /// What is told of a bundle whose parts do not make the whole.
    fn unexplained(&self) -> Search {
        let variants = &self.situation.layout.variants;
        let name = |at: usize| variants.get(at).map(Variant::label).unwrap_or_default();
        Search {
            treatment: name(self.target.pair.with),
            added_to: name(self.target.pair.without),
            workload: self.target.workload.name.clone(),
            ratio: self.target.log.exp(),
            flags: self.bundle.len(),
            adds_up: false,
            builds: 0,
            besides: self.taken_away.as_ref().map(|(flag, _)| flag.clone()),
            flag: None,
            share: 0.0,
            left_without: BTreeMap::new(),
        }
    }

    fn conclude(
        &self,
        bisection: &Bisection,
        measurer: &mut Measurer,
    ) -> Result<Step<(Search, Option<Cause>)>, CliError> {
        let found = bisection.found();
        let mut search = Search {
            adds_up: true,
            builds: bisection.probes().len(),
            share: found.map_or(0.0, |found| found.share),
            ..self.unexplained()
        };
        let Some(found) = found.filter(|found| found.decisive) else {
            return Ok(Step::Done((search, None)));
        };
        search.flag = Some(self.bundle.name(found.flag));
        Ok(match self.left_without(found.flag, measurer)? {
            Step::Done((left, without)) => {
                search.left_without = left;
                Step::Done((search, Some(Cause { flag: found.flag, without })))
            }
            Step::Ended(end) => Step::Ended(end),
        })
    }

    /// The builds without and with the bundle, by which others are placed.
    fn ends(&self) -> Result<Step<(Arm, Arm)>, CliError> {
        let with = match &self.taken_away {
            Some((_, without)) => without.clone(),
            None => self.whole(self.target.pair.with),
        };
        if self.target.workload.hot.is_empty() {
            return Ok(Step::Done((self.whole(self.target.pair.without), with)));
        }
        let label = "without the bundle".to_owned();
        Ok(match self.arm(Vec::new(), &self.target.workload.hot, label)? {
            Step::Done(without) => Step::Done((without, with)),
            Step::Ended(end) => Step::Ended(end),
        })
    }

    fn whole(&self, variant: usize) -> Arm {
        let label = self.situation.layout.variants.get(variant).map(Variant::label);
        let kept = self.situation.kept.get(variant);
        Arm {
            label: label.unwrap_or_default(),
            out: kept.map(|kept| kept.out.clone()).unwrap_or_default(),
            code: kept.map(|kept| kept.facts.code.clone()).unwrap_or_default(),
        }
    }

    /// A build with some flags: of the hot objects alone where the rest is there.
    fn arm(
        &self,
        flags: Vec<String>,
        hot: &[String],
        label: String,
    ) -> Result<Step<Arm>, CliError> {
        let pair = self.target.pair;
        let without = self.situation.layout.variants.get(pair.without);
        let knobs = without.map(|variant| variant.knobs.clone()).unwrap_or_default();
        let variant = Variant { knobs, flags };
        let with = self.situation.kept.get(pair.with);
        let tree = with.and_then(|with| Some((with.tree.as_deref()?, with.facts.key.as_str())));
        let partial = tree.filter(|_| !hot.is_empty()).map(|(tree, of)| Partial { tree, of, hot });
        // A build that is not measured in this call would only delay its end.
        if Instant::now() >= self.situation.amount.deadline {
            return Ok(Step::Ended(End::Time));
        }
        Ok(match self.situation.builder.build(&variant, partial.as_ref(), false)? {
            Built::Kept(kept) => Step::Done(Arm { label, out: kept.out, code: kept.facts.code }),
            Built::Interrupted => Step::Ended(End::Interrupted),
        })
    }

    /// Where a build lies between the ends, with its error.
    fn place(
        &self,
        ends: &(Arm, Arm),
        arm: &Arm,
        workload: &Workload,
        measurer: &mut Measurer,
    ) -> Result<Step<(f64, f64)>, CliError> {
        let arms = vec![ends.0.clone(), ends.1.clone(), arm.clone()];
        let one = std::slice::from_ref(workload);
        let found = match self.measured(arms, one, measurer)? {
            Step::Done(found) => found,
            Step::Ended(end) => return Ok(Step::Ended(end)),
        };
        Ok(found.first().map_or(Step::Ended(End::Time), |place| Step::Done(*place)))
    }

    /// The places of the third of three builds between the first two, a workload each.
    fn measured(
        &self,
        arms: Vec<Arm>,
        workloads: &[Workload],
        measurer: &mut Measurer,
    ) -> Result<Step<Vec<(f64, f64)>>, CliError> {
        let Situation { builder, setup, amount, .. } = self.situation;
        let amount = Amount { most_rounds: ROUNDS, ..**amount };
        let name = &builder.package.name;
        let mut campaigns =
            Campaigns::resume(builder.store, name, arms, workloads, (setup, &amount));
        match campaigns.measure(measurer, &amount)? {
            End::Interrupted => return Ok(Step::Ended(End::Interrupted)),
            End::Done | End::Time => {}
        }
        let mut places = Vec::new();
        for lane in &campaigns.lanes {
            let rounds = lane.session.rounds();
            if rounds.len() < LEAST_ROUNDS {
                return Ok(Step::Ended(End::Time));
            }
            let whole = location(&log_ratios(rounds, amount.metric, 1, 0)).centre;
            let part = location(&log_ratios(rounds, amount.metric, 2, 0));
            let scale = if whole.abs() > 1e-9 { whole } else { 1e-9 };
            places.push((part.centre / scale, part.standard_error / scale.abs()));
        }
        Ok(Step::Done(places))
    }

    /// How much of each workload's change is left with all flags but one, and the build with these.
    fn left_without(
        &self,
        flag: usize,
        measurer: &mut Measurer,
    ) -> Result<Step<(Left, Arm)>, CliError> {
        let same = |target: &&Target| target.pair == self.target.pair;
        let affected: Vec<&Target> = self.targets.iter().filter(same).collect();
        let is_whole = self.target.workload.hot.is_empty();
        let looked_at: Vec<Workload> = affected
            .iter()
            .filter(|target| is_whole || !target.workload.hot.is_empty())
            .map(|target| target.workload.clone())
            .collect();
        let mut hot: Vec<String> = looked_at.iter().flat_map(|w| w.hot.clone()).collect();
        hot.sort_unstable();
        hot.dedup();
        let hot = if is_whole { Vec::new() } else { hot };
        let label = format!("all but {}", self.bundle.name(flag));
        let arm = match self.arm(self.bundle.less(flag).all(), &hot, label)? {
            Step::Done(arm) => arm,
            Step::Ended(end) => return Ok(Step::Ended(end)),
        };
        let (without, with) = (self.target.pair.without, self.target.pair.with);
        let arms = vec![self.whole(without), self.whole(with), arm.clone()];
        Ok(match self.measured(arms, &looked_at, measurer)? {
            Step::Done(places) => {
                let names = looked_at.into_iter().map(|workload| workload.name);
                let shares = places.into_iter().map(|(share, _)| share);
                Step::Done((names.zip(shares).collect(), arm))
            }
            Step::Ended(end) => Step::Ended(end),
        })
    }
}
