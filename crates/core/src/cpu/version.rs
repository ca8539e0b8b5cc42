//! Compiler versions: `major.minor` out of what a compiler prints, and rustc's LLVM.
//!
//! Does not know vendors' own numbering: Apple's clang 15 is not LLVM 15, and a distribution may
//! build rustc with another LLVM than the Rust project does.

use std::fmt;

/// The part of a compiler's version that decides what it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 12 in `12.2.0`.
    pub major: u16,
    /// 2 in `12.2.0`; 0 when absent.
    pub minor: u16,
}

impl Version {
    /// A version from its parts.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads the first number of the text, with its minor part: `12.2.0`, `1.95.0-nightly`,
    /// `V13.0.48`, `Debian clang version 14.0.6`.
    pub fn parse(text: &str) -> Option<Self> {
        let start = text.find(|character: char| character.is_ascii_digit())?;
        let mut parts = text.get(start..)?.split('.');
        let major = leading_number(parts.next()?)?;
        let minor = parts.next().and_then(leading_number).unwrap_or(0);
        Some(Self { major, minor })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

fn leading_number(text: &str) -> Option<u16> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// First rustc that carries an LLVM, newest first (Rust release notes; 1.95 as `rustc -vV` says).
const RUSTC_LLVM: &[(Version, u16)] = &[
    (Version::new(1, 95), 22),
    (Version::new(1, 91), 21),
    (Version::new(1, 87), 20),
    (Version::new(1, 82), 19),
    (Version::new(1, 78), 18),
    (Version::new(1, 73), 17),
    (Version::new(1, 70), 16),
    (Version::new(1, 65), 15),
    (Version::new(1, 60), 14),
    (Version::new(1, 56), 13),
    (Version::new(1, 52), 12),
    (Version::new(1, 47), 11),
    (Version::new(1, 45), 10),
    (Version::new(1, 38), 9),
];

/// The LLVM that the Rust project ships with a rustc; `None` before 1.38. A rustc newer than the
/// table has at least the newest LLVM in it.
pub fn llvm_of_rustc(rustc: Version) -> Option<Version> {
    RUSTC_LLVM.iter().find(|(first, _)| rustc >= *first).map(|(_, llvm)| Version::new(*llvm, 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(Version::parse("12.2.0"), Some(Version::new(12, 2)));
        assert_eq!(Version::parse("14"), Some(Version::new(14, 0)));
        assert_eq!(Version::parse("1.95.0-nightly (abc 2026-01-01)"), Some(Version::new(1, 95)));
        assert_eq!(Version::parse("Debian clang version 14.0.6"), Some(Version::new(14, 0)));
        assert_eq!(Version::parse("V13.0.48"), Some(Version::new(13, 0)));
        assert_eq!(Version::parse("unknown"), None);
        assert_eq!(Version::parse("999999999.1"), None);
    }

    #[test]
    fn versions_order_by_number_not_text() {
        assert!(Version::new(9, 3) < Version::new(12, 0));
        assert!(Version::new(12, 2) < Version::new(12, 3));
    }

    #[test]
    fn rustc_has_its_llvm() {
        assert_eq!(llvm_of_rustc(Version::new(1, 95)), Some(Version::new(22, 0)));
        assert_eq!(llvm_of_rustc(Version::new(1, 94)), Some(Version::new(21, 0)));
        assert_eq!(llvm_of_rustc(Version::new(1, 63)), Some(Version::new(14, 0)));
        assert_eq!(llvm_of_rustc(Version::new(1, 200)), Some(Version::new(22, 0)));
        assert_eq!(llvm_of_rustc(Version::new(1, 0)), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*") {
            let _ = Version::parse(&text);
        }
    }
}
