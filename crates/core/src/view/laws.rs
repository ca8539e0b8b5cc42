//! Tests of the fold, by examples and by laws over any notes.
//!
//! Does not know which notes a governor really sends.

use proptest::prelude::*;

use super::*;
use crate::govern::{Alarm, Waiting};
use crate::observe::unit::UnitOutcome;

fn note(second: i64, what: Happening) -> Note {
    Note { at_us: second * 1_000_000, what }
}

fn began(run: u64, recorded: i64) -> Happening {
    let label = format!("build {run}");
    Happening::RunBegan { run, recorded: Some(recorded), pid: 7, label, source: None }
}

fn asked(unit: u64, run: Option<u64>, seconds: Option<f64>) -> Happening {
    Happening::Asked(Asked {
        unit,
        run,
        label: format!("unit-{unit}"),
        tool: "rustc".to_owned(),
        package: None,
        memory: Bytes::mib(500),
        seconds,
        threads: 1.0,
        basis: "measured 3 times".to_owned(),
    })
}

fn ended(unit: u64, outcome: UnitOutcome) -> Happening {
    Happening::Ended {
        unit,
        outcome,
        exit: None,
        wall_us: 5_000_000,
        cpu_us: 4_000_000,
        peak: Bytes::mib(300),
        message: None,
    }
}

fn folded<'a>(notes: impl IntoIterator<Item = &'a Note>) -> View {
    let mut view = View::default();
    for note in notes {
        view.apply(note);
    }
    view
}

#[test]
fn a_unit_goes_through_its_phases() {
    let look = Look {
        units: vec![(1, Bytes::mib(200))],
        waiting: vec![(2, Waiting::Memory)],
        ..Look::default()
    };
    let notes = [
        note(0, began(9, 1)),
        note(1, asked(1, Some(9), Some(10.0))),
        note(1, asked(2, Some(9), Some(10.0))),
        note(2, Happening::Granted { unit: 1 }),
        note(3, Happening::Started { unit: 1, pid: 77 }),
        note(5, Happening::Looked(look)),
        note(6, Happening::Paused { unit: 1 }),
        note(9, Happening::Resumed { unit: 1 }),
    ];
    let view = folded(&notes);
    let (one, two) = (&view.units[&1], &view.units[&2]);
    assert_eq!((one.phase, one.pid, one.memory), (Phase::Running, Some(77), Bytes::mib(200)));
    assert_eq!(
        (one.ran_us(11_000_000), one.expected_left_seconds(11_000_000)),
        (5_000_000, Some(5.0))
    );
    assert_eq!((two.phase, two.why), (Phase::Waiting, Some(Waiting::Memory)));
    assert_eq!(view.tally(), Tally { running: 1, paused: 0, waiting: 1 });
    assert_eq!(view.reserved(), Bytes::mib(500));
}

#[test]
fn an_evicted_unit_comes_back_and_is_counted_once() {
    let mut notes = vec![
        note(0, began(9, 1)),
        note(1, asked(1, Some(9), None)),
        note(2, Happening::Started { unit: 1, pid: 77 }),
        note(3, Happening::Evicted { unit: 1 }),
        note(3, ended(1, UnitOutcome::Evicted)),
        note(3, Happening::Retried { unit: 1, attempt: 2, by_kernel: false }),
    ];
    let view = folded(&notes);
    let counts = view.runs[&9].counts;
    assert_eq!(view.units[&1].attempt, 2);
    assert_eq!((counts.done, counts.failed, counts.retries, counts.evictions), (0, 0, 1, 1));
    assert_eq!((counts.cpu_us, counts.lost_cpu_us), (4_000_000, 4_000_000));
    notes.push(note(9, ended(1, UnitOutcome::Succeeded)));
    let counts = folded(&notes).counts;
    assert_eq!((counts.done, counts.failed, counts.retries), (1, 0, 1));
}

#[test]
fn time_left_is_that_of_the_longest_or_of_all_on_all_threads() {
    let mut notes = vec![
        note(0, began(9, 1)),
        note(0, Happening::Budget { memory: Bytes::gib(4), threads: 2.0 }),
        note(1, asked(1, Some(9), Some(6.0))),
        note(1, Happening::Started { unit: 1, pid: 7 }),
    ];
    let left = |notes: &[Note], second: i64| {
        let view = folded(notes);
        view.progress(&view.runs[&9], second * 1_000_000).at_least_seconds
    };
    assert_eq!(left(&notes, 3), Some(4.0));
    assert_eq!(left(&notes, 30), Some(0.0));
    notes.push(note(1, asked(2, Some(9), Some(4.0))));
    notes.push(note(1, asked(3, Some(9), Some(4.0))));
    assert_eq!(left(&notes, 3), Some(6.0));
}

#[test]
fn a_run_leaves_a_minute_after_its_end() {
    let notes = [note(0, began(9, 1)), note(5, Happening::RunEnded { run: 9 })];
    let mut view = folded(&notes);
    view.advance(64_000_000);
    assert_eq!(view.runs.len(), 1);
    view.advance(66_000_000);
    assert!(view.runs.is_empty());
}

#[test]
fn a_run_keeps_its_counts_under_the_next_governor() {
    let notes = [
        note(0, Happening::GovernorBegan { pid: 1 }),
        note(0, began(9, 1)),
        note(1, asked(1, Some(9), None)),
        note(1, asked(2, Some(9), None)),
        note(2, ended(1, UnitOutcome::Succeeded)),
        note(3, Happening::GovernorBegan { pid: 2 }),
        note(4, began(1, 1)),
    ];
    let view = folded(&notes);
    assert_eq!(view.runs.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!((view.runs[&1].counts.done, view.runs[&1].since_us), (1, 0));
    assert!(view.units.is_empty());
}

#[test]
fn a_second_makes_one_point_and_five_minutes_are_kept() {
    let mut view = View::default();
    for tenth in 0..10_000_i64 {
        let held = Bytes(u64::try_from(tenth % 10).unwrap_or(0));
        let look = Look { held, available: Bytes(18), ..Look::default() };
        view.apply(&Note { at_us: tenth * 100_000, what: Happening::Looked(look) });
    }
    assert_eq!(view.trend.points.len(), 300);
    assert_eq!(view.trend.points[0].second, 700);
    assert!((view.trend.points[0].held_part() - 0.5).abs() < 1e-9);
}

#[test]
fn what_would_disturb_a_terminal_or_be_no_number_is_left_out() {
    let mut what = asked(1, None, Some(f64::NAN));
    if let Happening::Asked(asked) = &mut what {
        asked.label = format!("\u{1b}[31m{}", "x".repeat(500));
        asked.threads = f64::INFINITY;
    }
    let view = folded(&[note(0, what)]);
    let asked = &view.units[&1].asked;
    assert_eq!((asked.label.chars().count(), asked.seconds, asked.threads), (100, None, 0.0));
    assert!(!asked.label.contains('\u{1b}'));
}

/// A frame of the protocol holds one MiB.
#[test]
fn a_full_view_fits_into_one_message() {
    let mut view = View::default();
    for unit in 0..5000 {
        view.apply(&note(1, asked(unit, Some(unit % 200), Some(1.25))));
        view.apply(&note(2, began(unit % 200, i64::try_from(unit).unwrap())));
        view.apply(&note(i64::try_from(unit).unwrap(), Happening::Looked(Look::default())));
    }
    assert_eq!((view.units.len(), view.trend.points.len()), (MOST_UNITS, 300));
    assert!(view.runs.len() <= MOST_RUNS);
    let json = serde_json::to_string(&note(3, Happening::State { view: Box::new(view) })).unwrap();
    assert!(json.len() < 1 << 20, "{}", json.len());
}

fn quarter() -> impl Strategy<Value = f64> {
    (0_u32..4000).prop_map(|n| f64::from(n) / 4.0)
}

fn any_look() -> impl Strategy<Value = Happening> {
    let units = prop::collection::vec((0_u64..6, any::<u64>().prop_map(Bytes)), 0..4);
    let waiting = prop::collection::vec((0_u64..6, Just(Waiting::Pressure)), 0..3);
    (any::<u64>(), any::<u64>(), quarter(), units, waiting).prop_map(
        |(available, held, busy, units, waiting)| {
            Happening::Looked(Look {
                available: Bytes(available),
                held: Bytes(held),
                busy,
                alarm: Alarm::Pause,
                stall_some: busy,
                units,
                waiting,
                ..Look::default()
            })
        },
    )
}

fn any_ended() -> impl Strategy<Value = Happening> {
    let outcome = prop::sample::select(UnitOutcome::ALL.to_vec());
    (0_u64..6, outcome, any::<u64>(), any::<u64>()).prop_map(|(unit, outcome, cpu_us, peak)| {
        Happening::Ended {
            unit,
            outcome,
            exit: Some(1),
            wall_us: cpu_us,
            cpu_us,
            peak: Bytes(peak),
            message: None,
        }
    })
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let unit = 0_u64..6;
    let run = 0_u64..3;
    prop_oneof![
        any::<i32>().prop_map(|pid| Happening::GovernorBegan { pid }),
        (run.clone(), 0_i64..3).prop_map(|(run, recorded)| began(run, recorded)),
        run.clone().prop_map(|run| Happening::RunEnded { run }),
        (any::<u64>(), quarter())
            .prop_map(|(memory, threads)| Happening::Budget { memory: Bytes(memory), threads }),
        (run.clone(), any::<u32>(), any::<u32>()).prop_map(|(run, size, free)| Happening::Pool {
            run,
            size,
            free
        }),
        (unit.clone(), prop::option::of(run), prop::option::of(quarter()))
            .prop_map(|(unit, run, seconds)| asked(unit, run, seconds)),
        unit.clone().prop_map(|unit| Happening::Waits { unit, why: Waiting::Memory }),
        unit.clone().prop_map(|unit| Happening::Granted { unit }),
        (unit.clone(), any::<i32>()).prop_map(|(unit, pid)| Happening::Started { unit, pid }),
        unit.clone().prop_map(|unit| Happening::Paused { unit }),
        unit.clone().prop_map(|unit| Happening::Resumed { unit }),
        unit.clone().prop_map(|unit| Happening::Evicted { unit }),
        (unit, any::<u32>(), any::<bool>()).prop_map(|(unit, attempt, by_kernel)| {
            Happening::Retried { unit, attempt, by_kernel }
        }),
        any_ended(),
        any_look(),
    ]
}

fn any_notes() -> impl Strategy<Value = Vec<Note>> {
    let time = prop_oneof![8 => 0_i64..200_000_000, 1 => any::<i64>()];
    let note = (time, any_happening()).prop_map(|(at_us, what)| Note { at_us, what });
    prop::collection::vec(note, 0..80)
}

proptest! {
    #[test]
    fn any_notes_make_a_bounded_view(notes in any_notes(), now in any::<i64>()) {
        let view = folded(&notes);
        prop_assert!(view.ended.len() <= MOST_ENDED && view.units.len() <= 6);
        for run in view.runs.values() {
            let progress = view.progress(run, now);
            prop_assert!((0.0..=1.0).contains(&progress.part()));
            prop_assert!(progress.at_least_seconds.is_none_or(|left| left >= 0.0));
            prop_assert!(run.seconds(now) >= 0.0);
        }
        let known = view.counts.done.saturating_add(view.counts.failed);
        prop_assert!(known <= u64::try_from(notes.len()).unwrap());
        let _ = (view.reserved(), view.up_seconds(now));
    }

    #[test]
    fn a_state_and_what_follows_make_what_all_notes_make(
        notes in any_notes(),
        percent in 0..100_usize,
    ) {
        let (before, after) = notes.split_at(notes.len() * percent / 100);
        let view = folded(before);
        let state = Note { at_us: view.at_us, what: Happening::State { view: Box::new(view) } };
        let sent: Note = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        prop_assert_eq!(folded([&sent].into_iter().chain(after)), folded(&notes));
    }

    #[test]
    fn every_note_reads_back_from_json(notes in any_notes()) {
        for note in notes {
            let json = serde_json::to_string(&note).unwrap();
            prop_assert_eq!(serde_json::from_str::<Note>(&json).unwrap(), note);
        }
    }

    #[test]
    fn any_text_is_read_as_a_note_or_refused(text in ".{0,60}") {
        let _ = serde_json::from_str::<Note>(&text);
    }
}
