//! Reads files that the kernel makes up when they are read.
//!
//! Such a file has no size to ask for, and comes whole in one read that is large enough: three calls
//! to the kernel instead of the eight of a reader that feels its way. Does not know what is in them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of the first read: more than any line about one process, or the figures of one group.
const AT_ONCE: usize = 4096;

/// The text of a file below `/proc` or `/sys`; what is no UTF-8 in it, a process' name for one, is
/// replaced.
///
/// # Errors
/// Those of opening and reading it; a process that ended meanwhile is `NotFound` or "no such process".
pub fn read(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut text = vec![0; AT_ONCE];
    let first = file.read(&mut text)?;
    text.truncate(first);
    if first == AT_ONCE {
        file.read_to_end(&mut text)?;
    }
    Ok(match String::from_utf8(text) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("maps");
        for length in [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE] {
            std::fs::write(&path, "x".repeat(length)).unwrap();
            assert_eq!(read(&path).unwrap().len(), length);
        }
        std::fs::write(&path, b"(\xff) S").unwrap();
        assert_eq!(read(&path).unwrap(), "(\u{fffd}) S");
        assert!(read(Path::new("/proc/self/status")).unwrap().contains("VmRSS"));
    }
}
