//! What governing costs: the launcher for each unit, and the governor with many units in flight.
//!
//! Does not know what the time goes to.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ironwright_core::evidence::robust::median;

use super::Goals;
use super::burn::Burn;
use super::group::Group;
use super::world::World;
use crate::print;

/// Rounds of launches, and launches in each: ten thousand in all.
const ROUNDS: usize = 20;
const LAUNCHES: u32 = 500;
/// Milliseconds that the launcher may add to a unit.
const LAUNCH_GOAL: f64 = 1.0;
/// Units in flight, and how long the governor is watched with them.
const IN_FLIGHT: u32 = 1000;
const WATCHED: Duration = Duration::from_secs(20);
/// Part of a core, and megabytes, that the governor may take meanwhile.
const CORE_GOAL: f64 = 0.01;
const RESIDENT_GOAL: f64 = 20.0;
/// Rounds of a build after one that warms up, and how much longer than plain cargo it may take.
const BUILDS: usize = 6;
const BUILD_GOAL: f64 = 1.01;
/// A limit of memory that no build reaches.
const BEYOND_ALL_MIB: u64 = 1 << 20;

pub(crate) fn run(goals: &Goals) -> Result<()> {
    let world = World::new("overhead")?;
    let governor = Governor::start(&world)?;
    launches(&world, goals)?;
    in_flight(&world, &governor, goals)?;
    drop(governor);
    builds(&world, goals)
}

/// A governor of its own; ends when dropped.
struct Governor(Child);

impl Governor {
    fn start(world: &World) -> Result<Self> {
        let mut command = Command::new(world.ironwright());
        world.enter(&mut command);
        command.args(["govern", "--idle", "600"]).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Self(command.spawn().context("cannot start a governor")?);
        std::thread::sleep(Duration::from_millis(300));
        Ok(started)
    }

    /// Seconds of processor time so far.
    fn used(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        // Fields 14 and 15 of proc_pid_stat(5), in ticks of a hundredth second.
        let ticks = rest.split_ascii_whitespace().skip(11).take(2);
        let ticks: Vec<f64> = ticks.filter_map(|field| field.parse().ok()).collect();
        Ok(ticks.iter().sum::<f64>() / 100.0)
    }

    fn resident_mb(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        Ok(kib.context("no VmRSS")? * 1024.0 / 1e6)
    }
}

impl Drop for Governor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn launch(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(world.launcher());
    world.enter(&mut command);
    command.arg("--unit").args(arguments).stdout(Stdio::null());
    command
}

fn launches(world: &World, goals: &Goals) -> Result<()> {
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(each(|| launch(world, &["--name", "true", "--", "true"]))?);
        plain.push(each(|| {
            let mut command = Command::new("true");
            world.enter(&mut command);
            command
        })?);
    }
    let (ours, plain) = (median(&ours), median(&plain));
    print(&format!(
        "\nlauncher: {ours:.2} ms a unit, plain {plain:.2} ms, ratio {:.2}",
        ours / plain
    ));
    goals.at_most("launcher, milliseconds that it adds to a unit", ours - plain, LAUNCH_GOAL);
    Ok(())
}

/// Milliseconds that each command takes, on average.
fn each(command: impl Fn() -> Command) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..LAUNCHES {
        if !command().status()?.success() {
            bail!("{:?} failed", command());
        }
    }
    Ok(began.elapsed().as_secs_f64() * 1e3 / f64::from(LAUNCHES))
}

fn in_flight(world: &World, governor: &Governor, goals: &Goals) -> Result<()> {
    let burner = std::env::current_exe()?;
    let burner = burner.to_string_lossy();
    let mut units = Vec::new();
    for number in 0..IN_FLIGHT {
        let mark = world.work().join(format!("mark-{number}"));
        let sleeps = Burn { mib: 8, cpu: 0.0, sleep: 600.0 };
        let arguments = sleeps.arguments(&mark.to_string_lossy());
        let name = format!("unit-{number}");
        let mut all = vec!["--name", &name, "--memory", "4294967296", "--", &burner];
        all.extend(arguments.iter().map(String::as_str));
        units.push(launch(world, &all).stderr(Stdio::null()).spawn()?);
    }
    std::thread::sleep(Duration::from_secs(3));
    let (before, began) = (governor.used()?, Instant::now());
    std::thread::sleep(WATCHED);
    let core = (governor.used()? - before) / began.elapsed().as_secs_f64();
    let resident = governor.resident_mb()?;
    for unit in &units {
        // Asked to end, a launcher ends its command too.
        let pid = i32::try_from(unit.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
    }
    for mut unit in units {
        unit.wait()?;
    }
    goals.at_most("governor with 1,000 units in flight, part of a core", core, CORE_GOAL);
    goals.at_most("governor with 1,000 units in flight, MB resident", resident, RESIDENT_GOAL);
    Ok(())
}

/// Both builds run in a group whose memory is counted, as everything does that is started from a
/// desktop: neither is spared the kernel's counting. Who may make no group compares without one.
fn builds(world: &World, goals: &Goals) -> Result<()> {
    let group = Group::make("unconstrained", BEYOND_ALL_MIB).ok();
    let source = super::sources::ripgrep(world)?;
    let both = |round: usize| -> Result<(f64, f64)> {
        let (mut ours, mut plain) = (0.0, 0.0);
        for governed in [round.is_multiple_of(2), !round.is_multiple_of(2)] {
            let target = world.fresh("target")?;
            let seconds = build(world, group.as_ref(), &source, &target, governed)?;
            *(if governed { &mut ours } else { &mut plain }) = seconds;
        }
        Ok((ours, plain))
    };
    let (ours, plain) = both(0)?;
    print(&format!("ripgrep, unconstrained, to warm up: {ours:.2} s, plain cargo {plain:.2} s"));
    let mut ratios = Vec::new();
    for round in 1..=BUILDS {
        let (ours, plain) = both(round)?;
        ratios.push(ours / plain);
        print(&format!("  round {round} of {BUILDS}: {ours:.2} s, plain cargo {plain:.2} s"));
    }
    // The machine is not equally fast all the time: only what ran side by side is compared.
    goals.at_most("ripgrep unconstrained, in parts of plain cargo", median(&ratios), BUILD_GOAL);
    Ok(())
}

fn build(
    world: &World,
    group: Option<&Group>,
    source: &Path,
    target: &Path,
    governed: bool,
) -> Result<f64> {
    let program = if governed { world.ironwright() } else { "cargo".into() };
    let mut command = group.map_or_else(|| Command::new(&program), |it| it.command(&program));
    world.enter(&mut command);
    if governed {
        command.args(["run", "-q", "--progress", "none", "--", "cargo"]);
    }
    command.args(["build", "--release", "--offline", "--locked"]).current_dir(source);
    command.env("CARGO_TARGET_DIR", target).stdout(Stdio::null());
    command.stderr(world.log("build.err")?);
    let ran = super::world::run_all(vec![command], Duration::from_mins(15))?;
    if !ran.well {
        bail!("ripgrep was not built");
    }
    Ok(ran.seconds)
}
