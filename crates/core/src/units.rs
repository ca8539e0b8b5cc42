//! Quantities with their units: bytes, limits and durations, read from and shown to people.
//!
//! Does not know what a quantity is for, nor where it was read.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number of bytes. Serialised as an integer; shown with a binary unit (`15.6 GiB`).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// Bytes in one KiB.
pub const KIB: u64 = 1 << 10;
/// Bytes in one MiB.
pub const MIB: u64 = 1 << 20;
/// Bytes in one GiB.
pub const GIB: u64 = 1 << 30;
/// Bytes in one TiB.
pub const TIB: u64 = 1 << 40;

/// The suffixes a size may carry, with their factor. Decimal and binary units differ by 7 % at
/// giga, so neither stands in for the other.
const SUFFIXES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", KIB),
    ("MiB", MIB),
    ("GiB", GIB),
    ("TiB", TIB),
];

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// `n` KiB.
    pub const fn kib(n: u64) -> Self {
        Self(n.saturating_mul(KIB))
    }

    /// `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n.saturating_mul(MIB))
    }

    /// `n` GiB.
    pub const fn gib(n: u64) -> Self {
        Self(n.saturating_mul(GIB))
    }

    /// The size as a fraction of GiB, for arithmetic that ends in a figure for people.
    pub fn as_gib(self) -> f64 {
        self.0 as f64 / GIB as f64
    }

    /// Whole MiB, rounded down.
    pub const fn whole_mib(self) -> u64 {
        self.0 / MIB
    }

    /// Difference, never below zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Sum, never above `u64::MAX`.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The size times a factor in `[0, ∞)`; a negative or undefined factor gives zero.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "float to integer casts saturate, and the factor is checked"
    )]
    pub fn scaled(self, factor: f64) -> Self {
        if factor > 0.0 { Self((self.0 as f64 * factor) as u64) } else { Self::ZERO }
    }

    /// A text that parses back to exactly this size, in the largest binary unit that divides it.
    pub fn exact(self) -> String {
        let unit = [("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)]
            .into_iter()
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        match unit {
            Some((suffix, factor)) => format!("{}{suffix}", self.0 / factor),
            None => format!("{}B", self.0),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suffix, factor) = match self.0 {
            0..KIB => return f.pad(&format!("{} B", self.0)),
            KIB..MIB => ("KiB", KIB),
            MIB..GIB => ("MiB", MIB),
            GIB..TIB => ("GiB", GIB),
            _ => ("TiB", TIB),
        };
        let text = if self.0.is_multiple_of(factor) {
            format!("{} {suffix}", self.0 / factor)
        } else {
            format!("{:.1} {suffix}", self.0 as f64 / factor as f64)
        };
        f.pad(&text)
    }
}

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseBytesError {
    /// `14`: could be bytes, MB or GiB.
    #[error(
        "a size needs a unit: write \"{0}GiB\" (2^30 bytes each) or \"{0}GB\" (10^9 bytes each)"
    )]
    NoUnit(String),
    /// `14 GX`.
    #[error(
        "unknown unit \"{0}\": use B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024)"
    )]
    UnknownUnit(String),
    /// `x GiB`.
    #[error("\"{0}\" is not a number: write a size such as \"14GiB\"")]
    NotANumber(String),
    /// More than 2^64 bytes.
    #[error("\"{0}\" is more than any machine has")]
    TooLarge(String),
}

impl FromStr for Bytes {
    type Err = ParseBytesError;

    /// Reads `14GiB`, `14 GB`, `1.5 GiB`, `512MiB`. A bare number is refused, because it says
    /// nothing about its unit.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, suffix) = (text[..split].trim(), text[split..].trim());
        if !is_decimal(number) {
            return Err(ParseBytesError::NotANumber(text.to_owned()));
        }
        if suffix.is_empty() {
            return Err(ParseBytesError::NoUnit(number.to_owned()));
        }
        let factor = SUFFIXES
            .iter()
            .find(|(name, _)| *name == suffix)
            .map(|(_, factor)| *factor)
            .ok_or_else(|| ParseBytesError::UnknownUnit(suffix.to_owned()))?;
        scale(number, factor).map(Self).ok_or_else(|| ParseBytesError::TooLarge(text.to_owned()))
    }
}

fn is_decimal(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c == '.')
        && text.matches('.').count() <= 1
}

/// `number` times `factor`, exact for whole numbers, or `None` past 2^64.
fn scale(number: &str, factor: u64) -> Option<u64> {
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let value = number.parse::<f64>().ok()? * factor as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to lie in the range of u64"
    )]
    (value < u64::MAX as f64).then_some(value as u64)
}

/// An upper bound that may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Nothing bounds the quantity.
    Unlimited,
    /// At most this much.
    Bytes(Bytes),
}

impl Limit {
    /// The bound, or `None` when there is none.
    pub const fn bytes(self) -> Option<Bytes> {
        match self {
            Self::Unlimited => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.pad("unlimited"),
            Self::Bytes(bytes) => bytes.fmt(f),
        }
    }
}

/// Shows a duration as people say it: `850 ms`, `12.3 s`, `3 m 04 s`, `2 h 05 m`.
pub fn human_duration(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimal_binary_and_bare_sizes_differ() {
        assert_eq!("14 GB".parse(), Ok(Bytes(14_000_000_000)));
        assert_eq!("14GiB".parse(), Ok(Bytes::gib(14)));
        assert_eq!("14".parse::<Bytes>(), Err(ParseBytesError::NoUnit("14".into())));
    }

    #[test]
    fn what_is_not_a_size_says_why() {
        assert_eq!("1.5GiB".parse(), Ok(Bytes(3 * GIB / 2)));
        assert_eq!("14 GX".parse::<Bytes>(), Err(ParseBytesError::UnknownUnit("GX".into())));
        assert_eq!("".parse::<Bytes>(), Err(ParseBytesError::NotANumber(String::new())));
        assert_eq!("-1GiB".parse::<Bytes>(), Err(ParseBytesError::NotANumber("-1GiB".into())));
        assert!(matches!("99999999TiB".parse::<Bytes>(), Err(ParseBytesError::TooLarge(_))));
    }

    #[test]
    fn durations_read_naturally() {
        let shown = |ms| human_duration(std::time::Duration::from_millis(ms));
        assert_eq!(
            [shown(850), shown(12_340), shown(184_000), shown(7_500_000)],
            ["850 ms", "12.3 s", "3 m 04 s", "2 h 05 m"]
        );
    }

    proptest! {
        #[test]
        fn exact_text_parses_back(n in any::<u64>()) {
            prop_assert_eq!(Bytes(n).exact().parse(), Ok(Bytes(n)));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,20}") {
            let _ = text.parse::<Bytes>();
        }
    }
}
