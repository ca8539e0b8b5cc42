//! What a unit is expected to take before anything like it was measured.
//!
//! The figures are the larger of what was seen, rounded up: a first guess that is too high costs
//! a little time once, one that is too low may cost the build. Does not know files: how large the
//! inputs are is a parameter.

use crate::govern::Forecast;
use crate::units::Bytes;

/// No first guess is above this; what takes more is found out by running it.
const HIGHEST: Bytes = Bytes::gib(8);
/// Nor above this many threads.
const MOST_THREADS: f64 = 64.0;
/// Sources above this size are amalgamations and tables: sqlite3.c takes 35 bytes a byte where a
/// file of 1 MB full of small functions takes 350, and a crate of 17 MB of constants takes 8.
const KNEE: Bytes = Bytes::mib(1);
/// What a byte of source above the knee counts.
const BEYOND_KNEE: f64 = 0.05;

/// Memory as a line over the size of the inputs, and threads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// What it takes for an input of no size.
    pub base: Bytes,
    /// What it takes more for each byte of input.
    pub factor: f64,
    /// Size of the inputs above which a byte counts a twentieth; absent where all count the same.
    pub knee: Option<Bytes>,
    /// Threads that it keeps busy on average.
    pub threads: f64,
}

impl Model {
    /// For sources, on a single thread.
    pub const fn source(base_mib: u64, factor: f64) -> Self {
        Self { base: Bytes::mib(base_mib), factor, knee: Some(KNEE), threads: 1.0 }
    }

    /// The same with another knee.
    #[must_use]
    pub const fn with_knee(self, knee: Bytes) -> Self {
        Self { knee: Some(knee), ..self }
    }

    /// For objects and libraries, on a single thread.
    pub const fn object(base_mib: u64, factor: f64) -> Self {
        Self { base: Bytes::mib(base_mib), factor, knee: None, threads: 1.0 }
    }

    /// The same with other threads.
    #[must_use]
    pub const fn with_threads(self, threads: f64) -> Self {
        Self { threads, ..self }
    }

    /// The same with more memory whatever the size of the inputs.
    #[must_use]
    pub const fn and_mib(self, mib: u64) -> Self {
        Self { base: self.base.saturating_add(Bytes::mib(mib)), ..self }
    }

    /// The same with all memory multiplied.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { base: self.base.scaled(factor), factor: self.factor * factor, ..self }
    }

    /// What is expected for inputs of so many bytes.
    pub fn forecast(&self, input_bytes: u64) -> Forecast {
        let knee = self.knee.map_or(u64::MAX, |knee| knee.0);
        let (below, above) = (input_bytes.min(knee), input_bytes.saturating_sub(knee));
        let input = Bytes(below).saturating_add(Bytes(above).scaled(BEYOND_KNEE));
        let peak = self.base.saturating_add(input.scaled(self.factor));
        Forecast::cold(peak.min(HIGHEST), self.threads.clamp(0.1, MOST_THREADS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_is_a_line_with_a_knee() {
        let model = Model::source(100, 10.0);
        assert_eq!(model.forecast(0).peak, Bytes::mib(100));
        assert_eq!(model.forecast(1 << 20).peak, Bytes::mib(110));
        assert_eq!(model.and_mib(50).times(2.0).forecast(1 << 20).peak, Bytes::mib(320));
        assert_eq!(model.forecast(21 << 20).peak, Bytes::mib(120));
        assert_eq!(Model::object(100, 10.0).forecast(11 << 20).peak, Bytes::mib(210));
    }

    proptest! {
        #[test]
        fn no_input_is_absurd(base in any::<u64>(), factor in -1e9..1e9_f64, bytes in any::<u64>()) {
            let forecast = Model::object(base, factor).with_threads(factor).forecast(bytes);
            prop_assert!(forecast.peak <= HIGHEST);
            prop_assert!(forecast.threads <= MOST_THREADS);
        }
    }
}
