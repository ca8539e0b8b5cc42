//! Files of the kernel that stay open, because they are read many times a second.
//!
//! Does not know what their text means.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use crate::root::Root;

/// Enough for every file that is read often: `memory.stat` and `meminfo` have under 3 KiB.
pub(super) type Buffer = [u8; 8192];
/// Enough for `vmstat`, which has 6 KiB on Linux 6.18.
pub(super) type LongBuffer = [u8; 16384];

/// A file that is opened when it is first read and from then on read at its beginning.
#[derive(Debug)]
pub(super) struct Pinned {
    name: String,
    file: OnceLock<File>,
}

impl Pinned {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), file: OnceLock::new() }
    }

    /// The text now, as far as the buffer holds whole lines of it.
    pub(super) fn text<'a>(&self, root: &Root, buffer: &'a mut [u8]) -> io::Result<&'a str> {
        let length = self.fill(root, buffer).map_err(|error| self.named(&error))?;
        let mut text = buffer.get(..length).unwrap_or_default();
        if length == buffer.len() {
            let lines = buffer.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
            text = buffer.get(..lines).unwrap_or_default();
        }
        std::str::from_utf8(text).map_err(|_| self.malformed("text"))
    }

    /// A number of bytes that stands alone.
    pub(super) fn number(&self, root: &Root) -> io::Result<u64> {
        let mut buffer = [0; 64];
        let text = self.text(root, &mut buffer)?;
        text.trim().parse().map_err(|_| self.malformed("a number"))
    }

    /// That the file does not hold what it should.
    pub(super) fn malformed(&self, expected: &str) -> io::Error {
        let text = format!("{}: expected {expected}", self.name);
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    fn named(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.name))
    }

    fn fill(&self, root: &Root, buffer: &mut [u8]) -> io::Result<usize> {
        let file = self.open(root)?;
        let mut length = 0;
        while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, length as u64) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(length)
    }

    fn open(&self, root: &Root) -> io::Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = File::open(root.resolve(&self.name)?)?;
        Ok(self.file.get_or_init(|| file))
    }
}

/// The sum of the numbers behind these keys, each at the beginning of a line; `None` when one is
/// missing. Stops at the last key, for the files that tell much else behind.
pub(super) fn sum(text: &str, keys: &[&str]) -> Option<u64> {
    let mut missing = keys.len();
    let mut sum = 0_u64;
    for line in text.lines() {
        if missing == 0 {
            break;
        }
        let Some((key, value)) = line.split_once(' ') else { continue };
        if keys.contains(&key) {
            sum = sum.saturating_add(value.trim().parse().ok()?);
            missing -= 1;
        }
    }
    (missing == 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_testkit::FakeRoot;
    use proptest::prelude::*;

    #[test]
    fn a_change_is_seen_through_the_open_file() {
        let fake = FakeRoot::new([("proc/x", "1\n")]);
        let root = Root::at(fake.path());
        let pinned = Pinned::new("/proc/x");
        assert_eq!(pinned.number(&root).unwrap(), 1);
        std::fs::write(fake.resolve("proc/x"), "23\n").unwrap();
        assert_eq!(pinned.number(&root).unwrap(), 23);
        std::fs::write(fake.resolve("proc/x"), "many\n").unwrap();
        let error = pinned.number(&root).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::InvalidData, "/proc/x: expected a number")
        );
    }

    #[test]
    fn a_line_that_does_not_fit_is_left_out() {
        let fake = FakeRoot::new([("proc/x", "a 1\nb 23456\n")]);
        let root = Root::at(fake.path());
        assert_eq!(Pinned::new("/proc/x").text(&root, &mut [0; 8]).unwrap(), "a 1");
        assert_eq!(Pinned::new("/proc/x").text(&root, &mut [0; 64]).unwrap(), "a 1\nb 23456\n");
        let absent = Pinned::new("/proc/y").text(&root, &mut [0; 8]).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        assert!(absent.to_string().starts_with("/proc/y: "), "{absent}");
    }

    #[test]
    fn only_whole_keys_count() {
        let text = "total_x 5\nx 1\ny 2\ny_more 9\n";
        assert_eq!((sum(text, &["x", "y"]), sum(text, &["x", "z"])), (Some(3), None));
        assert_eq!(sum("x many\n", &["x"]), None);
    }

    proptest! {
        #[test]
        fn any_text_is_summed_without_a_panic(text in "((x|y) [0-9]{0,25}\n|\\PC){0,6}") {
            let _ = sum(&text, &["x", "y"]);
        }
    }
}
