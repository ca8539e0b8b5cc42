//! Where everything stands in a TOML text: tables, statements and values, with byte ranges.
//!
//! Does not know Cargo, which keys are ours, or how to change anything.

use std::ops::Range;

use toml_edit::{Document, Item, Table, TableLike, Value};

use super::CargoValue;
use crate::emit::{EmitError, text};

/// A dotted key, split.
pub(super) type Path = Vec<String>;

/// What kind of table a path leads to, and with it how a key is added to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The top of the file.
    Root,
    /// `[path]`; the range covers the header.
    Header(Range<usize>),
    /// Only there because a table below it has a header.
    Implicit,
    /// Made by `a.b = …` in a section.
    Dotted,
    /// `{ … }`; the range includes the braces.
    Inline(Range<usize>),
    /// Made by `a.b = …` within braces.
    InlineDotted,
    /// `[[path]]`: there is no one table to add to.
    Array(Range<usize>),
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) path: Path,
    pub(super) kind: Kind,
}

/// A key with a value, where an inline table counts as the value of its key too.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) path: Path,
    /// The path of the section that it stands in.
    pub(super) home: Path,
    /// Where the key starts, with all of its dotted parts.
    pub(super) start: usize,
    /// The range of the value.
    pub(super) span: Range<usize>,
    /// Where the value of the whole line ends: `span.end`, but for keys within braces the end of
    /// the outermost ones.
    pub(super) statement_end: usize,
    /// Whether it stands within braces.
    pub(super) inline: bool,
    /// The value, where it is of a kind that we write.
    pub(super) value: Option<CargoValue>,
    /// Whether the value is an inline table.
    pub(super) is_table: bool,
}

/// The places of a whole text.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) nodes: Vec<Node>,
    pub(super) pairs: Vec<Pair>,
}

impl Scan {
    /// Reads a TOML text.
    pub(super) fn read(source: &str) -> Result<Self, EmitError> {
        let document = Document::parse(source).map_err(|e| {
            let offset = e.span().map_or(0, |s| s.start);
            let (line, column) = text::position(source, offset);
            EmitError::Syntax { line, column, message: text::one_line(e.message()) }
        })?;
        let root = Node { path: Vec::new(), kind: Kind::Root };
        let mut scan = Self { nodes: vec![root], pairs: Vec::new() };
        scan.table(document.as_table(), &Context::default());
        let starts: Vec<_> = scan.pairs.iter().map(|p| scan.whole_key_start(source, p)).collect();
        for (pair, start) in scan.pairs.iter_mut().zip(starts) {
            pair.start = start;
        }
        Ok(scan)
    }

    /// Where a pair starts with the dotted parts in front of its last one. The parser keeps the
    /// range of those parts for their first use only.
    fn whole_key_start(&self, source: &str, pair: &Pair) -> usize {
        let Some((_, table)) = self.deepest_inline(&pair.path).filter(|_| pair.inline) else {
            let line = text::line_start(source, pair.start);
            let rest = text::slice(source, line..pair.start);
            return line + rest.len() - rest.trim_start_matches(['\u{feff}', ' ', '\t']).len();
        };
        let ends = self.within(table.clone()).map(|p| p.span.end).filter(|e| *e <= pair.start);
        let from = ends.max().unwrap_or(table.start + 1);
        from + separators(text::slice(source, from..pair.start))
    }

    /// The deepest table on the way to a key.
    pub(super) fn deepest(&self, path: &[String]) -> Option<&Node> {
        self.nodes
            .iter()
            .filter(|n| n.path.len() < path.len() && path.starts_with(&n.path))
            .max_by_key(|n| n.path.len())
    }

    /// The deepest table in braces on the way to a key, with its range.
    pub(super) fn deepest_inline(&self, path: &[String]) -> Option<(&Node, Range<usize>)> {
        let nodes = self.nodes.iter();
        let on_the_way = nodes.filter(|n| n.path.len() < path.len() && path.starts_with(&n.path));
        let inline = on_the_way.filter_map(|n| match &n.kind {
            Kind::Inline(span) => Some((n, span.clone())),
            _ => None,
        });
        inline.max_by_key(|(n, _)| n.path.len())
    }

    /// The pairs that stand in a section, outside of braces.
    pub(super) fn section<'a>(&'a self, home: &'a [String]) -> impl Iterator<Item = &'a Pair> {
        self.pairs.iter().filter(move |p| !p.inline && p.home == home)
    }

    /// The pairs that stand within a range.
    pub(super) fn within(&self, range: Range<usize>) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(move |p| range.start < p.start && p.span.end < range.end)
    }

    fn table(&mut self, table: &dyn TableLike, context: &Context) {
        for (name, item) in table.iter() {
            let key = table.get_key_value(name).and_then(|(key, _)| key.span());
            let start = key.map(|k| k.start).unwrap_or_default();
            let path = [context.path.as_slice(), &[name.to_owned()]].concat();
            self.item(item, path, start, context);
        }
    }

    fn item(&mut self, item: &Item, path: Path, start: usize, context: &Context) {
        match item {
            Item::None => {}
            Item::ArrayOfTables(array) => {
                let kind = Kind::Array(array.span().unwrap_or(start..start));
                self.nodes.push(Node { path, kind });
            }
            Item::Table(table) => self.section_table(table, path, start, context),
            Item::Value(value) => self.value(value, path, start, context),
        }
    }

    fn section_table(&mut self, table: &Table, path: Path, start: usize, context: &Context) {
        let kind = if table.is_dotted() {
            Kind::Dotted
        } else if table.is_implicit() {
            Kind::Implicit
        } else {
            Kind::Header(table.span().unwrap_or(start..start))
        };
        let inner = if table.is_dotted() {
            Context { path: path.clone(), ..context.clone() }
        } else {
            Context { path: path.clone(), home: path.clone(), ..Context::default() }
        };
        self.nodes.push(Node { path, kind });
        self.table(table, &inner);
    }

    fn value(&mut self, value: &Value, path: Path, start: usize, context: &Context) {
        let table = value.as_inline_table();
        if let Some(dotted) = table.filter(|t| t.is_dotted()) {
            self.nodes.push(Node { path: path.clone(), kind: Kind::InlineDotted });
            let inner = Context { path, ..context.clone() };
            self.table(dotted, &inner);
            return;
        }
        let span = value.span().unwrap_or(start..start);
        let statement_end = context.statement_end.unwrap_or(span.end);
        self.pairs.push(Pair {
            path: path.clone(),
            home: context.home.clone(),
            start,
            span: span.clone(),
            statement_end,
            inline: context.statement_end.is_some(),
            value: CargoValue::of(value),
            is_table: table.is_some(),
        });
        if let Some(table) = table {
            self.nodes.push(Node { path: path.clone(), kind: Kind::Inline(span) });
            let inner =
                Context { path, home: context.home.clone(), statement_end: Some(statement_end) };
            self.table(table, &inner);
        }
    }
}

/// Where the walk is.
#[derive(Clone, Debug, Default)]
struct Context {
    path: Path,
    home: Path,
    /// Where the outermost braces end.
    statement_end: Option<usize>,
}

/// The length of the commas, blanks and comments at the start of a text within braces.
fn separators(source: &str) -> usize {
    let mut rest = source;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if !rest.starts_with('#') {
            return source.len() - rest.len();
        }
        rest = rest.split_once('\n').map_or("", |(_, after)| after);
    }
}
