//! The comments that say which keys are ours.
//!
//! Does not know tables, and changes nothing.

use std::ops::Range;

use super::dotted;
use super::scan::Pair;
use crate::emit::text;

/// The mark of a table header.
pub(super) const HEADER: &str = "# ironwright";
/// The start of the mark of a line.
const LINE: &str = "# ironwright:";

/// An explanation that fits into a mark and cannot be taken for one.
pub(super) fn clean(why: &str) -> String {
    let line = text::one_line(why);
    if line.contains(HEADER) { line.replace('#', "") } else { line }
}

/// The mark of a line of ours.
pub(super) fn of_line(why: &str) -> String {
    format!("{LINE} {why}").trim_end().to_owned()
}

/// The mark of a key of ours within somebody's braces.
pub(super) fn of_inline(path: &[String], why: &str) -> String {
    format!("{} {why}", inline_start(path)).trim_end().to_owned()
}

/// Whether a pair is ours.
pub(super) fn is_ours(source: &str, pair: &Pair) -> bool {
    find(source, pair).is_some()
}

/// The range of the mark of a pair, if it has one.
pub(super) fn find(source: &str, pair: &Pair) -> Option<Range<usize>> {
    let comment = comment_after(source, pair.statement_end)?;
    let body = text::slice(source, comment.clone());
    if !pair.inline {
        return (!pair.is_table && body.starts_with(LINE)).then_some(comment);
    }
    let start = body.find(&inline_start(&pair.path))?;
    let rest = body.get(start + 1..)?;
    let len = rest.find("# ironwright[").map_or(rest.len(), |next| rest[..next].trim_end().len());
    let start = comment.start + start;
    Some(start..start + 1 + len)
}

/// The comment on the line of an offset, with nothing but blanks before it.
pub(super) fn comment_after(source: &str, offset: usize) -> Option<Range<usize>> {
    let end = text::line_end(source, offset);
    let rest = text::slice(source, offset..end);
    let comment = rest.trim_start();
    comment.starts_with('#').then(|| offset + rest.len() - comment.len()..end)
}

fn inline_start(path: &[String]) -> String {
    format!("# ironwright[{}]:", dotted(path))
}
