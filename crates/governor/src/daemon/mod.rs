//! The loop: waits for what happens, tells the machine, and does what it says.
//!
//! One thread, so that everything happens in one order. Does not know why the machine decides as it
//! does.

mod looking;
mod notes;
mod peers;
mod units;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ironwright_core::govern::{DomainId, Event, Machine, Moment, Policy, UnitId};
use ironwright_core::units::Bytes;
use ironwright_core::view::{Happening, View};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::domains::Domains;
use crate::governed::{Attempt, Governed};
use crate::predict::Predictor;
use crate::processes::Processes;
use crate::recorder::Recorder;
use crate::runs::Runs;
use crate::seat::{Seat, State};
use crate::signals::Signals;
use crate::{Ending, GovernError, Options};
use peers::Peer;

/// What epoll calls the listener, the signals, and the first of the connections.
const LISTENER: u64 = 0;
const SIGNALS: u64 = 1;
const FIRST_PEER: u64 = 2;
/// Time between two looks at the socket.
const EACH_SECOND: Duration = Duration::from_secs(1);
/// Seconds between two signs of life: launchers wait for five before they give the governor up.
const LIFE_EVERY: u32 = 2;

/// Governs until there is nothing left to govern.
///
/// # Errors
/// When there is no place for the socket, or the kernel refuses what every kernel has. Who finds
/// another governor at work is no error: [`Ending::Taken`].
pub fn govern(options: &Options) -> Result<Ending, GovernError> {
    let Some(seat) = Seat::take(&options.place)? else { return Ok(Ending::Taken) };
    let mut daemon = Daemon::new(options, seat)?;
    daemon.run()
}

/// Tells whoever reads the governor's log.
pub(crate) fn say(message: &str) {
    let _ = writeln!(io::stderr(), "ironwright governor: {message}");
}

/// Each unit takes up to three descriptors, and the usual limit of 1024 is for who uses `select(2)`.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

struct Daemon {
    seat: Seat,
    signals: Signals,
    poll: rustix::fd::OwnedFd,
    began: Instant,
    idle: Duration,
    idle_since: Option<Instant>,
    peers: BTreeMap<u64, Peer>,
    next_peer: u64,
    machine: Machine,
    units: BTreeMap<UnitId, Governed>,
    next_unit: u64,
    runs: Runs,
    domains: Domains,
    processes: Processes,
    predictor: Predictor,
    recorder: Option<Recorder>,
    view: View,
    /// The domain of this process, and what its profile lets builds take there.
    base: (DomainId, Bytes),
    /// Threads for builds when no run tells.
    threads: u32,
    look_at: Option<Instant>,
    looked: Option<Instant>,
    /// Processor time that the last look took.
    look_cost: Duration,
    second_at: Instant,
    /// Seconds since it began.
    seconds: u32,
    told_at: Option<Instant>,
}

impl Daemon {
    fn new(options: &Options, seat: Seat) -> Result<Self, GovernError> {
        let system = |action| move |error: io::Error| GovernError::System { action, error };
        let signals = Signals::register().map_err(system("receive signals"))?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|errno| system("wait for connections")(errno.into()))?;
        let recorder = options.history.as_deref().and_then(|path| {
            let started = Recorder::start(path);
            started.map_err(|error| say(&format!("what happens is not kept: {error}"))).ok()
        });
        let now = Instant::now();
        let mut daemon = Self {
            seat,
            signals,
            poll,
            began: now,
            idle: options.idle,
            idle_since: Some(now),
            peers: BTreeMap::new(),
            next_peer: FIRST_PEER,
            machine: Machine::new(Policy::default()),
            units: BTreeMap::new(),
            next_unit: 1,
            runs: Runs::default(),
            domains: Domains::new("/"),
            processes: Processes::new("/proc"),
            predictor: Predictor::new(options.history.clone()),
            recorder,
            view: View::default(),
            base: (DomainId::default(), options.budget),
            threads: options.threads.max(1),
            look_at: None,
            looked: None,
            look_cost: Duration::ZERO,
            second_at: now + EACH_SECOND,
            seconds: 0,
            told_at: None,
        };
        daemon.watch(LISTENER).map_err(system("wait for connections"))?;
        daemon.watch(SIGNALS).map_err(system("wait for connections"))?;
        daemon.begin(options);
        Ok(daemon)
    }

    fn watch(&self, what: u64) -> io::Result<()> {
        let data = epoll::EventData::new_u64(what);
        let flags = epoll::EventFlags::IN;
        match what {
            LISTENER => epoll::add(&self.poll, self.seat.listener(), data, flags)?,
            _ => epoll::add(&self.poll, &self.signals, data, flags)?,
        }
        Ok(())
    }

    fn begin(&mut self, options: &Options) {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        self.note(Happening::GovernorBegan { pid: own }, None);
        let (domain, _) = self.domains.of(own);
        self.base = (domain, options.budget);
        self.set_budgets(&[DomainId::default(), domain]);
        raise_open_files();
        // A busy machine must not keep compilers waiting for an answer. Only root may raise this.
        let _ = rustix::process::setpriority_process(None, -5);
        let _ = std::fs::write("/proc/self/oom_score_adj", "-900");
    }

    fn run(&mut self) -> Result<Ending, GovernError> {
        loop {
            let ready = self.wait()?;
            for token in ready {
                match token {
                    LISTENER => self.accept(),
                    SIGNALS if self.signals.take() => {
                        self.leave();
                        return Ok(Ending::Told);
                    }
                    SIGNALS => {}
                    peer => self.serve(peer),
                }
            }
            let now = Instant::now();
            if self.look_at.is_some_and(|at| at <= now) {
                self.look();
            }
            if self.second_at <= now {
                self.second_at = now + EACH_SECOND;
                self.each_second();
            }
            if self.is_over(now) {
                return Ok(Ending::Idle);
            }
        }
    }

    /// Waits for connections, messages, or the time of the next look.
    fn wait(&self) -> Result<Vec<u64>, GovernError> {
        let now = Instant::now();
        let next = self.look_at.map_or(self.second_at, |at| at.min(self.second_at));
        let left = next.saturating_duration_since(now);
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(1),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut events: Vec<epoll::Event> = Vec::with_capacity(64);
        match epoll::wait(&self.poll, spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                let action = "wait for connections";
                return Err(GovernError::System { action, error: errno.into() });
            }
        }
        Ok(events.iter().map(|event| event.data.u64()).collect())
    }

    /// Tells the machine and does what it says.
    fn tell(&mut self, event: Event) {
        let now = Moment(self.began.elapsed());
        let actions = self.machine.step(now, event);
        for action in actions {
            self.act(&action);
        }
    }

    /// Tells the machine the budgets of some domains.
    fn set_budgets(&mut self, domains: &[DomainId]) {
        let threads = f64::from(self.runs.threads().unwrap_or(self.threads));
        for domain in domains {
            let (own, budget) = self.base;
            let base = (*domain == own).then_some(budget);
            self.domains.set_budget(*domain, self.runs.budget(*domain, base));
            let memory = self.domains.budget(*domain);
            self.tell(Event::Budget { domain: *domain, memory, threads });
            self.note(Happening::Budget { memory, threads }, None);
        }
    }

    fn each_second(&mut self) {
        self.seconds = self.seconds.wrapping_add(1);
        if self.seconds.is_multiple_of(LIFE_EVERY) {
            self.show_life();
        }
        match self.seat.check() {
            State::Held => {}
            State::Restored => {
                if let Err(error) = self.watch(LISTENER) {
                    say(&format!("cannot listen: {error}"));
                }
            }
            // Another may govern by now; what was begun here is seen to its end.
            State::Lost => self.idle = Duration::ZERO,
        }
        if self.units.is_empty() {
            self.domains.settle();
        }
        self.forget_domains();
        self.view.advance(Self::unix_us());
    }

    fn forget_domains(&mut self) {
        let of_units = self.units.values().map(|unit| unit.domain);
        let used = of_units.chain(self.runs.domains()).collect();
        for domain in self.domains.forget(&used) {
            self.tell(Event::Gone(domain));
        }
    }

    /// Ends when there was nothing to govern for long enough. Who came at the last moment is served.
    fn is_over(&mut self, now: Instant) -> bool {
        let busy = !self.units.is_empty() || !self.runs.is_empty() || self.has_company();
        if busy {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now.duration_since(since) < self.idle {
            return false;
        }
        self.seat.close();
        self.accept();
        if !self.has_company() {
            return true;
        }
        self.idle_since = None;
        self.seat.check();
        let _ = self.watch(LISTENER);
        false
    }

    /// Lets everything go on before it leaves: nobody else would.
    fn leave(&mut self) {
        self.seat.close();
        // Who has ended by now has told of it, and does not wait to be heard.
        self.accept();
        let peers: Vec<u64> = self.peers.keys().copied().collect();
        for peer in peers {
            self.serve(peer);
        }
        let is_paused = |unit: &&Governed| unit.attempted.as_ref().is_some_and(Attempt::is_paused);
        let paused: Vec<UnitId> =
            self.units.values().filter(is_paused).map(|unit| unit.id).collect();
        for id in paused {
            self.pause(id, false);
        }
    }

    fn unix_us() -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
    }

    fn listen_to(&self, peer: u64, socket: impl AsFd, flags: epoll::EventFlags) -> io::Result<()> {
        let data = epoll::EventData::new_u64(peer);
        Ok(epoll::add(&self.poll, socket, data, flags)?)
    }
}
