//! BOLT, which lays a linked program out anew by what was counted while it was trained.
//!
//! Finds its tools and writes the commands. Programs must have been linked with their relocations. Does not
//! run anything, nor know what training is.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ironwright_core::emit::shell::quote_posix;
use object::{Object, ObjectKind};

use crate::pgo::tools::directories_of_llvm;

/// The name of the tool that rewrites programs; distributions add the version of its LLVM.
const OPTIMISER: &str = "llvm-bolt";
/// The name of the tool that adds counts up.
const MERGER: &str = "merge-fdata";
/// How blocks and functions are laid out: the ones that run follow each other, and those that never did go
/// to a section of their own. From LLVM's guide to BOLT.
const LAYOUT: &str =
    "-reorder-blocks=ext-tsp -reorder-functions=hfsort -split-functions -split-all-cold";

/// The tools of one BOLT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bolt {
    optimiser: PathBuf,
    merger: PathBuf,
}

impl Bolt {
    /// The newest that is installed; one without a version in its name is the user's choice.
    pub fn find() -> Option<Self> {
        let all = directories_of_llvm().into_iter().flat_map(|directory| in_directory(&directory));
        all.rev().max_by_key(|(version, _)| *version).map(|(_, found)| found)
    }

    /// Commands for a shell that put a program in whose place one that counts; counts go to a folder.
    pub fn counting(&self, program: &Path, counts: &Path) -> String {
        let [plain, program, counts, optimiser] =
            [&plain(program), program, &counts_of(program, counts), &self.optimiser].map(quoted);
        format!(
            "mv {program} {plain} && {optimiser} {plain} -instrument -instrumentation-file={counts} \
             -instrumentation-file-append-pid -o {program}"
        )
    }

    /// Commands that put the program, laid out anew, where the one that counts stands; as it was where
    /// training never started it.
    pub fn laid_out(&self, program: &Path, counts: &Path) -> String {
        let [plain, program, counts, optimiser, merger] =
            [&plain(program), program, &counts_of(program, counts), &self.optimiser, &self.merger]
                .map(quoted);
        format!(
            "set -- {counts}.*.fdata; if [ -e \"$1\" ]; then {merger} \"$@\" > {counts} && \
             {optimiser} {plain} -data={counts} {LAYOUT} -o {program} && rm {plain}; else mv {plain} {program}; fi"
        )
    }
}

/// The program as it was linked.
fn plain(program: &Path) -> PathBuf {
    let mut name = program.as_os_str().to_owned();
    name.push(".plain");
    PathBuf::from(name)
}

fn counts_of(program: &Path, folder: &Path) -> PathBuf {
    folder.join(program.file_name().unwrap_or_default())
}

fn quoted(path: &Path) -> String {
    quote_posix(&path.to_string_lossy())
}

/// The version of the LLVM whose directory this is; the highest for one that names none.
fn version_of(directory: &Path) -> u32 {
    let names = directory.components().filter_map(|part| part.as_os_str().to_str());
    let mut versions = names.filter_map(|name| name.strip_prefix("llvm-")?.parse().ok());
    versions.next().unwrap_or(u32::MAX)
}

/// BOLTs of a directory with their versions.
fn in_directory(directory: &Path) -> Vec<(u32, Bolt)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let bolt = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let suffix = name.strip_prefix(OPTIMISER)?;
        let version = match suffix.strip_prefix('-') {
            Some(version) => version.parse().ok()?,
            None if suffix.is_empty() => version_of(directory),
            None => return None,
        };
        let merger = directory.join(format!("{MERGER}{suffix}"));
        // It looks for its library beside the path that it is called by, and distributions have links.
        let optimiser = fs::canonicalize(entry.path()).ok()?;
        merger.is_file().then_some((version, Bolt { optimiser, merger }))
    };
    entries.filter_map(bolt).collect()
}

/// The programs in a folder: what a user may run, and is no script.
///
/// # Errors
/// Those of reading.
pub fn programs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = fs::metadata(&path)?;
        if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 && is_program(&path)? {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn is_program(path: &Path) -> io::Result<bool> {
    let bytes = fs::read(path)?;
    let object = object::File::parse(&*bytes);
    Ok(object.is_ok_and(|object| {
        matches!(object.kind(), ObjectKind::Executable | ObjectKind::Dynamic) && object.entry() != 0
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(folder: &Path, names: &[&str]) {
        for name in names {
            fs::write(folder.join(name), "").unwrap();
        }
    }

    #[test]
    fn both_tools_of_a_version_are_wanted() {
        let folder = tempfile::tempdir().unwrap();
        install(
            folder.path(),
            &["llvm-bolt-14", "llvm-bolt-16", "merge-fdata-14", "llvm-boltdiff"],
        );
        let (version, found) = in_directory(folder.path()).pop().unwrap();
        assert_eq!((version, &found.merger), (14, &folder.path().join("merge-fdata-14")));
        install(folder.path(), &["merge-fdata-16", "llvm-bolt", "merge-fdata"]);
        let mut versions: Vec<u32> = in_directory(folder.path()).iter().map(|it| it.0).collect();
        versions.sort_unstable();
        assert_eq!(versions, [14, 16, u32::MAX]);
        assert_eq!(version_of(Path::new("/usr/lib/llvm-16/bin")), 16);
    }

    #[test]
    fn scripts_are_no_programs() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let script = folder.path().join("script");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(programs(folder.path()).unwrap(), [program]);
    }
}
