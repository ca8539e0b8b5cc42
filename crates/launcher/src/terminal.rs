//! The terminal, which the command's own process group keeps it from.
//!
//! Does not know which command it is, or who else wants the terminal.

use std::fs::File;
use std::time::Duration;

use rustix::process::{Pid, getpgrp};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use crate::signals::stop;
use crate::sys;

/// Pause before a command tries again to use a terminal that belongs to others.
const OTHERS: Duration = Duration::from_millis(50);

/// Whether the command has the terminal.
#[derive(Debug, Default)]
pub(crate) struct Terminal {
    given: Option<File>,
}

impl Terminal {
    /// The command was stopped because it used the terminal, or by the terminal. Whether that was
    /// settled, so that the command goes on.
    pub(crate) fn settle(&mut self, group: i32, signal: i32) -> bool {
        match signal {
            libc::SIGTTIN | libc::SIGTTOU => {
                if !self.give(group) {
                    // As if the command were in this group: the job waits until it is brought
                    // to the foreground. Where nobody controls jobs, nothing stops.
                    stop(0, signal);
                    std::thread::sleep(OTHERS);
                    self.give(group);
                }
            }
            // Only who has the terminal is stopped by it; the rest of the job has to follow.
            libc::SIGTSTP if self.given.is_some() => {
                self.take_back();
                stop(0, signal);
                self.give(group);
            }
            _ => return false,
        }
        sys::send(-group, libc::SIGCONT);
        true
    }

    fn give(&mut self, group: i32) -> bool {
        let Ok(terminal) = File::options().read(true).write(true).open("/dev/tty") else {
            return false;
        };
        let foreground = tcgetpgrp(&terminal).is_ok_and(|owner| owner == getpgrp());
        let given = foreground
            && Pid::from_raw(group).is_some_and(|group| tcsetpgrp(&terminal, group).is_ok());
        if given {
            self.given = Some(terminal);
        }
        given
    }

    /// Takes the terminal back, if it was given. SIGTTOU must be blocked.
    pub(crate) fn take_back(&mut self) {
        if let Some(terminal) = self.given.take() {
            let _ = tcsetpgrp(&terminal, getpgrp());
        }
    }
}
