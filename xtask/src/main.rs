//! Chores of the project: `cargo xtask CHORE`.
//!
//! Does not know the product's insides beyond the knob catalogue, which it documents.

mod bench;
mod install;
mod knobs;
mod nix;
mod nix_library;
mod test;
mod tidy;
mod vm;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Chores of the project")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Clone, Subcommand)]
enum Chore {
    /// Run every check and test; the one command that decides whether a change may land.
    Test {
        /// Install what the checks need first (apt as root, cargo, pip).
        #[arg(long)]
        install: bool,
    },
    /// Check the rules that no compiler knows.
    Tidy,
    /// Give hand-written Nix files the form of nixfmt.
    Format {
        /// Only check that they have it.
        #[arg(long)]
        check: bool,
    },
    /// Write docs/knobs.md, docs/nix-options.md and nix/data from the catalogue.
    Docs {
        /// Only check that it is current.
        #[arg(long)]
        check: bool,
    },
    /// Measure, with a peer in the same run.
    Bench {
        /// What to measure.
        #[arg(value_enum)]
        what: bench::What,
        #[command(flatten)]
        options: bench::govern::Options,
    },
    /// Build for use and install, with manual pages and shell completions.
    Install {
        /// Where to: programs go to PREFIX/bin [default: ~/.local].
        #[arg(long)]
        prefix: Option<PathBuf>,
    },
    /// Bring the Nix that the tests run.
    Nix {
        #[command(subcommand)]
        chore: nix::Chore,
    },
    /// Run the tests that want control groups of version 2 in a nested machine.
    Vm,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match std::env::args().nth(1).as_deref() {
        Some(bench::govern::burn::WORD) => bench::govern::burn::run(arguments.by_ref().skip(1)),
        Some(bench::evidence::WORD) => bench::evidence::spin(arguments.by_ref().skip(1)),
        _ => run(Cli::parse().chore),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    match chore {
        Chore::Test { install } => test::run(install),
        Chore::Tidy => tidy::run(),
        Chore::Format { check } => nix_library::format(check),
        Chore::Docs { check } => knobs::run(check).and_then(|()| nix_library::run(check)),
        Chore::Bench { what, options } => bench::run(what, &options),
        Chore::Install { prefix } => install::run(prefix),
        Chore::Nix { chore } => nix::run(chore),
        Chore::Vm => vm::run(),
    }
}

/// The workspace's root.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Prints a line of progress.
#[expect(clippy::print_stderr, reason = "chores speak to the terminal")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Prints a line of results.
#[expect(clippy::print_stdout, reason = "chores speak to the terminal")]
fn print(text: &str) {
    println!("{text}");
}

/// Runs a command in the root and fails when it does.
fn sh(program: &str, arguments: &[&str]) -> Result<()> {
    say(&format!("$ {program} {}", arguments.join(" ")));
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root())
        // cargo-machete takes this for the sign that it was not started as a subcommand.
        .env_remove("CARGO_PKG_NAME")
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{program} {} failed: {status}", arguments.join(" "));
    }
    Ok(())
}
