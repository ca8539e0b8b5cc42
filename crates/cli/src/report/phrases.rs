//! Words and figures that all renderings of a report share.
//!
//! Does not know where they stand.

use std::time::Duration;

use ironwright_core::govern::Waiting;
use ironwright_core::observe::unit::UnitOutcome;
use ironwright_core::report::{Judged, Report, Standing, UnitReport, Unjudged};
use ironwright_core::units::{Bytes, human_duration};

/// Microseconds for people.
pub(crate) fn time(us: u64) -> String {
    human_duration(Duration::from_micros(us))
}

/// Seconds for people.
pub(crate) fn seconds(seconds: f64) -> String {
    human_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// A size of which nothing may be known.
pub(crate) fn size(bytes: Option<Bytes>) -> String {
    bytes.map_or_else(|| "?".to_owned(), |bytes| bytes.to_string())
}

/// A size that was a number.
pub(crate) fn bytes(value: f64) -> Bytes {
    Bytes(1).scaled(value)
}

/// A part as a percentage.
pub(crate) fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

/// What a unit waited for.
pub(crate) const fn reason(why: Option<Waiting>) -> &'static str {
    match why {
        Some(Waiting::Memory) => "memory",
        Some(Waiting::Thread) => "a thread",
        Some(Waiting::Alone) => "others to end, to run alone",
        Some(Waiting::Another) => "one that runs alone or waited too long",
        Some(Waiting::Pressure) => "pressure to fall",
        None => "reason not told",
    }
}

/// How a unit ended.
pub(crate) const fn outcome(outcome: Option<UnitOutcome>) -> &'static str {
    match outcome {
        Some(UnitOutcome::Succeeded | UnitOutcome::Timed) => "done",
        Some(UnitOutcome::Failed) => "failed",
        Some(UnitOutcome::Evicted) => "evicted",
        Some(UnitOutcome::OomKilled) => "killed by the kernel",
        Some(UnitOutcome::Killed) => "killed",
        Some(UnitOutcome::Lost) => "lost",
        None => "not ended",
    }
}

/// Why no range is given for a run.
pub(crate) const fn unjudged(report: &Report) -> &'static str {
    match report.unjudged {
        Some(Unjudged::First) => "no earlier build of the same ended well",
        Some(Unjudged::MostlyBuilt) => {
            "it compiled less than half of what an earlier build did; the rest was built before"
        }
        Some(Unjudged::NotWell) | None => "it has not ended well",
    }
}

/// How the run ended.
pub(crate) fn ending(report: &Report) -> String {
    match (report.standing, report.summary.exit_code) {
        (Standing::Running, _) => "running".to_owned(),
        (Standing::Lost, _) => "lost: its process died".to_owned(),
        (Standing::Finished, Some(0) | None) => "done".to_owned(),
        (Standing::Finished, Some(code)) => match report.overran {
            Some(overrun) => overrun.to_string(),
            None => format!("exit code {code}"),
        },
    }
}

/// How long the run took, or has taken as far as is known.
pub(crate) fn took(report: &Report) -> String {
    let wall = report.summary.wall;
    if wall.is_zero() { time(report.span_us) } else { human_duration(wall) }
}

/// `inside` or `outside`.
pub(crate) const fn verdict(judged: &Judged) -> &'static str {
    if judged.inside { "inside" } else { "outside" }
}

/// How many of something there were: `once`, `3 times`.
pub(crate) fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}

/// What the unit's memory was against what was reserved: `1.20 x`.
pub(crate) fn ratio(unit: &UnitReport) -> Option<f64> {
    let peak = unit.peak?;
    (unit.reserved.0 > 0).then(|| peak.0 as f64 / unit.reserved.0 as f64)
}

/// The hit rate of the compiler cache, and what it rests on.
pub(crate) fn cache(report: &Report) -> (String, String) {
    let Some(cache) = &report.cache else { return ("unknown".to_owned(), String::new()) };
    let all = cache.hits.saturating_add(cache.misses);
    match cache.rate() {
        Some(rate) => (percent(rate), format!("{} answered {} of {all}", cache.tool, cache.hits)),
        None => ("unused".to_owned(), format!("{} was not asked", cache.tool)),
    }
}
