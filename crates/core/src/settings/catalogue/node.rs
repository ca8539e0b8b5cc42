//! Knobs of Node.js and npm.
//!
//! Does not know packages. npm has no option for its number of child processes, whatever is
//! written about `child-concurrency`, so there is no knob for it.

use super::super::knob::{Class, Effect, Form, Knob, Language, Place, Target};
use super::super::range::RangeRule;
use super::system::{BUILD_THREADS, MEMORY_BUDGET, STATIC_MEMORY};
use crate::units::{Bytes, GIB};
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] =
    &[&NODE_HEAP, &NODE_GYP_JOBS, &UV_THREADPOOL_SIZE, &NPM_MAX_SOCKETS, &NODE_PGO_LEVEL];

/// Heap of one V8.
pub static NODE_HEAP: Knob = Knob {
    id: "node-heap",
    language: Language::Node,
    kind: Kind::Bytes,
    class: Class::Resource,
    summary: "Heap that one Node.js may grow to (`--max-old-space-size`)",
    range: RangeRule::Memory(GIB / 8),
    effect: Effect {
        build_time: "a heap near its limit spends its time collecting",
        memory: "the ceiling of each process; V8's own is 2 to 4 GB",
        run_time: "none",
        source: "Node.js command line manual; 3072 MB prevented failures on the reference host",
    },
    targets: &[
        Target::new(Place::Env, "NODE_OPTIONS", Form::Mib("--max-old-space-size={}")),
        Target::new(Place::Npmrc, "node-options", Form::Mib("--max-old-space-size={}")),
    ],
    derive: |d| {
        let memory = d.knob_size(&STATIC_MEMORY);
        let steps = memory.0 / 4 / Bytes::mib(256).0;
        let heap = Bytes::mib(256 * steps.clamp(1, 32));
        d.rule(
            format!("a quarter of {memory}, in steps of 256 MiB, at most 8 GiB"),
            Value::Bytes(heap),
        )
    },
};

/// Compilers that node-gyp starts.
pub static NODE_GYP_JOBS: Knob = Knob {
    id: "node-gyp-jobs",
    language: Language::Node,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Compilers that node-gyp starts at a time for native modules",
    range: RangeRule::TimesThreads(1, 2),
    effect: Effect {
        build_time: "shorter for native modules; node-gyp's default is 1",
        memory: "0.2 to 1.6 GiB for each compiler",
        run_time: "none",
        source: "node-gyp's README, --jobs and JOBS",
    },
    targets: &[Target::new(Place::Env, "JOBS", Form::Text("{}"))],
    derive: |d| {
        let jobs = d.knob_count(&super::cpp::CMAKE_BUILD_PARALLEL_LEVEL);
        d.rule("as for other C++", Value::Count(jobs))
    },
};

/// Threads for file system and name service calls.
pub static UV_THREADPOOL_SIZE: Knob = Knob {
    id: "uv-threadpool-size",
    language: Language::Node,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Threads for blocking calls in one Node.js",
    range: RangeRule::Counts(1, 1024),
    effect: Effect {
        build_time: "installs that unpack many files wait less",
        memory: "a stack for each thread",
        run_time: "none: it is not set for what is built",
        source: "libuv's documentation, UV_THREADPOOL_SIZE; default 4",
    },
    targets: &[Target::new(Place::Env, "UV_THREADPOOL_SIZE", Form::Text("{}"))],
    derive: |d| {
        let threads = d.knob_count(&BUILD_THREADS);
        d.rule(
            "as many as builds may use, and no fewer than libuv's own 4",
            Value::Count(threads.clamp(4, 1024)),
        )
    },
};

/// Connections to the registry.
pub static NPM_MAX_SOCKETS: Knob = Knob {
    id: "npm-max-sockets",
    language: Language::Node,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Connections that npm opens to one registry",
    range: RangeRule::Counts(1, 256),
    effect: Effect {
        build_time: "installs wait for the network less",
        memory: "little",
        run_time: "none",
        source: "npm's config manual, maxsockets; default 15",
    },
    targets: &[Target::new(Place::Npmrc, "maxsockets", Form::Text("{}"))],
    derive: |d| d.rule("npm's own default", Value::Count(15)),
};

/// Memory that linking an instrumented Node.js is planned with: V8 takes 4 to 6 GB to build.
const PGO_PEAK: Bytes = Bytes::gib(6);

/// How much profile-guided optimisation Node.js itself gets.
pub static NODE_PGO_LEVEL: Knob = Knob {
    id: "node-pgo-level",
    language: Language::Node,
    kind: Kind::Choice(&["FULL", "LIGHT", "NONE"]),
    class: Class::Output,
    summary: "Profile-guided optimisation of Node.js (built twice, trained in between)",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "twice that of a plain build and the training: 60 to 90 minutes (claimed)",
        memory: "4 to 6 GB",
        run_time: "10 to 25 % (claimed, to be measured)",
        source: "Node.js, configure --enable-pgo-generate; published figures",
    },
    targets: &[],
    derive: |d| {
        let budget = d.knob_size(&MEMORY_BUDGET);
        let level = if budget >= PGO_PEAK { "LIGHT" } else { "NONE" };
        d.rule(
            format!("{budget} for builds; an instrumented link needs {PGO_PEAK}, FULL only trains longer"),
            Value::text(level),
        )
    },
};
