//! Evaluates a package set with and without overlays, several at a time.
//!
//! Does not compare.

use std::path::Path;

use ironwright_core::nix::activity::{Event, innermost, parse_line, plain};
use ironwright_core::nix::impact::Closure;
use ironwright_core::observe::Sample;
use ironwright_host::nix::{Command, EvaluateError, Store, read_closures};
use ironwright_host::run::{Observer, Request, Stream, run};
use serde::Serialize;

use crate::commands::at_once;
use crate::error::CliError;
use crate::nix::evaluation::quoted;

/// The expression, whose argument is data.
const EXPRESSION: &str = include_str!("variant.nix");

/// The package set that overlays apply to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Base {
    /// `file` or `flake`.
    pub(crate) kind: &'static str,
    /// Path, or reference of a flake.
    pub(crate) place: String,
    /// `x86_64-linux` and so on.
    pub(crate) system: String,
    /// Whether the overlays are those of the configuration that is looked at, which has to do without them
    /// to be compared.
    pub(crate) own: bool,
}

/// The kind of an overlay that a configuration applies itself.
pub(super) const OWN: &str = "own";

/// An overlay, or one override of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Override {
    /// What it is called.
    pub(crate) name: String,
    /// `file`, `flake`, `library`, or `OWN`.
    pub(crate) kind: &'static str,
    /// Path, or reference of a flake.
    pub(crate) place: String,
    /// Which of several.
    pub(crate) attribute: Option<String>,
    /// The one override that is meant; all where absent.
    pub(crate) only: Option<String>,
}

impl Override {
    /// Whether the configuration that is looked at applies it itself.
    pub(crate) fn is_own(&self) -> bool {
        self.kind == OWN
    }
}

/// What is evaluated.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) nix: &'a Command,
    pub(crate) base: &'a Base,
    /// Attributes of the set, as paths.
    pub(crate) wanted: &'a [Vec<String>],
    /// Arguments of functions, as an expression.
    pub(crate) arguments: &'a str,
    /// Folder before the store's on disk.
    pub(crate) prefix: Option<&'a Path>,
    /// Evaluations at a time.
    pub(crate) threads: usize,
}

#[derive(Serialize)]
struct Question<'a> {
    base: &'a Base,
    overlays: Vec<&'a Override>,
    wanted: &'a [Vec<String>],
    names: bool,
}

/// The set with some overlays.
pub(crate) struct Variant {
    pub(crate) closure: Closure,
}

/// Evaluates the set with each of these lists of overlays.
pub(crate) fn evaluate(
    asked: &Asked<'_>,
    variants: &[Vec<&Override>],
) -> Result<Vec<Variant>, CliError> {
    let answers = ask(asked, variants, false)?;
    let closure = |roots: Vec<String>| {
        let closure = read_closures(asked.prefix, &roots)?;
        Ok(Variant { closure })
    };
    answers.into_iter().map(closure).collect()
}

/// The attributes that each overlay overrides.
pub(super) fn names(
    asked: &Asked<'_>,
    overlays: &[Override],
) -> Result<Vec<Vec<String>>, CliError> {
    let each: Vec<Vec<&Override>> = overlays.iter().map(|overlay| vec![overlay]).collect();
    ask(asked, &each, true)
}

fn ask(
    asked: &Asked<'_>,
    variants: &[Vec<&Override>],
    names: bool,
) -> Result<Vec<Vec<String>>, CliError> {
    let directory = tempfile::tempdir()
        .map_err(|error| CliError::Write { path: std::env::temp_dir(), error })?;
    let expression = directory.path().join("variant.nix");
    std::fs::write(&expression, EXPRESSION)
        .map_err(|error| CliError::Write { path: expression.clone(), error })?;
    let commands = variants
        .iter()
        .map(|overlays| {
            let (base, wanted) = (asked.base, asked.wanted);
            let question = Question { base, overlays: overlays.clone(), wanted, names };
            let expression = format!(
                "import (/. + {}) {{ request = {}; arguments = {}; }}",
                quoted(&expression.to_string_lossy()),
                quoted(&serde_json::to_string(&question)?),
                asked.arguments
            );
            Ok(call(asked, &expression))
        })
        .collect::<Result<Vec<_>, CliError>>()?;
    at_once::write(directory.path(), &commands)?;
    if !asked.nix.has_store() {
        Store::open(asked.nix, None)?;
    }
    watch(directory.path(), asked.threads)?;
    let printed = at_once::read(directory.path(), commands.len());
    printed.iter().map(answer).collect()
}

fn call(asked: &Asked<'_>, expression: &str) -> Vec<String> {
    let how = ["eval", "--json", "--impure", "--log-format", "internal-json"];
    asked.nix.argv(&[how.as_slice(), &["--expr", expression]].concat())
}

struct Silent;

impl Observer for Silent {
    fn sample(&mut self, _sample: &Sample) {}
    fn output(&mut self, _stream: Stream, _bytes: &[u8]) {}
    fn ending(&mut self, _signal: i32) {}
}

/// Runs the commands of a directory under one watch, so that nothing of them outlives it.
fn watch(directory: &Path, threads: usize) -> Result<(), CliError> {
    let own = std::env::current_exe()
        .map_err(|error| CliError::Read { path: "/proc/self/exe".into(), error })?;
    let words = [own.as_os_str(), "at-once".as_ref(), directory.as_os_str()];
    let mut argv: Vec<String> =
        words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    argv.push(threads.to_string());
    let observed = run(&Request { argv, ..Request::default() }, &mut Silent);
    match observed.interrupted_by {
        Some(signal) => Err(EvaluateError::Interrupted(signal).into()),
        None => Ok(()),
    }
}

fn answer(printed: &at_once::Printed) -> Result<Vec<String>, CliError> {
    if printed.well {
        return serde_json::from_str(&printed.output)
            .map_err(|_| EvaluateError::Answer(printed.output.clone()).into());
    }
    let errors: Vec<String> = printed
        .errors
        .lines()
        .filter_map(|line| match parse_line(line) {
            Some(Event::Message { level: 0, text }) => Some(plain(&text)),
            _ => None,
        })
        .collect();
    let told = if errors.is_empty() { printed.errors.clone() } else { errors.join("\n") };
    Err(EvaluateError::Failed(innermost(told.trim())).into())
}
