//! A profile file as text becomes a layer, with every mistake of the file in one go.
//!
//! Does not know the host, so the range of a knob is checked later, by `settings`. Does not read
//! files.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{TOOLS, check_bounds, host_kind, host_paths};
use crate::diagnostic::{Diagnostic, nearest, position};
use crate::settings::catalogue;
use crate::value::{Kind, Value};

/// Version of the profile format.
pub const PROFILE_SCHEMA: u64 = 1;

/// A value and where in the file it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// `cpu.threads` for a fact, `cargo-build-jobs` for a knob.
    pub key: String,
    /// What the file sets.
    pub value: Value,
    /// Bytes of the value in the text.
    pub span: Range<usize>,
    /// Line, counted from 1.
    pub line: usize,
}

/// A parsed profile file.
#[derive(Clone, Debug, Default)]
pub struct ProfileFile {
    /// Path as the user knows it.
    pub path: String,
    /// The text, for snippets in later messages.
    pub text: String,
    /// Facts about the host.
    pub host: Vec<Entry>,
    /// `[settings]`.
    pub settings: Vec<Entry>,
    /// `[packages.<name>]`, in the order of the file.
    pub packages: Vec<(String, Vec<Entry>)>,
}

impl ProfileFile {
    /// The overrides of one package.
    pub fn package(&self, name: &str) -> Option<&[Entry]> {
        self.packages.iter().find(|(n, _)| n == name).map(|(_, entries)| entries.as_slice())
    }
}

/// The tables that describe a host.
const HOST_TABLES: &[&str] = &["host", "cpu", "memory", "storage", "gpu", "tools"];

/// Reads a profile. The file holds what could be understood; the list holds every mistake.
pub fn parse(path: &str, text: &str) -> (ProfileFile, Vec<Diagnostic>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { path, text, found: Vec::new() };
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        reader.found.push(Diagnostic::new(
            path,
            text,
            span,
            format!("not valid TOML: {}", error.message()),
        ));
    }
    let mut file =
        ProfileFile { path: path.to_owned(), text: text.to_owned(), ..ProfileFile::default() };
    // After a syntax error the recovered rest may be mangled; reporting on it would mislead.
    if errors.is_empty() {
        reader.document(document.get_ref(), &mut file);
    }
    reader.found.sort_by_key(|d| (d.line, d.column));
    (file, reader.found)
}

/// Reads a table of knobs of another file, by the same rules.
pub(crate) fn knobs(
    path: &str,
    text: &str,
    table: &DeTable<'_>,
    table_name: &str,
) -> (Vec<Entry>, Vec<Diagnostic>) {
    let mut reader = Reader { path, text, found: Vec::new() };
    let entries = reader.knobs(table, table_name);
    (entries, reader.found)
}

struct Reader<'a> {
    path: &'a str,
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn report(&mut self, span: Range<usize>, message: String, help: Option<String>) {
        let diagnostic = Diagnostic::new(self.path, self.text, span, message);
        self.found.push(match help {
            Some(help) => diagnostic.with_help(help),
            None => diagnostic,
        });
    }

    fn document(&mut self, document: &DeTable<'_>, file: &mut ProfileFile) {
        for (name, value) in document {
            let key: &str = name.get_ref();
            match (key, value.get_ref()) {
                ("schema", _) => self.schema(value),
                ("settings", DeValue::Table(table)) => {
                    file.settings = self.knobs(table, "settings");
                }
                ("packages", DeValue::Table(table)) => file.packages = self.packages(table),
                (key, DeValue::Table(table)) if HOST_TABLES.contains(&key) => {
                    file.host.extend(self.host_table(key, table));
                }
                (key, _)
                    if HOST_TABLES.contains(&key) || matches!(key, "settings" | "packages") =>
                {
                    self.report(
                        value.span(),
                        format!("{key} must be a table"),
                        Some(format!("write [{key}]")),
                    );
                }
                _ => self.unknown_table(key, name.span()),
            }
        }
    }

    fn schema(&mut self, value: &Spanned<DeValue<'_>>) {
        let version = integer(value.get_ref());
        if version != Some(i128::from(PROFILE_SCHEMA)) {
            self.report(
                value.span(),
                format!("this program reads profiles of schema {PROFILE_SCHEMA}"),
                Some(format!("write schema = {PROFILE_SCHEMA}")),
            );
        }
    }

    fn unknown_table(&mut self, key: &str, span: Range<usize>) {
        let tables = HOST_TABLES.iter().copied().chain(["settings", "packages", "schema"]);
        let help = if catalogue::knob(key).is_some() {
            "knobs stand in a table: write it below [settings], or below [packages.<name>] for one package".to_string()
        } else if let Some(near) = nearest(key, tables) {
            format!("did you mean \"{near}\"?")
        } else {
            format!("the tables of a profile are {}, settings and packages", HOST_TABLES.join(", "))
        };
        self.report(span, format!("unknown key \"{key}\""), Some(help));
    }

    fn host_table(&mut self, table_name: &str, table: &DeTable<'_>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (name, value) in table {
            let path = format!("{table_name}.{}", name.get_ref());
            let Some(kind) = host_kind(&path) else {
                self.unknown_host_key(&path, name.span());
                continue;
            };
            if let Some(entry) = self.entry(path, kind, value) {
                match check_bounds(&entry.key, &entry.value) {
                    Ok(()) => entries.push(entry),
                    Err(message) => self.report(value.span(), message, None),
                }
            }
        }
        entries
    }

    fn unknown_host_key(&mut self, path: &str, span: Range<usize>) {
        let paths: Vec<String> = host_paths().collect();
        let help = match nearest(path, paths.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => match path.split_once('.') {
                Some(("tools", _)) => format!("the tools are {}", TOOLS.join(", ")),
                _ => Self::siblings(path, &paths),
            },
        };
        self.report(span, format!("unknown key \"{path}\""), Some(help));
    }

    fn siblings(path: &str, paths: &[String]) -> String {
        let table = path.split('.').next().unwrap_or_default();
        let names: Vec<_> =
            paths.iter().filter_map(|p| p.strip_prefix(table)?.strip_prefix('.')).collect();
        format!("[{table}] knows {}", names.join(", "))
    }

    fn packages(&mut self, table: &DeTable<'_>) -> Vec<(String, Vec<Entry>)> {
        let mut packages = Vec::new();
        for (name, value) in table {
            let package: &str = name.get_ref();
            match value.get_ref() {
                DeValue::Table(knobs) => {
                    packages.push((
                        package.to_owned(),
                        self.knobs(knobs, &format!("packages.{package}")),
                    ));
                }
                _ => self.report(
                    value.span(),
                    format!("packages.{package} must be a table of knobs"),
                    Some(format!("write [packages.{package}] with one knob a line")),
                ),
            }
        }
        packages
    }

    fn knobs(&mut self, table: &DeTable<'_>, table_name: &str) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (name, value) in table {
            let key: &str = name.get_ref();
            let Some(knob) = catalogue::knob(key) else {
                self.unknown_knob(key, table_name, name.span());
                continue;
            };
            entries.extend(self.entry(key.to_owned(), knob.kind, value));
        }
        entries
    }

    fn unknown_knob(&mut self, key: &str, table: &str, span: Range<usize>) {
        let help = match nearest(key, catalogue::knobs().map(|knob| knob.id)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "`ironwright settings` lists every knob".to_owned(),
        };
        self.report(span, format!("unknown knob \"{key}\" in [{table}]"), Some(help));
    }

    fn entry(&mut self, key: String, kind: Kind, value: &Spanned<DeValue<'_>>) -> Option<Entry> {
        match convert(kind, value.get_ref()) {
            Ok(converted) => {
                let (line, _) = position(self.text, value.span().start);
                Some(Entry { key, value: converted, span: value.span(), line })
            }
            Err(message) => {
                self.report(value.span(), format!("{key}: {message}"), None);
                None
            }
        }
    }
}

/// A TOML value as a value of the wanted kind, or what would have been right.
fn convert(kind: Kind, value: &DeValue<'_>) -> Result<Value, String> {
    let wrong = |found: &str| Err(format!("expected {}, found {found}", kind.expectation()));
    match (kind, value) {
        (_, DeValue::String(text)) if *text == "unset" => Ok(Value::Unset),
        (Kind::Bytes | Kind::Seconds | Kind::Text | Kind::Choice(_), DeValue::String(text)) => {
            kind.parse_text(text)
        }
        (Kind::Count, DeValue::Integer(_)) => match integer(value).map(u64::try_from) {
            Some(Ok(n)) => Ok(Value::Count(n)),
            _ => wrong(&format!("the integer {}", integer(value).unwrap_or_default())),
        },
        // A size or duration without a unit gets the same sentence as a text without one.
        (Kind::Bytes | Kind::Seconds | Kind::Ratio, DeValue::Integer(_)) => match integer(value) {
            Some(n) => kind.parse_text(&n.to_string()),
            None => wrong("an integer"),
        },
        (Kind::Ratio, DeValue::Float(float)) => kind.parse_text(float.as_str()),
        (Kind::Flag, DeValue::Boolean(flag)) => Ok(Value::Flag(*flag)),
        (Kind::List, DeValue::Array(items)) => {
            let texts: Option<Vec<String>> =
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            texts.map(Value::List).ok_or_else(|| "expected a list of texts only".to_owned())
        }
        (_, other) => wrong(&describe(other)),
    }
}

fn integer(value: &DeValue<'_>) -> Option<i128> {
    let integer = value.as_integer()?;
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(_) => format!("the integer {}", integer(value).unwrap_or_default()),
        DeValue::Float(float) => format!("the number {float}"),
        DeValue::Boolean(flag) => format!("{flag}"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mistakes(text: &str) -> Vec<String> {
        let (_, found) = parse("p.toml", text);
        found
            .iter()
            .map(|d| {
                format!(
                    "{}:{} {} | {}",
                    d.line,
                    d.column,
                    d.message,
                    d.help.as_deref().unwrap_or("")
                )
            })
            .collect()
    }

    #[test]
    fn values_keep_their_lines() {
        let (file, found) = parse(
            "p.toml",
            "schema = 1\n[cpu]\nthreads = 8\n[memory]\nram = \"16 GiB\"\n[packages.codex]\ncargo-build-jobs = 3\n",
        );
        assert_eq!(found, []);
        assert_eq!(
            file.host.iter().map(|e| (e.key.as_str(), e.line)).collect::<Vec<_>>(),
            [("cpu.threads", 3), ("memory.ram", 5)]
        );
        let codex = file.package("codex").expect("is there");
        assert_eq!((codex[0].value.clone(), codex[0].line), (Value::Count(3), 7));
    }

    #[test]
    fn every_mistake_is_reported_once_with_its_place() {
        let found = mistakes(
            "schema = 2\ncargo-build-jobs = 3\n[cpu]\nthraeds = 8\ncores = \"four\"\nthreads = 0\n[memory]\nram = 14\nzram = \"12 GX\"\n\
             [settings]\ncargoBuildJobs = 2\nrust-lto = \"full\"\nnix-timeout = 86400\n[packages]\ncodex = 3\n",
        );
        insta::assert_snapshot!(found.join("\n"), @r#"
        1:10 this program reads profiles of schema 1 | write schema = 1
        2:1 unknown key "cargo-build-jobs" | knobs stand in a table: write it below [settings], or below [packages.<name>] for one package
        4:1 unknown key "cpu.thraeds" | did you mean "cpu.threads"?
        5:9 cpu.cores: expected a whole number such as 4, found the text "four" | 
        6:11 cpu.threads must lie between 1 and 4096, found 0 | 
        8:7 memory.ram: a size needs a unit: write "14GiB" (2^30 bytes each) or "14GB" (10^9 bytes each) | 
        9:8 memory.zram: unknown unit "GX": use B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024) | 
        11:1 unknown knob "cargoBuildJobs" in [settings] | did you mean "cargo-build-jobs"?
        12:12 rust-lto: expected one of "off", "thin" or "fat", found "full" | 
        13:15 nix-timeout: a duration needs a unit: write "86400s", "86400m" or "86400h" | 
        15:9 packages.codex must be a table of knobs | write [packages.codex] with one knob a line
        "#);
    }

    #[test]
    fn all_syntax_errors_are_reported() {
        let found = mistakes("[cpu\nthreads = \n[memory]\nram = \"16GiB\n");
        assert!(found.len() >= 2, "{found:?}");
        assert!(found.iter().all(|m| m.contains("not valid TOML")), "{found:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,80}") {
            let _ = parse("p.toml", &text);
        }

        #[test]
        fn any_table_is_read_without_a_panic(
            key in "(cpu|memory|settings|packages|gpu|schema)(\\.[a-z-]{1,16}){0,3}",
            value in "(-?[0-9]{1,25}|\"\\PC{0,8}\"|\\[[0-9\", ]{0,8}\\]|true|1e400|nan|1979-05-27)",
        ) {
            let text = format!("{key} = {value}\n");
            for diagnostic in parse("p.toml", &text).1 {
                let _ = diagnostic.render(false);
            }
        }
    }
}
