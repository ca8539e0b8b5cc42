//! One attempt of a command, from its start to its end.
//!
//! Does not know whether it will be run again.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use ironwright_wire::{Ask, Ended, Running, ToGovernor};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

use crate::governor::timespec;
use crate::killed;
use crate::link::{Link, SILENT};
use crate::signals::{Signal, Signals, stop};
use crate::streams::Streams;
use crate::sys::{self, Before};
use crate::terminal::Terminal;
use crate::tree;

/// What the governor gave along with its permission.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    /// Number of the unit; 0 for one that runs ungoverned.
    pub(crate) unit: u64,
    pub(crate) oom_score_adj: i32,
    pub(crate) group: Option<PathBuf>,
}

/// What an attempt works with.
pub(crate) struct Attempt<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) streams: &'a mut Streams,
    pub(crate) link: &'a mut Link,
    pub(crate) grant: Grant,
}

impl<'a> Attempt<'a> {
    /// Starts the command.
    pub(crate) fn start(self, mut command: Command) -> io::Result<Watch<'a>> {
        use std::os::unix::process::CommandExt;
        let signals = Signals::take()?;
        command.process_group(0);
        self.streams.attach(&mut command)?;
        let before = Before {
            mask: signals.before(),
            child_ignored: signals.child_ignored(),
            parent: Some(rustix::process::getpid().as_raw_nonzero().get()),
            oom_score_adj: raised_score(self.grant.oom_score_adj),
            group: self.grant.group.clone(),
        };
        sys::prepare(&mut command, before);
        let started = Instant::now();
        let pid = sys::start(&mut command)?;
        // The command's ends of the pipes must not stay open here.
        drop(command);
        let watch = Watch {
            pid,
            started,
            signals,
            terminal: Terminal::default(),
            ask: self.ask,
            streams: self.streams,
            link: self.link,
            retryable: self.ask.retryable,
            stopped: None,
            by_user: false,
            group: self.grant.group.and_then(|procs| Some(procs.parent()?.to_owned())),
        };
        watch.link.tell(&ToGovernor::Started { pid: watch.pid });
        Ok(watch)
    }
}

/// The score that the kernel's choice of a victim begins with, raised; `None` where it stays.
fn raised_score(by: i32) -> Option<String> {
    if by <= 0 {
        return None;
    }
    let own = fs::read_to_string("/proc/self/oom_score_adj").ok()?;
    // 1000 is the largest that the kernel takes; see proc(5).
    let raised = own.trim().parse::<i32>().ok()?.saturating_add(by).min(1000);
    Some(raised.to_string())
}

/// A command that runs.
pub(crate) struct Watch<'a> {
    pid: i32,
    started: Instant,
    signals: Signals,
    terminal: Terminal,
    ask: &'a Ask,
    streams: &'a mut Streams,
    link: &'a mut Link,
    retryable: bool,
    /// Since when it is stopped, and not by this launcher.
    stopped: Option<Instant>,
    by_user: bool,
    /// Its control group, which the governor may freeze.
    group: Option<PathBuf>,
}

impl Watch<'_> {
    /// Stays until it ends.
    pub(crate) fn until_end(&mut self) -> io::Result<Ended> {
        loop {
            self.wait();
            while let Some(signal) = self.signals.next() {
                match signal {
                    Signal::Child => {
                        if let Some(status) = self.look_at_child()? {
                            return self.end(&status);
                        }
                    }
                    Signal::Suspend => self.suspend(),
                    Signal::Forward { signal, ending } => self.forward(signal, ending),
                }
            }
            self.streams.step();
            self.care_for_link();
        }
    }

    fn wait(&self) {
        let timeout = self.link.timeout().map(timespec);
        let mut watched = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if let Link::Up(governor) = &self.link {
            watched.push(PollFd::new(governor, governor.interest()));
        }
        self.streams.watch(&mut watched);
        // An interruption is as good as an event: everything is looked at anyway.
        let _ = poll(&mut watched, timeout.as_ref());
    }

    /// How the command ended, if it did. It is not reaped, so that its number stays its own.
    fn look_at_child(&mut self) -> io::Result<Option<WaitIdStatus>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if let Some(status) = waitid(WaitId::Pid(pid), peek)? {
            return Ok(Some(status));
        }
        let changes = WaitIdOptions::STOPPED | WaitIdOptions::CONTINUED | WaitIdOptions::NOHANG;
        while let Some(change) = waitid(WaitId::Pid(pid), changes)? {
            let signal = change.stopping_signal();
            let stays = signal.is_some_and(|signal| !self.terminal.settle(self.pid, signal));
            self.stopped = stays.then(Instant::now);
        }
        Ok(None)
    }

    fn forward(&mut self, signal: i32, ending: bool) {
        self.by_user |= ending;
        sys::send(-self.pid, signal);
        if ending {
            // What is stopped does not even hear that it should end.
            self.let_go_on();
        }
    }

    fn suspend(&mut self) {
        sys::send(-self.pid, libc::SIGSTOP);
        stop(rustix::process::getpid().as_raw_nonzero().get(), libc::SIGTSTP);
        if self.stopped.is_none() {
            sys::send(-self.pid, libc::SIGCONT);
        }
    }

    fn care_for_link(&mut self) {
        let lost = self.link.listen();
        if lost || (self.link.is_silent() && self.is_held_up()) {
            // The governor may have stopped the command, and will not let it go on.
            self.let_go_on();
            self.stopped = None;
        }
        let (pid, started) = (self.pid, self.started);
        self.link.look(self.ask, || Running { pid, since_us: since(started) });
    }

    /// The governor stops what has left the process group too, and somebody must let it go on.
    fn let_go_on(&self) {
        tree::let_go_on(self.pid);
        if let Some(group) = &self.group {
            // Fails where nothing was frozen, because the group is gone.
            let _ = fs::write(group.join("cgroup.freeze"), "0");
        }
    }

    fn is_frozen(&self) -> bool {
        let Some(group) = &self.group else { return false };
        fs::read_to_string(group.join("cgroup.freeze")).is_ok_and(|text| text.trim() == "1")
    }

    /// Whether the command was stopped for so long that a governor would have spoken since.
    ///
    /// A shell that waits in `vfork` for a child that was stopped before it became another program
    /// is not reported as stopped; it is in uninterruptible sleep.
    fn is_held_up(&self) -> bool {
        match self.stopped {
            Some(since) => since.elapsed() >= SILENT,
            None => sys::state(self.pid) == Some('D') || self.is_frozen(),
        }
    }

    fn end(&mut self, status: &WaitIdStatus) -> io::Result<Ended> {
        let wall_us = since(self.started);
        self.terminal.take_back();
        self.streams.drain();
        let killed = status.terminating_signal() == Some(libc::SIGKILL);
        let code = status.exit_status().unwrap_or(0);
        let killed_inside =
            code == killed::SHELL_CODE || (code != 0 && self.streams.tell_of_kill());
        if self.retryable && !self.by_user && (killed || killed_inside) {
            // What it left would write the same files as the next attempt. As long as the command
            // is not reaped no other group can have its number.
            sys::send(-self.pid, libc::SIGKILL);
        }
        let usage = sys::reap(self.pid)?;
        Ok(Ended {
            status: usage.status,
            wall_us,
            user_us: usage.user_us,
            system_us: usage.system_us,
            peak_process: usage.peak_process,
            peak_tree: 0,
            killed_inside,
            ended_by_user: self.by_user,
            nothing_done: false,
        })
    }
}

fn since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}
