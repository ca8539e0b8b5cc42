//! Asks a build tool and takes what it prints.
//!
//! Does not know what the answer means. A tool that is missing or fails is no error: files are read
//! in its place.

use std::path::Path;
use std::process::{Command, Stdio};

/// Beginnings of lines that say less than the next: npm's codes, Python's way to an exception.
const SAYING_LITTLE: &[&str] = &["npm error code", "npm warn", "Traceback", "note:", "warning:"];

/// The line of a message that says what is wrong, with the next where that has the place or the matter: the first
/// that is called an error, else the first; of an exception of Python the last.
fn gist(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_traceback = message.trim_start().starts_with("Traceback");
    let telling = |line: &&str| !SAYING_LITTLE.iter().any(|head| line.starts_with(head));
    let error = || lines.iter().position(|line| line.starts_with("error: "));
    let first = || error().or_else(|| lines.iter().position(telling));
    let at = if is_traceback { lines.len().checked_sub(1) } else { first() };
    match lines.get(at.unwrap_or(0)..).unwrap_or_default() {
        [] => "no message".to_owned(),
        [first, "Caused by:", cause, ..] => format!("{first}: {cause}"),
        [first, next, ..] if first.ends_with(':') => format!("{first} {next}"),
        [first, next, ..] if next.starts_with("--> ") => {
            format!("{}: {first}", next.trim_start_matches("--> "))
        }
        [first, ..] => (*first).to_owned(),
    }
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
            ("    Updating crates.io index\nerror: no crate\n", "error: no crate"),
            ("error: no table\n --> Cargo.toml:4:14\n", "Cargo.toml:4:14: error: no table"),
            ("go: errors parsing go.mod:\ngo.mod:3: x\n", "go: errors parsing go.mod: go.mod:3: x"),
            ("note: b\n", "note: b"),
            ("error: no a at x\n\nCaused by:\n  no b\n", "error: no a at x: no b"),
            ("", "no message"),
        ] {
            assert_eq!(gist(message), expected);
        }
    }
}
