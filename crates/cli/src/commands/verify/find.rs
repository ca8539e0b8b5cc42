//! Which files are meant: those that are named, and every binary below a directory.
//!
//! Does not follow links below a directory, and does not examine what it reads.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ironwright_verify::examine::is_binary;
use rayon::prelude::*;

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

/// Bytes that are read at a time; several are under way at once.
const PIECE: usize = 1 << 22;

/// Everything in a file. Half of a quick examination would go into reading it in one piece.
pub(super) fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length];
    bytes
        .par_chunks_mut(PIECE)
        .enumerate()
        .try_for_each(|(number, piece)| file.read_exact_at(piece, (number * PIECE) as u64))?;
    Ok(bytes)
}

fn begins_as_binary(path: &Path) -> bool {
    let mut bytes = [0; 8];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).is_ok() && is_binary(&bytes)
}
