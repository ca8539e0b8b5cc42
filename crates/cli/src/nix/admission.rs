//! The governor's permission for one build, from the question to the report of its end.
//!
//! Where nobody governs, or a governor died and none took its place, builds start in threads' number.
//! Does not know what is built.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ironwright_launcher::{Governor, Heard, Link, SILENT};
use ironwright_wire::{Ask, Ended, FromGovernor, Running, ToGovernor};

use super::attempt::is_cancelled;

/// How long a new governor is looked for before a build starts without one.
const TAKEOVER: Duration = Duration::from_secs(3);
/// How often.
const TAKEOVER_EVERY: Duration = Duration::from_millis(50);
/// How long a first connection may take.
const CONNECT: Duration = Duration::from_millis(500);
/// How often a killed build is tried again when nobody decides on it.
const MOST_ALONE: u32 = 2;

/// How often a build is started in which somebody else kills: what watches memory on a desktop does so, too, and a
/// builder that kills itself will do it again.
const MOST_BY_OTHERS: u32 = 2;

/// Permits for builds that nobody governs.
#[derive(Clone, Debug)]
pub(crate) struct Permits(Arc<(Mutex<u32>, Condvar)>);

impl Permits {
    /// So many at a time.
    pub(crate) fn new(count: u32) -> Self {
        Self(Arc::new((Mutex::new(count.max(1)), Condvar::new())))
    }

    fn take(&self) {
        let (free, changed) = &*self.0;
        let guard = free.lock().unwrap_or_else(PoisonError::into_inner);
        let none_free = |free: &mut u32| *free == 0;
        let mut guard =
            changed.wait_while(guard, none_free).unwrap_or_else(PoisonError::into_inner);
        *guard -= 1;
    }

    fn give(&self) {
        let (free, changed) = &*self.0;
        *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        changed.notify_one();
    }
}

/// What was granted.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    /// `cgroup.procs` of the group that the build is to enter.
    pub(crate) group: Option<std::path::PathBuf>,
}

/// What is to be done with a build that was killed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Build it again, once that is granted.
    Again,
    /// It failed; what a user should know.
    GiveUp(Option<String>),
    /// It was killed so often, and not for memory as far as anybody knows.
    Killed(u32),
}

/// A unit with the governor.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) link: Link,
    pub(crate) ask: Ask,
    permits: Permits,
    holds_permit: bool,
    alone: u32,
}

impl Admission {
    /// Asks, if there is somebody to ask.
    pub(crate) fn new(ask: Ask, govern: bool, permits: Permits) -> Self {
        let link = match govern.then(|| Governor::connect(CONNECT)).flatten() {
            Some(mut governor) => {
                governor.tell(&ToGovernor::Ask(ask.clone()));
                Link::Up(governor)
            }
            None => Link::None,
        };
        Self { link, ask, permits, holds_permit: false, alone: 0 }
    }

    /// Waits for the grant for as long as somebody governs; nothing when it is not wanted any more.
    pub(crate) fn wait(&mut self, cancelled: &AtomicBool) -> Option<Grant> {
        loop {
            // A governor speaks each second, so that this is soon seen.
            if is_cancelled(cancelled) {
                return None;
            }
            let Some(governor) = self.link.governor() else {
                return Some(self.permitted()).filter(|_| !is_cancelled(cancelled));
            };
            match governor.hear(SILENT) {
                Heard::Message(FromGovernor::Granted { group, .. }) => {
                    return Some(Grant { group });
                }
                Heard::Message(FromGovernor::Pass) => {
                    self.link = Link::None;
                }
                Heard::Message(_) => {}
                Heard::Nothing | Heard::Gone => self.ask_another(),
            }
        }
    }

    fn permitted(&mut self) -> Grant {
        if !self.holds_permit {
            self.permits.take();
            self.holds_permit = true;
        }
        Grant::default()
    }

    /// The run's own connection starts a new governor where one died.
    fn ask_another(&mut self) {
        let deadline = Instant::now() + TAKEOVER;
        self.link = Link::None;
        while Instant::now() < deadline {
            if let Some(mut governor) = Governor::connect(Duration::ZERO) {
                governor.tell(&ToGovernor::Ask(self.ask.clone()));
                self.link = Link::Up(governor);
                return;
            }
            std::thread::sleep(TAKEOVER_EVERY);
        }
    }

    /// Tells that the build runs, below this process.
    pub(crate) fn started(&mut self, pid: i32) {
        self.link.tell(&ToGovernor::Started { pid });
    }

    /// Tells of another tree that works for it.
    pub(crate) fn also(&mut self, pid: i32) {
        self.link.tell(&ToGovernor::Also { pid });
    }

    /// Takes care of the connection while the build runs. True when the governor was just lost.
    pub(crate) fn care(&mut self, pid: i32, since: Instant) -> bool {
        let lost = self.link.listen();
        let since_us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.link.look(&self.ask, || Running { pid, since_us });
        lost
    }

    /// Tells how it ended. `killed` asks for what is to be done about a death for want of memory;
    /// `again` is the question for another attempt.
    pub(crate) fn ended(
        &mut self,
        ended: Ended,
        killed: bool,
        again: impl FnOnce(u32) -> Ask,
    ) -> Option<Next> {
        self.link.tell(&ToGovernor::Ended(ended));
        if self.holds_permit {
            self.permits.give();
            self.holds_permit = false;
        }
        if !killed {
            return None;
        }
        let next = self.verdict();
        if next == Next::Again {
            self.ask = again(self.ask.attempt + 1);
            self.link.tell(&ToGovernor::Ask(self.ask.clone()));
        }
        Some(next)
    }

    fn verdict(&mut self) -> Next {
        while let Some(governor) = self.link.governor() {
            match governor.hear(SILENT) {
                Heard::Message(FromGovernor::Verdict { by_others, .. })
                    if by_others >= MOST_BY_OTHERS =>
                {
                    return Next::Killed(by_others);
                }
                Heard::Message(FromGovernor::Verdict { retry: true, .. }) => return Next::Again,
                Heard::Message(FromGovernor::Verdict { message, .. }) => {
                    return Next::GiveUp(message);
                }
                Heard::Message(_) => {}
                Heard::Nothing | Heard::Gone => self.ask_another(),
            }
            if matches!(self.link, Link::Up(_)) {
                continue;
            }
            break;
        }
        self.alone += 1;
        if self.alone <= MOST_ALONE { Next::Again } else { Next::GiveUp(None) }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.holds_permit {
            self.permits.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_bound_what_nobody_governs() {
        let permits = Permits::new(1);
        let mut first = Admission::new(Ask::default(), false, permits.clone());
        first.wait(&AtomicBool::new(false)).unwrap();
        let (tell, hear) = std::sync::mpsc::channel();
        let other = permits.clone();
        let thread = std::thread::spawn(move || {
            let mut second = Admission::new(Ask::default(), false, other);
            second.wait(&AtomicBool::new(false)).unwrap();
            tell.send(()).unwrap();
        });
        assert!(hear.recv_timeout(Duration::from_millis(100)).is_err());
        assert_eq!(first.ended(Ended::default(), false, |_| Ask::default()), None);
        hear.recv_timeout(Duration::from_secs(10)).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn without_a_governor_a_killed_build_is_tried_again_but_not_for_ever() {
        let mut admission = Admission::new(Ask::default(), false, Permits::new(2));
        let mut verdicts = Vec::new();
        for _ in 0..3 {
            admission.wait(&AtomicBool::new(false)).unwrap();
            let ask = |attempt| Ask { attempt, ..Ask::default() };
            verdicts.extend(admission.ended(Ended::default(), true, ask));
        }
        assert_eq!(verdicts, [Next::Again, Next::Again, Next::GiveUp(None)]);
        assert_eq!(admission.ask.attempt, 2);
    }
}
