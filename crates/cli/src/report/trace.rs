//! A report as a trace in Chrome's format, which Perfetto and `chrome://tracing` read.
//!
//! Tracks are slots: places among those that had processes at the same time. Slices of a track never
//! overlap. The format: "Trace Event Format", Google, with times in microseconds. Does not know how a
//! report is derived.

use ironwright_core::report::{Attempt, Doing, IncidentKind, Report, Span, UnitReport};
use serde_json::{Value, json};

use super::phrases;

/// The process that slots are threads of; the format knows nothing else to group tracks by.
const UNITS: u32 = 1;

/// The trace. Events are in the order of their times.
pub(crate) fn trace(report: &Report) -> Value {
    let mut events = Vec::new();
    for unit in &report.units {
        for attempt in &unit.attempts {
            let spans = attempt.spans.iter().filter(|span| span.is_active());
            events.extend(spans.map(|span| slice(unit, attempt, span)));
        }
    }
    events.extend(report.incidents.iter().filter_map(|incident| {
        let unit = report.units.get(incident.unit)?;
        Some(instant(unit, incident.at_us, incident.what))
    }));
    events.extend(counters(report));
    events.sort_by_key(|event| event.get("ts").and_then(Value::as_u64));
    let mut all = names(report);
    all.extend(events);
    json!({
        "displayTimeUnit": "ms",
        "otherData": {
            "what": report.what,
            "run": report.run,
            "ironwright": report.ironwright,
            "started_unix_us": report.started_unix_us,
        },
        "traceEvents": all,
    })
}

fn names(report: &Report) -> Vec<Value> {
    let name = format!("run {}: {}", report.run, report.what);
    let mut names = vec![json!({
        "ph": "M", "name": "process_name", "pid": UNITS, "tid": 0, "args": {"name": name},
    })];
    names.extend((0..report.counts.slots).map(|slot| {
        let name = format!("slot {}", slot + 1);
        json!({"ph": "M", "name": "thread_name", "pid": UNITS, "tid": slot + 1, "args": {"name": name}})
    }));
    names
}

fn track(attempt: &Attempt) -> usize {
    attempt.slot.map_or(0, |slot| slot + 1)
}

fn slice(unit: &UnitReport, attempt: &Attempt, span: &Span) -> Value {
    let name = match span.doing {
        Doing::Paused => format!("{} (paused)", unit.label),
        _ => unit.label.clone(),
    };
    json!({
        "ph": "X",
        "name": name,
        "cat": unit.tool,
        "pid": UNITS,
        "tid": track(attempt),
        "ts": span.from_us,
        "dur": span.us(),
        "args": {
            "tool": unit.tool,
            "package": unit.package,
            "attempt": attempt.attempt,
            "outcome": phrases::outcome(attempt.outcome),
            "reserved": unit.reserved,
            "peak": attempt.peak,
            "expected_seconds": unit.expected_seconds,
            "waited_us": unit.waited_us,
            "rests_on": unit.basis,
        },
    })
}

/// What happened, on the track of the attempt that it happened to.
fn instant(unit: &UnitReport, at_us: u64, what: IncidentKind) -> Value {
    let is_here = |attempt: &&Attempt| {
        attempt.active().is_some_and(|(from, to)| (from..=to).contains(&at_us))
    };
    json!({
        "ph": "i",
        "s": "t",
        "name": format!("{}: {}", what.name(), unit.label),
        "cat": "incident",
        "pid": UNITS,
        "tid": unit.attempts.iter().find(is_here).map_or(0, track),
        "ts": at_us,
    })
}

fn counters(report: &Report) -> Vec<Value> {
    let counter = |name: &str, ts: u64, args: Value| json!({"ph": "C", "name": name, "pid": UNITS, "tid": 0, "ts": ts, "args": args});
    let mut all = Vec::new();
    for point in &report.memory {
        let ts = point.at_us;
        all.push(counter(
            "memory (bytes)",
            ts,
            json!({"held": point.held, "held by other runs": point.others}),
        ));
        let budget = point.available.unwrap_or(report.budget);
        all.push(counter("budget (bytes)", ts, json!({"budget": budget})));
        if let Some(busy) = point.busy {
            all.push(counter("busy threads", ts, json!({"busy": busy})));
        }
        all.push(counter(
            "units",
            ts,
            json!({"running": point.running, "paused": point.paused, "waiting": point.waiting}),
        ));
    }
    all
}
