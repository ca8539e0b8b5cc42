//! The connection to the governor while a command runs: it may end, and a new governor be found.
//!
//! Does not know what the command does.

use std::time::{Duration, Instant};

use ironwright_wire::{Ask, FromGovernor, Running, ToGovernor};

use crate::governor::{Governor, Heard};
use crate::question;

/// How often a new governor is looked for while the command runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long it is looked for.
const LOOK_FOR: Duration = Duration::from_secs(10);
/// A governor that says nothing for so long to whom it stopped is dead: it speaks every other second.
pub(crate) const SILENT: Duration = Duration::from_secs(5);

/// Pause before a silence that is about to be long enough is looked at.
const SHORTEST: Duration = Duration::from_millis(1);

/// Whether somebody governs.
#[derive(Debug)]
pub(crate) enum Link {
    Up(Governor),
    /// The governor is gone, and another is looked for.
    Lost {
        next: Instant,
        until: Instant,
    },
    /// Nobody governs.
    None,
}

impl Link {
    /// Tells the governor, if there is one.
    pub(crate) fn tell(&mut self, message: &ToGovernor) {
        if let Self::Up(governor) = self {
            governor.tell(message);
        }
    }

    /// The connected governor.
    pub(crate) fn governor(&mut self) -> Option<&mut Governor> {
        match self {
            Self::Up(governor) => Some(governor),
            Self::Lost { .. } | Self::None => None,
        }
    }

    /// Takes in what came while the command runs; nothing of it matters by then. Whether the
    /// governor was lost.
    pub(crate) fn listen(&mut self) -> bool {
        let Self::Up(governor) = self else { return false };
        governor.exchange();
        loop {
            match governor.take() {
                // It came late, and says that no more will be said.
                Heard::Message(FromGovernor::Pass) => *self = Self::None,
                Heard::Message(_) => continue,
                Heard::Nothing => {}
                Heard::Gone => {
                    let now = Instant::now();
                    *self = Self::Lost { next: now, until: now + LOOK_FOR };
                    return true;
                }
            }
            return false;
        }
    }

    /// Looks for a new governor, if it is time, and tells it what runs.
    pub(crate) fn look(&mut self, ask: &Ask, running: impl FnOnce() -> Running) {
        let now = Instant::now();
        let Self::Lost { next, until } = self else { return };
        if now < *next {
            return;
        }
        *next = now + LOOK_EVERY;
        if let Some(mut governor) = Governor::connect(Duration::ZERO) {
            let running = running();
            governor.tell(&ToGovernor::Ask(question::about_running(ask, running)));
            governor.tell(&ToGovernor::Started { pid: running.pid });
            *self = Self::Up(governor);
        } else if now >= *until {
            *self = Self::None;
        }
    }

    /// When something is to be done though nothing happens.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        match self {
            // A silence that is over is looked at again.
            Self::Up(governor) => {
                Some(SILENT.checked_sub(governor.silence()).unwrap_or(SILENT).max(SHORTEST))
            }
            Self::Lost { next, .. } => Some(next.saturating_duration_since(Instant::now())),
            Self::None => None,
        }
    }

    /// Whether there is a governor, and silent for so long that it cannot want the command stopped.
    /// Where there is none, whoever stopped the command may let it go on.
    pub(crate) fn is_silent(&self) -> bool {
        match self {
            Self::Up(governor) => governor.silence() >= SILENT,
            Self::Lost { .. } | Self::None => false,
        }
    }
}
