//! One mistake in a file: where it stands, what is wrong and what would be right.
//!
//! Does not know which rules exist; `profile` and `settings` find the mistakes.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use schemars::JsonSchema;
use serde::Serialize;

/// A mistake, or something a user should know, in a text that a user wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Diagnostic {
    /// File as the user knows it, a variable's name, or `--set`.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1 in characters.
    pub column: usize,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// The text that the mistake is in, for the snippet.
    #[serde(skip)]
    pub text: String,
    /// Bytes of the text that are wrong.
    #[serde(skip)]
    pub span: Range<usize>,
}

impl Diagnostic {
    /// A mistake at `span` of `text`. A span outside of the text is moved to its end.
    pub fn new(file: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let span = clamp(text, &span);
        let (line, column) = position(text, span.start);
        Self {
            file: file.to_owned(),
            line,
            column,
            message: message.into(),
            help: None,
            text: text.to_owned(),
            span,
        }
    }

    /// The same with a sentence on what would be right.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The message with the lines around it, styled for a terminal or plain.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let snippet = Snippet::source(self.text.as_str())
            .path(self.file.as_str())
            .annotation(AnnotationKind::Primary.span(self.span.clone()));
        let mut group = Level::ERROR.primary_title(self.message.as_str()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let report: &[Group<'_>] = &[group];
        renderer.render(report)
    }
}

/// A span that lies in the text, on character boundaries, and is not empty where that can be.
fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let boundary = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = boundary(span.start);
    start..boundary(span.end).max(start)
}

/// Line and column of a byte offset, both counted from 1.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

/// The known name nearest to a misspelt one, when one is near enough to be meant.
///
/// Case and the choice between `camelCase`, `snake_case` and `kebab-case` do not count as
/// mistakes, because other tools' names for the same knobs differ in just that.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = kebab(wrong);
    known
        .map(|name| (strsim::damerau_levenshtein(&wrong, &kebab(name)), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn kebab(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        match c {
            '_' => out.push('-'),
            c if c.is_ascii_uppercase() => {
                if !out.is_empty() && !out.ends_with(['-', '.']) {
                    out.push('-');
                }
                out.push(c.to_ascii_lowercase());
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mistake_is_shown_with_its_line() {
        let text = "[cpu]\nthreads = \"eight\"\n";
        let shown = Diagnostic::new("hosts/a.toml", text, 16..23, "expected a whole number")
            .with_help("write 8")
            .render(false);
        insta::assert_snapshot!(shown, @r#"
        error: expected a whole number
         --> hosts/a.toml:2:11
          |
        2 | threads = "eight"
          |           ^^^^^^^
          |
          = help: write 8
        "#);
    }

    #[test]
    fn other_spellings_of_a_name_are_recognised() {
        let known = ["cargo-build-jobs", "rust-codegen-units", "cpu.threads"];
        assert_eq!(nearest("cargoBuildJobs", known.into_iter()), Some("cargo-build-jobs"));
        assert_eq!(nearest("cargo-biuld-job", known.into_iter()), Some("cargo-build-jobs"));
        assert_eq!(nearest("something-else", known.into_iter()), None);
    }

    proptest! {
        #[test]
        fn any_span_of_any_text_can_be_shown(text in "\\PC{0,30}", start in 0usize..40, len in 0usize..40) {
            let shown = Diagnostic::new("f", &text, start..start + len, "m");
            let _ = shown.render(false);
        }
    }
}
