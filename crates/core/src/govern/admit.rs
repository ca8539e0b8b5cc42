//! Admission: which waiting units start now.
//!
//! Heavier units come first. A unit that does not fit yet gets a shadow where it is expected to fit,
//! and lighter ones may start before it only where they leave the shadow alone. Does not know what
//! is done about a shortage.

use super::machine::counts_in;
use super::timeline::{Shadow, Timeline};
use super::{Action, Alarm, DomainId, Machine, Phase, Unit, UnitId, Waiting};

/// Waiting units that are looked at before the search ends.
const WINDOW: usize = 48;

impl Machine {
    pub(super) fn admit(&mut self, actions: &mut Vec<Action>) {
        while let Some(id) = self.next_admitted() {
            self.overtake(id);
            self.set(id, Phase::Granted);
            actions.push(Action::Grant(id));
        }
    }

    /// Those that asked earlier and still wait have been overtaken.
    fn overtake(&mut self, id: UnitId) {
        let Some(asked) = self.units.get(&id).map(|unit| unit.asked) else { return };
        let earlier: Vec<UnitId> = self.candidates().map(|unit| unit.id).collect();
        for other in earlier {
            if let Some(unit) = self.units.get_mut(&other).filter(|unit| unit.asked < asked) {
                unit.overtaken += 1;
            }
        }
    }

    fn candidates(&self) -> impl Iterator<Item = &Unit> {
        // The last ones are the lightest: they fill gaps.
        let heavy = self.queue.iter().take(WINDOW);
        let light =
            self.queue.iter().rev().take(self.queue.len().saturating_sub(WINDOW).min(WINDOW));
        heavy.chain(light).filter_map(|(_, id)| self.units.get(id))
    }

    /// The next unit that may start.
    fn next_admitted(&self) -> Option<UnitId> {
        if self.order.is_empty() {
            return self.queue.first().map(|(_, id)| *id);
        }
        if self.alarm > Alarm::Calm {
            return None;
        }
        let mut shadow = None;
        for unit in self.candidates() {
            match self.obstacle(unit, shadow.as_ref()) {
                None => return Some(unit.id),
                // Whoever must run alone, or was overtaken too often, stops all others.
                Some(Waiting::Alone) => return None,
                Some(Waiting::Memory) if unit.overtaken > self.policy.overtaking => return None,
                Some(Waiting::Memory) if shadow.is_none() => shadow = self.shadow(unit),
                Some(_) => {}
            }
        }
        None
    }

    /// Why a waiting unit does not start now.
    pub fn waits_for(&self, id: UnitId) -> Option<Waiting> {
        let unit = self.units.get(&id).filter(|unit| !unit.is_active())?;
        if self.alarm > Alarm::Calm {
            return Some(Waiting::Pressure);
        }
        Some(self.obstacle(unit, None).unwrap_or(Waiting::Another))
    }

    fn obstacle(&self, unit: &Unit, shadow: Option<&Shadow>) -> Option<Waiting> {
        if self.active().any(|other| other.alone) {
            return Some(Waiting::Another);
        }
        if unit.alone {
            return Some(Waiting::Alone);
        }
        let wanted = unit.demand.forecast.threads.min(self.threads);
        let busy: f64 = self.active().map(Unit::threads).sum();
        if busy + wanted > self.threads + self.policy.oversubscription {
            return Some(Waiting::Thread);
        }
        for domain in domains_of(unit) {
            let timeline = self.timeline(domain);
            if unit.demand.forecast.peak > timeline.available {
                return if timeline.active.is_empty() { None } else { Some(Waiting::Alone) };
            }
            if !timeline.fits(&unit.demand.forecast, 0.0, shadow) {
                return Some(Waiting::Memory);
            }
        }
        None
    }

    fn shadow(&self, unit: &Unit) -> Option<Shadow> {
        let forecast = unit.demand.forecast;
        let start = self.timeline(unit.demand.domain).earliest(&forecast)?;
        Some(Shadow { forecast, start })
    }

    fn timeline(&self, domain: DomainId) -> Timeline<'_> {
        let active = self.active().filter(|unit| counts_in(unit, domain)).collect();
        Timeline { now: self.now, active, available: self.memory(domain).0 }
    }
}

/// The domains in which a unit's memory counts, the narrow one first.
fn domains_of(unit: &Unit) -> impl Iterator<Item = DomainId> {
    let machine = DomainId::default();
    let narrow = Some(unit.demand.domain).filter(|domain| *domain != machine);
    narrow.into_iter().chain([machine])
}
