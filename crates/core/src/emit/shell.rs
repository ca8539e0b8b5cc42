//! Environment assignments as shells, service managers and programs read them.
//!
//! Does not know what the variables mean, and starts no shell.

use super::{EmitError, Entry, text};

/// A way to write environment assignments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `export K='V'`, for sh, bash, zsh and others that follow POSIX.
    Posix,
    /// `set -gx K 'V'`, for fish.
    Fish,
    /// `K="V"`, for systemd's `EnvironmentFile=` and for dotenv readers.
    Dotenv,
    /// One JSON object.
    Json,
}

/// The assignments as a text that ends in a line feed; empty without any, except as JSON.
pub fn render(dialect: Dialect, entries: &[Entry]) -> Result<String, EmitError> {
    entries.iter().try_for_each(check)?;
    if dialect == Dialect::Json {
        return Ok(json(entries));
    }
    Ok(entries.iter().map(|entry| lines(dialect, entry)).collect())
}

/// One assignment without a line ending.
pub fn assignment(dialect: Dialect, entry: &Entry) -> Result<String, EmitError> {
    check(entry)?;
    Ok(match dialect {
        Dialect::Posix => format!("export {}={}", entry.key, quote_posix(&entry.value)),
        Dialect::Fish => format!("set -gx {} {}", entry.key, quote_fish(&entry.value)),
        Dialect::Dotenv => format!("{}={}", entry.key, quote_dotenv(&entry.value)),
        Dialect::Json => json(std::slice::from_ref(entry)).trim_end().to_owned(),
    })
}

/// A word in single quotes. Within them nothing is special but the quote itself, which is closed,
/// escaped and opened again (POSIX.1-2017, Shell Command Language, 2.2.2).
pub fn quote_posix(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// A word in fish's single quotes, within which `\'` and `\\` are the only escapes.
pub fn quote_fish(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// A value in double quotes with the escapes of `systemd.exec(5)`, `EnvironmentFile=`; a line feed
/// stands for itself.
pub fn quote_dotenv(value: &str) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Whether a text can be the name of a variable in every shell.
pub fn is_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn check(entry: &Entry) -> Result<(), EmitError> {
    let fault = if !is_name(&entry.key) {
        "a variable's name has only letters, digits and `_`, and does not start with a digit"
    } else if entry.value.contains('\0') {
        "the environment cannot hold a NUL character"
    } else {
        return Ok(());
    };
    Err(EmitError::Unwritable { key: entry.key.clone(), message: fault.to_owned() })
}

fn lines(dialect: Dialect, entry: &Entry) -> String {
    let why = entry.why.as_deref().map(text::one_line).filter(|why| !why.is_empty());
    let why = why.map_or_else(String::new, |why| format!("# {why}\n"));
    // The names were checked, so that there is always an assignment.
    let line = assignment(dialect, entry).unwrap_or_default();
    format!("{why}{line}\n")
}

fn json(entries: &[Entry]) -> String {
    let pairs = entries.iter().map(|e| (e.key.clone(), e.value.clone().into()));
    let object = serde_json::Value::Object(pairs.collect());
    format!("{object:#}\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> Vec<Entry> {
        vec![
            Entry::new("CARGO_BUILD_JOBS", "6").because("6 of 8 threads,\nthe rest is yours"),
            Entry::new("RUSTFLAGS", "-C link-arg='-fuse-ld=mold' \"$x\" \\`a`"),
        ]
    }

    /// Reads a word as a POSIX shell would, for single quotes and backslashes outside of them.
    fn unquote_posix(word: &str) -> Option<String> {
        let (mut value, mut chars, mut quoted) = (String::new(), word.chars(), false);
        while let Some(c) = chars.next() {
            match (quoted, c) {
                (_, '\'') => quoted = !quoted,
                (true, c) => value.push(c),
                (false, '\\') => value.push(chars.next()?),
                // Anything else outside of quotes could be special.
                (false, _) => return None,
            }
        }
        (!quoted).then_some(value)
    }

    /// Reads a word between `quote`s, within which a backslash escapes the characters of
    /// `special` and stands for itself otherwise.
    fn unquote(word: &str, quote: char, special: &str) -> Option<String> {
        let inner = word.strip_prefix(quote)?.strip_suffix(quote)?;
        let (mut value, mut chars) = (String::new(), inner.chars().peekable());
        while let Some(c) = chars.next() {
            match c {
                '\\' if chars.peek().is_some_and(|n| special.contains(*n)) => {
                    value.extend(chars.next());
                }
                c if c == quote => return None,
                c => value.push(c),
            }
        }
        Some(value)
    }

    #[test]
    fn posix() {
        insta::assert_snapshot!(render(Dialect::Posix, &entries()).expect("renders"), @r#"
        # 6 of 8 threads, the rest is yours
        export CARGO_BUILD_JOBS='6'
        export RUSTFLAGS='-C link-arg='\''-fuse-ld=mold'\'' "$x" \`a`'
        "#);
    }

    #[test]
    fn fish() {
        insta::assert_snapshot!(render(Dialect::Fish, &entries()).expect("renders"), @r#"
        # 6 of 8 threads, the rest is yours
        set -gx CARGO_BUILD_JOBS '6'
        set -gx RUSTFLAGS '-C link-arg=\'-fuse-ld=mold\' "$x" \\`a`'
        "#);
    }

    #[test]
    fn dotenv() {
        insta::assert_snapshot!(render(Dialect::Dotenv, &entries()).expect("renders"), @r#"
        # 6 of 8 threads, the rest is yours
        CARGO_BUILD_JOBS="6"
        RUSTFLAGS="-C link-arg='-fuse-ld=mold' \"\$x\" \\\`a\`"
        "#);
    }

    #[test]
    fn json() {
        insta::assert_snapshot!(render(Dialect::Json, &entries()).expect("renders"), @r#"
        {
          "CARGO_BUILD_JOBS": "6",
          "RUSTFLAGS": "-C link-arg='-fuse-ld=mold' \"$x\" \\`a`"
        }
        "#);
        assert_eq!(render(Dialect::Json, &[]).expect("renders"), "{}\n");
    }

    #[test]
    fn bad_names_and_values_are_refused() {
        for (key, value) in
            [("A B", "x"), ("", "x"), ("1A", "x"), ("A;rm", "x"), ("Ä", "x"), ("A", "\0")]
        {
            let error = render(Dialect::Posix, &[Entry::new(key, value)]).expect_err(key);
            assert!(matches!(error, EmitError::Unwritable { .. }));
        }
    }

    proptest! {
        #[test]
        fn quoting_round_trips(value in any::<String>()) {
            prop_assert_eq!(unquote_posix(&quote_posix(&value)), Some(value.clone()));
            prop_assert_eq!(unquote(&quote_fish(&value), '\'', r"'\"), Some(value.clone()));
            prop_assert_eq!(unquote(&quote_dotenv(&value), '"', "\"\\$`"), Some(value));
        }

        #[test]
        fn quoting_round_trips_where_it_is_hard(value in r#"['"\\$`\n a]{0,12}"#) {
            prop_assert_eq!(unquote_posix(&quote_posix(&value)), Some(value.clone()));
            prop_assert_eq!(unquote(&quote_fish(&value), '\'', r"'\"), Some(value.clone()));
            prop_assert_eq!(unquote(&quote_dotenv(&value), '"', "\"\\$`"), Some(value));
        }

        #[test]
        fn any_entry_never_panics(key in any::<String>(), value in any::<String>(), why in any::<String>()) {
            let entry = Entry::new(key, value).because(why);
            for dialect in [Dialect::Posix, Dialect::Fish, Dialect::Dotenv, Dialect::Json] {
                let _ = render(dialect, std::slice::from_ref(&entry));
            }
        }
    }
}
