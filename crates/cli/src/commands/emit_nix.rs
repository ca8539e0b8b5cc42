//! `ironwright emit nix`: the settings as data for the Nix library, and the library itself.
//!
//! Does not know Nix code; the library is carried as it stands in the source tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ironwright_core::emit::nix::legacy::legacy;
use ironwright_core::emit::nix::{nix_settings, text as rendered};
use ironwright_core::emit::{Edited, FileChange};
use ironwright_core::profile::Profile;
use ironwright_host::tree::hash_of_texts;
use serde::{Deserialize, Serialize};

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

/// What was written, by the hashes of the texts: what has another one since is somebody else's.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    /// Version of this shape.
    schema: u32,
    /// Name below the library's directory, and hash.
    files: BTreeMap<String, String>,
}

/// Name of the file that says what was written.
const WRITTEN: &str = ".ironwright-library.json";

fn hash(text: &str) -> String {
    hash_of_texts([text])
}

/// The library's files beside the settings, the list of what was written last.
pub(super) fn library(settings: &Path) -> Result<Vec<FileChange>, CliError> {
    let directory = directory(settings);
    let change = |(name, text): &(&str, &str)| {
        let path = directory.join(name);
        let before = super::emit::read(&path)?;
        let edited = Edited { text: (*text).to_owned(), kept: Vec::new() };
        Ok(edited.for_file(path, before.as_deref()))
    };
    let files = LIBRARY.iter().map(|(name, text)| ((*name).to_owned(), hash(text))).collect();
    let written = rendered(&Written { schema: 1, files }).map_err(CliError::Json)?;
    LIBRARY.iter().chain([&(WRITTEN, written.as_str())]).map(change).collect()
}

fn directory(settings: &Path) -> PathBuf {
    settings.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Whether nothing is replaced that this program did not write.
pub(super) fn check_own(settings: &FileChange, library: &[FileChange]) -> Result<(), CliError> {
    let directory = directory(&settings.path);
    let text = super::emit::read(&directory.join(WRITTEN))?.unwrap_or_default();
    let written: Written = serde_json::from_str(&text).unwrap_or_default();
    let name = |change: &FileChange| {
        let name = change.path.strip_prefix(&directory).unwrap_or(&change.path);
        name.to_string_lossy().into_owned()
    };
    let is_own = |change: &&FileChange| match &change.before {
        None => true,
        Some(before) => {
            change.is_current() || written.files.get(&name(change)) == Some(&hash(before))
        }
    };
    let theirs = library.iter().filter(|change| !change.path.ends_with(WRITTEN) && !is_own(change));
    let theirs = theirs.chain((!is_settings(settings)).then_some(settings));
    let names: Vec<String> = theirs.map(|change| change.path.display().to_string()).collect();
    let Some(first) = names.first() else { return Ok(()) };
    let more = match names.len() {
        1 => String::new(),
        all => format!(" (and {} more)", all - 1),
    };
    Err(CliError::usage(
        format!("{first}{more} is there, and this program did not write it so"),
        "--force replaces it; --file DIRECTORY/settings.json writes elsewhere",
    ))
}

/// Whether what is there are settings, or nothing is.
fn is_settings(change: &FileChange) -> bool {
    let Some(before) = change.before.as_deref().filter(|text| !text.trim().is_empty()) else {
        return true;
    };
    let read: Option<serde_json::Value> = serde_json::from_str(before).ok();
    let has = |name: &str| read.as_ref().is_some_and(|read| read.get(name).is_some());
    has("kind") && has("settings") || has("build") && has("packages")
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
