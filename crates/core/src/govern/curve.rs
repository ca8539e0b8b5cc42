//! Memory over the running time of a unit.
//!
//! Does not know what a unit is, nor how long it runs.

use crate::units::Bytes;

/// Parts of equal time that a curve has.
pub const PARTS: usize = 32;

/// The most memory in each part of a unit's running time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Curve([Bytes; PARTS]);

impl Curve {
    /// A curve of other parts than [`PARTS`], stretched; `None` without any.
    pub fn new(parts: &[Bytes]) -> Option<Self> {
        let count = parts.len();
        let part = |index: usize| {
            // Every old part that the new one touches counts.
            let from = index * count / PARTS;
            let to = ((index + 1) * count).div_ceil(PARTS).max(from + 1);
            parts.get(from..to.min(count)).and_then(|some| some.iter().max()).copied()
        };
        let mut out = [Bytes::ZERO; PARTS];
        for (index, slot) in out.iter_mut().enumerate() {
            *slot = part(index)?;
        }
        Some(Self(out))
    }

    /// The largest of two curves at each time.
    #[must_use]
    pub fn upper(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
        self
    }

    /// The curve with every height multiplied, and none above `peak`.
    #[must_use]
    pub fn scaled(mut self, factor: f64, peak: Bytes) -> Self {
        for part in &mut self.0 {
            *part = part.scaled(factor).min(peak);
        }
        self
    }

    /// The most between two fractions of the running time, both from 0 to 1.
    #[inline]
    pub fn most(&self, from: f64, to: f64) -> Bytes {
        let (first, last) = (part_of(from), part_of(to));
        let parts = self.0.get(first..=last.max(first)).unwrap_or_default();
        parts.iter().copied().max().unwrap_or_default()
    }

    /// The most in each part of the running time.
    pub const fn parts(&self) -> &[Bytes; PARTS] {
        &self.0
    }

    /// Whether more than `memory` was held by a fraction of the running time.
    pub fn exceeds(&self, memory: Bytes, by: f64) -> bool {
        self.0.iter().take(part_of(by) + 1).any(|part| *part > memory)
    }

    /// The first fraction of the running time at which so much memory was held.
    pub fn reaches(&self, memory: Bytes) -> Option<f64> {
        self.0.iter().position(|part| *part >= memory).map(|part| part as f64 / PARTS as f64)
    }

    /// Mean height, in bytes.
    pub fn mean(&self) -> f64 {
        self.0.iter().map(|part| part.0 as f64).sum::<f64>() / PARTS as f64
    }
}

#[inline]
fn part_of(fraction: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what lies below 0 becomes 0, what is too large the last part"
    )]
    // A narrow type: the conversion to a wide one takes several times as long.
    let part = (fraction * PARTS as f64) as u32;
    (part as usize).min(PARTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ramp() -> Curve {
        let parts: Vec<_> = (1..=16).map(Bytes::mib).collect();
        Curve::new(&parts).unwrap()
    }

    #[test]
    fn the_most_between_two_times_is_found() {
        assert_eq!(ramp().most(0.0, 0.0), Bytes::mib(1));
        assert_eq!(ramp().most(0.0, 0.5), Bytes::mib(9));
        assert_eq!(ramp().most(0.0, 1.0), Bytes::mib(16));
        assert_eq!(ramp().reaches(Bytes::mib(9)), Some(0.5));
        assert_eq!(ramp().reaches(Bytes::mib(17)), None);
    }

    proptest! {
        #[test]
        fn stretching_loses_no_height(parts in prop::collection::vec(0_u64..1 << 40, 1..50)) {
            let parts: Vec<_> = parts.into_iter().map(Bytes).collect();
            let curve = Curve::new(&parts).unwrap();
            prop_assert_eq!(curve.most(0.0, 1.0), *parts.iter().max().unwrap());
        }
    }
}
