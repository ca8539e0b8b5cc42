//! Collects what a training left, merges it, and reads how much of the program it covers.
//!
//! Does not know whether the code has changed since; the compiler says so in the second build.

use std::fs;
use std::path::{Path, PathBuf};

use ironwright_core::pgo::{Coverage, Toolchain, gcda, llvm, pprof};

use super::{PgoError, Tools, must, words};

/// Files of a kind below a directory, in order.
///
/// # Errors
/// Those of reading directories; one that is not there has none.
pub fn raw_profiles(toolchain: Toolchain, directory: &Path) -> Result<Vec<PathBuf>, PgoError> {
    let ending = match toolchain {
        Toolchain::Rustc | Toolchain::Clang => "profraw",
        Toolchain::Gcc | Toolchain::Cpython => "gcda",
        Toolchain::Go => "pprof",
    };
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let all = crate::tree::files(directory).map_err(PgoError::io(directory))?;
    let is_one = |path: &PathBuf| {
        let fits = path.extension().is_some_and(|extension| extension == ending);
        // A program that was killed may leave an empty file.
        fits && fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
    };
    Ok(all.into_iter().filter(is_one).collect())
}

/// Makes one profile of what lies in `raw`; GCC's programs have done that themselves.
///
/// # Errors
/// Where there is nothing, and where the tool cannot read it.
pub fn merge(tools: &Tools, raw: &Path, merged: &Path) -> Result<(), PgoError> {
    let files = raw_profiles(tools.toolchain, raw)?;
    if files.is_empty() {
        return Err(PgoError::NoProfile { directory: raw.to_owned() });
    }
    let names = files.iter().map(|file| file.display().to_string());
    match (tools.toolchain, &tools.merger) {
        (Toolchain::Rustc | Toolchain::Clang, Some((profdata, _))) => {
            let mut argv = vec![profdata.display().to_string()];
            argv.extend(words(["merge", "-o", &merged.display().to_string()]));
            // Command lines have an end, and a long training leaves many files.
            let list = raw.join("files.txt");
            fs::write(&list, names.map(|name| name + "\n").collect::<String>())
                .map_err(PgoError::io(&list))?;
            argv.extend(["--input-files".to_owned(), list.display().to_string()]);
            must(&argv, None, &[]).map(drop)
        }
        (Toolchain::Go, _) => {
            let mut argv = words([&tools.compiler, "tool", "pprof", "-proto"]);
            argv.push(format!("-output={}", merged.display()));
            argv.extend(names);
            must(&argv, None, &[]).map(drop)
        }
        _ => Ok(()),
    }
}

/// Merges and reads: what the profile knows of the program.
///
/// # Errors
/// As for `merge`, and where the result cannot be read.
pub fn collect(tools: &Tools, raw: &Path, merged: &Path) -> Result<Coverage, PgoError> {
    merge(tools, raw, merged)?;
    let unreadable =
        |why: &str| PgoError::Unreadable { path: merged.to_owned(), why: why.to_owned() };
    match (tools.toolchain, &tools.merger) {
        (Toolchain::Rustc | Toolchain::Clang, Some((profdata, _))) => {
            let (tool, file) = (profdata.display().to_string(), merged.display().to_string());
            let argv = words([&tool, "show", "--all-functions", "--counts", &file]);
            let said = must(&argv, None, &[])?;
            llvm::coverage(&said.stdout).ok_or_else(|| unreadable("no profile of LLVM's"))
        }
        (Toolchain::Go, _) => {
            let argv = words([&tools.compiler, "tool", "pprof", "-top", "-sample_index=samples"]);
            let more = words(["-nodefraction=0", "-nodecount=1000000", "-unit=count"]);
            let argv = [argv, more, vec![merged.display().to_string()]].concat();
            let said = must(&argv, None, &[])?;
            pprof::coverage(&said.stdout).ok_or_else(|| unreadable("no profile of Go's"))
        }
        _ => gcc(tools.toolchain, raw),
    }
}

/// Adds up all counter files below a directory.
fn gcc(toolchain: Toolchain, raw: &Path) -> Result<Coverage, PgoError> {
    let mut functions = Vec::new();
    for path in raw_profiles(toolchain, raw)? {
        let bytes = fs::read(&path).map_err(PgoError::io(&path))?;
        let file = gcda::parse(&bytes)
            .map_err(|error| PgoError::Unreadable { path: path.clone(), why: error.to_string() })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace('#', "/");
        functions.extend(file.hot(&name));
    }
    Ok(Coverage::of(functions))
}

#[cfg(test)]
mod tests {
    use ironwright_core::cpu::version::Version;

    use super::*;

    fn tools(toolchain: Toolchain) -> Tools {
        Tools {
            toolchain,
            compiler: "gcc".to_owned(),
            says: String::new(),
            version: Version::new(12, 2),
            target: None,
            merger: None,
        }
    }

    #[test]
    fn nothing_is_no_profile() {
        let directory = tempfile::tempdir().unwrap();
        let raw = directory.path().join("raw");
        for made in [false, true] {
            if made {
                fs::create_dir(&raw).unwrap();
                fs::write(raw.join("a.gcda"), "").unwrap();
            }
            let found = collect(&tools(Toolchain::Gcc), &raw, &raw);
            assert!(matches!(found, Err(PgoError::NoProfile { .. })), "{found:?}");
        }
        fs::write(raw.join("b.gcda"), "something else").unwrap();
        let found = collect(&tools(Toolchain::Gcc), &raw, &raw);
        assert!(matches!(found, Err(PgoError::Unreadable { .. })), "{found:?}");
    }
}
