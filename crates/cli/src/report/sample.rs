//! A report for tests: two units, of which one waits, is paused, evicted and killed by the kernel.
//!
//! Does not know how a report is drawn.

use ironwright_core::govern::Waiting;
use ironwright_core::observe::unit::UnitOutcome;
use ironwright_core::observe::{Exit, Observed, RunFacts, StepFacts};
use ironwright_core::plan::PackagePast;
use ironwright_core::report::{Earlier, Given, Report, Standing, derive};
use ironwright_core::units::Bytes;
use ironwright_core::view::{Asked, Happening, Look, Note};

const ZERO_US: i64 = 1_700_000_000_000_000;

fn asked(unit: u64, label: &str, mib: u64, seconds: Option<f64>) -> Happening {
    Happening::Asked(Asked {
        unit,
        run: Some(1),
        label: label.to_owned(),
        tool: if unit.is_multiple_of(2) { "ld" } else { "cc1plus" }.to_owned(),
        package: None,
        memory: Bytes::mib(mib),
        seconds,
        threads: 1.0,
        basis: "measured once".to_owned(),
    })
}

fn ended(unit: u64, outcome: UnitOutcome, mib: u64) -> Happening {
    Happening::Ended {
        unit,
        outcome,
        exit: None,
        wall_us: 0,
        cpu_us: 1_500_000,
        peak: Bytes::mib(mib),
        message: None,
    }
}

fn looked(units: &[(u64, u64)], waiting: &[(u64, Waiting)]) -> Happening {
    Happening::Looked(Look {
        available: Bytes::mib(600),
        busy: 1.5,
        units: units.iter().map(|(unit, mib)| (*unit, Bytes::mib(*mib))).collect(),
        waiting: waiting.to_vec(),
        ..Look::default()
    })
}

fn story(label: &str) -> Vec<(i64, Happening)> {
    use Happening::{Evicted, Paused, Resumed, Retried, RunBegan, Started};
    let (name, source) = ("make".to_owned(), None);
    let retried = |by_kernel, attempt| Retried { unit: 2, attempt, by_kernel };
    vec![
        (0, RunBegan { run: 1, recorded: Some(7), pid: 5, label: name, source }),
        (100, asked(1, label, 400, Some(2.5))),
        (100, Started { unit: 1, pid: 9 }),
        (200, asked(2, "app", 100, None)),
        (600, looked(&[(1, 300)], &[(2, Waiting::Memory)])),
        (1500, looked(&[(1, 380)], &[(2, Waiting::Thread)])),
        (2100, Started { unit: 2, pid: 9 }),
        (2900, looked(&[(1, 380), (2, 210)], &[])),
        (3000, Paused { unit: 2 }),
        (3100, ended(1, UnitOutcome::Succeeded, 390)),
        (3500, Resumed { unit: 2 }),
        (4000, Evicted { unit: 2 }),
        (4100, ended(2, UnitOutcome::Evicted, 250)),
        (4100, retried(false, 2)),
        (4500, Started { unit: 2, pid: 9 }),
        (5000, ended(2, UnitOutcome::OomKilled, 300)),
        (5000, retried(true, 3)),
        (5200, Started { unit: 2, pid: 9 }),
        (6000, looked(&[(2, 270)], &[])),
        (7000, ended(2, UnitOutcome::Succeeded, 280)),
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
        peak_tree: Bytes::mib(600),
        peak_process: Bytes::mib(390),
        peak_process_name: None,
        processes_seen: 4,
        left_running: 0,
        pressure: None,
        oom_kills: 1,
        samples: Vec::new(),
    };
    RunFacts {
        ironwright: "0.1.0".to_owned(),
        host: Some("forge".to_owned()),
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

/// The report, in which the first unit has the name that is given.
pub(crate) fn report(label: &str) -> Report {
    let notes: Vec<_> = story(label)
        .into_iter()
        .map(|(ms, what)| Note { at_us: ZERO_US + ms * 1000, what })
        .collect();
    let earlier = [Earlier {
        run: 3,
        past: PackagePast {
            same: true,
            complete: true,
            wall_seconds: 7.0,
            cpu_seconds: 6.0,
            peak: Bytes::mib(300),
            threads: 2,
            disk: None,
            overran: false,
            units: None,
        },
    }];
    derive(&Given {
        number: 7,
        standing: Standing::Finished,
        facts: &facts(),
        units: &[],
        notes: &notes,
        earlier: &earlier,
    })
}

/// The report of a run of which nothing but its facts is known.
pub(crate) fn bare() -> Report {
    derive(&Given {
        number: 7,
        standing: Standing::Finished,
        facts: &facts(),
        units: &[],
        notes: &[],
        earlier: &[],
    })
}
