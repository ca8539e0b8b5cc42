//! nvcc, and the device compiler and assembler that it runs.
//!
//! Does not know files, nor the graphics card: for which architectures code is made is read from
//! the command line.

use super::key::{self, Settings};
use super::{Draft, Invocation, Kind, Model, link};
use crate::units::Bytes;

/// Options whose argument is the next word, beside those that are read.
const TAKING: &[&str] = &[
    "-I",
    "-isystem",
    "-include",
    "-D",
    "-U",
    "-L",
    "-l",
    "-x",
    "-Xcompiler",
    "-Xlinker",
    "-Xptxas",
    "-Xnvlink",
    "-Xcudafe",
    "--compiler-options",
    "--linker-options",
    "-ccbin",
    "--compiler-bindir",
    "-MF",
    "-MT",
    "-MQ",
    "-odir",
    "--options-file",
    "-maxrregcount",
    "-diag-suppress",
    "--keep-dir",
    "-std",
    "--orig_src_file_name",
    "--orig_src_path_name",
    "--include_file_name",
    "--module_id_file_name",
    "--gen_c_file_name",
    "--stub_file_name",
    "--gen_device_file_name",
    "-m",
    "-ftz",
    "-prec_div",
    "-prec_sqrt",
    "-fmad",
];

const QUESTIONS: &[&str] = &[
    "-V",
    "--version",
    "-h",
    "--help",
    "--dryrun",
    "-dryrun",
    "--list-gpu-arch",
    "--list-gpu-code",
    "-arch-ls",
    "-code-ls",
];

/// A command line, read.
#[derive(Debug, Default)]
struct Line<'a> {
    question: bool,
    preprocess: bool,
    compile: bool,
    output: Option<&'a str>,
    targets: Vec<&'a str>,
    threads: Option<&'a str>,
    options: Vec<&'a str>,
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
            match option {
                "-gencode" | "--generate-code" | "-arch" | "--gpu-architecture" | "-code"
                | "--gpu-code" => line.targets.extend(attached.or_else(|| rest.next())),
                "-t" | "--threads" => line.threads = attached.or_else(|| rest.next()),
                "-o" | "--output-file" => line.output = attached.or_else(|| rest.next()),
                _ if TAKING.contains(&option) => {
                    let _ = attached.or_else(|| rest.next());
                }
                _ if word.starts_with('-') => line.flag(word),
                _ => line.files.push(word),
            }
        }
        line
    }

    fn flag(&mut self, word: &'a str) {
        self.question |= QUESTIONS.contains(&word);
        self.preprocess |= matches!(word, "-E" | "-M" | "-MM" | "--preprocess");
        self.compile |= matches!(
            word,
            "-c" | "-dc"
                | "-dw"
                | "-ptx"
                | "-cubin"
                | "-fatbin"
                | "--compile"
                | "--ptx"
                | "--cubin"
                | "--fatbin"
                | "--device-c"
                | "-dlink"
                | "--device-link"
        );
        self.options.push(word);
    }

    /// Architectures that machine code is made for: `code=[sm_80,sm_90]` are two.
    fn architectures(&self) -> u16 {
        let count: usize = self
            .targets
            .iter()
            .map(|target| match target.split_once("code=") {
                Some((_, codes)) => codes.split(',').count(),
                None => 1,
            })
            .sum();
        u16::try_from(count.max(1)).unwrap_or(u16::MAX)
    }

    /// Architectures that are compiled at the same time. 0 means all processors, so all of them.
    fn at_once(&self) -> u16 {
        match self.threads.and_then(|threads| threads.parse::<u16>().ok()) {
            None => 1,
            Some(0) => self.architectures(),
            Some(threads) => threads.min(self.architectures()),
        }
    }
}

pub(super) fn recognise(invocation: &Invocation<'_>, tool: &str, arguments: &[&str]) -> Kind {
    let line = Line::read(arguments);
    if line.question || line.files.is_empty() {
        return Kind::Probe;
    }
    if line.preprocess {
        return Kind::Light;
    }
    let first = line.files.first().copied().unwrap_or_default();
    if tool == "nvcc" && !line.compile && line.files.iter().all(|file| link::is_object(file)) {
        let output = line.output;
        let objects = link::Line { output, inputs: line.files, ..link::Line::default() };
        return link::by_driver(invocation, tool, &objects);
    }
    let made = if tool == "nvcc" { first } else { line.output.unwrap_or(first) };
    let draft = Draft {
        tool: tool.to_owned(),
        step: "compile".to_owned(),
        subject: key::place(invocation.cwd, made),
        label: key::file_name(made),
        package: None,
        settings: settings(&line),
        inputs: line.files.iter().map(|file| key::absolute(invocation.cwd, file)).collect(),
        model: model(tool, &line),
    };
    draft.unit()
}

fn settings(line: &Line<'_>) -> Settings {
    let mut settings = Settings::default();
    settings.coarse(format!("at once {}", line.at_once()));
    settings.coarse(format!("architectures {}", line.architectures()));
    line.targets.iter().for_each(|target| settings.fine(*target));
    for option in &line.options {
        let telling = ["-O", "-G", "-g", "-lineinfo", "-dlto", "--use_fast_math", "-rdc"];
        if telling.iter().any(|head| option.starts_with(head)) {
            settings.fine(*option);
        }
    }
    settings
}

/// Attention kernels are known to take 3.2 to 6 GB a thread, usual kernels below 1 GiB. Not
/// measured: a guess in between, which the first run replaces.
const NVCC: Model = Model::source(896, 8000.0).with_knee(Bytes::kib(64));
/// The device compiler reads preprocessed source with all headers.
const CICC: Model = Model::object(384, 100.0);
/// The assembler reads PTX.
const PTXAS: Model = Model::object(192, 100.0);

fn model(tool: &str, line: &Line<'_>) -> Model {
    let at_once = f64::from(line.at_once());
    match tool {
        "cicc" => CICC,
        "ptxas" => PTXAS,
        _ => NVCC.times(at_once).with_threads(at_once),
    }
}
