//! A large simulation.
//!
//! Does not know what it says; only how long it takes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Goals;
use super::world::{World, run_all};

/// A hundred thousand units: the mixed batch, many times.
const WORKLOAD: &str = r#"
[[job]]
name = "large"
count = 7700
memory = "1500 MiB"
cpu = 1.25
sleep = 3.75
growth = 0.6

[[job]]
name = "middling"
count = 15300
memory = "500 MiB"
cpu = 0.5
sleep = 1.5

[[job]]
name = "small"
count = 77000
memory = "50 MiB"
cpu = 0.0625
sleep = 0.1875
"#;
/// Most seconds that it may take.
const GOAL: f64 = 2.0;

pub(crate) fn run(goals: &Goals) -> Result<()> {
    let world = World::new("simulator")?;
    let workload = world.work().join("workload.toml");
    std::fs::write(&workload, WORKLOAD)?;
    let mut command = std::process::Command::new(world.ironwright());
    world.enter(&mut command);
    command.arg("simulate").arg(Path::new(&workload));
    command.args(["--budget", "21GiB", "--threads", "8"]).stdout(Stdio::null());
    let ran = run_all(vec![command], Duration::from_mins(2))?;
    if !ran.well {
        bail!("the simulation failed or took too long");
    }
    goals.at_most("simulator, 100,000 units, seconds", ran.seconds, GOAL);
    Ok(())
}
