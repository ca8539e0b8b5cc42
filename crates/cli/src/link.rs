//! A run's connection to the governor while it goes: tells of the run and sizes its jobserver.
//!
//! A governor that died is replaced. Does not know which compilers ask.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ironwright_governor::start::{self, Started};
use ironwright_host::jobserver::Jobserver;
use ironwright_host::run::Strangers;
use ironwright_wire::{Channel, FromGovernor, RunBegins, Tally, ToGovernor};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::governance;

/// Pause between two looks at the jobserver.
const TICK: Duration = Duration::from_millis(200);
/// A governor speaks each second; one that is silent for so long is dead or stopped.
const SILENT: Duration = Duration::from_secs(5);
/// Time that launchers and other runs have to find or start a new governor first.
const REPLACE_AFTER: Duration = Duration::from_millis(300);
/// How long the last answer is waited for.
const LEAVE: Duration = Duration::from_millis(200);
/// Pause between two tries to start one.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Time without any process but the build tool after which no token can be held.
const QUIET_FOR: Duration = Duration::from_secs(1);

/// What a run tells and shares.
#[derive(Debug)]
pub(crate) struct Situation {
    pub(crate) begins: RunBegins,
    pub(crate) pool: Option<Arc<Jobserver>>,
    pub(crate) strangers: Strangers,
    /// Processes of the run at the last look.
    pub(crate) processes: Arc<AtomicU32>,
}

/// The connection; ends when dropped.
#[derive(Debug)]
pub(crate) struct RunLink {
    stop: UnixStream,
    thread: Option<JoinHandle<Tally>>,
}

impl RunLink {
    /// Connects, and starts a governor first if there is none.
    pub(crate) fn begin(situation: Situation) -> io::Result<Self> {
        governance::ensure(|_| {})?;
        let (stop, stopped) = UnixStream::pair()?;
        let mut worker = Worker::new(situation, stopped);
        worker.connect();
        let thread =
            std::thread::Builder::new().name("governor-link".into()).spawn(move || worker.run())?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends it; what became of the run's units.
    pub(crate) fn end(mut self) -> Tally {
        self.join()
    }

    fn join(&mut self) -> Tally {
        let _ = self.stop.shutdown(std::net::Shutdown::Both);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for RunLink {
    fn drop(&mut self) {
        self.join();
    }
}

struct Worker {
    situation: Situation,
    stopped: UnixStream,
    channel: Option<Channel>,
    heard: Instant,
    lost: Option<Instant>,
    tried: Option<Instant>,
    told: Option<(u32, u32)>,
    quiet_since: Option<Instant>,
    /// What became of units, of earlier governors and of this one.
    tallies: (Tally, Tally),
    /// A tally came.
    answered: bool,
}

impl Worker {
    fn new(situation: Situation, stopped: UnixStream) -> Self {
        Self {
            situation,
            stopped,
            channel: None,
            heard: Instant::now(),
            lost: None,
            tried: None,
            told: None,
            quiet_since: None,
            tallies: (Tally::default(), Tally::default()),
            answered: false,
        }
    }

    fn run(mut self) -> Tally {
        while !self.wait() {
            self.listen();
            self.care_for_pool();
            if self.channel.is_none() {
                self.replace();
            }
        }
        self.take_leave();
        sum(self.tallies.0, self.tallies.1)
    }

    /// Asks what became of the units; the last of them may have ended only just now.
    fn take_leave(&mut self) {
        let asked = self.channel.as_mut().map(|channel| channel.tell(&ToGovernor::RunEnds));
        let deadline = Instant::now() + LEAVE;
        self.answered = !matches!(asked, Some(Ok(())));
        while !self.answered && self.channel.is_some() && Instant::now() < deadline {
            if let Some(channel) = &self.channel {
                let mut watched = [PollFd::new(channel, PollFlags::IN)];
                let left = deadline.saturating_duration_since(Instant::now());
                let _ = rustix::event::poll(&mut watched, Timespec::try_from(left).ok().as_ref());
            }
            self.listen();
        }
    }

    /// Waits for a message; true when the run is over.
    fn wait(&self) -> bool {
        let mut watched = vec![PollFd::new(&self.stopped, PollFlags::IN)];
        if let Some(channel) = &self.channel {
            watched.push(PollFd::new(channel, PollFlags::IN));
        }
        let timeout = Timespec::try_from(TICK).ok();
        // An interruption is as good as a tick.
        let _ = rustix::event::poll(&mut watched, timeout.as_ref());
        watched.first().is_some_and(|stopped| !stopped.revents().is_empty())
    }

    fn connect(&mut self) -> bool {
        let Ok(socket) = start::connect(&governance::place()) else { return false };
        let Ok(mut channel) = Channel::new(socket) else { return false };
        if channel.tell(&ToGovernor::RunBegins(self.situation.begins.clone())).is_err() {
            return false;
        }
        (self.channel, self.heard, self.lost, self.told) =
            (Some(channel), Instant::now(), None, None);
        true
    }

    fn listen(&mut self) {
        let Some(channel) = &mut self.channel else { return };
        let mut open = channel.flush().is_ok() & channel.receive().is_ok();
        let mut sizes = Vec::new();
        loop {
            match channel.next_from_governor() {
                Ok(Some(message)) => {
                    self.heard = Instant::now();
                    match message {
                        FromGovernor::Pool { size } => sizes.push(size),
                        FromGovernor::Tally(tally) => {
                            (self.tallies.1, self.answered) = (tally, true);
                        }
                        _ => {}
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    open = false;
                    break;
                }
            }
        }
        if let (Some(size), Some(pool)) = (sizes.last(), &self.situation.pool) {
            let _ = pool.resize(*size);
        }
        if !open || self.heard.elapsed() > SILENT {
            self.lose();
        }
    }

    /// Without a governor the pool is what it was at the beginning.
    fn lose(&mut self) {
        (self.channel, self.lost) = (None, Some(Instant::now()));
        self.tallies = (sum(self.tallies.0, self.tallies.1), Tally::default());
        if let (Some(pool), Some(tokens)) = (&self.situation.pool, self.situation.begins.tokens) {
            let _ = pool.resize(tokens);
        }
    }

    fn care_for_pool(&mut self) {
        let Some(pool) = &self.situation.pool else { return };
        let _ = pool.settle();
        let quiet = self.situation.processes.load(Ordering::Relaxed) <= 1;
        let since = quiet.then(|| self.quiet_since.unwrap_or_else(Instant::now));
        self.quiet_since = since;
        if since.is_some_and(|since| since.elapsed() > QUIET_FOR) {
            let _ = pool.reclaim();
            self.quiet_since = None;
        }
        let free = u32::try_from(pool.tokens_left().unwrap_or(0)).unwrap_or(u32::MAX);
        let state = (pool.size(), free);
        if self.told != Some(state)
            && let Some(channel) = &mut self.channel
        {
            let _ = channel.tell(&ToGovernor::Pool { size: state.0, free: state.1 });
            self.told = Some(state);
        }
    }

    fn replace(&mut self) {
        if self.connect() {
            return;
        }
        let waited = self.lost.is_none_or(|since| since.elapsed() >= REPLACE_AFTER);
        let tried = self.tried.is_some_and(|then| then.elapsed() < AGAIN_AFTER);
        if !waited || tried {
            return;
        }
        self.tried = Some(Instant::now());
        let strangers = &self.situation.strangers;
        if let Ok(Started::New(_)) = governance::ensure(|pid| strangers.add(pid)) {
            self.connect();
        }
    }
}

fn sum(one: Tally, other: Tally) -> Tally {
    Tally {
        units: one.units + other.units,
        paused: one.paused + other.paused,
        again: one.again + other.again,
    }
}
