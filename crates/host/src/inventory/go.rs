//! Go packages: `go list` where go answers, else `go.mod` and `go.sum`.
//!
//! go is asked without a network and without changing the project. Does not know what the answer
//! means.

use std::path::Path;

use ironwright_core::inventory::go;

use super::sizes::Sizes;
use super::tool::ask;
use super::{Found, Options, ReadError, shown, text};

/// Keeps go from fetching modules and other versions of itself, and from editing go.mod.
const QUIET: &[(&str, &str)] =
    &[("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "-mod=readonly")];

pub(super) fn read(
    project: &Path,
    options: Options,
    sizes: &mut Sizes,
) -> Result<Found, ReadError> {
    let answer = if options.files_only {
        Err("go was not asked".to_owned())
    } else {
        ask("go", &["list", "-deps", "-json", "./..."], project, QUIET)
    };
    match answer {
        Ok(answer) => {
            let version = ask("go", &["env", "GOVERSION"], project, QUIET).ok();
            let version = version.as_deref().map(str::trim);
            let size = &mut |path: &Path| sizes.of(path);
            Ok(Found::new(go::packages("go list", &answer, version, size)?, "go list"))
        }
        Err(why_not) => {
            let path = project.join("go.mod");
            let mod_text = text(&path)?.unwrap_or_default();
            let sum = text(&project.join("go.sum"))?;
            let graph = go::modules(&shown(&path), &mod_text, sum.as_deref())?;
            let note = format!("{}: modules only, because {why_not}", shown(&path));
            Ok(Found::new(graph, "go.mod").noted(Some(note)))
        }
    }
}
