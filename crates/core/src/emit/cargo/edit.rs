//! Single changes of a TOML text: a key in, a key out, a new value, an empty table out.
//!
//! Does not know which keys are wanted; each function does one change that the caller decided on.

use std::ops::Range;

use super::scan::{Kind, Pair, Scan};
use super::{CargoValue, dotted, mark};
use crate::emit::text;

/// The text with a new key of ours; nothing may stand in its way.
pub(super) fn insert(source: &str, scan: &Scan, path: &[String], value: &str, why: &str) -> String {
    if let Some((table, range)) = scan.deepest_inline(path) {
        let below = path.get(table.path.len()..).unwrap_or_default();
        let pair = format!("{} = {value}", dotted(below));
        return insert_inline(source, scan, range, &pair, &mark::of_inline(path, why));
    }
    let line = |home: &[String]| {
        let below = path.get(home.len()..).unwrap_or_default();
        format!("{} = {value} {}", dotted(below), mark::of_line(why))
    };
    let parent = path.len().saturating_sub(1);
    match scan.deepest(path) {
        Some(node) if node.kind == Kind::Dotted => {
            let home = home_of(scan, &node.path);
            insert_in_section(source, scan, &home, &node.path, &line(&home))
        }
        Some(node) if node.kind != Kind::Implicit && node.path.len() == parent => {
            insert_in_section(source, scan, &node.path, &node.path, &line(&node.path))
        }
        _ => append_table(source, &path[..parent], &line(&path[..parent])),
    }
}

/// The text with a key of ours set to this value and this explanation.
pub(super) fn update(source: &str, pair: &Pair, value: &CargoValue, why: &str) -> String {
    let new_mark = if pair.inline { mark::of_inline(&pair.path, why) } else { mark::of_line(why) };
    let marked = match mark::find(source, pair) {
        Some(old) => text::splice(source, old, &new_mark),
        None => source.to_owned(),
    };
    if pair.value.as_ref() == Some(value) {
        return marked;
    }
    // The mark stands behind the value, so that the value's range still holds.
    text::splice(&marked, pair.span.clone(), &value.toml())
}

/// The text without a key of ours.
pub(super) fn remove(source: &str, scan: &Scan, pair: &Pair) -> String {
    if pair.inline {
        return remove_inline(source, scan, pair);
    }
    let start = text::line_start(source, pair.start);
    text::remove_lines(source, start..text::next_line(source, pair.span.end))
}

/// The text without a table header of ours, unless it is somebody else's or a comment stands
/// directly under it.
pub(super) fn remove_header(source: &str, header: &Range<usize>) -> Option<String> {
    let comment = mark::comment_after(source, header.end)?;
    if text::slice(source, comment).trim_end() != mark::HEADER {
        return None;
    }
    let end = text::next_line(source, header.end);
    let below = text::slice(source, end..text::line_end(source, end));
    if below.trim_start().starts_with('#') {
        return None;
    }
    let lines = text::line_start(source, header.start)..end;
    Some(text::remove_lines(source, text::with_blank(source, lines)))
}

/// The section that holds the dotted keys which made a table.
fn home_of(scan: &Scan, dotted_table: &[String]) -> Vec<String> {
    let pair = scan
        .pairs
        .iter()
        .find(|p| p.home.len() < dotted_table.len() && p.path.starts_with(dotted_table));
    pair.map(|p| p.home.clone()).unwrap_or_default()
}

/// Puts a line behind the last pair below `under` in the section `home`.
fn insert_in_section(
    source: &str,
    scan: &Scan,
    home: &[String],
    under: &[String],
    line: &str,
) -> String {
    let eol = text::eol(source);
    let pairs = scan.section(home).filter(|p| p.path.starts_with(under));
    if let Some(last) = pairs.max_by_key(|p| p.span.end) {
        let start = text::line_start(source, last.start);
        let before = text::slice(source, start..last.start);
        let indent = if before.trim_start_matches(BOM).trim().is_empty() {
            before.trim_start_matches(BOM)
        } else {
            ""
        };
        let at = text::next_line(source, last.span.end);
        return text::insert_lines(source, at, &format!("{indent}{line}"), eol);
    }
    let header = scan.nodes.iter().find_map(|n| match &n.kind {
        Kind::Header(range) if n.path == home => Some(range.end),
        _ => None,
    });
    let at = header.map_or(top(source), |end| text::next_line(source, end));
    text::insert_lines(source, at, line, eol)
}

const BOM: char = '\u{feff}';

/// Where the first line starts, behind a byte order mark.
fn top(source: &str) -> usize {
    if source.starts_with(BOM) { BOM.len_utf8() } else { 0 }
}

fn append_table(source: &str, path: &[String], line: &str) -> String {
    let eol = text::eol(source);
    let table = format!("[{}] {}{eol}{line}", dotted(path), mark::HEADER);
    let blank = if source.len() == top(source) { "" } else { eol };
    text::insert_lines(source, source.len(), &format!("{blank}{table}"), eol)
}

fn insert_inline(source: &str, scan: &Scan, range: Range<usize>, pair: &str, mark: &str) -> String {
    let outer = scan.within(range.clone()).next().map(|p| p.statement_end);
    let own = scan.pairs.iter().find(|p| p.span == range).map(|p| p.statement_end);
    let statement_end = outer.or(own).unwrap_or(range.end);
    let line_end = text::line_end(source, statement_end);
    let tail = text::slice(source, statement_end..line_end);
    let gap = if tail.ends_with([' ', '\t']) { "" } else { " " };
    let marked = text::splice(source, line_end..line_end, &format!("{gap}{mark}"));
    let inner = range.start + 1;
    match scan.within(range).map(|p| p.span.end).max() {
        Some(end) => text::splice(&marked, end..end, &format!(", {pair}")),
        None if text::slice(source, inner..inner + 1).trim().is_empty() => {
            text::splice(&marked, inner..inner, &format!(" {pair}"))
        }
        None => text::splice(&marked, inner..inner, pair),
    }
}

fn remove_inline(source: &str, scan: &Scan, pair: &Pair) -> String {
    let unmarked = match mark::find(source, pair) {
        Some(found) => {
            let head = text::slice(source, 0..found.start);
            let start = head.strip_suffix(' ').map_or(found.start, str::len);
            text::splice(source, start..found.end, "")
        }
        None => source.to_owned(),
    };
    text::splice(&unmarked, inline_range(source, scan, pair), "")
}

/// The range of a pair within braces together with the one comma that goes with it.
fn inline_range(source: &str, scan: &Scan, pair: &Pair) -> Range<usize> {
    let (start, end) = (pair.start, pair.span.end);
    let table = scan.deepest_inline(&pair.path).map_or(0..source.len(), |(_, range)| range);
    let previous = scan.within(table).map(|p| p.span.end).filter(|e| *e <= start).max();
    let rest = text::slice(source, end..source.len());
    let comma = rest.trim_start().strip_prefix(',').map(|after| {
        let after = after.trim_start_matches([' ', '\t']);
        source.len() - after.len()
    });
    match (previous, comma) {
        (Some(p), _) if !text::slice(source, p..start).contains('#') => p..end,
        (_, Some(after)) => start..after,
        (Some(_), None) => start..end,
        (None, None) => {
            let head = text::slice(source, 0..start);
            head.trim_end_matches([' ', '\t']).len()..end
        }
    }
}
