//! Line-based files: our lines stand in one marked block, everything outside of it is somebody's.
//!
//! A key that is set outside of the block stays authoritative: it is not repeated in the block,
//! since most of these formats let the last line win.
//!
//! Does not know what the keys mean, nor where the file stands.

mod syntax;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use self::syntax::Syntax;
use super::{Edited, EmitError, Entry, Kept, text};

const BEGIN: &str = "# >>> ironwright";
const END: &str = "# <<< ironwright";

/// The file with exactly these entries in the managed block. `target` is the word after
/// `ironwright emit` that writes this file; it stands in the block's first line.
pub fn block(
    syntax: Syntax,
    target: &str,
    before: Option<&str>,
    entries: &[Entry],
) -> Result<Edited, EmitError> {
    let source = before.unwrap_or_default();
    let lines = lines_of(source);
    let place = find_block(&lines)?;
    let theirs = foreign_lines(syntax, source, &lines, place.as_ref());
    let mut kept = Vec::new();
    let mut ours = Vec::new();
    for entry in entries {
        let rendered = syntax.render(entry)?;
        match collide(syntax, &theirs, entry) {
            Collision::None => ours.extend(commented(entry, rendered)),
            Collision::Equal => {}
            Collision::Kept(mut found) => kept.append(&mut found),
        }
    }
    let text = match (place, ours.is_empty()) {
        (None, true) => source.to_owned(),
        (Some(place), true) => text::remove_lines(source, text::with_blank(source, place)),
        (Some(place), false) => replace(syntax, source, place, &frame(target, &ours)),
        (None, false) => append(syntax, source, &lines, &frame(target, &ours)),
    };
    renumber(syntax, &text, &mut kept)?;
    Ok(Edited { text, kept })
}

/// A line with its place.
struct Line<'a> {
    /// From 1.
    number: usize,
    /// With its line ending.
    range: Range<usize>,
    text: &'a str,
}

/// A key that stands outside of the block.
struct Foreign {
    key: String,
    value: String,
    line: usize,
}

/// How an entry of ours meets what is outside of the block.
enum Collision {
    None,
    Equal,
    Kept(Vec<Kept>),
}

fn lines_of(source: &str) -> Vec<Line<'_>> {
    let (mut lines, mut start) = (Vec::new(), 0);
    for (index, whole) in source.split_inclusive('\n').enumerate() {
        let range = start..start + whole.len();
        start = range.end;
        let text = whole.strip_suffix('\n').unwrap_or(whole);
        let text = text.strip_suffix('\r').unwrap_or(text);
        lines.push(Line { number: index + 1, range, text });
    }
    lines
}

/// The lines of the block, from its first to its last.
fn find_block(lines: &[Line]) -> Result<Option<Range<usize>>, EmitError> {
    let wrong = |line: usize, message: &str| EmitError::Shape { line, message: message.to_owned() };
    let (mut open, mut found) = (None, None);
    for line in lines {
        let text = line.text.trim();
        let is_end = text == END;
        if !is_end && !text.starts_with(BEGIN) {
            continue;
        }
        match (is_end, open.take()) {
            (false, Some(_)) => return Err(wrong(line.number, "a block begins within a block")),
            (false, None) if found.is_some() => {
                return Err(wrong(line.number, "a second block; only one can be ours"));
            }
            (false, None) => open = Some(line),
            (true, None) => return Err(wrong(line.number, "a block ends that never began")),
            (true, Some(begin)) => found = Some(begin.range.start..line.range.end),
        }
    }
    match open {
        Some(begin) => Err(wrong(
            begin.number,
            "the block begins here but its last line, `# <<< ironwright`, is missing",
        )),
        None => Ok(found),
    }
}

/// The keys outside of the block, up to where another section begins.
fn foreign_lines(
    syntax: Syntax,
    source: &str,
    lines: &[Line],
    block: Option<&Range<usize>>,
) -> Vec<Foreign> {
    let is_ours = |line: &&Line| block.is_some_and(|b| b.contains(&line.range.start));
    let lines = lines.iter().take_while(|line| !syntax.opens_section(line.text));
    let outside = lines.filter(|line| !is_ours(line));
    let read = |line: &Line| {
        let keeps_cr = syntax == Syntax::GoEnv;
        let raw = text::slice(source, line.range.clone());
        let body = if keeps_cr { raw.trim_end_matches('\n') } else { line.text };
        let (key, value) = syntax.parse(body.trim_start_matches('\u{feff}'))?;
        Some(Foreign { key, value, line: line.number })
    };
    outside.filter_map(read).collect()
}

fn collide(syntax: Syntax, theirs: &[Foreign], entry: &Entry) -> Collision {
    let base = syntax.base(&entry.key);
    let same: Vec<_> = theirs.iter().filter(|f| syntax.base(&f.key) == base).collect();
    if same.is_empty() {
        return Collision::None;
    }
    let (theirs_words, settled) = in_effect(syntax, &same);
    let our_words = words(syntax, &entry.value);
    if syntax.adds(&entry.key) && syntax == Syntax::NixConf {
        let has_all = our_words.iter().all(|word| theirs_words.contains(word));
        return if has_all { Collision::Equal } else { Collision::None };
    }
    if settled && theirs_words == our_words {
        return Collision::Equal;
    }
    let kept = |foreign: &&Foreign| Kept {
        key: foreign.key.clone(),
        line: foreign.line,
        theirs: foreign.value.clone(),
        ours: entry.value.clone(),
    };
    Collision::Kept(same.last().map(kept).into_iter().collect())
}

/// The words that these lines come to, and whether they stand alone: lines that only add leave
/// open what they add to.
fn in_effect<'a>(syntax: Syntax, lines: &[&'a Foreign]) -> (Vec<&'a str>, bool) {
    let mut effect = Vec::new();
    let mut settled = syntax != Syntax::NixConf;
    for line in lines {
        if !syntax.adds(&line.key) {
            effect.clear();
            settled = true;
        }
        effect.extend(words(syntax, &line.value));
    }
    (effect, settled)
}

/// The parts in which a value is compared: Nix and npm lists by element, all else as a whole.
fn words(syntax: Syntax, value: &str) -> Vec<&str> {
    match syntax {
        Syntax::NixConf => value.split_whitespace().collect(),
        Syntax::Npmrc | Syntax::GoEnv | Syntax::Shell | Syntax::Dotenv => vec![value],
    }
}

/// The lines of an entry in the block.
fn commented(entry: &Entry, rendered: String) -> Vec<String> {
    let why = entry.why.as_deref().map(text::one_line).filter(|why| !why.is_empty());
    // A comment must not be taken for one of the block's own marks.
    let why = why.map(|why| match why.strip_prefix(['>', '<']) {
        Some(_) => format!("#  {why}"),
        None => format!("# {why}"),
    });
    why.into_iter().chain([rendered]).collect()
}

fn frame(target: &str, ours: &[String]) -> Vec<String> {
    let target = text::one_line(target);
    let begin =
        format!("{BEGIN}: written by `ironwright emit {target}`, changes in here are replaced");
    let ours = ours.iter().cloned();
    std::iter::once(begin).chain(ours).chain([END.to_owned()]).collect()
}

fn line_ending(syntax: Syntax, source: &str) -> &'static str {
    if syntax == Syntax::GoEnv { "\n" } else { text::eol(source) }
}

fn replace(syntax: Syntax, source: &str, place: Range<usize>, framed: &[String]) -> String {
    let eol = line_ending(syntax, source);
    let last = if text::slice(source, place.clone()).ends_with('\n') { eol } else { "" };
    text::splice(source, place, &(framed.join(eol) + last))
}

/// Puts the block at the end, or in front of the first section.
fn append(syntax: Syntax, source: &str, lines: &[Line], framed: &[String]) -> String {
    let section = lines.iter().find(|line| syntax.opens_section(line.text));
    let at = section.map_or(source.len(), |line| line.range.start);
    let eol = line_ending(syntax, source);
    let blank = if at == 0 { "" } else { eol };
    text::insert_lines(source, at, &(blank.to_owned() + &framed.join(eol)), eol)
}

/// Kept lines that stand below the block moved with it.
fn renumber(syntax: Syntax, after: &str, kept: &mut [Kept]) -> Result<(), EmitError> {
    if kept.is_empty() {
        return Ok(());
    }
    let lines = lines_of(after);
    let place = find_block(&lines)?;
    let theirs = foreign_lines(syntax, after, &lines, place.as_ref());
    for kept in kept {
        if let Some(line) = theirs.iter().rfind(|f| f.key == kept.key) {
            kept.line = line.line;
        }
    }
    Ok(())
}
