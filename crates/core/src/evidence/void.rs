//! Why a benchmark measured nothing, so that no figure of it may be published.
//!
//! Does not know what the commands were meant to do.

use super::sample::{Round, Sample};

/// Parts of a run's time that must be the command's own, beside starting a process.
const OWN_PART: f64 = 0.5;

/// A reason not to publish.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Void {
    /// No round was completed.
    #[error("no round was completed: nothing was measured")]
    NoRound,
    /// A command failed.
    #[error("`{command}` failed with exit code {exit}{}", place(*.round))]
    Failed {
        /// Its name.
        command: String,
        /// The round, counted from 1; absent before the first.
        round: Option<usize>,
        /// Exit code.
        exit: i32,
        /// The end of what it printed.
        output: String,
    },
    /// A command does hardly more than start.
    #[error(
        "`{command}` takes {:.2} ms, and starting a process that does nothing takes {:.2} ms of them: that measures the start",
        .least * 1e3, .empty * 1e3
    )]
    TooShort {
        /// Its name.
        command: String,
        /// Seconds of the shortest run.
        least: f64,
        /// Seconds of the shortest empty one.
        empty: f64,
    },
    /// A command says that it had nothing to do.
    #[error("`{command}` had nothing to do: it printed \"{line}\"")]
    NoWork {
        /// Its name.
        command: String,
        /// What it printed.
        line: String,
    },
}

fn place(round: Option<usize>) -> String {
    round.map_or_else(|| " before the first round".to_owned(), |n| format!(" in round {n}"))
}

impl Void {
    /// What would be right.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoRound => "raise --max-time",
            Self::Failed { .. } => {
                "run it by hand; --ignore-failure measures commands that fail in every run alike"
            }
            Self::TooShort { .. } => "let it do more in one run: a larger input, or a loop in it",
            Self::NoWork { .. } => {
                "undo its work before each run with --prepare, such as --prepare 'make clean'"
            }
        }
    }
}

/// Whether seconds of a run are told apart from those of an empty one.
pub fn is_too_short(least: f64, empty: f64) -> bool {
    least <= 0.0 || least - empty < least * OWN_PART
}

/// The first arm of a round that failed, with its exit code.
pub fn failed_arm(round: &Round) -> Option<(usize, i32)> {
    let failed = |(_, sample): &(usize, &Sample)| sample.exit != 0;
    round.samples.iter().enumerate().find(failed).map(|(arm, sample)| (arm, sample.exit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_time_must_be_the_commands_own() {
        assert!(is_too_short(0.0007, 0.0006) && is_too_short(0.0, 0.0));
        assert!(!is_too_short(0.0013, 0.0006));
    }

    #[test]
    fn reasons_name_command_and_place() {
        let failed = Void::Failed {
            command: "a".to_owned(),
            round: Some(3),
            exit: 2,
            output: String::new(),
        };
        assert_eq!(failed.to_string(), "`a` failed with exit code 2 in round 3");
        let short = Void::TooShort { command: "true".to_owned(), least: 7e-4, empty: 6e-4 };
        assert!(short.to_string().contains("0.70 ms") && short.to_string().contains("0.60 ms"));
    }
}
