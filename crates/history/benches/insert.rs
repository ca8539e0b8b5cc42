//! How long units take to be stored and to be found again.
//!
//! Does not know what is fast enough: whoever reads the figures tells.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};
use ironwright_core::units::Bytes;
use ironwright_history::History;

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

fn all(c: &mut Criterion) {
    let units: Vec<_> = (0..MANY).map(unit).collect();
    insert(c, &units);
    find(c, &units);
}

criterion_group!(benches, all);
criterion_main!(benches);
