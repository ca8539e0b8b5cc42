//! A trial from its plan to its report: build, measure, take bundles apart, record, decide.
//!
//! Does not know statistics or build systems.

use std::time::{Duration, Instant, SystemTime};

use ironwright_core::decide::Recommendation;
use ironwright_core::evidence::report::Setup;
use ironwright_core::trial::{Layout, Variant, VariantFacts};
use ironwright_core::units::Bytes;
use ironwright_host::measure::{Counting, Measurer, last_usable};
use ironwright_host::trial::store::Kept;
use ironwright_host::trial::{Store, source};

use super::TrialArgs;
use super::bisect::{self, Bundles};
use super::builder::{Builder, Built, tell_interrupted};
use super::campaign::{Amount, Arm, Campaigns, End};
use super::plan::{TrialPlan, plan};
use super::record::{Pairing, record_rounds};
use super::repeats;
use super::report::{Found, TrialReport};
use super::resolve::{Resolved, resolve};
use super::show;
use super::tools::Tools;
use crate::args::HostArgs;
use crate::clock::unix_ns;
use crate::context::{Context, Directories};
use crate::decisions::Known;
use crate::error::CliError;
use crate::governance;
use crate::recording::{history_path, open_history};
use crate::ui;

/// Exit code of a trial that a user ended.
const INTERRUPTED: u8 = 130;
/// How long a build is kept that no trial takes.
const KEPT: Duration = Duration::from_hours(24 * 30);
/// Part of the time for measuring all builds, where a bundle may have to be taken apart.
const FIRST_PART: f64 = 0.6;
/// Rounds that make evidence; fewer wait for the next call.
const LEAST_EVIDENCE: usize = 7;

pub(super) fn run(args: &TrialArgs, host: &HostArgs) -> Result<u8, CliError> {
    let resolved = resolve(args)?;
    let context = Context::load(host)?;
    let store = store()?;
    let layout = Layout::of(&resolved.treatments);
    let builder = builder(args, &resolved, &context, &store)?;
    forget(args, &store, &resolved)?;
    if !args.dry_run {
        prune(&store);
    }
    let plan = plan(args, &resolved, &layout, &builder, &past());
    if args.dry_run {
        if args.json {
            ui::print_json(&plan)?;
        } else {
            ui::print(&plan.text())?;
        }
        return Ok(0);
    }
    ui::note(&plan.text());
    context.tell_fallbacks();
    let trial = Trial { args, resolved: &resolved, builder: &builder, layout: &layout, plan };
    // From here on a signal is heeded, whatever goes on.
    let mut measurer = Measurer::new(governance::small_launcher())?;
    let Some(kept) = trial.build(&measurer)? else {
        tell_interrupted();
        return Ok(INTERRUPTED);
    };
    let (report, end) = trial.measure(&kept, &mut measurer)?;
    if args.json {
        ui::print_json(&report)?;
    } else {
        ui::print(&show::text(&report))?;
    }
    if end == Some(End::Interrupted) {
        tell_interrupted();
        return Ok(INTERRUPTED);
    }
    Ok(0)
}

/// The time after so long; what is beyond the clock's end never comes.
fn after(time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_hours(24 * 365 * 100);
    let now = Instant::now();
    now.checked_add(time.min(CENTURY)).unwrap_or(now)
}

fn store() -> Result<Store, CliError> {
    let both = Directories::cache().zip(Directories::state());
    let (cache, state) = both.ok_or_else(|| {
        CliError::usage("there is no place for builds and rounds", "set HOME or XDG_CACHE_HOME")
    })?;
    // Commands are texts in which the folder stands as it is.
    let is_plain = |c: char| c.is_alphanumeric() || "/-_.+,:@%=".contains(c);
    if !cache.to_string_lossy().chars().all(is_plain) {
        return Err(CliError::usage(
            format!("builds cannot be kept in {}: commands name the folder", cache.display()),
            "set XDG_CACHE_HOME to a folder without spaces and quotes in its name",
        ));
    }
    Ok(Store::at(&cache, &state))
}

/// Removes builds that no trial took for long.
fn prune(store: &Store) {
    let Some(since) = SystemTime::now().checked_sub(KEPT) else { return };
    let freed = store.prune(since);
    if freed > Bytes::ZERO {
        ui::remark(&format!("{freed} of builds that no trial took for a month were removed"));
    }
}

fn forget(args: &TrialArgs, store: &Store, resolved: &Resolved) -> Result<(), CliError> {
    if !args.dry_run && (args.how.again || args.how.rebuild) {
        // Nobody else may be building there.
        let _held = store.workshop(&resolved.package.name)?;
        store.forget(&resolved.package.name, args.how.rebuild)?;
    }
    Ok(())
}

fn builder<'a>(
    args: &'a TrialArgs,
    resolved: &'a Resolved,
    context: &'a Context,
    store: &'a Store,
) -> Result<Builder<'a>, CliError> {
    let package = &resolved.package;
    let online = !args.how.offline;
    let located = source::locate(&resolved.source, &resolved.folder, &resolved.base, online)?;
    Ok(Builder {
        package,
        context,
        store,
        source: located,
        base: args.against.as_ref().map(|against| against.knobs.clone()).unwrap_or_default(),
        how: &args.how,
        tools: Tools::find(&context.profile(None), package.language),
        json: args.json,
    })
}

/// Builds of variants that the history knows.
fn past() -> Vec<VariantFacts> {
    let path = history_path().filter(|path| path.exists());
    let known = path.and_then(|path| open_history(&path).ok()?.variants().ok());
    known.unwrap_or_default()
}

/// A trial under way.
struct Trial<'a> {
    args: &'a TrialArgs,
    resolved: &'a Resolved,
    builder: &'a Builder<'a>,
    layout: &'a Layout,
    plan: TrialPlan,
}

/// Builds that are the same code are measured as one.
struct Arms {
    /// The builds that are measured.
    measured: Vec<Arm>,
    /// The arm of each build of the layout.
    of: Vec<usize>,
    /// The first build with the same code.
    same_code_as: Vec<usize>,
}

impl Trial<'_> {
    /// Makes all builds; nothing when a user ended it.
    fn build(&self, measurer: &Measurer) -> Result<Option<Vec<Kept>>, CliError> {
        let bundles = Bundles::find(self.builder, self.layout, self.args.how.no_bisect);
        let mut kept = Vec::new();
        let total = self.layout.variants.len();
        for (at, variant) in self.layout.variants.iter().enumerate() {
            let keeps_tree = bundles.wants_tree(self.resolved, variant);
            if self.builder.cached(variant).is_none_or(|old| keeps_tree && old.tree.is_none()) {
                ui::note(&format!(
                    "ironwright: build {} of {total}: {}\n",
                    at + 1,
                    variant.label()
                ));
            }
            match self.builder.build(variant, None, keeps_tree)? {
                Built::Kept(build) if measurer.interrupted().is_none() => kept.push(*build),
                Built::Kept(_) | Built::Interrupted => return Ok(None),
            }
        }
        let (variants, wanted) = (&self.layout.variants, self.args.how.build_rounds);
        let all = repeats::repeat(self.builder, variants, wanted, &past(), measurer)?;
        Ok(all.then_some(kept))
    }

    fn measure(
        &self,
        kept: &[Kept],
        measurer: &mut Measurer,
    ) -> Result<(TrialReport, Option<End>), CliError> {
        let arms = self.arms(kept);
        let amount = self.amount();
        let setup = self.setup(measurer);
        let found = self.unmeasured(kept, &arms, &setup);
        if self.args.how.build_only {
            return Ok((found.report(), None));
        }
        let mut campaigns = Campaigns::resume(
            self.builder.store,
            &self.resolved.package.name,
            arms.measured.clone(),
            &self.resolved.workloads,
            (&setup, &amount),
        );
        let mut end = campaigns.measure(measurer, &self.first_part(&amount))?;
        self.record(&mut campaigns, &arms);
        let mut searches = Vec::new();
        if end != End::Interrupted {
            let situation = bisect::Situation {
                builder: self.builder,
                layout: self.layout,
                kept,
                arms: &arms.of,
                campaigns: &campaigns,
                setup: &setup,
                amount: &amount,
                no_bisect: self.args.how.no_bisect,
            };
            let found = bisect::search(&situation, measurer)?;
            searches = found.searches;
            end = found.end.unwrap_or(end);
        }
        let decisions = self.decisions()?;
        let campaigns = Some(&campaigns);
        let found = Found { campaigns, searches, decisions, end: Some(end), ..found };
        Ok((found.report(), Some(end)))
    }

    /// What is known before anything is measured.
    fn unmeasured<'b>(&'b self, kept: &[Kept], arms: &'b Arms, setup: &'b Setup) -> Found<'b> {
        let past = past();
        Found {
            plan: self.plan.clone(),
            layout: self.layout,
            builds: kept.iter().map(|build| build.facts.clone().usual(&past)).collect(),
            same_code_as: arms.same_code_as.clone(),
            arms: &arms.of,
            campaigns: None,
            setup,
            searches: Vec::new(),
            decisions: Vec::new(),
            end: None,
        }
    }

    fn arms(&self, kept: &[Kept]) -> Arms {
        let mut found = Arms { measured: Vec::new(), of: Vec::new(), same_code_as: Vec::new() };
        for (at, (variant, build)) in self.layout.variants.iter().zip(kept).enumerate() {
            let code = &build.facts.code;
            let first = kept.iter().position(|other| other.facts.code == *code).unwrap_or(at);
            found.same_code_as.push(first);
            let known = found.measured.iter().position(|arm| arm.code == *code);
            found.of.push(known.unwrap_or(found.measured.len()));
            if known.is_none() {
                let label = variant.label();
                found.measured.push(Arm { label, out: build.out.clone(), code: code.clone() });
            }
        }
        found
    }

    fn amount(&self) -> Amount {
        Amount {
            metric: self.args.amount.metric,
            precision: self.args.amount.precision,
            most_rounds: self.args.amount.rounds as usize,
            deadline: after(self.args.amount.time),
        }
    }

    /// Measuring leaves time to take bundles apart.
    fn first_part(&self, amount: &Amount) -> Amount {
        let bundles = Bundles::find(self.builder, self.layout, self.args.how.no_bisect);
        let whole = self.args.amount.time;
        let part = if bundles.is_empty() { whole } else { whole.mul_f64(FIRST_PART) };
        let rest = whole.saturating_sub(part);
        let deadline = amount.deadline.checked_sub(rest).unwrap_or(amount.deadline);
        Amount { deadline, ..*amount }
    }

    fn setup(&self, measurer: &Measurer) -> Setup {
        let facts = &self.builder.context.facts;
        let missing = match measurer.counting() {
            Counting::Instructions => Vec::new(),
            Counting::No(why) => vec![format!("instructions: {why}")],
        };
        Setup {
            started_unix_ns: unix_ns(),
            host: facts.hostname.as_ref().map(|name| name.value.clone()),
            microarchitecture: facts.cpu.microarchitecture.as_ref().map(|name| name.value.clone()),
            subject: None,
            commands: Vec::new(),
            control: true,
            judged_by: self.args.amount.metric,
            overhead: None,
            pinned_to: last_usable(),
            not_measured: missing,
            seed: 1,
            alpha: 0.05,
            precision: self.args.amount.precision,
        }
    }

    /// Makes evidence of the rounds that the history has not seen.
    fn record(&self, campaigns: &mut Campaigns<'_>, arms: &Arms) {
        // What is compared with another baseline says nothing of a change to this one.
        if self.args.against.is_some() {
            return;
        }
        for at in 0..campaigns.lanes.len() {
            let Some((rounds, seconds)) = campaigns.take_unrecorded(at, LEAST_EVIDENCE) else {
                continue;
            };
            let Some(lane) = campaigns.lanes.get(at) else { continue };
            let setup = lane.session.setup();
            let names: Vec<String> = self.layout.variants.iter().map(Variant::label).collect();
            let pairing = |(place, name): (usize, &'_ String)| {
                let variant = self.layout.variants.get(place)?;
                Some((place, variant.change(&self.resolved.package.name)?, name.clone()))
            };
            let owned: Vec<_> = names.iter().enumerate().filter_map(pairing).collect();
            let pairings: Vec<Pairing<'_>> = owned
                .iter()
                .filter_map(|(place, change, name)| {
                    let arm = *arms.of.get(*place)?;
                    Some(Pairing {
                        change: change.clone(),
                        workload: &lane.workload.name,
                        name,
                        arm,
                    })
                })
                .collect();
            record_rounds(setup, &rounds, seconds, &pairings);
        }
    }

    /// What is to be done with each build, by all that is known of it.
    fn decisions(&self) -> Result<Vec<Recommendation>, CliError> {
        if self.args.against.is_some() {
            return Ok(Vec::new());
        }
        let preferences = self.args.preferences.preferences()?;
        let known = Known::load(self.builder.context, preferences)?;
        let package = &self.resolved.package.name;
        let changes = self.layout.variants.iter().filter_map(|variant| variant.change(package));
        changes.map(|change| known.recommend(&change)).collect()
    }
}
