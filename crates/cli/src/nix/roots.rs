//! Links to results, which keep them from the store's garbage collection.
//!
//! Does not build anything.

use std::io;
use std::path::{Path, PathBuf};

use ironwright_core::nix::protocol::Request;
use ironwright_host::nix::Store;

use super::plan::NixPlan;
use super::results::Results;
use crate::error::CliError;
use crate::ui;
use ironwright_host::files::replace_link;

/// Makes the links that `nix build` makes: `result`, `result-1` and so on, and `result-dev` for an output
/// that is not `out`. Where they lead.
pub(crate) fn link_results(
    plan: &NixPlan,
    results: &Results,
    link: Option<&Path>,
    store: &mut Store,
) -> Result<Vec<(PathBuf, String)>, CliError> {
    let mut made = Vec::new();
    for (number, wanted) in plan.wanted.iter().enumerate() {
        for (name, known) in &wanted.outputs {
            let Some(path) = known.clone().or_else(|| realised(results, &wanted.request, name))
            else {
                continue;
            };
            let Some(link) = link else {
                made.push((PathBuf::from(&path), path));
                continue;
            };
            let link = link_name(link, number, name);
            let failed = |error| CliError::Write { path: link.clone(), error };
            place(&link, &path).map_err(failed)?;
            let absolute = std::path::absolute(&link).map_err(failed)?;
            let root = Request::IndirectRoot(absolute.to_string_lossy().into_owned());
            if let Err(error) = store.ask(&root, |_| {}) {
                ui::warn(&format!("{} keeps nothing: {error}", link.display()));
            }
            made.push((link, path));
        }
    }
    Ok(made)
}

/// The path of an output that follows from its content.
fn realised(results: &Results, request: &str, output: &str) -> Option<String> {
    let derivation = request.split('!').next()?;
    let found = results.outputs.iter().find(|(path, name, _)| path == derivation && name == output);
    let folder = Path::new(derivation).parent()?;
    found.map(|(_, _, name)| folder.join(name).to_string_lossy().into_owned())
}

fn link_name(link: &Path, number: usize, output: &str) -> PathBuf {
    let mut name = link.as_os_str().to_owned();
    if number > 0 {
        name.push(format!("-{number}"));
    }
    if output != "out" {
        name.push(format!("-{output}"));
    }
    PathBuf::from(name)
}

/// Replaces a link, and nothing that is no link.
fn place(link: &Path, target: &str) -> io::Result<()> {
    if let Ok(metadata) = std::fs::symlink_metadata(link)
        && !metadata.is_symlink()
    {
        return Err(io::Error::other("something that is no link is there"));
    }
    if let Some(folder) = link.parent() {
        std::fs::create_dir_all(folder)?;
    }
    replace_link(link, Path::new(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_named_as_nix_names_them() {
        let name = |number, output| link_name(Path::new("result"), number, output);
        assert_eq!(name(0, "out"), Path::new("result"));
        assert_eq!(name(2, "dev"), Path::new("result-2-dev"));
    }

    #[test]
    fn a_file_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("result");
        place(&link, "/one").unwrap();
        place(&link, "/two").unwrap();
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("/two"));
        let file = home.path().join("file");
        std::fs::write(&file, "mine").unwrap();
        assert!(place(&file, "/two").is_err());
    }
}
