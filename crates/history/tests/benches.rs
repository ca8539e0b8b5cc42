//! Benchmarks are kept whole, and travel with a history.
//!
//! Does not know what is concluded from them.

use std::collections::BTreeMap;

use ironwright_core::evidence::report::{Measured, Setup};
use ironwright_core::evidence::stop::Stop;
use ironwright_core::evidence::{BenchFacts, Change, Metric, Round, Sample, Subject};
use ironwright_history::History;

fn bench(started: i64, subject: Option<Subject>) -> BenchFacts {
    let command = |name: &str| Measured {
        name: name.to_owned(),
        command: name.to_owned(),
        parameters: BTreeMap::new(),
    };
    let setup = Setup {
        started_unix_ns: started,
        host: Some("box".to_owned()),
        microarchitecture: Some("znver4".to_owned()),
        subject,
        commands: vec![command("a"), command("b")],
        control: false,
        judged_by: Metric::Wall,
        overhead: None,
        pinned_to: None,
        not_measured: Vec::new(),
        seed: 1,
        alpha: 0.05,
        precision: 0.01,
    };
    let sample = |ms: u64| Sample { wall_ns: ms * 1_000_000, ..Sample::default() };
    let round = |n: u64| Round { order: vec![0, 1], samples: vec![sample(100 + n), sample(90)] };
    let (stopped, rounds) = (Some(Stop::Time), (0..12).map(round).collect());
    BenchFacts { schema: 1, setup, stopped, elapsed: 2.5, rounds }
}

fn subject() -> Subject {
    let knobs = BTreeMap::from([("c-march".to_owned(), "x86-64-v3".to_owned())]);
    Subject {
        change: Change { package: Some("zlib".to_owned()), knobs },
        workload: "inflate".to_owned(),
    }
}

#[test]
fn a_benchmark_is_kept_whole() {
    let directory = tempfile::tempdir().unwrap();
    let history = History::open(&directory.path().join("history.db")).unwrap();
    let (plain, about) = (bench(1, None), bench(2, Some(subject())));
    let first = history.record_bench(&plain).unwrap();
    history.record_bench(&about).unwrap();
    assert_eq!(history.bench(first).unwrap().unwrap().facts, plain);
    let found = history.benches_of_changes().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].facts, about);
    assert_eq!(history.bench(99).unwrap(), None);
}

#[test]
fn benchmarks_travel_once() {
    let directory = tempfile::tempdir().unwrap();
    let history = History::open(&directory.path().join("a.db")).unwrap();
    history.record_bench(&bench(2, Some(subject()))).unwrap();
    let mut lines = Vec::new();
    assert_eq!(history.export(None, &mut lines).unwrap().benches, 1);
    let mut other = History::open(&directory.path().join("b.db")).unwrap();
    assert_eq!(other.import(lines.as_slice()).unwrap().added.benches, 1);
    assert_eq!(other.import(lines.as_slice()).unwrap().added.benches, 0);
    assert_eq!(other.benches_of_changes().unwrap().len(), 1);
    let cut = String::from_utf8(lines).unwrap().replace("\"benches\":1", "\"benches\":2");
    assert!(other.import(cut.as_bytes()).unwrap_err().to_string().contains("2 benchmarks"));
}
