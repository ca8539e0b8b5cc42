//! Whether a profile belongs to the code, and how much of the code it knows.
//!
//! Does not read profiles: `gcda`, `llvm` and `pprof` do, and `messages` what compilers say of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What of a program a profile knows. Of samples (Go), functions are those that were sampled, and counts
/// are the samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Functions that have counters; of samples unknown, because what was not sampled may have run.
    pub functions: Option<u64>,
    /// Functions that ran in the training.
    pub executed: u64,
    /// Sum of all counts.
    pub counts: u128,
    /// Counts by function, most first; names are the symbols. Few enough to be kept.
    pub hottest: Vec<Hot>,
}

/// A function that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hot {
    /// Its symbol; GCC's counters know none (`file.gcda:ident`).
    pub name: String,
    /// The sum of its counts.
    pub counts: u128,
}

/// Functions that are named at most.
pub const NAMED: usize = 10;

impl Coverage {
    /// Sums functions up: each with the sum of its counts.
    pub fn of(functions: impl IntoIterator<Item = Hot>) -> Self {
        let all: Vec<Hot> = functions.into_iter().collect();
        let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let mut ran: Vec<Hot> = all.into_iter().filter(|hot| hot.counts > 0).collect();
        ran.sort_by(|a, b| b.counts.cmp(&a.counts).then_with(|| a.name.cmp(&b.name)));
        Self {
            functions: Some(total),
            executed: u64::try_from(ran.len()).unwrap_or(u64::MAX),
            counts: ran.iter().map(|hot| hot.counts).fold(0, u128::saturating_add),
            hottest: ran.into_iter().take(NAMED).collect(),
        }
    }

    /// The part of functions that ran, 0 to 1; unknown of samples and where there are no functions.
    pub fn share(&self) -> Option<f64> {
        let total = self.functions.filter(|total| *total > 0)?;
        Some(self.executed as f64 / total as f64)
    }
}

/// What the compiler made of the profile in the second build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Matching {
    /// Functions whose code is another than the profile's: their counts were dropped.
    pub stale: Vec<String>,
    /// Counts that were dropped with them, where the compiler tells.
    pub lost: u128,
    /// Functions without a profile.
    pub missing: u64,
    /// Objects without a profile: no training command ran a program that they are linked into.
    pub missing_objects: Vec<String>,
    /// Profiles that could not be read at all, in the compiler's words.
    pub unreadable: Vec<String>,
}

/// What may be said of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It belongs to the code, and knows what the training ran.
    Matches,
    /// The code has changed under it: a part worth mentioning was dropped.
    Stale,
    /// It knows next to nothing of the code.
    DoesNotCover,
}

/// Functions that changed above which a profile is stale, as a part of those that ran. A handful is
/// normal where the build is not repeatable (dates, generated code).
pub const STALE: f64 = 0.02;
/// Functions that ran below which a profile covers nothing, as a part of all that have counters. A
/// program that trains on one of many tasks reaches 5 to 30 %; less than this is its start and end.
pub const COVERED: f64 = 0.005;
/// Samples below which a profile of them covers nothing: a fifth of a second, most of it start and end.
pub const SAMPLES: u128 = 20;

/// A profile held against the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileCheck {
    /// What follows.
    pub verdict: Verdict,
    /// Why, in a sentence with its figures.
    pub why: String,
    /// Functions that ran through functions that have counters, 0 to 1; unknown of samples.
    pub covered: Option<f64>,
    /// Functions whose profile was dropped through functions that ran, 0 to 1.
    pub stale: f64,
    /// Counts that were kept through all counts, 0 to 1; unknown where the compiler tells none.
    pub kept_counts: Option<f64>,
    /// What the profile knows.
    pub coverage: Coverage,
    /// What the compiler said.
    pub matching: Matching,
}

impl ProfileCheck {
    /// Judges a profile.
    pub fn of(coverage: Coverage, matching: Matching) -> Self {
        let ran = coverage.executed.max(1) as f64;
        let stale = (matching.stale.len() as f64 / ran).min(1.0);
        let lost = (coverage.counts > 0 && (matching.lost > 0 || matching.stale.is_empty()))
            .then(|| 1.0 - (matching.lost as f64 / coverage.counts as f64).min(1.0));
        let covered = coverage.share();
        let (verdict, why) = judge(&coverage, &matching, covered, stale);
        Self { verdict, why, covered, stale, kept_counts: lost, coverage, matching }
    }
}

fn judge(
    coverage: &Coverage,
    matching: &Matching,
    covered: Option<f64>,
    stale: f64,
) -> (Verdict, String) {
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    if let Some(first) = matching.unreadable.first() {
        return (Verdict::Stale, format!("a profile could not be read: {first}"));
    }
    if coverage.counts == 0 {
        return (Verdict::DoesNotCover, "no function of the program ran in the training".into());
    }
    if stale > STALE {
        let text = format!(
            "the code of {} of {} functions that ran ({}) is another than the profile's",
            matching.stale.len(),
            coverage.executed,
            percent(stale)
        );
        return (Verdict::Stale, text);
    }
    let ran = match (coverage.functions, covered) {
        (Some(total), Some(part)) => {
            format!("{} of {total} functions ran ({})", coverage.executed, percent(part))
        }
        _ => format!("{} samples in {} functions", coverage.counts, coverage.executed),
    };
    let too_few = coverage.functions.is_none() && coverage.counts < SAMPLES;
    if too_few || covered.is_some_and(|part| part < COVERED) {
        return (Verdict::DoesNotCover, format!("only {ran} in the training"));
    }
    let dropped = match matching.stale.len() {
        0 => "none has changed".to_owned(),
        changed => format!("{changed} of them changed and lost their profile"),
    };
    (Verdict::Matches, format!("{ran}, {dropped}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(total: u64, ran: u64) -> Coverage {
        let counts = |n: u64| u128::from(n < ran) * 100;
        Coverage::of((0..total).map(|n| Hot { name: format!("f{n}"), counts: counts(n) }))
    }

    fn stale(n: u64) -> Matching {
        Matching {
            stale: (0..n).map(|n| format!("f{n}")).collect(),
            lost: u128::from(n) * 100,
            ..Matching::default()
        }
    }

    #[test]
    fn figures_are_parts() {
        let check = ProfileCheck::of(coverage(1000, 200), stale(2));
        assert_eq!(check.verdict, Verdict::Matches, "{}", check.why);
        assert_eq!(check.covered, Some(0.2));
        assert!((check.stale - 0.01).abs() < 1e-9);
        assert!((check.kept_counts.unwrap() - 0.99).abs() < 1e-9);
        assert_eq!(check.coverage.hottest.len(), NAMED);
    }

    #[test]
    fn a_profile_of_other_code_is_stale() {
        let check = ProfileCheck::of(coverage(100, 50), stale(10));
        assert_eq!(check.verdict, Verdict::Stale);
        assert!(check.why.contains("10 of 50 functions that ran (20.0 %)"), "{}", check.why);
    }

    #[test]
    fn a_training_that_does_nothing_covers_nothing() {
        assert_eq!(
            ProfileCheck::of(coverage(100, 0), Matching::default()).verdict,
            Verdict::DoesNotCover
        );
        assert_eq!(
            ProfileCheck::of(coverage(1000, 3), Matching::default()).verdict,
            Verdict::DoesNotCover
        );
        assert_eq!(
            ProfileCheck::of(Coverage::default(), Matching::default()).verdict,
            Verdict::DoesNotCover
        );
    }

    #[test]
    fn samples_know_no_total() {
        let coverage = Coverage { functions: None, ..coverage(40, 40) };
        let check = ProfileCheck::of(coverage, Matching::default());
        assert_eq!((check.verdict, check.covered), (Verdict::Matches, None));
        let few = Coverage { functions: None, counts: 19, ..Coverage::default() };
        assert_eq!(ProfileCheck::of(few, Matching::default()).verdict, Verdict::DoesNotCover);
    }
}
