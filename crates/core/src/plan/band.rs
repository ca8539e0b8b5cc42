//! A range that a figure is expected in.
//!
//! Does not know what the figure is of.

use schemars::JsonSchema;
use serde::Serialize;

use crate::units::Bytes;

/// Two-sided 95 % of a normal distribution.
pub(super) const SIDES: f64 = 1.96;

/// Least, expected and most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Band<T> {
    /// Nineteen of twenty are at least so much; with `max`, 95 % lie between.
    pub min: T,
    /// As often less as more.
    pub expected: T,
    /// Nineteen of twenty are at most so much.
    pub max: T,
}

impl Band<f64> {
    /// Around an expectation, by the standard deviation of its logarithm.
    pub fn around(expected: f64, deviation: f64) -> Self {
        let factor = (SIDES * deviation.clamp(0.0, 5.0)).exp();
        Self { min: expected / factor, expected, max: expected * factor }
    }

    /// The same in other units.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { min: self.min * factor, expected: self.expected * factor, max: self.max * factor }
    }

    /// What both take, one after the other or side by side.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            min: self.min + more.min,
            expected: self.expected + more.expected,
            max: self.max + more.max,
        }
    }

    /// As bytes.
    pub fn bytes(self) -> Band<Bytes> {
        let bytes = |value: f64| Bytes(1).scaled(value);
        Band { min: bytes(self.min), expected: bytes(self.expected), max: bytes(self.max) }
    }

    /// How sure it is, from 0 to 1: one half for a band whose ends are a factor of two apart, one
    /// for a band without width.
    pub fn confidence(&self) -> f64 {
        let width = 2.0 * SIDES * self.deviation();
        std::f64::consts::LN_2 / (std::f64::consts::LN_2 + width)
    }

    /// Standard deviation of the logarithm, by the upper side: what is added to both for chance may
    /// leave nothing below.
    pub fn deviation(&self) -> f64 {
        (self.max.max(1e-12) / self.expected.max(1e-12)).ln().max(0.0) / SIDES
    }
}

impl Band<Bytes> {
    /// As numbers.
    pub fn numbers(self) -> Band<f64> {
        Band { min: self.min.0 as f64, expected: self.expected.0 as f64, max: self.max.0 as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_as_sure_as_it_is_narrow() {
        assert!((Band::around(3.0, 0.0).confidence() - 1.0).abs() < 1e-9);
        let double = Band { min: 1.0, expected: f64::sqrt(2.0), max: 2.0 };
        assert!((double.confidence() - 0.5).abs() < 1e-9);
        assert!(Band::around(3.0, 0.2).confidence() > Band::around(3.0, 0.4).confidence());
        assert!((Band::around(9.0, 0.3).deviation() - 0.3).abs() < 1e-9);
    }

    #[test]
    fn bytes_survive_the_way_through_numbers() {
        let band = Band { min: Bytes(1), expected: Bytes::mib(3), max: Bytes::gib(40) };
        assert_eq!(band.numbers().bytes(), band);
    }
}
