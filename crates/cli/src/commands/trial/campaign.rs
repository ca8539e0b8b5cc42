//! Measures builds against each other: every workload a session, a round of each in turn.
//!
//! Rounds are kept as they are made. Does not know what builds differ by, nor what follows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ironwright_core::evidence::output::no_work;
use ironwright_core::evidence::report::{Measured, Setup};
use ironwright_core::evidence::session::Session;
use ironwright_core::evidence::stop::{Budget, Stop};
use ironwright_core::evidence::void::{Void, is_too_short};
use ironwright_core::evidence::{Metric, Round, Sample};
use ironwright_core::inventory::split_words;
use ironwright_core::trial::package::{Workload, fill};
use ironwright_core::units::human_duration;
use ironwright_host::measure::{Job, MeasureError, Measurer, Output, Pinned, Ran, last_usable};
use ironwright_host::tree::hash_of_texts;
use ironwright_host::trial::{Campaign, Store};

use crate::commands::bench::{overhead, padding};
use crate::error::CliError;
use crate::ui;

/// Rounds before which nothing but the time stops: of fewer nothing can be called different.
const LEAST_ROUNDS: usize = 10;
/// Processor time through elapsed time above which a workload has more than one thread.
const ONE_THREAD: f64 = 1.1;
/// Seed of the orders of runs.
const SEED: u64 = 1;
/// Time between two lines of progress.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// A build that takes part.
#[derive(Clone, Debug)]
pub(super) struct Arm {
    /// Name in tables.
    pub(super) label: String,
    /// Folder of what workloads run.
    pub(super) out: PathBuf,
    /// Hash of the code.
    pub(super) code: String,
}

/// What is measured, and how much.
pub(super) struct Amount {
    pub(super) metric: Metric,
    pub(super) precision: f64,
    pub(super) most_rounds: usize,
    /// When measuring ends in any case.
    pub(super) deadline: Instant,
}

/// One workload on all arms.
pub(super) struct Lane {
    pub(super) workload: Workload,
    pub(super) session: Session,
    key: String,
    campaign: Campaign,
    /// Something that a reader must know.
    pub(super) note: Option<String>,
}

/// All workloads on all arms.
pub(super) struct Campaigns<'a> {
    store: &'a Store,
    package: &'a str,
    arms: Vec<Arm>,
    pub(super) lanes: Vec<Lane>,
    overhead: Option<f64>,
}

/// How measuring ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All intervals are narrow enough, or all rounds done.
    Done,
    /// The time is spent.
    Time,
    /// A user ended it.
    Interrupted,
}

impl<'a> Campaigns<'a> {
    /// Takes up what was measured of these before.
    pub(super) fn resume(
        store: &'a Store,
        package: &'a str,
        arms: Vec<Arm>,
        workloads: &[Workload],
        (setup, amount): (&Setup, &Amount),
    ) -> Self {
        let lane = |workload: &Workload| {
            let mut texts = vec![workload.name.as_str(), workload.judge.as_str()];
            texts.extend(arms.iter().map(|arm| arm.code.as_str()));
            let key = hash_of_texts(texts);
            let mut campaign = store.campaign(package, &key);
            // Rounds hold every figure; whether they are enough is asked anew for another.
            if (campaign.judged_by, campaign.precision) != (amount.metric, amount.precision) {
                (campaign.judged_by, campaign.precision) = (amount.metric, amount.precision);
                campaign.stopped = None;
            }
            let session = session(workload, &arms, &campaign, setup, amount);
            Lane { workload: workload.clone(), session, key, campaign, note: None }
        };
        let lanes = workloads.iter().map(lane).collect();
        Self { store, package, arms, lanes, overhead: None }
    }

    /// Measures until everything is narrow, the time is spent or a user wants an end.
    pub(super) fn measure(
        &mut self,
        measurer: &mut Measurer,
        amount: &Amount,
    ) -> Result<End, CliError> {
        if self.lanes.iter().all(|lane| lane.is_done(amount)) {
            return Ok(End::Done);
        }
        let ended = self.sweeps(measurer, amount);
        match ended {
            Err(CliError::Measure(MeasureError::Interrupted(_))) => Ok(End::Interrupted),
            other => other,
        }
    }

    fn sweeps(&mut self, measurer: &mut Measurer, amount: &Amount) -> Result<End, CliError> {
        let empty = Job { argv: vec!["true".to_owned()], ..Job::default() };
        self.overhead = overhead(&empty, measurer)?;
        let mut threads: f64 = 0.0;
        for at in 0..self.lanes.len() {
            if self.lanes.get(at).is_some_and(|lane| !lane.is_done(amount)) {
                threads = threads.max(self.warm_up(at, measurer)?);
            }
        }
        // What has one thread stays on one; several would be held back.
        let _pinned = last_usable().filter(|_| threads < ONE_THREAD).and_then(Pinned::to);
        let (began, mut told) = (Instant::now(), Instant::now());
        loop {
            let is_open =
                |at: &usize| self.lanes.get(*at).is_some_and(|lane| !lane.is_done(amount));
            let open: Vec<usize> = (0..self.lanes.len()).filter(is_open).collect();
            if open.is_empty() {
                return Ok(End::Done);
            }
            for at in open {
                if Instant::now() >= amount.deadline {
                    return Ok(End::Time);
                }
                self.round(at, measurer)?;
            }
            if told.elapsed() >= LINE_EVERY {
                told = Instant::now();
                self.tell(began.elapsed(), amount);
            }
        }
    }

    fn tell(&self, elapsed: Duration, amount: &Amount) {
        let done = self.lanes.iter().filter(|lane| lane.is_done(amount)).count();
        let rounds: usize = self.lanes.iter().map(|lane| lane.session.rounds().len()).sum();
        let left = amount.deadline.saturating_duration_since(Instant::now());
        ui::note(&format!(
            "ironwright: measuring for {}, {rounds} rounds, {done} of {} workloads done, {} left\n",
            human_duration(elapsed),
            self.lanes.len(),
            human_duration(left),
        ));
    }

    /// Runs every arm once and looks at what it prints: the work must be done, and be the same. Gives
    /// the threads that it kept busy.
    fn warm_up(&mut self, at: usize, measurer: &mut Measurer) -> Result<f64, CliError> {
        let Some(lane) = self.lanes.get_mut(at) else { return Ok(0.0) };
        let mut threads: f64 = 0.0;
        let mut first: Option<String> = None;
        for arm in &self.arms {
            let ran = once(&lane.workload, arm, 0, Output::Keep, measurer)?;
            if let Some(line) = no_work(&ran.output) {
                let command = lane.workload.name.clone();
                return Err(Void::NoWork { command, line: line.to_owned() }.into());
            }
            check_length(&lane.workload, &ran, self.overhead)?;
            threads = threads.max(busy(&ran.sample));
            match &first {
                None => first = Some(ran.output),
                Some(first) if *first != ran.output => {
                    lane.note = Some(format!(
                        "{}: {} prints something else than {}: one of them is wrong",
                        lane.workload.name,
                        arm.label,
                        self.arms.first().map_or("", |arm| arm.label.as_str()),
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(threads)
    }

    /// One run of every arm of a workload.
    fn round(&mut self, at: usize, measurer: &mut Measurer) -> Result<(), CliError> {
        let Some(lane) = self.lanes.get_mut(at) else { return Ok(()) };
        let design = lane.session.setup().design();
        let number = lane.session.rounds().len() + 1;
        let order = lane.session.order();
        let mut samples = vec![Sample::default(); order.len()];
        let began = Instant::now();
        for arm in &order {
            let Some(build) = self.arms.get(design.command_of(*arm)) else { continue };
            let size = padding(SEED, number, *arm);
            let ran = once(&lane.workload, build, size, Output::Discard, measurer)?;
            if let Some(sample) = samples.get_mut(*arm) {
                *sample = ran.sample;
            }
        }
        let elapsed = lane.campaign.elapsed + began.elapsed().as_secs_f64();
        let round = Round { order, samples };
        lane.campaign.elapsed = elapsed;
        lane.campaign.rounds.push(round.clone());
        lane.campaign.stopped = lane.session.complete(round, Duration::from_secs_f64(elapsed));
        self.store.keep(self.package, &lane.key, &lane.campaign)?;
        Ok(())
    }

    /// Notes that a reader must know.
    pub(super) fn notes(&self) -> Vec<String> {
        self.lanes.iter().filter_map(|lane| lane.note.clone()).collect()
    }

    /// Rounds that the history has not seen, with the seconds that they took; from now on it has.
    pub(super) fn take_unrecorded(&mut self, at: usize, least: usize) -> Option<(Vec<Round>, f64)> {
        let lane = self.lanes.get_mut(at)?;
        let campaign = &mut lane.campaign;
        let fresh = campaign.rounds.get(campaign.recorded..).unwrap_or_default().to_vec();
        if fresh.len() < least {
            return None;
        }
        let seconds = campaign.elapsed - campaign.recorded_seconds;
        (campaign.recorded, campaign.recorded_seconds) = (campaign.rounds.len(), campaign.elapsed);
        // A history that has rounds twice would be too sure; one that lacks some is only less sure.
        let kept = self.store.keep(self.package, &lane.key, &lane.campaign);
        kept.map_err(|error| ui::warn(&format!("these rounds are not recorded: {error}"))).ok()?;
        Some((fresh, seconds))
    }
}

impl Lane {
    /// Whether nothing more is to be measured of it.
    pub(super) fn is_done(&self, amount: &Amount) -> bool {
        let enough = self.session.rounds().len() >= amount.most_rounds;
        enough || matches!(self.campaign.stopped, Some(Stop::Precise))
    }
}

/// A session with the rounds that there are.
fn session(
    workload: &Workload,
    arms: &[Arm],
    campaign: &Campaign,
    setup: &Setup,
    amount: &Amount,
) -> Session {
    let command = |arm: &Arm| Measured {
        name: arm.label.clone(),
        command: workload.judge.clone(),
        parameters: BTreeMap::new(),
    };
    let setup = Setup {
        commands: arms.iter().map(command).collect(),
        judged_by: amount.metric,
        precision: amount.precision,
        ..setup.clone()
    };
    let budget = Budget {
        least_rounds: LEAST_ROUNDS,
        most_rounds: Some(amount.most_rounds),
        time: Duration::MAX,
        time_is_firm: false,
        precision: Some(amount.precision),
    };
    let total = campaign.rounds.len().max(1) as f64;
    let mut session = Session::new(setup, budget);
    for (at, round) in campaign.rounds.iter().enumerate() {
        let elapsed = campaign.elapsed * (at + 1) as f64 / total;
        session.take_up(round.clone(), Duration::from_secs_f64(elapsed));
    }
    session
}

fn once(
    workload: &Workload,
    arm: &Arm,
    padding: usize,
    output: Output,
    measurer: &mut Measurer,
) -> Result<Ran, CliError> {
    let values = BTreeMap::from([("out", arm.out.to_string_lossy().into_owned())]);
    let argv = split_words(&fill(&workload.judge, &values));
    let environment = vec![("IRONWRIGHT_BENCH_PADDING".to_owned(), "x".repeat(padding))];
    let ran = measurer.run(&Job { argv, input: None, environment }, output)?;
    if ran.sample.exit == 0 {
        return Ok(ran);
    }
    let command = format!("{} ({})", workload.name, arm.label);
    let (exit, output) = (ran.sample.exit, ran.output);
    Err(Void::Failed { command, round: None, exit, output }.into())
}

fn check_length(workload: &Workload, ran: &Ran, overhead: Option<f64>) -> Result<(), Void> {
    let least = Metric::Wall.of(&ran.sample).unwrap_or(0.0);
    let empty = overhead.unwrap_or(0.0);
    if is_too_short(least, empty) {
        return Err(Void::TooShort { command: workload.name.clone(), least, empty });
    }
    Ok(())
}

/// Threads that a run kept busy.
fn busy(sample: &Sample) -> f64 {
    let of = |metric: Metric| metric.of(sample).unwrap_or(0.0);
    of(Metric::Cpu) / of(Metric::Wall).max(1e-9)
}
