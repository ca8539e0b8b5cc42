//! The mixed batch of the benchmark, simulated, and the rules on small cases.
//!
//! Does not know real time.

use super::*;
use crate::units::Bytes;
use std::time::Duration;

fn kind(name: &str, count: usize, mib: u64, seconds: f64, idle: f64) -> Vec<Job> {
    let job = Job {
        name: name.to_owned(),
        memory: Bytes::mib(mib),
        cpu: Duration::from_secs_f64(seconds * (1.0 - idle)),
        sleep: Duration::from_secs_f64(seconds * idle),
        threads: 1.0,
        growth: 0.6,
        after: Vec::new(),
    };
    vec![job; count]
}

/// Three heavy, six medium and thirty light jobs; `idle` is the part of their time they sleep.
fn mixed(idle: f64) -> Workload {
    let heavy = kind("heavy", 3, 1500, 5.0, idle);
    let medium = kind("medium", 6, 500, 2.0, idle);
    let light = kind("light", 30, 50, 0.25, idle);
    Workload { jobs: [heavy, medium, light].concat() }
}

fn setup(seen_before: bool) -> Setup {
    Setup {
        budget: Bytes::gib(3),
        threads: 2.0,
        seen_before,
        cold: Bytes::mib(256),
        start_delay: Duration::from_millis(3),
    }
}

/// The worst makespan of five orders, in units of the bound; and what was killed.
fn worst(idle: f64, seen_before: bool) -> (f64, u32) {
    let (mut ratio, mut evicted) = (0.0_f64, 0);
    for seed in 1..=5 {
        let workload = mixed(idle).shuffled(seed);
        let outcome = simulate(&workload, &setup(seen_before), Rule::Governor);
        assert_eq!((outcome.killed, outcome.lost), (0, 0), "{outcome:?}");
        assert!(outcome.peak <= Bytes::gib(3));
        let bound = bounds(&workload, Bytes::gib(3), 2.0).largest();
        ratio = ratio.max(outcome.makespan.as_secs_f64() / bound.as_secs_f64());
        evicted = evicted.max(outcome.evicted);
    }
    (ratio, evicted)
}

#[test]
fn the_mixed_batch_comes_near_its_bounds() {
    assert!(worst(0.0, true).0 <= 1.02, "{:?}", worst(0.0, true));
    assert!(worst(0.75, true).0 <= 1.0, "{:?}", worst(0.75, true));
    for idle in [0.0, 0.75] {
        let (ratio, evicted) = worst(idle, false);
        assert!(ratio <= 1.6 && evicted <= 2, "never seen: {ratio} {evicted}");
    }
}

#[test]
fn knowing_how_memory_grows_beats_knowing_peaks() {
    // Two heavy peaks do not fit together, but they need not come at the same time.
    let setup = Setup { budget: Bytes::mib(2950), ..setup(true) };
    let oracle = simulate(&mixed(0.75), &setup, Rule::Oracle);
    let governor = simulate(&mixed(0.75), &setup, Rule::Governor);
    assert!(
        governor.makespan.as_secs_f64() < 0.8 * oracle.makespan.as_secs_f64(),
        "{governor:?} {oracle:?}"
    );
}

#[test]
fn too_many_jobs_at_a_time_are_lost() {
    let careful = simulate(&mixed(0.75), &setup(true), Rule::Make(1));
    assert_eq!(careful.lost, 0);
    let greedy = simulate(&mixed(0.75), &setup(true), Rule::Make(39));
    assert!(greedy.lost > 0 && greedy.killed == greedy.lost, "{greedy:?}");
}

#[test]
fn threads_are_shared() {
    let workload = Workload { jobs: kind("job", 4, 10, 1.0, 0.0) };
    let outcome = simulate(&workload, &setup(true), Rule::Make(4));
    let seconds = outcome.makespan.as_secs_f64();
    assert!((seconds - 2.0).abs() < 0.02 && outcome.idle < 0.02, "{outcome:?}");
}

#[test]
fn jobs_of_several_threads_get_no_more_than_there_are() {
    let text = "[[job]]\nname = \"wide\"\ncount = 3\nmemory = \"10 MiB\"\ncpu = 4\nthreads = 2";
    let workload = Workload::parse(text).unwrap();
    for rule in [Rule::Static { jobs: 3, cores: 6 }, Rule::Make(2), Rule::Governor] {
        let outcome = simulate(&workload, &setup(true), rule);
        let seconds = outcome.makespan.as_secs_f64();
        assert!((6.0..6.1).contains(&seconds), "{rule}: {seconds} s for 12 s on two threads");
    }
}

#[test]
fn a_unit_beyond_the_budget_is_given_up_with_the_rest_done() {
    let mut jobs = kind("light", 5, 50, 0.25, 0.0);
    jobs.extend(kind("giant", 1, 4000, 1.0, 0.0));
    let outcome = simulate(&Workload { jobs }, &setup(false), Rule::Governor);
    assert_eq!(outcome.lost, 1, "{outcome:?}");
}

/// A link waits for its objects, whoever schedules, and the chain is a bound.
#[test]
fn what_waits_starts_after_what_it_waits_for() {
    let text = "[[job]]\nname = \"link\"\nmemory = \"9 MiB\"\ncpu = 1\nafter = [\"object\"]\n\
                [[job]]\nname = \"object\"\ncount = 5\nmemory = \"5 MiB\"\ncpu = 2";
    let workload = Workload::parse(text).unwrap();
    let bound = bounds(&workload, Bytes::gib(3), 2.0);
    assert_eq!(bound.longest, Duration::from_secs(3));
    for rule in [Rule::Governor, Rule::Oracle, Rule::Make(3), Rule::Static { jobs: 2, cores: 1 }] {
        let outcome = simulate(&workload, &setup(true), rule);
        assert_eq!((outcome.lost, outcome.killed), (0, 0), "{rule}");
        let spans: Vec<_> = outcome.spans.iter().map(|span| span.unwrap()).collect();
        let last = spans[1..].iter().map(|span| span.end).max().unwrap();
        assert!(spans[0].start >= last && spans[0].ready == last, "{rule}: {spans:?}");
        assert_eq!(outcome.makespan, spans[0].end);
    }
}
