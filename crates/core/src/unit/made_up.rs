//! Names that a build tool makes up for one build, in the shape that they have in every build.
//!
//! A unit whose key had such a name in it would never be found again. Does not know whether a file
//! of that name exists: a name that only looks made up loses a few letters, and no more.

use std::borrow::Cow;

/// A component of a path without what was made up in it.
pub(super) fn without(name: &str) -> Cow<'_, str> {
    let found = go(name).or_else(|| gcc(name)).or_else(|| pip(name)).or_else(|| temporary(name));
    found.map_or(Cow::Borrowed(name), Cow::Owned)
}

/// `go-build3802662196`, and `cgo-gcc-input-1048622224.c` in `/tmp`.
fn go(name: &str) -> Option<String> {
    let head = ["go-build", "cgo-gcc-input-"].into_iter().find(|head| name.starts_with(head))?;
    let rest = name.strip_prefix(head)?;
    let ending = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    (ending.len() < rest.len()).then(|| format!("{head}{ending}"))
}

/// Endings of what gcc's driver, collect2 and the LTO back end keep in `/tmp`.
const GCC_ENDINGS: &[&str] =
    &["s", "o", "i", "ii", "le", "res", "ltrans", "lto", "cdtor", "out", "debug", "wpa"];

/// `ccOvny8j.s`, `ccGlYPpD.ltrans.out`, `cc3cui8b.cdtor.c`: six characters of chance.
fn gcc(name: &str) -> Option<String> {
    let (chance, rest) = name.strip_prefix("cc")?.split_at_checked(6)?;
    let mut endings = rest.split('.');
    let is_whole = endings.next() == Some("");
    // `ltrans0` counts its parts.
    let first = endings.next().map(|ending| ending.trim_end_matches(|c: char| c.is_ascii_digit()));
    let known = first.is_none_or(|first| GCC_ENDINGS.contains(&first));
    (is_whole && known && is_chance(chance)).then(|| format!("cc{rest}"))
}

/// `pip-wheel-o6g1dzw3`, and `lxml_3f0c…` with 32 digits of a hash below it.
fn pip(name: &str) -> Option<String> {
    if let Some((head, tail)) = name.rsplit_once('-')
        && head.starts_with("pip-")
        && tail.len() == 8
        && tail.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return Some(head.to_owned());
    }
    let (head, hash) = name.rsplit_once('_')?;
    let is_hash = hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hash && !head.is_empty()).then(|| head.to_owned())
}

/// What `mktemp`, Python and rustc call their folders: `tmp.Xa2kQ81mPz`, `tmp4x_b0mq1`, `rustcAbC1d2`.
fn temporary(name: &str) -> Option<String> {
    [("tmp.", 10, "tmp"), ("tmp", 8, "tmp"), ("rustc", 6, "rustc")].into_iter().find_map(
        |(head, length, left)| {
            let chance = name.strip_prefix(head)?;
            (chance.len() == length && is_chance(chance)).then(|| left.to_owned())
        },
    )
}

/// Letters and digits that make no word: six of them are all lowercase in one name of two hundred.
fn is_chance(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(allowed) && text.bytes().any(|byte| !byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_made_up_leaves_names() {
        for (name, expected) in [
            ("go-build3802662196", "go-build"),
            ("cgo-gcc-input-1048622224.c", "cgo-gcc-input-.c"),
            ("ccOvny8j.s", "cc.s"),
            ("ccGlYPpD.ltrans.out", "cc.ltrans.out"),
            ("cc8UdsvS.ltrans0.ltrans.o", "cc.ltrans0.ltrans.o"),
            ("cc3cui8b.cdtor.c", "cc.cdtor.c"),
            ("ccUBXbkk", "cc"),
            ("pip-wheel-o6g1dzw3", "pip-wheel"),
            ("lxml_0123456789abcdef0123456789abcdef", "lxml"),
            ("tmp.Xa2kQ81mPz", "tmp"),
            ("tmp4x_b0mq1", "tmp"),
            ("rustcAbC1d2", "rustc"),
        ] {
            assert_eq!(without(name), expected);
        }
    }

    #[test]
    fn names_that_somebody_chose_stay() {
        for name in [
            "go-build.c",
            "cgo.c",
            "ccache.c",
            "ccontext.o",
            "ccUtils1.c",
            "ccUtils1.cc",
            "cc_binary",
            "pip-tools",
            "sha256_ni.c",
            "tmpfiles",
            "template",
            "rustc_driver",
            "cc",
            "",
        ] {
            assert_eq!(without(name), name);
        }
    }

    proptest! {
        #[test]
        fn any_name_is_read_without_a_panic(name in "(cc|tmp|go-build|pip-)?\\PC{0,20}") {
            prop_assert!(without(&name).len() <= name.len());
        }
    }
}
