//! The arguments that a response file holds.
//!
//! Does not know which arguments name one.

/// One argument a line, as rustc reads them.
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Words between white space, with quotes and backslashes, as gcc and clang read them.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(rest.next()),
            _ if quote == Some(character) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            _ if quote.is_none() && character.is_whitespace() => out.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    out.extend(word);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_backslashes_are_understood() {
        assert_eq!(words("-O2 'a b'\n\"c'd\" e\\ f \"\""), ["-O2", "a b", "c'd", "e f", ""]);
        assert_eq!(lines("--cfg\nfeature=\"a b\"\n"), ["--cfg", "feature=\"a b\""]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,200}|[ '\"\\\\a\n]{0,50}") {
            let _ = (lines(&text), words(&text));
        }
    }
}
