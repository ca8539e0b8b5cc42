//! Names under which a unit's past is found again: paths made short, versions and hashes taken
//! out, settings turned into a digest.
//!
//! Does not know any tool, and never looks at a file.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use super::made_up;

/// Components of a path that are kept; what lies above differs between machines and build folders.
const COMPONENTS: usize = 3;
/// Longest part of a name, in characters.
const LONGEST: usize = 160;
/// Hexadecimal digits of a hash that cargo puts behind the name of what it makes.
const CARGO_HASH: usize = 16;

/// Settings of a command that change what it takes.
///
/// The coarse ones change it much and are in the key and in the family; the fine ones are only in
/// the key.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    coarse: Vec<String>,
    fine: Vec<String>,
}

impl Settings {
    /// A setting that changes much.
    pub(super) fn coarse(&mut self, setting: impl Into<String>) {
        self.coarse.push(setting.into());
    }

    /// A setting that changes little.
    pub(super) fn fine(&mut self, setting: impl Into<String>) {
        self.fine.push(setting.into());
    }

    /// Digest of all settings, whatever their order.
    pub(super) fn digest(mut self) -> String {
        self.fine.sort_unstable();
        self.fine.dedup();
        let coarse = self.coarse_digest();
        digest(std::iter::once(coarse.as_str()).chain(self.fine.iter().map(String::as_str)))
    }

    /// Digest of the coarse settings alone, whatever their order.
    pub(super) fn coarse_digest(&self) -> String {
        let mut coarse: Vec<&str> = self.coarse.iter().map(String::as_str).collect();
        coarse.sort_unstable();
        coarse.dedup();
        digest(coarse.into_iter())
    }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo; <http://www.isthe.com/chongo/tech/comp/fnv/>), in
/// hexadecimal. Its values are stored, so they must never change.
pub(super) fn digest<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = OFFSET;
    for text in texts {
        // A byte that no text contains separates them: "ab", "c" is not "a", "bc".
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    format!("{hash:016x}")
}

/// An option without the folders of the path that may be its value.
pub(super) fn without_folders(option: &str) -> String {
    match option.split_once('=') {
        Some((name, value)) if value.contains('/') => format!("{name}={}", file_name(value)),
        _ => option.to_owned(),
    }
}

/// One line of text, never empty, and not too long.
pub(super) fn clean(text: &str) -> String {
    cleaned(text).into_owned()
}

fn cleaned(text: &str) -> Cow<'_, str> {
    // Nearly every text is clean.
    if text.len() <= LONGEST && !text.bytes().any(|b| b.is_ascii_control() || !b.is_ascii()) {
        return Cow::Borrowed(named(text.trim()));
    }
    let one_line: String =
        text.chars().map(|c| if is_break(c) { ' ' } else { c }).take(LONGEST).collect();
    Cow::Owned(named(one_line.trim()).to_owned())
}

const fn named(text: &str) -> &str {
    if text.is_empty() { "unnamed" } else { text }
}

fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The parts that are not empty, with spaces between them.
pub(super) fn joined(parts: &[&str]) -> String {
    let mut joined = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for part in parts.iter().filter(|part| !part.trim().is_empty()) {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(&cleaned(part));
    }
    if joined.is_empty() { clean("") } else { joined }
}

/// The path from the root, without `.` and `..`. Symbolic links are not followed, so this is for
/// names, not for opening.
pub(super) fn absolute(cwd: &Path, path: &str) -> PathBuf {
    let joined = cwd.join(path);
    let mut made = PathBuf::with_capacity(joined.as_os_str().len());
    for component in joined.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                made.pop();
            }
            other => made.push(other),
        }
    }
    made
}

/// What a path is called in a key: its last components, after the innermost folder above them that
/// carries a version (`openssl-3.0.11`).
pub(super) fn place(cwd: &Path, path: &str) -> String {
    let full = absolute(cwd, path);
    let mut upwards = full.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    let mut kept: Vec<String> =
        upwards.by_ref().take(COMPONENTS).map(|name| plain(&name)).collect();
    if !kept.iter().any(|name| has_version(name)) {
        let mut versioned = upwards.filter(|name| has_version(name)).map(|name| plain(&name));
        kept.extend(versioned.find(|name| has_version(name)));
    }
    kept.reverse();
    clean(&kept.join("/"))
}

/// A component without what was made up for one build.
fn plain(name: &str) -> String {
    made_up::without(&without_hash(name)).into_owned()
}

/// The last component of a path, as text.
pub(super) fn file_name(path: &str) -> String {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    clean(&made_up::without(name))
}

/// What follows the last dot of a path's last component; empty without one.
pub(super) fn ending(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// A name without the hash that cargo puts behind it (`rg-306ec5c9867129ca`).
pub(super) fn without_hash(name: &str) -> Cow<'_, str> {
    let Some((head, tail)) = name.rsplit_once('-') else { return Cow::Borrowed(name) };
    let (hash, extension) = tail.split_once('.').map_or((tail, None), |(hash, e)| (hash, Some(e)));
    let is_hash = hash.len() == CARGO_HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (is_hash && !head.is_empty(), extension) {
        (false, _) => Cow::Borrowed(name),
        (true, None) => Cow::Borrowed(head),
        (true, Some(extension)) => Cow::Owned(format!("{head}.{extension}")),
    }
}

/// Whether a name carries a version after a dash or an `@`.
fn has_version(name: &str) -> bool {
    without_version(name) != name
}

/// A path without the versions in the names of its components.
pub(super) fn without_versions(path: &str) -> String {
    path.split('/').map(without_version).collect::<Vec<_>>().join("/")
}

/// `openssl-3.0.11` is `openssl`, `libz.so.1.3` is `libz.so`, `yaml@v3.0.1` is `yaml`.
fn without_version(name: &str) -> &str {
    for (at, separator) in name.match_indices(['-', '@', '_']) {
        if starts_with_version(name.get(at + separator.len()..).unwrap_or_default()) {
            return name.get(..at).filter(|head| !head.is_empty()).unwrap_or(name);
        }
    }
    match name.find(".so.") {
        Some(at) => name.get(..at + 3).unwrap_or(name),
        None => name,
    }
}

/// Whether a text begins with two numbers and a dot between them, perhaps after a `v`.
fn starts_with_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let Some((major, rest)) = text.split_once('.') else { return false };
    let is_major = !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit());
    is_major && rest.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_digest_is_fnv_1a() {
        // Published test vectors end at the text's last byte; the separator goes one step further.
        assert_eq!(digest(std::iter::empty()), "cbf29ce484222325");
        let foobar = 0x8594_4171_f739_67e8_u64;
        let separated = (foobar ^ 0xff).wrapping_mul(0x0000_0100_0000_01b3);
        assert_eq!(digest(["foobar"].into_iter()), format!("{separated:016x}"));
        assert_ne!(digest(["ab", "c"].into_iter()), digest(["a", "bc"].into_iter()));
    }

    #[test]
    fn settings_do_not_depend_on_their_order() {
        let of = |coarse: &[&str], fine: &[&str]| {
            let mut settings = Settings::default();
            for setting in coarse {
                settings.coarse(*setting);
            }
            for setting in fine {
                settings.fine(*setting);
            }
            (settings.coarse_digest(), settings.digest())
        };
        assert_eq!(of(&["lto", "O"], &["a", "b"]), of(&["O", "lto"], &["b", "a", "b"]));
        let (family, key) = of(&["lto"], &["a"]);
        let (other_family, other_key) = of(&["lto"], &["b"]);
        assert_eq!(family, other_family);
        assert_ne!(key, other_key);
    }

    #[test]
    fn places_are_short_and_keep_the_version() {
        let cwd = Path::new("/build/openssl-3.0.11/x");
        for (path, expected) in [
            ("../crypto/aes/aes_core.c", "openssl-3.0.11/crypto/aes/aes_core.c"),
            ("../ssl/t1.c", "openssl-3.0.11/ssl/t1.c"),
            ("/home/me/project/src/main.c", "project/src/main.c"),
            ("/main.c", "main.c"),
            ("/w/target/debug/deps/rg-306ec5c9867129ca", "debug/deps/rg"),
        ] {
            assert_eq!(place(cwd, path), expected);
        }
    }

    #[test]
    fn versions_leave_names() {
        for (name, expected) in [
            ("openssl-3.0.11/crypto/a.c", "openssl/crypto/a.c"),
            ("libz.so.1.3", "libz.so"),
            ("gopkg.in/yaml@v3.0.1/decode.go", "gopkg.in/yaml/decode.go"),
            ("x86_64-linux-gnu", "x86_64-linux-gnu"),
            ("-1.2", "-1.2"),
            ("utf-8.c", "utf-8.c"),
        ] {
            assert_eq!(without_versions(name), expected);
        }
    }

    #[test]
    fn hashes_leave_names() {
        for (name, expected) in [
            ("libdep-96dec0c472099d6b.rlib", "libdep.rlib"),
            ("rg-306ec5c9867129ca", "rg"),
            ("my-program", "my-program"),
            ("-306ec5c9867129ca", "-306ec5c9867129ca"),
        ] {
            assert_eq!(without_hash(name), expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_names_are_one_line(text in any::<String>(), cwd in "[/a-z.-]{0,12}") {
            for name in [clean(&text), place(Path::new(&cwd), &text), file_name(&text)] {
                prop_assert!(!name.is_empty() && !name.contains(['\n', '\r']));
            }
            let _ = (without_versions(&text), without_hash(&text), joined(&[&text, ""]));
        }
    }
}
