//! Plain data out of a Nix file, by itself: no evaluation.
//!
//! Understands attribute sets, lists, texts, numbers, arithmetic on them, `let`, `rec`, `inherit`, `//`
//! and the head of a function whose body is such data. What it does not understand becomes
//! [`Data::Opaque`] with the text, and is never guessed.

use std::cell::RefCell;

use rnix::ast::{self, AstToken, HasEntry};
use rowan::ast::AstNode;

use super::mistake::{line_of, told};

/// A value with its line, where it has one.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// An attribute set, in the order of the file.
    Set(Vec<Attribute>),
    /// A list.
    List(Vec<Data>),
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// True or false.
    Flag(bool),
    /// `null`.
    Null,
    /// An expression that needs Nix, as it is written.
    Opaque(String),
}

/// An attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Line in the file, from 1; none when Nix evaluated the file.
    pub line: Option<usize>,
    /// Its value.
    pub value: Data,
}

/// Deepest nesting that is followed.
const DEEPEST: usize = 64;

/// Reads a Nix file as data. The error is the first mistake: its line and what is wrong. Beside what is no Nix
/// that is what Nix would not evaluate whatever surrounds it: an attribute that is there twice, a number that
/// is too large.
pub fn parse(text: &str) -> Result<Data, (usize, String)> {
    let parsed = rnix::Root::parse(text);
    if let Some(error) = parsed.errors().first() {
        return Err(told(text, error));
    }
    let reader = Reader { text, mistake: RefCell::default() };
    let root = parsed.tree();
    let data = root.expr().map_or(Data::Null, |expr| reader.value(&expr, &Scope::default(), 0));
    reader.mistake.into_inner().map_or(Ok(data), Err)
}

/// What stands for a value that is no data where Nix evaluated a file.
const MARK: &str = "ironwright-opaque";

/// What Nix evaluated, as data.
pub fn from_json(json: &serde_json::Value) -> Data {
    use serde_json::Value as Json;
    match json {
        Json::Null => Data::Null,
        Json::Bool(flag) => Data::Flag(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Data::Integer(integer),
            (None, Some(float)) => Data::Float(float),
            (None, None) => Data::Opaque(number.to_string()),
        },
        Json::String(text) => Data::Text(text.clone()),
        Json::Array(items) => Data::List(items.iter().map(from_json).collect()),
        Json::Object(entries) if entries.contains_key(MARK) => Data::Opaque(String::new()),
        Json::Object(entries) => Data::Set(
            entries
                .iter()
                .map(|(name, value)| Attribute {
                    name: name.clone(),
                    line: None,
                    value: from_json(value),
                })
                .collect(),
        ),
    }
}

impl Data {
    /// Whether something in it needs Nix.
    pub fn has_opaque(&self) -> bool {
        match self {
            Self::Opaque(_) => true,
            Self::Set(entries) => entries.iter().any(|entry| entry.value.has_opaque()),
            Self::List(items) => items.iter().any(Self::has_opaque),
            _ => false,
        }
    }

    /// This with what Nix evaluated in place of all values; lines, and texts of expressions that are no data, stay.
    #[must_use]
    pub fn evaluated(self, json: &serde_json::Value) -> Self {
        self.replaced_by(from_json(json))
    }

    fn replaced_by(self, new: Self) -> Self {
        match (self, new) {
            (Self::Set(own), Self::Set(new)) => Self::Set(merged(own, new)),
            (Self::Opaque(text), Self::Opaque(_)) => Self::Opaque(text),
            (_, new) => new,
        }
    }

    /// Paths of expressions in sets that need Nix.
    pub fn opaque_paths(&self) -> Vec<Vec<String>> {
        match self {
            Self::Opaque(_) => vec![Vec::new()],
            Self::List(_) if self.has_opaque() => vec![Vec::new()],
            Self::Set(entries) => {
                let below = |entry: &Attribute| {
                    let paths = entry.value.opaque_paths().into_iter();
                    let name = entry.name.clone();
                    paths.map(move |path| [vec![name.clone()], path].concat()).collect::<Vec<_>>()
                };
                entries.iter().flat_map(below).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Puts a value at a path of sets, where there is one.
    pub fn put(&mut self, path: &[String], value: Self) {
        match (self, path) {
            (place, []) => *place = value,
            (Self::Set(entries), [name, rest @ ..]) => {
                if let Some(entry) = entries.iter_mut().find(|entry| entry.name == *name) {
                    entry.value.put(rest, value);
                }
            }
            _ => {}
        }
    }

    /// The value as a person would write it, cut where it is long.
    pub fn display(&self) -> String {
        const MOST: usize = 80;
        let text = self.spelled();
        match text.char_indices().nth(MOST) {
            Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
            None => text,
        }
    }

    fn spelled(&self) -> String {
        match self {
            Self::Set(_) => "{ … }".to_owned(),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::spelled).collect();
                format!("[ {} ]", items.join(" "))
            }
            Self::Text(text) => format!("\"{text}\""),
            Self::Integer(n) => n.to_string(),
            // 4.0 is not 4.
            Self::Float(n) => format!("{n:?}"),
            Self::Flag(flag) => flag.to_string(),
            Self::Null => "null".to_owned(),
            Self::Opaque(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }
}

/// Attributes as Nix evaluated them, in the order and with the lines that they have in the file.
fn merged(own: Vec<Attribute>, new: Vec<Attribute>) -> Vec<Attribute> {
    let mut left = new;
    let mut out = Vec::new();
    for entry in own {
        let Some(at) = left.iter().position(|other| other.name == entry.name) else { continue };
        let value = entry.value.replaced_by(left.remove(at).value);
        out.push(Attribute { value, ..entry });
    }
    out.extend(left);
    out
}

/// Names in reach, innermost last.
#[derive(Clone, Default)]
struct Scope(Vec<(String, Data)>);

impl Scope {
    fn get(&self, name: &str) -> Option<&Data> {
        self.0.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

struct Reader<'a> {
    text: &'a str,
    /// The first mistake.
    mistake: RefCell<Option<(usize, String)>>,
}

impl Reader<'_> {
    fn value(&self, expr: &ast::Expr, scope: &Scope, depth: usize) -> Data {
        let opaque = || Data::Opaque(expr.syntax().text().to_string());
        if depth > DEEPEST {
            return opaque();
        }
        let inner =
            |e: Option<ast::Expr>| e.map_or_else(opaque, |e| self.value(&e, scope, depth + 1));
        match expr {
            ast::Expr::AttrSet(set) => self.set(set, scope, depth),
            ast::Expr::List(list) => {
                Data::List(list.items().map(|e| self.value(&e, scope, depth + 1)).collect())
            }
            ast::Expr::Literal(literal) => self.literal(literal).unwrap_or_else(opaque),
            ast::Expr::Str(text) => plain_text(text).map_or_else(opaque, Data::Text),
            ast::Expr::Paren(paren) => inner(paren.expr()),
            ast::Expr::Root(root) => inner(root.expr()),
            ast::Expr::Lambda(lambda) => inner(lambda.body()),
            ast::Expr::LetIn(binding) => {
                let scope = self.extended(binding, scope, depth);
                binding.body().map_or_else(opaque, |e| self.value(&e, &scope, depth + 1))
            }
            ast::Expr::Ident(ident) => Self::named(ident, scope).unwrap_or_else(opaque),
            ast::Expr::UnaryOp(op) => negated(inner(op.expr()), op).unwrap_or_else(opaque),
            ast::Expr::BinOp(op) => {
                combined(op, &inner(op.lhs()), &inner(op.rhs())).unwrap_or_else(opaque)
            }
            _ => opaque(),
        }
    }

    fn literal(&self, literal: &ast::Literal) -> Option<Data> {
        let value = literal_value(literal);
        if value.is_none() {
            let (line, text) = (self.line(literal), literal.syntax().text());
            self.wrong(line, format!("{text} is more than Nix can count"));
        }
        value
    }

    fn line(&self, node: &impl AstNode) -> usize {
        line_of(self.text, usize::from(node.syntax().text_range().start()))
    }

    fn wrong(&self, line: usize, what: String) {
        self.mistake.borrow_mut().get_or_insert((line, what));
    }

    /// Puts a value into a set, in which it may be only once.
    fn insert(
        &self,
        found: &mut Vec<Attribute>,
        path: &[String],
        line: Option<usize>,
        value: Data,
    ) {
        if let Err(Twice { name, first }) = insert(found, path, line, value) {
            let first = first.map_or_else(String::new, |first| format!(", first in line {first}"));
            self.wrong(line.unwrap_or(1), format!("{name} is defined twice{first}"));
        }
    }

    fn named(ident: &ast::Ident, scope: &Scope) -> Option<Data> {
        let name = ident.ident_token()?.text().to_owned();
        match name.as_str() {
            _ if scope.get(&name).is_some() => scope.get(&name).cloned(),
            "true" => Some(Data::Flag(true)),
            "false" => Some(Data::Flag(false)),
            "null" => Some(Data::Null),
            _ => None,
        }
    }

    fn set(&self, set: &ast::AttrSet, scope: &Scope, depth: usize) -> Data {
        let scope = match set.rec_token() {
            Some(_) => self.extended(set, scope, depth),
            None => scope.clone(),
        };
        Data::Set(self.entries(set, &scope, depth))
    }

    /// The scope with the bindings of a `let` or a `rec`. Each sees those above it, which is how
    /// people write them; a reference to one below stays opaque.
    fn extended(&self, entries: &impl HasEntry, scope: &Scope, depth: usize) -> Scope {
        let mut scope = scope.clone();
        let outer = scope.0.len();
        for entry in entries.attrpath_values() {
            let path = names(entry.attrpath());
            if let (Some([name]), Some(value)) = (path.as_deref(), entry.value()) {
                if scope.0.iter().skip(outer).any(|(own, _)| own == name) {
                    self.wrong(self.line(&entry), format!("{name} is defined twice"));
                }
                let value = self.value(&value, &scope, depth + 1);
                scope.0.push((name.clone(), value));
            }
        }
        scope
    }

    fn entries(&self, entries: &impl HasEntry, scope: &Scope, depth: usize) -> Vec<Attribute> {
        let mut found = Vec::new();
        for entry in entries.entries() {
            let line = Some(self.line(&entry));
            match entry {
                ast::Entry::AttrpathValue(pair) => {
                    let Some(value) = pair.value() else { continue };
                    let value = self.value(&value, scope, depth + 1);
                    if let Some(path) = names(pair.attrpath()) {
                        self.insert(&mut found, &path, line, value);
                    } else {
                        let name = pair.attrpath().map(|p| p.syntax().text().to_string());
                        let name = [name.unwrap_or_default()];
                        self.insert(&mut found, &name, line, Data::Opaque(String::new()));
                    }
                }
                ast::Entry::Inherit(inherit) => {
                    for attr in inherit.attrs() {
                        let name = attr.syntax().text().to_string();
                        let known = if inherit.from().is_none() { scope.get(&name) } else { None };
                        let opaque = || Data::Opaque(inherit.syntax().text().to_string());
                        let value = known.cloned().unwrap_or_else(opaque);
                        self.insert(&mut found, &[name], line, value);
                    }
                }
            }
        }
        found
    }
}

/// The names of an attribute path, when all are written out.
fn names(path: Option<ast::Attrpath>) -> Option<Vec<String>> {
    let one = |attr: ast::Attr| match attr {
        ast::Attr::Ident(ident) => Some(ident.ident_token()?.text().to_owned()),
        ast::Attr::Str(text) => plain_text(&text),
        ast::Attr::Dynamic(_) => None,
    };
    path?.attrs().map(one).collect()
}

/// An attribute that is defined twice.
struct Twice {
    name: String,
    first: Option<usize>,
}

/// `a.b = 1; a.c = 2;` is one set, as in Nix.
fn insert(
    entries: &mut Vec<Attribute>,
    path: &[String],
    line: Option<usize>,
    value: Data,
) -> Result<(), Twice> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    let at = entries.iter().position(|entry| entry.name == *name);
    let existing = at.and_then(|at| entries.get_mut(at));
    let first = existing.as_ref().and_then(|entry| entry.line);
    let twice = || Err(Twice { name: name.clone(), first });
    match (existing.map(|entry| &mut entry.value), rest, value) {
        (Some(Data::Set(inner)), [], Data::Set(new)) => {
            for entry in new {
                insert(inner, &[entry.name], entry.line, entry.value)?;
            }
            Ok(())
        }
        (Some(Data::Set(inner)), [_, ..], value) => insert(inner, rest, line, value),
        (Some(_), ..) => twice(),
        (None, [], value) => {
            entries.push(Attribute { name: name.clone(), line, value });
            Ok(())
        }
        (None, _, value) => {
            let mut inner = Vec::new();
            insert(&mut inner, rest, line, value)?;
            entries.push(Attribute { name: name.clone(), line, value: Data::Set(inner) });
            Ok(())
        }
    }
}

fn literal_value(literal: &ast::Literal) -> Option<Data> {
    match literal.kind() {
        ast::LiteralKind::Integer(n) => n.value().ok().map(Data::Integer),
        ast::LiteralKind::Float(n) => n.value().ok().map(Data::Float),
        ast::LiteralKind::Uri(uri) => Some(Data::Text(uri.syntax().text().to_owned())),
    }
}

/// A text without interpolation.
fn plain_text(text: &ast::Str) -> Option<String> {
    let part = |part| match part {
        ast::InterpolPart::Literal(text) => Some(text),
        ast::InterpolPart::Interpolation(_) => None,
    };
    text.normalized_parts().into_iter().map(part).collect()
}

fn negated(value: Data, op: &ast::UnaryOp) -> Option<Data> {
    match (op.operator()?, value) {
        (ast::UnaryOpKind::Negate, Data::Integer(n)) => n.checked_neg().map(Data::Integer),
        (ast::UnaryOpKind::Negate, Data::Float(n)) => Some(Data::Float(-n)),
        (ast::UnaryOpKind::Invert, Data::Flag(flag)) => Some(Data::Flag(!flag)),
        _ => None,
    }
}

fn combined(op: &ast::BinOp, left: &Data, right: &Data) -> Option<Data> {
    use ast::BinOpKind as Op;
    match (op.operator()?, left, right) {
        (Op::Add, Data::Integer(a), Data::Integer(b)) => a.checked_add(*b).map(Data::Integer),
        (Op::Sub, Data::Integer(a), Data::Integer(b)) => a.checked_sub(*b).map(Data::Integer),
        (Op::Mul, Data::Integer(a), Data::Integer(b)) => a.checked_mul(*b).map(Data::Integer),
        (Op::Div, Data::Integer(a), Data::Integer(b)) => a.checked_div(*b).map(Data::Integer),
        (Op::Add, Data::Text(a), Data::Text(b)) => Some(Data::Text(format!("{a}{b}"))),
        (Op::Concat, Data::List(a), Data::List(b)) => {
            Some(Data::List(a.iter().chain(b).cloned().collect()))
        }
        (Op::Update, Data::Set(a), Data::Set(b)) => {
            let mut merged = a.clone();
            merged.retain(|entry| b.iter().all(|other| other.name != entry.name));
            merged.extend(b.iter().cloned());
            Some(Data::Set(merged))
        }
        _ => None,
    }
}
