//! Overlays that can be looked at, and where they come from.
//!
//! Does not know what they change; evaluating them tells.

use std::path::Path;

use ironwright_core::nix::installable::Evaluation;

use super::evaluate::{Asked, OWN, Override, names};
use crate::error::CliError;
use crate::nix::evaluation::quoted;
use crate::nix::switch::Kind;

/// That of `[NAME=]FILE`.
pub(crate) fn of_file(text: &str) -> Result<Override, CliError> {
    let path = Path::new(text);
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (name, file) = match text.split_once('=') {
        Some((name, file)) if !path.exists() => (name.to_owned(), file),
        _ => (stem(), text),
    };
    let place =
        std::fs::canonicalize(file).map_err(|error| CliError::Read { path: file.into(), error })?;
    let place = place.to_string_lossy().into_owned();
    Ok(Override { name, kind: "file", place, attribute: None, only: None })
}

/// Names of the overlays at a place. `default` composes the others where there are any.
fn listed(asked: &Asked<'_>, expression: &str) -> Result<Vec<String>, CliError> {
    let found =
        ironwright_host::nix::instantiate(asked.nix, expression, &Evaluation::default(), |_| {})?;
    let names = found.into_iter().flatten().map(|path| path.to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    if names.len() > 1 {
        names.retain(|name| name != "default");
    }
    Ok(names)
}

/// All of a flake.
pub(crate) fn of_flake(place: &str, asked: &Asked<'_>) -> Result<Vec<Override>, CliError> {
    let reference = quoted(place);
    let expression =
        format!("builtins.attrNames ((builtins.getFlake {reference}).overlays or {{ }})");
    let names = listed(asked, &expression)?;
    if names.is_empty() {
        return Err(CliError::usage(
            format!("the flake {place} has no overlays"),
            "its outputs need a set `overlays`; --overlay FILE takes a file that is one",
        ));
    }
    Ok(named("flake", place, names))
}

/// Overlays that one place has under these names.
fn named(kind: &'static str, place: &str, names: Vec<String>) -> Vec<Override> {
    let one = |name: String| Override {
        attribute: Some(name.clone()),
        name,
        kind,
        place: place.to_owned(),
        only: None,
    };
    names.into_iter().map(one).collect()
}

/// Those that the library applies to this host.
pub(crate) fn of_library(library: &Path, asked: &Asked<'_>) -> Result<Vec<Override>, CliError> {
    let place = std::fs::canonicalize(library)
        .map_err(|error| CliError::Read { path: library.to_owned(), error })?;
    let place = place.to_string_lossy().into_owned();
    let expression = format!("(import (/. + {}) {{ }}).settings.overlays", quoted(&place));
    Ok(named("library", &place, listed(asked, &expression)?))
}

/// Those that a configuration applies itself, where it alone is looked at; none where it has none.
pub(crate) fn of_configuration(asked: &Asked<'_>) -> Result<Vec<Override>, CliError> {
    let [path] = asked.wanted else { return Ok(Vec::new()) };
    let [kind, name, ..] = path.as_slice() else { return Ok(Vec::new()) };
    let configures = [Kind::Home, Kind::Nixos].iter().any(|it| it.attribute() == kind);
    if asked.base.kind != "flake" || !configures {
        return Ok(Vec::new());
    }
    let (place, name) = (quoted(&asked.base.place), quoted(name));
    let expression = format!(
        "let all = (builtins.getFlake {place}).{kind} or {{ }};
             host = all.${{{name}}} or (throw ''ironwright: there is no {kind}.${{{name}}}: there are ${{toString (builtins.attrNames all)}}'');
             found = host.config.nixpkgs.overlays or null;
         in builtins.genList (at: toString (at + 1)) (builtins.length (if found == null then [ ] else found))"
    );
    let one = |number: String| Override {
        name: format!("overlay {number}"),
        kind: OWN,
        place: asked.base.place.clone(),
        attribute: Some(number),
        only: None,
    };
    Ok(listed(asked, &expression)?.into_iter().map(one).collect())
}

/// One for each package that an overlay overrides.
pub(crate) fn parted(overlays: &[Override], asked: &Asked<'_>) -> Result<Vec<Override>, CliError> {
    let parts = names(asked, overlays)?;
    let all = overlays.iter().zip(parts).flat_map(|(overlay, names)| {
        names.into_iter().map(|package| Override {
            name: format!("{}.{package}", overlay.name),
            only: Some(package),
            ..overlay.clone()
        })
    });
    Ok(all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_is_called_by_its_file_or_as_a_user_says() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("fast.nix");
        std::fs::write(&file, "").unwrap();
        let text = file.to_string_lossy();
        assert_eq!(of_file(&text).unwrap().name, "fast");
        assert_eq!(of_file(&format!("zstd={text}")).unwrap().name, "zstd");
        assert!(of_file("nowhere.nix").is_err());
    }
}
