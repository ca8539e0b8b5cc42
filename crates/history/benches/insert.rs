//! How long units take to be stored and to be found again.
//!
//! Does not know what is fast enough: whoever reads the figures tells.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ironwright_core::observe::generation::generation;
use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::observe::{Exit, MOST_SAMPLES, Observed, RunFacts, Sample, StepFacts};
use ironwright_core::units::Bytes;
use ironwright_history::{Filter, History, Order, Owner, UnitFilter};

const MANY: u64 = 100_000;

/// Each key comes back five times, far from its last place, as in builds that follow each other.
fn unit(n: u64) -> UnitRecord {
    let name = n % (MANY / 5);
    UnitRecord {
        run: Some((n / 1000).cast_signed()),
        key: format!("rustc:{:016x}:crate-{name}:lib", name.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        family: format!("rustc:lib:opt{}", n % 40),
        tool: "rustc".into(),
        label: format!("crate-{name}"),
        package: Some(format!("package-{}", n % 200)),
        attempt: 1,
        outcome: UnitOutcome::Succeeded,
        exit: Some(0),
        started_unix_us: 1_700_000_000_000_000 + n.cast_signed() * 1000,
        waited_us: n * 7,
        wall_us: 3_000_000 + n,
        paused_us: 0,
        user_us: 2_800_000 + n,
        system_us: 150_000,
        delay_us: 90_000,
        peak: Bytes::kib(400_000 + n),
        peak_process: Bytes::kib(390_000 + n),
        reserved: Bytes::mib(450),
        curve: (1..=16).map(|part| Bytes::kib(25_000 * part + n)).collect(),
        input_bytes: 60_000 + n,
        alone: false,
    }
}

fn opened(directory: &Path) -> History {
    History::open(&directory.join("history.db")).unwrap()
}

fn insert(c: &mut Criterion, units: &[UnitRecord]) {
    let fresh = || {
        let directory = tempfile::tempdir().unwrap();
        let history = opened(directory.path());
        (directory, history)
    };
    let store = |(directory, mut history): (tempfile::TempDir, History)| {
        history.record_units(units).unwrap();
        (history, directory)
    };
    let mut group = c.benchmark_group("history");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("insert 100,000 units", |b| {
        b.iter_batched(fresh, store, BatchSize::PerIteration);
    });
    group.finish();
}

fn find(c: &mut Criterion, units: &[UnitRecord]) {
    let directory = tempfile::tempdir().unwrap();
    let mut history = opened(directory.path());
    history.record_units(units).unwrap();
    let mut at = 0;
    c.bench_function("history/find units of a key among 100,000", |b| {
        b.iter(|| {
            at = (at + 7919) % units.len();
            black_box(history.units_by_key(&units[at].key, 20).unwrap())
        });
    });
    c.bench_function("history/find 20 units of a family among 100,000", |b| {
        b.iter(|| black_box(history.units_by_family(&units[0].family, 20).unwrap()));
    });
}

/// Runs of the million units, and units of each.
const RUNS: u64 = 1000;

/// A run with as many samples as one can have.
fn facts(n: u64) -> RunFacts {
    let sample = |at: u64| Sample {
        at_ms: at * 1000,
        memory: Bytes::kib(at * 777_777 % 9_000_000),
        processes: 9,
    };
    let observed = Observed {
        exit: Exit::Code(i32::from(n.is_multiple_of(7))),
        interrupted_by: None,
        overran: None,
        wall_ns: 600_000_000_000,
        user_ns: 3_000_000_000_000,
        system_ns: 200_000_000_000,
        peak_tree: Bytes::mib(5000),
        peak_process: Bytes::mib(900),
        peak_process_name: Some("rustc".into()),
        processes_seen: 1000,
        left_running: 0,
        pressure: None,
        oom_kills: 0,
        samples: (0..MOST_SAMPLES as u64).map(sample).collect(),
    };
    let setting = |k: u64| (format!("SETTING_{k}"), format!("value-{}", n % 20).into());
    RunFacts {
        compiler_cache: None,
        ironwright: "0.1.0".into(),
        host: Some(format!("host-{}", n % 4)),
        source: Some(format!("crate:package-{}", n % 50)),
        package: Some(format!("package-{}", n % 50)),
        driver: Some("cargo".into()),
        threads: 6,
        budget: Bytes::gib(21),
        settings: (0..30).map(setting).collect(),
        started_unix_ns: 1_700_000_000_000_000_000 + n.cast_signed() * 600_000_000_000,
        governed: None,
        batch: None,
        disk: None,
        steps: vec![StepFacts { argv: vec!["cargo".into()], cwd: "/".into(), observed }],
    }
}

/// What `ironwright history` asks, of a million units of a thousand runs.
fn ask(c: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let mut history = opened(directory.path());
    for n in 0..RUNS {
        let id = history.begin(&facts(n), Owner { pid: 1, started: 1 }).unwrap();
        history.finish(id, &facts(n)).unwrap();
        let of_run = |at: u64| UnitRecord { run: Some(id), ..unit(n * 1000 + at) };
        history.record_units(&(0..1000).map(of_run).collect::<Vec<_>>()).unwrap();
    }
    let path = directory.path().join("history.db");
    let mut question = |name: &str, ask: &dyn Fn(&History) -> usize| {
        c.bench_function(&format!("history/{name} among 1,000,000 units"), |b| {
            // As a command does: opened anew each time.
            b.iter(|| black_box(ask(&History::open(&path).unwrap())));
        });
    };
    let runs = |filter: Filter| {
        move |history: &History| {
            history.list(&Filter { limit: Some(20), ..filter.clone() }, |_| false).unwrap().len()
        }
    };
    question("list 20 runs", &runs(Filter::default()));
    let package = Some("package-7".to_owned());
    question(
        "list 20 of a package",
        &runs(Filter { package: package.clone(), ..Filter::default() }),
    );
    let host = Some("host-1".to_owned());
    question("list 20 of a host", &runs(Filter { host, ..Filter::default() }));
    let of = Some(generation(&facts(3)));
    question("list 20 of a generation", &runs(Filter { generation: of, ..Filter::default() }));
    question("list 20 that failed", &runs(Filter { failed: true, ..Filter::default() }));
    question("show a run of 1000 units", &|history| {
        history.get(500, |_| false).unwrap().unwrap();
        history.units_of_run(500).unwrap().len()
    });
    let units = |filter: UnitFilter| {
        move |history: &History| {
            history.find_units(&UnitFilter { limit: 20, ..filter.clone() }).unwrap().len()
        }
    };
    let largest = UnitFilter { order: Order::Largest, ..UnitFilter::default() };
    question("20 largest", &units(largest.clone()));
    question("20 slowest", &units(UnitFilter { order: Order::Slowest, ..UnitFilter::default() }));
    question("20 largest of a run", &units(UnitFilter { run: Some(500), ..largest.clone() }));
    question("20 largest of a package", &units(UnitFilter { package, ..largest.clone() }));
    question("20 largest of a key", &units(UnitFilter { key: Some(unit(5).key), ..largest }));
}

fn all(c: &mut Criterion) {
    let units: Vec<_> = (0..MANY).map(unit).collect();
    insert(c, &units);
    find(c, &units);
    ask(c);
}

criterion_group!(benches, all);
criterion_main!(benches);
