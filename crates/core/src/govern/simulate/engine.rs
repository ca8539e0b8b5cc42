//! Runs a workload in model time under a rule.
//!
//! Processors are shared in equal parts by what wants them; a job that sleeps part of its time is
//! slowed only in the rest. Does not know why a rule decides as it does.

use std::time::Duration;

use super::network::Network;
use super::rules::Rule;
use super::workload::{Job, Workload};
use crate::govern::{
    Action, Alarm, Demand, DomainId, DomainSample, End, Event, Forecast, Machine, Moment, Policy,
    UnitId, UnitSample,
};
use crate::units::Bytes;

/// The machine that is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Memory for all jobs; beyond it the kernel kills the largest.
    pub budget: Bytes,
    /// Hardware threads.
    pub threads: f64,
    /// Whether the governor has seen every job before.
    pub seen_before: bool,
    /// What the governor reserves for a job that it never saw.
    pub cold: Bytes,
    /// Time from a grant to the first instruction of the job.
    pub start_delay: Duration,
}

/// How it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Time until the last job ended.
    pub makespan: Duration,
    /// Most memory that was held at any time.
    pub peak: Bytes,
    /// Part of the processors' time in which nothing wanted them.
    pub idle: f64,
    /// Jobs that the governor killed and ran again.
    pub evicted: u32,
    /// Pauses.
    pub paused: u32,
    /// Kills by the kernel.
    pub killed: u32,
    /// Jobs that never ended well.
    pub lost: u32,
    /// When each job ran, in the order of the workload; nothing for one that never did.
    pub spans: Vec<Option<Span>>,
}

/// When a job ran.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// When it could have started: what it waits for had ended.
    pub ready: Duration,
    /// Start of its last attempt.
    pub start: Duration,
    /// Its end.
    pub end: Duration,
}

/// A job that runs.
#[derive(Debug)]
struct Live<'a> {
    index: usize,
    job: &'a Job,
    /// Seconds that it takes alone, and the part of them in which it wants a processor. Looked up once:
    /// both are asked for at every step.
    seconds: f64,
    share: f64,
    progress: f64,
    wanted: f64,
    delay: f64,
    paused: bool,
}

impl Live<'_> {
    const fn runs(&self) -> bool {
        !self.paused && self.delay <= 0.0
    }

    fn memory(&self) -> Bytes {
        self.job.memory_at(self.progress)
    }

    /// Seconds of real time for the whole of it at a slowdown.
    const fn seconds_at(&self, slowdown: f64) -> f64 {
        self.seconds * stretched(self.share, slowdown)
    }

    /// Goes on for some seconds at a slowdown; the processor time that it used.
    fn pass(&mut self, step: f64, slowdown: f64) -> f64 {
        if !self.runs() {
            self.delay = if self.paused { self.delay } else { (self.delay - step).max(0.0) };
            return 0.0;
        }
        let part = step / self.seconds_at(slowdown);
        let used = self.share * self.seconds * part;
        self.progress += part;
        self.wanted += used * slowdown;
        used
    }
}

struct Engine<'a> {
    jobs: &'a [Job],
    setup: &'a Setup,
    rule: Rule,
    machine: Machine,
    now: f64,
    look_at: f64,
    /// By index: few of all jobs run at a time.
    live: Vec<Live<'a>>,
    /// Jobs that wait, for the rules that are not the governor's; the next one last.
    backlog: Vec<usize>,
    network: Network,
    /// For each job, how many others must end before it can start.
    waits: Vec<u32>,
    left: usize,
    busy: f64,
    /// The shares of processors that were last wanted together, and how much that slowed them.
    slowed: (Vec<f64>, f64),
    outcome: Outcome,
}

/// Simulates a workload to its end.
pub fn simulate(workload: &Workload, setup: &Setup, rule: Rule) -> Outcome {
    let mut engine = Engine::new(workload, setup, rule);
    engine.begin();
    while engine.left > 0 && engine.advance() {}
    let time = engine.now.max(1e-9);
    engine.outcome.makespan = Duration::from_secs_f64(engine.now);
    engine.outcome.idle = (1.0 - engine.busy / (time * setup.threads)).clamp(0.0, 1.0);
    engine.outcome
}

impl<'a> Engine<'a> {
    fn new(workload: &'a Workload, setup: &'a Setup, rule: Rule) -> Self {
        let (jobs, network) = (&workload.jobs, Network::of(workload));
        let outcome = Outcome {
            makespan: Duration::ZERO,
            peak: Bytes::ZERO,
            idle: 0.0,
            evicted: 0,
            paused: 0,
            killed: 0,
            lost: 0,
            spans: vec![None; jobs.len()],
        };
        Self {
            jobs,
            setup,
            rule,
            machine: Machine::new(Policy::default()),
            now: 0.0,
            look_at: 0.0,
            live: Vec::new(),
            backlog: Vec::new(),
            waits: network.waits().to_vec(),
            network,
            left: jobs.len(),
            busy: 0.0,
            slowed: (Vec::new(), 1.0),
            outcome,
        }
    }

    fn moment(&self) -> Moment {
        Moment(Duration::from_secs_f64(self.now))
    }

    fn tell(&mut self, event: Event) {
        let actions = self.machine.step(self.moment(), event);
        for action in actions {
            self.act(&action);
        }
    }

    fn begin(&mut self) {
        if self.rule == Rule::Governor {
            let (memory, threads) = (self.setup.budget, self.setup.threads);
            self.tell(Event::Budget { domain: DomainId::default(), memory, threads });
        }
        let free = |index: &usize| self.waits.get(*index) == Some(&0);
        let free: Vec<usize> = (0..self.jobs.len()).filter(free).collect();
        self.ask(&free);
    }

    /// Jobs that can start from now on.
    fn ask(&mut self, ready: &[usize]) {
        let now = self.moment().0;
        for index in ready {
            if let Some(span) = self.outcome.spans.get_mut(*index) {
                *span = Some(Span { ready: now, start: now, end: now });
            }
        }
        if self.rule != Rule::Governor {
            self.backlog.splice(0..0, ready.iter().rev().copied());
            if self.rule == Rule::Oracle {
                self.backlog.sort_by_key(|index| self.jobs.get(*index).map(|job| job.memory));
            }
            return self.start_by_rule();
        }
        for index in ready {
            let Some(job) = self.jobs.get(*index) else { continue };
            let forecast = if self.setup.seen_before {
                job.forecast()
            } else {
                Forecast::cold(self.setup.cold, 1.0)
            };
            let domain = DomainId::default();
            let demand = Demand { forecast, retryable: true, domain, token: false, ordered: false };
            self.tell(Event::Asked { unit: UnitId(*index as u64), demand });
        }
    }

    /// A job is over: those that only waited for it can start.
    fn release(&mut self, index: usize) {
        self.left -= 1;
        let mut ready = Vec::new();
        for next in self.network.waiting_for(index).iter().map(|next| *next as usize) {
            let Some(waits) = self.waits.get_mut(next) else { continue };
            *waits -= 1;
            if *waits == 0 {
                ready.push(next);
            }
        }
        if !ready.is_empty() {
            self.ask(&ready);
        }
    }

    fn act(&mut self, action: &Action) {
        let index = |id: &UnitId| usize::try_from(id.0).unwrap_or(usize::MAX);
        match action {
            Action::Grant(id) => {
                self.launch(index(id));
                self.tell(Event::Started(*id));
            }
            Action::Pause(id) => {
                self.outcome.paused += 1;
                self.set_paused(index(id), true);
            }
            Action::Resume(id) => self.set_paused(index(id), false),
            Action::Evict(id) => {
                self.stop(index(id));
                self.outcome.evicted += 1;
                self.tell(Event::Ended(*id, End::Killed { by_kernel: false }));
            }
            Action::Retry(_) => {}
            Action::GiveUp(id, _) => {
                self.outcome.lost += 1;
                self.release(index(id));
            }
        }
    }

    fn set_paused(&mut self, index: usize, paused: bool) {
        if let Ok(at) = self.place(index) {
            self.live[at].paused = paused;
        }
    }

    /// Where a job stands among those that run, or would.
    fn place(&self, index: usize) -> Result<usize, usize> {
        self.live.binary_search_by_key(&index, |live| live.index)
    }

    fn stop(&mut self, index: usize) {
        if let Ok(at) = self.place(index) {
            self.live.remove(at);
        }
    }

    fn launch(&mut self, index: usize) {
        let (Err(at), Some(job)) = (self.place(index), self.jobs.get(index)) else { return };
        let now = self.moment().0;
        if let Some(Some(span)) = self.outcome.spans.get_mut(index) {
            span.start = now;
        }
        let live = Live {
            index,
            job,
            seconds: job.duration().as_secs_f64(),
            share: self.share(job),
            progress: 0.0,
            wanted: 0.0,
            delay: self.setup.start_delay.as_secs_f64(),
            paused: false,
        };
        self.live.insert(at, live);
    }

    /// Starts what a static rule allows.
    fn start_by_rule(&mut self) {
        match self.rule {
            Rule::Governor => {}
            Rule::Make(jobs) | Rule::Static { jobs, .. } => {
                while self.live.len() < jobs as usize {
                    let Some(index) = self.backlog.pop() else { return };
                    self.launch(index);
                }
            }
            Rule::Oracle => self.start_by_oracle(),
        }
    }

    fn start_by_oracle(&mut self) {
        let peak = |index: &usize| self.jobs.get(*index).map_or(0, |job| job.memory.0);
        let mut held: u64 = self.live.iter().map(|live| live.job.memory.0).sum();
        let mut threads: f64 = self.live.iter().map(|live| live.share).sum();
        let mut start = Vec::new();
        for index in self.backlog.iter().rev() {
            let share = self.jobs.get(*index).map_or(0.0, Job::share);
            let alone = self.live.is_empty() && start.is_empty();
            let fits = held + peak(index) <= self.setup.budget.0;
            if alone || fits && threads + share <= self.setup.threads + 1e-9 {
                held += peak(index);
                threads += share;
                start.push(*index);
            }
        }
        self.backlog.retain(|index| !start.contains(index));
        for index in start {
            self.launch(index);
        }
    }

    /// How much slower than alone a job runs that wants a processor all the time.
    fn slowdown(&mut self) -> f64 {
        let shares = || self.live.iter().filter(|live| live.runs()).map(|live| live.share);
        if !shares().eq(self.slowed.0.iter().copied()) {
            let shares: Vec<f64> = shares().collect();
            let slowdown = slowdown(&shares, self.setup.threads);
            self.slowed = (shares, slowdown);
        }
        self.slowed.1
    }

    fn share(&self, job: &Job) -> f64 {
        match self.rule {
            Rule::Static { cores, .. } => job.share().min(f64::from(cores)),
            _ => job.share(),
        }
    }

    /// Goes on to the next thing that happens; false when nothing ever will.
    fn advance(&mut self) -> bool {
        let slowdown = self.slowdown();
        let left = |live: &Live<'_>| {
            let runs = live.runs().then(|| (1.0 - live.progress) * live.seconds_at(slowdown));
            runs.or((live.delay > 0.0).then_some(live.delay))
        };
        let next = self.live.iter().filter_map(left).fold(f64::INFINITY, f64::min);
        let look = (self.look_at - self.now).max(0.0);
        if next.is_infinite() && self.live.is_empty() {
            self.outcome.lost += u32::try_from(self.left).unwrap_or(u32::MAX);
            return false;
        }
        let step = next.min(look).max(0.0);
        let held = self.pass(step, slowdown);
        self.kill_beyond_budget(held);
        self.end_finished();
        if look <= next {
            self.look();
        }
        true
    }

    /// Lets time pass; what is held then.
    fn pass(&mut self, step: f64, slowdown: f64) -> Bytes {
        self.now += step;
        self.busy += self.live.iter_mut().map(|live| live.pass(step, slowdown)).sum::<f64>();
        let held = self.live.iter().map(Live::memory).fold(Bytes::ZERO, Bytes::saturating_add);
        self.outcome.peak = self.outcome.peak.max(held);
        held
    }

    /// The kernel kills the largest.
    fn kill_beyond_budget(&mut self, mut held: Bytes) {
        while held > self.setup.budget {
            let Some(largest) = self.live.iter().max_by_key(|live| live.memory()) else { return };
            let index = largest.index;
            held = held.saturating_sub(largest.memory());
            self.stop(index);
            self.outcome.killed += 1;
            if self.rule == Rule::Governor {
                self.tell(Event::Ended(UnitId(index as u64), End::Killed { by_kernel: true }));
            } else {
                self.outcome.lost += 1;
                self.release(index);
                self.start_by_rule();
            }
        }
    }

    fn end_finished(&mut self) {
        let is_done = |live: &&Live<'_>| live.progress >= 1.0 - 1e-9;
        let done: Vec<usize> = self.live.iter().filter(is_done).map(|live| live.index).collect();
        for index in done {
            self.stop(index);
            let now = self.moment().0;
            if let Some(Some(span)) = self.outcome.spans.get_mut(index) {
                span.end = now;
            }
            if self.rule == Rule::Governor {
                self.tell(Event::Ended(UnitId(index as u64), End::Finished));
            }
            self.release(index);
        }
        self.start_by_rule();
    }

    /// Looks if the rule does, and plans the next look.
    fn look(&mut self) {
        if self.rule != Rule::Governor {
            self.look_at = self.now + LOOK_STATIC;
            return;
        }
        let sample = |live: &Live<'_>| UnitSample {
            unit: UnitId(live.index as u64),
            memory: live.memory(),
            wanted: Some(Duration::from_secs_f64(live.wanted)),
            waited: Duration::ZERO,
        };
        let units: Vec<UnitSample> = self.live.iter().map(sample).collect();
        let held = units.iter().map(|unit| unit.memory).fold(Bytes::ZERO, Bytes::saturating_add);
        let sample = DomainSample { domain: DomainId::default(), limit: self.setup.budget, held };
        self.tell(Event::Looked { units, domains: vec![sample], alarm: Alarm::Calm });
        self.look_at = self.now + self.machine.next_look().as_secs_f64();
    }
}

/// The slowdown of whoever wants a processor all the time, at which all get what there is.
fn slowdown(shares: &[f64], threads: f64) -> f64 {
    let wanted: f64 = shares.iter().sum();
    if wanted <= threads {
        return 1.0;
    }
    let load = |s: f64| shares.iter().map(|share| share / stretched(*share, s)).sum::<f64>();
    let (mut low, mut high) = (1.0, wanted / threads * 64.0);
    for _ in 0..24 {
        let middle = f64::midpoint(low, high);
        if load(middle) > threads { low = middle } else { high = middle }
    }
    high
}

/// Parts of its time that a job takes which keeps so many threads busy, where all are slowed down: the part
/// in which it wants no processor stays.
const fn stretched(share: f64, slowdown: f64) -> f64 {
    let busy = share.min(1.0);
    1.0 - busy + busy * slowdown
}

/// Seconds between two checks of memory under a rule that never looks.
const LOOK_STATIC: f64 = 0.05;
