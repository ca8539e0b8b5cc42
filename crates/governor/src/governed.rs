//! A unit as the governor knows it beyond what the machine knows: who asked, what runs, and the
//! facts that are kept when it ends.
//!
//! Does not know why it waits or runs.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ironwright_core::govern::{DomainId, Forecast, PARTS, SHORTEST, UnitId};
use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::unit::UnitFacts;
use ironwright_core::units::Bytes;
use ironwright_host::limit::Group;
use ironwright_wire::Ended;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpriority_pgrp, kill_process_group, pidfd_open, setpriority_pgrp,
};

use crate::processes::Taken;

/// A unit.
#[derive(Debug)]
pub(crate) struct Governed {
    pub(crate) id: UnitId,
    /// The connection of its launcher.
    pub(crate) peer: u64,
    /// The launcher's process.
    pub(crate) launcher: i32,
    pub(crate) facts: UnitFacts,
    pub(crate) explicit: bool,
    pub(crate) inputs: u64,
    pub(crate) stated: Option<Bytes>,
    pub(crate) forecast: Forecast,
    pub(crate) domain: DomainId,
    /// The governor's number of its run.
    pub(crate) run: Option<u64>,
    /// The history's number of its run.
    pub(crate) recorded: Option<i64>,
    pub(crate) attempt: u32,
    pub(crate) asked: Instant,
    /// What runs; nothing before it started.
    pub(crate) attempted: Option<Attempt>,
    /// Nothing else was admitted beside it.
    pub(crate) alone: bool,
    pub(crate) evicted: bool,
    /// A control group that its next attempt is to enter.
    pub(crate) group: Option<Group>,
}

impl Governed {
    /// Whether cargo or go started it, which begin with what most other packages wait for.
    pub(crate) fn is_ordered(&self) -> bool {
        let is_of_cargo = self.facts.tool == "rustc" && self.facts.package.is_some();
        is_of_cargo || self.facts.tool.starts_with("go ")
    }
}

/// A run of a unit's command.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Leader of its process group.
    pub(crate) leader: i32,
    /// As long as it is open the leader's number can be told from a later process's.
    handle: Option<OwnedFd>,
    /// Its control group, which holds all its processes.
    group: Option<Group>,
    started: Instant,
    started_unix_us: i64,
    paused_since: Option<Instant>,
    paused: Duration,
    trace: Trace,
    peak: Bytes,
    files: Bytes,
    delay: Duration,
}

impl Attempt {
    /// One that began some time ago.
    pub(crate) fn new(leader: i32, group: Option<Group>, ago: Duration, unix_us: i64) -> Self {
        let handle =
            Pid::from_raw(leader).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let now = Instant::now();
        Self {
            leader,
            handle,
            group,
            started: now.checked_sub(ago).unwrap_or(now),
            started_unix_us: unix_us
                .saturating_sub(i64::try_from(ago.as_micros()).unwrap_or(i64::MAX)),
            paused_since: None,
            paused: Duration::ZERO,
            trace: Trace::default(),
            peak: Bytes::ZERO,
            files: Bytes::ZERO,
            delay: Duration::ZERO,
        }
    }

    /// The same for a process that is gone: its number may be another's.
    pub(crate) fn without_a_process(self) -> Self {
        Self { handle: None, ..self }
    }

    /// Makes its processes so much nicer than those of its build.
    pub(crate) fn give_way(&self, levels: u8) {
        let leader = Pid::from_raw(self.leader);
        let Ok(niceness) = getpriority_pgrp(leader) else { return };
        if levels > 0 {
            let _ = setpriority_pgrp(leader, niceness.saturating_add(i32::from(levels)).min(19));
        }
    }

    /// Takes in a look.
    pub(crate) fn look(&mut self, taken: &Taken) {
        self.peak = self.peak.max(taken.memory);
        self.files = self.files.max(taken.files);
        self.delay = self.delay.max(taken.delay);
        if self.paused_since.is_none() {
            self.trace.add(self.ran(), taken.memory);
        }
    }

    /// Running time without pauses.
    fn ran(&self) -> Duration {
        let pause = self.paused_since.map_or(Duration::ZERO, |since| since.elapsed());
        self.started.elapsed().saturating_sub(self.paused).saturating_sub(pause)
    }

    /// Notes that its processes were stopped, or go on.
    fn set_paused(&mut self, paused: bool) {
        match (paused, self.paused_since) {
            (true, None) => self.paused_since = Some(Instant::now()),
            (false, Some(since)) => {
                self.paused += since.elapsed();
                self.paused_since = None;
            }
            _ => {}
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// Stops its processes, or lets them go on.
    pub(crate) fn pause(&mut self, paused: bool) {
        self.set_paused(paused);
        match &self.group {
            Some(group) if group.freeze(paused).is_ok() => {}
            _ => self.signal(if paused { Signal::STOP } else { Signal::CONT }),
        }
    }

    /// Processes of it that the kernel killed for want of memory, where its group counts them.
    pub(crate) fn kernel_kills(&self) -> Option<u64> {
        self.group.as_ref()?.oom_kills()
    }

    /// Kills its processes.
    pub(crate) fn kill(&self) {
        if let Some(group) = &self.group {
            let _ = group.kill_once();
        }
        self.signal(Signal::KILL);
    }

    /// Sends a signal to its process group, unless the leader is gone: the number may be another
    /// process's by now.
    fn signal(&self, signal: Signal) {
        if self.is_there()
            && let Some(group) = Pid::from_raw(self.leader)
        {
            let _ = kill_process_group(group, signal);
        }
    }

    /// Whether the leader has not ended. What it leaves behind is its launcher's to end.
    fn is_there(&self) -> bool {
        self.handle.as_ref().is_some_and(|handle| !ended(handle))
    }
}

/// A handle becomes readable when its process ends.
fn ended(handle: &OwnedFd) -> bool {
    let mut watched = [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)];
    poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

impl Governed {
    /// The facts of the attempt that ended; `told` is what the launcher said, if it did.
    pub(crate) fn record(&self, outcome: UnitOutcome, told: Option<&Ended>) -> Option<UnitRecord> {
        let attempt = self.attempted.as_ref()?;
        let ended = told.copied().unwrap_or_default();
        let wall = if told.is_some() {
            Duration::from_micros(ended.wall_us)
        } else {
            attempt.started.elapsed()
        };
        let peak_process = Bytes(ended.peak_process);
        let paused = attempt.paused.min(wall);
        // Looks miss what is short. The kernel's figure misses nothing, but counts files too, and how many
        // there were at its peak nobody saw: less them it would be another one each time.
        let is_short = wall.saturating_sub(paused) < SHORTEST;
        let files = if is_short { Bytes::ZERO } else { attempt.files };
        let least = peak_process.saturating_sub(files).max(Bytes(ended.peak_tree));
        let group = attempt.group.as_ref().and_then(Group::peak);
        let least = group.map_or(least, |most| least.min(most));
        Some(UnitRecord {
            run: self.recorded,
            key: self.facts.key.clone(),
            family: self.facts.family.clone(),
            tool: self.facts.tool.clone(),
            label: self.facts.label.clone(),
            package: self.facts.package.clone(),
            attempt: self.attempt,
            outcome,
            exit: told
                .filter(|_| libc::WIFEXITED(ended.status))
                .map(|_| libc::WEXITSTATUS(ended.status)),
            started_unix_us: attempt.started_unix_us,
            waited_us: micros(attempt.started.saturating_duration_since(self.asked)),
            wall_us: micros(wall),
            paused_us: micros(paused),
            user_us: ended.user_us,
            system_us: ended.system_us,
            delay_us: micros(attempt.delay),
            peak: attempt.peak.max(least),
            peak_process,
            reserved: self.forecast.peak,
            curve: attempt.trace.curve(wall.saturating_sub(paused)),
            input_bytes: self.inputs,
            alone: self.alone,
        })
    }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Memory over running time, as it was seen.
#[derive(Debug, Default)]
struct Trace {
    /// Time and memory, the earlier first; of looks that saw the same the first and the last.
    seen: Vec<(Duration, Bytes)>,
    looks: u32,
    /// Looks between two that are kept, as a power of two.
    stride: u32,
    skipped: u32,
}

/// Looks that are kept; with more every second one goes, and its memory counts for the next.
const KEPT: usize = 256;

impl Trace {
    fn add(&mut self, at: Duration, memory: Bytes) {
        self.looks = self.looks.saturating_add(1);
        self.skipped += 1;
        if self.skipped < 1 << self.stride
            && let Some((_, last)) = self.seen.last_mut()
        {
            *last = (*last).max(memory);
            return;
        }
        self.skipped = 0;
        if let [.., (_, before), (then, last)] = self.seen.as_mut_slice()
            && [*before, *last] == [memory; 2]
        {
            *then = at;
            return;
        }
        self.seen.push((at, memory));
        if self.seen.len() >= KEPT {
            self.thin();
        }
    }

    fn thin(&mut self) {
        self.stride = (self.stride + 1).min(16);
        let pairs = self.seen.chunks(2).filter_map(|pair| {
            let (at, _) = *pair.first()?;
            Some((at, pair.iter().map(|(_, memory)| *memory).max()?))
        });
        self.seen = pairs.collect();
    }

    /// The most memory in equal parts of the time; between two looks it is that of the later one.
    /// Empty when there were too few looks to tell.
    fn curve(&self, duration: Duration) -> Vec<Bytes> {
        let total = duration.as_secs_f64();
        if self.looks < FEWEST || total <= 0.0 {
            return Vec::new();
        }
        let bound = |part: usize| total * part as f64 / PARTS as f64;
        let within = |part: usize| {
            let (from, to) = (bound(part), bound(part + 1));
            let time = |at: &Duration| at.as_secs_f64();
            let inside = self.seen.iter().filter(|(at, _)| (from..to).contains(&time(at)));
            let after = self.seen.iter().find(|(at, _)| time(at) >= to);
            let last = self.seen.last();
            let next = after.or(last).map(|(_, memory)| *memory).unwrap_or_default();
            // Without a look in it, a part may hold as much as was seen after it.
            let most = inside.map(|(_, memory)| *memory).max();
            if after.is_none() { most.unwrap_or(next) } else { most.unwrap_or_default().max(next) }
        };
        (0..PARTS).map(within).collect()
    }
}

/// Looks that make a curve.
const FEWEST: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_trace_becomes_a_curve_that_covers_it() {
        let mut trace = Trace::default();
        for tenth in 0..100_u64 {
            trace.add(Duration::from_millis(tenth * 10), Bytes::mib(tenth));
        }
        let curve = trace.curve(Duration::from_secs(1));
        assert_eq!(curve.len(), PARTS);
        assert!(curve.is_sorted() && curve[0] >= Bytes::mib(3) && curve[0] <= Bytes::mib(4));
        assert_eq!(curve.last(), Some(&Bytes::mib(99)));
        assert_eq!(Trace::default().curve(Duration::from_secs(1)), []);
    }

    #[test]
    fn what_stays_the_same_takes_no_place() {
        let mut trace = Trace::default();
        for tenth in 0..60 {
            let memory = if tenth < 50 { Bytes::mib(7) } else { Bytes::mib(9) };
            trace.add(Duration::from_millis(tenth * 100), memory);
        }
        assert_eq!(trace.seen.len(), 4);
        let curve = trace.curve(Duration::from_secs(6));
        assert_eq!((curve[0], curve[25], curve[31]), (Bytes::mib(7), Bytes::mib(7), Bytes::mib(9)));
    }

    proptest! {
        #[test]
        fn thinning_loses_no_peak(memory in prop::collection::vec(0_u64..1 << 40, 6..3000)) {
            let mut trace = Trace::default();
            for (index, memory) in memory.iter().enumerate() {
                trace.add(Duration::from_millis(index as u64), Bytes(*memory));
            }
            prop_assert!(trace.seen.len() < KEPT);
            let curve = trace.curve(Duration::from_millis(memory.len() as u64));
            let most = memory.iter().max().copied().map(Bytes);
            prop_assert_eq!(curve.into_iter().max(), most);
        }
    }
}
