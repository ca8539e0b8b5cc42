//! What a launcher does next.
//!
//! Does not know what the governor knows, only what it said.

use crate::state::{Command, Down, Next, Phase, State, Up, Why};

/// How often a killed command is run again when nobody decides on it, as in `unit.rs`.
const MOST_ALONE: u8 = 2;

impl State {
    pub(crate) fn launcher_steps(&self, l: usize, next: &mut Next) {
        let launcher = &self.launchers[l];
        match launcher.phase {
            Phase::Begins => next.states.push(self.with(|s| s.connect(l))),
            Phase::Asked => self.hear_first(l, next),
            Phase::Waits => self.hear_grant(l, next),
            Phase::Seeks(why) => self.seek(l, why, next),
            Phase::AskedAnew(why) => self.hear_anew(l, why, next),
            Phase::Runs { lost } => self.run(l, lost, next),
            Phase::AwaitsVerdict => self.hear_verdict(l, next),
            Phase::Bare => {
                assert_eq!(launcher.command, Command::Runs);
                next.states.push(self.with(|s| s.leave(l)));
            }
            Phase::Over => {}
        }
    }

    pub(crate) fn connect(&mut self, l: usize) {
        if self.governor {
            self.open(l, Up::Ask { running: None });
            self.launchers[l].phase = Phase::Asked;
        } else {
            self.become_it(l);
        }
    }

    pub(crate) fn become_it(&mut self, l: usize) {
        self.close(l);
        assert_eq!(self.launchers[l].command, Command::None);
        self.launchers[l].command = Command::Runs;
        self.launchers[l].phase = Phase::Bare;
    }

    pub(crate) fn hear_first(&self, l: usize, next: &mut Next) {
        match self.heard(l) {
            Some(Ok(_)) => next.states.push(self.with(|s| s.launchers[l].phase = Phase::Waits)),
            Some(Err(())) => next.states.push(self.with(|s| s.become_it(l))),
            // It loses its patience, and stays connected.
            None => next.states.push(self.with(|s| s.start(l))),
        }
    }

    pub(crate) fn hear_grant(&self, l: usize, next: &mut Next) {
        match self.heard(l) {
            Some(Ok(Down::Granted)) => next.states.push(self.with(|s| {
                s.consume(l);
                s.start(l);
            })),
            Some(Ok(_)) => next.states.push(self.with(|s| s.consume(l))),
            Some(Err(())) => next.states.push(self.with(|s| s.go_seeking(l, Why::Waits))),
            // A governor that is stopped says nothing.
            None => next.faults.push(self.with(|s| s.go_seeking(l, Why::Waits))),
        }
    }

    pub(crate) fn go_seeking(&mut self, l: usize, why: Why) {
        self.close(l);
        self.launchers[l].phase = Phase::Seeks(why);
    }

    pub(crate) fn seek(&self, l: usize, why: Why, next: &mut Next) {
        if self.governor {
            next.states.push(self.with(|s| {
                s.open(l, Up::Ask { running: None });
                s.launchers[l].phase = Phase::AskedAnew(why);
            }));
        }
        next.states.push(self.with(|s| s.settle_for_none(l, why)));
    }

    /// Nobody answered for so long that the command runs ungoverned, or is given up.
    pub(crate) fn settle_for_none(&mut self, l: usize, why: Why) {
        if why == Why::Killed {
            self.launchers[l].alone += 1;
            if self.launchers[l].alone > MOST_ALONE {
                return self.leave(l);
            }
        }
        self.start(l);
    }

    pub(crate) fn hear_anew(&self, l: usize, why: Why, next: &mut Next) {
        next.states.push(match self.heard(l) {
            Some(Ok(_)) => self.with(|s| s.launchers[l].phase = Phase::Waits),
            Some(Err(())) => self.with(|s| s.go_seeking(l, why)),
            None => self.with(|s| s.settle_for_none(l, why)),
        });
    }

    pub(crate) fn run(&self, l: usize, lost: bool, next: &mut Next) {
        match self.launchers[l].command {
            Command::Runs => next
                .states
                .push(self.with(|s| s.launchers[l].command = Command::Ended { killed: false })),
            Command::Ended { killed } => next.states.push(self.with(|s| s.report(l, killed))),
            Command::Stopped => {
                // The governor is silent for so long that it is taken for dead.
                if self.launchers[l].connection.is_some() && self.heard(l).is_none() {
                    next.faults.push(self.with(|s| s.launchers[l].command = Command::Runs));
                }
            }
            Command::None => unreachable!("it was started"),
        }
        self.follow(l, lost, next);
    }

    /// A launcher that lost its governor lets the command go on and looks for another.
    pub(crate) fn follow(&self, l: usize, lost: bool, next: &mut Next) {
        match self.heard(l) {
            Some(Ok(_)) => next.states.push(self.with(|s| s.consume(l))),
            Some(Err(())) => next.states.push(self.with(|s| {
                s.close(l);
                let launcher = &mut s.launchers[l];
                launcher.phase = Phase::Runs { lost: true };
                if launcher.command == Command::Stopped {
                    launcher.command = Command::Runs;
                }
            })),
            None => {}
        }
        if lost && self.governor {
            let attempt = self.launchers[l].attempt;
            next.states.push(self.with(|s| {
                s.open(l, Up::Ask { running: Some(attempt) });
                s.tell(l, Up::Started(attempt));
                s.launchers[l].phase = Phase::Runs { lost: false };
            }));
        }
    }

    pub(crate) fn report(&mut self, l: usize, killed: bool) {
        self.tell(l, Up::Ended { killed });
        match (killed, self.launchers[l].connection) {
            (false, _) => self.leave(l),
            (true, Some(_)) => self.launchers[l].phase = Phase::AwaitsVerdict,
            (true, None) => self.try_again(l, Phase::Seeks(Why::Killed)),
        }
    }

    pub(crate) fn try_again(&mut self, l: usize, phase: Phase) {
        self.launchers[l].attempt += 1;
        self.launchers[l].command = Command::None;
        self.launchers[l].phase = phase;
    }

    pub(crate) fn hear_verdict(&self, l: usize, next: &mut Next) {
        let seek = |s: &mut Self| {
            s.close(l);
            s.try_again(l, Phase::Seeks(Why::Killed));
        };
        match self.heard(l) {
            Some(Ok(Down::Verdict)) => next.states.push(self.with(|s| {
                s.consume(l);
                s.try_again(l, Phase::Waits);
            })),
            Some(Ok(_)) => next.states.push(self.with(|s| s.consume(l))),
            Some(Err(())) => next.states.push(self.with(seek)),
            None => next.faults.push(self.with(seek)),
        }
    }
}
