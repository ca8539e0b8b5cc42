//! The program among what a build left.
//!
//! Does not run it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ironwright_core::pgo::Toolchain;
use ironwright_host::tree;

use crate::error::CliError;

/// Folders of build systems with programs of their own.
const INNER: &[&str] = &["CMakeFiles", "build-script-build", "deps", "examples", "autom4te.cache"];

/// Finds the program: the one that is named, else the only one, else the one that is called as the
/// package is.
pub(super) fn find(
    output: &Path,
    toolchain: Toolchain,
    wanted: Option<&str>,
    package: &str,
) -> Result<PathBuf, CliError> {
    if toolchain == Toolchain::Cpython && wanted.is_none() {
        return Ok(output.join("python"));
    }
    let found = programs(output, toolchain)?;
    let fits = |path: &&PathBuf| match wanted {
        Some(name) => path.ends_with(name),
        None => found.len() == 1 || path.file_name().is_some_and(|own| own == package),
    };
    let mut fitting = found.iter().filter(fits);
    let (first, more) = (fitting.next(), fitting.count());
    if let (Some(program), true) = (first, more == 0 || wanted.is_some()) {
        return Ok(program.clone());
    }
    let names: Vec<_> = found
        .iter()
        .map(|path| path.strip_prefix(output).unwrap_or(path).display().to_string())
        .collect();
    if names.is_empty() {
        return Err(CliError::usage(
            format!("the build left no program in {}", output.display()),
            "profiles are taken of programs; of a library, build one that uses it",
        ));
    }
    let message = match wanted {
        Some(name) => format!("the build left no program {name}"),
        None => "the build left several programs".to_owned(),
    };
    Err(CliError::usage(message, format!("name one with --program: {}", names.join(", "))))
}

/// Executable files that are no libraries, in the order of their paths.
fn programs(output: &Path, toolchain: Toolchain) -> Result<Vec<PathBuf>, CliError> {
    let read = |error| CliError::Read { path: output.to_owned(), error };
    let flat = matches!(toolchain, Toolchain::Rustc | Toolchain::Go);
    let all = if flat {
        let entries = fs::read_dir(output).map_err(read)?;
        let mut all: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        all.sort_unstable();
        all
    } else {
        tree::files(output).map_err(read)?
    };
    let is_inner = |path: &Path| {
        let inner = path.strip_prefix(output).unwrap_or(path);
        inner.components().any(|part| INNER.iter().any(|name| part.as_os_str() == *name))
    };
    Ok(all.into_iter().filter(|path| !is_inner(path) && is_program(path)).collect())
}

/// An ELF file that may be executed, and whose name is not a library's.
fn is_program(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let library = name.contains(".so") || name.ends_with(".o") || name.ends_with(".gcda");
    let executable =
        fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
    if library || !executable {
        return false;
    }
    let mut magic = [0; 4];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(directory: &Path, name: &str) {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"\x7fELFx").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_only_program_is_found_and_of_several_the_named() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path();
        for name in ["CMakeFiles/a.out", "libx.so.1", "sub/one"] {
            put(base, name);
        }
        let find = |wanted, package| find(base, Toolchain::Gcc, wanted, package);
        assert_eq!(find(None, "x").unwrap(), base.join("sub/one"));
        put(base, "two");
        assert_eq!(find(None, "two").unwrap(), base.join("two"));
        assert_eq!(find(Some("sub/one"), "x").unwrap(), base.join("sub/one"));
        assert!(find(None, "x").unwrap_err().to_string().contains("several programs"));
        assert!(find(Some("three"), "x").is_err());
    }
}
