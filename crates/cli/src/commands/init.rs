//! `ironwright init`.
//!
//! Does not know what makes a project; the core finds them in a listing.

use std::path::{Path, PathBuf};

use clap::Args;
use ironwright_core::build::Source;
use ironwright_core::workspace::{Discovered, MANIFEST, discover, parse, render};
use ironwright_host::files::replace;
use ironwright_host::inventory::walk;

use crate::error::{CliError, count};
use crate::ui;

/// Write a workspace manifest of the projects in a directory.
///
/// Every project that a build system is recognised in is listed in ironwright.toml, nested ones too; what
/// belongs to an outer project (members of a Cargo workspace, recipes below a project) is left to it.
/// Folders named target, build, dist, vendor or `node_modules` and hidden ones are not looked at.
/// `ironwright build` then builds the packages in the manifest's order.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright init\n  ironwright init ~/src/tools --dry-run\n  ironwright init --force\n  ironwright init --dry-run --json"
)]
pub(crate) struct InitArgs {
    /// The directory.
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// Print the manifest and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Replace a manifest that is there.
    #[arg(long)]
    force: bool,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &InitArgs) -> Result<u8, CliError> {
    let directory = &args.directory;
    let tree = walk::directories(directory)
        .map_err(|error| CliError::Read { path: directory.clone(), error })?;
    let absolute = std::path::absolute(directory).unwrap_or_default();
    let name = absolute.file_name().unwrap_or_default().to_string_lossy();
    let projects = discover(&name, &tree);
    let manifest = directory.join(MANIFEST);
    if !args.force && !args.dry_run && manifest.symlink_metadata().is_ok() {
        return keep(&manifest, &projects);
    }
    if projects.is_empty() {
        return Err(CliError::usage(
            format!("no project found in {}", directory.display()),
            "a project has Cargo.toml, CMakeLists.txt, go.mod, package.json, pyproject.toml, setup.py, configure or a Makefile",
        ));
    }
    let text = render(&projects);
    if !args.dry_run {
        let failed = |error| CliError::Write { path: manifest.clone(), error };
        replace(&manifest, text.as_bytes()).map_err(failed)?;
    }
    if args.json {
        ui::print_json(&projects)?;
    } else if args.dry_run {
        ui::print(&text)?;
    } else {
        ui::print(&told(&projects, &directory.join(MANIFEST)))?;
    }
    Ok(0)
}

/// A manifest that is there stays as it is, if it is one; what it lacks is told.
fn keep(path: &Path, projects: &[Discovered]) -> Result<u8, CliError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CliError::Read { path: path.to_owned(), error })?;
    let (manifest, mistakes) = parse(&path.to_string_lossy(), &text);
    if !mistakes.is_empty() {
        return Err(CliError::mistakes(mistakes));
    }
    let packages = count(manifest.packages.len(), "package");
    ui::note(&format!("{} is there already, with {packages}; it stays as it is\n", path.display()));
    let normal = |path: &Path| path.components().collect::<PathBuf>();
    let listed: Vec<PathBuf> = manifest
        .packages
        .iter()
        .filter_map(|package| match &package.source {
            Source::Path(path) => Some(normal(path)),
            _ => None,
        })
        .collect();
    let missing =
        projects.iter().filter(|project| !listed.contains(&normal(Path::new(&project.path))));
    let missing: Vec<&str> = missing.map(|project| project.path.as_str()).collect();
    if !missing.is_empty() {
        ui::note(&format!(
            "not in it: {} (--dry-run shows a manifest of what is here, --force writes it)\n",
            missing.join(", ")
        ));
    }
    Ok(0)
}

fn told(projects: &[Discovered], path: &Path) -> String {
    let mut out = format!("{}: {}\n", path.display(), count(projects.len(), "package"));
    let rows = projects.iter().map(|project| {
        vec![project.name.clone(), project.driver.name().to_owned(), project.path.clone()]
    });
    out.push_str(&crate::table::table(&[], rows));
    out
}
