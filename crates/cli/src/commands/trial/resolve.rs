//! From arguments to a package with its treatments and workloads.
//!
//! Does not build anything.

use std::path::{Path, PathBuf};

use ironwright_core::build::Source;
use ironwright_core::diagnostic::nearest;
use ironwright_core::settings::catalogue;
use ironwright_core::settings::knob::Place;
use ironwright_core::trial::package::{Language, Workload, parse};
use ironwright_core::trial::{Package, Treatment, built_in};
use ironwright_core::workspace::MANIFEST;

use super::TrialArgs;
use crate::error::CliError;

/// A package and where its paths start from.
pub(super) struct Resolved {
    pub(super) package: Package,
    pub(super) source: Source,
    /// Folder of the source that is built.
    pub(super) folder: String,
    pub(super) base: PathBuf,
    pub(super) treatments: Vec<Treatment>,
    pub(super) workloads: Vec<Workload>,
}

/// Packages that can be tried here: those of the workspace, then those that are built in.
pub(crate) fn packages() -> Result<Vec<(Package, PathBuf)>, CliError> {
    let cwd = std::env::current_dir()
        .map_err(|error| CliError::Read { path: PathBuf::from("."), error })?;
    let found = cwd.ancestors().find(|directory| directory.join(MANIFEST).is_file());
    let mut all = match found {
        Some(directory) => of_manifest(directory, &cwd)?,
        None => Vec::new(),
    };
    for package in built_in::packages() {
        if !all.iter().any(|(own, _)| own.name == package.name) {
            all.push((package, cwd.clone()));
        }
    }
    Ok(all)
}

fn of_manifest(directory: &Path, cwd: &Path) -> Result<Vec<(Package, PathBuf)>, CliError> {
    let path = directory.join(MANIFEST);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| CliError::Read { path: path.clone(), error })?;
    let shown = path.strip_prefix(cwd).unwrap_or(&path);
    let (packages, mistakes) = parse(&shown.to_string_lossy(), &text);
    if mistakes.is_empty() {
        Ok(packages.into_iter().map(|package| (package, directory.to_owned())).collect())
    } else {
        Err(CliError::mistakes(mistakes))
    }
}

pub(super) fn resolve(args: &TrialArgs) -> Result<Resolved, CliError> {
    let all = packages()?;
    let name = args.package.as_deref().unwrap_or_default();
    let found = all.iter().find(|(package, _)| package.name == name);
    let Some((package, base)) = found.cloned() else {
        let names = || all.iter().map(|(package, _)| package.name.as_str());
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!(
                "there are {}; [trials.{name}] of {MANIFEST} describes another",
                names().collect::<Vec<_>>().join(", ")
            ),
        };
        return Err(CliError::usage(format!("no package \"{name}\" can be tried"), hint));
    };
    let treatments =
        if args.treatment.is_empty() { package.treatments.clone() } else { args.treatment.clone() };
    if treatments.is_empty() {
        return Err(CliError::usage(
            format!("nothing is tried on {name}"),
            "name treatments: --treatment c-opt-level=3",
        ));
    }
    check_weights(args, &package)?;
    let mut all = treatments.iter().chain(&args.against);
    all.try_for_each(|treatment| reaches(treatment, package.language))?;
    let workloads = workloads(args, &package)?;
    let (source, folder, base) = source(args, &package, base)?;
    Ok(Resolved { package, source, folder, base, treatments, workloads })
}

/// The source, the folder of it that is built, and where paths start from.
fn source(
    args: &TrialArgs,
    package: &Package,
    base: PathBuf,
) -> Result<(Source, String, PathBuf), CliError> {
    let named = |source: &Source| source.package().map(|(name, _)| name.to_owned());
    match (args.source.clone(), package.source.clone()) {
        // Another version of the same crate is laid out alike.
        (Some(other), Some(own)) if named(&other).is_some() && named(&other) == named(&own) => {
            Ok((other, package.folder.clone(), base))
        }
        (Some(other), _) => {
            let cwd = std::env::current_dir()
                .map_err(|error| CliError::Read { path: PathBuf::from("."), error })?;
            Ok((other, String::new(), cwd))
        }
        (None, Some(own)) => Ok((own, package.folder.clone(), base)),
        (None, None) => Err(CliError::usage(
            format!("{} has no source of its own", package.name),
            "unpack it, and name the folder: --source path:DIR",
        )),
    }
}

/// A setting that no build is told of would be called harmless.
fn reaches(treatment: &Treatment, language: Language) -> Result<(), CliError> {
    let is_told = |id: &String| {
        let places = [Place::Env, Place::BuildEnv];
        let knob = catalogue::knob(id);
        let reached = knob.is_some_and(|k| k.targets.iter().any(|t| places.contains(&t.place)));
        reached || id == language.pgo_level().id
    };
    match treatment.knobs.keys().find(|id| !is_told(id)) {
        None => Ok(()),
        Some(id) => Err(CliError::usage(
            format!("{id} reaches no build of a package, so nothing would be tried"),
            "`ironwright settings --explain` says where a setting is written",
        )),
    }
}

fn workloads(args: &TrialArgs, package: &Package) -> Result<Vec<Workload>, CliError> {
    if args.workload.is_empty() {
        return Ok(package.workloads.clone());
    }
    args.workload.iter().map(|name| workload(package, name).cloned()).collect()
}

fn check_weights(args: &TrialArgs, package: &Package) -> Result<(), CliError> {
    let named = args.preferences.preferences()?.weights;
    named.iter().try_for_each(|(name, _)| workload(package, name).map(drop))
}

fn workload<'a>(package: &'a Package, name: &str) -> Result<&'a Workload, CliError> {
    package.workload(name).ok_or_else(|| {
        let names = || package.workloads.iter().map(|workload| workload.name.as_str());
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
        };
        CliError::usage(format!("{} has no workload \"{name}\"", package.name), hint)
    })
}
