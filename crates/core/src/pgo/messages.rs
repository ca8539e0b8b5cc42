//! What compilers say about a profile while they use it.
//!
//! Reads the output of a build: gcc's `-Wcoverage-mismatch` and `-Wmissing-profile`, and LLVM's warnings
//! by way of clang and rustc. Does not know other messages.

use std::collections::BTreeSet;

use super::Matching;

/// Folds the lines of a build's output.
pub fn matching(output: &str) -> Matching {
    let (mut stale, mut missing) = (BTreeSet::new(), BTreeSet::new());
    let (mut objects, mut unreadable) = (BTreeSet::new(), BTreeSet::new());
    let mut lost = 0_u128;
    for line in output.lines() {
        match message(line) {
            Some(Message::Stale { function, counts }) => {
                let is_new = stale.insert(function.to_owned());
                lost = lost.saturating_add(if is_new { counts } else { 0 });
            }
            Some(Message::Missing(function)) => {
                missing.insert(function.to_owned());
            }
            Some(Message::MissingObject(object)) => {
                objects.insert(object.to_owned());
            }
            Some(Message::Unreadable(text)) => {
                unreadable.insert(text.to_owned());
            }
            None => {}
        }
    }
    Matching {
        stale: stale.into_iter().collect(),
        lost,
        missing: u64::try_from(missing.len()).unwrap_or(u64::MAX),
        missing_objects: objects.into_iter().collect(),
        unreadable: unreadable.into_iter().collect(),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Message<'a> {
    Stale { function: &'a str, counts: u128 },
    Missing(&'a str),
    MissingObject(&'a str),
    Unreadable(&'a str),
}

fn message(line: &str) -> Option<Message<'_>> {
    gcc(line).or_else(|| llvm(line))
}

/// gcc quotes with ‘’ or with '' by the locale.
fn gcc(line: &str) -> Option<Message<'_>> {
    let quoted = |text| between(text, "‘", "’").or_else(|| between(text, "'", "'"));
    if line.contains("profile count data file not found") {
        let (_, rest) = line.split_once("warning:")?;
        return quoted(rest).map(Message::MissingObject);
    }
    if line.contains("[-Wcoverage-mismatch]") || line.contains("[-Werror=coverage-mismatch]") {
        let (_, rest) = line.split_once("function")?;
        return quoted(rest).map(|function| Message::Stale { function, counts: 0 });
    }
    if line.contains("[-Wmissing-profile]") && line.contains("profile for function") {
        return quoted(line).map(Message::Missing);
    }
    let other_version = line.contains(".gcda") && line.contains("expected version");
    let no_profile = line.contains("is not a gcov data file");
    (other_version || no_profile).then(|| Message::Unreadable(line.trim()))
}

/// `… Function control flow change detected (hash mismatch) NAME Hash = N up to N count discarded`, and
/// `No profile data available for function NAME Hash = …`.
fn llvm(line: &str) -> Option<Message<'_>> {
    const CHANGED: &str = "(hash mismatch) ";
    if let Some((_, rest)) = line.split_once(CHANGED) {
        let function = rest.split_whitespace().next()?;
        let counts = between(rest, "up to ", " count").and_then(|n| n.parse().ok()).unwrap_or(0);
        return Some(Message::Stale { function, counts });
    }
    if let Some((_, rest)) = line.split_once("o profile data available for function ") {
        return rest.split_whitespace().next().map(Message::Missing);
    }
    let fails = ["unsupported", "malformed", "invalid", "truncated", "empty"];
    let is_unreadable =
        fails.iter().any(|why| line.contains(&format!("{why} instrumentation profile")));
    is_unreadable.then(|| Message::Unreadable(line.trim()))
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gcc_tells_of_objects_and_functions() {
        let found = matching(
            "p.c: In function ‘main’:\n\
             p.c:5:1: warning: ‘/x/raw/other.gcda’ profile count data file not found [-Wmissing-profile]\n\
             p.c:3:39: warning: number of counters in profile data for function ‘f’ does not match its profile data (counter ‘arcs’, expected 3 and have 4) [-Wcoverage-mismatch]\n\
             p.c:3:39: warning: the control flow of function ‘f’ does not match its profile data (counter ‘time_profiler’) [-Wcoverage-mismatch]\n\
             p.c:3:9: warning: profile for function 'g' not found in profile data [-Wmissing-profile]\n\
             p.c:1:1: warning: '/x/a.gcda' is version 'B13*', expected version 'B22*'\n",
        );
        assert_eq!(found.stale, ["f"]);
        assert_eq!(found.missing_objects, ["/x/raw/other.gcda"]);
        assert_eq!((found.missing, found.unreadable.len(), found.lost), (1, 1, 0));
    }

    #[test]
    fn llvm_tells_what_it_dropped() {
        let changed = "warning: p.c: Function control flow change detected (hash mismatch) f Hash = 146835647075900052 up to 1501636 count discarded [-Wbackend-plugin]";
        let missing = "warning: a.rs: No profile data available for function _ZN1a4main17hE Hash = 12 up to 0 count discarded";
        let found = matching(&format!("{changed}\n{changed}\n{missing}\n"));
        assert_eq!((found.stale.as_slice(), found.lost), (&["f".to_owned()][..], 1_501_636));
        assert_eq!(found.missing, 1);
        let other = "error: Could not read profile a.profdata: unsupported instrumentation profile format version";
        let none = "warning: a.rs: invalid instrumentation profile data (bad magic)";
        assert_eq!(matching(&format!("{other}\n{none}\n")).unreadable, [other, none]);
    }

    #[test]
    fn other_output_says_nothing() {
        let text = "gcc -O2 -fprofile-use=/x/raw -Wmissing-profile -c f.c\nwarning: unused variable ‘f’ [-Wunused]\n";
        assert_eq!(matching(text), Matching::default());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
            let _ = matching(&text);
            let _ = matching(&format!("warning: function ‘{text}[-Wcoverage-mismatch](hash mismatch) {text}"));
        }
    }
}
