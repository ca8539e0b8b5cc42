//! What units waited for, and behind which others.
//!
//! A wait's time is shared among the units that ran meanwhile: by the memory that they held where it
//! was for memory, evenly where it was for anything else. Does not know what would have happened
//! without them.

use schemars::JsonSchema;
use serde::Serialize;

use super::MOST_NAMED;
use super::unit::{Behind, Doing, Span, UnitReport};
use crate::govern::Waiting;

/// Waiting for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WaitSum {
    /// The reason; absent where none was told, because the wait was short or the account has a gap.
    pub why: Option<Waiting>,
    /// Microseconds, added up over units.
    pub us: u64,
    /// Units that waited for it.
    pub units: usize,
}

/// A unit behind which others waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeldUp {
    /// Which, as a place in the report's units.
    pub unit: usize,
    /// Its part of the others' waiting, in microseconds.
    pub us: u64,
    /// Units that waited while it ran.
    pub others: usize,
}

/// What units waited for, the longest first.
pub(super) fn sums(units: &[UnitReport]) -> Vec<WaitSum> {
    let mut sums: Vec<WaitSum> = Vec::new();
    for unit in units {
        let mut counted: Vec<Option<Waiting>> = Vec::new();
        for span in unit.spans() {
            let Doing::Waiting { why } = span.doing else { continue };
            let is_first = !counted.contains(&why);
            counted.push(why);
            let place = sums.iter().position(|sum| sum.why == why).unwrap_or_else(|| {
                sums.push(WaitSum { why, us: 0, units: 0 });
                sums.len() - 1
            });
            if let Some(sum) = sums.get_mut(place) {
                sum.us = sum.us.saturating_add(span.us());
                sum.units += usize::from(is_first);
            }
        }
    }
    sums.sort_by_key(|sum| std::cmp::Reverse(sum.us));
    sums
}

/// A time in which a unit had processes.
struct Active {
    unit: usize,
    from_us: u64,
    to_us: u64,
    memory: f64,
    /// Latest end of this one and all that began before it.
    latest_us: u64,
}

/// Says of each unit behind which it waited most, and which held others up.
pub(super) fn attribute(units: &mut [UnitReport]) -> Vec<HeldUp> {
    let active = active(units);
    let mut held_up: Vec<(f64, usize)> = vec![(0.0, 0); units.len()];
    let mut behind = Vec::with_capacity(units.len());
    for (place, unit) in units.iter().enumerate() {
        let shares = shares(&active, place, unit);
        let largest = shares.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        behind.push(largest.map(|(unit, us)| Behind { unit: *unit, us: whole(*us) }));
        for (other, us) in &shares {
            if let Some(sum) = held_up.get_mut(*other) {
                *sum = (sum.0 + us, sum.1 + 1);
            }
        }
    }
    for (unit, behind) in units.iter_mut().zip(behind) {
        unit.behind = behind;
    }
    let sums = held_up.into_iter().enumerate();
    let mut sums: Vec<_> =
        sums.map(|(unit, (us, others))| HeldUp { unit, us: whole(us), others }).collect();
    sums.retain(|sum| sum.us > 0);
    sums.sort_by_key(|sum| (std::cmp::Reverse(sum.us), sum.unit));
    sums.truncate(MOST_NAMED);
    sums
}

fn active(units: &[UnitReport]) -> Vec<Active> {
    let mut active = Vec::new();
    for (place, unit) in units.iter().enumerate() {
        for attempt in &unit.attempts {
            let Some((from_us, to_us)) = attempt.active() else { continue };
            let memory = attempt.peak.unwrap_or_default().max(unit.reserved).0.max(1) as f64;
            active.push(Active { unit: place, from_us, to_us, memory, latest_us: 0 });
        }
    }
    active.sort_by_key(|active| active.from_us);
    let mut latest = 0;
    for one in &mut active {
        latest = one.to_us.max(latest);
        one.latest_us = latest;
    }
    active
}

/// Parts of a unit's waiting, microseconds by the unit that ran meanwhile.
fn shares(active: &[Active], place: usize, unit: &UnitReport) -> Vec<(usize, f64)> {
    let mut shares: Vec<(usize, f64)> = Vec::new();
    for span in unit.spans() {
        let Doing::Waiting { why } = span.doing else { continue };
        let by_memory = matches!(why, Some(Waiting::Memory | Waiting::Pressure));
        let weights: Vec<_> = meanwhile(active, span)
            .filter(|other| other.unit != place)
            .map(|other| {
                let overlap = span.overlap(other.from_us, other.to_us) as f64;
                (other.unit, if by_memory { overlap * other.memory } else { overlap })
            })
            .collect();
        let all: f64 = weights.iter().map(|(_, weight)| weight).sum();
        for (other, weight) in weights {
            let us = weight / all.max(1e-9) * span.us() as f64;
            match shares.iter_mut().find(|share| share.0 == other) {
                Some(share) => share.1 += us,
                None => shares.push((other, us)),
            }
        }
    }
    shares
}

/// Those that had processes during a span.
fn meanwhile<'a>(active: &'a [Active], span: &Span) -> impl Iterator<Item = &'a Active> {
    let (from_us, to_us) = (span.from_us, span.to_us);
    let first = active.partition_point(|one| one.latest_us <= from_us);
    let rest = active.get(first..).unwrap_or_default();
    rest.iter().take_while(move |one| one.from_us < to_us).filter(move |one| one.to_us > from_us)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate, and a share is not negative"
)]
fn whole(us: f64) -> u64 {
    us.round() as u64
}
