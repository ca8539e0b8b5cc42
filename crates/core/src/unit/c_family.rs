//! Compilers for C, C++, Objective-C, Fortran and HIP: gcc's and clang's drivers and what they run.
//!
//! Does not know files, nor which tool stands behind the name `cc`.

use std::ffi::OsStr;
use std::path::Path;

use super::key::{self, Settings};
use super::{Draft, Invocation, Kind, Model, link};
use crate::units::Bytes;

/// Options whose argument is the next word, in order.
const TAKING: &[&str] = &[
    "--param",
    "--sysroot",
    "-B",
    "-D",
    "-I",
    "-L",
    "-MF",
    "-MJ",
    "-MQ",
    "-MT",
    "-T",
    "-U",
    "-Xarch_device",
    "-Xarch_host",
    "-Xassembler",
    "-Xclang",
    "-Xlinker",
    "-Xpreprocessor",
    "-arch",
    "-aux-info",
    "-aux-triple",
    "-auxbase-strip",
    "-coverage-data-file",
    "-coverage-notes-file",
    "-dependency-file",
    "-diagnostic-log-file",
    "-dumpbase",
    "-dumpbase-ext",
    "-dumpdir",
    "-e",
    "-ferror-limit",
    "-framework",
    "-idirafter",
    "-imacros",
    "-imultiarch",
    "-include",
    "-internal-externc-isystem",
    "-internal-isystem",
    "-iprefix",
    "-iquote",
    "-isysroot",
    "-isystem",
    "-iwithprefix",
    "-iwithprefixbefore",
    "-l",
    "-main-file-name",
    "-mllvm",
    "-mrelocation-model",
    "-mthread-model",
    "-o",
    "-pic-level",
    "-plugin",
    "-plugin-arg",
    "-resource-dir",
    "-stack-protector",
    "-target",
    "-target-cpu",
    "-target-feature",
    "-triple",
    "-tune-cpu",
    "-u",
    "-z",
];

/// Options that make a command a question.
const QUESTIONS: &[&str] =
    &["-###", "--version", "-dumpversion", "-dumpmachine", "-dumpfullversion", "-dumpspecs"];
/// Beginnings of options that make a command a question.
const QUESTION_HEADS: &[&str] = &["-print-", "--print-", "--help"];

/// Settings that change memory by much less than the source does: beginnings of options.
const FINE: &[&str] = &[
    "-O",
    "-g",
    "-march=",
    "-mcpu=",
    "-std=",
    "-fprofile",
    "-fcoverage",
    "--coverage",
    "-fopenmp",
    "-fuse-ld=",
    "-ftest-coverage",
    "-fwhole-program",
    "-fno-inline",
    "-funroll",
    "-target-cpu=",
    "--target=",
    "--offload-arch=",
    "-fsyntax-only",
    "-flto",
    "-fno-exceptions",
    "-S",
    "-emit-llvm",
];

/// What is done with the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Compile,
    Preprocess,
    Link,
}

/// A command line, read.
#[derive(Debug, Default)]
struct Line<'a> {
    question: bool,
    preprocess: bool,
    compile: bool,
    output: Option<&'a str>,
    language: Option<&'a str>,
    words: Vec<&'a str>,
    options: Vec<&'a str>,
    cpu: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn read(arguments: &[&'a str]) -> Self {
        let mut line = Self::default();
        let mut rest = arguments.iter().copied();
        while let Some(word) = rest.next() {
            match word {
                "-o" => line.output = rest.next(),
                "-x" => line.language = rest.next(),
                "-target-cpu" => line.cpu = rest.next(),
                _ if word == "-" || !word.starts_with('-') => line.words.push(word),
                _ if TAKING.binary_search(&word).is_ok() => drop(rest.next()),
                _ => line.option(word),
            }
        }
        line
    }

    fn option(&mut self, word: &'a str) {
        match word {
            "-c" | "-S" | "-emit-obj" | "-fsyntax-only" | "-emit-llvm-bc" | "-emit-pch"
            | "--device-link" => self.compile = true,
            "-E" | "-M" | "-MM" => self.preprocess = true,
            _ if QUESTIONS.contains(&word) => self.question = true,
            _ if QUESTION_HEADS.iter().any(|head| begins(word, head)) => self.question = true,
            _ => {}
        }
        if let Some(language) = word.strip_prefix("-x") {
            self.language = Some(language);
        } else if let Some(output) = word.strip_prefix("-o") {
            self.output = Some(output);
        }
        self.options.push(word);
    }

    fn has(&self, head: &str) -> bool {
        self.options.iter().any(|option| begins(option, head))
    }

    /// The last option that begins so: later ones win.
    fn last(&self, head: &str) -> Option<&'a str> {
        self.options.iter().rev().find(|option| begins(option, head)).copied()
    }

    fn optimised(&self) -> bool {
        self.last("-O").is_some_and(|level| level != "-O0")
    }

    fn debug(&self) -> bool {
        let level = |option: &&&str| option.starts_with("-g") && !option.starts_with("-gno");
        let kind = self.last("-debug-info-kind=").is_some_and(|kind| !kind.ends_with("no-info"));
        self.options.iter().rev().find(level).is_some_and(|last| *last != "-g0") || kind
    }

    fn lto(&self) -> bool {
        let choices = self.options.iter().rev();
        // `-flto-partition=` and its like choose how, not whether.
        choices
            .filter(|option| option.starts_with("-flto") || **option == "-fno-lto")
            .find(|option| !option.starts_with("-flto-"))
            .is_some_and(|last| *last != "-fno-lto")
    }

    fn sources(&self) -> Vec<&'a str> {
        let named = self.language.is_some_and(|language| language != "none");
        let is_source = |word: &&&str| {
            **word == "-" || language_of_file(word).is_some() || (named && !link::is_object(word))
        };
        self.words.iter().filter(is_source).copied().collect()
    }
}

/// Whether an option has a certain beginning. Their second letters part most of them.
fn begins(option: &str, head: &str) -> bool {
    option.as_bytes().get(1) == head.as_bytes().get(1) && option.starts_with(head)
}

/// The language that a file's ending stands for.
fn language_of_file(path: &str) -> Option<&'static str> {
    Some(match key::ending(path) {
        "c" | "i" | "h" => "c",
        "cc" | "cp" | "cxx" | "cpp" | "c++" | "C" | "CPP" | "ii" | "hh" | "hpp" | "hxx" | "H"
        | "cppm" | "ixx" => "c++",
        "m" | "mi" => "objc",
        "mm" | "M" | "mii" => "objc++",
        "f" | "for" | "f77" | "f90" | "f95" | "f03" | "f08" | "F" | "F90" => "fortran",
        "s" | "S" | "sx" => "asm",
        "cu" | "cui" | "hip" => "cuda",
        "ll" | "bc" => "ir",
        _ => return None,
    })
}

fn language_of_option(option: &str) -> &'static str {
    match option {
        "c" | "cpp-output" | "c-header" => "c",
        "c++" | "c++-cpp-output" | "c++-header" | "c++-module" => "c++",
        "objective-c" => "objc",
        "objective-c++" => "objc++",
        "assembler" | "assembler-with-cpp" => "asm",
        "cuda" | "hip" => "cuda",
        "ir" => "ir",
        option if option.starts_with('f') => "fortran",
        _ => "other",
    }
}

pub(super) fn recognise(invocation: &Invocation<'_>, tool: &str, arguments: &[&str]) -> Kind {
    let line = Line::read(arguments);
    if line.question || line.words.is_empty() && !invocation.stdin_is_source {
        return Kind::Probe;
    }
    let mut sources = line.sources();
    let only_stdin = line.words.is_empty() || line.words == ["-"];
    if only_stdin {
        sources = vec!["-"];
    }
    match step(tool, &line) {
        Step::Preprocess => Kind::Light,
        _ if is_trial(invocation.cwd, &line.words) => Kind::Light,
        Step::Link if sources.is_empty() => link::by_driver(invocation, tool, &line_of_link(&line)),
        step => compile(invocation, tool, &line, step, &sources),
    }
}

fn step(tool: &str, line: &Line<'_>) -> Step {
    let inner = matches!(tool, "cc1" | "cc1plus" | "cc1obj" | "cc1objplus" | "f951");
    if line.preprocess {
        Step::Preprocess
    } else if line.compile || inner || line.has("-cc1") {
        Step::Compile
    } else {
        Step::Link
    }
}

/// Whether a source is one of the few lines by which configure scripts, CMake and Meson ask what a
/// compiler can do.
fn is_trial(cwd: &Path, words: &[&str]) -> bool {
    let below = has_trial(cwd);
    words.iter().map(Path::new).any(|path| {
        path == Path::new("/dev/null") || has_trial(path) || below && path.is_relative()
    })
}

/// Whether one of a path's components has a name that only trials have.
fn has_trial(path: &Path) -> bool {
    path.iter().filter_map(OsStr::to_str).any(|name| match name {
        "CMakeTmp" | "CMakeScratch" | "CompilerIdC" | "CompilerIdCXX" | "meson-private" => true,
        name => ["conftest.", "testCCompiler.", "testCXXCompiler.", "cmTC_"]
            .iter()
            .any(|head| name.starts_with(head)),
    })
}

fn line_of_link<'a>(line: &Line<'a>) -> link::Line<'a> {
    link::Line {
        output: line.output,
        dump: None,
        inputs: line.words.clone(),
        options: line.options.clone(),
        lto: line.lto(),
        question: false,
    }
}

fn compile(
    invocation: &Invocation<'_>,
    tool: &str,
    line: &Line<'_>,
    step: Step,
    sources: &[&str],
) -> Kind {
    let language = language(tool, line, sources);
    if language == "asm" {
        return Kind::Light;
    }
    let files: Vec<&str> = sources.iter().copied().filter(|source| *source != "-").collect();
    let (label, subject) = names(invocation.cwd, line, &files);
    let links = step == Step::Link;
    let inputs: &[&str] = if links { &line.words } else { &files };
    let draft = Draft {
        tool: tool.to_owned(),
        step: format!("{language} {}", if links { "compile+link" } else { "compile" }),
        subject,
        label,
        package: invocation.variable("CARGO_PKG_NAME").map(str::to_owned),
        settings: settings(line),
        inputs: inputs
            .iter()
            .filter(|path| **path != "-")
            .map(|path| key::absolute(invocation.cwd, path))
            .collect(),
        model: model(tool, line, language, &files, links),
    };
    draft.unit()
}

fn language(tool: &str, line: &Line<'_>, sources: &[&str]) -> &'static str {
    let by_driver = match tool {
        "cc1plus" => Some("c++"),
        "cc1" => Some("c"),
        "f951" => Some("fortran"),
        _ => None,
    };
    let by_option = line.language.filter(|language| *language != "none").map(language_of_option);
    let by_file = || sources.iter().find_map(|source| language_of_file(source));
    let named = by_driver.or(by_option).or_else(by_file).unwrap_or("c");
    // g++ takes C files for C++.
    if named == "c" && tool.ends_with("++") && line.language.is_none() { "c++" } else { named }
}

fn names(cwd: &Path, line: &Line<'_>, files: &[&str]) -> (String, String) {
    let Some(first) = files.first() else {
        let output = line.output.map_or_else(String::new, |path| key::place(cwd, path));
        return ("stdin".to_owned(), format!("stdin {output}").trim_end().to_owned());
    };
    let place = key::place(cwd, first);
    match files.len() {
        1 => (label(first), place),
        more => (format!("{} and {} more", label(first), more - 1), format!("{place} +{more}")),
    }
}

/// A relative path that goes down says more than a name.
fn label(source: &str) -> String {
    let down = source.strip_prefix("./").unwrap_or(source);
    if down.starts_with('/') || down.starts_with("..") || down.matches('/').count() > 2 {
        key::file_name(source)
    } else {
        key::clean(down)
    }
}

fn settings(line: &Line<'_>) -> Settings {
    let mut settings = Settings::default();
    settings.coarse(if line.optimised() { "optimised" } else { "plain" });
    if line.debug() {
        settings.coarse("debug");
    }
    if line.lto() {
        settings.coarse("lto");
    }
    if let Some(sanitizer) = line.last("-fsanitize=") {
        settings.coarse(sanitizer);
    }
    for head in FINE {
        if let Some(option) = line.last(head) {
            settings.fine(key::without_folders(option));
        }
    }
    if let Some(cpu) = line.cpu {
        settings.fine(format!("-march={cpu}"));
    }
    settings
}

// First guesses. Measured on x86-64 with gcc 12.2 and clang 14, largest process: C of 10, 200 and
// 1000 kB with many small functions at -O0, -O2, -O2 -g; sqlite3.c of 9.6 MB; C++ with <iostream>,
// with <regex>, and 20 kB that instantiate std::sort, std::map and std::regex 60 times.

/// gcc: 30 to 38, 91 to 177, 343 to 380 MiB; sqlite3.c 277 to 360.
const GCC_C: Model = Model::source(48, 400.0);
/// clang: 90 to 101, 108 to 224, 188 to 725 MiB; sqlite3.c 180 to 360.
const CLANG_C: Model = Model::source(104, 350.0);
/// What debug information adds to clang's factor at -O2: 725 instead of 334 MiB for 1000 kB.
const CLANG_DEBUG: f64 = 1.8;
/// g++: 64 for <iostream>, 192 to 217 for <regex>, 452 for 20 kB of templates, and 390 to 615 MiB
/// for
/// the tests of fmt, of 15 to 100 kB. Headers count for more than the source itself.
const GCC_CXX: Model = Model::source(288, 4000.0).with_knee(CXX_KNEE);
/// clang++: 107, 143, 264 to 270, and 162 to 319 MiB for the same.
const CLANG_CXX: Model = Model::source(168, 2400.0).with_knee(CXX_KNEE);
/// Debug information: 737 instead of 452, 294 instead of 217, 405 instead of 270 MiB.
const CXX_DEBUG: f64 = 1.4;
/// Larger sources are several in one, which share their headers: 520 kB of gtest took 447 MiB.
const CXX_KNEE: Bytes = Bytes::kib(64);
/// For a source that went through the preprocessor: with its headers, 20 kB are 1 to 2 MB.
const PREPROCESSED: Model = Model::object(96, 250.0);
/// Fortran is compiled by the same middle and back end as C; modules are read in addition.
const FORTRAN: Model = Model::source(96, 400.0);
/// HIP goes through clang once for the host and once for each device; its headers are large.
/// An estimate.
const DEVICE: Model = Model::source(768, 4000.0).with_knee(CXX_KNEE);
/// What the address sanitizer and its like add to code and memory. An estimate from the size of
/// instrumented code.
const SANITIZED: f64 = 1.4;
/// Linking behind a compilation runs after it, so it adds little to the peak.
const LINK_BEHIND_MIB: u64 = 16;

fn model(tool: &str, line: &Line<'_>, language: &str, files: &[&str], links: bool) -> Model {
    let preprocessed = files.first().is_some_and(|file| key::ending(file) == "ii");
    let mut model = if preprocessed { PREPROCESSED } else { source_model(tool, line, language) };
    if line.last("-fsanitize=").is_some() {
        model = model.times(SANITIZED);
    }
    if links { model.and_mib(LINK_BEHIND_MIB) } else { model }
}

fn source_model(tool: &str, line: &Line<'_>, language: &str) -> Model {
    let clang = tool.starts_with("clang") || tool == "hipcc" || line.has("-cc1");
    let debug = line.debug();
    match (language, clang) {
        ("cuda", _) => DEVICE,
        ("fortran", _) => FORTRAN,
        ("c++" | "objc++", true) if debug => CLANG_CXX.times(CXX_DEBUG),
        ("c++" | "objc++", true) => CLANG_CXX,
        ("c++" | "objc++", false) if debug => GCC_CXX.times(CXX_DEBUG),
        ("c++" | "objc++", false) => GCC_CXX,
        (_, true) if debug && line.optimised() => {
            Model { factor: CLANG_C.factor * CLANG_DEBUG, ..CLANG_C }
        }
        (_, true) => CLANG_C,
        (_, false) => GCC_C,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_take_a_word_are_in_the_order_in_which_they_are_searched() {
        assert!(TAKING.is_sorted());
    }
}
