//! Three real builds at once in a memory group, beside fixed numbers of jobs for each tool.
//!
//! Does not know what the builds need; it counts which ended well and how long all took.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use ironwright_core::evidence::robust::median;
use ironwright_core::observe::unit::UnitOutcome;

use super::group::Group;
use super::world::{Ran, World, command, count, run_all};
use super::{Goals, load, sources};
use crate::print;

/// Memory of the group, in MiB.
const LIMIT_MIB: u64 = 1536;
/// What takes longer hangs.
const HANGS: Duration = Duration::from_mins(15);
/// Jobs of cargo, make and go.
pub(super) type Jobs = [u32; 3];
const STATIC: [Jobs; 5] = [[1, 1, 1], [2, 1, 1], [1, 2, 1], [1, 1, 2], [2, 2, 2]];
/// Orders of the translation units, a run each: what ends well in all of them counts as never failing.
const ORDERS: std::ops::RangeInclusive<u64> = 1..=3;
/// How much faster than the fastest fixed numbers that never fail.
const GOAL: f64 = 1.3;
/// The smallest group, in parts of the largest unit: 20 % more.
const BEYOND: (u64, u64) = (6, 5);

struct Outcome {
    ran: Ran,
    kernel_kills: u64,
    peak_mib: u64,
}

/// `only` names the numbers of jobs to compare with, and leaves the smallest group out.
pub(crate) fn run(peers: bool, only: Option<Jobs>, goals: &Goals) -> Result<()> {
    let world = World::new("real")?;
    sources::ripgrep(&world)?;
    sources::templates(&world.fresh("templates")?)?;
    sources::go(&world.fresh("go")?)?;
    print(&format!("\nripgrep with fat LTO, C++ templates and Go at once in {LIMIT_MIB} MiB"));
    print("  who                    order  seconds  well   oom  evicted  peak MiB  load");
    let first = governed(&world, "never seen", LIMIT_MIB, *ORDERS.start())?;
    let seen = governed(&world, "seen", LIMIT_MIB, *ORDERS.start())?;
    let mut all = vec![("never seen", &first), ("seen", &seen)];
    let narrow = if only.is_none() { Some(in_smallest_group(&world)?) } else { None };
    all.extend(narrow.as_ref().map(|narrow| ("smallest", narrow)));
    for (who, outcome) in all {
        let failed = f64::from(u8::from(!outcome.ran.well));
        goals.at_most(&format!("real, {who}: builds failed"), failed, 0.0);
        let kills = outcome.kernel_kills as f64;
        goals.at_most(&format!("real, {who}: kernel kills"), kills, 0.0);
    }
    if peers {
        let candidates = only.map_or(STATIC.to_vec(), |only| vec![only]);
        let faster = times_faster(&world, seen.ran.seconds, &candidates)?;
        goals.at_least("real: times faster than fixed", faster, GOAL);
    }
    Ok(())
}

fn in_smallest_group(world: &World) -> Result<Outcome> {
    let units = world.units(6)?;
    let largest = units.iter().map(|unit| unit.peak.0 >> 20).max().unwrap_or(0);
    print(&format!("  largest unit: {largest} MiB"));
    governed(world, "smallest group", largest * BEYOND.0 / BEYOND.1, *ORDERS.start())
}

/// How much faster the governor is than the fastest fixed numbers that never fail. One good end proves
/// little where memory is nearly full: small units first, and two large ones meet nobody else. Nor is a
/// machine equally fast all the time. So who was fastest is run again with the units in other orders, each
/// time beside governed builds, and whoever fails then gives its place to the next.
fn times_faster(world: &World, seen: f64, candidates: &[Jobs]) -> Result<f64> {
    let mut ended = Vec::new();
    for jobs in candidates {
        ended.extend(fixed(world, *jobs, *ORDERS.start())?.map(|seconds| (seconds, *jobs)));
    }
    ended.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    for (seconds, jobs) in ended {
        let mut ratios = vec![seconds / seen];
        for order in ORDERS.skip(1) {
            let Some(seconds) = fixed(world, jobs, order)? else { break };
            let seen = governed(world, "seen", LIMIT_MIB, order)?;
            if !seen.ran.well {
                bail!("governed builds failed");
            }
            ratios.push(seconds / seen.ran.seconds);
        }
        if ratios.len() == ORDERS.count() {
            return Ok(median(&ratios));
        }
    }
    Ok(f64::INFINITY)
}

/// The time with fixed numbers of jobs, if all ended well.
fn fixed(world: &World, [cargo, make, go]: Jobs, order: u64) -> Result<Option<f64>> {
    let outcome = in_group(world, LIMIT_MIB, order, |group| {
        let words = [format!("-j{cargo}"), format!("-j{make}"), format!("-p={go}")];
        builds(world, group, &words.map(|word| vec![word]), false)
    })?;
    tell(&format!("cargo {cargo} make {make} go {go}"), order, &outcome, 0);
    Ok(outcome.ran.well.then_some(outcome.ran.seconds))
}

fn governed(world: &World, who: &str, limit: u64, order: u64) -> Result<Outcome> {
    let nothing = [vec![], vec![], vec![]];
    let outcome = in_group(world, limit, order, |group| builds(world, group, &nothing, true))?;
    let evicted = count(&world.units(3)?, UnitOutcome::Evicted);
    tell(who, order, &outcome, evicted);
    Ok(outcome)
}

fn tell(who: &str, order: u64, outcome: &Outcome, evicted: usize) {
    print(&format!(
        "  {who:<21}  {order:>5}  {:>7.1}  {:<5}  {:>3}  {evicted:>7}  {:>8}  {}",
        outcome.ran.seconds,
        outcome.ran.well,
        outcome.kernel_kills,
        outcome.peak_mib,
        load()
    ));
}

fn in_group(
    world: &World,
    limit: u64,
    order: u64,
    commands: impl FnOnce(&Group) -> Result<Vec<Command>>,
) -> Result<Outcome> {
    for name in ["target", "gocache"] {
        world.fresh(name)?;
    }
    for entry in std::fs::read_dir(world.work().join("templates"))?.flatten() {
        if entry.path().extension().is_some_and(|it| it == "o" || it == "a") {
            std::fs::remove_file(entry.path())?;
        }
    }
    sources::makefile(&world.work().join("templates"), order)?;
    let group = Group::make("real", limit)?;
    let ran = run_all(commands(&group)?, HANGS)?;
    Ok(Outcome { ran, kernel_kills: group.kills(), peak_mib: group.peak_mib() })
}

/// The three builds, each with more arguments.
fn builds(
    world: &World,
    group: &Group,
    more: &[Vec<String>; 3],
    governed: bool,
) -> Result<Vec<Command>> {
    let ripgrep = sources::ripgrep(world)?;
    let (templates, go) = (world.work().join("templates"), world.work().join("go"));
    let all: [(&str, &[&str], &Path); 3] = [
        ("cargo", &["build", "--release", "--offline", "--locked"], &ripgrep),
        ("make", &[], &templates),
        ("go", &["build", "-o", "/dev/null", "."], &go),
    ];
    let mut commands = Vec::new();
    for ((program, arguments, directory), more) in all.into_iter().zip(more) {
        let own = world.ironwright();
        let mut made = command(world, group, if governed { &own } else { Path::new(program) });
        if governed {
            made.args(["run", "--progress", "none", "--", program]);
        }
        let (verb, rest) = arguments.split_at(arguments.len().min(1));
        made.args(verb).args(more).args(rest).current_dir(directory);
        made.env("CARGO_PROFILE_RELEASE_LTO", "fat");
        made.env("CARGO_TARGET_DIR", world.work().join("target"));
        made.env("GOCACHE", world.work().join("gocache")).env("GOFLAGS", "-buildvcs=false");
        made.env("GOPROXY", "off").stdout(world.log(&format!("{program}.out"))?);
        made.stderr(world.log(&format!("{program}.err"))?);
        commands.push(made);
    }
    Ok(commands)
}
