//! Finds and reads the workspace manifest, and makes builds of its packages.
//!
//! Does not know how a package is built.

use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use ironwright_core::build::{Driver, Source, SourceError};
use ironwright_core::diagnostic::{Diagnostic, nearest};
use ironwright_core::nix::installable::is_installable;
use ironwright_core::settings::entry_mistakes;
use ironwright_core::workspace::{MANIFEST, Manifest, Package, parse};

use crate::context::Context;
use crate::error::CliError;
use crate::ui;

/// A manifest and the directory that its paths start from.
pub(crate) struct Workspace {
    pub(crate) manifest: Manifest,
    directory: PathBuf,
}

/// Something to build, with what a workspace says of it.
pub(crate) struct Target<'a> {
    pub(crate) source: Source,
    /// The package that it is in the workspace.
    pub(crate) package: Option<&'a Package>,
    pub(crate) driver: Option<Driver>,
}

/// What a user names: a source, or a package of the workspace.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Source(Source),
    Package(String),
}

impl std::str::FromStr for Wanted {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if is_installable(text) {
            return Ok(Self::Source(Source::Nix(text.to_owned())));
        }
        if text.contains(':') {
            return text.parse().map(Self::Source);
        }
        Ok(Self::Package(text.to_owned()))
    }
}

impl Workspace {
    /// The manifest in the current directory or one above it.
    pub(crate) fn find() -> Result<Option<Self>, CliError> {
        let cwd =
            std::env::current_dir().map_err(|error| CliError::Read { path: ".".into(), error })?;
        let found = cwd.ancestors().find(|directory| directory.join(MANIFEST).is_file());
        found.map(|directory| Self::read(directory, &cwd)).transpose()
    }

    fn read(directory: &Path, cwd: &Path) -> Result<Self, CliError> {
        let path = directory.join(MANIFEST);
        let bytes =
            std::fs::read(&path).map_err(|error| CliError::Read { path: path.clone(), error })?;
        let shown = path.strip_prefix(cwd).unwrap_or(&path).to_string_lossy();
        let text = String::from_utf8(bytes).map_err(|error| not_a_text(&shown, &error))?;
        let (manifest, mistakes) = parse(&shown, &text);
        if !mistakes.is_empty() {
            return Err(CliError::mistakes(mistakes));
        }
        Ok(Self { manifest, directory: directory.to_owned() })
    }

    /// Checks every override against what makes sense on this host.
    pub(crate) fn check(&self, context: &Context) -> Result<(), CliError> {
        let manifest = &self.manifest;
        let entries = manifest.packages.iter().flat_map(|package| &package.settings);
        let profile = context.profile(None);
        let found = entry_mistakes(&profile, &manifest.path, &manifest.text, entries);
        if found.is_empty() { Ok(()) } else { Err(CliError::mistakes(found)) }
    }

    /// A package as a target: its directory starts from the manifest's.
    pub(crate) fn target<'a>(&self, package: &'a Package) -> Target<'a> {
        let source = match &package.source {
            Source::Path(path) => Source::Path(self.directory.join(path)),
            other => other.clone(),
        };
        Target { source, package: Some(package), driver: package.driver }
    }

    /// The packages among some whose directories are not there.
    fn lost(&self, targets: &[Target<'_>]) -> Vec<Diagnostic> {
        let lost = |target: &Target<'_>| match (&target.source, target.package) {
            (Source::Path(path), Some(package)) if !path.is_dir() => {
                let message = format!("{} is not a directory", path.display());
                Some(self.manifest.mistake(package, message))
            }
            _ => None,
        };
        targets.iter().filter_map(lost).collect()
    }

    fn no_package(&self, name: &str) -> CliError {
        let names = self.manifest.packages.iter().map(|package| package.name.as_str());
        let hint = match nearest(name, names.clone()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("its packages are {}", names.collect::<Vec<_>>().join(", ")),
        };
        CliError::usage(format!("{} has no package \"{name}\"", self.manifest.path), hint)
    }
}

/// What is to be built: what is named, else every package of the workspace.
pub(crate) fn targets<'a>(
    wanted: &[Wanted],
    workspace: Option<&'a Workspace>,
) -> Result<Vec<Target<'a>>, CliError> {
    let target = |wanted: &Wanted| match wanted {
        Wanted::Source(source) => Ok(of_source(source.clone())),
        Wanted::Package(name) => named(name, workspace),
    };
    let targets = match wanted {
        [] => whole(workspace)?,
        _ => wanted.iter().map(target).collect::<Result<Vec<_>, _>>()?,
    };
    let lost = workspace.map(|it| it.lost(&targets)).unwrap_or_default();
    if lost.is_empty() { Ok(targets) } else { Err(CliError::mistakes(lost)) }
}

const fn of_source<'a>(source: Source) -> Target<'a> {
    Target { source, package: None, driver: None }
}

/// The mistake of a manifest in another encoding.
fn not_a_text(path: &str, error: &FromUtf8Error) -> CliError {
    let text = String::from_utf8_lossy(error.as_bytes());
    let at = error.utf8_error().valid_up_to();
    let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
    CliError::mistakes(vec![Diagnostic::new(path, &text, span, "a manifest is UTF-8; this is not")])
}

/// A package of the workspace, else a directory, which needs no scheme.
fn named<'a>(name: &str, workspace: Option<&'a Workspace>) -> Result<Target<'a>, CliError> {
    let of_workspace = workspace.and_then(|it| Some(it.target(it.manifest.package(name)?)));
    match (of_workspace, workspace) {
        (Some(target), _) => Ok(target),
        _ if Path::new(name).is_dir() => {
            tell_of_manifest(Path::new(name), workspace);
            Ok(of_source(Source::Path(name.into())))
        }
        (None, Some(workspace)) => Err(workspace.no_package(name)),
        (None, None) => Err(CliError::Source(SourceError::UnknownScheme(name.to_owned()))),
    }
}

/// A directory is what is built in it; packages that a manifest in it names are not.
fn tell_of_manifest(directory: &Path, workspace: Option<&Workspace>) {
    let own = directory.canonicalize().ok();
    let is_this = own.is_some_and(|own| workspace.is_some_and(|it| it.directory == own));
    if !is_this && directory.join(MANIFEST).is_file() {
        let name = directory.display();
        ui::remark(&format!(
            "{name}/{MANIFEST} counts when it is asked for in {name}: `cd {name}`"
        ));
    }
}

/// Every package of a workspace.
fn whole(workspace: Option<&Workspace>) -> Result<Vec<Target<'_>>, CliError> {
    let Some(workspace) = workspace else {
        return Err(CliError::usage(
            format!("nothing to build: no {MANIFEST} here or above, and nothing is named"),
            "`ironwright init` writes one; `.` names this directory, crate:NAME a package",
        ));
    };
    let targets: Vec<_> =
        workspace.manifest.packages.iter().map(|package| workspace.target(package)).collect();
    if targets.is_empty() {
        let message = format!("{} has no package that can be built", workspace.manifest.path);
        return Err(CliError::usage(message, "add one: [packages.NAME] with a source"));
    }
    Ok(targets)
}
