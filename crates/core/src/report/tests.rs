//! Reports of runs made by hand.
//!
//! Does not know real ones.

use proptest::prelude::*;

use super::*;
use crate::govern::Waiting;
use crate::observe::{Exit, Governed, Observed, Sample, StepFacts};
use crate::plan::PackagePast;
use crate::view::{Asked, Happening, Look};

const ZERO_US: i64 = 1_700_000_000_000_000;

fn note(at_ms: i64, what: Happening) -> Note {
    Note { at_us: ZERO_US + at_ms * 1000, what }
}

fn run_began(run: u64, recorded: i64) -> Happening {
    let (label, source) = ("make".to_owned(), None);
    Happening::RunBegan { run, recorded: Some(recorded), pid: 5, label, source }
}

fn asked(unit: u64, run: u64, label: &str, mib: u64) -> Happening {
    Happening::Asked(Asked {
        unit,
        run: Some(run),
        label: label.to_owned(),
        tool: "cc1plus".to_owned(),
        package: None,
        memory: Bytes::mib(mib),
        seconds: Some(2.0),
        threads: 1.0,
        basis: "measured once".to_owned(),
    })
}

fn started(unit: u64) -> Happening {
    Happening::Started { unit, pid: 9 }
}

fn ended(unit: u64, outcome: UnitOutcome, mib: u64) -> Happening {
    Happening::Ended {
        unit,
        outcome,
        exit: None,
        wall_us: 0,
        cpu_us: 1_000_000,
        peak: Bytes::mib(mib),
        message: None,
    }
}

fn looked(units: &[(u64, u64)], waiting: &[(u64, Waiting)]) -> Happening {
    Happening::Looked(Look {
        available: Bytes::mib(600),
        held: Bytes::mib(units.iter().map(|unit| unit.1).sum()),
        busy: 1.5,
        units: units.iter().map(|(unit, mib)| (*unit, Bytes::mib(*mib))).collect(),
        waiting: waiting.to_vec(),
        ..Look::default()
    })
}

/// Two units: the second waits for the first, outgrows its estimate, is paused, evicted and run
/// again. Another run's unit goes on beside them.
fn story() -> Vec<Note> {
    vec![
        note(0, run_began(1, 7)),
        note(0, run_began(2, 8)),
        note(100, asked(1, 1, "big.cpp", 400)),
        note(100, started(1)),
        note(150, asked(9, 2, "stranger.cpp", 50)),
        note(150, started(9)),
        note(200, asked(2, 1, "small.cpp", 100)),
        note(600, looked(&[(1, 300), (9, 40)], &[(2, Waiting::Memory)])),
        note(2100, ended(1, UnitOutcome::Succeeded, 390)),
        note(2200, Happening::Granted { unit: 2 }),
        note(2210, started(2)),
        note(3000, Happening::Paused { unit: 2 }),
        note(3500, Happening::Resumed { unit: 2 }),
        note(4000, Happening::Evicted { unit: 2 }),
        note(4100, ended(2, UnitOutcome::Evicted, 250)),
        note(4100, Happening::Retried { unit: 2, attempt: 2, by_kernel: false }),
        note(5000, started(2)),
        note(7000, ended(2, UnitOutcome::Succeeded, 280)),
        note(7100, Happening::RunEnded { run: 1 }),
    ]
}

fn facts() -> RunFacts {
    let observed = Observed {
        exit: Exit::Code(0),
        interrupted_by: None,
        overran: None,
        wall_ns: 7_200_000_000,
        user_ns: 6_000_000_000,
        system_ns: 0,
        peak_tree: Bytes::mib(400),
        peak_process: Bytes::mib(390),
        peak_process_name: None,
        processes_seen: 4,
        left_running: 0,
        pressure: None,
        oom_kills: 0,
        samples: vec![Sample { at_ms: 500, memory: Bytes::mib(77), processes: 2 }],
    };
    RunFacts {
        ironwright: "0.1.0".to_owned(),
        host: None,
        source: None,
        package: None,
        driver: None,
        threads: 2,
        budget: Bytes::mib(600),
        settings: serde_json::Map::new(),
        started_unix_ns: ZERO_US * 1000,
        compiler_cache: None,
        governed: None,
        batch: None,
        disk: None,
        steps: vec![StepFacts { argv: vec!["make".into()], cwd: "/".into(), observed }],
    }
}

fn report(notes: &[Note], units: &[UnitRecord], earlier: &[Earlier]) -> Report {
    let (facts, standing) = (facts(), Standing::Finished);
    derive(&Given { number: 7, standing, facts: &facts, units, notes, earlier })
}

fn record(label: &str, attempt: u32, started_ms: i64) -> UnitRecord {
    UnitRecord {
        run: Some(7),
        key: format!("key of {label}"),
        family: String::new(),
        tool: "cc1plus".to_owned(),
        label: label.to_owned(),
        package: None,
        attempt,
        outcome: UnitOutcome::Succeeded,
        exit: Some(0),
        started_unix_us: ZERO_US + started_ms * 1000,
        waited_us: 300_000,
        wall_us: 2_000_000,
        paused_us: 500_000,
        user_us: 1_000_000,
        system_us: 100_000,
        delay_us: 0,
        peak: Bytes::mib(123),
        peak_process: Bytes::mib(140),
        reserved: Bytes::mib(120),
        curve: Vec::new(),
        input_bytes: 0,
        alone: false,
    }
}

#[test]
fn a_unit_is_told_from_asking_to_its_last_attempt() {
    let report = report(&story(), &[], &[]);
    let labels: Vec<_> = report.units.iter().map(|unit| unit.label.as_str()).collect();
    assert_eq!(labels, ["big.cpp", "small.cpp"]);
    let small = &report.units[1];
    let told: Vec<_> = small.spans().map(|s| (s.from_us / 1000, s.to_us / 1000, s.doing)).collect();
    let wait = |why| Doing::Waiting { why };
    assert_eq!(
        told,
        [
            (200, 2200, wait(Some(Waiting::Memory))),
            (2200, 3000, Doing::Running),
            (3000, 3500, Doing::Paused),
            (3500, 4100, Doing::Running),
            (4100, 5000, wait(None)),
            (5000, 7000, Doing::Running),
        ]
    );
    assert_eq!((small.waited_us, small.paused_us), (2_900_000, 500_000));
    assert_eq!((small.ran_us, small.lost_cpu_us), (2_000_000, 1_000_000));
    assert_eq!(small.outcome, Some(UnitOutcome::Succeeded));
    assert_eq!((small.peak, small.estimate), (Some(Bytes::mib(280)), Estimate::Above));
}

#[test]
fn counts_incidents_and_lists_follow() {
    let report = report(&story(), &[], &[]);
    let counts = report.counts;
    assert_eq!((counts.units, counts.succeeded, counts.retries), (2, 2, 1));
    assert_eq!((counts.pauses, counts.evictions, counts.kernel_kills, counts.slots), (1, 1, 0, 1));
    let happened: Vec<_> = report.incidents.iter().map(|i| (i.at_us, i.what)).collect();
    assert_eq!(happened, [(3_000_000, IncidentKind::Paused), (4_100_000, IncidentKind::Evicted)]);
    assert_eq!((report.slowest, report.largest), (vec![0, 1], vec![0, 1]));
    assert_eq!((report.span_us, report.what.as_str()), (7_200_000, "make"));
    assert_eq!(report.cache, None);
}

#[test]
fn a_wait_is_put_down_to_what_ran_meanwhile() {
    let report = report(&story(), &[], &[]);
    let memory = WaitSum { why: Some(Waiting::Memory), us: 2_000_000, units: 1 };
    assert_eq!(report.waits[0], memory);
    assert_eq!(report.waits[1], WaitSum { why: None, us: 900_000, units: 1 });
    assert_eq!(report.units[1].behind, Some(Behind { unit: 0, us: 2_000_000 }));
    assert_eq!(report.held_up, [HeldUp { unit: 0, us: 2_000_000, others: 1 }]);
}

#[test]
fn waiting_for_memory_is_shared_by_memory_and_for_a_thread_evenly() {
    for (why, large, small) in
        [(Waiting::Memory, 1_500_000, 500_000), (Waiting::Thread, 1_000_000, 1_000_000)]
    {
        let notes = [
            note(0, run_began(1, 7)),
            note(0, asked(1, 1, "large", 300)),
            note(0, started(1)),
            note(0, asked(2, 1, "small", 100)),
            note(0, started(2)),
            note(0, asked(3, 1, "waiter", 100)),
            note(10, looked(&[], &[(3, why)])),
            note(2000, started(3)),
            note(2000, ended(1, UnitOutcome::Succeeded, 10)),
            note(2000, ended(2, UnitOutcome::Succeeded, 10)),
        ];
        let report = report(&notes, &[], &[]);
        let us = |unit: usize| report.held_up.iter().find(|h| h.unit == unit).map(|h| h.us);
        assert_eq!((us(0), us(1)), (Some(large), Some(small)), "{why:?}");
    }
}

#[test]
fn estimates_are_judged_by_what_ended_well() {
    let mut notes = story();
    notes.push(note(7050, asked(3, 1, "broken.cpp", 10)));
    notes.push(note(7060, started(3)));
    notes.push(note(7080, ended(3, UnitOutcome::Failed, 500)));
    let accuracy = report(&notes, &[], &[]).accuracy;
    assert_eq!((accuracy.judged, accuracy.inside), (2, 1));
    assert_eq!((accuracy.reserved, accuracy.peaks), (Bytes::mib(500), Bytes::mib(670)));
    let times = accuracy.times.unwrap();
    assert_eq!(times.judged, 2);
    assert!((times.expected_seconds - 4.0).abs() < 1e-9 && (times.seconds - 4.0).abs() < 1e-9);
    assert!((times.median_ratio - 1.0).abs() < 1e-9);
}

#[test]
fn memory_is_that_of_the_run_beside_others() {
    let report = report(&story(), &[], &[]);
    assert_eq!(report.memory_from, MemoryFrom::Governor);
    let [point] = report.memory[..] else { panic!("one look") };
    assert_eq!((point.held, point.others), (Bytes::mib(300), Bytes::mib(40)));
    assert_eq!((point.running, point.paused, point.waiting), (1, 0, 1));
    assert_eq!(point.available, Some(Bytes::mib(600)));
}

#[test]
fn without_looks_samples_stand_in() {
    let report = report(&[], &[], &[]);
    assert_eq!(report.memory_from, MemoryFrom::ProcessTree);
    assert_eq!((report.memory[0].at_us, report.memory[0].held), (500_000, Bytes::mib(77)));
    assert_eq!((report.counts.units, report.accuracy.inside_part()), (0, None));
}

#[test]
fn records_are_exact_and_stand_alone_where_notes_are_gone() {
    let known = report(&story(), &[record("big.cpp", 1, 110)], &[]);
    assert_eq!(known.units.len(), 2);
    let big = &known.units[0];
    assert_eq!((big.peak, big.reserved), (Some(Bytes::mib(123)), Bytes::mib(120)));
    assert_eq!(big.estimate, Estimate::Above);
    let mut lost = record("big.cpp", 1, 500);
    lost.outcome = UnitOutcome::OomKilled;
    let alone = report(&[], &[lost, record("big.cpp", 2, 3000), record("a.cpp", 1, 400)], &[]);
    let labels: Vec<_> = alone.units.iter().map(|unit| unit.label.as_str()).collect();
    assert_eq!(labels, ["a.cpp", "big.cpp"]);
    let big = &alone.units[1];
    assert_eq!((big.attempts.len(), alone.counts.kernel_kills), (2, 1));
    assert_eq!((big.waited_us, big.paused_us, big.ran_us), (600_000, 1_000_000, 1_500_000));
}

#[test]
fn a_record_tells_the_end_that_notes_do_not() {
    let notes = &story()[..8];
    let report = report(notes, &[record("big.cpp", 1, 110)], &[]);
    let spans: Vec<_> = report.units[0].spans().map(|s| (s.from_us, s.to_us)).collect();
    assert_eq!(spans, [(100_000, 2_110_000)]);
    assert_eq!(report.units[0].outcome, Some(UnitOutcome::Succeeded));
}

#[test]
fn a_record_far_from_an_attempt_of_its_name_is_another_unit() {
    assert_eq!(report(&story(), &[record("big.cpp", 1, 6000)], &[]).units.len(), 3);
}

#[test]
fn a_new_governor_ends_what_the_old_one_knew() {
    let mut notes = story()[..8].to_vec();
    notes.push(note(700, Happening::GovernorBegan { pid: 3 }));
    notes.push(note(800, looked(&[(1, 999)], &[])));
    let report = report(&notes, &[], &[]);
    assert_eq!((report.counts.units, report.counts.open), (2, 2));
    assert_eq!(report.units[0].last_us(), Some(700_000));
    assert_eq!(report.units[0].peak, Some(Bytes::mib(300)));
    assert_eq!(report.memory[1].held, Bytes::ZERO);
}

#[test]
fn a_run_is_judged_by_earlier_ones_only_if_it_ended_well() {
    let earlier = |wall: u64| Earlier {
        run: 3,
        past: PackagePast {
            same: true,
            complete: true,
            wall_seconds: wall as f64 / 1000.0,
            cpu_seconds: 6.0,
            peak: Bytes::mib(200),
            threads: 2,
            disk: None,
            overran: false,
            units: None,
        },
    };
    let ranges = report(&[], &[], &[earlier(7000), earlier(6000)]).ranges.unwrap();
    assert!(ranges.wall.inside && ranges.cpu.inside && !ranges.peak.inside);
    let mut facts = facts();
    facts.steps[0].observed.exit = Exit::Code(2);
    let one = [earlier(7000)];
    let given = Given {
        number: 7,
        standing: Standing::Finished,
        facts: &facts,
        units: &[],
        notes: &[],
        earlier: &one,
    };
    let report = derive(&given);
    assert_eq!((report.ranges, report.unjudged), (None, Some(Unjudged::NotWell)));
    assert_eq!(self::report(&[], &[], &[]).unjudged, Some(Unjudged::First));
    // Two units, where the earlier build had forty.
    let mut whole = earlier(7000);
    whole.past.units = Some(40);
    let mut facts = self::facts();
    facts.governed = Some(Governed { units: 2, ..Governed::default() });
    let given = Given { facts: &facts, earlier: &[whole], ..given };
    assert_eq!(derive(&given).unjudged, Some(Unjudged::MostlyBuilt));
}

#[test]
fn many_looks_are_thinned_and_keep_the_largest() {
    let mut notes = vec![note(0, run_began(1, 7)), note(0, asked(1, 1, "a", 1))];
    notes.extend((0..4321).map(|n| note(n, looked(&[(1, if n == 2222 { 5000 } else { 7 })], &[]))));
    let memory = report(&notes, &[], &[]).memory;
    assert!(memory.len() <= MOST_POINTS && memory.len() > MOST_POINTS / 2);
    assert_eq!(memory.iter().map(|point| point.held).max(), Some(Bytes::mib(5000)));
    assert!(memory.is_sorted_by_key(|point| point.at_us));
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let unit = 0_u64..6;
    prop_oneof![
        (0_u64..2).prop_map(|run| run_began(run, 7)),
        (unit.clone(), 0_u64..2).prop_map(|(unit, run)| asked(unit, run, "x", 5)),
        unit.clone().prop_map(started),
        unit.clone().prop_map(|unit| Happening::Granted { unit }),
        unit.clone().prop_map(|unit| Happening::Paused { unit }),
        unit.clone().prop_map(|unit| Happening::Resumed { unit }),
        unit.clone().prop_map(|unit| Happening::Evicted { unit }),
        (unit.clone(), any::<bool>()).prop_map(|(unit, by_kernel)| Happening::Retried {
            unit,
            attempt: 2,
            by_kernel
        }),
        (unit.clone(), 0_usize..6).prop_map(|(unit, outcome)| ended(
            unit,
            UnitOutcome::ALL[outcome],
            3
        )),
        unit.prop_map(|unit| looked(&[(unit, 4)], &[(unit, Waiting::Thread)])),
        Just(Happening::GovernorBegan { pid: 1 }),
    ]
}

proptest! {
    #[test]
    fn any_notes_make_lives_without_gaps(
        what in proptest::collection::vec((0_i64..50, any_happening()), 0..80)
    ) {
        let mut at = 0;
        let notes: Vec<_> = what
            .into_iter()
            .map(|(later, what)| {
                at += later;
                note(at, what)
            })
            .collect();
        let report = report(&notes, &[], &[]);
        for unit in &report.units {
            for attempt in &unit.attempts {
                for pair in attempt.spans.windows(2) {
                    prop_assert_eq!(pair[0].to_us, pair[1].from_us);
                }
                prop_assert_eq!(attempt.slot.is_some(), attempt.active().is_some());
            }
        }
        let waited: u64 = report.waits.iter().map(|sum| sum.us).sum();
        prop_assert_eq!(waited, report.counts.waited_us);
    }

    #[test]
    fn attempts_of_a_slot_never_overlap(
        spans in proptest::collection::vec((0_u64..100, 0_u64..30), 0..60)
    ) {
        let unit = |(from, length): (u64, u64)| UnitReport {
            attempts: vec![Attempt {
                spans: vec![Span { from_us: from, to_us: from + length, doing: Doing::Running }],
                ..Attempt::default()
            }],
            ..UnitReport::default()
        };
        let mut units: Vec<_> = spans.into_iter().map(unit).collect();
        let slots = slots::assign(&mut units);
        let attempts: Vec<_> = units.iter().map(|unit| &unit.attempts[0]).collect();
        for (n, one) in attempts.iter().enumerate() {
            prop_assert!(one.slot.unwrap() < slots);
            for other in &attempts[n + 1..] {
                let ((a, b), (c, d)) = (one.active().unwrap(), other.active().unwrap());
                prop_assert!(one.slot != other.slot || b <= c || d <= a);
            }
        }
    }
}
