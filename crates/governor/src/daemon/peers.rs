//! Connections: who speaks, and what is said.
//!
//! Does not know what a unit or a run is beyond its messages.

use std::os::fd::AsFd;

use ironwright_core::govern::UnitId;
use ironwright_core::view::{Happening, Note};
use ironwright_wire::{Channel, FromGovernor, RunBegins, Tally, ToGovernor};
use rustix::event::epoll;

use super::Daemon;
use crate::recorder::Recorder;
use crate::runs::Run;

/// Bytes that a peer may leave unread before it is taken for dead.
const PATIENCE: usize = 8 << 20;

/// A connection.
pub(super) struct Peer {
    pub(super) channel: Channel,
    /// The process at its other end.
    pub(super) pid: i32,
    pub(super) role: Role,
    /// Whether it is waited for the socket to take more.
    congested: bool,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It has not said yet.
    New,
    /// The launcher of a unit.
    Unit(UnitId),
    /// A run, by the governor's number.
    Run(u64),
    /// A view.
    View,
}

impl Daemon {
    pub(super) fn accept(&mut self) {
        while let Some((socket, pid)) = self.seat.accept() {
            let Ok(channel) = Channel::new(socket) else { continue };
            let number = self.next_peer;
            self.next_peer += 1;
            if self.listen_to(number, channel.as_fd(), epoll::EventFlags::IN).is_err() {
                continue;
            }
            self.peers.insert(number, Peer { channel, pid, role: Role::New, congested: false });
            // A launcher sends its question together with the connection.
            self.serve(number);
        }
    }

    /// Takes in what a peer sent, and sends what it did not take so far.
    pub(super) fn serve(&mut self, number: u64) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let flushed = peer.channel.flush().is_ok();
        // What came before the end is heard before the end is.
        let open = peer.channel.receive().is_ok() && flushed;
        let mut understood = true;
        while let Some(peer) = self.peers.get_mut(&number) {
            match peer.channel.next_for_governor() {
                Ok(Some(message)) => self.hear(number, message),
                Ok(None) => break,
                Err(_) => {
                    understood = false;
                    break;
                }
            }
        }
        if open && understood { self.follow(number) } else { self.part(number) }
    }

    fn hear(&mut self, number: u64, message: ToGovernor) {
        let Some(role) = self.peers.get(&number).map(|peer| peer.role) else { return };
        match (role, message) {
            (Role::New, ToGovernor::Ask(ask)) => self.asked(number, &ask),
            (Role::New, ToGovernor::RunBegins(run)) => self.run_begins(number, &run),
            (Role::New, ToGovernor::Watch) => self.view_begins(number),
            (Role::Unit(unit), ToGovernor::Started { pid }) => self.started(unit, pid),
            (Role::Unit(unit), ToGovernor::Also { pid }) => self.processes.add_also(unit, pid),
            (Role::Unit(unit), ToGovernor::Ask(ask)) => self.asked_anew(unit, &ask),
            (Role::Unit(unit), ToGovernor::Ended(ended)) => self.ended(unit, &ended),
            (Role::Run(run), ToGovernor::Pool { size, free }) => {
                self.note(Happening::Pool { run, size, free }, Some(run));
            }
            (Role::Run(run), ToGovernor::RunEnds) => {
                self.count(Some(run), |_| {});
                self.recorder.iter().for_each(Recorder::hurry);
            }
            // Who says something else at this point is of another make.
            _ => self.part(number),
        }
    }

    fn run_begins(&mut self, number: u64, begins: &RunBegins) {
        let Some(peer) = self.peers.get(&number) else { return };
        let pid = peer.pid;
        let (domain, _) = self.domains.of(pid);
        let happening = |run| Happening::RunBegan {
            run,
            recorded: begins.run,
            pid: begins.pid,
            label: begins.label.clone(),
            source: begins.source.clone(),
        };
        let pool = begins.tokens.unwrap_or(0);
        let run = self.runs.begin(Run {
            begins: begins.clone(),
            peer: number,
            domain,
            pool,
            tally: Tally::default(),
        });
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.role = Role::Run(run);
        }
        self.note(happening(run), Some(run));
        self.set_budgets(&[domain]);
    }

    fn view_begins(&mut self, number: u64) {
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.role = Role::View;
        }
        let view = Box::new(self.view.clone());
        let note = Note { at_us: view.at_us, what: Happening::State { view } };
        if let Ok(json) = serde_json::to_string(&note) {
            self.send(number, &FromGovernor::Note(json));
        }
    }

    /// Sends to a peer; one that cannot be reached is heard of when its connection ends.
    pub(super) fn send(&mut self, number: u64, message: &FromGovernor) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let reached = peer.channel.answer(message).is_ok();
        let patient = peer.channel.unsent() < PATIENCE;
        if reached && patient {
            self.follow(number);
        } else if peer.role == Role::View {
            self.part(number);
        }
    }

    /// Waits for the socket to take more, as long as something is left.
    fn follow(&mut self, number: u64) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let congested = peer.channel.unsent() > 0;
        if congested == peer.congested {
            return;
        }
        peer.congested = congested;
        let also = if congested { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
        let data = epoll::EventData::new_u64(number);
        let _ = epoll::modify(&self.poll, peer.channel.as_fd(), data, epoll::EventFlags::IN | also);
    }

    /// A connection ended.
    pub(super) fn part(&mut self, number: u64) {
        let Some(peer) = self.peers.remove(&number) else { return };
        let _ = epoll::delete(&self.poll, peer.channel.as_fd());
        match peer.role {
            Role::New | Role::View => {}
            Role::Unit(unit) => self.vanished(unit),
            Role::Run(run) => self.run_ends(run),
        }
    }

    fn run_ends(&mut self, number: u64) {
        self.note(Happening::RunEnded { run: number }, Some(number));
        if let Some(run) = self.runs.end(number) {
            self.set_budgets(&[run.domain]);
        }
    }

    /// Tells everybody that the governor lives. A launcher that heard nothing for long takes a command in
    /// uninterruptible sleep for one that was stopped, so those whose commands run are told too.
    pub(super) fn show_life(&mut self) {
        let numbers: Vec<u64> = self.peers.keys().copied().collect();
        for number in numbers {
            self.send(number, &FromGovernor::Alive);
        }
    }

    /// Whether anybody is connected who keeps the governor alive. A view does not.
    pub(super) fn has_company(&self) -> bool {
        self.peers.values().any(|peer| peer.role != Role::View)
    }

    /// The connections of views.
    pub(super) fn views(&self) -> Vec<u64> {
        let views = self.peers.iter().filter(|(_, peer)| peer.role == Role::View);
        views.map(|(number, _)| *number).collect()
    }
}
