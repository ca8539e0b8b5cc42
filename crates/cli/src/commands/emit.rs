//! `ironwright emit`.
//!
//! Does not know formats; the core edits texts. Keys that somebody else wrote stay.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ironwright_core::emit::block::{Syntax, block};
use ironwright_core::emit::cargo::{CargoEntry, CargoValue, cargo_config};
use ironwright_core::emit::cmake::{Preset, cmake_user_presets};
use ironwright_core::emit::shell::{Dialect, render};
use ironwright_core::emit::{Edited, EmitError, Entry, FileChange};
use ironwright_core::profile::Profile;
use ironwright_core::settings::compose::{Assignment, assignments};
use ironwright_core::settings::knob::Place;
use ironwright_host::files::replace;

use super::emit_nix;
use crate::args::HostArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::ui;

/// Write the settings where a tool reads them.
///
/// Without an option, the text that the file would have is printed. Keys that you wrote yourself
/// are left alone and named. Knobs that change what is built are left out until you set them;
/// --candidates includes them.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  eval \"$(ironwright emit env)\"\n  ironwright emit cargo --diff\n  ironwright emit cargo --write\n  ironwright emit nix-conf --check\n  ironwright emit env --shell fish | source\n  ironwright emit nix --vendor --write"
)]
pub(crate) struct EmitArgs {
    /// What to write for.
    #[arg(value_enum)]
    target: EmitTarget,
    /// Apply the overrides of this package.
    #[arg(long, short)]
    package: Option<String>,
    /// The file, instead of the one that the tool reads by default.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write the file.
    #[arg(long, conflicts_with_all = ["diff", "check"])]
    write: bool,
    /// Show what would change.
    #[arg(long)]
    diff: bool,
    /// Exit with 1 when the file is out of date.
    #[arg(long)]
    check: bool,
    /// Include knobs that nobody measured or set yet.
    #[arg(long)]
    candidates: bool,
    /// Who reads `emit env`.
    #[arg(long, value_enum, default_value = "posix")]
    shell: Shell,
    /// Write the Nix library beside the settings (with `emit nix`).
    #[arg(long)]
    vendor: bool,
    /// Write the shape of hand-written hardware profiles, `build.parallelism.maxJobs` (with `emit
    /// nix`).
    #[arg(long, conflicts_with = "vendor")]
    legacy_shape: bool,
    /// Replace files that this command did not write (with `emit nix`).
    #[arg(long)]
    force: bool,
    /// Print the assignments as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EmitTarget {
    /// Environment variables.
    Env,
    /// .cargo/config.toml.
    Cargo,
    /// CMakeUserPresets.json.
    Cmake,
    /// Go's environment file.
    Go,
    /// .npmrc.
    Node,
    /// nix.conf.
    NixConf,
    /// settings.json for the Nix library: every knob, and those of each package in the profile.
    Nix,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    /// sh, bash, zsh.
    Posix,
    Fish,
    /// systemd's environment files and dotenv.
    Dotenv,
}

pub(crate) fn run(args: &EmitArgs, host: &HostArgs) -> Result<u8, CliError> {
    if args.target != EmitTarget::Nix && (args.vendor || args.legacy_shape) {
        let hint = "write `ironwright emit nix`";
        return Err(CliError::usage("--vendor and --legacy-shape are for Nix", hint));
    }
    if args.target == EmitTarget::Nix && args.package.is_some() {
        return Err(CliError::usage(
            "the settings for Nix are those of the host and of every package",
            "leave --package out",
        ));
    }
    let context = Context::load(host)?;
    let profile = context.profile(args.package.as_deref());
    context.tell_fallbacks();
    if args.json && args.target == EmitTarget::Nix {
        ui::print(&emit_nix::text(&context, args.legacy_shape)?)?;
        return Ok(0);
    }
    if args.json {
        let places = places(args.target)
            .iter()
            .flat_map(|place| assignments(&profile, *place, args.candidates));
        ui::print_json(&places.collect::<Vec<_>>())?;
        return Ok(0);
    }
    if args.target == EmitTarget::Env
        && args.file.is_none()
        && !(args.write || args.diff || args.check)
    {
        ui::print(&environment(args, &profile)?)?;
        return Ok(0);
    }
    let change = change(args, &context, &profile)?;
    tell_kept(&change);
    let library = if args.vendor { emit_nix::library(&change.path)? } else { Vec::new() };
    if !(args.write || args.diff || args.check) {
        ui::print(&change.after)?;
        return Ok(0);
    }
    if args.write && args.target == EmitTarget::Nix && !args.force {
        emit_nix::check_own(&change, &library)?;
    }
    let mut code = 0;
    for change in std::iter::once(change).chain(library) {
        code = code.max(carry_out(args, &change)?);
    }
    Ok(code)
}

fn carry_out(args: &EmitArgs, change: &FileChange) -> Result<u8, CliError> {
    if args.write {
        return write(change);
    }
    if args.diff {
        ui::print(&change.diff())?;
    }
    Ok(if args.check { check(change) } else { 0 })
}

const fn places(target: EmitTarget) -> &'static [Place] {
    match target {
        EmitTarget::Env => &[Place::Env],
        EmitTarget::Cargo => &[Place::CargoConfig],
        EmitTarget::Cmake => &[Place::CmakeCache, Place::CmakeJobs],
        EmitTarget::Go => &[Place::GoEnv],
        EmitTarget::Node => &[Place::Npmrc],
        EmitTarget::NixConf => &[Place::NixConf],
        EmitTarget::Nix => &[],
    }
}

fn tell_kept(change: &FileChange) {
    for kept in &change.kept {
        ui::remark(&format!(
            "{}:{}: {} = {} is yours and stays (derived: {})",
            change.path.display(),
            kept.line,
            kept.key,
            kept.theirs,
            kept.ours
        ));
    }
}

fn write(change: &FileChange) -> Result<u8, CliError> {
    let path = &change.path;
    if change.is_current() {
        ui::print(&format!("{}: up to date\n", path.display()))?;
        return Ok(0);
    }
    replace(path, change.after.as_bytes())
        .map_err(|error| CliError::Write { path: path.clone(), error })?;
    ui::print(&format!("{}: written\n", path.display()))?;
    Ok(0)
}

fn check(change: &FileChange) -> u8 {
    if change.is_current() {
        ui::note(&format!("{}: up to date\n", change.path.display()));
        return 0;
    }
    ui::error(&format!("{} is out of date", change.path.display()));
    ui::hint("the same command with --write brings it up to date, --diff shows how");
    1
}

fn change(args: &EmitArgs, context: &Context, profile: &Profile) -> Result<FileChange, CliError> {
    let path = match &args.file {
        Some(path) => path.clone(),
        None => default_path(args)?,
    };
    let before = read(&path)?;
    let before_text = before.as_deref();
    let of = |place| assignments(profile, place, args.candidates);
    let edited = match args.target {
        EmitTarget::Env => {
            block(shell_syntax(args.shell)?, "env", before_text, &entries(&of(Place::Env)))
        }
        EmitTarget::Cargo => cargo_config(before_text, &cargo_entries(&of(Place::CargoConfig))),
        EmitTarget::Cmake => {
            cmake(&path, before_text, &of(Place::CmakeCache), &of(Place::CmakeJobs))?
        }
        EmitTarget::Go => block(Syntax::GoEnv, "go", before_text, &entries(&of(Place::GoEnv))),
        EmitTarget::Node => block(Syntax::Npmrc, "node", before_text, &entries(&of(Place::Npmrc))),
        EmitTarget::Nix => {
            Ok(Edited { text: emit_nix::text(context, args.legacy_shape)?, kept: Vec::new() })
        }
        EmitTarget::NixConf => {
            block(Syntax::NixConf, "nix-conf", before_text, &entries(&of(Place::NixConf)))
        }
    };
    let edited = edited.map_err(|error| CliError::Emit { path: path.clone(), error })?;
    Ok(edited.for_file(path, before_text))
}

pub(super) fn read(path: &Path) -> Result<Option<String>, CliError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::Read { path: path.to_owned(), error }),
    }
}

/// Where each tool looks by default.
fn default_path(args: &EmitArgs) -> Result<PathBuf, CliError> {
    let config = || {
        let set = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        set.or_else(|| etcetera::home_dir().ok().map(|home| home.join(".config")))
    };
    let homeless = || CliError::usage("there is no home directory", "name the file with --file");
    match args.target {
        EmitTarget::Env => {
            Err(CliError::usage("`emit env` has no file of its own", "name one with --file FILE"))
        }
        EmitTarget::Cargo => Ok(PathBuf::from(".cargo/config.toml")),
        EmitTarget::Cmake => Ok(PathBuf::from("CMakeUserPresets.json")),
        EmitTarget::Node => Ok(PathBuf::from(".npmrc")),
        EmitTarget::Nix if args.legacy_shape => Ok(PathBuf::from("nix/hardware.json")),
        EmitTarget::Nix => Ok(PathBuf::from("nix/settings.json")),
        EmitTarget::Go => {
            match std::env::var_os("GOENV").filter(|path| !path.is_empty() && path != "off") {
                Some(path) => Ok(path.into()),
                None => config().map(|dir| dir.join("go/env")).ok_or_else(homeless),
            }
        }
        EmitTarget::NixConf => config().map(|dir| dir.join("nix/nix.conf")).ok_or_else(homeless),
    }
}

fn entries(assignments: &[Assignment]) -> Vec<Entry> {
    assignments.iter().map(|a| Entry::new(&a.key, a.value()).because(a.why())).collect()
}

fn environment(args: &EmitArgs, profile: &Profile) -> Result<String, CliError> {
    let dialect = match args.shell {
        Shell::Posix => Dialect::Posix,
        Shell::Fish => Dialect::Fish,
        Shell::Dotenv => Dialect::Dotenv,
    };
    let unwritable = |error| CliError::Emit { path: "environment".into(), error };
    render(dialect, &entries(&assignments(profile, Place::Env, args.candidates)))
        .map_err(unwritable)
}

/// fish has no file of assignments that could be edited line by line without knowing its grammar.
fn shell_syntax(shell: Shell) -> Result<Syntax, CliError> {
    match shell {
        Shell::Posix => Ok(Syntax::Shell),
        Shell::Dotenv => Ok(Syntax::Dotenv),
        Shell::Fish => Err(CliError::usage(
            "a file for fish cannot be edited",
            "print it: ironwright emit env --shell fish > FILE",
        )),
    }
}

fn cargo_entries(assignments: &[Assignment]) -> Vec<CargoEntry> {
    let value = |a: &Assignment| match (a.key.as_str(), a.value().parse()) {
        ("build.rustflags", _) => CargoValue::List(a.parts.clone()),
        (_, Ok(number)) => CargoValue::Integer(number),
        (_, Err(_)) => CargoValue::Text(a.value()),
    };
    assignments
        .iter()
        .map(|a| CargoEntry { key: a.key.clone(), value: value(a), why: a.why() })
        .collect()
}

/// The user's presets share their names with the project's, which stand beside them.
fn cmake(
    path: &Path,
    before: Option<&str>,
    cache: &[Assignment],
    jobs: &[Assignment],
) -> Result<Result<Edited, EmitError>, CliError> {
    let project = read(&path.with_file_name("CMakePresets.json"))?;
    let jobs = jobs.first().and_then(|assignment| assignment.value().parse().ok());
    let preset = Preset { cache_variables: entries(cache), environment: Vec::new(), jobs };
    Ok(cmake_user_presets(before, project.as_deref(), Some(&preset)))
}
