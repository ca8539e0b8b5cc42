//! Joins the lives that notes tell with the records of units: records are exact, and notes know more.
//!
//! Notes are forgotten before records are, so a unit may have only its record. Does not know the
//! lives of units of other runs.

use std::collections::HashMap;

use super::unit::{Attempt, Doing, Span, UnitReport};
use crate::observe::unit::UnitRecord;

/// A record and an attempt that began further apart than this are not the same, in microseconds.
const SAME_WITHIN_US: u64 = 2_000_000;

/// Takes the records in.
pub(super) fn join(units: &mut Vec<UnitReport>, records: &[UnitRecord], zero_us: i64) {
    let mut free = attempts_by_name(units);
    let mut alone: HashMap<(String, String), usize> = HashMap::new();
    for record in records {
        let start_us = since(zero_us, record.started_unix_us);
        if let Some((unit, attempt)) = take(&mut free, units, record, start_us) {
            if let Some(unit) = units.get_mut(unit) {
                complete(unit, attempt, record, start_us);
            }
            continue;
        }
        let name = (record.key.clone(), record.label.clone());
        let place = continued(units, alone.get(&name).copied(), record);
        let place = place.unwrap_or_else(|| {
            units.push(unit_of(record));
            units.len() - 1
        });
        alone.insert(name, place);
        if let Some(unit) = units.get_mut(place) {
            unit.attempts.push(attempt_of(record, start_us));
        }
    }
    // A unit that only its record tells of goes where it belongs.
    units.sort_by_key(|unit| unit.asked_us().unwrap_or(u64::MAX));
}

/// Attempts that no record was found for yet, by label, tool and number.
type Free = HashMap<(String, String, u32), Vec<(usize, usize)>>;

fn attempts_by_name(units: &[UnitReport]) -> Free {
    let mut free = Free::new();
    for (place, unit) in units.iter().enumerate() {
        for (index, attempt) in unit.attempts.iter().enumerate() {
            let name = (unit.label.clone(), unit.tool.clone(), attempt.attempt);
            free.entry(name).or_default().push((place, index));
        }
    }
    free
}

/// The attempt that a record is of: it has the same name, and began nearest.
fn take(
    free: &mut Free,
    units: &[UnitReport],
    record: &UnitRecord,
    start_us: u64,
) -> Option<(usize, usize)> {
    let name = (record.label.clone(), record.tool.clone(), record.attempt);
    let candidates = free.get_mut(&name)?;
    let distance = |(unit, attempt): &(usize, usize)| {
        let attempt = units.get(*unit)?.attempts.get(*attempt)?;
        let began =
            attempt.active().map(|(from, _)| from).or(attempt.spans.last().map(|s| s.to_us))?;
        Some(began.abs_diff(start_us)).filter(|distance| *distance <= SAME_WITHIN_US)
    };
    let near = candidates.iter().enumerate().filter_map(|(n, place)| Some((distance(place)?, n)));
    let (_, nearest) = near.min()?;
    Some(candidates.swap_remove(nearest))
}

/// What a record knows better than notes.
fn complete(unit: &mut UnitReport, index: usize, record: &UnitRecord, start_us: u64) {
    if index == 0 && record.reserved.0 > 0 {
        unit.reserved = record.reserved;
    }
    let Some(attempt) = unit.attempts.get_mut(index) else { return };
    if attempt.outcome.is_none() {
        run_on(attempt, start_us, start_us.saturating_add(record.wall_us));
    }
    attempt.outcome = Some(record.outcome);
    attempt.exit = record.exit;
    attempt.peak = Some(record.peak);
    attempt.cpu_us = Some(record.user_us.saturating_add(record.system_us));
}

/// Notes ended before the attempt did: as far as is known, it ran until its end.
fn run_on(attempt: &mut Attempt, start_us: u64, end_us: u64) {
    let last = attempt.spans.last_mut();
    if let Some(last) = last.filter(|span| span.doing == Doing::Running) {
        last.to_us = last.to_us.max(end_us);
        return;
    }
    let from_us = attempt.spans.last().map_or(start_us, |span| span.to_us);
    if end_us > from_us {
        attempt.spans.push(Span { from_us, to_us: end_us, doing: Doing::Running });
    }
}

/// The place of the unit that a record is a later attempt of.
fn continued(units: &[UnitReport], place: Option<usize>, record: &UnitRecord) -> Option<usize> {
    let place = place?;
    let last = units.get(place)?.attempts.last()?.attempt;
    (last < record.attempt).then_some(place)
}

fn unit_of(record: &UnitRecord) -> UnitReport {
    UnitReport {
        label: record.label.clone(),
        tool: record.tool.clone(),
        package: record.package.clone(),
        reserved: record.reserved,
        ..UnitReport::default()
    }
}

fn attempt_of(record: &UnitRecord, start_us: u64) -> Attempt {
    let asked_us = start_us.saturating_sub(record.waited_us);
    let wait = Doing::Waiting { why: None };
    let end_us = start_us.saturating_add(record.wall_us);
    let spans = [
        Span { from_us: asked_us, to_us: start_us, doing: wait },
        Span { from_us: start_us, to_us: end_us, doing: Doing::Running },
    ];
    Attempt {
        attempt: record.attempt,
        spans: spans.into_iter().filter(|span| span.us() > 0).collect(),
        outcome: Some(record.outcome),
        exit: record.exit,
        peak: Some(record.peak),
        cpu_us: Some(record.user_us.saturating_add(record.system_us)),
        slot: None,
        paused_sometime_us: record.paused_us,
    }
}

fn since(zero_us: i64, at_us: i64) -> u64 {
    u64::try_from(at_us.saturating_sub(zero_us)).unwrap_or(0)
}
