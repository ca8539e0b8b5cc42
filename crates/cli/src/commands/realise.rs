//! `ironwright realise`: carries a plan of derivations out for `ironwright build`, which watches.
//!
//! Does not make plans, nor show what became of them as a whole.

use std::path::PathBuf;

use clap::Args;

use crate::error::CliError;
use crate::nix::carry::Files;
use crate::nix::plan::NixPlan;
use crate::nix::realise::realise;

/// Carry out a plan of `ironwright build`.
#[derive(Args, Debug)]
pub(crate) struct RealiseArgs {
    /// Directory with the plan.
    directory: PathBuf,
}

pub(crate) fn run(args: &RealiseArgs) -> Result<u8, CliError> {
    let files = Files::at(&args.directory);
    let path = files.plan();
    let text = std::fs::read(&path).map_err(|error| CliError::Read { path, error })?;
    let plan: NixPlan = serde_json::from_slice(&text)?;
    let results = realise(&plan, &files.builds(), &files.status());
    let path = files.results();
    std::fs::write(&path, serde_json::to_vec(&results)?)
        .map_err(|error| CliError::Write { path, error })?;
    Ok(results.exit_code())
}
