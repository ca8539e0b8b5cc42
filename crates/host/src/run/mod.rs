//! Runs one command as the root of a process tree: watches it, passes its output on, and ends the
//! whole tree when a user wants it ended.
//!
//! Does not know what the command builds or which settings it got. Observation never harms it: what
//! cannot be observed stays empty.

mod enter;
mod patience;
pub(crate) mod relay;
pub(crate) mod signals;
pub(crate) mod wait;
mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ironwright_core::observe::{Exit, Observed, Overrun, Sample};
use ironwright_core::units::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::{procfs, psi};
use enter::enter;
pub use patience::Patience;
use patience::{Verdict, Watchdog};
use relay::Relay;
pub use relay::Stream;
use signals::Signals;
use wait::Ended;
use watch::Watch;

/// A command to run.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Program and arguments; not empty.
    pub argv: Vec<String>,
    /// Where it runs; here when absent.
    pub cwd: Option<PathBuf>,
    /// Variables that are set for it.
    pub environment: Vec<(String, String)>,
    /// Variables that it does not inherit; one that is also set is set.
    pub removed: Vec<String>,
    /// `RLIMIT_AS` of the command and all it starts.
    pub address_space: Option<Bytes>,
    /// Priority, 0 to 19.
    pub niceness: Option<i32>,
    /// Whether standard output comes to the observer instead of going where ours goes.
    pub relay_stdout: bool,
    /// The same for standard error.
    pub relay_stderr: bool,
    /// `cgroup.procs` of the control group that the command is put in.
    pub group: Option<PathBuf>,
    /// Processes that this one starts meanwhile and that are not the command's.
    pub strangers: Strangers,
    /// How long to wait for it.
    pub patience: Patience,
}

/// Processes that are children of this one and yet not of the command that it runs: they are
/// neither watched nor ended with it.
#[derive(Clone, Debug, Default)]
pub struct Strangers(Arc<Mutex<Vec<i32>>>);

impl Strangers {
    /// Adds one. It must be told before its parent may be gone from the kernel's list.
    pub fn add(&self, pid: i32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
    }

    fn take(&self) -> Vec<i32> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Who wants to know how a run goes.
pub trait Observer {
    /// The tree was looked at.
    fn sample(&mut self, sample: &Sample);
    /// The command printed something; only for relayed streams.
    fn output(&mut self, stream: Stream, bytes: &[u8]);
    /// A user wants the run ended, and it is being ended.
    fn ending(&mut self, signal: i32);
    /// Something could not be done as asked; the command runs nevertheless.
    fn notice(&mut self, _text: &str) {}
}

/// Where the kernel lists processes.
const PROC: &str = "/proc";
/// Time that processes have to end by themselves.
const GRACE: Duration = Duration::from_secs(3);
/// Time that killed processes have to be gone; a process in an uninterruptible wait takes longer.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Pause between looks at a tree that is ending.
const ENDING_PAUSE: Duration = Duration::from_millis(20);

/// Runs a command to its end.
///
/// While it runs, this process takes in the orphans of the tree and waits for every child it has,
/// so it may have no other children that it needs to wait for, and only one run at a time.
pub fn run(request: &Request, observer: &mut dyn Observer) -> Observed {
    let proc = Path::new(PROC);
    let (pressure, kills) = (psi::read(proc), procfs::oom_kills(proc));
    // From here on orphans become our children, so that nothing escapes from the tree.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let began = Instant::now();
    let mut outcome = match Run::start(request, observer) {
        Ok(run) => run.finish(),
        Err(error) => not_started(&error),
    };
    outcome.wall_ns = nanos(began.elapsed());
    outcome.pressure = psi::read(proc).zip(pressure).map(|(now, before)| now.since(before));
    outcome.oom_kills =
        procfs::oom_kills(proc).zip(kills).map_or(0, |(now, then)| now.saturating_sub(then));
    let _ = rustix::process::set_child_subreaper(None);
    outcome
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What a shell makes of it: 127 for a program that is not there, 126 for one that cannot run.
fn not_started(error: &io::Error) -> Observed {
    let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    empty(Exit::NotStarted { message: error.to_string(), code })
}

fn empty(exit: Exit) -> Observed {
    Observed {
        exit,
        interrupted_by: None,
        overran: None,
        wall_ns: 0,
        user_ns: 0,
        system_ns: 0,
        peak_tree: Bytes::ZERO,
        peak_process: Bytes::ZERO,
        peak_process_name: None,
        processes_seen: 0,
        left_running: 0,
        pressure: None,
        oom_kills: 0,
        samples: Vec::new(),
    }
}

/// How far a run is on its way to an end that a user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Nobody asked.
    No,
    /// Everything was asked to end; killed after the deadline.
    Asked { deadline: Instant },
    /// Everything is being killed; given up on after the deadline.
    Killed { deadline: Instant },
}

struct Run<'o> {
    observer: &'o mut dyn Observer,
    signals: Signals,
    main: i32,
    relays: Vec<Relay>,
    watch: Watch,
    dog: Watchdog,
    ending: Ending,
    interrupted_by: Option<i32>,
    overran: Option<Overrun>,
    ended: Option<Ended>,
    user: Duration,
    system: Duration,
    largest: Bytes,
    floor: Bytes,
}

impl<'o> Run<'o> {
    fn start(request: &Request, observer: &'o mut dyn Observer) -> io::Result<Self> {
        let own = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        let signals = Signals::register()?;
        let mut watch = Watch::new(PROC, own, request.strangers.clone());
        let (child, relays) = spawn(request, observer)?;
        watch.restart();
        let main = i32::try_from(child.id()).map_err(io::Error::other)?;
        limit(request, main, observer);
        Ok(Self {
            observer,
            signals,
            main,
            relays,
            watch,
            dog: Watchdog::new(request.patience, Instant::now()),
            ending: Ending::No,
            interrupted_by: None,
            overran: None,
            ended: None,
            user: Duration::ZERO,
            system: Duration::ZERO,
            largest: Bytes::ZERO,
            floor: procfs::own_peak(Path::new(PROC)).unwrap_or_default(),
        })
    }

    fn finish(mut self) -> Observed {
        while !self.is_over() {
            self.wait();
            self.pump();
            self.reap();
            self.heed_signals();
            self.press_on();
            if Instant::now() >= self.watch.next {
                let sample = self.watch.look();
                self.observer.sample(&sample);
                self.heed_patience();
            }
        }
        self.pump();
        for relay in &mut self.relays {
            let stream = relay.stream;
            relay.flush(|bytes| self.observer.output(stream, bytes));
        }
        self.observed()
    }

    /// Over when the command ended, and after an interruption when nothing of the tree is left.
    fn is_over(&mut self) -> bool {
        match self.ending {
            Ending::No => self.ended.is_some(),
            Ending::Asked { .. } => self.ended.is_some() && self.watch.running().is_empty(),
            Ending::Killed { deadline } => {
                (self.ended.is_some() && self.watch.running().is_empty())
                    || Instant::now() >= deadline
            }
        }
    }

    /// Sleeps until output, a signal or the next look is due.
    fn wait(&self) {
        let until_look = self.watch.next.saturating_duration_since(Instant::now());
        let impatient = self.relays.iter().any(Relay::is_pending) || self.ending != Ending::No;
        let pause = if impatient { until_look.min(ENDING_PAUSE) } else { until_look };
        let signal = self.signals.fd();
        let mut fds = vec![PollFd::new(&signal, PollFlags::IN)];
        let ends: Vec<_> = self.relays.iter().filter_map(Relay::fd).collect();
        fds.extend(ends.iter().map(|end| PollFd::new(end, PollFlags::IN)));
        let timeout = Timespec::try_from(pause).ok();
        // An interrupted poll is a reason to look around, like any other return.
        let _ = rustix::event::poll(&mut fds, timeout.as_ref());
    }

    fn pump(&mut self) {
        for relay in &mut self.relays {
            let stream = relay.stream;
            relay.pump(|bytes| {
                self.dog.active(Instant::now());
                self.observer.output(stream, bytes);
            });
        }
    }

    fn reap(&mut self) {
        while let Some(ended) = wait::reap() {
            if self.watch.is_disowned(ended.pid) && ended.pid != self.main {
                continue;
            }
            self.user += ended.user;
            self.system += ended.system;
            // A child begins with the largest size of the process that it was forked from, which
            // is us. A figure that we may have left there says nothing about the command.
            if ended.largest > self.floor {
                self.largest = self.largest.max(ended.largest);
            }
            if ended.pid == self.main {
                self.ended = Some(ended);
            }
        }
    }

    fn heed_signals(&mut self) {
        let Some(signal) = self.signals.take_ending() else { return };
        self.interrupted_by.get_or_insert(signal);
        match self.ending {
            Ending::No => {
                self.observer.ending(signal);
                self.ask_to_end();
            }
            Ending::Asked { .. } | Ending::Killed { .. } => self.kill(),
        }
    }

    fn ask_to_end(&mut self) {
        self.signal_tree(Signal::TERM);
        self.ending = Ending::Asked { deadline: Instant::now() + GRACE };
    }

    /// Tells what takes too long, and ends it later.
    fn heed_patience(&mut self) {
        let now = Instant::now();
        self.dog.used(self.user + self.system + self.watch.used(), now);
        if self.ending != Ending::No {
            return;
        }
        match self.dog.check(now) {
            Some(Verdict::Tell(text)) => self.observer.notice(&text),
            Some(Verdict::End(text, overrun)) => {
                self.observer.notice(&text);
                self.overran = Some(overrun);
                self.ask_to_end();
            }
            None => {}
        }
    }

    /// Makes an ending come about: after the grace everything is killed, again and again, because
    /// a process may fork between the look and the signal.
    fn press_on(&mut self) {
        match self.ending {
            Ending::Asked { deadline } if Instant::now() >= deadline => self.kill(),
            Ending::Killed { .. } => self.signal_tree(Signal::KILL),
            Ending::No | Ending::Asked { .. } => {}
        }
    }

    fn kill(&mut self) {
        self.signal_tree(Signal::KILL);
        self.ending = Ending::Killed { deadline: Instant::now() + GIVE_UP };
    }

    fn signal_tree(&mut self, signal: Signal) {
        for process in self.watch.running() {
            if let Some(pid) = Pid::from_raw(process.pid) {
                let _ = rustix::process::kill_process(pid, signal);
                // A stopped process takes no other signal than KILL before it goes on.
                let _ = rustix::process::kill_process(pid, Signal::CONT);
            }
        }
    }

    /// Processes that go on. What ends together with the command takes a moment.
    fn left_running(&mut self) -> usize {
        const MOMENT: Duration = Duration::from_millis(2);
        const MOMENTS: u32 = 15;
        for _ in 0..MOMENTS {
            if self.watch.running().is_empty() {
                return 0;
            }
            std::thread::sleep(MOMENT);
        }
        self.watch.running().len()
    }

    fn observed(mut self) -> Observed {
        let left = self.left_running();
        let exit = self.ended.as_ref().map_or(Exit::Signal(9), |ended| ended.exit.clone());
        let largest = self.largest.max(self.watch.largest);
        // A name is only right for the peak when the sample that named it was near it.
        let near = self.watch.largest.0 >= largest.0 / 5 * 4;
        Observed {
            // One that came at the very end ends no process, but more steps may follow.
            interrupted_by: self.interrupted_by.or_else(|| self.signals.take_ending()),
            overran: self.overran,
            user_ns: nanos(self.user),
            system_ns: nanos(self.system),
            peak_tree: self.watch.peak,
            peak_process: largest,
            peak_process_name: self.watch.largest_name.take().filter(|_| near),
            processes_seen: self.watch.processes_seen().max(1),
            left_running: u32::try_from(left).unwrap_or(u32::MAX),
            samples: std::mem::take(&mut self.watch.samples),
            ..empty(exit)
        }
    }
}

/// The command, and the relays of the streams that come to the observer.
/// Starts the command in its group; outside of it where it cannot be in it.
fn spawn(request: &Request, observer: &mut dyn Observer) -> io::Result<(Child, Vec<Relay>)> {
    let Some(group) = &request.group else { return spawn_in(request, None) };
    let refused = match spawn_in(request, Some(group)) {
        Ok(started) => return Ok(started),
        Err(refused) => refused,
    };
    let started = spawn_in(request, None)?;
    observer.notice(&format!("no control group limits the build: {refused}"));
    Ok(started)
}

fn spawn_in(request: &Request, group: Option<&Path>) -> io::Result<(Child, Vec<Relay>)> {
    let (mut command, relays) = command(request)?;
    if let Some(group) = group {
        enter(&mut command, group)?;
    }
    // The command holds the child's ends of the pipes, which would never be seen to close; it ends here.
    let child = command.spawn().map_err(|error| explain(request, error))?;
    Ok((child, relays))
}

fn command(request: &Request) -> io::Result<(Command, Vec<Relay>)> {
    let Some((program, arguments)) = request.argv.split_first() else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no command given"));
    };
    let mut command = Command::new(program);
    for name in &request.removed {
        command.env_remove(name);
    }
    command.args(arguments).envs(request.environment.iter().map(|(k, v)| (k, v)));
    if let Some(cwd) = &request.cwd {
        command.current_dir(cwd);
    }
    let mut relays = Vec::new();
    if request.relay_stdout {
        let (relay, end) = Relay::new(Stream::Stdout)?;
        command.stdout(Stdio::from(end));
        relays.push(relay);
    }
    if request.relay_stderr {
        let (relay, end) = Relay::new(Stream::Stderr)?;
        command.stderr(Stdio::from(end));
        relays.push(relay);
    }
    Ok((command, relays))
}

/// "No such file or directory" may mean the program, its interpreter or where it should run.
fn explain(request: &Request, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::NotFound {
        return error;
    }
    if let Some(cwd) = request.cwd.as_ref().filter(|cwd| !cwd.is_dir()) {
        return io::Error::other(format!("there is no directory {}", cwd.display()));
    }
    let program = request.argv.first().filter(|program| program.contains('/'));
    let here = request.cwd.clone().unwrap_or_default();
    if program.is_some_and(|program| here.join(program).exists()) {
        return io::Error::other("it names an interpreter that does not exist");
    }
    error
}

/// Applies priority and address space to the child, whose own children inherit them. What it starts before
/// this happens, within microseconds of its own start, has the old ones.
fn limit(request: &Request, main: i32, observer: &mut dyn Observer) {
    let pid = Pid::from_raw(main);
    if let Some(niceness) = request.niceness
        && let Err(error) = rustix::process::setpriority_process(pid, niceness)
    {
        observer.notice(&format!("the priority stays as it is: {error}"));
    }
    if let Some(bytes) = request.address_space {
        let limit = Rlimit { current: Some(bytes.0), maximum: Some(bytes.0) };
        if let Err(error) = rustix::process::prlimit(pid, Resource::As, limit) {
            observer.notice(&format!("the address space is not limited to {bytes}: {error}"));
        }
    }
}
