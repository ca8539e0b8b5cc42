//! Memory over time.
//!
//! From the governor's looks at units where it kept any, else from samples of the process tree.
//! Does not know how it is drawn.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::unit::{Doing, UnitReport};
use super::{Given, MemoryFrom};
use crate::units::Bytes;
use crate::view::{Happening, Look};

/// Points that are kept; of those in between the largest stays.
pub const MOST_POINTS: usize = 1000;

/// How everything stood at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct MemoryPoint {
    /// Microseconds since the run's start.
    pub at_us: u64,
    /// Memory that the run held.
    pub held: Bytes,
    /// Memory that units of other runs held at the same time.
    pub others: Bytes,
    /// Memory that all of them could hold; absent where it was not told.
    pub available: Option<Bytes>,
    /// Threads that units kept busy.
    pub busy: Option<f64>,
    /// Part of the time in which some task waited for memory, 0 to 1.
    pub stall: Option<f64>,
    /// Units of the run that ran.
    pub running: u32,
    /// Units of the run that were paused.
    pub paused: u32,
    /// Units of the run that waited.
    pub waiting: u32,
}

/// Points in the order of time.
pub(super) fn over_time(
    given: &Given<'_>,
    units: &[UnitReport],
    zero_us: i64,
) -> (Vec<MemoryPoint>, MemoryFrom) {
    let (mut points, from) = match looks(given, zero_us) {
        points if points.is_empty() => match samples(given) {
            points if points.is_empty() => (points, MemoryFrom::Nowhere),
            points => (points, MemoryFrom::ProcessTree),
        },
        points => (points, MemoryFrom::Governor),
    };
    points.sort_by_key(|point| point.at_us);
    let mut points = thinned(&points);
    count_units(&mut points, units);
    (points, from)
}

fn looks(given: &Given<'_>, zero_us: i64) -> Vec<MemoryPoint> {
    let (mut runs, mut own) = (BTreeSet::new(), BTreeSet::new());
    let mut points = Vec::new();
    for note in given.notes {
        match &note.what {
            Happening::GovernorBegan { .. } => {
                runs.clear();
                own.clear();
            }
            Happening::RunBegan { run, recorded, .. } if *recorded == Some(given.number) => {
                runs.insert(*run);
            }
            Happening::Asked(asked) if asked.run.is_some_and(|run| runs.contains(&run)) => {
                own.insert(asked.unit);
            }
            Happening::Asked(asked) => {
                own.remove(&asked.unit);
            }
            Happening::Looked(look) => {
                let at_us = u64::try_from(note.at_us.saturating_sub(zero_us)).unwrap_or(0);
                points.push(point(at_us, look, &own));
            }
            _ => {}
        }
    }
    points
}

fn point(at_us: u64, look: &Look, own: &BTreeSet<u64>) -> MemoryPoint {
    let sum = |is_own: bool| {
        let units = look.units.iter().filter(|(unit, _)| own.contains(unit) == is_own);
        units.fold(Bytes::ZERO, |sum, (_, memory)| sum.saturating_add(*memory))
    };
    let figure = |figure: f64| figure.is_finite().then_some(figure);
    MemoryPoint {
        at_us,
        held: sum(true),
        others: sum(false),
        available: Some(look.available),
        busy: figure(look.busy),
        stall: figure(look.stall_some),
        ..MemoryPoint::default()
    }
}

fn samples(given: &Given<'_>) -> Vec<MemoryPoint> {
    let mut began_us: u64 = 0;
    let mut points = Vec::new();
    for step in &given.facts.steps {
        for sample in &step.observed.samples {
            let at_us = began_us.saturating_add(sample.at_ms.saturating_mul(1000));
            points.push(MemoryPoint { at_us, held: sample.memory, ..MemoryPoint::default() });
        }
        began_us = began_us.saturating_add(step.observed.wall_ns / 1000);
    }
    points
}

/// Keeps of each part of the time the point at which most was held.
fn thinned(points: &[MemoryPoint]) -> Vec<MemoryPoint> {
    let group = points.len().div_ceil(MOST_POINTS).max(1);
    let largest = |points: &[MemoryPoint]| {
        points.iter().max_by_key(|point| point.held.saturating_add(point.others)).copied()
    };
    points.chunks(group).filter_map(largest).collect()
}

fn count_units(points: &mut [MemoryPoint], units: &[UnitReport]) {
    for span in units.iter().flat_map(UnitReport::spans) {
        let first = points.partition_point(|point| point.at_us < span.from_us);
        let rest = points.get_mut(first..).unwrap_or_default();
        for point in rest.iter_mut().take_while(|point| point.at_us < span.to_us) {
            match span.doing {
                Doing::Waiting { .. } => point.waiting += 1,
                Doing::Running => point.running += 1,
                Doing::Paused => point.paused += 1,
            }
        }
    }
}
