//! The tools behind `go build`, as `-toolexec` passes them on.
//!
//! Does not know files; what a link reads stands in a file that is not opened here.

use super::key::{self, Settings};
use super::{Draft, Invocation, Kind, Model};

/// Tools of a Go installation.
const TOOLS: &[&str] =
    &["compile", "link", "asm", "cgo", "pack", "vet", "buildid", "cover", "covdata", "fix"];

/// Options of `compile` and `link` whose argument is the next word.
const TAKING: &[&str] = &[
    "-o",
    "-p",
    "-trimpath",
    "-lang",
    "-buildid",
    "-goversion",
    "-importcfg",
    "-embedcfg",
    "-symabis",
    "-asmhdr",
    "-D",
    "-I",
    "-L",
    "-installsuffix",
    "-linkobj",
    "-pgoprofile",
    "-coveragecfg",
    "-X",
    "-extld",
    "-extldflags",
    "-buildmode",
    "-r",
    "-k",
    "-H",
    "-T",
    "-R",
    "-I",
    "-linkmode",
    "-cpuprofile",
    "-memprofile",
    "-traceprofile",
    "-importmap",
];

/// The tool's name when a program is one of a Go installation's: it lies in a folder for a system
/// and processor below `tool`.
pub(super) fn tool(program: &str) -> Option<&'static str> {
    let mut parts = program.rsplit('/');
    let name = parts.next()?;
    let below_tool = parts.nth(1) == Some("tool");
    TOOLS.iter().find(|tool| below_tool && **tool == name).copied()
}

/// A command line, read.
#[derive(Debug, Default)]
struct Line<'a> {
    question: bool,
    package: Option<&'a str>,
    output: Option<&'a str>,
    version: Option<&'a str>,
    mode: Option<&'a str>,
    flags: Vec<&'a str>,
    files: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn read(arguments: &[&'a str]) -> Self {
        let mut line = Self::default();
        let mut rest = arguments.iter().copied();
        while let Some(word) = rest.next() {
            let (option, attached) = match word.split_once('=') {
                Some((option, value)) if word.starts_with('-') => (option, Some(value)),
                _ => (word, None),
            };
            // Two dashes are as good as one.
            let option =
                if option.starts_with("--") { option.get(1..).unwrap_or(option) } else { option };
            let value =
                if TAKING.contains(&option) { attached.or_else(|| rest.next()) } else { None };
            match option {
                "-V" => line.question = true,
                "-p" => line.package = value,
                "-o" => line.output = value,
                "-goversion" => line.version = value,
                "-buildmode" => line.mode = value,
                _ if value.is_some() => {}
                _ if word.starts_with('-') => line.flags.push(word),
                _ => line.files.push(word),
            }
        }
        line
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    /// Threads of the compiler's back end.
    fn threads(&self) -> Option<f64> {
        let threads = self.flags.iter().find_map(|flag| flag.strip_prefix("-c="))?;
        threads.parse::<u16>().ok().map(f64::from)
    }
}

pub(super) fn recognise(invocation: &Invocation<'_>, tool: &str, arguments: &[&str]) -> Kind {
    let line = Line::read(arguments);
    match tool {
        _ if line.question => Kind::Probe,
        "compile" | "link" if line.files.is_empty() => Kind::Probe,
        "compile" => compile(invocation, &line),
        "link" => link(invocation, &line),
        _ => Kind::Light,
    }
}

fn compile(invocation: &Invocation<'_>, line: &Line<'_>) -> Kind {
    let package = package(invocation, line);
    let version = line.files.iter().find_map(|file| module_version(file));
    let name = package.clone().unwrap_or_else(|| place_of_first(invocation, line));
    let subject = match version {
        Some(version) => format!("{name}@{version}"),
        None => name.clone(),
    };
    let mut settings = settings(line);
    if told(invocation).is_some_and(|path| path.contains(" [")) {
        settings.coarse("with its tests");
    }
    let threads = line.threads().map_or(1.0, |count| count.clamp(1.0, MOST_USED));
    let draft = Draft {
        tool: "go compile".to_owned(),
        step: String::new(),
        subject,
        label: name,
        package,
        settings,
        inputs: line.files.iter().map(|file| key::absolute(invocation.cwd, file)).collect(),
        model: instrumented(COMPILE, line).with_threads(threads),
    };
    draft.unit()
}

fn link(invocation: &Invocation<'_>, line: &Line<'_>) -> Kind {
    let package = package(invocation, line);
    let output = line.output.map(key::file_name).filter(|name| name != "a.out");
    let label = match (output, &package) {
        // Tests are linked under their own names.
        (Some(output), _) => output,
        (None, Some(package)) => package.clone(),
        (None, None) => "a.out".to_owned(),
    };
    let subject = package.clone().unwrap_or_else(|| {
        line.output.map_or_else(String::new, |output| key::place(invocation.cwd, output))
    });
    let mut settings = settings(line);
    settings.coarse(format!("buildmode={}", line.mode.unwrap_or("exe")));
    settings.coarse(if key::ending(&label) == "test" { "test" } else { "program" });
    let draft = Draft {
        tool: "go link".to_owned(),
        step: String::new(),
        subject,
        label,
        package,
        settings,
        inputs: line.files.iter().map(|file| key::absolute(invocation.cwd, file)).collect(),
        model: instrumented(LINK, line),
    };
    draft.unit()
}

/// The import path, without the test that it may be built for. A program's own `-p` is `main`.
fn package(invocation: &Invocation<'_>, line: &Line<'_>) -> Option<String> {
    let own = line.package.filter(|path| *path != "main");
    let path = told(invocation).or(own).filter(|path| !path.trim().is_empty())?;
    let path = path.split_once(" [").map_or(path, |(path, _)| path);
    (!path.is_empty()).then(|| path.to_owned())
}

fn told<'a>(invocation: &'a Invocation<'_>) -> Option<&'a str> {
    invocation.variable("TOOLEXEC_IMPORTPATH")
}

fn place_of_first(invocation: &Invocation<'_>, line: &Line<'_>) -> String {
    let first = line.files.first().copied().unwrap_or_default();
    key::place(invocation.cwd, first)
}

/// The version in the path of a file in the module cache (`…/yaml.v3@v3.0.1/decode.go`).
fn module_version(file: &str) -> Option<&str> {
    let folders = file.rsplit_once('/')?.0;
    let version = folders.split('/').find_map(|folder| folder.split_once("@v"))?.1;
    (!version.is_empty()).then_some(version)
}

fn settings(line: &Line<'_>) -> Settings {
    let mut settings = Settings::default();
    for flag in ["-race", "-msan", "-asan"] {
        if line.has(flag) {
            settings.coarse(flag);
        }
    }
    if line.has("-N") {
        settings.coarse("plain");
    }
    for flag in ["-l", "-shared", "-dynlink", "-s", "-w"] {
        if line.has(flag) {
            settings.fine(flag);
        }
    }
    if let Some(version) = line.version {
        settings.fine(version);
    }
    settings
}

// First guesses. Measured with go 1.19 on x86-64, over the standard library and the go command.

/// 59 (240 kB), 92 (300 kB), 173 (750 kB), 186 MiB (1.8 MB); small packages 17 to 24.
const COMPILE: Model = Model::source(24, 240.0);
/// 99, 169 and 215 MiB for programs of 6, 15 and 23 MB. The main package, which alone stands in the
/// command line, says nothing about that.
const LINK: Model = Model::object(208, 8.0);
/// The race detector and the sanitizers make more code. An estimate.
const INSTRUMENTED: f64 = 1.4;
/// Only the back end runs in parallel, so more threads than these are not kept busy.
const MOST_USED: f64 = 2.0;

fn instrumented(model: Model, line: &Line<'_>) -> Model {
    let any = ["-race", "-msan", "-asan"].iter().any(|flag| line.has(flag));
    if any { model.times(INSTRUMENTED) } else { model }
}
