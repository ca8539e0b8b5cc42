//! How much profile-guided optimisation is wanted: the values of the `*-pgo-level` knobs.
//!
//! Does not know toolchains; what a level means for one stands in `flags` and `cpython`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

/// A level. `NONE` is the absence of one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// A shorter training: the first training command alone (a tenth of the test suite for CPython), and
    /// counters of branches without the values that pass through them.
    Light,
    /// Every training command, branches and values.
    #[default]
    Full,
}

impl Level {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Light, Self::Full];

    /// As the knobs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Light => "LIGHT",
            Self::Full => "FULL",
        }
    }

    /// The training commands that it runs, of those that there are.
    pub fn of_training<T>(self, commands: &[T]) -> &[T] {
        match self {
            Self::Light => commands.get(..1).unwrap_or_default(),
            Self::Full => commands,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_named = |level: &Self| level.name().eq_ignore_ascii_case(text);
        Self::ALL
            .into_iter()
            .find(is_named)
            .ok_or_else(|| format!("the levels are light and full, found \"{text}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_in_any_case() {
        for level in Level::ALL {
            assert_eq!(level.name().to_lowercase().parse(), Ok(level));
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert!("NONE".parse::<Level>().is_err());
    }

    #[test]
    fn a_light_training_is_the_first() {
        assert_eq!(Level::Light.of_training(&[1, 2, 3]), [1]);
        assert_eq!(Level::Full.of_training(&[1, 2, 3]), [1, 2, 3]);
        assert!(Level::Light.of_training::<u8>(&[]).is_empty());
    }
}
