//! What a unit is expected to take, and what that rests on.
//!
//! First its own past, then that of the same thing in another version or with other settings, then
//! units of the same kind by their size, then the cold model. Does not know where the past is kept.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::Serialize;

use super::band::Band;
use super::class::Class;
use super::cold::{self, Cold};
use super::fit::Fit;
use super::noise::Noise;
use crate::govern::{BEYOND_SEEN, DECAY};
use crate::inventory::nix::name_of;
use crate::inventory::{Kind, Language, Node};
use crate::observe::unit::{UnitOutcome, UnitRecord};
use crate::unit::logged;
use crate::units::Bytes;

/// What an estimate rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// So many runs of the very same.
    Measured(u32),
    /// So many runs of another version of it, or of it with other settings.
    Other(u32),
    /// Units of it of which so many were measured, of so many in all.
    Units(u32, u32),
    /// So many durations that other tools' logs tell, and memory by size.
    Logged(u32),
    /// So many units of the same language and kind, by size.
    Alike(u32),
    /// The cold model by language, kind and size, as far as they are known.
    Cold,
}

impl std::fmt::Display for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Measured(1) => f.write_str("measured once"),
            Self::Measured(count) => write!(f, "measured {count} times"),
            Self::Other(1) => f.write_str("another version or settings, once"),
            Self::Other(count) => write!(f, "another version or settings, {count} times"),
            Self::Units(measured, all) => write!(f, "its units, {measured} of {all} measured"),
            Self::Logged(1) => f.write_str("a log of one build"),
            Self::Logged(count) => write!(f, "logs of {count} builds"),
            Self::Alike(count) => write!(f, "size, and {count} units of its kind"),
            Self::Cold => f.write_str("kind and size at most"),
        }
    }
}

/// What a unit is expected to take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct UnitEstimate {
    /// Largest memory of its process tree.
    pub peak: Band<Bytes>,
    /// Processor seconds.
    pub cpu_seconds: Band<f64>,
    /// Seconds from start to end when nothing holds it up.
    pub wall_seconds: Band<f64>,
    /// Threads that it keeps busy while it does not wait.
    pub threads: f64,
    /// What this rests on.
    pub basis: Basis,
    /// How sure the peak is, from 0 to 1: one half for a band whose ends are a factor of two apart.
    pub confidence: f64,
}

/// What was measured of a unit once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    pub(super) complete: bool,
    /// What it took at most.
    pub(super) peak: f64,
    /// The most of all figures, the kernel's with its pages of files among them.
    pub(super) kernel: f64,
    /// What samples saw of it: sums of these are what a whole build is seen to hold.
    pub(super) seen: f64,
    pub(super) cpu: f64,
    pub(super) wall: f64,
}

/// What the past tells of units.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    by_key: HashMap<String, Vec<Measure>>,
    by_stem: HashMap<String, Vec<Measure>>,
    by_family: HashMap<String, Vec<Measure>>,
    /// Seconds that other tools' logs tell, by key and by family.
    logged: HashMap<String, Vec<f64>>,
    fits: BTreeMap<Class, (Fit, Fit)>,
    noise: Noise,
}

/// Runs of one unit that are looked at.
const LOOKED_AT: usize = 12;
/// Fewest units of a kind that say more than the cold model alone.
const TELLING: u32 = 5;
/// Deviation that another version or other settings add.
const UNLIKE: f64 = 0.10;
/// Deviation of the times of one unit between runs; machines are busy with other things too.
const TIME_NOISE: f64 = 0.15;
/// The same for times of logs: of another day, and with other settings.
const LOG_NOISE: f64 = 0.3;
/// Processor seconds below which a unit may be over before it is looked at, on a machine that is idle.
/// Then only the kernel's figure is known of it, so that is what is expected of it at most.
const UNSEEN: f64 = 0.5;
/// Runs that the noise of others counts for.
const PRIOR: f64 = 4.0;
/// Added to the most: what sampling and allocators add by chance.
const FLOOR: f64 = 2.0 * 1024.0 * 1024.0;

impl Knowledge {
    /// Learns from records, newest first. What failed or was killed is remembered, and never taken
    /// for a peak that suffices.
    pub fn new<'a>(records: impl IntoIterator<Item = &'a UnitRecord>) -> Self {
        let mut known = Self::default();
        let mut pairs: BTreeMap<Class, Vec<[(f64, f64); 2]>> = BTreeMap::new();
        for record in records {
            if record.outcome == UnitOutcome::Timed {
                known.log(record);
                continue;
            }
            let measure = Measure::of(record);
            let push = |of: &mut HashMap<String, Vec<Measure>>, key: &str| match of.get_mut(key) {
                Some(all) if all.len() >= LOOKED_AT => {}
                Some(all) => all.push(measure),
                None => drop(of.insert(key.to_owned(), vec![measure])),
            };
            let key = canonical(&record.key);
            push(&mut known.by_key, &key);
            push(&mut known.by_stem, stem(&key));
            push(&mut known.by_family, &canonical(&record.family));
            if measure.complete {
                let class = Class::of_record(record);
                let (peak, cpu) = Cold::of(class).expect(Some(Bytes(record.input_bytes)));
                // As it was sampled: a package's peak is a sum of samples.
                let both = [(peak, record.peak.0 as f64), (cpu, measure.cpu)];
                pairs.entry(class).or_default().push(both);
            }
        }
        let fit = |of: &[[(f64, f64); 2]], at: usize, deviation| {
            let pairs: Vec<_> = of.iter().filter_map(|both| both.get(at).copied()).collect();
            Fit::new(&pairs, deviation)
        };
        let (peak, cpu) = cold::DEVIATION;
        known.fits =
            pairs.into_iter().map(|(c, of)| (c, (fit(&of, 0, peak), fit(&of, 1, cpu)))).collect();
        known.noise = Noise::of(known.by_key.values());
        known
    }

    fn log(&mut self, record: &UnitRecord) {
        let seconds = (record.wall_us as f64 / 1e6).max(1e-3);
        for name in [&record.key, &record.family] {
            let known = self.logged.entry(name.clone()).or_default();
            if known.len() < LOOKED_AT {
                known.push(seconds);
            }
        }
    }

    /// What a node of an inventory is expected to take.
    pub fn node(&self, node: &Node) -> UnitEstimate {
        let class = Class::of_node(node);
        if node.kind == Kind::Derivation {
            return self.derivation(node, class);
        }
        let own = node.key.as_deref().and_then(|key| self.of_key(key));
        let own = own.or_else(|| self.of_stem(stem(node.key.as_deref()?)));
        let own = own.or_else(|| self.of_stem(&stem_of(node)?));
        let own = own.or_else(|| self.of_family(node.family.as_deref()?));
        own.unwrap_or_else(|| {
            let keys = [node.key.as_deref(), node.family.as_deref()];
            self.timed(&keys, self.by_size(class, node.size_bytes))
        })
    }

    /// A derivation is known by its name: no command line of it is.
    fn derivation(&self, node: &Node, class: Class) -> UnitEstimate {
        let name = name_of(&node.id);
        let facts = logged("nix", name, name);
        let built = facts.family.replacen("nix logged", "nix build", 1);
        self.of_family(&built).unwrap_or_else(|| {
            let keys = [Some(&*facts.key), Some(&*facts.family)];
            self.timed(&keys, self.by_size(class, node.size_bytes))
        })
    }

    /// The estimate with the times that logs tell, under the first of the names that any has.
    fn timed(&self, names: &[Option<&str>], estimate: UnitEstimate) -> UnitEstimate {
        let Some(seconds) = names.iter().flatten().find_map(|name| self.logged.get(*name)) else {
            return estimate;
        };
        let wall_seconds = around(seconds, LOG_NOISE, 0.0);
        let basis = Basis::Logged(u32::try_from(seconds.len()).unwrap_or(u32::MAX));
        UnitEstimate { wall_seconds, cpu_seconds: wall_seconds, basis, ..estimate }
    }

    /// What a unit like a recorded one is expected to take.
    pub fn record(&self, record: &UnitRecord) -> UnitEstimate {
        let own = self.of_key(&record.key).or_else(|| self.of_stem(stem(&record.key)));
        let own = own.or_else(|| self.of_family(&record.family));
        own.unwrap_or_else(|| {
            self.by_size(Class::of_record(record), Some(Bytes(record.input_bytes)))
        })
    }

    fn of_key(&self, key: &str) -> Option<UnitEstimate> {
        self.measured(self.by_key.get(&*canonical(key))?, 0.0, Basis::Measured)
    }

    fn of_stem(&self, stem: &str) -> Option<UnitEstimate> {
        self.measured(self.by_stem.get(&*canonical(stem))?, UNLIKE, Basis::Other)
    }

    fn of_family(&self, family: &str) -> Option<UnitEstimate> {
        self.measured(self.by_family.get(&*canonical(family))?, UNLIKE, Basis::Other)
    }

    fn measured(
        &self,
        past: &[Measure],
        unlike: f64,
        basis: fn(u32) -> Basis,
    ) -> Option<UnitEstimate> {
        let good: Vec<&Measure> = past.iter().filter(|run| run.complete).collect();
        let count = u32::try_from(good.len()).ok().filter(|count| *count > 0)?;
        let band = |of: fn(&Measure) -> f64, noise: f64| {
            let values: Vec<f64> = good.iter().map(|run| of(run)).collect();
            around(&values, noise, unlike)
        };
        let wall_seconds = band(|run| run.wall, TIME_NOISE);
        // Killed after the newest good run: it has grown since.
        let newer = past.iter().take_while(|run| !run.complete);
        let grown = newer.map(|run| run.peak * BEYOND_SEEN).fold(0.0, f64::max);
        let factor = (self.noise.margin(wall_seconds.expected, count) + unlike).exp();
        let least = good.iter().map(|run| run.seen).fold(f64::INFINITY, f64::min);
        let quickest = good.iter().map(|run| run.cpu).fold(f64::INFINITY, f64::min);
        let figure = |run: &&Measure| if quickest < UNSEEN { run.kernel } else { run.peak };
        let most = good.iter().map(figure).fold(grown, f64::max);
        let expected = mean(&good.iter().map(|run| run.seen).collect::<Vec<_>>()).max(grown);
        let peak = Band { min: least / factor, expected, max: most * factor + FLOOR };
        let cpu_seconds = band(|run| run.cpu, TIME_NOISE);
        let threads = (cpu_seconds.expected / wall_seconds.expected.max(1e-4)).clamp(1.0, 64.0);
        let confidence = peak.confidence();
        let peak = peak.bytes();
        Some(UnitEstimate {
            peak,
            cpu_seconds,
            wall_seconds,
            threads,
            basis: basis(count),
            confidence,
        })
    }

    fn by_size(&self, class: Class, size: Option<Bytes>) -> UnitEstimate {
        let (peak, cpu) = Cold::of(class).expect(size);
        let (fits, basis) = match self.fits.get(&class) {
            Some((a, b)) if a.count >= TELLING => ((*a, *b), Basis::Alike(a.count)),
            _ => {
                let (a, b) = if size.is_some() { cold::DEVIATION } else { cold::UNSIZED };
                ((Fit::new(&[], a), Fit::new(&[], b)), Basis::Cold)
            }
        };
        let (peak, cpu_seconds) = (fits.0.predict(peak), fits.1.predict(cpu));
        let confidence = peak.confidence();
        UnitEstimate {
            peak: peak.bytes(),
            cpu_seconds,
            wall_seconds: cpu_seconds,
            threads: 1.0,
            basis,
            confidence,
        }
    }
}

/// Mean of the logarithms of what was measured, newest first and heaviest.
fn mean(values: &[f64]) -> f64 {
    let fades = std::iter::successors(Some(1.0), |weight| Some(weight * DECAY));
    let (sum, total) = values
        .iter()
        .zip(fades)
        .fold((0.0, 0.0), |(sum, total), (value, w)| (sum + value.max(1e-6).ln() * w, total + w));
    (sum / f64::max(total, 1e-9)).exp()
}

/// A band around what was measured, newest first. `noise` is what others of its kind vary by.
fn around(values: &[f64], noise: f64, unlike: f64) -> Band<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value.max(1e-6) / mean).ln().powi(2)).sum();
    let count = values.len() as f64;
    let variance = (squares + PRIOR * noise * noise) / (count - 1.0 + PRIOR).max(1.0);
    let deviation = (variance * (1.0 + 1.0 / count.max(1.0)) + unlike * unlike).sqrt();
    Band::around(mean, deviation)
}

/// A key without the digest of its settings.
fn stem(key: &str) -> &str {
    key.rsplit_once(' ').map_or(key, |(stem, _)| stem)
}

/// The key without digest that a crate's command would have.
fn stem_of(node: &Node) -> Option<String> {
    let package = node.package.as_deref().filter(|_| node.language == Language::Rust)?;
    match Class::of_node(node) {
        Class::RustLibrary => Some(format!("rustc lib {package}")),
        Class::RustProgram => Some(format!("rustc bin {package}/{}", node.label)),
        Class::RustBuildScript => Some(format!("rustc build-script {package}/build_script_build")),
        _ => None,
    }
}

/// What a unit took. One that was too short to be looked at while it ran has only the kernel's own
/// figure of its largest process, pages of files included.
pub fn took(record: &UnitRecord) -> Bytes {
    if record.curve.is_empty() { record.peak.max(record.peak_process) } else { record.peak }
}

/// A key in which what a build tool made up for one build is left out.
fn canonical(key: &str) -> Cow<'_, str> {
    const MADE_UP: [&str; 2] = ["go-build", "cgo-gcc-input-"];
    let found = MADE_UP.iter().find_map(|name| Some(key.find(name)? + name.len()));
    let Some((head, tail)) = found.and_then(|at| key.split_at_checked(at)) else {
        return Cow::Borrowed(key);
    };
    let rest = tail.trim_start_matches(|c: char| c.is_ascii_digit());
    Cow::Owned(format!("{head}{rest}"))
}

impl Measure {
    fn of(record: &UnitRecord) -> Self {
        let seconds = |us: u64| us as f64 / 1e6;
        let cpu = seconds(record.user_us.saturating_add(record.system_us));
        // Time in which it was paused or had no processor says nothing about it.
        let held = record.paused_us.saturating_add(record.delay_us);
        let wall = seconds(record.wall_us.saturating_sub(held)).max(cpu / 64.0).max(1e-3);
        let complete = record.outcome == UnitOutcome::Succeeded;
        Self {
            complete,
            peak: took(record).0 as f64,
            kernel: record.peak.max(record.peak_process).0 as f64,
            seen: record.peak.0 as f64,
            cpu: cpu.max(1e-3),
            wall,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A unit of that key and peak, and four seconds.
    pub(in crate::plan) fn record(key: &str, mib: u64, outcome: UnitOutcome) -> UnitRecord {
        UnitRecord {
            run: Some(1),
            key: key.to_owned(),
            family: "cc c compile lib/a.c 00".to_owned(),
            tool: "cc".to_owned(),
            label: "a.c".to_owned(),
            package: None,
            attempt: 1,
            outcome,
            exit: Some(0),
            started_unix_us: 0,
            waited_us: 0,
            wall_us: 4_000_000,
            paused_us: 1_000_000,
            user_us: 1_900_000,
            system_us: 100_000,
            delay_us: 1_000_000,
            peak: Bytes::mib(mib),
            peak_process: Bytes::mib(mib),
            reserved: Bytes::mib(mib),
            curve: Vec::new(),
            input_bytes: 30_000,
            alone: false,
        }
    }

    fn node(key: &str) -> Node {
        let mut node = Node::new(Language::CFamily, Kind::TranslationUnit, "a", "a.c");
        (node.key, node.size_bytes) = (Some(key.to_owned()), Some(Bytes(30_000)));
        node
    }

    const KEY: &str = "cc c compile lib-1.0/a.c 11";

    #[test]
    fn logs_tell_times_and_no_memory() {
        let path = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-zlib-1.3.1.drv";
        let node = Node::new(Language::CFamily, Kind::Derivation, path, "zlib-1.3.1");
        let facts = logged("nix", "zlib-1.3", "zlib-1.3");
        let mut record = record(&facts.key, 0, UnitOutcome::Timed);
        (record.family, record.wall_us) = (facts.family, 40_000_000);
        let (cold, told) =
            (Knowledge::default().node(&node), Knowledge::new(&[record]).node(&node));
        assert_eq!((told.basis, told.peak), (Basis::Logged(1), cold.peak));
        assert!((told.wall_seconds.expected - 40.0).abs() < 1e-6, "{told:?}");
    }

    #[test]
    fn its_own_past_comes_first() {
        let known = Knowledge::new(&vec![record(KEY, 100, UnitOutcome::Succeeded); 3]);
        let own = known.node(&node(KEY));
        assert_eq!(own.basis, Basis::Measured(3));
        assert!(own.peak.max >= Bytes::mib(100) && own.peak.max < Bytes::mib(115), "{own:?}");
        // Two of four seconds it was paused or had no processor.
        assert!((own.wall_seconds.expected - 2.0).abs() < 1e-6);
        let other = known.node(&node("cc c compile lib-1.0/a.c 22"));
        assert_eq!(other.basis, Basis::Other(3));
        assert!(other.peak.max > own.peak.max && other.confidence < own.confidence);
        assert_eq!(known.node(&node("cc c compile x/b.c 22")).basis, Basis::Cold);
    }

    #[test]
    fn names_that_were_made_up_for_one_build_do_not_count() {
        let key = |n: &str| format!("gcc c compile go-build{n}/b092/cgo.c 11");
        assert_eq!(canonical(&key("123")), canonical(&key("98")));
        assert_eq!(canonical(KEY), KEY);
    }

    #[test]
    fn what_was_never_looked_at_has_the_kernels_figure() {
        let mut record = record(KEY, 10, UnitOutcome::Succeeded);
        record.peak_process = Bytes::mib(50);
        assert_eq!(took(&record), Bytes::mib(50));
        record.curve = vec![Bytes::mib(10)];
        assert_eq!(took(&record), Bytes::mib(10));
    }

    #[test]
    fn a_failure_never_teaches_a_low_peak() {
        let good = || record(KEY, 500, UnitOutcome::Succeeded);
        let failed = |o: &UnitOutcome| !matches!(o, UnitOutcome::Succeeded | UnitOutcome::Timed);
        for outcome in UnitOutcome::ALL.into_iter().filter(failed) {
            let low = Knowledge::new(&[record(KEY, 5, outcome), good()]);
            assert!(low.node(&node(KEY)).peak.max >= Bytes::mib(500), "{outcome:?}");
            let alone = Knowledge::new(&[record(KEY, 5, outcome)]);
            assert_eq!(alone.node(&node(KEY)), Knowledge::default().node(&node(KEY)));
            let high = Knowledge::new(&[record(KEY, 900, outcome), good()]);
            assert!(high.node(&node(KEY)).peak.expected >= Bytes::mib(1100));
        }
    }

    #[test]
    fn units_of_a_kind_correct_the_cold_model() {
        let units: Vec<_> = (0..20)
            .map(|n| record(&format!("cc c compile p{n}/f{n}.c 0"), 90, UnitOutcome::Succeeded))
            .map(|record| UnitRecord { family: record.key.clone(), ..record })
            .collect();
        let mut asked = node("cc c compile x/b.c 22");
        asked.family = Some("elsewhere".to_owned());
        let (cold, alike) =
            (Knowledge::default().node(&asked), Knowledge::new(&units).node(&asked));
        assert_eq!(alike.basis, Basis::Alike(20));
        assert!(alike.peak.expected > cold.peak.expected.scaled(2.0), "{alike:?} {cold:?}");
        assert!(alike.confidence > cold.confidence);
    }
}
