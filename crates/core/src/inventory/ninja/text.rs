//! Lines, escapes and variables of ninja files.
//!
//! Does not know what a statement means.

/// A line with its continuations.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Number of the first of them, from 1.
    pub(super) number: usize,
    pub(super) indented: bool,
    /// Without indentation and line ends, still with escapes.
    pub(super) text: String,
}

/// The lines that say something.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line> {
    let mut numbered = text.lines().enumerate();
    std::iter::from_fn(move || {
        loop {
            let (at, first) = numbered.next()?;
            let indented = first.starts_with([' ', '\t']);
            let mut joined = first.trim_start().to_owned();
            if joined.is_empty() || joined.starts_with('#') {
                continue;
            }
            while continues(&joined) {
                joined.pop();
                let Some((_, next)) = numbered.next() else { break };
                joined.push_str(next.trim_start());
            }
            return Some(Line { number: at + 1, indented, text: joined });
        }
    })
}

/// Whether a line ends with a `$` that no other `$` escapes.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'$').count() % 2 == 1
}

/// A text with its variables replaced and its escapes undone.
pub(super) fn expand(text: &str, value: &mut dyn FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = dollar(rest.get(at + 1..).unwrap_or_default(), &mut out, value);
    }
    out.push_str(rest);
    out
}

/// What stands behind a `$`; gives what is left.
fn dollar<'a>(rest: &'a str, out: &mut String, value: &mut dyn FnMut(&str) -> String) -> &'a str {
    if let Some(braced) = rest.strip_prefix('{') {
        let (name, left) = braced.split_once('}').unwrap_or((braced, ""));
        out.push_str(&value(name));
        return left;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    if end > 0 {
        let (name, left) = rest.split_at(end);
        out.push_str(&value(name));
        return left;
    }
    let mut left = rest.chars();
    out.extend(left.next());
    left.as_str()
}

/// Paths up to a colon or the end, parted by `|`, `||` and `|@` into explicit, implicit, order-only
/// and validations. Gives what is left, beginning with the colon.
pub(super) fn paths<'a>(
    text: &'a str,
    value: &mut dyn FnMut(&str) -> String,
) -> ([Vec<String>; 4], &'a str) {
    let mut groups: [Vec<String>; 4] = Default::default();
    let mut group = 0;
    let mut path = String::new();
    let mut rest = text;
    loop {
        let mut chars = rest.chars();
        let next = chars.next();
        let flush = |path: &mut String, groups: &mut [Vec<String>; 4], group: usize| {
            if let Some(of) = groups.get_mut(group).filter(|_| !path.is_empty()) {
                of.push(std::mem::take(path));
            }
        };
        match next {
            None | Some(':') => {
                flush(&mut path, &mut groups, group);
                return (groups, rest);
            }
            Some('$') => {
                rest = dollar(chars.as_str(), &mut path, value);
                continue;
            }
            Some('|') => {
                flush(&mut path, &mut groups, group);
                (group, rest) = separator(chars.as_str());
                continue;
            }
            Some(c) if c.is_whitespace() => flush(&mut path, &mut groups, group),
            Some(c) => path.push(c),
        }
        rest = chars.as_str();
    }
}

/// The group behind a `|`, and what is left.
fn separator(rest: &str) -> (usize, &str) {
    match (rest.strip_prefix('|'), rest.strip_prefix('@')) {
        (Some(left), _) => (2, left),
        (_, Some(left)) => (3, left),
        _ => (1, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dollar_at_the_end_goes_on() {
        let all: Vec<_> = lines("a = b $\n   c\n\n# no\n  x = $$\nz\n").collect();
        let texts: Vec<_> = all.iter().map(|l| (l.number, l.indented, l.text.as_str())).collect();
        assert_eq!(texts, [(1, false, "a = b c"), (5, true, "x = $$"), (6, false, "z")]);
    }

    #[test]
    fn paths_are_parted_and_escapes_undone() {
        let mut value = |name: &str| format!("<{name}>");
        let (groups, rest) = paths("a$ b $x/${y.z} | c||d |@ e: cc", &mut value);
        assert_eq!(groups[0], ["a b", "<x>/<y.z>"]);
        assert_eq!(
            (groups[1][0].as_str(), groups[2][0].as_str(), groups[3][0].as_str()),
            ("c", "d", "e")
        );
        assert_eq!(rest, ": cc");
        assert_eq!(expand("$$a $: b$", &mut value), "$a : b");
    }

    proptest! {
        #[test]
        fn any_text_is_parted_without_a_panic(text in "[a${}|:@ \n]{0,30}") {
            let mut value = |_: &str| String::new();
            let _ = (paths(&text, &mut value), expand(&text, &mut |_| String::new()));
            let _ = lines(&text).count();
        }
    }
}
