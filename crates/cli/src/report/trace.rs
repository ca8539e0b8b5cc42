//! A report as a trace in Chrome's format, which Perfetto and `chrome://tracing` read.
//!
//! Tracks are slots: places among those that had processes at the same time. Slices of a track never
//! overlap. The format: "Trace Event Format", Google, with times in microseconds. Does not know how a
//! report is derived.

use ironwright_core::report::{Attempt, Doing, IncidentKind, Report, Span, UnitReport};
use serde_json::{Value, json};

use super::phrases;

/// The trace: each run is a process, its slots are threads. Events are in the order of their times,
/// which count from the start of the first run.
pub(crate) fn trace(reports: &[Report]) -> Value {
    let began = reports.iter().map(|report| report.started_unix_us).min().unwrap_or_default();
    let (mut all, mut events) = (Vec::new(), Vec::new());
    for (number, report) in (1..).zip(reports) {
        let from = report.started_unix_us.saturating_sub(began);
        let run = Run { pid: number, from: u64::try_from(from).unwrap_or(0), report };
        all.extend(run.names());
        events.extend(run.events());
    }
    events.sort_by_key(|event| event.get("ts").and_then(Value::as_u64));
    all.extend(events);
    let runs: Vec<_> = reports.iter().map(|r| json!({"run": r.run, "what": r.what})).collect();
    json!({
        "displayTimeUnit": "ms",
        "otherData": {
            "runs": runs,
            "ironwright": reports.first().map(|report| report.ironwright.clone()),
            "started_unix_us": began,
        },
        "traceEvents": all,
    })
}

/// A run on its way into a trace.
struct Run<'a> {
    /// The process that slots are threads of; the format knows nothing else to group tracks by.
    pid: u32,
    /// Microseconds from the start of the trace to that of the run.
    from: u64,
    report: &'a Report,
}

impl Run<'_> {
    fn names(&self) -> Vec<Value> {
        let report = self.report;
        let name = format!("run {}: {}", report.run, report.what);
        let mut names = vec![json!({
            "ph": "M", "name": "process_name", "pid": self.pid, "tid": 0, "args": {"name": name},
        })];
        names.extend((0..report.counts.slots).map(|slot| {
            let name = format!("slot {}", slot + 1);
            json!({"ph": "M", "name": "thread_name", "pid": self.pid, "tid": slot + 1, "args": {"name": name}})
        }));
        names
    }

    fn events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        for unit in &self.report.units {
            for attempt in &unit.attempts {
                let spans = attempt.spans.iter().filter(|span| span.is_active());
                events.extend(spans.map(|span| self.slice(unit, attempt, span)));
            }
        }
        events.extend(self.report.incidents.iter().filter_map(|incident| {
            let unit = self.report.units.get(incident.unit)?;
            Some(self.instant(unit, incident.at_us, incident.what))
        }));
        events.extend(self.counters());
        events
    }

    fn slice(&self, unit: &UnitReport, attempt: &Attempt, span: &Span) -> Value {
        let name = match span.doing {
            Doing::Paused => format!("{} (paused)", unit.label),
            _ => unit.label.clone(),
        };
        json!({
            "ph": "X",
            "name": name,
            "cat": unit.tool,
            "pid": self.pid,
            "tid": track(attempt),
            "ts": self.from + span.from_us,
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
    fn instant(&self, unit: &UnitReport, at_us: u64, what: IncidentKind) -> Value {
        let is_here = |attempt: &&Attempt| {
            attempt.active().is_some_and(|(from, to)| (from..=to).contains(&at_us))
        };
        json!({
            "ph": "i",
            "s": "t",
            "name": format!("{}: {}", what.name(), unit.label),
            "cat": "incident",
            "pid": self.pid,
            "tid": unit.attempts.iter().find(is_here).map_or(0, track),
            "ts": self.from + at_us,
        })
    }

    fn counter(&self, name: &str, at_us: u64, args: &Value) -> Value {
        let ts = self.from + at_us;
        json!({"ph": "C", "name": name, "pid": self.pid, "tid": 0, "ts": ts, "args": args})
    }

    fn counters(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for point in &self.report.memory {
            let mut add =
                |name: &str, args: Value| all.push(self.counter(name, point.at_us, &args));
            add("memory (bytes)", json!({"held": point.held, "held by other runs": point.others}));
            let budget = point.available.unwrap_or(self.report.budget);
            add("budget (bytes)", json!({"budget": budget}));
            if let Some(busy) = point.busy {
                add("busy threads", json!({"busy": busy}));
            }
            let (running, paused, waiting) = (point.running, point.paused, point.waiting);
            add("units", json!({"running": running, "paused": paused, "waiting": waiting}));
        }
        all
    }
}

fn track(attempt: &Attempt) -> usize {
    attempt.slot.map_or(0, |slot| slot + 1)
}
