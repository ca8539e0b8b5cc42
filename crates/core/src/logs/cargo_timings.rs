//! `cargo build --timings`: the data in its page, and the messages of `--timings=json`.
//!
//! Neither tells a unit's command, so the one that cargo gives rustc in that profile is made up
//! and recognised as if it were started: package, version, kind, features and the settings of the
//! `dev` and `release` profiles lead to the key of the governed unit. Does not know what a
//! manifest, a configuration or `RUSTFLAGS` change about a profile, nor the name of a library that
//! is called otherwise than its package: there only the family fits, or nothing.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Log, LogError, time, timed};
use crate::unit::{Invocation, Kind, UnitFacts, recognise};

/// Stands before the units in a page.
pub const DATA: &str = "UNIT_DATA = ";
/// Stands in the message of a unit.
pub const MESSAGE: &str = "\"reason\":\"timing-info\"";

/// A unit as a page has it.
#[derive(Clone, Debug, Deserialize)]
struct Unit {
    i: u64,
    name: String,
    version: String,
    #[serde(default)]
    mode: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    start: f64,
    duration: f64,
    #[serde(default)]
    rmeta_time: Option<f64>,
    #[serde(default)]
    sections: Option<Value>,
    #[serde(default)]
    unblocked_units: Vec<u64>,
    #[serde(default)]
    unblocked_rmeta_units: Vec<u64>,
}

/// What is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Library,
    ProcMacro,
    BuildScript,
    /// A program of that name.
    Program(String),
    /// A test or benchmark of that name.
    Test(String),
}

/// Settings that a profile gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    Dev,
    Release,
}

/// Reads a page or messages.
pub fn read(text: &str) -> Result<Log, LogError> {
    match text.find(DATA) {
        Some(at) => page(text, at + DATA.len()),
        None => messages(text),
    }
}

fn page(text: &str, at: usize) -> Result<Log, LogError> {
    let (before, data) = text.split_at_checked(at).unwrap_or((text, ""));
    let first_line = before.lines().count();
    let mut values = serde_json::Deserializer::from_str(data).into_iter::<Vec<Unit>>();
    let units = match values.next() {
        Some(Ok(units)) => units,
        Some(Err(error)) => {
            let problem = format!("UNIT_DATA is not what cargo writes: {error}");
            return Err(LogError::new(first_line + error.line().saturating_sub(1), problem));
        }
        None => return Err(LogError::new(first_line, "UNIT_DATA is followed by nothing")),
    };
    let profile = profile(cell(text, "Profile:").unwrap_or("dev"));
    let began = cell(text, "Build start:").and_then(time::parse);
    let host = host_units(&units);
    let mut log = Log::default();
    for unit in &units {
        take(&mut log, unit, profile, host.contains(&unit.i), began);
    }
    Ok(log)
}

/// The cell of a page's table that follows a name.
fn cell<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<td>{name}</td><td>"))?;
    rest.split_once("</td>").map(|(cell, _)| cell)
}

fn profile(name: &str) -> Profile {
    match name.split_whitespace().next() {
        Some("release" | "bench") => Profile::Release,
        _ => Profile::Dev,
    }
}

/// Units for the host: build scripts, procedural macros, and what was seen to be needed by these
/// alone. A page only tells what waited for a unit until its end, so some remain unknown.
fn host_units(units: &[Unit]) -> BTreeSet<u64> {
    let is_host =
        |unit: &&Unit| matches!(target(unit), Some(Target::ProcMacro | Target::BuildScript) | None);
    let mut host: BTreeSet<u64> = units.iter().filter(is_host).map(|unit| unit.i).collect();
    loop {
        let needed_by_host = |unit: &&Unit| {
            let mut needing = unit.unblocked_units.iter().chain(&unit.unblocked_rmeta_units);
            let any = needing.clone().next().is_some();
            any && !host.contains(&unit.i) && needing.all(|i| host.contains(i))
        };
        let more: Vec<u64> = units.iter().filter(needed_by_host).map(|unit| unit.i).collect();
        if more.is_empty() {
            return host;
        }
        host.extend(more);
    }
}

fn take(log: &mut Log, unit: &Unit, profile: Profile, host: bool, began: Option<i64>) {
    let Some(target) = target(unit) else {
        return log.leave_out("a build script that ran, or a test that is not compiled");
    };
    if !(0.0..1e9).contains(&unit.duration) || !(0.0..1e9).contains(&unit.start) {
        return log.leave_out("without a time");
    }
    let Some(facts) = facts(unit, &target, profile, host) else {
        return log.leave_out("too light to be governed");
    };
    let started = began.map_or(0, |began| began.saturating_add(micros(unit.start).cast_signed()));
    log.records.push(timed(&facts, started, micros(unit.duration)));
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e15 by check")]
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

fn checks(unit: &Unit) -> bool {
    unit.mode.starts_with("check") || unit.target.contains("(check")
}

/// What a unit compiles; nothing for one that compiles nothing. Cargo writes a target as
/// ` bin "name"` or, later, as ` name "bin"`.
fn target(unit: &Unit) -> Option<Target> {
    let text = unit.target.trim();
    let compiles_nothing = ["(run)", "(doc", "(doc test)"].iter().any(|end| text.contains(end));
    if compiles_nothing || unit.mode == "run-custom-build" {
        return None;
    }
    let name = || quoted_name(text).unwrap_or(&unit.name).to_owned();
    let word = |word: &str| text.split([' ', '"']).any(|part| part == word);
    Some(if text.contains("build-script") || text.contains("build script") {
        Target::BuildScript
    } else if text.contains("(test)")
        || text.contains("(check-test)")
        || word("test")
        || word("bench")
    {
        Target::Test(name())
    } else if word("bin") || word("example") {
        Target::Program(name())
    } else if text.contains("proc-macro") || text.is_empty() && !pipelined(unit) {
        Target::ProcMacro
    } else {
        Target::Library
    })
}

/// Whether others could go on with its metadata, as they can with a library and not with a
/// procedural macro.
fn pipelined(unit: &Unit) -> bool {
    unit.rmeta_time.is_some() || unit.sections.as_ref().is_some_and(|sections| !sections.is_null())
}

fn quoted_name(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once('"')?;
    let (quoted, _) = rest.split_once('"')?;
    let before = before.trim();
    let kinds = ["bin", "test", "bench", "example", "lib"];
    Some(if kinds.contains(&before) || before.is_empty() { quoted } else { before })
}

fn facts(unit: &Unit, target: &Target, profile: Profile, host: bool) -> Option<UnitFacts> {
    let argv = command(unit, target, profile, host);
    let environment = [
        ("CARGO_PKG_NAME".to_owned(), unit.name.clone()),
        ("CARGO_PKG_VERSION".to_owned(), unit.version.clone()),
    ];
    let cwd = Path::new("/");
    let invocation =
        Invocation { argv: &argv, cwd, environment: &environment, stdin_is_source: false };
    let Kind::Unit(facts) = recognise(&invocation) else { return None };
    Some(facts)
}

/// The command by which cargo compiles it, as far as it matters to its key.
fn command(unit: &Unit, target: &Target, profile: Profile, host: bool) -> Vec<String> {
    let crate_name = |name: &str| name.replace('-', "_");
    let (name, kind, root) = match target {
        Target::Library => (crate_name(&unit.name), Some("lib"), "src/lib.rs"),
        Target::ProcMacro => (crate_name(&unit.name), Some("proc-macro"), "src/lib.rs"),
        Target::BuildScript => ("build_script_build".to_owned(), Some("bin"), "build.rs"),
        Target::Program(name) => (crate_name(name), Some("bin"), "src/main.rs"),
        Target::Test(name) => (crate_name(name), None, "src/lib.rs"),
    };
    let emit = match (checks(unit), kind) {
        (true, _) => "--emit=dep-info,metadata",
        (false, Some("lib")) => "--emit=dep-info,metadata,link",
        (false, _) => "--emit=dep-info,link",
    };
    let mut argv: Vec<String> = vec!["rustc".into(), "--crate-name".into(), name, emit.into()];
    match kind {
        Some(kind) => argv.extend(["--crate-type".into(), kind.into()]),
        None => argv.push("--test".into()),
    }
    argv.push("-Cembed-bitcode=no".into());
    match (profile, host) {
        (_, true) => {}
        (Profile::Dev, false) => argv.push("-Cdebuginfo=2".into()),
        (Profile::Release, false) => argv.push("-Copt-level=3".into()),
    }
    for feature in &unit.features {
        argv.extend(["--cfg".into(), format!("feature=\"{feature}\"")]);
    }
    argv.push(root.into());
    argv
}

/// A message of `--timings=json`.
#[derive(Deserialize)]
struct Message {
    package_id: String,
    target: MessageTarget,
    #[serde(default)]
    mode: String,
    duration: f64,
}

#[derive(Deserialize)]
struct MessageTarget {
    name: String,
    #[serde(default)]
    kind: Vec<String>,
}

fn messages(text: &str) -> Result<Log, LogError> {
    let mut log = Log::default();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.contains(MESSAGE)) {
        let message: Message = serde_json::from_str(line)
            .map_err(|error| LogError::new(index + 1, format!("no message of cargo: {error}")))?;
        let Some((name, version)) = package(&message.package_id) else {
            let problem = format!("the package {:?} has no name and version", message.package_id);
            return Err(LogError::new(index + 1, problem));
        };
        // Messages tell neither features nor the profile.
        let unit = unit_of_message(&message, name, version);
        take(&mut log, &unit, Profile::Dev, false, None);
    }
    if log == Log::default() {
        let problem = "neither UNIT_DATA of cargo's page nor a message with \"timing-info\" found";
        return Err(LogError::new(1, problem));
    }
    Ok(log)
}

fn unit_of_message(message: &Message, name: String, version: String) -> Unit {
    let target = &message.target;
    let kind = target.kind.first().map_or("lib", String::as_str);
    let text = match kind {
        "custom-build" if message.mode == "run-custom-build" => "build-script (run)".to_owned(),
        "custom-build" => "build-script".to_owned(),
        "bin" | "test" | "bench" | "example" => format!("{kind} \"{}\"", target.name),
        "proc-macro" => "proc-macro".to_owned(),
        _ => "lib".to_owned(),
    };
    Unit {
        i: 0,
        name,
        version,
        mode: message.mode.clone(),
        target: if message.mode == "test" { format!("{text} (test)") } else { text },
        features: Vec::new(),
        start: 0.0,
        duration: message.duration,
        rmeta_time: None,
        sections: None,
        unblocked_units: Vec::new(),
        unblocked_rmeta_units: Vec::new(),
    }
}

/// Name and version of a package id: `registry+…#bat@0.25.0`, `path+file:///w/bat#0.25.0`, or as
/// cargo wrote it before 1.77: `bat 0.25.0 (registry+…)`.
fn package(id: &str) -> Option<(String, String)> {
    let owned = |(name, version): (&str, &str)| (name.to_owned(), version.to_owned());
    let Some((source, fragment)) = id.rsplit_once('#').filter(|(_, end)| !end.contains(')')) else {
        let mut words = id.split(' ');
        return Some(owned((words.next()?, words.next()?)));
    };
    let folder = || source.rsplit('/').next().filter(|folder| !folder.is_empty());
    fragment.split_once('@').or_else(|| Some((folder()?, fragment))).map(owned)
}

#[cfg(test)]
#[path = "cargo_timings_tests.rs"]
mod tests;
