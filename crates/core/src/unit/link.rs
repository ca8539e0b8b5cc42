//! Linkers, whether they are started by name or by a compiler driver that is given objects.
//!
//! Does not know files: whether an object holds machine code or a compiler's own representation
//! follows only from options.

use super::key::{self, Settings};
use super::{Draft, Invocation, Kind, Model};

/// Options whose argument is the next word.
const TAKING: &[&str] = &[
    "--output",
    "-m",
    "-L",
    "-l",
    "-T",
    "-e",
    "-u",
    "-z",
    "-y",
    "-h",
    "-soname",
    "--soname",
    "-rpath",
    "--rpath",
    "-rpath-link",
    "--rpath-link",
    "-dynamic-linker",
    "--dynamic-linker",
    "-plugin",
    "--plugin",
    "-Map",
    "--Map",
    "--dynamic-list",
    "--version-script",
    "--defsym",
    "-init",
    "-fini",
    "-a",
    "-A",
    "-b",
    "-c",
    "-G",
    "-R",
    "-Y",
    "-F",
    "-f",
    "--sysroot",
    "--entry",
    "--undefined",
    "--wrap",
    "-I",
    "--dependency-file",
    "-dumpdir",
    "-flavor",
    "--library-path",
    "--script",
    "-platform_version",
    "-arch",
    "-syslibroot",
];

/// Options by which a linker can be seen to run a compiler's back end, by their beginnings. gcc
/// names its plugin on every link, so the plugin alone says nothing.
const LTO: &[&str] = &[
    "-flto",
    "--lto-",
    "--lto=",
    "-plugin-opt=thinlto",
    "-plugin-opt=O",
    "-plugin-opt=mcpu=",
    "--plugin-opt=O",
    "--plugin-opt=mcpu=",
    "--thinlto-",
    "-lto_library",
];

/// Settings that change memory a little, by their beginnings.
const FINE: &[&str] = &[
    "--gc-sections",
    "--icf=",
    "--strip-all",
    "--strip-debug",
    "-s",
    "-r",
    "--relocatable",
    "-shared",
    "-static",
    "--threads",
    "--no-threads",
    "--thread-count",
    "--compress-debug-sections",
    "--build-id",
    "--emit-relocs",
    "--gdb-index",
    "--no-keep-memory",
    "-flto",
    "-fuse-ld=",
    "-Wl,--gc-sections",
    "-Wl,--icf",
    "-Wl,-s",
    "-Wl,--threads",
    "-Wl,--no-keep-memory",
];

/// A command line, read.
#[derive(Debug, Default)]
pub(super) struct Line<'a> {
    pub(super) output: Option<&'a str>,
    /// What gcc's back end names its own files after, whose output has a name of chance.
    pub(super) dump: Option<&'a str>,
    pub(super) inputs: Vec<&'a str>,
    pub(super) options: Vec<&'a str>,
    pub(super) lto: bool,
    pub(super) question: bool,
}

impl<'a> Line<'a> {
    fn read(arguments: &[&'a str]) -> Self {
        let mut line = Self::default();
        let mut rest = arguments.iter().copied();
        while let Some(word) = rest.next() {
            match word {
                "-o" | "--output" => line.output = rest.next(),
                "-dumpbase" => line.dump = rest.next(),
                "-v" | "-V" | "--version" | "--help" | "--print-output-format" | "--verbose" => {
                    line.question = true;
                }
                _ if TAKING.contains(&word) => drop(rest.next()),
                _ if word.starts_with('-') => line.option(word),
                _ => line.inputs.push(word),
            }
        }
        line
    }

    fn option(&mut self, word: &'a str) {
        self.lto |= LTO.iter().any(|head| word.starts_with(head));
        if let Some(output) = word.strip_prefix("--output=") {
            self.output = Some(output);
        }
        self.options.push(word);
    }

    /// Which linker a driver was told to use.
    fn chosen(&self) -> Option<&'a str> {
        let chosen =
            self.options.iter().rev().find_map(|option| option.strip_prefix("-fuse-ld="))?;
        chosen.rsplit('/').next()
    }

    /// Threads of gcc's back end at link time, or of the linker.
    fn threads(&self) -> Option<f64> {
        let count = self.options.iter().rev().find_map(|option| {
            ["-flto=", "--threads=", "--thread-count=", "-Wl,--threads=", "-Wl,--thread-count="]
                .iter()
                .find_map(|head| option.strip_prefix(head))
        })?;
        match count {
            "auto" | "jobserver" => Some(AUTOMATIC),
            _ => count.parse::<u16>().ok().map(f64::from),
        }
    }
}

/// Whether a path names something that only a linker reads.
pub(super) fn is_object(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    matches!(
        key::ending(path),
        "o" | "obj" | "a" | "so" | "lo" | "la" | "rlib" | "ld" | "map" | "dylib"
    ) || name.contains(".so.")
}

pub(super) fn recognise(invocation: &Invocation<'_>, tool: &str, arguments: &[&str]) -> Kind {
    let line = Line::read(arguments);
    if line.inputs.is_empty() {
        return Kind::Probe;
    }
    unit(invocation, tool, tool, &line)
}

/// A link that a compiler driver is asked for.
pub(super) fn by_driver(invocation: &Invocation<'_>, driver: &str, line: &Line<'_>) -> Kind {
    unit(invocation, driver, line.chosen().unwrap_or("ld"), line)
}

fn unit(invocation: &Invocation<'_>, tool: &str, linker: &str, line: &Line<'_>) -> Kind {
    let back_end = matches!(tool, "lto1" | "lto-wrapper");
    let output = line.dump.filter(|_| back_end).or(line.output).unwrap_or("a.out");
    let draft = Draft {
        tool: tool.to_owned(),
        step: "link".to_owned(),
        subject: key::place(invocation.cwd, output),
        label: key::without_hash(&key::file_name(output)).into_owned(),
        package: invocation.variable("CARGO_PKG_NAME").map(str::to_owned),
        settings: settings(line),
        inputs: line.inputs.iter().map(|path| key::absolute(invocation.cwd, path)).collect(),
        model: model(linker, line, line.lto || back_end),
    };
    draft.unit()
}

fn settings(line: &Line<'_>) -> Settings {
    let mut settings = Settings::default();
    settings.coarse(if line.lto { "lto" } else { "no lto" });
    if let Some(linker) = line.chosen() {
        settings.coarse(linker);
    }
    let sanitizes = |option: &&&str| option.starts_with("-fsanitize=");
    line.options.iter().filter(sanitizes).for_each(|option| settings.coarse(*option));
    for head in FINE {
        let found = line.options.iter().rev().find(|option| match *head {
            "-s" | "-r" => *option == head,
            _ => option.starts_with(head),
        });
        if let Some(option) = found {
            // A build identifier given as a text is another one each time.
            let plain = option.starts_with("--build-id");
            settings.fine(if plain {
                "--build-id".to_owned()
            } else {
                key::without_folders(option)
            });
        }
    }
    settings
}

// First guesses. Measured with 19, 57 and 114 MB of C++ objects with debug information, hardly
// anything shared: bfd 25, 60, 114; gold 40, 90, 166; lld 87, 138, 215; mold 47, 105, 190 MiB. A
// program of 121 MB out of many objects took mold 480 MB and bfd 720, so the factors lie between.

const BFD: Model = Model::object(24, 2.5);
const GOLD: Model = Model::object(32, 2.2);
const LLD: Model = Model::object(72, 1.8);
const MOLD: Model = Model::object(40, 2.0);
/// sqlite3 as 4.8 MB of gcc's representation took 104 MiB; clang keeps a program in one piece.
const WITH_LTO: Model = Model::object(80, 20.0);
/// mold, lld and wild use what they can: 1.3 to 1.5 of two processors on short links.
const PARALLEL: f64 = 1.5;
/// Threads when a tool is told to choose them itself. Their number is not known here.
const AUTOMATIC: f64 = 4.0;

fn model(linker: &str, line: &Line<'_>, lto: bool) -> Model {
    let model = match linker {
        _ if lto => WITH_LTO,
        "ld.gold" | "gold" => GOLD,
        "mold" | "ld.mold" | "wild" | "ld.wild" => MOLD.with_threads(PARALLEL),
        _ if linker.contains("lld") || linker == "wasm-ld" => LLD.with_threads(PARALLEL),
        _ => BFD,
    };
    line.threads().map_or(model, |threads| model.with_threads(threads.max(1.0)))
}
