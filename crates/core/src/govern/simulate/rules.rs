//! Rules that decide what may start: the governor, and what others do.
//!
//! Does not know how a job runs.

use std::fmt;
use std::str::FromStr;

/// Who schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The governor's machine.
    Governor,
    /// So many jobs at a time, each with so many threads, as Nix does.
    Static {
        /// Jobs at a time.
        jobs: u32,
        /// Threads of each.
        cores: u32,
    },
    /// So many jobs at a time, as `make -j` does.
    Make(u32),
    /// Knows every peak, takes the largest that fits first, and counts each at its peak always.
    Oracle,
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no policy: write governor, oracle, make:JOBS or static:JOBSxCORES")]
pub struct RuleError(String);

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError(text.to_owned());
        let number = |digits: &str| digits.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(wrong);
        match text.split_once(':') {
            None if text == "governor" => Ok(Self::Governor),
            None if text == "oracle" => Ok(Self::Oracle),
            Some(("make", jobs)) => Ok(Self::Make(number(jobs)?)),
            Some(("static", rest)) => {
                let (jobs, cores) = rest.split_once('x').ok_or_else(wrong)?;
                Ok(Self::Static { jobs: number(jobs)?, cores: number(cores)? })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Governor => f.write_str("governor"),
            Self::Oracle => f.write_str("oracle"),
            Self::Make(jobs) => write!(f, "make:{jobs}"),
            Self::Static { jobs, cores } => write!(f, "static:{jobs}x{cores}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rules_are_read_and_shown_alike() {
        for text in ["governor", "oracle", "make:4", "static:2x6"] {
            assert_eq!(text.parse::<Rule>().map(|rule| rule.to_string()), Ok(text.to_owned()));
        }
        for text in
            ["", "make", "make:0", "make:x", "static:2", "static:0x1", "static:2x", "governor:1"]
        {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(static:|make:)?\\PC{0,8}") {
            let _ = text.parse::<Rule>();
        }
    }
}
