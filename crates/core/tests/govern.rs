//! Properties of the governor's machine in a world that misbehaves: forecasts that are wrong, killed
//! units, late or lost messages, launchers that vanish.
//!
//! Does not know the policy: it checks what must hold whatever the policy decides.

use std::collections::BTreeMap;
use std::time::Duration;

use ironwright_core::govern::{
    Action, Alarm, Basis, Curve, Demand, DomainId, DomainSample, End, Event, Forecast, Machine,
    Moment, PARTS, Phase, Policy, Shape, UnitId, UnitSample,
};
use ironwright_core::units::Bytes;
use proptest::prelude::*;

/// A unit as it really is.
#[derive(Clone, Debug)]
struct Truth {
    peak: u64,
    ticks: u64,
    growth: f64,
    share: f64,
    asks_at: u64,
    retryable: bool,
}

impl Truth {
    fn memory(&self, done: f64) -> Bytes {
        let part = if self.growth > 0.0 { (done / self.growth).min(1.0) } else { 1.0 };
        Bytes(self.peak).scaled(part)
    }
}

/// What goes wrong, as parts of a thousand for each tick or message.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    kills: u32,
    lost_looks: u32,
    late_starts: u32,
    vanishes: u32,
    alarms: u32,
}

#[derive(Clone, Debug, Default)]
struct Process {
    progress: u64,
    wanted: f64,
    started: bool,
    paused: bool,
}

struct World {
    truths: BTreeMap<u64, Truth>,
    trouble: Trouble,
    random: u64,
    tick: u32,
    machine: Machine,
    processes: BTreeMap<u64, Process>,
    ended: BTreeMap<u64, u32>,
    kernel_kills: u32,
    strict: bool,
    most_held: Bytes,
}

const TICK: Duration = Duration::from_millis(10);
/// Ticks after which a world that has not come to its end is stuck.
const STUCK: u32 = 60_000;
const LIMIT: Bytes = Bytes::gib(1);

impl World {
    fn new(truths: Vec<Truth>, trouble: Trouble, random: u64) -> Self {
        let mut world = Self {
            truths: (0..).zip(truths).collect(),
            trouble,
            random,
            tick: 0,
            machine: Machine::new(Policy::default()),
            processes: BTreeMap::new(),
            ended: BTreeMap::new(),
            kernel_kills: 0,
            strict: false,
            most_held: Bytes::ZERO,
        };
        world.tell(Event::Budget { domain: DomainId::default(), memory: LIMIT, threads: 4.0 });
        world
    }

    fn chance(&mut self, thousandths: u32) -> bool {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(97);
        (self.random >> 33) % 1000 < u64::from(thousandths)
    }

    fn tell(&mut self, event: Event) {
        for action in self.machine.step(Moment(TICK * self.tick), event) {
            self.act(&action);
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Grant(id) => {
                assert!(!self.ended.contains_key(&id.0), "{id:?} was granted after its end");
                let before = self.processes.insert(id.0, Process::default());
                assert!(before.is_none(), "{id:?} was granted twice");
                self.check_reservation();
            }
            Action::Pause(id) | Action::Resume(id) => {
                let paused = matches!(action, Action::Pause(_));
                if let Some(process) = self.processes.get_mut(&id.0) {
                    assert_ne!(process.paused, paused, "{action:?} changes nothing");
                    process.paused = paused;
                }
            }
            Action::Evict(id) => {
                assert!(self.truths[&id.0].retryable, "{id:?} must not be run twice");
                let oldest = self.machine.active().next().map(|unit| unit.id);
                assert_ne!(oldest, Some(*id), "the oldest was evicted");
                self.kill(id.0, false);
            }
            Action::Retry(id) => assert!(!self.processes.contains_key(&id.0)),
            Action::GiveUp(id, _) => *self.ended.entry(id.0).or_default() += 1,
        }
    }

    /// A rectangle is reserved for each unit here, so their sum must fit, unless one runs alone.
    fn check_reservation(&self) {
        let reserved: u64 = self.machine.active().map(|u| u.demand.forecast.peak.0).sum();
        let (available, _) = self.machine.memory(DomainId::default());
        let alone = self.machine.active().count() == 1;
        assert!(!self.strict || reserved <= available.0 || alone, "{reserved} of {available}");
    }

    fn check(&self) {
        assert!(self.ended.values().all(|times| *times == 1), "{:?}", self.ended);
        for unit in self.machine.units() {
            let runs = self.processes.contains_key(&unit.id.0);
            assert_eq!(unit.is_active(), runs || unit.phase() == Phase::Evicting, "{unit:?}");
        }
        let oldest = self.machine.active().next();
        assert!(oldest.is_none_or(|unit| unit.phase() != Phase::Paused), "the oldest is paused");
    }

    fn memory(&self, id: u64, process: &Process) -> Bytes {
        let truth = &self.truths[&id];
        truth.memory(process.progress as f64 / truth.ticks as f64)
    }

    fn held(&self) -> Bytes {
        let memory = |(id, process): (&u64, &Process)| self.memory(*id, process);
        self.processes.iter().map(memory).fold(Bytes::ZERO, Bytes::saturating_add)
    }

    fn run(&mut self, wrong: f64, shaped: bool) {
        while self.ended.len() < self.truths.len() {
            assert!(self.tick < STUCK, "stuck: {:?}", self.machine.units().collect::<Vec<_>>());
            let asking = |(_, truth): &(&u64, &Truth)| truth.asks_at == u64::from(self.tick);
            let asking: Vec<(u64, Truth)> =
                self.truths.iter().filter(asking).map(|(id, t)| (*id, t.clone())).collect();
            for (id, truth) in asking {
                let forecast = forecast(&truth, wrong, shaped);
                let retryable = truth.retryable;
                let (domain, token) = (DomainId::default(), id % 2 == 0);
                let demand = Demand { forecast, retryable, domain, token, ordered: id % 3 == 0 };
                self.tell(Event::Asked { unit: UnitId(id), demand });
            }
            self.go_on();
            self.kill_beyond_limit();
            self.look();
            self.check();
            self.tick += 1;
        }
    }

    fn go_on(&mut self) {
        let ids: Vec<u64> = self.processes.keys().copied().collect();
        for id in ids {
            let late = self.chance(self.trouble.late_starts);
            let killed = self.chance(self.trouble.kills);
            let vanished = self.chance(self.trouble.vanishes);
            let (share, ticks) = (self.truths[&id].share, self.truths[&id].ticks);
            let Some(process) = self.processes.get_mut(&id) else { continue };
            if !process.started {
                process.started = !late;
                if !late {
                    self.tell(Event::Started(UnitId(id)));
                }
                continue;
            }
            if !process.paused {
                process.progress += 1;
                process.wanted += share * TICK.as_secs_f64();
            }
            if vanished || process.progress >= ticks {
                self.processes.remove(&id);
                *self.ended.entry(id).or_default() += 1;
                let end = if vanished { End::Vanished } else { End::Finished };
                self.tell(Event::Ended(UnitId(id), end));
            } else if killed {
                self.kill(id, false);
            }
        }
    }

    fn kill_beyond_limit(&mut self) {
        self.most_held = self.most_held.max(self.held());
        while self.held() > LIMIT {
            let largest = self.processes.iter().max_by_key(|(id, p)| self.memory(**id, p));
            let Some(id) = largest.map(|(id, _)| *id) else { return };
            self.kernel_kills += 1;
            self.kill(id, true);
        }
    }

    fn kill(&mut self, id: u64, by_kernel: bool) {
        self.processes.remove(&id);
        self.tell(Event::Ended(UnitId(id), End::Killed { by_kernel }));
    }

    fn look(&mut self) {
        if self.chance(self.trouble.lost_looks) {
            return;
        }
        let alarm = if self.chance(self.trouble.alarms) { Alarm::Pause } else { Alarm::Calm };
        let sample = |(id, process): (&u64, &Process)| UnitSample {
            unit: UnitId(*id),
            memory: self.memory(*id, process),
            wanted: Some(Duration::from_secs_f64(process.wanted)),
            waited: Duration::ZERO,
        };
        let units = self.processes.iter().map(sample).collect();
        let (domain, held) = (DomainId::default(), self.held());
        let domains = vec![DomainSample { domain, limit: LIMIT, held }];
        self.tell(Event::Looked { units, domains, alarm });
    }
}

fn forecast(truth: &Truth, wrong: f64, shaped: bool) -> Forecast {
    let peak = Bytes(truth.peak).scaled(wrong);
    if !shaped {
        return Forecast::cold(peak, truth.share);
    }
    let at = |index: usize| truth.memory((index + 1) as f64 / PARTS as f64).scaled(wrong);
    let parts: Vec<Bytes> = (0..PARTS).map(at).collect();
    let duration = TICK * u32::try_from(truth.ticks).unwrap_or(u32::MAX);
    let shape = Curve::new(&parts).map(|curve| Shape { duration, curve });
    Forecast { peak, shape, logged: None, threads: truth.share, basis: Basis::Measured(2) }
}

fn truths() -> impl Strategy<Value = Vec<Truth>> {
    let memory = 1_u64..(LIMIT.0 / 5 * 4);
    let truth = (memory, 1_u64..60, 0.0..1.0, 0.05..1.5, 0_u64..40, prop::bool::weighted(0.95))
        .prop_map(|(peak, ticks, growth, share, asks_at, retryable)| Truth {
            peak,
            ticks,
            growth,
            share,
            asks_at,
            retryable,
        });
    prop::collection::vec(truth, 1..14)
}

/// Units that a governor can react to.
fn slow() -> impl Strategy<Value = Vec<Truth>> {
    truths().prop_map(|mut truths| {
        for truth in &mut truths {
            truth.ticks += 60;
            truth.growth = truth.growth.max(0.3);
        }
        truths
    })
}

fn trouble() -> impl Strategy<Value = Trouble> {
    (0_u32..30, 0_u32..300, 0_u32..500, 0_u32..10, 0_u32..200).prop_map(
        |(kills, lost_looks, late_starts, vanishes, alarms)| Trouble {
            kills,
            lost_looks,
            late_starts,
            vanishes,
            alarms,
        },
    )
}

fn late(late_starts: u32) -> Trouble {
    Trouble { late_starts, ..Trouble::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, every unit ends exactly once, nothing is stuck, and the oldest is neither
    /// paused nor evicted.
    #[test]
    fn every_unit_ends_once_whatever_happens(
        (truths, trouble) in (truths(), trouble()),
        (wrong, shaped, random) in (0.05..3.0, any::<bool>(), any::<u64>()),
    ) {
        World::new(truths, trouble, random).run(wrong, shaped);
    }

    /// With forecasts that are right, memory never runs out, and reservations never exceed the
    /// budget unless a unit runs alone.
    #[test]
    fn right_forecasts_never_run_out_of_memory(
        truths in truths(),
        (late_starts, over, random) in (0_u32..500, 1.0..1.2, any::<u64>()),
    ) {
        let mut world = World::new(truths, late(late_starts), random);
        world.strict = true;
        world.run(over, false);
        prop_assert_eq!((world.kernel_kills, world.most_held <= LIMIT), (0, true));
    }

}

proptest! {
    // Slower units are more steps each.
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same when memory is promised along the curves in which units grow: pauses make good what
    /// late starts upset.
    #[test]
    fn curves_never_run_out_of_memory(
        truths in slow(),
        (late_starts, over, random) in (0_u32..300, 1.02..1.2, any::<u64>()),
    ) {
        let mut world = World::new(truths, late(late_starts), random);
        world.run(over, true);
        prop_assert_eq!((world.kernel_kills, world.most_held <= LIMIT), (0, true));
    }
}
