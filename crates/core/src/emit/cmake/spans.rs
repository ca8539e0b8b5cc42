//! Where the members of objects and the elements of arrays stand in a JSON text.
//!
//! Does not know CMake. The text must already be known to be valid JSON: here it is only walked.

use std::ops::Range;

use serde::de::IgnoredAny;

use crate::emit::text;

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    /// From the name's opening quote.
    pub(super) start: usize,
    pub(super) value: Range<usize>,
}

/// The members of the object that starts at or behind an offset.
pub(super) fn members(source: &str, at: usize) -> Vec<Member> {
    let mut members = Vec::new();
    let mut rest = open(source, at, '{');
    while let Some(start) = rest.filter(|start| text::slice(source, *start..*start + 1) == "\"") {
        let Some(key) = value_at(source, start) else { break };
        let name = serde_json::from_str(text::slice(source, key.clone())).unwrap_or_default();
        let colon = skip(source, key.end, &[':']);
        let Some(value) = value_at(source, colon) else { break };
        rest = Some(skip(source, value.end, &[',']));
        members.push(Member { name, start, value });
    }
    members
}

/// The elements of the array that starts at or behind an offset.
pub(super) fn elements(source: &str, at: usize) -> Vec<Range<usize>> {
    let mut elements = Vec::new();
    let mut rest = open(source, at, '[');
    while let Some(element) = rest.and_then(|start| value_at(source, start)) {
        rest = Some(skip(source, element.end, &[',']));
        elements.push(element);
    }
    elements
}

/// The first place within the brackets.
fn open(source: &str, at: usize, bracket: char) -> Option<usize> {
    let start = skip(source, at, &[]);
    let inside = text::slice(source, start..source.len()).starts_with(bracket);
    inside.then(|| skip(source, start + 1, &[]))
}

fn value_at(source: &str, at: usize) -> Option<Range<usize>> {
    let rest = text::slice(source, at..source.len());
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(at..at + values.byte_offset())
}

/// The place behind white space and these separators.
fn skip(source: &str, at: usize, separators: &[char]) -> usize {
    let rest = text::slice(source, at..source.len());
    let is_between = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r') || separators.contains(&c);
    source.len() - rest.trim_start_matches(is_between).len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_and_elements_are_found() {
        let source = " {\"a\" : [1,true , \"]\", {}], \"\\u0062\":-1.5e3}";
        let members = members(source, 0);
        let names: Vec<_> = members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(&source[members[1].value.clone()], "-1.5e3");
        let elements = elements(source, members[0].value.start);
        let texts: Vec<_> = elements.into_iter().map(|e| &source[e]).collect();
        assert_eq!(texts, ["1", "true", "\"]\"", "{}"]);
    }

    #[test]
    fn other_values_have_none() {
        assert!(members("[]", 0).is_empty() && members("{}", 0).is_empty());
        assert!(elements("{}", 0).is_empty() && elements("[ ]", 0).is_empty());
    }

    proptest! {
        #[test]
        fn any_text_never_panics(text in ".{0,30}", at in 0_usize..40) {
            let _ = (members(&text, at), elements(&text, at));
        }

        #[test]
        fn brackets_never_panic(text in r#"[\[\]{}",:1\\ ]{0,20}"#) {
            let _ = (members(&text, 0), elements(&text, 0));
        }
    }
}
