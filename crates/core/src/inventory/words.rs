//! A command line as a shell would part it.
//!
//! Does not expand anything: variables, globs and substitutions stay as they are written.

/// The words of the first command of a line, by the quoting rules of POSIX shells. What follows
/// `&&`, `;`, `|` or a redirection is left out.
pub fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line;
    loop {
        let (plain, special) = rest.split_at(rest.find(is_special).unwrap_or(rest.len()));
        if !plain.is_empty() {
            word.get_or_insert_default().push_str(plain);
        }
        let mut left = special.chars();
        match left.next() {
            Some('\\') => word.get_or_insert_default().extend(left.next()),
            Some('\'') => {
                let word = word.get_or_insert_default();
                word.extend(left.by_ref().take_while(|c| *c != '\''));
            }
            Some('"') => double_quoted(&mut left, word.get_or_insert_default()),
            Some(c) if c.is_whitespace() => words.extend(word.take()),
            _ => break,
        }
        rest = left.as_str();
    }
    words.extend(word);
    words
}

fn is_special(c: char) -> bool {
    matches!(c, '\\' | '\'' | '"' | ';' | '&' | '|' | '<' | '>') || c.is_whitespace()
}

fn double_quoted(rest: &mut std::str::Chars<'_>, word: &mut String) {
    while let Some(c) = rest.next() {
        match c {
            '"' => return,
            '\\' => match rest.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                Some(other) => word.extend(['\\', other]),
                None => {}
            },
            c => word.push(c),
        }
    }
}

/// The quote that a line opens and never closes.
pub(super) fn open_quote(line: &str) -> Option<char> {
    let (mut open, mut rest) = (None, line.chars());
    while let Some(c) = rest.next() {
        match (open, c) {
            (Some(quote), c) if quote == c => open = None,
            (Some('\''), _) => {}
            (_, '\\') => drop(rest.next()),
            (None, '\'' | '"') => open = Some(c),
            _ => {}
        }
    }
    open
}

/// The first command of a line, after a change of directory in front of it: build files of CMake
/// begin many commands with `cd DIR &&` or `: &&`.
pub(super) fn first_command(line: &str) -> Vec<String> {
    let mut rest = line;
    loop {
        let words = split_words(rest);
        let prefix = words.first().is_none_or(|first| first == "cd" || first == ":");
        match rest.split_once("&&") {
            Some((_, next)) if prefix => rest = next,
            _ => return words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(
            split_words(r#"cc "-DX=\"a b\"" 'it''s' a\ b "" -o x.o > log"#),
            ["cc", "-DX=\"a b\"", "its", "a b", "", "-o", "x.o"]
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_is_found() {
        let open = ["cc -DX='a", r#"cc "a\""#, "'\"", "a 'b' \"c'"].map(open_quote);
        assert_eq!(open, [Some('\''), Some('"'), Some('\''), Some('"')]);
        let closed = [r#"cc "a'" 'b"' \' && "c""#, r"cc \", ""].map(open_quote);
        assert_eq!(closed, [None; 3]);
    }

    #[test]
    fn a_change_of_directory_is_skipped() {
        assert_eq!(first_command(": && cd /x && c++ -c a.cc && :"), ["c++", "-c", "a.cc"]);
        assert_eq!(first_command("cd /x"), ["cd", "/x"]);
    }

    proptest! {
        #[test]
        fn any_text_is_split_without_a_panic(text in "\\PC{0,40}") {
            let _ = (split_words(&text), first_command(&text), open_quote(&text));
        }
    }
}
