//! Packages that can be tried: where they come from, how they are built, what is measured of them.
//!
//! The built-in ones are files in `packages` beside this one, and a workspace manifest has the same
//! tables: `[trials.NAME]`. Does not know machines or compilers, nor what a build costs here.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::treatment::Treatment;
use crate::build::Source;
use crate::diagnostic::{Diagnostic, nearest};
use crate::inventory::split_words;
use crate::settings::catalogue;
use crate::settings::catalogue::pgo::{C_PGO_LEVEL, RUST_PGO_LEVEL};
use crate::settings::catalogue::python::PYTHON_PGO_LEVEL;
use crate::settings::knob::{self, Knob};

/// What flags it is built with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// C and C++.
    #[default]
    C,
    /// Rust, by Cargo.
    Rust,
    /// CPython itself: C, whose own makefile makes a profile and uses it.
    Cpython,
}

impl Language {
    /// Whether `CFLAGS` say how it is compiled.
    pub const fn is_c(self) -> bool {
        matches!(self, Self::C | Self::Cpython)
    }

    /// Whether a knob is one of its own, and no other language's.
    pub fn takes(self, knob: &str) -> bool {
        use knob::Language as Of;
        catalogue::knob(knob).is_some_and(|knob| match knob.language {
            Of::System => true,
            Of::Cpp | Of::Linker => self.is_c(),
            Of::Rust => self == Self::Rust,
            Of::Python => self == Self::Cpython,
            Of::Go | Of::Cuda | Of::Node | Of::Nix => false,
        })
    }

    /// The knob that says how much of a profile it is built with.
    pub const fn pgo_level(self) -> &'static Knob {
        match self {
            Self::C => &C_PGO_LEVEL,
            Self::Rust => &RUST_PGO_LEVEL,
            Self::Cpython => &PYTHON_PGO_LEVEL,
        }
    }
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name, under which evidence and decisions are kept.
    pub name: String,
    /// What it is, in one line.
    pub summary: String,
    /// Where its source comes from: a crate or a directory. Absent where no registry has it, so that
    /// the user has to name a directory.
    pub source: Option<Source>,
    /// Folder of the source that is built; all of it when empty.
    pub folder: String,
    /// Language.
    pub language: Language,
    /// Files that are written into the source before it is built: name and text.
    pub files: Vec<(String, String)>,
    /// Commands that build it.
    pub steps: Vec<BuildStep>,
    /// Files that count as its size, and that are kept, relative to the source.
    pub artefacts: Vec<String>,
    /// File in which a small change is made, to see what a rebuild takes; absent where nobody asks.
    pub edit: Option<String>,
    /// Commands that make, of a build, what the workloads run: with fixed flags.
    pub harness: Vec<String>,
    /// What is tried when nothing is named.
    pub treatments: Vec<Treatment>,
    /// What is measured.
    pub workloads: Vec<Workload>,
}

/// One command of a build.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildStep {
    /// What it does.
    pub title: String,
    /// The command line, with placeholders.
    pub run: String,
    /// Whether it is run again after a small change.
    #[serde(default)]
    pub again: bool,
}

/// Something that a build is used for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Command that a profile is trained with.
    pub train: String,
    /// Command that is measured; it does the same work each time, on other input.
    pub judge: String,
    /// Objects in which it spends its time, relative to the source: a bundle of flags is taken apart
    /// by compiling these alone anew. Everything when empty.
    #[serde(default)]
    pub hot: Vec<String>,
}

impl Package {
    /// The workload of a name.
    pub fn workload(&self, name: &str) -> Option<&Workload> {
        self.workloads.iter().find(|workload| workload.name == name)
    }

    /// Every command line of it.
    fn commands(&self) -> impl Iterator<Item = &str> {
        let steps = self.steps.iter().map(|step| step.run.as_str());
        let harness = self.harness.iter().map(String::as_str);
        let workloads = self.workloads.iter().flat_map(|w| [w.train.as_str(), w.judge.as_str()]);
        steps.chain(harness).chain(workloads)
    }
}

/// A source that can be tried.
///
/// # Errors
/// A text that is no source, or one of a registry whose packages are not unpacked for a trial.
pub fn triable(text: &str) -> Result<Source, String> {
    let source = text.parse::<Source>().map_err(|error| error.to_string())?;
    match source {
        Source::Crate { .. } | Source::Path(_) => Ok(source),
        _ => Err(format!("{source} cannot be tried: write crate:NAME@VERSION or path:DIR")),
    }
}

/// Placeholders of command lines.
pub const PLACEHOLDERS: &[&str] = &[
    "ar",
    "cc",
    "cflags",
    "configure",
    "cxx",
    "cxxflags",
    "jobs",
    "ldflags",
    "lto",
    "out",
    "prefix",
    "tree",
];

/// Fills placeholders in; what has no value stays.
pub fn fill(command: &str, values: &BTreeMap<&str, String>) -> String {
    values
        .iter()
        .fold(command.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Words between braces that could be meant as placeholders.
fn placeholders(command: &str) -> Vec<&str> {
    let after = command.split('{').skip(1);
    let name = |text: &str| text.find('}').and_then(|end| text.get(..end)).map(str::len);
    after
        .filter_map(|text| text.get(..name(text)?))
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase()))
        .collect()
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    trials: BTreeMap<Spanned<String>, Spanned<Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    #[serde(default)]
    summary: String,
    source: Option<Spanned<String>>,
    #[serde(default)]
    folder: String,
    #[serde(default)]
    language: Language,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    steps: Vec<BuildStep>,
    #[serde(default)]
    artefacts: Vec<String>,
    #[serde(default)]
    edit: Option<String>,
    #[serde(default)]
    harness: Vec<String>,
    #[serde(default)]
    treatments: Vec<Spanned<String>>,
    #[serde(default)]
    workloads: Vec<Spanned<Workload>>,
}

/// Reads the packages of a file, and every mistake in them; of a file that is no TOML the first. What
/// else the file holds is left to others.
pub fn parse(path: &str, text: &str) -> (Vec<Package>, Vec<Diagnostic>) {
    let mut reader = Reader { path, text, found: Vec::new() };
    let file = match toml::from_str::<File>(text) {
        Ok(file) => file,
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().to_owned();
            return (Vec::new(), vec![Diagnostic::new(path, text, span, message)]);
        }
    };
    let mut packages = Vec::new();
    for (name, table) in file.trials {
        packages.extend(reader.package(&name, table));
    }
    reader.found.sort_by_key(|d| (d.line, d.column));
    (packages, reader.found)
}

struct Reader<'a> {
    path: &'a str,
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn report(&mut self, span: std::ops::Range<usize>, message: String, help: Option<String>) {
        let diagnostic = Diagnostic::new(self.path, self.text, span, message);
        self.found.push(match help {
            Some(help) => diagnostic.with_help(help),
            None => diagnostic,
        });
    }

    fn package(&mut self, name: &Spanned<String>, table: Spanned<Table>) -> Option<Package> {
        let before = self.found.len();
        let span = name.span();
        let table = table.into_inner();
        let source = table.source.as_ref().and_then(|source| self.source(source));
        let treatments = table.treatments.iter().filter_map(|t| self.treatment(t)).collect();
        let workloads = self.workloads(&table.workloads);
        if table.steps.is_empty() || workloads.is_empty() {
            let message = format!("trials.{} needs steps and workloads", name.as_ref());
            let help = "write [[trials.NAME.steps]] with title and run, and [[trials.NAME.workloads]] \
                        with name, train and judge";
            self.report(span.clone(), message, Some(help.to_owned()));
        }
        if !is_a_name(name.as_ref()) {
            let message = format!("\"{}\" cannot name a package", name.as_ref());
            let help = "its builds are kept in a folder of that name: letters, digits, - and _";
            self.report(span.clone(), message, Some(help.to_owned()));
        }
        let package = Package {
            name: name.as_ref().clone(),
            summary: table.summary,
            source,
            folder: table.folder,
            language: table.language,
            files: table.files.into_iter().collect(),
            steps: table.steps,
            artefacts: table.artefacts,
            edit: table.edit,
            harness: table.harness,
            treatments,
            workloads,
        };
        self.paths(&package, &span);
        self.placeholders(&package, &span);
        (self.found.len() == before).then_some(package)
    }

    fn source(&mut self, text: &Spanned<String>) -> Option<Source> {
        match triable(text.as_ref()) {
            Ok(source) => Some(source),
            Err(message) => {
                self.report(text.span(), message, None);
                None
            }
        }
    }

    fn treatment(&mut self, text: &Spanned<String>) -> Option<Treatment> {
        match text.as_ref().parse::<Treatment>() {
            Ok(treatment) => Some(treatment),
            Err(message) => {
                self.report(text.span(), message, None);
                None
            }
        }
    }

    fn workloads(&mut self, tables: &[Spanned<Workload>]) -> Vec<Workload> {
        let mut found: Vec<Workload> = Vec::new();
        for table in tables {
            let workload = table.as_ref();
            let name = &workload.name;
            if found.iter().any(|other| other.name == *name) {
                self.report(table.span(), format!("there are two workloads \"{name}\""), None);
            }
            if workload.train.trim() == workload.judge.trim() {
                let help = "a profile that is judged by what it was trained with always looks good";
                let message = format!("{name} is trained and judged by the same command");
                self.report(table.span(), message, Some(help.to_owned()));
            }
            if !is_one_command(&workload.judge) {
                let message = format!("{name} is judged by more than one command");
                let help = "what is measured starts without a shell: write sh -c '...'".to_owned();
                self.report(table.span(), message, Some(help));
            }
            found.push(workload.clone());
        }
        found
    }

    /// Files stay within the source.
    fn paths(&mut self, package: &Package, span: &std::ops::Range<usize>) {
        let named = package.files.iter().map(|(name, _)| name);
        let hot = package.workloads.iter().flat_map(|workload| &workload.hot);
        let all = named.chain(hot).chain(&package.artefacts).chain(&package.edit);
        let wrong: Vec<_> = all.filter(|path| leaves(path)).cloned().collect();
        let folder = Some(&package.folder).filter(|folder| leaves(folder)).cloned();
        for path in wrong.into_iter().chain(folder) {
            let help = "files are named relative to the source".to_owned();
            self.report(span.clone(), format!("\"{path}\" leads out of the source"), Some(help));
        }
    }

    fn placeholders(&mut self, package: &Package, span: &std::ops::Range<usize>) {
        let used: Vec<&str> = package.commands().flat_map(placeholders).collect();
        for name in used.into_iter().filter(|name| !PLACEHOLDERS.contains(name)) {
            let help = match nearest(name, PLACEHOLDERS.iter().copied()) {
                Some(near) => format!("did you mean {{{near}}}?"),
                None => format!("there are {}", PLACEHOLDERS.join(", ")),
            };
            self.report(span.clone(), format!("nothing fills {{{name}}} in"), Some(help));
        }
    }
}

/// Whether a folder can be called so.
fn is_a_name(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "-_.+".contains(c);
    !text.is_empty() && !text.starts_with('.') && text.chars().all(fits)
}

/// Whether nothing of a line is left out when it starts without a shell.
fn is_one_command(line: &str) -> bool {
    let mark = "\u{1}";
    split_words(&format!("{line} {mark}")).last().is_some_and(|word| word == mark)
}

fn leaves(path: &str) -> bool {
    path.starts_with('/') || path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "[trials.demo]\nsource = \"path:demo\"\ntreatments = [\"c-opt-level=3\"]\n\
        [[trials.demo.steps]]\ntitle = \"build\"\nrun = \"make CFLAGS='{cflags}'\"\n\
        [[trials.demo.workloads]]\nname = \"sum\"\ntrain = \"{out}/sum 1\"\njudge = \"{out}/sum 2\"\n";

    fn mistakes(text: &str) -> String {
        let shown = |d: &Diagnostic| format!("{}:{} {}", d.line, d.column, d.message);
        parse("t", text).1.iter().map(shown).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn languages_take_their_own_settings() {
        assert!(Language::C.takes("c-march") && Language::Cpython.takes("python-pgo-level"));
        assert!(!Language::C.takes("rust-lto") && !Language::Rust.takes("c-march"));
        assert!(Language::Rust.takes("rust-lto") && !Language::C.takes("no-such-knob"));
    }

    #[test]
    fn a_package_is_read() {
        let (found, mistakes) = parse("t", GOOD);
        assert_eq!(mistakes, []);
        assert_eq!((found[0].name.as_str(), found[0].workloads.len()), ("demo", 1));
        let values = BTreeMap::from([("cflags", "-O3".to_owned())]);
        assert_eq!(fill(&found[0].steps[0].run, &values), "make CFLAGS='-O3'");
    }

    #[test]
    fn mistakes_have_their_places() {
        let cases = [
            (GOOD.replace("path:demo", "npm:demo"), "2:10 npm:demo cannot be tried"),
            (GOOD.replace("c-opt-level", "c-opt-lvel"), "3:15 there is no knob \"c-opt-lvel\""),
            (GOOD.replace("cflags", "cflag"), "1:9 nothing fills {cflag} in"),
            (GOOD.replace("sum 2", "sum 1"), "7:1 sum is trained and judged by the same command"),
            (GOOD.replace("trials.demo", "trials.\"../x\""), "1:9 \"../x\" cannot name a package"),
            (GOOD.replace("sum 2", "sum < 2"), "7:1 sum is judged by more than one command"),
            (GOOD.replace("judge", "jugde"), "10:1 unknown field `jugde`"),
            (
                GOOD.replace("[[trials.demo.steps]]", "edit = \"../x\"\n[[trials.demo.steps]]"),
                "1:9 \"../x\" leads",
            ),
        ];
        for (text, expected) in cases {
            let found = mistakes(&text);
            assert!(found.starts_with(expected), "{expected}: {found}");
        }
    }

    #[test]
    fn other_tables_are_left_to_others() {
        assert_eq!(parse("t", "schema = 1\n[packages.x]\nsource = 3\n"), (Vec::new(), Vec::new()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,80}") {
            let _ = parse("t", &text);
        }

        #[test]
        fn any_command_is_read_without_a_panic(command in "[a-zäß{} ]{0,30}") {
            let text = GOOD.replace("{out}/sum 2", &command);
            for diagnostic in parse("t", &text).1 {
                let _ = diagnostic.render(false);
            }
        }
    }
}
