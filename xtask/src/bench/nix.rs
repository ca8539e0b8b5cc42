//! Builds of derivations: ours beside `nix build` with every number of jobs and cores, in a memory
//! group; and what the driver costs for derivations that do nothing.
//!
//! Needs a Nix that may build (`IRONWRIGHT_NIX_BIN`, or PATH). Does not know why a figure is what it is.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ironwright_core::evidence::robust::median;

use super::govern::group::Group;
use super::govern::world::{Ran, World, command, run_all};
use super::govern::{Goals, load};
use crate::{install, print, root};

/// Memory of the group in MiB.
const MIB: u64 = 3 << 10;
/// Numbers of jobs and of cores that the peer is tried with.
const NUMBERS: [u32; 4] = [1, 2, 4, 8];
/// How long one build may take.
const LIMIT: Duration = Duration::from_mins(15);
/// Rounds of a derivation that does nothing, and of two hundred of them.
const ROUNDS: (usize, usize) = (9, 3);
/// Sizes that make heavy derivations take half of the group and more.
const SIZES: &str = "rows = 400000; functions = 400; instances = 8;";

pub(crate) fn run(part: Option<&str>) -> Result<()> {
    install::release()?;
    let bench = Bench::new()?;
    let goals = Goals::default();
    print(&format!("load before: {}", load()));
    if part != Some("overhead") {
        bench.builds(&goals, part)?;
    }
    if part.is_none_or(|part| part == "overhead") {
        bench.overhead(&goals)?;
    }
    goals.tell();
    Ok(())
}

struct Bench {
    world: World,
    flake: PathBuf,
    path: OsString,
    nix: PathBuf,
}

impl Bench {
    fn new() -> Result<Self> {
        let world = World::new("nix")?;
        let own = std::env::var_os("IRONWRIGHT_NIX_BIN").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = own.into_iter().chain(std::env::split_paths(&path));
        let nix = all.map(|directory| directory.join("nix")).find(|nix| nix.is_file());
        let nix = nix.context("no nix: set IRONWRIGHT_NIX_BIN to the folder of one")?;
        let behind = nix.parent().map(Path::to_owned).into_iter();
        let path = std::env::join_paths(behind.chain(std::env::split_paths(&path)))?;
        let flake = world.fresh("flake")?;
        fs::copy(root().join("fixtures/nix/compile/flake.nix"), flake.join("flake.nix"))?;
        let bench = Self { world, flake, path, nix };
        bench.write_host(0)?;
        Ok(bench)
    }

    /// Where the compilers are. Another salt makes derivations that do nothing new ones.
    fn write_host(&self, salt: u64) -> Result<()> {
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output()?.stdout;
        let sysroot = String::from_utf8(sysroot)?;
        let text = format!(
            "{{ system = \"x86_64-linux\"; path = \"/usr/local/bin:/usr/bin:/bin\"; \
             rustc = \"{}/bin/rustc\"; salt = {salt}; {SIZES} }}\n",
            sysroot.trim()
        );
        Ok(fs::write(self.flake.join("host.nix"), text)?)
    }

    fn installable(&self, attribute: &str) -> String {
        format!("path:{}#{attribute}", self.flake.display())
    }

    fn nix_words(&self, command: &mut Command) {
        command.args(["--extra-experimental-features", "nix-command flakes"]);
        command.env("PATH", &self.path);
    }

    /// A call of `nix` outside of the group.
    fn nix(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.nix);
        self.nix_words(&mut command);
        let output = command.args(words).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("nix {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Removes what was built, so that it is built again.
    fn forget(&self) -> Result<()> {
        let text = self.nix(&["eval", "--json", &self.installable("outputs.everything")])?;
        let paths: Vec<String> = serde_json::from_str(&text)?;
        let there: Vec<&str> =
            paths.iter().map(String::as_str).filter(|path| Path::new(path).exists()).collect();
        if !there.is_empty() {
            let words = ["store", "delete", "--ignore-liveness"];
            self.nix(&[&words, there.as_slice()].concat())?;
        }
        Ok(())
    }

    fn own(&self, group: &Group, words: &[&str]) -> Result<Command> {
        let mut own = command(&self.world, group, &self.world.ironwright());
        own.env("PATH", &self.path).args(["build", "--no-link", "--progress", "none"]).args(words);
        own.stdout(Stdio::null()).stderr(self.world.log("own.log")?);
        Ok(own)
    }

    fn peer(&self, group: &Group, words: &[&str]) -> Result<Command> {
        let mut peer = command(&self.world, group, &self.nix);
        self.nix_words(&mut peer);
        peer.args(["build", "--no-link"]).args(words);
        peer.stdout(Stdio::null()).stderr(self.world.log("peer.log")?);
        Ok(peer)
    }

    /// Uses each compiler once: whoever builds first would read it from the disk for all others.
    fn warm_up(&self) -> Result<()> {
        let directory = self.world.fresh("warm")?;
        for (compiler, file, text) in [
            ("gcc", "a.c", "int main(void) { return 0; }\n"),
            ("g++", "a.cpp", "#include <iostream>\nint main() { std::cout << 0; }\n"),
            ("rustc", "a.rs", "fn main() { println!(\"0\"); }\n"),
        ] {
            fs::write(directory.join(file), text)?;
            let mut command = Command::new(compiler);
            command.args(["-g", file, "-o", "a"]).env("PATH", &self.path).current_dir(&directory);
            if !command.status()?.success() {
                bail!("{command:?} failed");
            }
        }
        Ok(())
    }

    fn builds(&self, goals: &Goals, part: Option<&str>) -> Result<()> {
        self.warm_up()?;
        print(&format!("\n43 derivations that compile, in {MIB} MiB"));
        let everything = self.installable("everything");
        let measure = |name: &str, make: &dyn Fn(&Group) -> Result<Command>| -> Result<Ran> {
            self.forget()?;
            let group = Group::make(name, MIB)?;
            let ran = run_all(vec![make(&group)?], LIMIT)?;
            print(&format!(
                "  {name:<14} {:>7.1} s  {}  {} kernel kills, peak {} MiB",
                ran.seconds,
                if ran.well { "well  " } else { "FAILED" },
                group.kills(),
                group.peak_mib()
            ));
            Ok(ran)
        };
        let wanted = |name: &str| match part {
            None | Some("builds") => true,
            Some(part) => name.starts_with(part),
        };
        let mut own = Vec::new();
        for name in
            ["own-never-seen", "own-seen-once", "own-seen"].into_iter().filter(|n| wanted(n))
        {
            own.push(measure(name, &|group| self.own(group, &[&everything]))?);
        }
        let lost = own.iter().filter(|ran| !ran.well).count();
        goals.at_most("builds lost", lost as f64, 0.0);
        let mut fastest: Option<(f64, String)> = None;
        for jobs in NUMBERS {
            for cores in NUMBERS {
                let name = format!("nix-j{jobs}-c{cores}");
                if !wanted(&name) {
                    continue;
                }
                let (jobs, cores) = (jobs.to_string(), cores.to_string());
                let words = ["--max-jobs", &jobs, "--cores", &cores, &everything];
                let ran = measure(&name, &|group| self.peer(group, &words))?;
                let faster = fastest.as_ref().is_none_or(|(seconds, _)| ran.seconds < *seconds);
                if ran.well && faster {
                    fastest = Some((ran.seconds, name));
                }
            }
        }
        let Some((seconds, name)) = fastest else {
            print("  no numbers of jobs and cores build it");
            return Ok(());
        };
        for (ran, what) in own.iter().zip(["never seen", "seen once", "seen"]) {
            goals.at_most(&format!("{what}, in parts of {name}"), ran.seconds / seconds, 0.75);
        }
        Ok(())
    }

    fn overhead(&self, goals: &Goals) -> Result<()> {
        print("\nderivations that do nothing");
        let group = Group::make("overhead", MIB)?;
        let mut salt = std::process::id().into();
        let mut time = |attribute: &str, own: bool, jobs: &str| -> Result<f64> {
            salt += 1;
            self.write_host(salt)?;
            let installable = self.installable(attribute);
            let words = ["--max-jobs", jobs, &installable];
            let mut command =
                if own { self.own(&group, &[&installable])? } else { self.peer(&group, &words)? };
            let began = Instant::now();
            let status = command.status()?;
            if !status.success() {
                bail!("{command:?} failed");
            }
            Ok(began.elapsed().as_secs_f64() * 1e3)
        };
        // The first starts the governor.
        time("nothing", true, "1")?;
        let (mut own, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS.0 {
            own.push(time("nothing", true, "1")?);
            peer.push(time("nothing", false, "1")?);
        }
        let (own, peer) = (median(&own), median(&peer));
        print(&format!("  one: {own:.0} ms, nix build {peer:.0} ms"));
        goals.at_most("a derivation that does nothing, ms more", own - peer, 60.0);
        let mut own = Vec::new();
        let mut peers = NUMBERS.map(|jobs| (jobs, Vec::new()));
        for _ in 0..ROUNDS.1 {
            own.push(time("nothings", true, "1")?);
            for (jobs, times) in &mut peers {
                times.push(time("nothings", false, &jobs.to_string())?);
            }
        }
        let own = median(&own);
        let peers = peers.map(|(jobs, times)| (jobs, median(&times)));
        for (jobs, ms) in peers {
            print(&format!("  two hundred: {own:.0} ms, nix build --max-jobs {jobs} {ms:.0} ms"));
        }
        let fastest = peers.iter().map(|(_, ms)| *ms).fold(f64::INFINITY, f64::min);
        goals.at_most("each of two hundred, ms more", (own - fastest) / 201.0, 15.0);
        Ok(())
    }
}
