//! The life of a command: asked for, waited for, run, and perhaps run again.
//!
//! Fails open: whatever is wrong with the governor, the command runs. Does not know why the
//! governor decides as it does.

use std::process::Command;
use std::time::{Duration, Instant};

use ironwright_wire::{Ask, Ended, FromGovernor, ToGovernor, variable};

use crate::ending;
use crate::governor::{Governor, Heard};
use crate::input::{self, Input};
use crate::invocation::Invocation;
use crate::link::{Link, SILENT};
use crate::question;
use crate::streams::Streams;
use crate::sys::{self, Before};
use crate::watch::{Attempt, Grant};

/// How long a first answer is waited for: with the start it stays below the 5 ms within which the
/// launcher fails open.
const FIRST_ANSWER: Duration = Duration::from_millis(4);
/// How much longer a governor is waited for that has no processor to answer on. Starting one more
/// compiler is no help to a machine in that state.
const STARVED_ANSWER: Duration = Duration::from_secs(1);
/// How often it is looked whether the governor is still in that state.
const STARVED_EVERY: Duration = Duration::from_millis(10);
/// How long a new governor is looked for before the command runs ungoverned.
const TAKEOVER: Duration = Duration::from_secs(1);
/// How often it is looked for.
const TAKEOVER_EVERY: Duration = Duration::from_millis(20);
/// How long a governor that lives may think about a verdict.
const VERDICT: Duration = Duration::from_secs(10);
/// How often a killed command is run again when nobody decides on it.
const MOST_ALONE: u32 = 2;

/// What is to be done with the command now.
enum Admission {
    /// Become it.
    Pass,
    /// Run it and stay.
    Run(Grant),
}

/// Runs a command under the governor, or as if there were no launcher.
pub(crate) fn run(invocation: &Invocation) -> ! {
    if invocation.direct || std::env::var_os(variable::UNIT).is_some() {
        become_it(invocation.command());
    }
    let Some(governor) = Governor::connect(FIRST_ANSWER) else { become_it(invocation.command()) };
    let mut ask = question::first(invocation);
    // A compiler reads no input unless it is told to; what a unit of a user reads nobody knows.
    ask.retryable &= !(ask.explicit && input::is_stream());
    let input = match (ask.retryable, ask.stdin_is_source) {
        (false, _) => Input::Own,
        (true, true) => Input::of_source(),
        (true, false) => Input::in_place(),
    };
    let streams = Streams::new(ask.retryable);
    let unit = Unit { invocation, ask, input, link: Link::Up(governor), streams, alone: 0 };
    unit.live()
}

/// Takes the command's place.
fn become_it(mut command: Command) -> ! {
    use std::os::unix::process::CommandExt;
    let program = command.get_program().to_os_string();
    sys::prepare(&mut command, Before::exec());
    let error = command.exec();
    ending::not_started(&program, &error)
}

struct Unit<'a> {
    invocation: &'a Invocation,
    ask: Ask,
    input: Input,
    link: Link,
    streams: Streams,
    /// Attempts that nobody decided on.
    alone: u32,
}

impl Unit<'_> {
    fn live(mut self) -> ! {
        let mut admission = self.first_answer();
        loop {
            let grant = match admission {
                Admission::Run(grant) => grant,
                Admission::Pass if self.ask.attempt == 1 => become_it(self.command()),
                Admission::Pass => {
                    self.link = Link::None;
                    Grant::default()
                }
            };
            let mut command = self.command();
            command.env(variable::UNIT, grant.unit.to_string());
            let attempt =
                Attempt { ask: &self.ask, streams: &mut self.streams, link: &mut self.link, grant };
            let Ok(mut running) = attempt.start(command) else { self.without_a_child() };
            let ended = match running.until_end() {
                Ok(ended) => ended,
                Err(error) => ending::not_followed(&error),
            };
            drop(running);
            match self.again(ended) {
                Some(next) => admission = next,
                None => ending::as_the_command(ended.status, self.streams.finish()),
            }
        }
    }

    fn command(&mut self) -> Command {
        let mut command = self.invocation.command();
        self.input.attach(&mut command);
        command
    }

    /// Takes the command's place because it could not be started: limits on processes or
    /// descriptors may leave no room for two. What else is wrong with it, this tells as well.
    fn without_a_child(&mut self) -> ! {
        let _ = self.streams.finish();
        become_it(self.command())
    }

    fn first_answer(&mut self) -> Admission {
        self.link.tell(&ToGovernor::Ask(self.ask.clone()));
        let Some(governor) = self.link.governor() else { return Admission::Pass };
        let mut heard = governor.hear(FIRST_ANSWER);
        let deadline = Instant::now() + STARVED_ANSWER;
        while heard == Heard::Nothing && Instant::now() < deadline && governor.is_starved() {
            heard = governor.hear(STARVED_EVERY);
        }
        if heard == Heard::Nothing {
            // It may have answered just before it was looked at.
            heard = governor.hear(Duration::ZERO);
        }
        match heard {
            Heard::Message(message) => self.wait(message),
            Heard::Nothing => Admission::Run(Grant::default()),
            Heard::Gone => Admission::Pass,
        }
    }

    /// Waits for the grant for as long as the governor lives.
    fn wait(&mut self, mut message: FromGovernor) -> Admission {
        loop {
            match message {
                FromGovernor::Pass => return Admission::Pass,
                FromGovernor::Granted { unit, oom_score_adj, group } => {
                    return Admission::Run(Grant { unit, oom_score_adj, group });
                }
                _ => {}
            }
            let heard = self.link.governor().map_or(Heard::Gone, |governor| governor.hear(SILENT));
            message = match heard {
                Heard::Message(message) => message,
                Heard::Nothing | Heard::Gone => match self.ask_anew() {
                    Some(message) => message,
                    None => return Admission::Run(Grant::default()),
                },
            };
        }
    }

    /// Finds a new governor and asks it; its first answer. One that takes the question and says
    /// nothing stays connected, to be told what runs.
    fn ask_anew(&mut self) -> Option<FromGovernor> {
        let deadline = Instant::now() + TAKEOVER;
        self.link = Link::None;
        while Instant::now() < deadline {
            let Some(mut governor) = Governor::connect(Duration::ZERO) else {
                std::thread::sleep(TAKEOVER_EVERY);
                continue;
            };
            governor.tell(&ToGovernor::Ask(self.ask.clone()));
            let heard = governor.hear(deadline.saturating_duration_since(Instant::now()));
            if heard == Heard::Gone {
                std::thread::sleep(TAKEOVER_EVERY);
                continue;
            }
            self.link = Link::Up(governor);
            return match heard {
                Heard::Message(message) => Some(message),
                Heard::Nothing | Heard::Gone => None,
            };
        }
        None
    }

    /// Reports the end; what is to be done if the command is to run again.
    fn again(&mut self, ended: Ended) -> Option<Admission> {
        self.link.tell(&ToGovernor::Ended(ended));
        let killed =
            libc::WIFSIGNALED(ended.status) && libc::WTERMSIG(ended.status) == libc::SIGKILL;
        if !self.ask.retryable || ended.ended_by_user || !(killed || ended.killed_inside) {
            self.flush();
            return None;
        }
        let verdict = self.verdict();
        self.ask.attempt += u32::from(!matches!(verdict, Some((false, _))));
        let next = match verdict {
            Some((true, _)) => self.wait(FromGovernor::Queued),
            Some((false, message)) => {
                if let Some(message) = message {
                    let _ = self.streams.finish();
                    ending::say(&message);
                }
                return None;
            }
            None => self.decide_alone()?,
        };
        self.streams.again();
        Some(next)
    }

    /// A report that the socket has no room for yet is worth a moment.
    fn flush(&mut self) {
        if let Some(governor) = self.link.governor()
            && governor.owes()
        {
            governor.hear(FIRST_ANSWER);
        }
    }

    /// Whether the governor wants another attempt; nothing when it is gone.
    fn verdict(&mut self) -> Option<(bool, Option<String>)> {
        let deadline = Instant::now() + VERDICT;
        let governor = self.link.governor()?;
        while Instant::now() < deadline {
            match governor.hear(SILENT) {
                Heard::Message(FromGovernor::Verdict { retry, message, .. }) => {
                    return Some((retry, message));
                }
                Heard::Message(_) => {}
                Heard::Nothing | Heard::Gone => return None,
            }
        }
        None
    }

    fn decide_alone(&mut self) -> Option<Admission> {
        if let Some(message) = self.ask_anew() {
            return Some(self.wait(message));
        }
        self.alone += 1;
        (self.alone <= MOST_ALONE).then(|| Admission::Run(Grant::default()))
    }
}
