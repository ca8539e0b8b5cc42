//! Profile-guided optimisation on this machine: compilers and mergers are found and tried out, raw
//! profiles collected, merged and read.
//!
//! Does not build packages, nor decide what a profile is worth.

pub mod collect;
pub mod compilers;
pub mod go;
pub mod inputs;
pub mod store;
pub mod tools;

use std::io;
use std::path::{Path, PathBuf};

use ironwright_core::observe::Sample;
use ironwright_core::pgo::Unfit;

use crate::run::{Observer, Request, Stream, run};
pub use collect::collect;
pub use tools::Tools;

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum PgoError {
    /// The tools cannot make one.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// A tool is not there, or cannot run.
    #[error("{program} cannot be run: {why}")]
    NoTool {
        /// Its name.
        program: String,
        /// Why.
        why: String,
    },
    /// A tool failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// What was run.
        program: String,
        /// The end of what it said.
        output: String,
    },
    /// The training left nothing.
    #[error("the training left no profile in {}", directory.display())]
    NoProfile {
        /// Where one should be.
        directory: PathBuf,
    },
    /// A profile is no profile.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file or folder.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// Another run makes the same profile.
    #[error("another run makes this profile: {}", .0.display())]
    Busy(PathBuf),
    /// A user wants an end.
    #[error("interrupted by signal {0}")]
    Interrupted(i32),
}

impl PgoError {
    /// A failure of a file operation, for `map_err`.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }
}

/// What a command printed and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code.
    pub code: i32,
}

/// Output of a tool that is kept at most, for each stream.
const MOST: usize = 256 << 20;
/// Lines of a failure that are shown.
const SHOWN: usize = 12;

#[derive(Default)]
struct Listener {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Observer for Listener {
    fn sample(&mut self, _sample: &Sample) {}
    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        let kept = match stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        };
        if kept.len() < MOST {
            kept.extend_from_slice(bytes);
        }
    }
    fn ending(&mut self, _signal: i32) {}
}

/// Runs a command under watch and gives what it said, whatever its exit code.
///
/// # Errors
/// Where it cannot be started, and where a user wants an end.
pub fn ask(
    argv: &[String],
    cwd: Option<&Path>,
    environment: &[(String, String)],
) -> Result<Said, PgoError> {
    let request = Request {
        argv: argv.to_vec(),
        cwd: cwd.map(Path::to_owned),
        environment: environment.to_vec(),
        relay_stdout: true,
        relay_stderr: true,
        ..Request::default()
    };
    let mut listener = Listener::default();
    let observed = run(&request, &mut listener);
    if let Some(signal) = observed.interrupted_by {
        return Err(PgoError::Interrupted(signal));
    }
    if let ironwright_core::observe::Exit::NotStarted { message, .. } = &observed.exit {
        let program = argv.first().cloned().unwrap_or_default();
        return Err(PgoError::NoTool { program, why: message.clone() });
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Said { stdout: text(listener.out), stderr: text(listener.err), code: observed.code() })
}

/// Runs a command that has to succeed.
///
/// # Errors
/// With the end of what it said where it does not.
pub fn must(
    argv: &[String],
    cwd: Option<&Path>,
    environment: &[(String, String)],
) -> Result<Said, PgoError> {
    let said = ask(argv, cwd, environment)?;
    if said.code == 0 {
        return Ok(said);
    }
    let output = if said.stderr.trim().is_empty() { &said.stdout } else { &said.stderr };
    Err(PgoError::Failed { program: argv.join(" "), output: tail(output) })
}

/// The last lines of an output.
pub fn tail(output: &str) -> String {
    let lines: Vec<_> = output.trim_end().lines().collect();
    let from = lines.len().saturating_sub(SHOWN);
    lines.get(from..).unwrap_or_default().join("\n")
}

/// Words as owned texts.
pub(crate) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_failure_is_shown() {
        let text = (0..50).map(|n: u32| n.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(tail(&text).lines().next(), Some("38"));
        assert_eq!(tail(""), "");
    }
}
