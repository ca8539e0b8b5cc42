//! A mixed batch in a memory group: few large jobs, some middling, many small ones.
//!
//! Does not know how the governor decides; it counts what was lost and how long all took.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use ironwright_core::evidence::robust::median;
use ironwright_core::observe::unit::UnitOutcome;

use super::burn::Burn;
use super::group::Group;
use super::oracle::{self, Known};
use super::shuffle::shuffle;
use super::world::{Ran, World, command, count, run_all};
use super::{Goals, load};
use crate::print;

/// Memory of the group, in MiB, and processors: the bound below holds for these.
const LIMIT_MIB: u64 = 3072;
const CORES: f64 = 2.0;
/// What takes longer hangs.
const HANGS: Duration = Duration::from_mins(4);
/// Memory of the group that is not the batch's: shells, make, launchers.
const OVERHEAD_MIB: u64 = 48;

/// A batch and what it is called.
struct Mix {
    name: &'static str,
    /// Seconds on a processor, and asleep, of large, middling and small jobs.
    times: [(f64, f64); 3],
    /// Goals in parts of the bound, for jobs that were seen before.
    seen: f64,
}

const MIXES: [Mix; 2] = [
    Mix { name: "sleeping", times: [(1.25, 3.75), (0.5, 1.5), (0.0625, 0.1875)], seen: 1.15 },
    Mix { name: "cpu-bound", times: [(5.0, 0.0), (2.0, 0.0), (0.25, 0.0)], seen: 1.05 },
];
/// Goal for jobs that were never seen, in parts of the bound; and how many may be killed for it.
const NEVER_SEEN: f64 = 1.6;
const MOST_KILLED: f64 = 2.0;

struct Job {
    name: String,
    burn: Burn,
}

impl Mix {
    fn jobs(&self) -> Vec<Job> {
        let kinds = [("large", 3, 1500), ("middling", 6, 500), ("small", 30, 50)];
        let of = |((name, number, mib), (cpu, sleep)): ((&str, u32, u64), (f64, f64))| {
            let name = name.to_owned();
            (1..=number).map(move |index| Job {
                name: format!("{name}-{index}"),
                burn: Burn { mib, cpu, sleep },
            })
        };
        kinds.into_iter().zip(self.times).flat_map(of).collect()
    }

    /// Processor time over cores, peaks over time in the limit, and the longest job. Schedules that
    /// let one grow while another ends can do with less memory over time than the second counts.
    fn bound(&self) -> f64 {
        let jobs = self.jobs();
        let cpu: f64 = jobs.iter().map(|job| job.burn.cpu).sum();
        let held = |job: &Job| job.burn.mib as f64 * job.burn.seconds();
        let memory: f64 = jobs.iter().map(held).sum();
        let longest = jobs.iter().map(|job| job.burn.seconds()).fold(0.0, f64::max);
        (cpu / CORES).max(memory / LIMIT_MIB as f64).max(longest)
    }
}

/// What one run of a batch gave.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    seconds: f64,
    lost: usize,
    kernel_kills: u64,
    evicted: usize,
    peak_mib: u64,
}

struct Batch<'a> {
    world: &'a World,
    mix: &'a Mix,
    jobs: Vec<Job>,
    burner: PathBuf,
}

/// `only` names the one mix that is measured; both when absent.
pub(crate) fn run(seeds: u64, peers: bool, only: Option<&str>, goals: &Goals) -> Result<()> {
    for mix in MIXES.iter().filter(|mix| only.is_none_or(|name| mix.name == name)) {
        let bound = mix.bound();
        print(&format!("\n{} mix in {LIMIT_MIB} MiB, bound {bound:.1} s", mix.name));
        print("  seed  who              seconds  /bound  lost  oom  evicted  peak MiB  load");
        let mut table: Vec<(String, Outcome)> = Vec::new();
        for seed in 1..=seeds {
            for (who, outcome) in one_seed(mix, seed, peers)? {
                table.push((who, outcome));
            }
        }
        judge(mix, &table, peers, goals);
    }
    Ok(())
}

fn one_seed(mix: &Mix, seed: u64, peers: bool) -> Result<Vec<(String, Outcome)>> {
    let world = World::new(&format!("{}-{seed}", mix.name))?;
    let mut jobs = mix.jobs();
    shuffle(&mut jobs, seed);
    let burner = std::env::current_exe().context("where is this program?")?;
    let batch = Batch { world: &world, mix, jobs, burner };
    let mut results = Vec::new();
    let mut tell = |who: &str, outcome: Outcome| {
        print(&format!(
            "  {seed:>4}  {who:<15}  {:>7.2}  {:>6.3}  {:>4}  {:>3}  {:>7}  {:>8}  {}",
            outcome.seconds,
            outcome.seconds / mix.bound(),
            outcome.lost,
            outcome.kernel_kills,
            outcome.evicted,
            outcome.peak_mib,
            load()
        ));
        results.push((who.to_owned(), outcome));
    };
    for who in ["never seen", "seen once", "seen"] {
        tell(who, batch.governed()?);
    }
    if !peers {
        return Ok(results);
    }
    tell("oracle", batch.oracle()?);
    for jobs in [2, 4, 8] {
        tell(&format!("make -j{jobs}"), batch.make(&[jobs])?);
    }
    tell("make -j8; -j1", batch.make(&[8, 1])?);
    if which("parallel") {
        tell("parallel", batch.parallel()?);
    }
    Ok(results)
}

impl Batch<'_> {
    fn marks(&self) -> PathBuf {
        self.world.work().join("marks")
    }

    /// The command of a job, as a recipe or a line.
    fn line(&self, job: &Job) -> String {
        let mark = self.marks().join(&job.name);
        let arguments = job.burn.arguments(&mark.to_string_lossy()).join(" ");
        format!("{} {arguments}", self.burner.display())
    }

    fn makefile(&self, prefix: impl Fn(&Job) -> String) -> Result<PathBuf> {
        let marks = self.marks();
        let targets: Vec<String> =
            self.jobs.iter().map(|job| marks.join(&job.name).display().to_string()).collect();
        let mut text = format!("all: {}\n", targets.join(" "));
        for (job, target) in self.jobs.iter().zip(&targets) {
            let _ = write!(text, "{target}:\n\t@{}{}\n", prefix(job), self.line(job));
        }
        let path = self.world.work().join("Makefile");
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// Runs something with the batch in a fresh group and counts.
    fn outcome(&self, run: impl FnOnce(&Group) -> Result<Ran>) -> Result<Outcome> {
        let marks = self.world.fresh("marks")?;
        let group = Group::make(self.mix.name, LIMIT_MIB)?;
        let ran = run(&group)?;
        let left = self.jobs.iter().filter(|job| !marks.join(&job.name).exists()).count();
        Ok(Outcome {
            seconds: ran.seconds,
            lost: left,
            kernel_kills: group.kills(),
            evicted: 0,
            peak_mib: group.peak_mib(),
        })
    }

    fn governed(&self) -> Result<Outcome> {
        let unit = |job: &Job| format!("ironwright unit --name {} -- ", job.name);
        let makefile = self.makefile(unit)?;
        let mut outcome = self.outcome(|group| {
            let mut run = command(self.world, group, &self.world.ironwright());
            run.args(["run", "--progress", "none", "--", "make", "-k", "-f"]).arg(makefile);
            run.arg("all").stdout(self.world.log("run.out")?).stderr(self.world.log("run.err")?);
            run_all(vec![run], HANGS)
        })?;
        // The governor has ended with the group, so that all is written.
        let units = self.world.units(1)?;
        outcome.evicted = count(&units, UnitOutcome::Evicted);
        Ok(outcome)
    }

    fn make(&self, jobs: &[u32]) -> Result<Outcome> {
        let makefile = self.makefile(|_| String::new())?;
        self.outcome(|group| {
            let mut total = Ran { seconds: 0.0, well: false };
            for jobs in jobs {
                let make = self.plain_make(group, &makefile, *jobs)?;
                let ran = run_all(vec![make], HANGS)?;
                total = Ran { seconds: total.seconds + ran.seconds, well: ran.well };
                if ran.well {
                    break;
                }
            }
            Ok(total)
        })
    }

    fn plain_make(&self, group: &Group, makefile: &Path, jobs: u32) -> Result<Command> {
        let mut make = command(self.world, group, Path::new("make"));
        make.arg(format!("-j{jobs}")).args(["-k", "-f"]).arg(makefile).arg("all");
        make.stdout(self.world.log("make.out")?).stderr(self.world.log("make.err")?);
        Ok(make)
    }

    fn oracle(&self) -> Result<Outcome> {
        self.outcome(|group| {
            let known = self.jobs.iter().map(|job| {
                let mut command = command(self.world, group, &self.burner);
                let mark = self.marks().join(&job.name);
                command.args(job.burn.arguments(&mark.to_string_lossy()));
                Known { mib: job.burn.mib + 3, share: job.burn.cpu / job.burn.seconds(), command }
            });
            oracle::run(known.collect(), LIMIT_MIB - OVERHEAD_MIB, CORES)
        })
    }

    fn parallel(&self) -> Result<Outcome> {
        let lines: Vec<String> = self.jobs.iter().map(|job| self.line(job)).collect();
        let list = self.world.work().join("jobs");
        std::fs::write(&list, lines.join("\n"))?;
        self.outcome(|group| {
            let mut parallel = command(self.world, group, Path::new("parallel"));
            parallel.args(["-j8", "--memfree", "512M", "--memsuspend", "256M", "--retries", "9"]);
            parallel.arg("-a").arg(list);
            run_all(vec![parallel], HANGS)
        })
    }
}

fn which(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn judge(mix: &Mix, table: &[(String, Outcome)], peers: bool, goals: &Goals) {
    let of = |who: &str| -> Vec<Outcome> {
        table.iter().filter(|(name, _)| name == who).map(|(_, outcome)| *outcome).collect()
    };
    let seconds = |who: &str| {
        let all: Vec<f64> = of(who).iter().map(|outcome| outcome.seconds).collect();
        median(&all)
    };
    let most =
        |who: &str, figure: fn(&Outcome) -> f64| of(who).iter().map(figure).fold(0.0, f64::max);
    let governed = ["never seen", "seen once", "seen"];
    let all = |figure: fn(&Outcome) -> f64| {
        governed.iter().map(|who| most(who, figure)).fold(0.0, f64::max)
    };
    let name = mix.name;
    goals.at_most(&format!("{name}: most jobs lost"), all(|o| o.lost as f64), 0.0);
    goals.at_most(&format!("{name}: most kernel kills"), all(|o| o.kernel_kills as f64), 0.0);
    let bound = mix.bound();
    let seen = seconds("seen") / bound;
    goals.at_most(&format!("{name}, seen, median in bounds"), seen, mix.seen);
    let first = seconds("never seen") / bound;
    goals.at_most(&format!("{name}, never seen, median in bounds"), first, NEVER_SEEN);
    let killed = most("never seen", |o| o.evicted as f64);
    goals.at_most(&format!("{name}, never seen, most evicted"), killed, MOST_KILLED);
    if peers && name == "sleeping" {
        let ratio = seconds("seen") / seconds("oracle");
        goals.at_most("sleeping, seen, in parts of the oracle", ratio, 1.0);
    }
    for peer in ["make -j2", "make -j4", "make -j8", "make -j8; -j1", "parallel", "oracle"] {
        if !of(peer).is_empty() {
            print(&format!(
                "  {peer}: {:.2} x the governor's time, {} lost at most",
                seconds(peer) / seconds("seen"),
                most(peer, |o| o.lost as f64)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_batch() {
        let [sleeping, busy] = MIXES;
        assert!((sleeping.bound() - 9.4).abs() < 0.05, "{}", sleeping.bound());
        assert!((busy.bound() - 17.2).abs() < 0.06, "{}", busy.bound());
    }
}
