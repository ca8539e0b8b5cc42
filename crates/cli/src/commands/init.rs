//! `ironwright init`.
//!
//! Does not know what makes a project; the core finds them in a listing.

use std::path::{Path, PathBuf};

use clap::Args;
use ironwright_core::workspace::{Discovered, MANIFEST, discover, render};
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
    if projects.is_empty() {
        return Err(CliError::usage(
            format!("no project found in {}", directory.display()),
            "a project has Cargo.toml, CMakeLists.txt, go.mod, package.json, pyproject.toml, setup.py, configure or a Makefile",
        ));
    }
    let text = render(&projects);
    if !args.dry_run {
        write(&directory.join(MANIFEST), &text, args.force)?;
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

fn write(path: &Path, text: &str, force: bool) -> Result<(), CliError> {
    if !force && path.symlink_metadata().is_ok() {
        return Err(CliError::usage(
            format!("{} is there already", path.display()),
            "--dry-run shows what would be written, --force replaces it",
        ));
    }
    let failed = |error| CliError::Write { path: path.to_owned(), error };
    replace(path, text.as_bytes()).map_err(failed)
}

fn told(projects: &[Discovered], path: &Path) -> String {
    let mut out = format!("{}: {}\n", path.display(), count(projects.len(), "package"));
    let rows = projects.iter().map(|project| {
        vec![project.name.clone(), project.driver.name().to_owned(), project.path.clone()]
    });
    out.push_str(&crate::table::table(&[], rows));
    out
}
