//! How long `build` waits for a step: what a user says, or what past builds of the same tell.
//!
//! Does not know how a run is ended.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ironwright_core::inventory::Language;
use ironwright_core::plan::{PackageQuery, estimate_package, silence_limit, timeout};
use ironwright_core::units::human_duration;
use ironwright_host::run::Patience;
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::Past;
use crate::execute::Execution;

/// What a user wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TimeoutChoice {
    /// From past builds.
    Auto,
    /// No limit.
    Never,
    /// So long for each step.
    After(Duration),
}

impl FromStr for TimeoutChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            _ => match text.parse::<u32>() {
                Ok(seconds) if seconds > 0 => Ok(Self::After(Duration::from_secs(seconds.into()))),
                _ => Err("write auto, never, or a number of seconds from 1".to_owned()),
            },
        }
    }
}

/// How long a step is waited for, and why.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct PatiencePlan {
    /// Seconds after which a step is told to be late, and a little later ended.
    pub(crate) timeout_seconds: f64,
    /// Seconds without output and without processor use after which the same happens.
    pub(crate) silence_seconds: Option<f64>,
    /// Whether nothing is ended.
    pub(crate) only_tells: bool,
    /// What this rests on.
    pub(crate) because: String,
}

impl PatiencePlan {
    /// The limits of a build; nothing for ever.
    pub(crate) fn of(choice: TimeoutChoice, execution: &Execution) -> Option<Self> {
        match choice {
            TimeoutChoice::Never => None,
            TimeoutChoice::After(time) => Some(Self {
                timeout_seconds: time.as_secs_f64(),
                silence_seconds: None,
                only_tells: false,
                because: "--timeout".to_owned(),
            }),
            TimeoutChoice::Auto => Some(Self::from_past(execution)),
        }
    }

    fn from_past(execution: &Execution) -> Self {
        let past = Past::open();
        let source = execution.source.clone().unwrap_or_default();
        let runs = past.runs(&source, execution.package.as_deref().unwrap_or_default());
        let estimate = estimate_package(&PackageQuery {
            past: &runs.iter().map(|run| run.past).collect::<Vec<_>>(),
            threads: f64::from(execution.threads),
            language: execution.driver.map(Language::of_driver),
            ..PackageQuery::default()
        });
        let limit = timeout(estimate.wall_seconds, estimate.basis);
        let silence = silence_limit(estimate.longest_unit_seconds, limit);
        Self {
            timeout_seconds: limit.seconds,
            silence_seconds: Some(silence.seconds),
            only_tells: !limit.known,
            because: format!("{}, and {:.0} %", estimate.basis, limit.margin * 100.0),
        }
    }

    /// As the runner takes it.
    pub(crate) fn patience(&self) -> Patience {
        let time = |seconds: f64| Duration::from_secs_f64(seconds.clamp(0.0, 1e9));
        Patience {
            timeout: Some(time(self.timeout_seconds)),
            silence: self.silence_seconds.map(time),
            only_tells: self.only_tells,
        }
    }
}

impl fmt::Display for PatiencePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = human_duration(self.patience().timeout.unwrap_or_default());
        if self.only_tells { write!(f, "told after {time}") } else { f.write_str(&time) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read() {
        assert_eq!("auto".parse(), Ok(TimeoutChoice::Auto));
        assert_eq!("90".parse(), Ok(TimeoutChoice::After(Duration::from_secs(90))));
        assert!(["", "0", "-1", "1h"].iter().all(|text| text.parse::<TimeoutChoice>().is_err()));
    }
}
