//! Carries a plan out: walks the derivations from the leaves, and lets each ask the governor.
//!
//! Runs in a process of its own below the one that a user started, which watches all of it. Does not
//! decide who starts when.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use ironwright_core::nix::protocol::built;
use ironwright_core::nix::walk::{State, Walk};
use ironwright_core::plan::Tier;
use ironwright_core::units::Bytes;
use ironwright_wire::variable;

use super::admission::Permits;
use super::attempt::{Settled, Shared, Told, build};
use super::plan::{NixPlan, Planned};
use super::report::{self, Line};
use super::results::{DerivationResult, Outcome, Results};

/// Derivations that ask at a time: more would only wait.
const MOST_ASKING: usize = 64;
/// Time between two states that are told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What a derivation does now.
#[derive(Debug, Default)]
struct Doing {
    phase: Option<String>,
}

struct Realiser<'a> {
    plan: &'a NixPlan,
    /// The derivations, and the fetching behind them if there is any.
    jobs: Vec<Planned>,
    walk: Walk,
    shared: Arc<Shared>,
    doing: BTreeMap<usize, Doing>,
    results: Vec<Option<DerivationResult>>,
    outputs: Vec<(String, String, String)>,
    /// Paths that no substituter gave.
    unfetched: Vec<String>,
    /// Where the state is told.
    status: &'a Path,
    told: Option<Instant>,
    failed: bool,
}

/// Carries a plan out. `scratch` is for the folders of builds, `status` for one line of how it goes.
pub(crate) fn realise(plan: &NixPlan, scratch: &Path, status: &Path) -> Results {
    let mut jobs = plan.build.clone();
    let fetches = !plan.fetch.paths.is_empty();
    if fetches {
        jobs.push(fetching());
    }
    let fetch = jobs.len() - 1;
    let needs: Vec<Vec<usize>> = jobs
        .iter()
        .map(|job| {
            let also = (fetches && job.after_fetch).then_some(fetch);
            job.after.iter().copied().chain(also).collect()
        })
        .collect();
    let seconds: Vec<f64> = jobs.iter().map(|job| job.seconds.0).collect();
    let mut realiser = Realiser {
        plan,
        walk: Walk::new(&needs, &seconds),
        results: vec![None; jobs.len()],
        jobs,
        shared: Arc::new(shared(plan, scratch)),
        doing: BTreeMap::new(),
        outputs: Vec::new(),
        unfetched: Vec::new(),
        status,
        told: None,
        failed: false,
    };
    realiser.run();
    realiser.finish(fetches)
}

fn shared(plan: &NixPlan, scratch: &Path) -> Shared {
    let text = |name: &str| std::env::var(name).ok();
    Shared {
        nix: plan.command(),
        settings: plan.settings.clone(),
        keep_failed: plan.keep_failed,
        print_logs: plan.print_logs,
        govern: plan.govern,
        threads: plan.threads,
        cores: plan.cores,
        scratch: (!plan.keep_failed).then(|| scratch.to_owned()),
        run: text(variable::RUN).and_then(|run| run.parse().ok()),
        job: text(variable::JOB),
        permits: Permits::new(plan.threads),
        cancelled: AtomicBool::new(false),
        fallback: plan.fallback,
        idle: Mutex::new(Vec::new()),
        passes_on: OnceLock::new(),
    }
}

/// Everything that substituters have, as one job: Nix fetches many files at a time itself.
fn fetching() -> Planned {
    Planned {
        path: String::new(),
        name: "fetch".to_owned(),
        digest: "substitutes".to_owned(),
        outputs: Vec::new(),
        after: Vec::new(),
        after_fetch: false,
        tier: Tier::Light,
        cores: 1,
        parallel: false,
        timeout_seconds: None,
        silence_seconds: None,
        peak: (Bytes::mib(200), Bytes::mib(600)),
        seconds: (10.0, 600.0),
        threads: 0.3,
        because: "downloads".to_owned(),
    }
}

impl Realiser<'_> {
    fn run(&mut self) {
        let (tell, hear) = channel();
        loop {
            if !self.failed || self.plan.keep_going {
                self.ask(&tell);
            } else {
                self.shared.cancelled.store(true, Ordering::Relaxed);
            }
            if self.walk.count(|state| state == State::Taken) == 0 {
                return;
            }
            self.hear(&hear);
            self.tell_state();
        }
    }

    /// Lets as many ask as may.
    fn ask(&mut self, tell: &Sender<Told>) {
        let most = MOST_ASKING.min(self.plan.max_jobs.max(1) as usize);
        let asking = self.walk.count(|state| state == State::Taken);
        let ready = self.walk.ready();
        let alone = asking + ready.len() == 1;
        for place in ready.into_iter().take(most.saturating_sub(asking)) {
            let Some(job) = self.jobs.get(place).cloned() else { continue };
            self.walk.take(place);
            let request = match job.path.as_str() {
                "" => self.plan.fetch.paths.clone(),
                path => vec![built(path, &[])],
            };
            let (shared, tell) = (Arc::clone(&self.shared), tell.clone());
            let name = format!("derivation-{place}");
            let work = move || build(&shared, place, &job, &request, alone, &tell);
            if std::thread::Builder::new().name(name).spawn(work).is_err() {
                // As many as this user may have run already; it asks again when one has ended.
                self.walk.put_back(place);
                return;
            }
        }
    }

    fn hear(&mut self, hear: &Receiver<Told>) {
        let Ok(first) = hear.recv_timeout(TELL_EVERY) else { return };
        self.take(first);
        while let Ok(told) = hear.try_recv() {
            self.take(told);
        }
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Started(place, cores) => {
                self.doing.insert(place, Doing::default());
                if let Some(job) = self.jobs.get(place).filter(|job| job.tier != Tier::Light) {
                    report::say(&Line::Begins { job, cores });
                }
            }
            Told::Phase(place, phase) => {
                self.doing.entry(place).or_default().phase = Some(phase);
            }
            Told::Line(place, line) => {
                let name = self.jobs.get(place).map_or("", |job| job.name.as_str());
                report::say(&Line::Printed { name, line: &line });
            }
            Told::Again(place) => {
                self.doing.remove(&place);
                if let Some(job) = self.jobs.get(place) {
                    report::say(&Line::Again { job });
                }
            }
            Told::Ended(place, settled) => self.ended(place, *settled),
        }
    }

    fn ended(&mut self, place: usize, settled: Settled) {
        let Settled { result, outputs, unfetched } = settled;
        self.doing.remove(&place);
        match result.outcome {
            outcome if outcome.is_there() => self.walk.done(place),
            Outcome::NotTried => self.walk.put_back(place),
            _ => {
                self.walk.failed(place);
                // What could not be fetched may be built: it is no failure yet.
                self.failed |= unfetched.is_empty();
            }
        }
        if unfetched.is_empty() {
            report::say(&Line::Ended { result: &result, store: self.plan.store.as_deref() });
        } else {
            let why = result.message.as_deref().unwrap_or_default();
            report::say(&Line::Unfetched { count: unfetched.len(), why });
        }
        self.unfetched.extend(unfetched);
        let path = result.path.clone();
        self.outputs.extend(outputs.into_iter().map(|(name, at)| (path.clone(), name, at)));
        if let Some(slot) = self.results.get_mut(place) {
            *slot = Some(result);
        }
    }

    /// One line of how it goes, for who watches the whole.
    fn tell_state(&mut self) {
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        let done = self.walk.count(|state| state == State::Done);
        let names: Vec<String> = self
            .doing
            .iter()
            .filter_map(|(place, doing)| {
                let job = self.jobs.get(*place)?;
                let phase = doing.phase.as_deref().map(|phase| format!(" ({phase})"));
                Some(format!("{}{}", job.name, phase.unwrap_or_default()))
            })
            .collect();
        let line = format!("{done} of {}: {}", self.jobs.len(), names.join(", "));
        // Nothing but a moment's view is lost when that fails.
        let _ = std::fs::write(self.status, line);
    }

    fn finish(mut self, fetches: bool) -> Results {
        let (outputs, unfetched) = (self.outputs, self.unfetched);
        let mut results = Results { unfetched, outputs, ..Results::default() };
        if fetches {
            match self.results.pop().flatten() {
                Some(last) if last.message.is_some() => {
                    results.fetch_failure = last.message;
                }
                Some(_) => results.fetched = self.plan.fetch.paths.len(),
                None => {}
            }
        }
        let own = self.results.into_iter().zip(&self.jobs).enumerate();
        results.derivations = own
            .map(|(place, (result, job))| {
                result.unwrap_or_else(|| not_built(job, self.walk.state(place)))
            })
            .collect();
        results
    }
}

fn not_built(job: &Planned, state: Option<State>) -> DerivationResult {
    let outcome = match state {
        Some(State::Blocked(_)) => Outcome::Blocked,
        _ => Outcome::NotTried,
    };
    DerivationResult {
        path: job.path.clone(),
        name: job.name.clone(),
        outcome,
        seconds: 0.0,
        cores: job.cores,
        attempts: 0,
        reserved: job.peak.0,
        message: None,
        last_lines: Vec::new(),
        kept: None,
    }
}
