//! Reads text under a root and keeps account of what should have been readable and was not.
//!
//! Does not know what any text means.

use std::io::{self, ErrorKind};

use ironwright_core::facts::{Fact, Problem};

use crate::root::Root;

/// What the kernel answers for something that the hardware or its configuration does not have.
const NOT_THERE: [rustix::io::Errno; 4] = [
    rustix::io::Errno::NOTDIR,
    rustix::io::Errno::NODEV,
    rustix::io::Errno::OPNOTSUPP,
    rustix::io::Errno::INVAL,
];

/// A root and the problems met in reading it.
pub(crate) struct Reader<'a> {
    /// Where files are read.
    pub(crate) root: &'a Root,
    /// What should have been readable and was not.
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(root: &'a Root) -> Self {
        Self { root, problems: Vec::new() }
    }

    /// The text of a file without white space around it; a problem when it cannot be read.
    pub(crate) fn required(&mut self, path: &str) -> Option<String> {
        let text = self.read(path);
        if matches!(text, Ok(None)) {
            self.problem(path, "does not exist");
        }
        self.text(path, text)
    }

    /// The text of a file without white space around it; a problem when it exists and cannot be
    /// read.
    pub(crate) fn optional(&mut self, path: &str) -> Option<String> {
        let text = self.read(path);
        self.text(path, text)
    }

    /// A number that stands alone in a file which may be absent.
    pub(crate) fn number<T: std::str::FromStr>(&mut self, path: &str) -> Option<Fact<T>> {
        let text = self.optional(path)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.malformed(path, "a number", &text);
        }
        number.map(|number| Fact::new(number, path))
    }

    /// The choice in brackets (`none [mq-deadline] bfq`) of a file which may be absent.
    pub(crate) fn chosen(&mut self, path: &str) -> Option<String> {
        let text = self.optional(path)?;
        let chosen = bracketed(&text);
        if chosen.is_none() {
            self.malformed(path, "a choice in brackets", &text);
        }
        chosen.map(str::to_owned)
    }

    pub(crate) fn problem(&mut self, source: impl Into<String>, detail: impl Into<String>) {
        self.problems.push(Problem { source: source.into(), detail: detail.into() });
    }

    /// A problem that shows the beginning of what was found.
    pub(crate) fn malformed(&mut self, path: &str, expected: &str, found: &str) {
        let line = found.lines().next().unwrap_or_default();
        let shown: String = line.chars().take(60).collect();
        self.problem(path, format!("expected {expected}, found {shown:?}"));
    }

    /// `None` when there is no such file.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match self.root.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn text(&mut self, path: &str, read: io::Result<Option<Vec<u8>>>) -> Option<String> {
        match read.map(|bytes| bytes.map(String::from_utf8)) {
            Ok(Some(Ok(text))) => Some(trimmed(text)),
            Ok(Some(Err(_))) => {
                self.problem(path, "is not valid UTF-8");
                None
            }
            Ok(None) => None,
            Err(error) => {
                self.problem(path, error.to_string());
                None
            }
        }
    }
}

/// Copies only where there is something to cut at the front.
fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end().len());
    if text.starts_with(char::is_whitespace) { text.trim_start().to_owned() } else { text }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
        || error
            .raw_os_error()
            .is_some_and(|code| NOT_THERE.contains(&rustix::io::Errno::from_raw_os_error(code)))
}

/// The word in brackets; a word that stands alone is its own choice.
pub(crate) fn bracketed(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace();
    let inner = |word: &'_ str| word.starts_with('[') && word.ends_with(']') && word.len() > 2;
    if let Some(word) = text.split_whitespace().find(|word| inner(word)) {
        return word.get(1..word.len() - 1);
    }
    words.next().filter(|_| words.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_testkit::FakeRoot;
    use proptest::prelude::*;

    #[test]
    fn the_choice_is_the_word_in_brackets() {
        assert_eq!(bracketed("none [mq-deadline] kyber bfq"), Some("mq-deadline"));
        assert_eq!(bracketed("[lzo-rle] lzo"), Some("lzo-rle"));
        assert_eq!(bracketed("none"), Some("none"));
        assert_eq!(bracketed("always never"), None);
        assert_eq!(bracketed("[] x"), None);
        assert_eq!(bracketed(""), None);
    }

    #[test]
    fn absence_is_a_problem_only_where_the_file_is_required() {
        let fake = FakeRoot::new([("proc/number", "x12\n"), ("proc/text", " a \n")]);
        fake.write("proc/binary", [0xff, 0xfe]);
        let root = Root::at(fake.path());
        let mut reader = Reader::new(&root);
        assert_eq!(reader.optional("/proc/absent"), None);
        assert_eq!(reader.optional("/proc/text"), Some("a".to_owned()));
        assert!(reader.problems.is_empty());
        assert_eq!(reader.required("/proc/absent"), None);
        assert_eq!(reader.optional("/proc/binary"), None);
        assert_eq!(reader.number::<u32>("/proc/number"), None);
        let details: Vec<&str> = reader.problems.iter().map(|p| p.detail.as_str()).collect();
        let expected =
            ["does not exist", "is not valid UTF-8", r#"expected a number, found "x12""#];
        assert_eq!(details, expected);
    }

    proptest! {
        #[test]
        fn any_text_is_searched_for_brackets(text in r"[\[\]a-zé ]{0,20}") {
            let _ = bracketed(&text);
        }
    }
}
