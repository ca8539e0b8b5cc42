//! rustc, clippy-driver and rustdoc.
//!
//! Does not know files: how large a crate is follows from the folder of its root, whose sources
//! whoever asks adds up.

use std::path::{Path, PathBuf};

use super::key::{self, Settings};
use super::{Draft, Invocation, Kind, Model};

/// Options whose argument is the next word, beside those that are read.
const TAKING: &[&str] = &[
    "--edition",
    "--error-format",
    "--json",
    "--check-cfg",
    "-L",
    "-l",
    "-o",
    "--out-dir",
    "--cap-lints",
    "--sysroot",
    "--remap-path-prefix",
    "-W",
    "-A",
    "-D",
    "-F",
    "--warn",
    "--allow",
    "--deny",
    "--forbid",
    "--color",
    "--diagnostic-width",
    "--env-set",
    "--explain",
    "--crate-version",
    "--html-in-header",
    "--html-before-content",
    "--html-after-content",
    "--markdown-css",
    "--document-private-items-in",
    "--theme",
    "--extern-html-root-url",
    "--passes",
    "--output",
    "--test-args",
    "--runtool",
    "--runtool-arg",
    "--resource-suffix",
];

/// `-C` settings that change memory a little.
const FINE: &[&str] = &[
    "codegen-units",
    "target-cpu",
    "target-feature",
    "panic",
    "debug-assertions",
    "overflow-checks",
    "instrument-coverage",
    "split-debuginfo",
    "inline-threshold",
    "embed-bitcode",
];

/// A command line, read.
#[derive(Debug, Default)]
struct Line<'a> {
    question: bool,
    test: bool,
    name: Option<&'a str>,
    types: Vec<&'a str>,
    emit: Vec<&'a str>,
    codegen: Vec<(&'a str, &'a str)>,
    unstable: Vec<&'a str>,
    features: Vec<&'a str>,
    libraries: Vec<&'a str>,
    dependencies: usize,
    target: Option<&'a str>,
    root: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn read(arguments: &[&'a str]) -> Self {
        let mut line = Self::default();
        let mut rest = arguments.iter().copied();
        while let Some(word) = rest.next() {
            let (option, attached) = split(word);
            match option {
                _ if TAKING.contains(&word) => drop(rest.next()),
                "-C" | "--codegen" | "-Z" | "--crate-name" | "--crate-type" | "--emit"
                | "--cfg" | "--extern" | "--target" | "--print" => {
                    if let Some(value) = attached.or_else(|| rest.next()) {
                        line.option(option, value);
                    }
                }
                _ => line.flag(word),
            }
        }
        line
    }

    fn option(&mut self, option: &str, value: &'a str) {
        match option {
            "-C" | "--codegen" => {
                let (key, value) = value.split_once('=').unwrap_or((value, ""));
                self.codegen.push((key, value));
            }
            "-Z" => self.unstable.push(value),
            "--crate-name" => self.name = Some(value),
            "--crate-type" => self.types.extend(value.split(',')),
            "--emit" => {
                self.emit.extend(value.split(',').filter_map(|kind| kind.split('=').next()));
            }
            "--cfg" if value.starts_with("feature") => self.features.push(value),
            "--extern" => {
                self.dependencies += 1;
                self.libraries.extend(value.split_once('=').map(|(_, path)| path));
            }
            "--target" => self.target = Some(value),
            // These two are told by a compilation that really happens.
            "--print" => self.question |= !matches!(value, "native-static-libs" | "link-args"),
            _ => {}
        }
    }

    fn flag(&mut self, word: &'a str) {
        match word {
            "--test" => self.test = true,
            "-O" => self.codegen.push(("opt-level", "3")),
            "-g" => self.codegen.push(("debuginfo", "2")),
            "-V" | "-vV" | "-Vv" | "--version" | "-h" | "--help" => self.question = true,
            _ if self.root.is_none() && (word == "-" || !word.starts_with('-')) => {
                self.root = Some(word);
            }
            _ => {}
        }
    }

    /// The last word on a `-C` setting.
    fn codegen(&self, key: &str) -> Option<&'a str> {
        self.codegen.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    fn is_type(&self, name: &str) -> bool {
        self.types.contains(&name)
    }

    /// Whether machine code is made at all.
    fn generates(&self) -> bool {
        self.emit.is_empty()
            || self.emit.iter().any(|kind| !matches!(*kind, "metadata" | "dep-info" | "mir"))
    }

    /// Whether a linker runs at the end.
    fn links(&self) -> bool {
        let program = self.test
            || self.types.is_empty()
            || ["bin", "dylib", "cdylib", "proc-macro"].iter().any(|kind| self.is_type(kind));
        program && (self.emit.is_empty() || self.emit.contains(&"link"))
    }

    fn lto(&self) -> Lto {
        match self.codegen("lto") {
            None | Some("off" | "no" | "n" | "false") => Lto::None,
            Some("thin") => Lto::Thin,
            Some(_) => Lto::Fat,
        }
    }

    fn optimised(&self) -> bool {
        self.codegen("opt-level").is_some_and(|level| level != "0")
    }

    fn debug(&self) -> bool {
        self.codegen("debuginfo").is_some_and(|level| !matches!(level, "0" | "none"))
    }

    fn threads(&self) -> Option<f64> {
        let threads = self.unstable.iter().find_map(|option| option.strip_prefix("threads="))?;
        threads.parse::<u16>().ok().map(f64::from)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lto {
    None,
    Thin,
    Fat,
}

/// `--emit=link` and `-Copt-level=3` carry their argument, `--emit link` does not.
fn split(word: &str) -> (&str, Option<&str>) {
    if word.starts_with("--") {
        return word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
    }
    match word.split_at_checked(2) {
        Some((option @ ("-C" | "-Z"), value)) if !value.is_empty() => (option, Some(value)),
        _ => (word, None),
    }
}

pub(super) fn recognise(invocation: &Invocation<'_>, tool: &str, arguments: &[&str]) -> Kind {
    // As a wrapper of rustc, clippy-driver is told what it wraps.
    let wrapped = |first: &&str| first.ends_with("/rustc") || *first == "rustc";
    let arguments = match arguments.split_first() {
        Some((first, rest)) if tool == "clippy-driver" && wrapped(first) => rest,
        _ => arguments,
    };
    // rustup is told a toolchain in front of all else.
    let arguments = match arguments.split_first() {
        Some((first, rest)) if first.starts_with('+') => rest,
        _ => arguments,
    };
    let line = Line::read(arguments);
    let Some(root) = line.root.filter(|_| !line.question) else { return Kind::Probe };
    if root == "-" {
        // Nobody pipes a crate; build scripts ask in this way what a compiler knows.
        return Kind::Light;
    }
    let step = step(tool, &line);
    let made = Made { name: crate_name(&line, root), root, step };
    draft(invocation, tool, &line, &made).unit()
}

/// What is made.
struct Made<'a> {
    name: String,
    root: &'a str,
    step: &'static str,
}

fn crate_name(line: &Line<'_>, root: &str) -> String {
    let stem = || key::file_name(root).trim_end_matches(".rs").replace('-', "_");
    line.name.map_or_else(stem, str::to_owned)
}

fn step(tool: &str, line: &Line<'_>) -> &'static str {
    let build_script = line.name.is_some_and(|name| name.starts_with("build_script_"));
    match tool {
        "rustdoc" if line.test => "doctest",
        "rustdoc" => "doc",
        _ if build_script => "build-script",
        _ if line.test => "test",
        _ => ["proc-macro", "cdylib", "dylib", "staticlib", "rlib", "lib"]
            .into_iter()
            .find(|kind| line.is_type(kind))
            .unwrap_or("bin"),
    }
}

fn draft(invocation: &Invocation<'_>, tool: &str, line: &Line<'_>, made: &Made<'_>) -> Draft {
    let package = invocation.variable("CARGO_PKG_NAME");
    let checks = !line.generates() && tool != "rustdoc";
    Draft {
        tool: tool.to_owned(),
        step: if checks { format!("{} check", made.step) } else { made.step.to_owned() },
        subject: subject(invocation, made),
        label: label(package, made, checks),
        package: package.map(str::to_owned),
        settings: settings(line),
        inputs: inputs(invocation.cwd, line, made),
        model: model(tool, line, made.step, checks),
    }
}

/// Package, version, and the crate where it is called otherwise. Without cargo, the root's path.
fn subject(invocation: &Invocation<'_>, made: &Made<'_>) -> String {
    let Some(package) = invocation.variable("CARGO_PKG_NAME") else {
        return format!("{} {}", made.name, key::place(invocation.cwd, made.root));
    };
    let named = match invocation.variable("CARGO_PKG_VERSION") {
        Some(version) => format!("{package}-{version}"),
        None => package.to_owned(),
    };
    if package.replace('-', "_") == made.name { named } else { format!("{named}/{}", made.name) }
}

fn label(package: Option<&str>, made: &Made<'_>, checks: bool) -> String {
    let name = match package {
        Some(package) if package.replace('-', "_") == made.name => package,
        Some(package) if made.step == "build-script" => package,
        _ => made.name.as_str(),
    };
    let what = match made.step {
        "build-script" => " (build script)",
        "test" => " (test)",
        "doc" => " (doc)",
        "doctest" => " (doctests)",
        _ if checks => " (check)",
        _ => "",
    };
    format!("{name}{what}")
}

fn settings(line: &Line<'_>) -> Settings {
    let mut settings = Settings::default();
    settings.coarse(if line.optimised() { "optimised" } else { "plain" });
    settings.coarse(format!("{:?}", line.lto()));
    if line.debug() {
        settings.coarse("debug");
    }
    if line.codegen("linker-plugin-lto").is_some() {
        settings.coarse("bitcode only");
    }
    for (key, default) in [("opt-level", "0"), ("debuginfo", "0"), ("lto", "off")] {
        settings.fine(format!("{key}={}", line.codegen(key).unwrap_or(default)));
    }
    for key in FINE {
        if let Some(value) = line.codegen(key) {
            settings.fine(format!("{key}={value}"));
        }
    }
    let linker = line.codegen.iter().filter(|(key, value)| {
        key.starts_with("link-arg") && value.contains("fuse-ld") || *key == "linker-flavor"
    });
    linker.for_each(|(_, value)| settings.fine(key::without_folders(value)));
    line.features.iter().for_each(|feature| settings.fine(*feature));
    let telling = |option: &&&str| {
        ["threads=", "sanitizer=", "codegen-backend="].iter().any(|head| option.starts_with(head))
    };
    line.unstable.iter().filter(telling).for_each(|option| settings.fine(*option));
    if let Some(target) = line.target {
        // A target may be the path of its description.
        settings.fine(format!("target={}", key::file_name(target)));
    }
    settings
}

/// The folder of a crate's root, and the libraries that are linked.
fn inputs(cwd: &Path, line: &Line<'_>, made: &Made<'_>) -> Vec<PathBuf> {
    let root = key::absolute(cwd, made.root);
    let whole = matches!(key::file_name(made.root).as_str(), "lib.rs" | "main.rs")
        && root.parent().is_some_and(|folder| folder != cwd && folder.parent().is_some());
    let sources = root.parent().filter(|_| whole).map_or(root.clone(), Path::to_path_buf);
    let libraries =
        line.libraries.iter().filter(|path| line.links() && key::ending(path) == "rlib");
    std::iter::once(sources).chain(libraries.map(|path| key::absolute(cwd, path))).collect()
}

// First guesses. Measured with rustc 1.95 on x86-64, largest process, over the crates of ripgrep 14
// and of this workspace. A crate is the sources in the root's folder.

/// Crates without many dependencies: 112 (150 kB), 216 (210 kB), 165 (550 kB), 288 (1.6 MB), 341
/// (2.5 MB), 547 (2.7 MB) MiB; optimising
/// changes this by less than 10 % up to some crates with 30 %.
const LIBRARY: Model = Model::source(128, 280.0);
/// What each direct dependency adds, in MiB, by what is read of it and made of its generics: crates
/// of 150 and 400 kB with a dozen dependencies took 280 and 332 MiB.
const DEPENDENCY_MIB: u64 = 7;
/// Without code: 245 instead of 284, 261 instead of 335 MiB.
const CHECKED: f64 = 0.8;
/// One codegen unit holds the whole crate at once: 496 instead of 359, 349 instead of 292 MiB.
const ONE_CODEGEN_UNIT: f64 = 1.25;
/// Few codegen units hold more at once: 430 instead of 332, 283 instead of 269 MiB for four.
const FEW_CODEGEN_UNITS: f64 = 1.15;
/// Build scripts: 100 to 130 MiB, whether or not 6 MB of libraries are linked.
const BUILD_SCRIPT: Model = Model::object(136, 3.0);
/// Programs and tests: 303 (22 MB of libraries), 332 (15 MB), 317 (53 MB), 445 MiB (68 MB).
const PROGRAM: Model = Model::object(240, 3.5);
/// Thin LTO: 346 MiB for 11 MB of libraries.
const THIN: Model = Model::object(176, 18.0);
/// Fat LTO: 550 MiB for 8 MB of libraries without debug information, 758 MiB for 10 MB with lines.
const FAT: Model = Model::object(192, 45.0);
/// What debug information adds to fat LTO.
const FAT_DEBUG: f64 = 1.3;
/// rustdoc compiles and runs one program after another for documentation tests. An estimate.
const DOCTESTS: Model = Model::source(384, 280.0);
/// Threads, from processor time over running time: libraries 0.95 to 1.3, programs 1.2 to 1.5.
const LIBRARY_THREADS: f64 = 1.1;
const PROGRAM_THREADS: f64 = 1.4;

fn model(tool: &str, line: &Line<'_>, step: &str, checks: bool) -> Model {
    let dependencies = u64::try_from(line.dependencies).unwrap_or(u64::MAX).min(64);
    let library = LIBRARY.and_mib(dependencies * DEPENDENCY_MIB).times(codegen_units(line));
    let model = match (step, line.lto()) {
        ("doctest", _) => DOCTESTS.with_threads(PROGRAM_THREADS),
        _ if checks || tool == "rustdoc" => library.times(CHECKED),
        ("build-script", _) => BUILD_SCRIPT,
        (_, Lto::Fat) if line.links() && line.debug() => FAT.times(FAT_DEBUG),
        (_, Lto::Fat) if line.links() => FAT,
        (_, Lto::Thin) if line.links() => THIN.with_threads(PROGRAM_THREADS),
        _ if line.links() => PROGRAM.with_threads(PROGRAM_THREADS),
        _ if line.codegen("codegen-units") == Some("1") => library,
        _ => library.with_threads(LIBRARY_THREADS),
    };
    line.threads().map_or(model, |threads| model.with_threads(threads.max(1.0)))
}

fn codegen_units(line: &Line<'_>) -> f64 {
    match line.codegen("codegen-units").and_then(|units| units.parse::<u32>().ok()) {
        Some(0 | 1) => ONE_CODEGEN_UNIT,
        Some(2..=4) => FEW_CODEGEN_UNITS,
        _ => 1.0,
    }
}
