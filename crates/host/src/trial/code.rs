//! The code in files that were built: its size, and a hash by which builds that are the same are told.
//!
//! Only instructions count, and the libraries that a program is linked with: a build that stores its own
//! flags as text runs no other code for that.
//! Does not know where files come from.

use std::fs;
use std::io;
use std::path::Path;

use ironwright_core::units::Bytes;
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, SectionFlags, elf};
use sha2::{Digest, Sha256};

use crate::tree::{self, hex};

/// Instructions of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of instructions.
    pub text: Bytes,
    /// Bytes of the file.
    pub file: Bytes,
}

/// Sizes of a program, a library or an archive. A file of another kind has no instructions.
pub fn sizes(path: &Path) -> io::Result<Sizes> {
    let bytes = fs::read(path)?;
    let mut text = 0;
    each_object(&bytes, |object| text += instructions(object, |_| {}));
    Ok(Sizes { text: Bytes(text), file: Bytes(bytes.len() as u64) })
}

/// A hash of all instructions in the files below a folder, in the order of their names, and of the libraries
/// that these name; and how many bytes of instructions there are. Scripts and data count whole: nobody can tell what of them is run.
pub fn hash(folder: &Path) -> io::Result<(String, Bytes)> {
    let mut hash = Sha256::new();
    let mut all = 0;
    for path in tree::files(folder)?.iter().filter(|path| path.is_file()) {
        let bytes = fs::read(path)?;
        let mut found = 0;
        each_object(&bytes, |object| {
            found += instructions(object, |code| hash.update(code));
            libraries(object, |name| hash.update(name));
        });
        if found == 0 {
            hash.update(&bytes);
        }
        all += found;
    }
    Ok((hex(&hash.finalize()), Bytes(all)))
}

/// Calls something for every object in a file, which may be an archive of them.
fn each_object(bytes: &[u8], mut take: impl FnMut(&object::File<'_>)) {
    if let Ok(archive) = ArchiveFile::parse(bytes) {
        for member in archive.members().flatten() {
            let data = member.data(bytes).ok();
            if let Some(object) = data.and_then(|data| object::File::parse(data).ok()) {
                take(&object);
            }
        }
    } else if let Ok(object) = object::File::parse(bytes) {
        take(&object);
    }
}

/// Gives the instructions of an object away; returns their number of bytes.
fn instructions(object: &object::File<'_>, mut take: impl FnMut(&[u8])) -> u64 {
    let mut total = 0;
    for section in object.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        let runs = sh_flags.contains(elf::SHF_EXECINSTR);
        if let (true, Ok(data)) = (runs, section.data()) {
            take(data);
            total += data.len() as u64;
        }
    }
    total
}

/// Gives away the names of libraries that the dynamic linker loads with an object.
fn libraries(object: &object::File<'_>, mut take: impl FnMut(&[u8])) {
    let object::File::Elf64(file) = object else { return };
    let Ok(table) = file.elf_dynamic_table() else { return };
    let needed = table.iter().filter(|entry| entry.tag == elf::DT_NEEDED);
    needed.filter_map(|entry| table.string(entry).ok()).for_each(&mut take);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_instructions_make_a_difference() {
        let own = std::env::current_exe().unwrap();
        let found = sizes(&own).unwrap();
        assert!(found.text.0 > 10_000 && found.text < found.file, "{found:?}");
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("run");
        fs::write(&script, "echo 1\n").unwrap();
        let first = hash(folder.path()).unwrap();
        assert_eq!(first, hash(folder.path()).unwrap());
        assert_eq!(first.1, Bytes::ZERO);
        fs::copy(&own, folder.path().join("own")).unwrap();
        assert_eq!(hash(folder.path()).unwrap().1, found.text);
        fs::write(&script, "echo 2\n").unwrap();
        assert_ne!(first, hash(folder.path()).unwrap());
        assert_eq!(sizes(&script).unwrap().text, Bytes::ZERO);
        let bytes = fs::read(&own).unwrap();
        let mut names = Vec::new();
        each_object(&bytes, |object| libraries(object, |name| names.push(name.to_owned())));
        assert!(names.iter().any(|name| name.starts_with(b"libc.so")), "{names:?}");
    }
}
