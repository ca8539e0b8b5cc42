//! One derivation, from the question to the governor to its result; killed for want of memory, it is
//! built again with fewer cores.
//!
//! Does not know what waits for it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ironwright_core::nix::activity::{self, Event};
use ironwright_core::nix::live::{Live, says_killed};
use ironwright_core::nix::protocol::{BuildResult, Incoming, Options, Request, Status};
use ironwright_core::units::Bytes;
use ironwright_host::nix::{Command, Store, StoreError, TreePeak, builder_tree, processor_time};
use ironwright_launcher::{Link, let_go_on};
use ironwright_wire::{Ask, Ended};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::admission::{Admission, Next, Permits};
use super::plan::Planned;
use super::results::{DerivationResult, Outcome};

/// What all builds of a plan share.
pub(crate) struct Shared {
    pub(crate) nix: Command,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) keep_failed: bool,
    pub(crate) print_logs: bool,
    pub(crate) govern: bool,
    pub(crate) threads: u32,
    /// Cores that every builder is told of, if a user said so.
    pub(crate) cores: Option<u32>,
    /// Folder for the folders of builds.
    pub(crate) scratch: Option<PathBuf>,
    pub(crate) run: Option<i64>,
    pub(crate) job: Option<String>,
    pub(crate) permits: Permits,
    /// Nothing new is to be started.
    pub(crate) cancelled: AtomicBool,
    /// Whether what could not be fetched may be built although a substituter lists it.
    pub(crate) fallback: bool,
    /// Connections that nobody uses now.
    pub(crate) idle: Mutex<Vec<Connection>>,
    /// Whether connections pass on to a daemon, once that is known.
    pub(crate) passes_on: OnceLock<bool>,
}

/// A connection to the store.
pub(crate) struct Connection {
    store: Store,
    /// What it told a daemon when it connected: later nothing of that reaches the daemon.
    said: Option<Options>,
}

/// What happens to a derivation, by its place in the plan.
pub(crate) enum Told {
    /// It is being built with so many cores.
    Started(usize, u32),
    /// It is in another phase.
    Phase(usize, String),
    /// Its builder printed a line.
    Line(usize, String),
    /// It was killed for want of memory, and is built again.
    Again(usize),
    /// It ended.
    Ended(usize, Box<Settled>),
}

/// What became of a job.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) result: DerivationResult,
    /// Outputs whose paths are known only now.
    pub(crate) outputs: Vec<(String, String)>,
    /// Paths that no substituter gave.
    pub(crate) unfetched: Vec<String>,
}

/// Memory of a build that was over before anybody looked: a shell's.
const UNSEEN: Bytes = Bytes::mib(16);
/// Time between two looks at the governor's connection.
const TICK: Duration = Duration::from_secs(1);

/// How an attempt ended.
enum End {
    /// The store says.
    Result(BuildResult),
    /// No substituter gave these paths; why.
    Unfetched(Vec<String>, String),
    /// The store could not do it.
    Refused(String),
    /// The process of the connection is gone, with this status.
    Died(i32, String),
}

/// Builds a derivation.
pub(crate) fn build(
    shared: &Shared,
    place: usize,
    planned: &Planned,
    request: &[String],
    alone: bool,
    tell: &Sender<Told>,
) {
    let mut work = Work { shared, place, planned, request, alone, killed: 0, tell };
    let settled = work.build();
    let _ = tell.send(Told::Ended(place, Box::new(settled)));
}

struct Work<'a> {
    shared: &'a Shared,
    place: usize,
    planned: &'a Planned,
    request: &'a [String],
    alone: bool,
    /// Times that something in it was killed for want of memory.
    killed: u32,
    tell: &'a Sender<Told>,
}

/// What is seen of an attempt while it goes.
struct Seen {
    live: Live,
    /// The tree that a daemon builds in.
    daemon: Option<i32>,
    memory: TreePeak,
    /// Whether a builder was started.
    built: bool,
}

/// What an attempt leaves.
struct Attempt {
    end: End,
    live: Live,
    wall: Duration,
    used: Duration,
    /// Most memory that was seen of the tree, and of its largest process.
    peak: (Bytes, Bytes),
    /// Whether a builder was started.
    built: bool,
}

impl Work<'_> {
    fn build(&mut self) -> Settled {
        let mut admission = self.admission();
        loop {
            let Some(grant) = admission.wait(&self.shared.cancelled) else {
                return self.result(Outcome::NotTried, None, None);
            };
            let options = self.options(self.cores());
            let Connection { mut store, said } = match self.connection(&options) {
                Ok(connection) => connection,
                Err(error) => return self.result(Outcome::Failed, Some(error.to_string()), None),
            };
            let home = grant.group.as_deref().and_then(|group| enter(group, store.pid()));
            let cores = self.cores();
            let _ = self.tell.send(Told::Started(self.place, cores));
            admission.started(store.pid());
            let attempt = self.attempt(&mut store, cores, &mut admission);
            let reusable = grant.group.is_none() || home.is_some();
            let attempt = self.part(Connection { store, said }, attempt, reusable, home);
            let (ended, killed) = self.ended(&attempt);
            self.killed += u32::from(killed && ended.killed_inside);
            let again = |number| self.ask(number);
            match admission.ended(ended, killed, again) {
                Some(Next::Again) => {
                    let _ = self.tell.send(Told::Again(self.place));
                }
                // Alone it was too large with these cores; with fewer it may not be.
                Some(Next::GiveUp(Some(_))) if self.cores() < cores => {
                    admission = self.admission();
                    let _ = self.tell.send(Told::Again(self.place));
                }
                Some(Next::GiveUp(Some(message))) => {
                    return self.result(Outcome::OutOfMemory, Some(message), Some(&attempt));
                }
                Some(Next::Killed(times)) => {
                    let message = format!(
                        "something in it was killed {times} times, neither by the governor nor by the kernel for \
                         want of memory"
                    );
                    return self.result(Outcome::Failed, Some(message), Some(&attempt));
                }
                Some(Next::GiveUp(None)) | None => return self.settled(attempt),
            }
        }
    }

    fn admission(&self) -> Admission {
        Admission::new(self.ask(1), self.shared.govern, self.shared.permits.clone())
    }

    /// Cores for the next attempt.
    fn cores(&self) -> u32 {
        match self.shared.cores {
            Some(cores) => (cores >> self.killed.min(31)).max(1),
            None => self.planned.cores_now(self.shared.threads, self.alone, self.killed),
        }
    }

    fn ask(&self, attempt: u32) -> Ask {
        Ask {
            pid: i32::try_from(std::process::id()).unwrap_or(0),
            attempt,
            retryable: true,
            argv: self.planned.unit(self.cores()).argv(),
            cwd: "/".into(),
            run: self.shared.run,
            job: self.shared.job.clone(),
            ..Ask::default()
        }
    }

    fn connection(&self, options: &Options) -> Result<Connection, StoreError> {
        let fits = |idle: &Connection| idle.said.as_ref().is_none_or(|said| said == options);
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = idle.iter().position(fits) {
            return Ok(idle.swap_remove(at));
        }
        drop(idle);
        let scratch = self.shared.scratch.as_deref();
        if self.shared.passes_on.get() != Some(&true) {
            let store = Store::open(&self.shared.nix, scratch)?;
            if !self.shared.passes_on.get_or_init(|| store.passes_on()) {
                return Ok(Connection { store, said: None });
            }
        }
        let store = Store::open(&self.shared.nix.with(options.as_settings()), scratch)?;
        Ok(Connection { store, said: Some(options.clone()) })
    }

    fn attempt(&self, store: &mut Store, cores: u32, admission: &mut Admission) -> Attempt {
        let (began, before) = (Instant::now(), processor_time(store.pid()));
        let (live, memory) = (Live::default(), TreePeak::new("/proc"));
        let mut seen = Seen { live, daemon: None, memory, built: false };
        let end = match self.run(store, cores, admission, &mut seen) {
            Ok(end) => end,
            Err(error) => End::Died(0, error.to_string()),
        };
        let Seen { live, daemon, memory, built } = seen;
        let used = processor_time(store.pid()).saturating_sub(before);
        let used = used + daemon.map(processor_time).unwrap_or_default();
        let peak = (memory.tree, memory.largest.max(UNSEEN));
        Attempt { end, live, wall: began.elapsed(), used, peak, built }
    }

    fn run(
        &self,
        store: &mut Store,
        cores: u32,
        admission: &mut Admission,
        seen: &mut Seen,
    ) -> Result<End, StoreError> {
        let began = Instant::now();
        store.ask(&Request::SetOptions(self.options(cores)), |_| {})?;
        store.send(&Request::Build(self.request.to_vec()))?;
        loop {
            while let Some(incoming) = store.take()? {
                match incoming {
                    Incoming::Event(event) => {
                        if matches!(event, Event::Started { kind: activity::BUILD, .. }) {
                            seen.built = true;
                            seen.daemon = builder_tree(store.pid());
                            if let Some(pid) = seen.daemon {
                                admission.also(pid);
                            }
                        }
                        self.show(&event);
                        seen.live.take(&event);
                    }
                    Incoming::Results(results) => return Ok(self.choose(results, &seen.live)),
                    Incoming::Failed(message) => return Ok(End::Refused(message)),
                    _ => {}
                }
            }
            if wait(store, &admission.link, seen.memory.due()) {
                store.receive()?;
            }
            seen.memory.look(seen.daemon.into_iter().chain([store.pid()]));
            if admission.care(store.pid(), began) {
                let_go_on(store.pid());
            }
        }
    }

    /// The first result that is a failure, else the first.
    fn choose(&self, results: Vec<BuildResult>, live: &Live) -> End {
        let failures = || results.iter().filter(|result| !result.status.is_success());
        if self.planned.path.is_empty() && failures().next().is_some() {
            let paths = failures().map(|result| result.path.clone()).collect();
            return End::Unfetched(paths, why_unfetched(&results, live));
        }
        let failure = results.iter().position(|result| !result.status.is_success());
        match results.into_iter().nth(failure.unwrap_or(0)) {
            Some(result) => End::Result(result),
            None => End::Refused(format!("Nix tells no result of {}", self.planned.name)),
        }
    }

    fn options(&self, cores: u32) -> Options {
        let seconds = |limit: Option<f64>| {
            limit.map_or(0, |seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9)).as_secs())
        };
        Options {
            cores: u64::from(cores),
            max_silent_seconds: seconds(self.planned.silence_seconds),
            timeout_seconds: seconds(self.planned.timeout_seconds),
            substitute: true,
            keep_failed: self.shared.keep_failed,
            fallback: self.shared.fallback,
            settings: self.shared.settings.clone(),
        }
    }

    fn show(&self, event: &Event) {
        let Event::Result { kind, fields, .. } = event else { return };
        let text = || fields.first().and_then(activity::Field::text).map(activity::plain);
        let told = match *kind {
            activity::PHASE => text().map(|phase| Told::Phase(self.place, phase)),
            activity::LOG_LINE if self.shared.print_logs => {
                text().map(|line| Told::Line(self.place, line))
            }
            _ => None,
        };
        told.map(|told| self.tell.send(told));
    }

    /// Puts the connection back, or says how its process ended.
    fn part(
        &self,
        connection: Connection,
        attempt: Attempt,
        reusable: bool,
        home: Option<PathBuf>,
    ) -> Attempt {
        if let End::Died(_, message) = attempt.end {
            let status = connection.store.status();
            return Attempt { end: End::Died(status, message), ..attempt };
        }
        if let Some(home) = home
            && std::fs::write(home, connection.store.pid().to_string()).is_err()
        {
            return attempt;
        }
        if reusable {
            self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        attempt
    }

    /// Whether a builder made it: a substituter may have it by then.
    fn is_built(&self, attempt: &Attempt) -> bool {
        attempt.built || self.planned.path.is_empty()
    }

    /// What the governor is told, and whether it was a death for want of memory.
    fn ended(&self, attempt: &Attempt) -> (Ended, bool) {
        let (status, inside) = match &attempt.end {
            End::Result(result) if result.status.is_success() => (0, false),
            End::Result(result) => (FAILED, was_killed(&result.message, &attempt.live)),
            End::Refused(_) | End::Unfetched(..) => (FAILED, false),
            End::Died(status, _) => (*status, false),
        };
        let killed = inside || status == SIGKILL;
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let ended = Ended {
            status,
            wall_us: micros(attempt.wall),
            user_us: micros(attempt.used),
            system_us: 0,
            peak_process: attempt.peak.1.0,
            peak_tree: attempt.peak.0.0,
            killed_inside: inside,
            ended_by_user: false,
            nothing_done: status == 0 && !self.is_built(attempt),
        };
        (ended, killed)
    }

    /// The result of the last attempt.
    fn settled(&self, attempt: Attempt) -> Settled {
        let (outcome, message) = match &attempt.end {
            End::Result(BuildResult { status: Status::AlreadyValid, .. }) => {
                (Outcome::AlreadyValid, None)
            }
            End::Result(result) if result.status.is_success() && !self.is_built(&attempt) => {
                (Outcome::Fetched, None)
            }
            End::Result(result) if result.status.is_success() => (Outcome::Built, None),
            End::Result(result) if result.status == Status::TimedOut => {
                (Outcome::TimedOut, Some(result.message.clone()))
            }
            End::Result(result) => (Outcome::Failed, Some(result.message.clone())),
            End::Refused(message) | End::Died(_, message) | End::Unfetched(_, message) => {
                (Outcome::Failed, Some(message.clone()))
            }
        };
        let settled = self.result(outcome, message, Some(&attempt));
        match attempt.end {
            End::Result(result) => Settled { outputs: result.outputs, ..settled },
            End::Unfetched(unfetched, _) => Settled { unfetched, ..settled },
            End::Refused(_) | End::Died(..) => settled,
        }
    }

    fn result(
        &self,
        outcome: Outcome,
        message: Option<String>,
        attempt: Option<&Attempt>,
    ) -> Settled {
        let failed = !outcome.is_there();
        let lines = attempt.filter(|_| failed).map(|attempt| attempt.live.last_lines());
        let result = DerivationResult {
            path: self.planned.path.clone(),
            name: self.planned.name.clone(),
            outcome,
            seconds: attempt.map_or(0.0, |attempt| attempt.wall.as_secs_f64()),
            cores: self.cores(),
            attempts: self.killed + 1,
            reserved: self.planned.peak.0,
            message: message.map(|message| activity::plain(&message)),
            last_lines: lines.into_iter().flatten().map(str::to_owned).collect(),
            kept: attempt.and_then(|attempt| attempt.live.kept()).map(str::to_owned),
        };
        Settled { result, outputs: Vec::new(), unfetched: Vec::new() }
    }
}

/// What Nix told while it fetched, else what it answered.
fn why_unfetched(results: &[BuildResult], live: &Live) -> String {
    let answered = || results.iter().map(|result| result.message.as_str());
    let told = live.errors().iter().chain(live.warnings()).map(String::as_str);
    let said = told.chain(answered()).find(|message| !message.is_empty());
    said.unwrap_or("Nix does not say why").to_owned()
}

/// A process that ended with code 1, and one that was killed, as `wait4` gives them.
const FAILED: i32 = 1 << 8;
const SIGKILL: i32 = 9;

/// Whether a failure is that of a builder of which something was killed.
fn was_killed(message: &str, live: &Live) -> bool {
    let says = ["signal 9", "exit code 137", "exit code: 137"];
    says.iter().any(|sentence| message.contains(sentence))
        || message.lines().any(says_killed)
        || live.tells_of_a_kill()
}

/// Waits for the store, the governor or a time; whether the store has something.
fn wait(store: &Store, link: &Link, until: Instant) -> bool {
    let mut watched = vec![PollFd::new(store, PollFlags::IN)];
    if let Link::Up(governor) = link {
        watched.push(PollFd::new(governor, governor.interest()));
    }
    let timeout = link.timeout().map_or(TICK, |timeout| timeout.min(TICK));
    let timeout = timeout.min(until.saturating_duration_since(Instant::now()));
    let timeout = Timespec::try_from(timeout).ok();
    // An interruption is as good as a tick.
    let _ = poll(&mut watched, timeout.as_ref());
    watched.first().is_some_and(|store| !store.revents().is_empty())
}

/// Puts a process in a control group; `cgroup.procs` of the group where it was.
fn enter(group: &Path, pid: i32) -> Option<PathBuf> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let relative = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // The group lies below the same mount as the one of this process.
    let mount =
        group.ancestors().find(|above| above.join(relative).join("cgroup.procs").is_file())?;
    std::fs::write(group, pid.to_string()).ok()?;
    Some(mount.join(relative).join("cgroup.procs"))
}

/// Whether nothing new is to be started.
pub(crate) fn is_cancelled(cancelled: &AtomicBool) -> bool {
    cancelled.load(Ordering::Relaxed)
}
