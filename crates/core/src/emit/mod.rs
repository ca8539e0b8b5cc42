//! Text transformations that put resolved settings where each tool reads them.
//!
//! Every emitter is a function from the present text of a file (or its absence) and a list of keys
//! and values to the text that the file would have. What somebody else wrote stays as it is: a key
//! that a user set by hand wins, and is reported as [`Kept`].
//!
//! Does not know settings, knobs or machines, and neither reads nor writes files.

use std::path::PathBuf;

use serde::Serialize;
use similar::TextDiff;

pub mod block;
pub mod cargo;
pub mod cmake;
pub mod nix;
pub mod shell;
mod text;

/// What a file would become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Where the file stands.
    pub path: PathBuf,
    /// The present text; `None` where there is no file.
    pub before: Option<String>,
    /// The text that the file should have; empty and without a `before` means that no file is
    /// needed.
    pub after: String,
    /// Keys that somebody wrote by hand and that were left alone.
    pub kept: Vec<Kept>,
}

/// A key that somebody wrote by hand, with another value than ours, and that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The key, as the file's format spells it.
    pub key: String,
    /// The line it stands in, from 1.
    pub line: usize,
    /// Its value as it is written there.
    pub theirs: String,
    /// The value that would have been written.
    pub ours: String,
}

/// The outcome of an emitter, before it is known which file it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edited {
    /// The text that the file should have.
    pub text: String,
    /// Keys that were left alone.
    pub kept: Vec<Kept>,
}

/// A key with its value, and why it has that value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key or the name of the variable.
    pub key: String,
    /// The value, unquoted.
    pub value: String,
    /// One line of explanation; becomes a comment where the format has comments.
    pub why: Option<String>,
}

impl Entry {
    /// An entry without an explanation.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into(), why: None }
    }

    /// The same entry with an explanation.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }
}

/// Why a file cannot be edited without guessing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The existing text does not parse in its format.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line of the mistake, from 1.
        line: usize,
        /// Column of the mistake in characters, from 1.
        column: usize,
        /// What the parser expected.
        message: String,
    },
    /// The existing text parses but has a shape that leaves no safe place for our keys.
    #[error("line {line}: {message}")]
    Shape {
        /// The line in question, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// A key or value of ours has no spelling in the format.
    #[error("`{key}` cannot be written: {message}")]
    Unwritable {
        /// The key of ours.
        key: String,
        /// What the format does not allow.
        message: String,
    },
    /// Another file of the project already defines what would be written.
    #[error("{file}, line {line}: {message}")]
    Elsewhere {
        /// The name of that other file.
        file: String,
        /// The line in that other file, from 1.
        line: usize,
        /// What it defines.
        message: String,
    },
}

impl EmitError {
    /// The line that the error is about, from 1; none where our own key is at fault.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Syntax { line, .. } | Self::Shape { line, .. } | Self::Elsewhere { line, .. } => {
                Some(*line)
            }
            Self::Unwritable { .. } => None,
        }
    }

    /// The column that the error is about, in characters from 1, where it is known.
    pub fn column(&self) -> Option<usize> {
        match self {
            Self::Syntax { column, .. } => Some(*column),
            Self::Shape { .. } | Self::Elsewhere { .. } | Self::Unwritable { .. } => None,
        }
    }
}

impl Edited {
    /// The change of the file at `path`, whose present text is `before`.
    pub fn for_file(self, path: impl Into<PathBuf>, before: Option<&str>) -> FileChange {
        FileChange {
            path: path.into(),
            before: before.map(str::to_owned),
            after: self.text,
            kept: self.kept,
        }
    }
}

impl FileChange {
    /// Whether the file already is as it should be. A file that is absent and would be empty is.
    pub fn is_current(&self) -> bool {
        self.before.as_deref().unwrap_or_default() == self.after
    }

    /// The change as a unified diff with three lines of context; empty when nothing changes.
    pub fn diff(&self) -> String {
        let before = self.before.as_deref().unwrap_or_default();
        let path = self.path.to_string_lossy();
        let path = path.trim_start_matches('/');
        let old = self.before.as_ref().map_or("/dev/null".to_owned(), |_| format!("a/{path}"));
        TextDiff::from_lines(before, self.after.as_str())
            .unified_diff()
            .context_radius(3)
            .header(&old, &format!("b/{path}"))
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: Option<&str>, after: &str) -> FileChange {
        let edited = Edited { text: after.to_owned(), kept: Vec::new() };
        edited.for_file("/home/u/.npmrc", before)
    }

    #[test]
    fn a_new_file_is_diffed_against_dev_null() {
        insta::assert_snapshot!(change(None, "a=1\n").diff(), @"
        --- /dev/null
        +++ b/home/u/.npmrc
        @@ -0,0 +1 @@
        +a=1
        ");
    }

    #[test]
    fn a_missing_newline_at_the_end_is_said() {
        insta::assert_snapshot!(change(Some("a=1"), "a=1\nb=2").diff(), @r"
        --- a/home/u/.npmrc
        +++ b/home/u/.npmrc
        @@ -1 +1,2 @@
        -a=1
        \ No newline at end of file
        +a=1
        +b=2
        \ No newline at end of file
        ");
    }

    #[test]
    fn context_is_three_lines() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let diff = change(Some(before), &before.replace('5', "five")).diff();
        assert_eq!(diff.lines().filter(|l| l.starts_with(' ')).count(), 6, "{diff}");
    }

    #[test]
    fn nothing_to_write_is_current() {
        assert!(change(None, "").is_current());
        assert!(change(Some("x"), "x").is_current());
        assert!(!change(Some("x"), "").is_current());
        assert_eq!(change(Some("x\n"), "x\n").diff(), "");
    }

    #[test]
    fn errors_say_where() {
        let error = EmitError::Syntax { line: 3, column: 7, message: "expected `=`".to_owned() };
        assert_eq!(error.to_string(), "line 3, column 7: expected `=`");
        assert_eq!((error.line(), error.column()), (Some(3), Some(7)));
    }
}
