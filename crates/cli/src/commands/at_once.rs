//! `ironwright at-once`: several commands at a time, for a command that watches them as one.
//!
//! Does not know what they do.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use clap::Args;

use crate::error::CliError;

/// Run the commands of a directory at a time, and keep what they print there.
#[derive(Args, Debug)]
pub(crate) struct AtOnceArgs {
    /// Directory with the commands.
    directory: PathBuf,
    /// How many run at a time.
    threads: usize,
}

/// The list of commands.
const COMMANDS: &str = "commands.json";

/// What a command printed, and whether it succeeded.
pub(crate) struct Printed {
    pub(crate) well: bool,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Writes the list of commands.
pub(crate) fn write(directory: &Path, commands: &[Vec<String>]) -> Result<(), CliError> {
    let path = directory.join(COMMANDS);
    let text = serde_json::to_vec(commands)?;
    std::fs::write(&path, text).map_err(|error| CliError::Write { path, error })
}

/// What the commands printed, in their order.
pub(crate) fn read(directory: &Path, count: usize) -> Vec<Printed> {
    let text = |name: String| std::fs::read(directory.join(name)).unwrap_or_default();
    let string = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let printed = |number: usize| Printed {
        well: text(format!("{number}.code")) == b"0",
        output: string(text(format!("{number}.out"))),
        errors: string(text(format!("{number}.err"))),
    };
    (0..count).map(printed).collect()
}

pub(crate) fn run(args: &AtOnceArgs) -> Result<u8, CliError> {
    let path = args.directory.join(COMMANDS);
    let text = std::fs::read(&path).map_err(|error| CliError::Read { path, error })?;
    let commands: Vec<Vec<String>> = serde_json::from_slice(&text)?;
    let left = Mutex::new(commands.iter().enumerate());
    let next = || left.lock().ok().and_then(|mut left| left.next());
    std::thread::scope(|scope| {
        for _ in 0..args.threads.clamp(1, commands.len().max(1)) {
            scope.spawn(|| {
                while let Some((number, argv)) = next() {
                    let code = one(&args.directory, number, argv).unwrap_or(126);
                    let _ = std::fs::write(
                        args.directory.join(format!("{number}.code")),
                        code.to_string(),
                    );
                }
            });
        }
    });
    Ok(0)
}

fn one(directory: &Path, number: usize, argv: &[String]) -> std::io::Result<i32> {
    let Some((program, arguments)) = argv.split_first() else { return Ok(0) };
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(File::create(directory.join(format!("{number}.out")))?)
        .stderr(File::create(directory.join(format!("{number}.err")))?)
        .status()?;
    Ok(status.code().unwrap_or(1))
}
