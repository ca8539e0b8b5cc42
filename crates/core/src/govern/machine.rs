//! The state machine: what it holds, and the one function that moves it.
//!
//! Does not know what the processes of a unit are. How units are admitted stands in `admit`, how
//! pressure is answered in `pressure`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use super::admit::{Full, Kind};
use super::forecast::BEYOND_SEEN;
use super::{
    Action, Alarm, Demand, DomainId, DomainSample, End, Event, Forecast, Moment, Phase, Refusal,
};
use super::{Unit, UnitId, UnitSample};
use crate::units::Bytes;

/// Numbers that the policy goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Part of a domain's limit that stays free for what the kernel adds.
    pub margin: f64,
    /// Time between a look and the moment at which a pause takes effect everywhere.
    pub reaction: Duration,
    /// Threads beyond the budget that units may keep busy, so that a core does not wait for the
    /// next one to start.
    pub oversubscription: f64,
    /// Times that a unit may be overtaken before it has its turn.
    pub overtaking: u32,
    /// Kills by somebody else after which a unit is given up.
    pub kills: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            margin: 1.0 / 128.0,
            reaction: Duration::from_millis(60),
            oversubscription: 0.25,
            overtaking: 200,
            kills: 8,
        }
    }
}

/// Where memory is limited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Domain {
    pub(super) budget: Bytes,
    limit: Bytes,
    foreign: Bytes,
}

impl Domain {
    /// What units may hold in it together.
    pub(super) fn available(&self, margin: f64) -> Bytes {
        let physical = self.limit.scaled(1.0 - margin).saturating_sub(self.foreign);
        self.budget.min(physical)
    }
}

/// Numbers of units are nobody's to choose, so that a multiplication spreads them well enough
/// (Fibonacci hashing; Knuth, The Art of Computer Programming, volume 3, 6.4).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ByNumber(u64);

impl Hasher for ByNumber {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The table takes the low bits as its place, and the high ones as a mark.
        self.0 = spread ^ (spread >> 32);
    }
}

/// The policy with everything that it knows.
#[derive(Debug)]
pub struct Machine {
    pub(super) policy: Policy,
    pub(super) units: HashMap<UnitId, Unit, BuildHasherDefault<ByNumber>>,
    /// Active units, oldest first.
    pub(super) order: Vec<UnitId>,
    /// Waiting units by decreasing weight, with their kinds.
    pub(super) queue: BTreeMap<(Reverse<u64>, UnitId), Kind>,
    /// Waiting units in the order in which they first asked.
    pub(super) line: BTreeSet<UnitId>,
    /// Those of them whose build tools have a good order of their own.
    pub(super) ordered: BTreeSet<UnitId>,
    /// How many of all that wait hold a token of their build tool.
    pub(super) with_token: usize,
    /// Fewest threads that any unit asked for: with fewer free ones none needs to be looked at.
    pub(super) fewest_threads: f64,
    pub(super) domains: BTreeMap<DomainId, Domain>,
    pub(super) threads: f64,
    pub(super) alarm: Alarm,
    pub(super) now: Moment,
    /// When a unit asked last.
    pub(super) asked: Moment,
    /// The last search for somebody to start, if it was in vain.
    pub(super) full: Option<Full>,
    next_age: u64,
}

impl Machine {
    /// A machine without any domain: until it is told a budget, units run one at a time.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            units: HashMap::default(),
            order: Vec::new(),
            queue: BTreeMap::new(),
            line: BTreeSet::new(),
            ordered: BTreeSet::new(),
            with_token: 0,
            fewest_threads: f64::INFINITY,
            domains: BTreeMap::new(),
            threads: 1.0,
            alarm: Alarm::Calm,
            now: Moment::default(),
            asked: Moment::default(),
            full: None,
            next_age: 0,
        }
    }

    /// A unit that asked and has not ended.
    pub fn unit(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(&id)
    }

    /// All units that asked and have not ended, in no order.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.values()
    }

    /// Units that hold memory, oldest first.
    pub fn active(&self) -> impl Iterator<Item = &Unit> {
        self.order.iter().filter_map(|id| self.units.get(id))
    }

    /// Waiting units, heaviest first.
    pub(super) fn heaviest_first(&self) -> impl Iterator<Item = &Unit> {
        self.queue.keys().filter_map(|(_, id)| self.units.get(id))
    }

    /// Units that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What units may hold in a domain together, and what they were seen to hold.
    pub fn memory(&self, domain: DomainId) -> (Bytes, Bytes) {
        let available =
            self.domains.get(&domain).map_or(Bytes::ZERO, |d| d.available(self.policy.margin));
        (available, self.held(domain))
    }

    /// Whether the units that ask and those that run come to want more than half of what there is: only
    /// then does it matter in which order they start.
    pub fn is_scarce(&self, domain: DomainId) -> bool {
        let inside = self.units.values().filter(|unit| counts_in(unit, domain));
        let wanted =
            inside.map(|unit| unit.expected(self.now)).fold(Bytes::ZERO, Bytes::saturating_add);
        wanted > self.memory(domain).0.scaled(0.5)
    }

    pub(super) fn held(&self, domain: DomainId) -> Bytes {
        let sum = |sum: Bytes, unit: &Unit| sum.saturating_add(unit.memory);
        self.active().filter(|unit| counts_in(unit, domain)).fold(Bytes::ZERO, sum)
    }

    /// Takes in what happened and says what to do. Time never goes back.
    pub fn step(&mut self, now: Moment, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        let mut actions = Vec::new();
        // That a granted unit started gives nobody room; who asks changes nothing for others.
        let mut frees = !matches!(event, Event::Started(_));
        match event {
            Event::Asked { unit, demand } => {
                self.ask(unit, demand);
                frees = !self.is_refused_like_others(unit);
            }
            Event::Adopted { unit, demand } => self.adopt(unit, demand),
            Event::Started(unit) => self.start(unit),
            Event::Ended(unit, end) => self.end(unit, end, &mut actions),
            Event::Learned { unit, forecast } => self.learn(unit, forecast),
            Event::Gone(domain) => drop(self.domains.remove(&domain)),
            Event::Budget { domain, memory, threads } => self.budget(domain, memory, threads),
            Event::Looked { units, domains, alarm } => {
                self.look(&units, &domains, alarm);
                self.relieve(&mut actions);
                // What is expected changes little between two looks.
                frees = self.searched_long_ago();
            }
        }
        self.release_oldest(&mut actions);
        if frees {
            self.full = None;
            self.admit(&mut actions);
        }
        actions
    }

    /// The only place that changes a unit's phase; keeps the order and the queue in step with it.
    pub(super) fn set(&mut self, id: UnitId, phase: Phase) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        let from = unit.phase;
        unit.phase = phase;
        unit.entered(from, self.now);
        let was_active = from != Phase::Waiting;
        match (was_active, unit.is_active()) {
            (false, true) => {
                unit.age = self.next_age;
                self.next_age += 1;
                self.dequeue(id);
                self.order.push(id);
            }
            (true, false) => {
                self.order.retain(|other| *other != id);
                self.enqueue(id);
            }
            _ => {}
        }
    }

    fn enqueue(&mut self, id: UnitId) {
        let machine = self.domains.get(&DomainId::default());
        let budget = machine.map_or(Bytes::gib(1), |domain| domain.budget);
        let Some(unit) = self.units.get_mut(&id) else { return };
        unit.weight = millis(unit.demand.forecast.weight(budget, self.threads));
        self.queue.insert((Reverse(unit.weight), id), Kind::of(unit));
        self.with_token += usize::from(unit.demand.token);
        self.line.insert(id);
        if unit.demand.ordered {
            self.ordered.insert(id);
        }
    }

    fn dequeue(&mut self, id: UnitId) {
        let Some(unit) = self.units.get(&id) else { return };
        if self.queue.remove(&(Reverse(unit.weight), id)).is_none() {
            return;
        }
        self.with_token -= usize::from(unit.demand.token);
        self.line.remove(&id);
        self.ordered.remove(&id);
    }

    fn ask(&mut self, id: UnitId, demand: Demand) {
        if self.units.contains_key(&id) {
            return;
        }
        self.asked = self.now;
        self.fewest_threads = self.fewest_threads.min(demand.forecast.threads);
        self.units.insert(id, Unit::new(id, demand, self.now));
        self.enqueue(id);
    }

    fn adopt(&mut self, id: UnitId, demand: Demand) {
        self.ask(id, demand);
        if self.units.get(&id).is_some_and(|unit| unit.phase == Phase::Waiting) {
            self.set(id, Phase::Granted);
        }
        self.start(id);
    }

    /// What was killed for its size wants at least what was seen of it, whatever others took.
    fn learn(&mut self, id: UnitId, mut forecast: Forecast) {
        let Some(unit) = self.units.get(&id).filter(|unit| !unit.is_active()) else { return };
        let known = unit.demand.forecast;
        if unit.attempt > 1 && known.peak > forecast.peak {
            forecast = Forecast { peak: known.peak, shape: None, ..forecast };
        }
        self.dequeue(id);
        if let Some(unit) = self.units.get_mut(&id) {
            unit.demand.forecast = forecast;
        }
        self.fewest_threads = self.fewest_threads.min(forecast.threads);
        self.enqueue(id);
    }

    fn start(&mut self, id: UnitId) {
        if self.units.get(&id).is_some_and(|unit| unit.phase == Phase::Granted) {
            self.set(id, Phase::Running);
        }
    }

    fn end(&mut self, id: UnitId, end: End, actions: &mut Vec<Action>) {
        let sole = self.order == [id];
        let Some(unit) = self.units.get(&id) else { return };
        let End::Killed { by_kernel } = end else { return self.remove(id) };
        if !unit.is_active() {
            return;
        }
        match refusal(unit, by_kernel, sole, &self.policy, self.room_of(unit)) {
            Some(refusal) => {
                self.remove(id);
                actions.push(Action::GiveUp(id, refusal));
            }
            None => self.again(id, by_kernel, actions),
        }
    }

    fn room_of(&self, unit: &Unit) -> Bytes {
        self.memory(unit.demand.domain).0
    }

    /// Lets a killed unit wait again, wiser by what was seen of it.
    fn again(&mut self, id: UnitId, by_kernel: bool, actions: &mut Vec<Action>) {
        let Some(unit) = self.units.get_mut(&id) else { return };
        let evicted = unit.phase == Phase::Evicting;
        unit.attempt += 1;
        unit.kills += u32::from(!evicted && !by_kernel);
        unit.alone |= by_kernel || unit.attempt > ALONE_AFTER && evicted;
        if evicted || by_kernel {
            let wanted = unit.peak.scaled(BEYOND_SEEN);
            let forecast = &mut unit.demand.forecast;
            if wanted > forecast.peak {
                forecast.peak = wanted;
                forecast.shape = None;
            }
        }
        self.set(id, Phase::Waiting);
        actions.push(Action::Retry(id));
    }

    fn remove(&mut self, id: UnitId) {
        self.dequeue(id);
        self.order.retain(|other| *other != id);
        self.units.remove(&id);
    }

    fn budget(&mut self, domain: DomainId, memory: Bytes, threads: f64) {
        let known = self.domains.entry(domain).or_insert(Domain {
            budget: memory,
            limit: Bytes(u64::MAX),
            foreign: Bytes::ZERO,
        });
        known.budget = memory;
        self.threads = threads;
        for id in self.line.clone() {
            self.dequeue(id);
            self.enqueue(id);
        }
    }

    fn look(&mut self, units: &[UnitSample], domains: &[DomainSample], alarm: Alarm) {
        for sample in units {
            if let Some(unit) = self.units.get_mut(&sample.unit).filter(|unit| unit.is_active()) {
                unit.look(sample, self.now);
            }
        }
        for sample in domains {
            let ours = self.held(sample.domain);
            if let Some(domain) = self.domains.get_mut(&sample.domain) {
                domain.limit = sample.limit;
                domain.foreign = sample.held.saturating_sub(ours);
            }
        }
        self.alarm = alarm;
    }
}

/// Thousandths of a second.
fn millis(seconds: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let millis = (seconds * 1000.0) as u64;
    millis
}

/// Evictions after which a unit waits until it can run alone.
const ALONE_AFTER: u32 = 3;

/// All memory of a domain counts on the machine too.
pub(super) fn counts_in(unit: &Unit, domain: DomainId) -> bool {
    domain == DomainId::default() || unit.demand.domain == domain
}

/// Why a killed unit is not run again, if so.
fn refusal(
    unit: &Unit,
    by_kernel: bool,
    sole: bool,
    policy: &Policy,
    room: Bytes,
) -> Option<Refusal> {
    if !unit.demand.retryable {
        return Some(Refusal::NotRetryable);
    }
    if unit.phase == Phase::Evicting {
        return None;
    }
    if by_kernel && (unit.alone || sole) {
        return Some(Refusal::TooLarge { seen: unit.peak, room });
    }
    let kills = unit.kills + 1;
    (!by_kernel && kills > policy.kills).then_some(Refusal::KilledTooOften(kills))
}
