//! How the line-based formats write a key with its value, and how such a line is read back.
//!
//! Does not know where a line stands, nor whose it is.

use crate::emit::shell::{self, Dialect};
use crate::emit::{EmitError, Entry};

/// A line-based format. Keys are case-sensitive in all of them, and `#` starts a comment line in
/// all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `nix.conf`: `key = value`, `#` starts a comment anywhere, the last line for a key wins,
    /// `extra-key` adds words to `key`.
    NixConf,
    /// `.npmrc`, an ini file: `key=value`, comment lines start with `;` or `#`, `key[]=value`
    /// adds to a list, keys below a `[section]` are not settings.
    Npmrc,
    /// The file of `go env -w`: `KEY=VALUE` without quotes; a line that does not start with A-Z
    /// is ignored. A carriage return would be part of the value, so lines of ours never have one.
    GoEnv,
    /// A file that a POSIX shell reads: `export KEY='VALUE'`.
    Shell,
    /// systemd's `environment.d` and dotenv files: `KEY="VALUE"`.
    Dotenv,
}

/// Names that Nix still accepts for its settings (the aliases in Nix's `globals.hh`).
const NIX_ALIASES: [(&str, &str); 14] = [
    ("binary-cache-public-keys", "trusted-public-keys"),
    ("binary-caches", "substituters"),
    ("binary-caches-parallel-connections", "http-connections"),
    ("build-compress-log", "compress-build-log"),
    ("build-cores", "cores"),
    ("build-fallback", "fallback"),
    ("build-max-jobs", "max-jobs"),
    ("build-max-silent-time", "max-silent-time"),
    ("build-sandbox-paths", "sandbox-paths"),
    ("build-timeout", "timeout"),
    ("build-use-sandbox", "sandbox"),
    ("gc-keep-derivations", "keep-derivations"),
    ("gc-keep-outputs", "keep-outputs"),
    ("trusted-binary-caches", "trusted-substituters"),
];

impl Syntax {
    /// Key and value of a line, unquoted; nothing for comments and for what the tool ignores.
    pub(super) fn parse(self, line: &str) -> Option<(String, String)> {
        match self {
            Self::NixConf => parse_nix(line),
            Self::Npmrc => parse_npmrc(line),
            Self::GoEnv => {
                let (key, value) = line.split_once('=')?;
                key.starts_with(|c: char| c.is_ascii_uppercase())
                    .then(|| (key.to_owned(), value.to_owned()))
            }
            Self::Shell | Self::Dotenv => parse_assignment(line),
        }
    }

    /// Whether the line opens a part of the file in which our keys would mean something else.
    pub(super) fn opens_section(self, line: &str) -> bool {
        let line = line.trim();
        self == Self::Npmrc && line.starts_with('[') && line.ends_with(']')
    }

    /// The line of an entry.
    pub(super) fn render(self, entry: &Entry) -> Result<String, EmitError> {
        let unwritable = |message: &str| EmitError::Unwritable {
            key: entry.key.clone(),
            message: message.to_owned(),
        };
        let breaks = ['\n', '\r', '\0'];
        if entry.key.is_empty() || entry.key.contains(breaks) || entry.value.contains(breaks) {
            return Err(unwritable("a key and its value are one line here"));
        }
        let line = match self {
            Self::NixConf => format!("{} = {}", entry.key, entry.value),
            Self::Npmrc => format!("{}={}", entry.key, quote_ini(&entry.value)),
            Self::GoEnv => format!("{}={}", entry.key, entry.value),
            Self::Shell => shell::assignment(Dialect::Posix, entry)?,
            Self::Dotenv => shell::assignment(Dialect::Dotenv, entry)?,
        };
        let reads_back =
            self.parse(&line).is_some_and(|(key, value)| key == entry.key && value == entry.value);
        // One check for every rule of every format: what does not read back is not written.
        if reads_back { Ok(line) } else { Err(unwritable("the format has no spelling for it")) }
    }

    /// The key whose setting a key changes: aliases resolved, list and `extra-` marks taken off.
    pub(super) fn base(self, key: &str) -> &str {
        match self {
            Self::NixConf => {
                let key = key.strip_prefix("extra-").unwrap_or(key);
                let alias = NIX_ALIASES.iter().find(|(alias, _)| *alias == key);
                alias.map_or(key, |(_, name)| name)
            }
            Self::Npmrc => key.strip_suffix("[]").unwrap_or(key),
            Self::GoEnv | Self::Shell | Self::Dotenv => key,
        }
    }

    /// Whether a line for this key adds to earlier ones rather than replacing them.
    pub(super) fn adds(self, key: &str) -> bool {
        match self {
            Self::NixConf => key.starts_with("extra-"),
            Self::Npmrc => key.ends_with("[]"),
            Self::GoEnv | Self::Shell | Self::Dotenv => false,
        }
    }
}

/// Nix splits the line at white space, without a comment, and joins the words of the value again.
fn parse_nix(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split('#').next()?.split_once('=')?;
    let key = key.trim();
    let is_key = !key.is_empty() && !key.contains(char::is_whitespace);
    is_key.then(|| (key.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
}

fn parse_npmrc(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with([';', '#', '[']) {
        return None;
    }
    let (key, value) = line.split_once('=').unwrap_or((line, "true"));
    Some((unquote_ini(key), unquote_ini(value)))
}

/// An ini value: in quotes it is JSON or literal, else it ends at a `;` or `#` without a backslash.
fn unquote_ini(value: &str) -> String {
    let value = value.trim();
    let quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
    if quoted && let Ok(text) = serde_json::from_str::<String>(value) {
        return text;
    }
    if value.len() > 1 && value.starts_with('\'') && value.ends_with('\'') {
        return value.trim_matches('\'').to_owned();
    }
    let (mut text, mut chars) = (String::new(), value.chars());
    while let Some(c) = chars.next() {
        match c {
            ';' | '#' => break,
            '\\' => match chars.next() {
                Some(escaped @ (';' | '#' | '\\')) => text.push(escaped),
                Some(other) => text.extend(['\\', other]),
                None => text.push('\\'),
            },
            c => text.push(c),
        }
    }
    text.trim().to_owned()
}

/// The shortest of an ini file's spellings that reads back.
fn quote_ini(value: &str) -> String {
    let is_plain = !value.is_empty() && unquote_ini(value) == value && !value.starts_with('[');
    if is_plain { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

/// `[export ]NAME=value`, where the value is a bare word or a quoted one.
fn parse_assignment(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (key, value) = line.split_once('=')?;
    shell::is_name(key).then(|| (key.to_owned(), unquote_shell(value)))
}

/// A shell word with its quotes and backslashes taken off. What would be expanded stays as it is
/// written, which can only make it unequal to a value of ours.
fn unquote_shell(word: &str) -> String {
    let (mut text, mut chars, mut quote) = (String::new(), word.chars(), None);
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, '#') if text.ends_with(char::is_whitespace) => break,
            (None | Some('"'), '\\') => text.extend(escaped(quote.is_some(), chars.next())),
            (_, c) => text.push(c),
        }
    }
    if word.ends_with(['\'', '"']) { text } else { text.trim_end().to_owned() }
}

/// What a backslash and the character after it stand for.
fn escaped(in_quotes: bool, next: Option<char>) -> Vec<char> {
    match next {
        Some(c) if !in_quotes || matches!(c, '"' | '\\' | '$' | '`') => vec![c],
        Some(c) => vec!['\\', c],
        None => vec!['\\'],
    }
}
