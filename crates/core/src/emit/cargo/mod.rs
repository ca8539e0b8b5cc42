//! `.cargo/config.toml`: our keys are set, everything else stays byte for byte.
//!
//! A line of ours ends in `# ironwright: <why>`, a table header of ours in `# ironwright`, and a key
//! of ours inside of somebody's `{ … }` is named at the end of that line as
//! `# ironwright[<key>]: <why>`. What carries no such mark belongs to the user and is left alone.
//! The text is parsed for byte ranges and spliced, never printed anew, since a printer would
//! normalise line endings and the order of dotted keys.
//!
//! Does not know what Cargo's keys mean, nor where the file stands.

mod edit;
mod mark;
mod scan;
#[cfg(test)]
mod tests;

use toml_edit::{Key, Value};

use self::scan::{Kind, Pair, Path, Scan};
use super::{Edited, EmitError, Kept, text};

/// A value that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CargoValue {
    /// A whole number.
    Integer(i64),
    /// A string.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// An array of strings.
    List(Vec<String>),
}

/// A key to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CargoEntry {
    /// A dotted key as TOML writes it: `build.jobs`, `target.'cfg(unix)'.rustflags`.
    pub key: String,
    /// Its value.
    pub value: CargoValue,
    /// One line of explanation; becomes the comment that marks the line as ours.
    pub why: String,
}

/// The configuration with exactly these entries of ours in it. Entries of ours that are no longer
/// asked for go away.
pub fn cargo_config(before: Option<&str>, entries: &[CargoEntry]) -> Result<Edited, EmitError> {
    let wanted = entries.iter().map(Wanted::read).collect::<Result<Vec<_>, _>>()?;
    let mut edited = Edited { text: before.unwrap_or_default().to_owned(), kept: Vec::new() };
    while let Some(shorter) = remove_unwanted(&edited.text, &wanted)? {
        edited.text = shorter;
    }
    for entry in &wanted {
        match set(&edited.text, entry)? {
            Step::Nothing => {}
            Step::Text(text) => edited.text = text,
            Step::Kept(kept) => edited.kept.push(kept),
        }
    }
    while let Some(shorter) = remove_empty_table(&edited.text)? {
        edited.text = shorter;
    }
    // Lines move while entries are added, so that they are looked up in the final text.
    renumber(&edited.text, &mut edited.kept)?;
    Ok(edited)
}

/// An entry with its key parsed.
struct Wanted<'a> {
    path: Path,
    value: &'a CargoValue,
    why: String,
}

/// What setting one entry comes to.
enum Step {
    Nothing,
    Text(String),
    Kept(Kept),
}

impl<'a> Wanted<'a> {
    fn read(entry: &'a CargoEntry) -> Result<Self, EmitError> {
        let keys = Key::parse(&entry.key).map_err(|e| EmitError::Unwritable {
            key: entry.key.clone(),
            message: text::one_line(e.message()),
        })?;
        let path = keys.iter().map(|k| k.get().to_owned()).collect();
        Ok(Self { path, value: &entry.value, why: mark::clean(&entry.why) })
    }
}

fn remove_unwanted(source: &str, wanted: &[Wanted]) -> Result<Option<String>, EmitError> {
    let scan = Scan::read(source)?;
    let is_wanted = |pair: &Pair| wanted.iter().any(|w| w.path == pair.path);
    let unwanted = scan.pairs.iter().find(|p| mark::is_ours(source, p) && !is_wanted(p));
    Ok(unwanted.map(|pair| edit::remove(source, &scan, pair)))
}

fn set(source: &str, entry: &Wanted) -> Result<Step, EmitError> {
    let scan = Scan::read(source)?;
    if let Some(pair) = scan.pairs.iter().find(|p| p.path == entry.path) {
        return Ok(set_existing(source, pair, entry));
    }
    if let Some(kept) = in_the_way(source, &scan, entry) {
        return Ok(Step::Kept(kept));
    }
    Ok(Step::Text(edit::insert(source, &scan, &entry.path, &entry.value.toml(), &entry.why)))
}

fn set_existing(source: &str, pair: &Pair, entry: &Wanted) -> Step {
    if mark::is_ours(source, pair) {
        let updated = edit::update(source, pair, entry.value, &entry.why);
        return if updated == source { Step::Nothing } else { Step::Text(updated) };
    }
    if pair.value.as_ref().is_some_and(|theirs| theirs.means(entry.value)) {
        return Step::Nothing;
    }
    let theirs = text::slice(source, pair.span.clone());
    Step::Kept(kept(&pair.path, source, pair.start, theirs, entry))
}

/// What of the user's makes the key impossible: a value where we need a table, a table where we
/// need a value, or an array of tables on the way.
fn in_the_way(source: &str, scan: &Scan, entry: &Wanted) -> Option<Kept> {
    let value = |p: &&Pair| !p.is_table && entry.path.starts_with(&p.path);
    if let Some(pair) = scan.pairs.iter().find(value) {
        let theirs = text::slice(source, pair.span.clone());
        return Some(kept(&pair.path, source, pair.start, theirs, entry));
    }
    let array = scan.nodes.iter().find_map(|n| match &n.kind {
        Kind::Array(range) if entry.path.starts_with(&n.path) => Some((&n.path, range.start)),
        _ => None,
    });
    if let Some((path, start)) = array {
        return Some(kept(path, source, start, "an array of tables", entry));
    }
    let node = scan.nodes.iter().find(|n| n.path == entry.path)?;
    let start = match &node.kind {
        Kind::Header(range) => range.start,
        _ => first_below(scan, &node.path),
    };
    Some(kept(&node.path, source, start, "a table", entry))
}

fn kept(path: &[String], source: &str, start: usize, theirs: &str, entry: &Wanted) -> Kept {
    Kept {
        key: dotted(path),
        line: text::position(source, start).0,
        theirs: theirs.to_owned(),
        ours: entry.value.toml(),
    }
}

/// The first place where something below a table is written.
fn first_below(scan: &Scan, path: &[String]) -> usize {
    let pairs = scan.pairs.iter().filter(|p| p.path.starts_with(path)).map(|p| p.start);
    let headers = scan.nodes.iter().filter(|n| n.path.starts_with(path));
    let headers = headers.filter_map(|n| match &n.kind {
        Kind::Header(range) | Kind::Array(range) => Some(range.start),
        _ => None,
    });
    pairs.chain(headers).min().unwrap_or_default()
}

fn remove_empty_table(source: &str) -> Result<Option<String>, EmitError> {
    let scan = Scan::read(source)?;
    let empty = scan.nodes.iter().find_map(|node| match &node.kind {
        Kind::Header(range) if scan.section(&node.path).next().is_none() => {
            edit::remove_header(source, range)
        }
        _ => None,
    });
    Ok(empty)
}

fn renumber(source: &str, kept: &mut [Kept]) -> Result<(), EmitError> {
    if kept.is_empty() {
        return Ok(());
    }
    let scan = Scan::read(source)?;
    for kept in kept {
        let header = scan.nodes.iter().find_map(|n| match &n.kind {
            Kind::Header(range) | Kind::Array(range) if dotted(&n.path) == kept.key => {
                Some(range.start)
            }
            _ => None,
        });
        let pair = scan.pairs.iter().find(|p| dotted(&p.path) == kept.key).map(|p| p.start);
        if let Some(start) = pair.or(header) {
            kept.line = text::position(source, start).0;
        }
    }
    Ok(())
}

/// A path as a dotted key, quoted where TOML needs it.
fn dotted(path: &[String]) -> String {
    let parts = path.iter().map(|p| Key::new(p.as_str()).display_repr().into_owned());
    parts.collect::<Vec<_>>().join(".")
}

impl CargoValue {
    /// The value on one line of TOML.
    pub fn toml(&self) -> String {
        match self {
            Self::Integer(n) => n.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => quoted(text),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(|i| quoted(i)).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }

    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(n) => Some(Self::Integer(*n.value())),
            Value::String(text) => Some(Self::Text(text.value().clone())),
            Value::Boolean(flag) => Some(Self::Flag(*flag.value())),
            Value::Array(items) => {
                let texts = items.iter().map(|i| i.as_str().map(str::to_owned));
                texts.collect::<Option<_>>().map(Self::List)
            }
            _ => None,
        }
    }

    /// Whether Cargo reads both alike: it splits a string at white space where it wants a list.
    fn means(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(text), Self::List(items)) | (Self::List(items), Self::Text(text)) => {
                text.split_whitespace().eq(items.iter().map(String::as_str))
            }
            _ => self == other,
        }
    }
}

/// A basic string on one line. JSON's escapes are TOML's; only DEL needs one in TOML alone.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}
