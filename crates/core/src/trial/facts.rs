//! What a build of a variant cost, as it is stored, and what follows for its change.
//!
//! Does not know how it was built.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::treatment::{Knobs, Variant};
use crate::decide::Costs;
use crate::evidence::robust::median;
use crate::units::Bytes;

/// Part of a build by which two builds of the same may differ.
const NOISE: f64 = 0.1;

/// A build of a package with some settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VariantFacts {
    /// The package.
    pub package: String,
    /// What it has beyond the baseline.
    pub variant: Variant,
    /// Name of the host.
    pub host: Option<String>,
    /// When it was built, nanoseconds since 1970.
    pub built_unix_ns: i64,
    /// The compiler, as it names itself.
    pub compiler: String,
    /// Hash of everything that went in.
    pub key: String,
    /// Hash of the code that the workloads run.
    pub code: String,
    /// Seconds that the build took.
    pub wall: f64,
    /// Seconds of processor time that it took.
    pub cpu: f64,
    /// Seconds of processor time that a build after a small change took; absent where none was made.
    pub again: Option<f64>,
    /// Seconds of processor time that the build took that filled a compiler cache, of which the one that
    /// counts was answered; absent without a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<f64>,
    /// Most memory that the build held.
    pub peak: Bytes,
    /// Most memory that one of its processes held; zero where nobody looked.
    #[serde(default)]
    pub largest: Bytes,
    /// Bytes of code in its artefacts; zero where these are optimised only as they are linked.
    pub text: Bytes,
    /// Bytes of code in what workloads run; zero where nobody looked.
    #[serde(default)]
    pub run_text: Bytes,
    /// Bytes of its artefacts.
    pub size: Bytes,
    /// Hardware threads that the build could use.
    pub threads: u32,
    /// Whether its compilers asked the governor: how many run at a time, and so how much memory they
    /// take together, depends on it.
    #[serde(default = "governed")]
    pub governed: bool,
}

const fn governed() -> bool {
    true
}

/// What a change costs by builds of one package on one host: the difference of the medians with and
/// without it. Nothing while one side is missing.
///
/// Seconds of a build are its processor time through the machine's threads: other work on the machine
/// changes how long one waits, and hardly what a build takes.
pub fn costs(builds: &[VariantFacts], knobs: &Knobs) -> Option<Costs> {
    [true, false].into_iter().find_map(|governed| of_alike(builds, knobs, governed))
}

/// Whether the artefacts of all builds hold code. Those that are optimised as they are linked do not: then
/// only what workloads run can be compared, of all builds.
pub fn hold_code<'a>(builds: impl IntoIterator<Item = &'a VariantFacts>) -> bool {
    builds.into_iter().all(|facts| facts.text.0 > 0)
}

/// The same by builds that were all governed, or all not.
fn of_alike(builds: &[VariantFacts], knobs: &Knobs, governed: bool) -> Option<Costs> {
    let alike = |facts: &&VariantFacts| facts.governed == governed;
    let with: Vec<_> = of(builds, knobs).filter(alike).collect();
    let without: Vec<_> = of(builds, &Knobs::new()).filter(alike).collect();
    let figure = |side: &[&VariantFacts], value: fn(&VariantFacts) -> f64| {
        let values: Vec<f64> = side.iter().map(|facts| value(facts)).collect();
        (!values.is_empty()).then(|| median(&values))
    };
    let both =
        |value: fn(&VariantFacts) -> f64| Some((figure(&without, value)?, figure(&with, value)?));
    let part = |value: fn(&VariantFacts) -> f64| {
        let (without, with) = both(value)?;
        // Nothing is known where one side has no figure.
        (without > 0.0 && with > 0.0).then(|| with / without - 1.0)
    };
    let text = || part(|facts| facts.text.0 as f64);
    let run_text: fn(&VariantFacts) -> f64 = |facts| facts.run_text.0 as f64;
    let (before, after) = both(|facts| facts.seconds(facts.cpu))?;
    let once = figure(&with, |facts| facts.seconds(facts.cold.unwrap_or(facts.cpu)));
    Some(Costs {
        build_seconds: longer(before, after),
        // What all of its processes hold together is moved by which of them meet.
        memory: part(|facts| facts.largest.0 as f64).unwrap_or(0.0),
        // What was fetched before is built here once, and a cache knows nothing then.
        rebuild_seconds: once.unwrap_or(after),
        size: if hold_code(builds) { text() } else { part(run_text).or_else(text) }.unwrap_or(0.0),
    })
}

/// Whether the code of a package with a change is that without it, by the last build of either that one
/// compiler made.
pub fn is_same_code(builds: &[VariantFacts], knobs: &Knobs) -> bool {
    let Some(with) = of(builds, knobs).max_by_key(|facts| facts.built_unix_ns) else {
        return false;
    };
    let baseline = Knobs::new();
    let without = of(builds, &baseline).filter(|facts| facts.compiler == with.compiler);
    let last = without.max_by_key(|facts| facts.built_unix_ns);
    !knobs.is_empty() && last.is_some_and(|facts| facts.code == with.code)
}

fn of<'a>(builds: &'a [VariantFacts], knobs: &Knobs) -> impl Iterator<Item = &'a VariantFacts> {
    let fits =
        |facts: &&VariantFacts| facts.variant.flags.is_empty() && facts.variant.knobs == *knobs;
    builds.iter().filter(fits)
}

/// Seconds by which a build takes longer; of what it saves, that which no chance explains.
fn longer(before: f64, after: f64) -> f64 {
    if after >= before { after - before } else { (after - before + NOISE * before).min(0.0) }
}

impl VariantFacts {
    /// The same build with the usual cost of all builds that were made of the same, itself among them: what
    /// one of them takes is moved by whatever else the machine does.
    #[must_use]
    pub fn usual(mut self, builds: &[Self]) -> Self {
        let other =
            |facts: &&Self| facts.is_built_like(&self) && facts.built_unix_ns != self.built_unix_ns;
        let others: Vec<Self> = builds.iter().filter(other).cloned().collect();
        let all = || others.iter().chain([&self]);
        let of = |value: fn(&Self) -> Option<f64>| {
            let values: Vec<f64> = all().filter_map(value).collect();
            (!values.is_empty()).then(|| median(&values))
        };
        let wall = of(|facts| Some(facts.wall)).unwrap_or(self.wall);
        let cpu = of(|facts| Some(facts.cpu)).unwrap_or(self.cpu);
        let (again, cold) = (of(|facts| facts.again), of(|facts| facts.cold));
        (self.wall, self.cpu, self.again, self.cold) = (wall, cpu, again, cold);
        self
    }

    /// Whether both are of the same, and built alike on one host.
    pub fn is_built_like(&self, other: &Self) -> bool {
        let how = |facts: &Self| (facts.governed, facts.threads);
        (&self.key, &self.host, how(self)) == (&other.key, &other.host, how(other))
    }

    /// Seconds that processor time takes on all of the machine's threads.
    fn seconds(&self, cpu: f64) -> f64 {
        cpu / f64::from(self.threads.max(1))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn facts(knobs: &[(&str, &str)], cpu: f64, peak: u64, text: u64) -> VariantFacts {
        let knobs = knobs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        VariantFacts {
            package: "zlib".to_owned(),
            variant: Variant { knobs, flags: Vec::new() },
            host: None,
            built_unix_ns: 0,
            compiler: "gcc 12".to_owned(),
            key: "k".to_owned(),
            code: "c".to_owned(),
            wall: cpu,
            cpu,
            again: None,
            cold: None,
            peak: Bytes::mib(2 * peak),
            largest: Bytes::mib(peak),
            text: Bytes(text),
            run_text: Bytes::ZERO,
            size: Bytes(2 * text),
            threads: 2,
            governed: true,
        }
    }

    #[test]
    fn archives_without_instructions_leave_what_runs() {
        let of = |knobs: &[(&str, &str)], text, run| VariantFacts {
            run_text: Bytes(run),
            ..facts(knobs, 1.0, 100, text)
        };
        let lto = [("c-lto", "fat")];
        let o3 = [("c-opt-level", "3")];
        let builds = [of(&[], 1000, 3000), of(&lto, 0, 2400), of(&o3, 2000, 3300)];
        let size = |builds: &[VariantFacts], knobs| costs(builds, knobs).unwrap().size;
        let (lto, o3) = (&builds[1].variant.knobs, &builds[2].variant.knobs);
        assert!((size(&builds, lto) + 0.2).abs() < 1e-9);
        assert!((size(&builds, o3) - 0.1).abs() < 1e-9, "one figure for all that is compared");
        let archives = [builds[0].clone(), builds[2].clone()];
        assert!((size(&archives, o3) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn several_builds_tell_what_one_usually_takes() {
        let at = |built_unix_ns, cpu| VariantFacts { built_unix_ns, ..facts(&[], cpu, 100, 1000) };
        let other = VariantFacts { key: "other".to_owned(), ..at(9, 500.0) };
        let own = at(1, 90.0);
        let usual = own.clone().usual(&[own.clone(), at(2, 10.0), at(3, 12.0), other]);
        assert!((usual.cpu - 12.0).abs() < 1e-9, "{usual:?}");
        assert_eq!(own.clone().usual(&[]), own);
    }

    #[test]
    fn costs_are_differences_from_the_baseline() {
        let o3 = [("c-opt-level", "3")];
        let builds = [
            facts(&[], 10.0, 100, 1000),
            facts(&[], 12.0, 100, 1000),
            facts(&[], 90.0, 100, 1000),
            facts(&o3, 20.0, 150, 1300),
        ];
        let found = costs(&builds, &builds[3].variant.knobs).unwrap();
        assert!((found.build_seconds - 4.0).abs() < 1e-9, "the wild build hardly counts");
        assert!((found.memory - 0.5).abs() < 1e-9 && (found.size - 0.3).abs() < 1e-9);
        assert!((found.rebuild_seconds - 10.0).abs() < 1e-9);
        assert!(is_same_code(&builds, &builds[3].variant.knobs));
        assert!(!is_same_code(&builds[3..], &builds[3].variant.knobs), "no baseline");
        let mut newer = builds.clone();
        (newer[2].code, newer[2].built_unix_ns) = ("other".to_owned(), 9);
        assert!(!is_same_code(&newer, &builds[3].variant.knobs), "the source has changed since");
        let mut cached = builds.clone();
        (cached[3].cpu, cached[3].cold) = (2.0, Some(14.0));
        let found = costs(&cached, &builds[3].variant.knobs).unwrap();
        assert!(
            (found.build_seconds + 4.4).abs() < 1e-9,
            "answered by a cache: 5 s of 6, less 0.6"
        );
        assert!((found.rebuild_seconds - 7.0).abs() < 1e-9, "which was filled first");
        let mut other = builds.clone();
        other[3].governed = false;
        assert_eq!(costs(&other, &builds[3].variant.knobs), None, "not built alike");
        assert_eq!(costs(&builds[3..], &builds[3].variant.knobs), None, "no baseline");
        assert_eq!(costs(&builds, &Knobs::from([("c-lto".into(), "fat".into())])), None);
    }
}
