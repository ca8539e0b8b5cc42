//! Asks a build tool and takes what it prints.
//!
//! Does not know what the answer means. A tool that is missing or fails is no error: files are read
//! in its place.

use std::path::Path;
use std::process::{Command, Stdio};

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
        let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message");
        return Err(format!("{program} {}: {}", arguments.first().unwrap_or(&""), line.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{program} printed no text"))
}
