//! Benchmarks of the benchmark: how often it errs, what it finds, and whether a peer agrees.
//!
//! Error rates need hundreds of benchmarks, so they are simulated with a recorded machine's noise (the
//! same tests as in `cargo xtask test`, in release); a few real ones beside them show that the
//! simulation is no dream. Does not know statistics.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::govern::{Goals, load};
use super::tempdir;
use crate::{install, print, root, say, sh};

/// First argument by which this program spins instead.
pub(crate) const WORD: &str = "spin";
/// Turns of about a tenth of a second.
const TENTH: f64 = 0.1;
/// Real benchmarks of a command with itself, and of two that differ by 3 %.
const REAL: usize = 6;
/// Runs of the peer.
const PEER_RUNS: &str = "60";

/// Turns a generator of random numbers so many times.
pub(crate) fn spin(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let turns: u64 = arguments.next().context("how many turns?")?.parse()?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..turns {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    std::hint::black_box(state);
    Ok(())
}

pub(crate) fn run() -> Result<()> {
    install::release()?;
    sh("cargo", &["build", "--release", "--quiet", "-p", "xtask"])?;
    let goals = Goals::default();
    print(&format!("load before: {}", load()));
    simulated()?;
    let home = tempdir()?;
    let turns = turns_of_a_tenth()?;
    overhead(&home, &goals)?;
    real(&home, turns, &goals)?;
    agrees_with_hyperfine(&home, turns, &goals)?;
    goals.tell();
    std::fs::remove_dir_all(home)?;
    Ok(())
}

/// The tests that simulate, with what they print.
fn simulated() -> Result<()> {
    let tests = ["--test", "evidence", "--test", "calibration"];
    let output = Command::new("cargo")
        .args(["test", "--release", "--quiet", "-p", "ironwright-core"])
        .args(tests)
        .args(["--", "--nocapture", "--test-threads=1"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    print("simulated with recorded noise:");
    for line in String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.contains(": ")) {
        print(&format!("  {line}"));
    }
    if !output.status.success() {
        bail!("a simulation missed its goal");
    }
    Ok(())
}

fn spinner(turns: f64) -> Result<String> {
    let program = root().join("target/release/xtask");
    Ok(format!("{} {WORD} {turns:.0}", program.to_str().context("an odd path")?))
}

fn turns_of_a_tenth() -> Result<f64> {
    let turns = 50_000_000.0;
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let began = Instant::now();
        let command = spinner(turns)?;
        let words: Vec<_> = command.split(' ').collect();
        let (program, arguments) = words.split_first().context("no program")?;
        Command::new(program).args(arguments).status()?;
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(turns * TENTH / best)
}

fn bench(home: &Path, arguments: &[&str]) -> Result<Value> {
    let output = Command::new(root().join("target/release/ironwright"))
        .args(["bench", "--json", "--no-record"])
        .args(arguments)
        .env("XDG_STATE_HOME", home.join("state"))
        .env("XDG_CACHE_HOME", home.join("cache"))
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("ironwright bench {arguments:?} failed");
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn number(value: &Value, pointer: &str) -> Result<f64> {
    value.pointer(pointer).and_then(Value::as_f64).with_context(|| format!("no {pointer}"))
}

/// What a run costs beside the command, next to what the peer adds.
fn overhead(home: &Path, goals: &Goals) -> Result<()> {
    let ours = bench(home, &["sleep 0.02", "-r", "30"])?;
    let empty = number(&ours, "/setup/overhead")? * 1e3;
    let wall = number(&ours, "/results/0/figures/wall/median")? * 1e3;
    let peer = hyperfine(home, "sleep 0.02", "30")?;
    let theirs = number(&peer, "/results/0/median")? * 1e3;
    print(&format!(
        "sleep 0.02: {wall:.3} ms, hyperfine -N {theirs:.3} ms; an empty process {empty:.3} ms"
    ));
    goals.at_most("a sleep of 20 ms takes longer than under hyperfine by ms", wall - theirs, 0.3);
    Ok(())
}

fn real(home: &Path, turns: f64, goals: &Goals) -> Result<()> {
    let (a, b) = (spinner(turns)?, spinner(turns * 1.03)?);
    let (mut fooled, mut found) = (0.0, 0.0);
    for n in 0..REAL {
        let seed = n.to_string();
        let same = bench(home, &[&a, &a, "--max-time", "20s", "--seed", &seed])?;
        let differ = bench(home, &[&a, &b, "--max-time", "60s", "--seed", &seed])?;
        let verdict =
            |bench: &Value| bench.pointer("/results/1/verdict").cloned().unwrap_or_default();
        let ratio = |bench: &Value| number(bench, "/results/1/comparisons/0/ratio/estimate");
        say(&format!(
            "{} of {REAL}: itself {} ({:.4}), 3 % more {} ({:.4}) after {:.1} s",
            n + 1,
            verdict(&same),
            ratio(&same)?,
            verdict(&differ),
            ratio(&differ)?,
            number(&differ, "/elapsed")?
        ));
        fooled += f64::from(u8::from(["less", "more"].map(Value::from).contains(&verdict(&same))));
        found += f64::from(u8::from(verdict(&differ) == "more"));
    }
    goals.at_most("real: of a command with itself, called different", fooled / REAL as f64, 0.05);
    goals.at_least("real: of a true 3 %, found within 60 s", found / REAL as f64, 0.9);
    Ok(())
}

fn hyperfine(home: &Path, command: &str, runs: &str) -> Result<Value> {
    let file = home.join("hyperfine.json");
    let status = Command::new("hyperfine")
        .args(["-N", "--style", "none", "--warmup", "1", "--runs", runs, "--export-json"])
        .arg(&file)
        .arg(command)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot run hyperfine (Debian package hyperfine)")?;
    if !status.success() {
        bail!("hyperfine failed");
    }
    Ok(serde_json::from_str(&std::fs::read_to_string(file)?)?)
}

/// The means of both on the same command, each within the other's interval.
fn agrees_with_hyperfine(home: &Path, turns: f64, goals: &Goals) -> Result<()> {
    for turns in [turns * 0.2, turns, turns * 2.0] {
        let command = spinner(turns)?;
        let peer = hyperfine(home, &command, PEER_RUNS)?;
        let ours = bench(home, &[&command, "-r", PEER_RUNS, "--pin", "off"])?;
        let (mean, deviation) =
            (number(&peer, "/results/0/mean")?, number(&peer, "/results/0/stddev")?);
        let own = number(&ours, "/results/0/figures/wall/mean")?;
        print(&format!(
            "{command}: {:.2} ms, hyperfine {:.2} ms +- {:.2} ms, ratio {:.4}",
            own * 1e3,
            mean * 1e3,
            deviation * 1e3,
            own / mean
        ));
        let off = (own - mean).abs() / deviation;
        goals.at_most("mean off hyperfine's, in its deviations", off, 1.0);
    }
    Ok(())
}
