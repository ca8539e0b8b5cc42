//! Finds and reads the workspace manifest, and makes builds of its packages.
//!
//! Does not know how a package is built.

use std::path::{Path, PathBuf};

use ironwright_core::build::{Driver, SCHEMES, Source, SourceError};
use ironwright_core::diagnostic::nearest;
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
        let text = std::fs::read_to_string(&path)
            .map_err(|error| CliError::Read { path: path.clone(), error })?;
        let shown = path.strip_prefix(cwd).unwrap_or(&path);
        let (manifest, mistakes) = parse(&shown.to_string_lossy(), &text);
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

    fn package(&self, name: &str) -> Result<&Package, CliError> {
        self.manifest.package(name).ok_or_else(|| {
            let names = self.manifest.packages.iter().map(|package| package.name.as_str());
            let hint = match nearest(name, names.clone()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("its packages are {}", names.collect::<Vec<_>>().join(", ")),
            };
            CliError::usage(format!("{} has no package \"{name}\"", self.manifest.path), hint)
        })
    }
}

/// Whether a text without a scheme can only be meant for Nix: a derivation, something in its store, or
/// an attribute of a flake.
pub(crate) fn is_installable(text: &str) -> bool {
    let has_scheme = SCHEMES.iter().any(|scheme| text.starts_with(&format!("{scheme}:")));
    let is_derivation = Path::new(text).extension().is_some_and(|ending| ending == "drv");
    !has_scheme && (is_derivation || text.starts_with("/nix/store/") || text.contains('#'))
}

/// What is to be built: what is named, else every package of the workspace that can be.
pub(crate) fn targets<'a>(
    wanted: &[Wanted],
    workspace: Option<&'a Workspace>,
) -> Result<Vec<Target<'a>>, CliError> {
    if wanted.is_empty() {
        return built(whole(workspace)?);
    }
    let target = |wanted: &Wanted| match (wanted, workspace) {
        (Wanted::Source(source), _) => {
            Ok(Target { source: source.clone(), package: None, driver: None })
        }
        (Wanted::Package(name), Some(workspace)) => Ok(workspace.target(workspace.package(name)?)),
        (Wanted::Package(name), None) => {
            Err(CliError::Source(SourceError::UnknownScheme(name.clone())))
        }
    };
    wanted.iter().map(target).collect()
}

/// What is to be planned: the same, and what this program does not build itself.
pub(crate) fn plannable<'a>(
    wanted: &[Wanted],
    workspace: Option<&'a Workspace>,
) -> Result<Vec<Target<'a>>, CliError> {
    if wanted.is_empty() { whole(workspace) } else { targets(wanted, workspace) }
}

/// Every package of a workspace.
fn whole(workspace: Option<&Workspace>) -> Result<Vec<Target<'_>>, CliError> {
    let Some(workspace) = workspace else {
        return Err(CliError::usage(
            format!("nothing to build: no {MANIFEST} here or above, and no source is named"),
            "`ironwright init` writes one; or name a source: ironwright build path:.",
        ));
    };
    let packages = &workspace.manifest.packages;
    if packages.is_empty() {
        let message = format!("{} has no package", workspace.manifest.path);
        return Err(CliError::usage(message, "add one: [packages.NAME] with a source"));
    }
    Ok(packages.iter().map(|package| workspace.target(package)).collect())
}

/// Those that this command builds; the others are told.
fn built(targets: Vec<Target<'_>>) -> Result<Vec<Target<'_>>, CliError> {
    let (nix, built): (Vec<_>, Vec<_>) =
        targets.into_iter().partition(|target| matches!(target.source, Source::Nix(_)));
    for target in nix {
        ui::warn(&format!("{} is left out: it is not built by this command yet", target.source));
    }
    if built.is_empty() {
        return Err(CliError::usage(
            format!("{MANIFEST} has no package that can be built"),
            "add one: [packages.NAME] with a source",
        ));
    }
    Ok(built)
}
