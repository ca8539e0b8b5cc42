//! Asks Nix what an installable is, under watch: whatever Nix starts ends with a user's Ctrl-C.
//!
//! Does not know what becomes of the answer.

use std::path::PathBuf;

use ironwright_core::nix::activity::{Event, innermost, parse_line, plain};
use ironwright_core::nix::installable::{Evaluation, Wanted, is_derivation, parse_wanted};
use ironwright_core::observe::{Exit, Sample};

use super::place::Command;
use crate::run::{Observer, Request, Stream, run};

/// Why there is nothing to build.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// Nix found a mistake.
    #[error("Nix cannot evaluate this:\n{0}")]
    Failed(String),
    /// A user ended it.
    #[error("ended by signal {0} while evaluating")]
    Interrupted(i32),
    /// Nix cannot be started.
    #[error("cannot run nix: {0}")]
    Start(String),
    /// The answer cannot be read.
    #[error("nix answers something else than was asked: {0}")]
    Answer(String),
}

/// Longest line of the log that is looked at; what is longer carries nothing that matters here.
const LONGEST: usize = 1 << 20;
/// Longest answer.
const LONGEST_ANSWER: usize = 256 << 20;

/// What a call printed.
struct Collector<'a> {
    answer: Vec<u8>,
    line: Vec<u8>,
    errors: Vec<String>,
    other: String,
    event: &'a mut dyn FnMut(&Event),
}

impl Observer for Collector<'_> {
    fn sample(&mut self, _sample: &Sample) {}

    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Stdout {
            if self.answer.len() < LONGEST_ANSWER {
                self.answer.extend_from_slice(bytes);
            }
            return;
        }
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() < LONGEST {
                self.line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                self.end_of_line();
            }
        }
    }

    fn ending(&mut self, _signal: i32) {}
}

impl Collector<'_> {
    fn end_of_line(&mut self) {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        match parse_line(&line) {
            Some(event) => {
                if let Event::Message { level: 0, text } = &event {
                    self.errors.push(plain(text).trim_end().to_owned());
                }
                (self.event)(&event);
            }
            None if self.other.len() < LONGEST => self.other.push_str(&line),
            None => {}
        }
    }
}

/// Runs `nix` and gives what it prints.
fn call(argv: Vec<String>, event: &mut dyn FnMut(&Event)) -> Result<String, EvaluateError> {
    let (answer, line, errors, other) = (Vec::new(), Vec::new(), Vec::new(), String::new());
    let mut collector = Collector { answer, line, errors, other, event };
    let request = Request { argv, relay_stdout: true, relay_stderr: true, ..Request::default() };
    let observed = run(&request, &mut collector);
    if let Some(signal) = observed.interrupted_by {
        return Err(EvaluateError::Interrupted(signal));
    }
    match observed.exit {
        Exit::Code(0) => Ok(String::from_utf8_lossy(&collector.answer).into_owned()),
        Exit::NotStarted { message, .. } => Err(EvaluateError::Start(message)),
        _ if !collector.errors.is_empty() => {
            Err(EvaluateError::Failed(collector.errors.join("\n")))
        }
        _ => Err(EvaluateError::Failed(plain(collector.other.trim()))),
    }
}

/// Evaluates installables, and writes their derivations into the store.
pub fn evaluate(
    nix: &Command,
    installables: &[String],
    how: &Evaluation,
    mut event: impl FnMut(&Event),
) -> Result<Vec<Wanted>, EvaluateError> {
    let mut words: Vec<String> =
        ["build", "--dry-run", "--json", "--no-link", "--log-format", "internal-json"]
            .map(str::to_owned)
            .to_vec();
    words.extend(how.words());
    words.push("--".to_owned());
    words.extend(installables.iter().map(|installable| {
        // The path of a derivation names its file; what it makes is meant.
        let bare = is_derivation(installable) && how.file.is_none() && how.expression.is_none();
        if bare { format!("{installable}^*") } else { installable.clone() }
    }));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = call(nix.argv(&words), &mut event)?;
    parse_wanted(&answer).ok_or(EvaluateError::Answer(answer))
}

/// Evaluates an expression that gives a list of paths of derivations, or of nulls, and writes the
/// derivations into the store.
pub fn instantiate(
    nix: &Command,
    expression: &str,
    how: &Evaluation,
    mut event: impl FnMut(&Event),
) -> Result<Vec<Option<PathBuf>>, EvaluateError> {
    let mut words: Vec<String> =
        ["eval", "--json", "--impure", "--log-format", "internal-json", "--expr", expression]
            .map(str::to_owned)
            .to_vec();
    words.extend(how.words());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = call(nix.argv(&words), &mut event).map_err(|error| match error {
        // What led to it is an expression that no user wrote.
        EvaluateError::Failed(trace) => EvaluateError::Failed(innermost(&trace)),
        other => other,
    })?;
    serde_json::from_str(&answer).map_err(|_| EvaluateError::Answer(answer))
}
