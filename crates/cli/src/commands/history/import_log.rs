//! `ironwright history import-log`.
//!
//! Does not know how a log is read; the core does.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ironwright_core::logs::commands::Commands;
use ironwright_core::logs::{Format, Log, LogError, cargo_timings, guess, ninja, nix};
use ironwright_core::observe::unit::UnitRecord;
use ironwright_host::build_logs;
use schemars::JsonSchema;
use serde::Serialize;

use super::opened;
use crate::clock::unix_us;
use crate::error::{CliError, count};
use crate::ui;

/// Learn how long units take from other tools' logs, so that a history need not start from nothing.
///
/// Logs tell durations and no memory: what is read orders work and never lowers what is reserved.
#[derive(Args, Debug)]
#[command(after_help = "Logs:\n  \
        ninja-log      .ninja_log; with compile_commands.json beside it, or --commands, its units are\n                 \
        known again when they are governed\n  \
        cargo-timings  target/cargo-timings/*.html of `cargo build --timings`, or its JSON messages\n  \
        nix-log        lines of `nix build --log-format internal-json`, each with its time, or the folder\n                 \
        /nix/var/log/nix/drvs\n\n\
        Examples:\n  ironwright history import-log build/.ninja_log\n  \
        ninja -C build -t compdb > commands.json && ironwright history import-log build/.ninja_log --commands commands.json\n  \
        ironwright history import-log target/cargo-timings/cargo-timing.html\n  \
        nix build --log-format internal-json 2>&1 | ironwright history import-log --format nix-log -\n  \
        ironwright history import-log /nix/var/log/nix/drvs")]
pub(crate) struct ImportLogArgs {
    /// Logs; a folder with a `.ninja_log`; Nix's folder of logs; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What they are; without it, that is found out from each.
    #[arg(long, value_enum)]
    format: Option<LogFormat>,
    /// Commands behind the outputs of a `.ninja_log`: `compile_commands.json`, or what `ninja -t compdb`
    /// prints.
    #[arg(long, value_name = "FILE")]
    commands: Option<PathBuf>,
    /// Package that the units belong to, where the log does not tell.
    #[arg(long, short)]
    package: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum LogFormat {
    NinjaLog,
    CargoTimings,
    NixLog,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Ninja => Self::NinjaLog,
            Format::CargoTimings => Self::CargoTimings,
            Format::NixLog => Self::NixLog,
        }
    }
}

/// What `history import-log --json` prints of a log.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ImportedLog {
    /// The log.
    file: String,
    /// What it is.
    format: LogFormat,
    /// Units in it with a duration.
    units: usize,
    /// Those that were not known before.
    added: usize,
    /// What was left out, by reason.
    left_out: BTreeMap<&'static str, usize>,
}

pub(super) fn run(args: &ImportLogArgs) -> Result<u8, CliError> {
    // All are read before any is kept: a mistake in one leaves the history as it was.
    let logs: Vec<_> = args.files.iter().map(|file| read(args, file)).collect::<Result<_, _>>()?;
    let all: Vec<UnitRecord> = logs
        .iter()
        .flat_map(|(_, _, log)| &log.records)
        .map(|record| packaged(args, record))
        .collect();
    let mut history = opened()?;
    let mut left = all.as_slice();
    let mut imported = Vec::new();
    for (file, format, log) in logs {
        let (units, rest) = left.split_at_checked(log.records.len()).unwrap_or((left, &[]));
        left = rest;
        let added = history.record_logged(units)?;
        let left_out = log.left_out;
        imported.push(ImportedLog { file, format, units: units.len(), added, left_out });
    }
    if args.json {
        ui::print_json(&imported)?;
    } else {
        imported.iter().for_each(tell);
    }
    Ok(0)
}

fn packaged(args: &ImportLogArgs, record: &UnitRecord) -> UnitRecord {
    let package = record.package.clone().or_else(|| args.package.clone());
    UnitRecord { package, ..record.clone() }
}

fn tell(log: &ImportedLog) {
    let mut text = format!("{}: {}, {} new", log.file, count(log.units, "unit"), log.added);
    for (why, count) in &log.left_out {
        text.push_str(&format!("; left out {count} ({why})"));
    }
    ui::note(&format!("{text}\n"));
}

/// How the folder in which Nix keeps logs ends.
const DRVS: &str = "log/nix/drvs";

type Read = (String, LogFormat, Log);

fn read(args: &ImportLogArgs, file: &Path) -> Result<Read, CliError> {
    let name = file.display().to_string();
    if file == Path::new("-") {
        return standard_input(args);
    }
    let log = file.join(".ninja_log");
    if file.is_dir() && !log.exists() {
        return Ok((name, LogFormat::NixLog, kept(file, None)?));
    }
    if is_of_a_derivation(file) {
        return Ok((name, LogFormat::NixLog, kept_one(file)?));
    }
    let path = if file.is_dir() { log } else { file.to_owned() };
    let text = text(&path)?;
    let format = format(args, &name, &text)?;
    let told = |error| CliError::Log { what: path.display().to_string(), error };
    let log = match format {
        LogFormat::NinjaLog => ninja_log(args, &path, &text)?,
        LogFormat::CargoTimings => cargo_timings::read(&text).map_err(told)?,
        LogFormat::NixLog => nix::read(&text).map_err(told)?,
    };
    if format == LogFormat::NixLog && log.records.is_empty() && log.left_out.is_empty() {
        return Err(CliError::usage(
            format!("{name} tells of no derivation that was built"),
            "Nix tells when each begins and ends with `nix build --log-format internal-json`",
        ));
    }
    Ok((name, format, log))
}

fn text(path: &Path) -> Result<String, CliError> {
    build_logs::text(path).map_err(|error| CliError::Read { path: path.to_owned(), error })
}

fn format(args: &ImportLogArgs, name: &str, text: &str) -> Result<LogFormat, CliError> {
    let unknown = || {
        CliError::usage(
            format!("{name} is no log that can be read"),
            "a .ninja_log, a page of `cargo build --timings`, lines of `nix build --log-format internal-json`, or /nix/var/log/nix/drvs",
        )
    };
    args.format.or_else(|| guess(text).map(LogFormat::from)).ok_or_else(unknown)
}

fn ninja_log(args: &ImportLogArgs, path: &Path, text: &str) -> Result<Log, CliError> {
    let failed = |error| CliError::Read { path: path.to_owned(), error };
    let path = path.canonicalize().map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let beside = Some(folder.join("compile_commands.json")).filter(|beside| beside.exists());
    let commands = if let Some(file) = args.commands.clone().or(beside) {
        let told = |error| CliError::Log { what: file.display().to_string(), error };
        Commands::read(&self::text(&file)?).map_err(told)?
    } else {
        ui::remark(&format!(
            "without commands units are only known by their outputs: `ninja -C {} -t compdb` prints them for --commands",
            folder.display()
        ));
        Commands::default()
    };
    let told = |error| CliError::Log { what: path.display().to_string(), error };
    ninja::read(text, folder, &commands).map_err(told)
}

/// Whether it has the name that Nix gives to the log of a derivation.
fn is_of_a_derivation(file: &Path) -> bool {
    let is_packed = file.extension().is_some_and(|ending| ending == "bz2");
    let name = if is_packed { file.file_stem().map(Path::new) } else { Some(file) };
    name.and_then(Path::extension).is_some_and(|ending| ending == "drv")
}

/// One of the logs in Nix's own folder. Their text has no times: those are the files'.
fn kept_one(file: &Path) -> Result<Log, CliError> {
    let path =
        file.canonicalize().map_err(|error| CliError::Read { path: file.to_owned(), error })?;
    match path.ancestors().nth(2) {
        Some(folder) if folder.ends_with(DRVS) => kept(folder, Some(&path)),
        _ => Err(CliError::usage(
            format!("{}: without its folder a log of Nix has no times", file.display()),
            "name it where Nix keeps it, or all of /nix/var/log/nix/drvs",
        )),
    }
}

/// Nix's own folder of logs, `…/var/log/nix/drvs`, beside `…/store`; all of them, or one.
fn kept(folder: &Path, only: Option<&Path>) -> Result<Log, CliError> {
    let failed = |error| CliError::Read { path: folder.to_owned(), error };
    let full = folder.canonicalize().map_err(failed)?;
    let store = full.ancestors().nth(4).map(|nix| nix.join("store"));
    let Some(store) = store.filter(|store| full.ends_with(DRVS) && store.is_dir()) else {
        return Err(CliError::usage(
            format!("{} is a folder without a log", folder.display()),
            "name a log, a folder with a .ninja_log, or /nix/var/log/nix/drvs",
        ));
    };
    let mut logs = build_logs::kept(&full, &store).map_err(failed)?;
    if let Some(only) = only {
        logs.done.retain(|log| Path::new(&log.path) == only);
        let is_left_out = logs.done.is_empty();
        (logs.without_output, logs.without_time) = (usize::from(is_left_out), 0);
    }
    let mut log = Log::default();
    let mut unclear = 0;
    for file in &logs.done {
        match nix::kept(&file.path, file.made_us, file.written_us) {
            Some(record) => log.records.push(record),
            None => unclear += 1,
        }
    }
    let left_out = [
        ("without an output: failed, or collected", logs.without_output),
        ("without the time at which they were made", logs.without_time),
        ("no log of a derivation", unclear),
    ];
    log.left_out.extend(left_out.into_iter().filter(|(_, count)| *count > 0));
    Ok(log)
}

/// Lines with the times at which they arrive: that is all the time that Nix's lines have.
fn standard_input(args: &ImportLogArgs) -> Result<Read, CliError> {
    let name = "standard input".to_owned();
    let failed = |error| CliError::Read { path: "-".into(), error };
    let told = |error| CliError::Log { what: name.clone(), error };
    let mut input = std::io::stdin().lock();
    let (mut text, mut reader) = (String::new(), nix::Reader::default());
    let mut bytes = Vec::new();
    while input.read_until(b'\n', &mut bytes).map_err(failed)? > 0 {
        let line = String::from_utf8_lossy(&bytes);
        if args.format == Some(LogFormat::NixLog) {
            reader.line(&line, Some(unix_us())).map_err(told)?;
        } else {
            text.push_str(&line);
        }
        bytes.clear();
    }
    if args.format == Some(LogFormat::NixLog) {
        return Ok((name, LogFormat::NixLog, reader.finish()));
    }
    let format = format(args, &name, &text)?;
    let log = parsed(format, &text).map_err(told)?;
    Ok((name, format, log))
}

/// A log that does not come from a file has no folder beside which its commands lie.
fn parsed(format: LogFormat, text: &str) -> Result<Log, LogError> {
    match format {
        LogFormat::NinjaLog => ninja::read(text, Path::new("/"), &Commands::default()),
        LogFormat::CargoTimings => cargo_timings::read(text),
        LogFormat::NixLog => nix::read(text),
    }
}
