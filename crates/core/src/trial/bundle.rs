//! What `-march=native` and the like stand for: level, features, tuning and parameters, one by one.
//!
//! Reads what the compiler's driver passes on (`gcc -march=native -###`) and which features a target
//! switches on (`-Q --help=target`). The order is fixed: the psABI levels first, then what goes
//! beyond them, each feature after those that it rests on, then the tuning and its parameters. So
//! every beginning of the list is a set of flags that a compiler accepts. Does not run a compiler.

use std::collections::BTreeSet;

/// A bundle as a list of single steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    steps: Vec<Step>,
    /// What is switched off in any case.
    off: Vec<String>,
}

/// One step of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A level of the psABI, which replaces the one before.
    Level(String),
    /// A flag that is added.
    Flag(String),
}

/// What a compiler tells of a target.
#[derive(Clone, Copy, Debug)]
pub struct Answers<'a> {
    /// Output of the driver with `-###`.
    pub driver: &'a str,
    /// Output of `-Q --help=target` for the target, and for each psABI level from `x86-64-v2` on.
    pub target: &'a str,
    /// The levels with their names.
    pub levels: &'a [(String, String)],
}

impl Bundle {
    /// The bundle that a compiler tells of; empty when it tells nothing that can be read.
    pub fn of(answers: Answers<'_>) -> Self {
        let wanted = features(answers.target);
        let mut steps = Vec::new();
        let mut have = BTreeSet::new();
        for (name, text) in answers.levels {
            let level = features(text);
            if level.is_empty() || !level.is_subset(&wanted) {
                break;
            }
            steps.push(Step::Level(name.clone()));
            have = level;
        }
        let (passed, mut tuning) = passed(answers.driver);
        // A target with a name brings its tuning with it, and the driver need not say so.
        if tuning.is_empty() {
            tuning.extend(tune(answers.target));
        }
        let beyond = wanted.difference(&have).filter(|f| passed.is_empty() || passed.contains(*f));
        let mut beyond: Vec<&String> = beyond.collect();
        beyond.sort_by_key(|feature| (foundation(feature), (*feature).clone()));
        steps.extend(beyond.into_iter().map(|feature| Step::Flag(feature.clone())));
        steps.extend(tuning.into_iter().map(Step::Flag));
        Self { steps, off: Vec::new() }
    }

    /// Steps.
    pub const fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is nothing to take apart.
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The flags of the first steps, as they are given to the compiler.
    pub fn first(&self, steps: usize) -> Vec<String> {
        let kept = || self.steps.iter().take(steps);
        let level = kept().fold(None, |level, step| match step {
            Step::Level(name) => Some(format!("-march={name}")),
            Step::Flag(_) => level,
        });
        let flags = kept().filter_map(|step| match step {
            Step::Level(_) => None,
            Step::Flag(flag) => Some(flag.clone()),
        });
        level.into_iter().chain(flags).chain(self.off.iter().cloned()).collect()
    }

    /// All flags, as they are given to the compiler.
    pub fn all(&self) -> Vec<String> {
        self.first(self.steps.len())
    }

    /// The bundle without one step. A feature is switched off besides, because others may bring it with
    /// them.
    #[must_use]
    pub fn less(&self, step: usize) -> Self {
        let mut rest = self.clone();
        if step < rest.steps.len()
            && let Step::Flag(flag) = rest.steps.remove(step)
            && let Some(feature) = flag.strip_prefix("-m").filter(|_| is_feature(&flag))
        {
            rest.off.push(format!("-mno-{feature}"));
        }
        rest
    }

    /// One step in words.
    pub fn name(&self, step: usize) -> String {
        match self.steps.get(step) {
            Some(Step::Level(name)) => format!("-march={name}"),
            Some(Step::Flag(flag)) => flag.clone(),
            None => String::new(),
        }
    }

    /// How many steps have the names of psABI levels.
    pub fn levels(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Level(_))).count()
    }
}

/// Features that `-Q --help=target` calls enabled, as flags.
fn features(text: &str) -> BTreeSet<String> {
    let feature = |line: &str| {
        let (flag, state) = line.trim().split_once(char::is_whitespace)?;
        let is_on = state.trim() == "[enabled]" && is_feature(flag);
        is_on.then(|| flag.to_owned())
    };
    text.lines().filter_map(feature).collect()
}

/// What `-Q --help=target` says that code is tuned for, as a flag.
fn tune(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("-mtune="))?.trim();
    (!value.is_empty()).then(|| format!("-mtune={value}"))
}

/// Switches of `--help=target` that are no instruction sets; they do not differ by processor.
fn is_feature(flag: &str) -> bool {
    const PREFIXES: [&str; 8] = ["-mavx", "-msse", "-mbmi", "-maes", "-msha", "-mv", "-mf", "-mx"];
    const WHOLE: [&str; 24] = [
        "-mabm",
        "-madx",
        "-mclflushopt",
        "-mclwb",
        "-mclzero",
        "-mcrc32",
        "-mcx16",
        "-mgfni",
        "-mhreset",
        "-mlzcnt",
        "-mmovbe",
        "-mmovdir64b",
        "-mmovdiri",
        "-mmwaitx",
        "-mpclmul",
        "-mpku",
        "-mpopcnt",
        "-mprfchw",
        "-mptwrite",
        "-mrdpid",
        "-mrdrnd",
        "-mrdseed",
        "-msahf",
        "-mwbnoinvd",
    ];
    const NOT: [&str; 6] = [
        "-mfancy-math-387",
        "-mfp-ret-in-387",
        "-mvzeroupper",
        "-mvect8-ret-in-mem",
        "-mavx256-split-unaligned-load",
        "-mavx256-split-unaligned-store",
    ];
    let known = PREFIXES.iter().any(|p| flag.starts_with(p)) || WHOLE.contains(&flag);
    known && !NOT.contains(&flag) && !flag.contains('=')
}

/// Features that others rest on come first: `-mavx512vl` brings `-mavx512f` with it.
fn foundation(feature: &str) -> u8 {
    match feature {
        "-mavx512f" => 1,
        "-mavx512cd" => 2,
        "-mavx512bw" => 3,
        "-mavx512dq" => 4,
        "-mavx512vl" => 5,
        f if f.starts_with("-mavx512") => 6,
        _ => 0,
    }
}

/// What the driver passes on to the compiler: features that are on, and the tuning with its
/// parameters.
fn passed(driver: &str) -> (BTreeSet<String>, Vec<String>) {
    // The driver repeats its own options; the compiler's command line is the long one.
    let lines = driver.lines().filter(|line| line.contains("-march="));
    let line = lines.max_by_key(|line| line.len()).unwrap_or_default();
    let words: Vec<String> = crate::inventory::split_words(line);
    let mut features = BTreeSet::new();
    let (mut tuning, mut parameters) = (Vec::new(), Vec::new());
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--param" => parameters.extend(words.next().map(|value| format!("--param={value}"))),
            tune if tune.starts_with("-mtune=") => tuning = vec![tune.to_owned()],
            flag if flag.starts_with("-mno-") => {}
            flag if is_feature(flag) => drop(features.insert(flag.to_owned())),
            _ => {}
        }
    }
    tuning.extend(parameters);
    (features, tuning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DRIVER: &str = " /usr/lib/cc1 -E -quiet /dev/null \"-march=znver3\" -msse4.2 -mavx2 -mno-fma4 \
        -mavx512vl -mavx512f -msha --param \"l1-cache-size=48\" \"-mtune=znver3\" -dumpbase null\n\
        COLLECT_GCC_OPTIONS='-march=native' '-E'\n";

    fn target(features: &[&str]) -> String {
        let line = |f: &&str| format!("  {f}      \t\t[enabled]\n");
        let mut text = "The following options are target specific:\n".to_owned();
        text.extend(features.iter().map(line));
        text + "  -mtune=    znver3\n  -mavx512er   [disabled]\n  -mred-zone  [enabled]\n"
    }

    fn bundle() -> Bundle {
        let levels = [
            ("x86-64-v2".to_owned(), target(&["-msse4.2"])),
            ("x86-64-v3".to_owned(), target(&["-msse4.2", "-mavx2"])),
        ];
        let all = target(&["-msse4.2", "-mavx2", "-mavx512f", "-mavx512vl", "-msha"]);
        Bundle::of(Answers { driver: DRIVER, target: &all, levels: &levels })
    }

    #[test]
    fn a_bundle_is_levels_then_features_then_tuning() {
        let bundle = bundle();
        let names: Vec<_> = (0..bundle.len()).map(|n| bundle.name(n)).collect();
        assert_eq!(
            names,
            [
                "-march=x86-64-v2",
                "-march=x86-64-v3",
                "-msha",
                "-mavx512f",
                "-mavx512vl",
                "-mtune=znver3",
                "--param=l1-cache-size=48",
            ]
        );
        assert_eq!(bundle.levels(), 2);
    }

    #[test]
    fn every_beginning_is_a_set_of_flags() {
        let bundle = bundle();
        assert_eq!(bundle.first(0), [] as [&str; 0]);
        assert_eq!(bundle.first(1), ["-march=x86-64-v2"]);
        assert_eq!(bundle.first(3), ["-march=x86-64-v3", "-msha"]);
        let all = bundle.less(4).all();
        assert!(!all.contains(&"-mavx512vl".to_owned()) && all.len() == 6, "{all:?}");
        assert_eq!(all.last().unwrap(), "-mno-avx512vl", "others may bring it with them");
        assert_eq!(bundle.less(5).all().len(), 5, "what is tuned for is left out");
        assert_eq!(bundle.less(3).less(3).first(0), ["-mno-avx512f", "-mno-avx512vl"]);
        assert_eq!(bundle.less(1).first(2), ["-march=x86-64-v2", "-msha"]);
        assert_eq!(bundle.less(99), bundle);
    }

    #[test]
    fn a_target_with_a_name_brings_its_tuning() {
        let all = target(&["-msse4.2", "-mmovbe"]);
        let driver = " cc1 /dev/null -march=haswell\n";
        let bundle = Bundle::of(Answers { driver, target: &all, levels: &[] });
        assert_eq!(bundle.first(9), ["-mmovbe", "-msse4.2", "-mtune=znver3"]);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(driver in "\\PC{0,80}", target in "(  -m\\PC{0,8} \\[enabled\\]\n){0,4}") {
            let bundle = Bundle::of(Answers { driver: &driver, target: &target, levels: &[] });
            prop_assert_eq!(bundle.first(bundle.len()).len(), bundle.len());
        }
    }
}
