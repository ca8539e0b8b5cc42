//! How long a plan of 100,000 units takes, and how much memory: at most 0.5 s and 300 MB.
//!
//! Prints figures and judges nothing, so that a busy machine fails no build. Does not know a real
//! graph: this one has the form of a large workspace, libraries that need a few earlier ones and a
//! program at the end of every hundred.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark takes time and prints"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use ironwright_core::inventory::{Graph, GraphBuilder, Kind, Language, Node};
use ironwright_core::plan::{Knowledge, PackageQuery, estimate_package, schedule, workload};
use ironwright_core::units::Bytes;

const ROUNDS: usize = 7;
const BUDGET: Bytes = Bytes::gib(21);
const THREADS: f64 = 8.0;

fn graph(units: u32) -> Graph {
    let mut builder = GraphBuilder::default();
    let mut state = 1_u64;
    let mut random = |below: u32| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 33).unwrap_or(0) % below.max(1)
    };
    for at in 0..units {
        let kind = if at % 100 == 99 { Kind::Link } else { Kind::TranslationUnit };
        let label = format!("src/part{}/file{at}.cpp", at / 100);
        let size = 2_000 + u64::from(random(60_000));
        let node = Node::new(Language::CFamily, kind, format!("c:/build/{label}.o"), label);
        let place = builder.add(node.sized(Some(size)));
        for _ in 0..3 {
            builder.needs(place, random(place));
        }
    }
    builder.finish()
}

/// Time on a processor so far: what a busy machine takes away does not count.
fn on_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let (began, before) = (Instant::now(), on_processor());
            work();
            let spent =
                on_processor().zip(before).map(|(after, before)| after.saturating_sub(before));
            spent.unwrap_or_else(|| began.elapsed())
        })
        .collect();
    times.sort_unstable();
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}

/// Largest resident memory of this process, in MB.
fn largest() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0 / 1e6
}

fn main() {
    let knowledge = Knowledge::default();
    for units in [1_000, 2_500, 10_000, 100_000] {
        let graph = graph(units);
        let with_graph = largest();
        let made = median(|| drop(black_box(workload(&graph, &knowledge))));
        let work = workload(&graph, &knowledge);
        let scheduled = median(|| drop(black_box(schedule(&work, BUDGET, THREADS))));
        let query = PackageQuery { work: Some(&work), threads: THREADS, ..PackageQuery::default() };
        let estimated = median(|| drop(black_box(estimate_package(&query))));
        println!(
            "{units:>7} units: estimates {:>6.1} ms, package {:>6.1} ms, schedule {:>7.1} ms, in all {:>7.1} ms; memory {:.0} MB, {with_graph:.0} MB of it with the graph alone",
            made.as_secs_f64() * 1e3,
            estimated.as_secs_f64() * 1e3,
            scheduled.as_secs_f64() * 1e3,
            (made + estimated + scheduled).as_secs_f64() * 1e3,
            largest(),
        );
    }
}
