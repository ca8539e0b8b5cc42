//! Lines, offsets and splices in a text that must otherwise stay byte for byte.
//!
//! Does not know any format. Offsets are bytes; one that lies outside the text or inside a
//! character selects nothing rather than failing.

use std::ops::Range;

/// The line ending of a text: that of its first line, and a line feed where there is none.
pub(super) fn eol(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The part of the text in the range.
pub(super) fn slice(text: &str, range: Range<usize>) -> &str {
    text.get(range).unwrap_or_default()
}

/// The text with the range replaced.
pub(super) fn splice(text: &str, range: Range<usize>, new: &str) -> String {
    let head = slice(text, 0..range.start);
    let tail = slice(text, range.end..text.len());
    [head, new, tail].concat()
}

/// Line and column (in characters) of an offset, both from 1.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let head = slice(text, 0..offset.min(text.len()));
    let line = head.matches('\n').count() + 1;
    let column = head.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Where the line of an offset starts.
pub(super) fn line_start(text: &str, offset: usize) -> usize {
    slice(text, 0..offset).rfind('\n').map_or(0, |i| i + 1)
}

/// Where the line of an offset ends, its line ending left out.
pub(super) fn line_end(text: &str, offset: usize) -> usize {
    let rest = slice(text, offset..text.len());
    let line = rest.split('\n').next().unwrap_or_default();
    let has_newline = line.len() < rest.len();
    let line = if has_newline { line.strip_suffix('\r').unwrap_or(line) } else { line };
    offset + line.len()
}

/// Where the line after that of an offset starts; the end of the text after the last line.
pub(super) fn next_line(text: &str, offset: usize) -> usize {
    slice(text, offset..text.len()).find('\n').map_or(text.len(), |i| offset + i + 1)
}

/// The text with whole lines (joined by `eol`, without a final one) put in front of the line that
/// starts at `at`. A text that does not end in a line ending still does not afterwards.
pub(super) fn insert_lines(text: &str, at: usize, lines: &str, eol: &str) -> String {
    if at >= text.len() && !text.is_empty() && !text.ends_with('\n') {
        return [text, eol, lines].concat();
    }
    splice(text, at..at, &[lines, eol].concat())
}

/// The text without the lines in a range that starts and ends at line starts; undoes
/// [`insert_lines`].
pub(super) fn remove_lines(text: &str, range: Range<usize>) -> String {
    let last = range.end >= text.len() && !text.ends_with('\n');
    let start = if last { before_newline(text, range.start) } else { range.start };
    splice(text, start..range.end, "")
}

/// The start of the blank line directly above the line that starts at `at`, else `at` itself.
pub(super) fn blank_above(text: &str, at: usize) -> usize {
    let above = before_newline(text, at);
    let is_blank = above < at && (above == 0 || slice(text, 0..above).ends_with('\n'));
    if is_blank { above } else { at }
}

/// The end of the blank line that starts at `at`, else `at` itself.
pub(super) fn blank_below(text: &str, at: usize) -> usize {
    let rest = slice(text, at..text.len());
    let is_blank = rest.starts_with('\n') || rest.starts_with("\r\n");
    if is_blank { next_line(text, at) } else { at }
}

/// The range of lines that goes away together with lines of ours: with the blank line above, or
/// below where nothing stands above.
pub(super) fn with_blank(text: &str, range: Range<usize>) -> Range<usize> {
    if range.start == 0 {
        0..blank_below(text, range.end)
    } else {
        blank_above(text, range.start)..range.end
    }
}

/// One line out of a text that may hold several, without control characters, so that it fits into
/// a comment of any format.
pub(super) fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn before_newline(text: &str, at: usize) -> usize {
    let head = slice(text, 0..at);
    let head = head.strip_suffix('\n').map_or(head, |h| h.strip_suffix('\r').unwrap_or(h));
    head.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn positions_count_from_one_in_characters() {
        assert_eq!(position("aä\nbc", 0), (1, 1));
        assert_eq!(position("aä\nbc", 3), (1, 3));
        assert_eq!(position("aä\nbc", 5), (2, 2));
        assert_eq!(position("a", 99), (1, 2));
    }

    #[test]
    fn line_ends_leave_the_line_ending_out() {
        assert_eq!(line_end("ab\r\ncd", 1), 2);
        assert_eq!(line_end("ab\ncd", 3), 5);
        assert_eq!(next_line("ab\r\ncd", 0), 4);
        assert_eq!(next_line("ab", 0), 2);
    }

    #[test]
    fn a_blank_line_above_or_below_goes_along() {
        assert_eq!(with_blank("a\n\nours\n", 3..8), 2..8);
        assert_eq!(with_blank("a\nours\n", 2..7), 2..7);
        assert_eq!(with_blank("ours\n\nb\n", 0..5), 0..6);
        assert_eq!(with_blank("\nours\n", 1..6), 0..6);
        assert_eq!(with_blank("a\r\n\r\nours", 5..9), 3..9);
    }

    #[test]
    fn comments_stay_on_one_line() {
        assert_eq!(one_line("a\n\tb\r\n \u{7}c "), "a b c");
    }

    proptest! {
        #[test]
        fn any_offset_is_safe(text in ".{0,20}", at in 0_usize..40, end in 0_usize..40) {
            let _ = (position(&text, at), line_start(&text, at), line_end(&text, at));
            let _ = (next_line(&text, at), blank_above(&text, at), blank_below(&text, at));
            let _ = (splice(&text, at..end, "x"), remove_lines(&text, at..end));
        }

        #[test]
        fn removing_undoes_inserting_at_the_end(text in "([a\r\n]{0,11}[a\n])?") {
            let eol = eol(&text);
            let added = insert_lines(&text, text.len(), "x", eol);
            let start = if text.is_empty() || text.ends_with('\n') { text.len() } else { text.len() + eol.len() };
            prop_assert_eq!(remove_lines(&added, start..added.len()), text);
        }
    }
}
