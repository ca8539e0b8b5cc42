//! How fast derivations are read from a warm page cache, and how fast large graphs are handled.
//!
//! With `IRONWRIGHT_NIX_BIN` (the folder of `nix`) and `IRONWRIGHT_BENCH_DERIVATION` (a derivation in its
//! store), the closure of that is read by `nix derivation show -r` and by us, in turns. Does not know what is
//! fast enough: whoever reads the figures tells.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ironwright_core::inventory::{Graph, GraphBuilder, Kind, Language, Node, Summary, aterm};
use ironwright_host::inventory::read_closure;
use rustix::time::{ClockId, clock_gettime};

/// Shows durations.
static WALL: WallTime = WallTime;

const FILES: usize = 5_000;
const NODES: u32 = 100_000;

/// Processor time of this thread, system calls included: what one core takes, however busy the
/// machine is with other things.
struct ThreadTime;

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap())
    }

    fn end(&self, start: Duration) -> Duration {
        self.start().saturating_sub(start)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WALL.formatter()
    }
}

fn name(n: usize) -> String {
    format!(
        "/nix/store/{:032x}-package-{n}-1.2.{}.drv",
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        n % 30
    )
}

/// A derivation as nixpkgs makes them: 2.7 kB, a dozen inputs, forty variables of which half are
/// empty.
fn derivation(n: usize) -> String {
    let mut text = format!("Derive([(\"out\",\"/nix/store/{n:032x}-package-{n}\",\"\",\"\")],[");
    let inputs: Vec<_> = (1..=11)
        .map(|step| n + step * step)
        .filter(|input| *input < FILES)
        .chain((n + 1 < FILES).then_some(n + 1))
        .map(|input| format!("(\"{}\",[\"out\"])", name(input)))
        .collect();
    text.push_str(&inputs.join(","));
    text.push_str("],[\"/nix/store/00000000000000000000000000000000-builder.sh\"],\"x86_64-linux\",\"/nix/store/00000000000000000000000000000000-bash-5.2/bin/bash\",[\"-e\",\"builder.sh\"],[");
    for variable in 0..18 {
        let _ = write!(
            text,
            "(\"empty{variable}\",\"\"),(\"variable{variable}\",\"/nix/store/{n:032x}-a\"),"
        );
    }
    let _ = write!(
        text,
        "(\"postInstall\",\"mkdir -p $out\\n\\techo \\\"done\\\" > $out/x\\n\"),(\"pname\",\"package-{n}\"),(\"stdenv\",\"/nix/store/x\"),(\"version\",\"1.2\")])"
    );
    text
}

fn store(directory: &Path) -> PathBuf {
    for n in 0..FILES {
        let file = name(n);
        let file = file.rsplit('/').next().unwrap();
        std::fs::write(directory.join(file), derivation(n)).unwrap();
    }
    directory.join(name(0).rsplit('/').next().unwrap())
}

fn closure(c: &mut Criterion<ThreadTime>) {
    let directory = tempfile::tempdir().unwrap();
    let root = store(directory.path());
    let read = read_closure(&root, false).unwrap();
    assert_eq!((read.read, read.missing), (FILES, 0));
    let mut group = c.benchmark_group("derivations");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(FILES as u64));
    group.bench_function("read a closure of 5,000 files", |b| {
        b.iter(|| black_box(read_closure(&root, false).unwrap()));
    });
    group.bench_function("read a closure of 5,000 files and look for results", |b| {
        b.iter(|| black_box(read_closure(&root, true).unwrap()));
    });
    let text = derivation(0);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse one", |b| {
        b.iter(|| black_box(aterm::parse("x", text.as_bytes()).unwrap()));
    });
    group.finish();
}

/// Rounds of either reader of a real closure.
const ROUNDS: usize = 15;

/// A real closure, against Nix itself. Its whole process is timed, ours is the reading alone; the time of
/// its start, that of `nix --version`, is shown beside it.
fn real(_: &mut Criterion<ThreadTime>) {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let Some((bin, root)) = named("IRONWRIGHT_NIX_BIN").zip(named("IRONWRIGHT_BENCH_DERIVATION"))
    else {
        println!(
            "a real closure: left out; IRONWRIGHT_NIX_BIN and IRONWRIGHT_BENCH_DERIVATION name one"
        );
        return;
    };
    let nix = |arguments: &[&str]| {
        let mut command = Command::new(bin.join("nix"));
        command.args(["--extra-experimental-features", "nix-command"]).args(arguments);
        let began = Instant::now();
        assert!(command.stdout(Stdio::null()).status().unwrap().success());
        began.elapsed()
    };
    let (mut own, mut theirs, mut starts, mut files) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        files = black_box(read_closure(&root, false).unwrap()).read;
        own.push(began.elapsed());
        theirs.push(nix(&["derivation", "show", "-r", &root.to_string_lossy()]));
        starts.push(nix(&["--version"]));
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[ROUNDS / 2].as_secs_f64()
    };
    let (own, theirs, start) = (median(&mut own), median(&mut theirs), median(&mut starts));
    println!(
        "a real closure of {files} files: {:.2} ms, {:.0} files/s; nix derivation show -r {:.1} ms, {:.1} ms of it to start; ratio {:.1}, without the start {:.1}",
        own * 1e3,
        files as f64 / own,
        theirs * 1e3,
        start * 1e3,
        theirs / own,
        (theirs - start) / own,
    );
}

fn large_graph() -> Graph {
    let mut builder = GraphBuilder::default();
    for n in 0..NODES {
        let id = format!("/nix/store/{n:032x}-package-{n}-1.2.3.drv");
        let node = Node::new(Language::Nix, Kind::Derivation, id, format!("package-{n}"));
        let place = builder.add(node.in_package(format!("package-{n}")).sized(Some(u64::from(n))));
        for step in 1..=8 {
            if let Some(needed) = place.checked_sub(step * step) {
                builder.needs(place, needed);
            }
        }
    }
    builder.finish()
}

fn graph(c: &mut Criterion<ThreadTime>) {
    let mut group = c.benchmark_group("graph");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("make one of 100,000 nodes", |b| b.iter(|| black_box(large_graph())));
    let graph = large_graph();
    group.bench_function("sum up one of 100,000 nodes", |b| {
        b.iter(|| black_box(Summary::of(&graph)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ThreadTime);
    targets = real, closure, graph
}
criterion_main!(benches);
