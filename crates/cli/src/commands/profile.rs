//! `ironwright profile`.
//!
//! Does not know which keys exist; it shows the merged profile.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ironwright_core::profile::schema::profile_schema;
use ironwright_core::profile::{Leaf, Profile};

use super::profile_import::{self, ImportArgs};
use crate::args::HostArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::table::table;
use crate::ui;

/// Show, check or import the hardware profile.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright profile show --origins\n  ironwright profile check hosts/shoshin.toml\n  ironwright profile import profiles/hardware/shoshin.nix --write\n  ironwright profile schema"
)]
pub(crate) struct ProfileArgs {
    #[command(subcommand)]
    command: ProfileCommand,
}

#[derive(Debug, Subcommand)]
enum ProfileCommand {
    /// Show every key with the value that counts.
    Show {
        /// Apply the overrides of this package.
        package: Option<String>,
        /// Show what every layer says, not only the last.
        #[arg(long)]
        origins: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check a profile file, all mistakes in one run.
    Check {
        /// The file; without one, the profile of this host.
        file: Option<PathBuf>,
    },
    /// Make a profile of one that is written as a Nix attribute set.
    ///
    /// Reads the shape `build.parallelism.maxJobs`, `build.compiler.march`,
    /// `packages.NAME.cargoBuildJobs`; with Nix where it is installed, else by itself as far as the
    /// file is plain data. Says what it kept, what it changed and what it did not understand.
    Import(ImportArgs),
    /// Print the JSON schema of a profile.
    Schema,
}

pub(crate) fn run(args: &ProfileArgs, host: &HostArgs) -> Result<u8, CliError> {
    match &args.command {
        ProfileCommand::Show { package, origins, json } => {
            show(host, package.as_deref(), *origins, *json)
        }
        ProfileCommand::Check { file } => check(host, file.clone()),
        ProfileCommand::Import(args) => profile_import::run(args),
        ProfileCommand::Schema => ui::print_json(&profile_schema()).map(|()| 0),
    }
}

fn show(host: &HostArgs, package: Option<&str>, origins: bool, json: bool) -> Result<u8, CliError> {
    let context = Context::load(host)?;
    let profile = context.profile(package);
    context.tell_fallbacks();
    if json {
        ui::print_json(&serde_json::json!({
            "schema": 1,
            "package": profile.package,
            "host": profile.host,
            "settings": profile.settings,
        }))?;
    } else {
        ui::print(&listing(&profile, origins))?;
    }
    Ok(0)
}

fn listing(profile: &Profile, origins: bool) -> String {
    let leaves = profile.host.iter().chain(&profile.settings);
    let rows = leaves.flat_map(|(key, leaf)| rows(key, leaf, origins));
    table(&["key", "value", "origin"], rows)
}

fn rows(key: &str, leaf: &Leaf, origins: bool) -> Vec<Vec<String>> {
    let mut layers = leaf.layers.iter().rev();
    let Some(winner) = layers.next() else { return Vec::new() };
    let mut rows = vec![vec![key.to_owned(), winner.value.display(), winner.origin.to_string()]];
    if origins {
        rows.extend(layers.map(|layer| {
            let beaten = format!("beats {}", layer.value.display());
            vec![String::new(), beaten, layer.origin.to_string()]
        }));
    }
    rows
}

fn check(host: &HostArgs, file: Option<PathBuf>) -> Result<u8, CliError> {
    let mut host = host.clone();
    if file.is_some() {
        host.profile = file;
    }
    let context = Context::load(&host)?;
    if let Some(file) = &context.file {
        ui::print(&format!("{}: no mistakes\n", file.path))?;
    } else {
        context.tell_fallbacks();
        ui::print("no profile file to check\n")?;
    }
    Ok(0)
}
