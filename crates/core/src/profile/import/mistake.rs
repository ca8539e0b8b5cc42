//! What is wrong with a text that is no Nix, for people.
//!
//! Does not parse.

use rnix::{ParseError, SyntaxKind};
use rowan::TextRange;

/// The line of a mistake, from 1, and what is wrong.
pub(super) fn told(text: &str, error: &ParseError) -> (usize, String) {
    let at = |range: &TextRange| line_of(text, usize::from(range.start()));
    let found = |range: &TextRange| shown(text, *range);
    let end = || line_of(text, text.trim_end().len());
    match error {
        ParseError::Unexpected(range) | ParseError::UnexpectedExtra(range) => {
            (at(range), format!("{} is not expected here", found(range)))
        }
        ParseError::UnexpectedWanted(_, range, wanted) => (
            at(range),
            match listed(wanted) {
                Some(wanted) => format!("expected {wanted}, found {}", found(range)),
                None => format!("{} is not expected here", found(range)),
            },
        ),
        ParseError::UnexpectedDoubleBind(range) => {
            (at(range), format!("the argument has a second name, {}", found(range)))
        }
        ParseError::DuplicatedArgs(range, name) => {
            (at(range), format!("the argument {name} is there twice"))
        }
        ParseError::UnexpectedEOFWanted(wanted) => (
            end(),
            match listed(wanted) {
                Some(wanted) => format!("the file ends where {wanted} is expected"),
                None => "the file ends too early".to_owned(),
            },
        ),
        ParseError::UnexpectedEOF => (end(), "the file ends too early".to_owned()),
        _ => (1, "it is nested too deeply".to_owned()),
    }
}

/// The line of a place in a text, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// The first characters of what stands at a place.
fn shown(text: &str, range: TextRange) -> String {
    const MOST: usize = 24;
    let text = text.get(usize::from(range.start())..usize::from(range.end())).unwrap_or_default();
    let line = text.trim().lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or_default()),
        None if line.is_empty() => "nothing".to_owned(),
        None => line.to_owned(),
    }
}

/// What may stand somewhere, as people call it.
fn listed(kinds: &[SyntaxKind]) -> Option<String> {
    if kinds.contains(&SyntaxKind::TOKEN_IDENT) && kinds.contains(&SyntaxKind::TOKEN_L_PAREN) {
        return Some("a value".to_owned());
    }
    let mut words: Vec<&str> = kinds.iter().filter_map(|kind| word(*kind)).collect();
    words.dedup();
    (!words.is_empty()).then(|| words.join(" or "))
}

const fn word(kind: SyntaxKind) -> Option<&'static str> {
    Some(match kind {
        SyntaxKind::TOKEN_ASSIGN => "=",
        SyntaxKind::TOKEN_SEMICOLON => "a semicolon",
        SyntaxKind::TOKEN_COLON => "a colon",
        SyntaxKind::TOKEN_COMMA => "a comma",
        SyntaxKind::TOKEN_DOT => "a dot",
        SyntaxKind::TOKEN_AT => "@",
        SyntaxKind::TOKEN_ELLIPSIS => "...",
        SyntaxKind::TOKEN_QUESTION => "?",
        SyntaxKind::TOKEN_L_BRACE => "{",
        SyntaxKind::TOKEN_R_BRACE | SyntaxKind::TOKEN_INTERPOL_END => "}",
        SyntaxKind::TOKEN_L_BRACK => "[",
        SyntaxKind::TOKEN_R_BRACK => "]",
        SyntaxKind::TOKEN_L_PAREN => "(",
        SyntaxKind::TOKEN_R_PAREN => ")",
        SyntaxKind::TOKEN_STRING_START | SyntaxKind::TOKEN_STRING_END => "a quote",
        SyntaxKind::TOKEN_IDENT => "a name",
        SyntaxKind::TOKEN_IN => "in",
        SyntaxKind::TOKEN_THEN => "then",
        SyntaxKind::TOKEN_ELSE => "else",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(text: &str) -> (usize, String) {
        told(text, rnix::Root::parse(text).errors().first().expect("a mistake"))
    }

    #[test]
    fn mistakes_are_told_in_words() {
        for (text, line, says) in [
            ("{\n  a = = 1;\n}", 2, "expected a value, found ="),
            ("{ a = 1 }", 1, "a semicolon"),
            ("{\n a = 1;\n", 2, "the file ends"),
            ("{ a = \"x; }", 1, "expected a quote, found x; }"),
            ("{ a = [ 1; }", 1, "expected a value, found ;"),
        ] {
            let (at, told) = first(text);
            assert!(at == line && told.contains(says), "{text}: {at}: {told}");
            assert!(!told.contains("TOKEN") && !told.contains("NODE"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_words_or_none(text in "[{}=;a-c\"\\n \\[\\]():.$@,]{0,40}") {
            let lines = text.lines().count().max(1) + 1;
            for error in rnix::Root::parse(&text).errors() {
                let (line, told) = told(&text, error);
                prop_assert!(line <= lines && !told.contains("TOKEN") && !told.contains('\n'));
            }
        }
    }
}
