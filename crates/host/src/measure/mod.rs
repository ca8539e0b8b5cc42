//! Runs a command and measures it, with as little beside it as can be.
//!
//! `run` watches a whole process tree, which disturbs what takes a tenth of a second; this starts a
//! process and waits for its end, and reads what the kernel then tells of it. Does not know what is
//! compared, nor how often a command runs.

mod counter;
mod pin;
mod start;

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ironwright_core::evidence::Sample;
use ironwright_core::units::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::procfs::TreeReader;
use crate::run::relay::{Relay, Stream};
use crate::run::signals::Signals;
use crate::run::wait::{self, Ended};
pub use counter::Counting;
pub use pin::{Pinned, last_usable};
use start::Started;

/// What is run.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// Program and arguments; not empty.
    pub argv: Vec<String>,
    /// A file for standard input; nothing when absent.
    pub input: Option<PathBuf>,
    /// Variables that are set for it.
    pub environment: Vec<(String, String)>,
}

/// Where a command's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nowhere.
    Discard,
    /// Where ours goes.
    Inherit,
    /// Its end is kept.
    Keep,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What was measured.
    pub sample: Sample,
    /// The end of what it printed, where that was to be kept.
    pub output: String,
}

/// Why there is no sample.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The command cannot be started.
    #[error("cannot run {program}: {error}")]
    NotStarted {
        /// Its program.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// A user wants an end; everything that the command started is gone.
    #[error("interrupted by signal {0}")]
    Interrupted(i32),
    /// Signals cannot be heeded, or a process not be waited for.
    #[error("cannot wait for processes: {0}")]
    Wait(#[from] io::Error),
}

const PROC: &str = "/proc";
/// By how much two readings of a small process's memory may differ.
const BLUR: Bytes = Bytes::mib(1);
/// Output that is kept at most, from its end.
const KEPT: usize = 64 * 1024;
/// Time that an interrupted command has to end by itself.
const GRACE: Duration = Duration::from_secs(2);
/// Pause between looks at what is ending.
const ENDING_PAUSE: Duration = Duration::from_millis(10);

/// Measures commands, one at a time. While it exists, signals that end a run are heeded between
/// and during runs, and orphans of commands become children of this process.
#[derive(Debug)]
pub struct Measurer {
    /// The small program that starts commands, where there is one.
    launcher: Option<PathBuf>,
    signals: Signals,
    counting: Counting,
}

impl Measurer {
    /// Prepares to measure. Of commands that take less memory than what starts them no peak can be told:
    /// than `launcher`, or than this program where there is none.
    pub fn new(launcher: Option<PathBuf>) -> Result<Self, MeasureError> {
        let signals = Signals::register()?;
        start::take_orphans_in();
        Ok(Self { launcher, signals, counting: Counting::probe() })
    }

    /// Whether instructions are counted, or why not.
    pub const fn counting(&self) -> &Counting {
        &self.counting
    }

    /// The signal by which a user wants an end, if one came since the last call.
    pub fn interrupted(&self) -> Option<i32> {
        self.signals.take_ending()
    }

    /// Runs a command to its end.
    pub fn run(&mut self, job: &Job, output: Output) -> Result<Ran, MeasureError> {
        if let Some(signal) = self.interrupted() {
            return Err(MeasureError::Interrupted(signal));
        }
        let counter = self.counting.start();
        let (started, mut relays) = self.start(job, output)?;
        let mut kept = Vec::new();
        let ended = self.wait(&started, &mut relays, &mut kept)?;
        let wall = start::now().saturating_sub(started.began);
        let instructions = counter.and_then(counter::Counter::read);
        for relay in &mut relays {
            relay.pump(|bytes| keep(&mut kept, bytes));
            relay.flush(|bytes| keep(&mut kept, bytes));
        }
        let sample = sample(&ended, wall, started.floor, instructions);
        Ok(Ran { sample, output: String::from_utf8_lossy(&kept).into_owned() })
    }

    fn start(&self, job: &Job, output: Output) -> Result<(Started, Vec<Relay>), MeasureError> {
        let (program, arguments) = job
            .argv
            .split_first()
            .ok_or_else(|| not_started(job, io::Error::other("there is no command")))?;
        let first = self.launcher.as_ref().map_or(OsStr::new(program), |it| it.as_os_str());
        let mut command = start::command(first, job, input(job)?);
        let relays = lead_output(&mut command, output)?;
        let started = if self.launcher.is_some() {
            start::by_launcher(command, &job.argv)
        } else {
            command.args(arguments);
            start::directly(command)
        };
        Ok((started.map_err(|error| not_started(job, error))?, relays))
    }

    /// Waits for a command, taking in what it prints, unless a user wants an end.
    fn wait(
        &self,
        started: &Started,
        relays: &mut [Relay],
        kept: &mut Vec<u8>,
    ) -> Result<Ended, MeasureError> {
        let pid = started.pid;
        let process = Pid::from_raw(pid).ok_or_else(|| io::Error::other("no process id"))?;
        let end =
            rustix::process::pidfd_open(process, PidfdFlags::empty()).map_err(io::Error::from)?;
        let mut has_ended = false;
        loop {
            if let Some(ended) = wait::reap_one(pid) {
                return Ok(ended);
            }
            if has_ended {
                return Err(io::Error::other("somebody else was told how the command ended").into());
            }
            if let Some(signal) = self.signals.take_ending() {
                end_all(started.group);
                return Err(MeasureError::Interrupted(signal));
            }
            let wake = self.signals.fd();
            let mut fds = vec![PollFd::new(&end, PollFlags::IN), PollFd::new(&wake, PollFlags::IN)];
            let streams: Vec<_> = relays.iter().filter_map(Relay::fd).collect();
            fds.extend(streams.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
            // Whatever wakes it is looked at in the next turn.
            let _ = rustix::event::poll(&mut fds, None);
            has_ended = !fds[0].revents().is_empty();
            drop(fds);
            for relay in relays.iter_mut() {
                relay.pump(|bytes| keep(kept, bytes));
            }
        }
    }
}

impl Drop for Measurer {
    fn drop(&mut self) {
        let _ = rustix::process::set_child_subreaper(None);
    }
}

fn sample(ended: &Ended, wall: Duration, floor: Bytes, instructions: Option<u64>) -> Sample {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    Sample {
        wall_ns: nanos(wall),
        user_ns: nanos(ended.user),
        system_ns: nanos(ended.system),
        peak: (ended.largest > blurred(floor)).then_some(ended.largest),
        instructions,
        exit: ended.exit.code(),
    }
}

/// The kernel counts memory in batches for each processor, so two readings of the same size differ.
fn blurred(floor: Bytes) -> Bytes {
    floor.scaled(1.1).saturating_add(BLUR)
}

/// Leads a command's output to where it is to go.
fn lead_output(command: &mut Command, output: Output) -> io::Result<Vec<Relay>> {
    match output {
        Output::Discard => {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        Output::Inherit => {}
        Output::Keep => {
            let (out, write_out) = Relay::new(Stream::Stdout)?;
            let (err, write_err) = Relay::new(Stream::Stderr)?;
            command.stdout(write_out).stderr(write_err);
            return Ok(vec![out, err]);
        }
    }
    Ok(Vec::new())
}

fn input(job: &Job) -> Result<Stdio, MeasureError> {
    let Some(path) = &job.input else { return Ok(Stdio::null()) };
    let file = std::fs::File::open(path).map_err(|error| {
        let error = io::Error::other(format!("its input {}: {error}", path.display()));
        not_started(job, error)
    })?;
    Ok(file.into())
}

fn not_started(job: &Job, error: io::Error) -> MeasureError {
    MeasureError::NotStarted { program: job.argv.first().cloned().unwrap_or_default(), error }
}

/// Keeps the last bytes.
fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    kept.extend_from_slice(bytes);
    let surplus = kept.len().saturating_sub(KEPT);
    kept.drain(..surplus);
}

/// Ends a command's process group with everything that came of it, whatever became of its parents.
fn end_all(group: i32) {
    let deadline = Instant::now() + GRACE;
    signal_tree(group, Signal::TERM);
    loop {
        while wait::reap().is_some() {}
        let left = tree();
        if left.is_empty() || Instant::now() > deadline + GRACE {
            return;
        }
        if Instant::now() > deadline {
            signal_tree(group, Signal::KILL);
        }
        let pause = Timespec::try_from(ENDING_PAUSE).ok();
        let _ = rustix::event::poll(&mut [], pause.as_ref());
    }
}

fn signal_tree(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        let _ = rustix::process::kill_process_group(group, signal);
    }
    for pid in tree().into_iter().filter_map(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Every process that descends from this one and still runs.
fn tree() -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let snapshot = TreeReader::new(PROC, own).snapshot();
    snapshot.iter().filter(|process| !process.zombie).map(|process| process.pid).collect()
}
