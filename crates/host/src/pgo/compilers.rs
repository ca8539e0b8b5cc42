//! Puts flags into every call of a C or C++ compiler, whatever a makefile's own variables say.
//!
//! A directory of compiler names goes in front of PATH. The flags are added only where a variable is set,
//! so that configure scripts test the plain compiler, and every variant of a package is configured alike.
//! Does not know the flags.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ironwright_core::emit::shell::quote_posix;
use ironwright_core::pgo::Toolchain;
use ironwright_core::pgo::steps::SWITCH;

use super::PgoError;

/// Fills a directory with the names of a toolchain's compilers.
///
/// # Errors
/// Those of writing.
pub fn prepare(
    directory: &Path,
    toolchain: Toolchain,
    generic: bool,
    flags: &[String],
) -> Result<(), PgoError> {
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory).map_err(PgoError::io(directory))?;
    let added: Vec<_> = flags.iter().map(|flag| quote_posix(flag)).collect();
    for (name, real) in on_path(toolchain, generic, directory) {
        let real = quote_posix(&real.to_string_lossy());
        let text = format!(
            "#!/bin/sh\n[ -n \"${SWITCH}\" ] || exec {real} \"$@\"\nexec {real} \"$@\" {}\n",
            added.join(" ")
        );
        let path = directory.join(&name);
        fs::write(&path, text).map_err(PgoError::io(&path))?;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, mode).map_err(PgoError::io(&path))?;
    }
    Ok(())
}

/// Compilers by name, the first on PATH.
fn on_path(toolchain: Toolchain, generic: bool, own: &Path) -> BTreeMap<String, PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = BTreeMap::new();
    for directory in std::env::split_paths(&path).filter(|directory| directory != own) {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_of(toolchain, generic, &name) {
                found.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    found
}

/// `gcc`, `x86_64-linux-gnu-g++-12`, `clang++-14`; `cc` and `c++` where they are the toolchain's.
fn is_of(toolchain: Toolchain, generic: bool, name: &str) -> bool {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let bare = if bare.len() < name.len() { bare.trim_end_matches('-') } else { bare };
    let is = |wanted: &str| bare == wanted || bare.ends_with(&format!("-{wanted}"));
    let generic = generic && ["cc", "c++", "c99", "c89"].contains(&name);
    match toolchain {
        Toolchain::Gcc => generic || is("gcc") || is("g++"),
        Toolchain::Clang => generic || bare == "clang" || bare == "clang++",
        Toolchain::Rustc | Toolchain::Go | Toolchain::Cpython => false,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn names_belong_to_their_toolchain() {
        let gcc = |name| is_of(Toolchain::Gcc, true, name);
        for name in ["gcc", "g++", "cc", "c++", "gcc-12", "x86_64-linux-gnu-g++-12"] {
            assert!(gcc(name), "{name}");
        }
        for name in ["gcc-ar", "gcc-nm-12", "gccgo", "clang", "ccache", "gcov"] {
            assert!(!gcc(name), "{name}");
        }
        assert!(is_of(Toolchain::Clang, false, "clang++-14"));
        assert!(
            !is_of(Toolchain::Clang, false, "cc") && !is_of(Toolchain::Clang, true, "clang-cl")
        );
    }

    #[test]
    fn flags_come_with_the_variable_only() {
        let directory = tempfile::tempdir().unwrap();
        let names = directory.path().join("names");
        prepare(&names, Toolchain::Gcc, true, &["-DX='a b'".to_owned()]).unwrap();
        let says = |on: bool| {
            let mut command = Command::new(names.join("gcc"));
            command.args(["-###", "-c", "x.c"]).env_remove(SWITCH);
            if on {
                command.env(SWITCH, "1");
            }
            String::from_utf8(command.output().unwrap().stderr).unwrap()
        };
        assert!(says(true).contains("X='a b'"), "{}", says(true));
        assert!(!says(false).contains("X="));
    }
}
