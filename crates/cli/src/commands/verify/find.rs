//! Which files are meant: those that are named, and every binary below a directory.
//!
//! Does not follow links below a directory, and does not examine what it reads.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ironwright_verify::examine::is_binary;
use memmap2::Mmap;

use crate::error::CliError;

/// Every binary, and which of them were named themselves.
pub(super) fn binaries(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, BTreeSet<PathBuf>), CliError> {
    let (mut found, mut named) = (Vec::new(), BTreeSet::new());
    for path in paths {
        let read = |error| CliError::Read { path: path.clone(), error };
        if std::fs::metadata(path).map_err(read)?.is_dir() {
            below(path, &mut found);
        } else {
            found.push(path.clone());
            named.insert(path.clone());
        }
    }
    found.dedup();
    if found.is_empty() {
        let path = paths.first().cloned().unwrap_or_default();
        return Err(CliError::usage(
            format!("no ELF file and no archive below {}", path.display()),
            "name a file, or a directory that holds binaries",
        ));
    }
    Ok((found, named))
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut queue = vec![directory.to_owned()];
    let first = found.len();
    while let Some(directory) = queue.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                queue.push(entry.path());
            } else if kind.is_file() && begins_as_binary(&entry.path()) {
                found.push(entry.path());
            }
        }
    }
    found[first..].sort();
}

/// Everything in a file. To copy a large one takes as long as to decode it.
#[expect(unsafe_code, reason = "no mapping is safe from others who make the file shorter")]
pub(super) fn map(path: &Path) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: nothing here writes to it, and examining takes any bytes for possible, also such that
    // change meanwhile. A read beyond the end of a file that was made shorter ends the process by
    // SIGBUS, for which `run` has made provision.
    unsafe { Mmap::map(&file) }
}

fn begins_as_binary(path: &Path) -> bool {
    let mut bytes = [0; 8];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).is_ok() && is_binary(&bytes)
}
