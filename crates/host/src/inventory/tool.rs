//! Asks a build tool and takes what it prints.
//!
//! Does not know what the answer means. A tool that is missing or fails is no error: files are read
//! in its place.

use std::path::Path;
use std::process::{Command, Stdio};

/// Beginnings of lines that say less than the next: npm's codes, Python's way to an exception.
const SAYING_LITTLE: &[&str] = &["npm error code", "npm warn", "Traceback", "note:", "warning:"];

/// The first line of a message that says what is wrong; of an exception of Python the last.
fn gist(message: &str) -> &str {
    let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_traceback = message.trim_start().starts_with("Traceback");
    let telling = |line: &&str| !SAYING_LITTLE.iter().any(|head| line.starts_with(head));
    let found = if is_traceback { lines.next_back() } else { lines.find(telling) };
    found.or_else(|| message.lines().next()).unwrap_or("no message")
}

/// What a tool prints, or why it told nothing, in one line.
pub(super) fn ask(
    program: &str,
    arguments: &[&str],
    directory: &Path,
    environment: &[(&str, &str)],
) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {}: {}", arguments.first().unwrap_or(&""), gist(&message)));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{program} printed no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_tells_is_found() {
        for (message, expected) in [
            (
                "npm error code E404\nnpm error 404 Not Found - GET x\n",
                "npm error 404 Not Found - GET x",
            ),
            (
                "Traceback (most recent call last):\n  File x\nOSError: no route\n",
                "OSError: no route",
            ),
            ("\nerror: a\nmore\n", "error: a"),
            ("note: b\n", "note: b"),
            ("", "no message"),
        ] {
            assert_eq!(gist(message), expected);
        }
    }
}
