//! `ironwright emit nix`: the settings as data for the Nix library, and the library itself.
//!
//! Does not know Nix code; the library is carried as it stands in the source tree.

use std::path::{Path, PathBuf};

use ironwright_core::emit::nix::legacy::legacy;
use ironwright_core::emit::nix::{nix_settings, text as rendered};
use ironwright_core::emit::{Edited, FileChange};
use ironwright_core::profile::Profile;

use crate::context::Context;
use crate::error::CliError;

/// Files of the library that work on their own, without the source tree.
macro_rules! library_files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../nix/", $name)))),*]
    };
}

/// Names below the library's directory, with their texts.
const LIBRARY: &[(&str, &str)] = library_files![
    "data/knobs.json",
    "default.nix",
    "lib/default.nix",
    "lib/flags.nix",
    "lib/languages.nix",
    "lib/libraries.nix",
    "lib/json.nix",
    "lib/load.nix",
    "lib/stages.nix",
    "lib/tune.nix",
    "modules/common.nix",
    "modules/home-manager.nix",
    "modules/nixos.nix",
    "modules/options.nix",
    "modules/reference.nix",
    "overlays/cpp-cuda.nix",
    "overlays/default.nix",
    "overlays/go.nix",
    "overlays/nodejs-training.js",
    "overlays/nodejs.nix",
    "overlays/packages.nix",
    "overlays/python.nix",
    "overlays/rust.nix",
    "overlays/system-libs.nix",
];

/// The text of settings.json, or of the old shape.
pub(super) fn text(context: &Context, legacy_shape: bool) -> Result<String, CliError> {
    let host = context.profile(None);
    let files = context.file.iter().flat_map(|file| &file.packages);
    let packages: Vec<(String, Profile)> =
        files.map(|(name, _)| (name.clone(), context.profile(Some(name)))).collect();
    let text = if legacy_shape {
        rendered(&legacy(&host, &packages))
    } else {
        rendered(&nix_settings(env!("CARGO_PKG_VERSION"), &host, &packages))
    };
    text.map_err(CliError::Json)
}

/// The library's files beside the settings.
pub(super) fn library(settings: &Path) -> Result<Vec<FileChange>, CliError> {
    let directory = settings.parent().map_or_else(PathBuf::new, Path::to_owned);
    let change = |(name, text): &(&str, &str)| {
        let path = directory.join(name);
        let before = super::emit::read(&path)?;
        let edited = Edited { text: (*text).to_owned(), kept: Vec::new() };
        Ok(edited.for_file(path, before.as_deref()))
    };
    LIBRARY.iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn below(directory: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            if entry.path().is_dir() {
                below(&entry.path(), found);
            } else {
                found.insert(entry.path());
            }
        }
    }

    #[test]
    fn every_file_of_the_library_is_carried() {
        let nix = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nix");
        let mut found = BTreeSet::new();
        below(&nix, &mut found);
        // These need the source tree.
        let own: BTreeSet<PathBuf> =
            ["flake.nix", "flake.lock", "package.nix"].iter().map(|name| nix.join(name)).collect();
        let carried = LIBRARY.iter().map(|(name, _)| nix.join(name)).collect();
        assert_eq!(found.difference(&own).cloned().collect::<BTreeSet<_>>(), carried);
    }
}
