//! Trees of source files: told apart by a hash, and copied to be built.
//!
//! Does not know build systems.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Folders that hold no source.
const LEFT_OUT: [&str; 3] = [".git", "target", "__pycache__"];

/// Hash of the names and contents of all files below a folder, as hexadecimal digits.
///
/// # Errors
/// Those of reading.
pub fn hash(folder: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    for path in files(folder)? {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        let bytes = fs::read(&path)?;
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    Ok(hex(&hash.finalize()))
}

/// Hash of texts, each apart from the next.
pub fn hash_of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hex(&hash.finalize())
}

/// Hash of a file.
///
/// # Errors
/// Those of reading.
pub fn hash_of_file(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(fs::read(path)?);
    Ok(hex(&hash.finalize()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Every file below a folder, in the order of their names; links are not followed.
///
/// # Errors
/// Those of reading folders.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_left_out(&entry) {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn is_left_out(entry: &fs::DirEntry) -> bool {
    LEFT_OUT.iter().any(|name| entry.file_name() == *name)
}

/// Copies a folder with its files and links. Times are kept, so that what was up to date stays so.
///
/// # Errors
/// Those of reading and writing.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut open = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = open.pop() {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let target = to.join(entry.file_name());
            if kind.is_dir() && !is_left_out(&entry) {
                open.push((entry.path(), target));
            } else if kind.is_symlink() {
                symlink(fs::read_link(entry.path())?, &target)?;
            } else if kind.is_file() {
                fs::copy(entry.path(), &target)?;
                let modified = entry.metadata()?.modified()?;
                // A file that may not be written to keeps today's time.
                let opened = fs::File::options().append(true).open(&target);
                let _ = opened.and_then(|file| file.set_modified(modified));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_same_hash_times_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir_all(from.join(".git")).unwrap();
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("sub/a.c"), "int a;\n").unwrap();
        fs::write(from.join(".git/HEAD"), "x").unwrap();
        symlink("sub/a.c", from.join("b.c")).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
        let source = fs::File::options().append(true).open(from.join("sub/a.c")).unwrap();
        source.set_modified(old).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(hash(&from).unwrap(), hash(&to).unwrap());
        assert_eq!(fs::metadata(to.join("sub/a.c")).unwrap().modified().unwrap(), old);
        assert_eq!(fs::read_link(to.join("b.c")).unwrap(), Path::new("sub/a.c"));
        assert!(!to.join(".git").exists());
        fs::write(to.join("sub/a.c"), "int b;\n").unwrap();
        assert_ne!(hash(&from).unwrap(), hash(&to).unwrap());
    }

    #[test]
    fn texts_are_kept_apart() {
        assert_ne!(hash_of_texts(["ab", "c"]), hash_of_texts(["a", "bc"]));
    }
}
