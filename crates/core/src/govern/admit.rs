//! Admission: which waiting units start now.
//!
//! Heavier units come first. A unit that does not fit yet gets a shadow where it is expected to fit,
//! and lighter ones may start before it only where they leave the shadow alone. Does not know what
//! is done about a shortage.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::courtesy::gives_way;
use super::machine::counts_in;
use super::timeline::{Shadow, Timeline};
use super::{Action, Alarm, DomainId, Machine, Moment, Phase, Unit, UnitId, Waiting};

/// What is expected in each domain that a search looked at.
type Timelines = BTreeMap<DomainId, Timeline>;

/// A search that found nobody who could start.
#[derive(Debug)]
pub(super) struct Full {
    at: Moment,
    /// The kinds of units that were looked at.
    refused: Vec<Kind>,
}

/// Marks a unit: what keeps one from starting keeps every other with the same mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(u64);

impl Kind {
    pub(super) fn of(unit: &Unit) -> Self {
        let mut hasher = DefaultHasher::new();
        unit.demand.forecast.hash(&mut hasher);
        (unit.demand.domain, unit.demand.token, unit.alone).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Processors that are left for units that start.
struct Room {
    /// Hardware threads that nobody keeps busy.
    free: f64,
    /// Whether fewer units than there are threads run by a token.
    tokens: bool,
}

impl Room {
    /// For whom it does not matter how busy processors are.
    const ENDLESS: Self = Self { free: f64::INFINITY, tokens: true };

    fn takes(&self, unit: &Unit, threads: f64) -> bool {
        let wanted = unit.demand.forecast.threads.min(threads);
        if unit.demand.token {
            // Its build tool starts as many of them as there are tokens.
            return self.tokens || wanted <= self.free;
        }
        least(wanted) <= self.free
    }
}

/// Idle threads with which a unit starts that would keep so many busy: half of several are better than
/// that they stay idle.
fn least(threads: f64) -> f64 {
    threads.min(1.0).max(threads / 2.0)
}

/// Time between two searches when nothing but looks came between.
const SEARCH_EVERY: Duration = Duration::from_millis(60);
/// Waiting units that are looked at before the search ends.
const WINDOW: usize = 48;

impl Machine {
    pub(super) fn admit(&mut self, actions: &mut Vec<Action>) {
        let mut seen = Timelines::new();
        loop {
            let mut refused = Vec::new();
            let Some(id) = self.next_admitted(&mut seen, &mut refused) else {
                self.full = Some(Full { at: self.now, refused });
                return;
            };
            self.overtake(id);
            self.set(id, Phase::Granted);
            actions.push(Action::Grant(id));
            self.extend(&mut seen, id);
        }
    }

    /// Adds a unit that was just let in to what is expected.
    fn extend(&self, seen: &mut Timelines, id: UnitId) {
        let Some(unit) = self.units.get(&id) else { return };
        seen.retain(|domain, timeline| !counts_in(unit, *domain) || timeline.takes(unit, self.now));
    }

    /// Whether it is worth to look again for somebody who can start, though nobody ended.
    pub(super) fn searched_long_ago(&self) -> bool {
        self.full.as_ref().is_none_or(|full| self.now.since(full.at) >= SEARCH_EVERY)
    }

    /// Whether a unit that asks now finds what others just found: no room.
    pub(super) fn is_refused_like_others(&self, id: UnitId) -> bool {
        let full = self.full.as_ref().filter(|full| full.at == self.now);
        let (Some(full), Some(unit)) = (full, self.units.get(&id)) else { return false };
        let kind = self.queue.get(&(Reverse(unit.weight), id));
        kind.is_some_and(|kind| full.refused.contains(kind))
    }

    /// Who waits longest has been overtaken, if it asked earlier.
    fn overtake(&mut self, id: UnitId) {
        let first = self.line.first().copied().filter(|first| *first < id);
        if let Some(unit) = first.and_then(|first| self.units.get_mut(&first)) {
            unit.overtaken += 1;
        }
    }

    /// Who waits longest, once it was overtaken too often.
    fn overdue(&self) -> Option<&Unit> {
        let unit = self.units.get(self.line.first()?)?;
        (unit.overtaken > self.policy.overtaking).then_some(unit)
    }

    /// Who waits longest of those whose build tools know best, and whether it need not wait for a
    /// processor. They keep their order while there is memory for all; and half of the processors are
    /// theirs, whoever is heavier, for the heaviest may only be able to ask when they have ended.
    fn first_in_order(&self) -> Option<(&Unit, bool)> {
        let id = self.ordered.first()?;
        let unit = self.units.get(id)?;
        let active = self.active().filter(|unit| unit.demand.ordered).count();
        if (active as f64) < (self.threads / 2.0).max(1.0) {
            return Some((unit, true));
        }
        let is_first = self.line.first() == Some(id) && !self.is_scarce(unit.demand.domain);
        is_first.then_some((unit, false))
    }

    /// Units that are worth a look. Those of one kind stand side by side in the queue, and the first of
    /// them speaks for all.
    fn candidates(&self) -> impl Iterator<Item = (&Unit, Kind)> {
        // The last ones are the lightest: they fill gaps.
        let heavy = self.queue.iter().take(WINDOW);
        let light =
            self.queue.iter().rev().take(self.queue.len().saturating_sub(WINDOW).min(WINDOW));
        let mut last = None;
        let first_of_kind =
            heavy.chain(light).filter(move |(_, kind)| last.replace(**kind) != Some(**kind));
        first_of_kind.filter_map(|((_, id), kind)| Some((self.units.get(id)?, *kind)))
    }

    /// The next unit that may start. The kinds of units that were looked at in vain are added to `refused`.
    fn next_admitted(&self, seen: &mut Timelines, refused: &mut Vec<Kind>) -> Option<UnitId> {
        if self.order.is_empty() {
            let first = self.first_in_order().map(|(unit, _)| unit.id);
            return first.or_else(|| self.heaviest_first().next().map(|unit| unit.id));
        }
        let room = self.room();
        if self.alarm > Alarm::Calm {
            return None;
        }
        // It has its turn before all others, and stops them until it can start.
        if let Some(unit) = self.overdue() {
            return self.obstacle(unit, &room, None, seen).is_none().then_some(unit.id);
        }
        let mut shadow = None;
        if let Some((unit, is_entitled)) = self.first_in_order() {
            let room = if is_entitled { &Room::ENDLESS } else { &room };
            match self.obstacle(unit, room, None, seen) {
                None => return Some(unit.id),
                Some(Waiting::Memory) => shadow = self.shadow(unit, seen),
                Some(_) => {}
            }
        }
        if room.free < least(self.fewest_threads.min(self.threads)) {
            if !room.tokens {
                return self.heaviest_over_short_ones(seen);
            }
            if self.with_token == 0 {
                return None;
            }
        }
        for (unit, kind) in self.candidates() {
            match self.obstacle(unit, &room, shadow.as_ref(), seen) {
                None => match self.better_later(unit) {
                    None => return Some(unit.id),
                    place => shadow = place,
                },
                // Whoever must run alone stops all others.
                Some(Waiting::Alone) => return None,
                Some(Waiting::Memory) if shadow.is_none() => {
                    shadow = self.shadow(unit, seen);
                }
                Some(_) => {}
            }
            refused.push(kind);
        }
        None
    }

    /// The heaviest unit, where short ones keep its threads busy: they give way to it.
    fn heaviest_over_short_ones(&self, seen: &mut Timelines) -> Option<UnitId> {
        let unit = self.heaviest_first().next()?;
        let room = self.room_beside(|other| !gives_way(other, unit));
        let can_start = self.obstacle(unit, &room, None, seen).is_none();
        (can_start && self.better_later(unit).is_none()).then_some(unit.id)
    }

    /// Why units that wait do not start now, of those that wait longest so many.
    pub fn reasons(&self, most: usize) -> Vec<(UnitId, Waiting)> {
        let (room, mut seen) = (self.room(), Timelines::new());
        let waiting = self.line.iter().take(most).filter_map(|id| self.units.get(id));
        waiting.map(|unit| (unit.id, self.why(unit, &room, &mut seen))).collect()
    }

    /// Why a unit does not start now; nothing when it has started.
    pub fn reason(&self, id: UnitId) -> Option<Waiting> {
        let unit = self.units.get(&id).filter(|_| self.line.contains(&id))?;
        Some(self.why(unit, &self.room(), &mut Timelines::new()))
    }

    fn why(&self, unit: &Unit, room: &Room, seen: &mut Timelines) -> Waiting {
        if self.alarm > Alarm::Calm {
            return Waiting::Pressure;
        }
        self.obstacle(unit, room, None, seen).unwrap_or(Waiting::Another)
    }

    fn room(&self) -> Room {
        self.room_beside(|_| true)
    }

    /// Processors that are left by those units that count.
    fn room_beside(&self, counts: impl Fn(&Unit) -> bool) -> Room {
        let active = || self.active().filter(|unit| counts(unit));
        let busy: f64 = active().map(Unit::threads).sum();
        let held = active().filter(|unit| unit.demand.token).count();
        Room {
            free: self.threads + self.policy.oversubscription - busy,
            tokens: (held as f64) < self.threads,
        }
    }

    fn obstacle(
        &self,
        unit: &Unit,
        room: &Room,
        shadow: Option<&Shadow>,
        seen: &mut Timelines,
    ) -> Option<Waiting> {
        if !room.takes(unit, self.threads) {
            return Some(if unit.alone { Waiting::Alone } else { Waiting::Thread });
        }
        if self.active().any(|other| other.alone) {
            return Some(Waiting::Another);
        }
        if unit.alone {
            return Some(Waiting::Alone);
        }
        for domain in domains_of(unit) {
            let timeline = self.timeline(domain, seen);
            if unit.demand.forecast.peak > timeline.available {
                return if timeline.empty { None } else { Some(Waiting::Alone) };
            }
            if !timeline.fits(&unit.demand.forecast, shadow) {
                return Some(Waiting::Memory);
            }
        }
        None
    }

    fn shadow(&self, unit: &Unit, seen: &mut Timelines) -> Option<Shadow> {
        let forecast = unit.demand.forecast;
        let start = self.timeline(unit.demand.domain, seen).earliest(&forecast)?;
        Some(Shadow { forecast, start })
    }

    fn timeline<'t>(&self, domain: DomainId, seen: &'t mut Timelines) -> &'t Timeline {
        seen.entry(domain).or_insert_with(|| self.foreseen(domain, 0.0))
    }

    /// What is expected in a domain, for so many seconds at least.
    pub(super) fn foreseen(&self, domain: DomainId, at_least: f64) -> Timeline {
        let active: Vec<&Unit> = self.active().filter(|unit| counts_in(unit, domain)).collect();
        Timeline::new(self.now, self.memory(domain).0, &active, self.waiting(), at_least)
    }
}

/// The domains in which a unit's memory counts, the narrow one first.
fn domains_of(unit: &Unit) -> impl Iterator<Item = DomainId> {
    let machine = DomainId::default();
    let narrow = Some(unit.demand.domain).filter(|domain| *domain != machine);
    narrow.into_iter().chain([machine])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::{Demand, End, Event, Forecast, Policy};
    use crate::units::Bytes;

    /// A machine of one processor. Of each unit: MiB, and whether its build tool has an order of its own;
    /// the later it asks the longer it takes.
    fn asked(units: [(u64, bool); 3]) -> (Machine, Vec<Action>) {
        let mut machine = Machine::new(Policy::default());
        let (domain, now) = (DomainId::default(), Moment::default());
        let memory = Bytes::gib(1);
        machine.step(now, Event::Budget { domain, memory, threads: 1.0 });
        let mut granted = Vec::new();
        for (number, (mib, ordered)) in (0..).zip(units) {
            let logged = Some(Duration::from_secs(1 + number));
            let forecast = Forecast { logged, ..Forecast::cold(Bytes::mib(mib), 1.0) };
            let demand = Demand { forecast, retryable: true, domain, token: false, ordered };
            granted.extend(machine.step(now, Event::Asked { unit: UnitId(number), demand }));
        }
        (machine, granted)
    }

    /// Who starts when the first has ended.
    fn next(units: [(u64, bool); 3]) -> Vec<Action> {
        let (mut machine, _) = asked(units);
        machine.step(Moment::default(), Event::Started(UnitId(0)));
        machine.step(Moment::default(), Event::Ended(UnitId(0), End::Finished))
    }

    #[test]
    fn a_build_tool_s_own_order_is_kept() {
        let (first, heaviest) = ([Action::Grant(UnitId(1))], [Action::Grant(UnitId(2))]);
        assert_eq!(next([(9, true), (9, true), (90, true)]), first);
        assert_eq!(next([(9, false), (9, false), (90, false)]), heaviest);
    }

    #[test]
    fn what_others_may_wait_for_does_not_wait_for_a_processor() {
        let grants = |units| asked(units).1;
        let both = [Action::Grant(UnitId(0)), Action::Grant(UnitId(2))];
        assert_eq!(grants([(9, false), (90, false), (9, true)]), both);
        // One of them is enough, and memory is never lent.
        assert_eq!(grants([(9, true), (9, true), (9, true)]), both[..1]);
        assert_eq!(grants([(900, false), (9, false), (900, true)]), both[..1]);
    }

    #[test]
    fn several_threads_make_do_with_half_of_them() {
        for (threads, idle) in [(0.5, 0.5), (1.0, 1.0), (1.5, 1.0), (2.0, 1.0), (8.0, 4.0)] {
            assert!((least(threads) - idle).abs() < 1e-9, "{threads}");
        }
    }
}
