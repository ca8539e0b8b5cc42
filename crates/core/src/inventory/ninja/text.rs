//! Lines, escapes and variables of ninja files.
//!
//! Does not know what a statement means.

use std::borrow::Cow;

/// A line with its continuations.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Number of the first of them, from 1.
    pub(super) number: usize,
    pub(super) indented: bool,
    /// Without indentation and line ends, still with escapes.
    pub(super) text: Cow<'a, str>,
}

/// The lines that say something.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut numbered = text.lines().enumerate();
    std::iter::from_fn(move || {
        loop {
            let (at, first) = numbered.next()?;
            let indented = first.starts_with([' ', '\t']);
            let mut text = Cow::Borrowed(first.trim_start());
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            while continues(&text) {
                let joined = text.to_mut();
                joined.pop();
                let Some((_, next)) = numbered.next() else { break };
                joined.push_str(next.trim_start());
            }
            return Some(Line { number: at + 1, indented, text });
        }
    })
}

/// Whether a line ends with a `$` that no other `$` escapes.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'$').count() % 2 == 1
}

/// Writes the value of a variable to the end of a text.
pub(super) type Value<'a> = dyn Fn(&str, &mut String) + 'a;

/// Writes a text with its variables replaced and its escapes undone to the end of another.
pub(super) fn expand(text: &str, value: &Value<'_>, out: &mut String) {
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('$') {
        out.push_str(plain);
        rest = dollar(behind, value, out);
    }
    out.push_str(rest);
}

/// What stands behind a `$`; gives what is left.
fn dollar<'a>(rest: &'a str, value: &Value<'_>, out: &mut String) -> &'a str {
    if let Some(braced) = rest.strip_prefix('{') {
        let (name, left) = braced.split_once('}').unwrap_or((braced, ""));
        value(name, out);
        return left;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let (name, left) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
    if !name.is_empty() {
        value(name, out);
        return left;
    }
    let mut left = rest.chars();
    out.extend(left.next());
    left.as_str()
}

/// Paths up to a colon or the end, parted by `|`, `||` and `|@` into explicit, implicit, order-only
/// and validations. Gives what is left, beginning with the colon.
pub(super) fn paths<'a>(text: &'a str, value: &Value<'_>) -> ([Vec<Cow<'a, str>>; 4], &'a str) {
    let mut groups: [Vec<Cow<'a, str>>; 4] = Default::default();
    let mut group = 0;
    let mut path = Cow::Borrowed("");
    let mut rest = text;
    loop {
        let ends = |c: char| matches!(c, ':' | '$' | '|') || c.is_whitespace();
        let (plain, special) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        // Adds a copy only to what has a variable or an escape in it.
        path += plain;
        let mut left = special.chars();
        let next = left.next();
        if next == Some('$') {
            rest = dollar(left.as_str(), value, path.to_mut());
            continue;
        }
        if let Some(of) = groups.get_mut(group).filter(|_| !path.is_empty()) {
            of.push(std::mem::take(&mut path));
        }
        rest = left.as_str();
        match next {
            None | Some(':') => return (groups, special),
            Some('|') => (group, rest) = separator(rest),
            Some(_) => {}
        }
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
        let texts: Vec<_> = all.iter().map(|l| (l.number, l.indented, &*l.text)).collect();
        assert_eq!(texts, [(1, false, "a = b c"), (5, true, "x = $$"), (6, false, "z")]);
    }

    #[test]
    fn paths_are_parted_and_escapes_undone() {
        let value = |name: &str, out: &mut String| out.push_str(&format!("<{name}>"));
        let (groups, rest) = paths("a$ b $x/${y.z} | c||d |@ e: cc", &value);
        assert_eq!(groups[0], ["a b", "<x>/<y.z>"]);
        assert_eq!((&*groups[1][0], &*groups[2][0], &*groups[3][0]), ("c", "d", "e"));
        assert_eq!(rest, ": cc");
        let mut expanded = String::new();
        expand("$$a $: b$", &value, &mut expanded);
        assert_eq!(expanded, "$a : b");
    }

    proptest! {
        #[test]
        fn any_text_is_parted_without_a_panic(text in "[a${}|:@ \n]{0,30}") {
            let _ = paths(&text, &|_, _| ());
            expand(&text, &|_, _| (), &mut String::new());
            let _ = lines(&text).count();
        }
    }
}
