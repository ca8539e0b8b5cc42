//! Benchmarks of whole commands, each beside a peer in the same run.
//!
//! Prints medians and ratios and judges nothing: a noisy machine must not fail a build. Does not
//! know why a figure is what it is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{install, print, say};

pub(crate) mod evidence;
pub(crate) mod govern;
mod nix;
mod verify;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// settings, probe and run as whole processes.
    Commands,
    /// A package under `ironwright build` against `cargo install`.
    Build,
    /// How fast code is read, against elfx86exts on the same file.
    Verify,
    /// The governor: batches in a memory group, its cost, and the simulator.
    Govern,
    /// Derivations in a memory group beside `nix build`, and what the driver costs.
    Nix,
    /// Error rates and power of benchmarks, calibration, and agreement with hyperfine.
    Evidence,
}

pub(crate) fn run(what: What, options: &govern::Options) -> Result<()> {
    match what {
        What::Govern => return govern::run(options),
        What::Nix => return nix::run(options.of_nix()),
        What::Evidence => return evidence::run(),
        What::Commands | What::Build | What::Verify => {}
    }
    let binary = install::release()?.join("ironwright");
    let size = std::fs::metadata(&binary)?.len() as f64 / 1e6;
    print(&format!("binary: {size:.1} MB (at most 12)"));
    match what {
        What::Commands => commands(&binary),
        What::Build => build(&binary),
        What::Govern | What::Nix | What::Evidence => Ok(()),
        What::Verify => verify::run(&binary),
    }
}

/// Rounds of short commands.
const ROUNDS: usize = 41;

fn commands(binary: &Path) -> Result<()> {
    let home = tempdir()?;
    let cache = home.join("cache/ironwright/tools.json");
    let own = |arguments: &[&str]| {
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_STATE_HOME", home.join("state"));
        command
    };
    let peer = |program: &str| Command::new(program);
    time(&mut own(&["settings", "--json"]))?;
    compare(
        "settings --json, warm",
        10.0,
        || own(&["settings", "--json"]),
        "lscpu",
        || peer("lscpu"),
        || (),
    )?;
    compare(
        "probe, tool versions cached",
        30.0,
        || own(&["probe"]),
        "lscpu",
        || peer("lscpu"),
        || (),
    )?;
    let forget = || {
        let _ = std::fs::remove_file(&cache);
    };
    compare("probe, nothing cached", 250.0, || own(&["probe"]), "lscpu", || peer("lscpu"), forget)?;
    compare(
        "run -- true",
        15.0,
        || own(&["run", "-q", "--", "true"]),
        "true",
        || peer("true"),
        || (),
    )?;
    std::fs::remove_dir_all(home)?;
    Ok(())
}

fn compare(
    name: &str,
    limit_ms: f64,
    own: impl Fn() -> Command,
    peer_name: &str,
    peer: impl Fn() -> Command,
    before: impl Fn(),
) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        before();
        ours.push(time(&mut own())?);
        theirs.push(time(&mut peer())?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    print(&format!(
        "{name}: {:.1} ms (at most {limit_ms} ms); {peer_name} {:.1} ms; difference {:.1} ms, ratio {:.2}",
        millis(ours),
        millis(theirs),
        millis(ours) - millis(theirs),
        millis(ours) / millis(theirs)
    ));
    Ok(())
}

/// Rounds of a whole build.
const BUILD_ROUNDS: usize = 3;

fn build(binary: &Path) -> Result<()> {
    let home = tempdir()?;
    let out = home.join("out");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..BUILD_ROUNDS {
        let mut own = Command::new(binary);
        own.args(["build", "crate:ripgrep@14.1.1", "--out"])
            .arg(&out)
            .env("XDG_STATE_HOME", home.join("state"));
        let mut peer = Command::new("cargo");
        peer.args([
            "install",
            "ripgrep",
            "--version",
            "14.1.1",
            "--locked",
            "--force",
            "--no-track",
            "--root",
        ])
        .arg(&out);
        // Taking turns at going first spreads what drifts over both.
        if round % 2 == 0 {
            ours.push(time(&mut own)?);
            theirs.push(time(&mut peer)?);
        } else {
            theirs.push(time(&mut peer)?);
            ours.push(time(&mut own)?);
        }
        say(&format!("round {} of {BUILD_ROUNDS} done", round + 1));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    print(&format!(
        "build crate:ripgrep@14.1.1: {:.1} s; cargo install {:.1} s; ratio {:.3} (at most 1.02)",
        ours.as_secs_f64(),
        theirs.as_secs_f64(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    ));
    std::fs::remove_dir_all(home)?;
    Ok(())
}

fn time(command: &mut Command) -> Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    let took = began.elapsed();
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(took)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn tempdir() -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("ironwright-bench-{}", std::process::id()));
    std::fs::create_dir_all(&path)?;
    Ok(path)
}
