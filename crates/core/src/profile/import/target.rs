//! A value of the old shape as the value of a key.
//!
//! Does not know ranges, nor where the value goes.

use super::data::Data;
use super::keys::Form;
use crate::cpu::{features_of_x86, level};
use crate::facts::Architecture;
use crate::units::Bytes;
use crate::value::{Kind, Value};

/// Converts; `None` when the value says only what is so without it, an error when it cannot be meant.
pub(super) fn value(kind: Kind, form: Form, data: &Data) -> Result<Option<Value>, String> {
    match (form, data) {
        (_, Data::Null) | (Form::When(_) | Form::Unless(_), Data::Flag(false)) => Ok(None),
        (Form::Kilobytes, Data::Integer(n)) => bytes(*n, 10).map(Some),
        (Form::Megabytes, Data::Integer(n)) => bytes(*n, 20).map(Some),
        (Form::Gigabytes, Data::Integer(n)) => bytes(*n, 30).map(Some),
        (Form::Gigabytes, Data::Float(n)) if (0.0..1e6).contains(n) => {
            Ok(Some(Value::Bytes(Bytes::gib(1).scaled(*n))))
        }
        (Form::Seconds, Data::Integer(n)) => {
            u64::try_from(*n).map(|n| Some(Value::Seconds(n))).map_err(|_| negative(*n))
        }
        (Form::When(word) | Form::Unless(word), Data::Flag(true)) => Ok(Some(Value::text(word))),
        (Form::OptLevel, data) => same_kind(kind, &opt_level(data)).map(Some),
        (Form::OneOfList, data) => architectures(data).map(Some),
        (_, data) => same_kind(kind, data).map(Some),
    }
}

/// Whether the value reads the same in both files.
pub(super) fn same(data: &Data, value: &Value) -> bool {
    match (data, value) {
        (Data::Integer(n), Value::Count(m)) => u64::try_from(*n).is_ok_and(|n| n == *m),
        (Data::Text(a), Value::Text(b)) => a == b,
        (Data::Flag(a), Value::Flag(b)) => a == b,
        (Data::List(items), Value::List(texts)) => {
            items.len() == texts.len()
                && items.iter().zip(texts).all(|(i, t)| matches!(i, Data::Text(own) if own == t))
        }
        _ => false,
    }
}

/// What follows from a processor's name: keys of `[cpu]` with their values.
pub(super) fn implied(name: &str) -> Vec<(&'static str, Value)> {
    let arm = ["armv", "cortex", "neoverse", "apple", "ampere"];
    if arm.iter().any(|prefix| name.starts_with(prefix)) {
        return vec![("architecture", Value::text("aarch64"))];
    }
    let Some(features) = features_of_x86(name) else { return Vec::new() };
    let set = features.iter().map(|feature| (*feature).to_owned()).collect();
    let mut found = vec![
        ("architecture", Value::text("x86_64")),
        ("features", Value::List(features.iter().map(|f| (*f).to_owned()).collect())),
    ];
    if let Some(level) = level(Architecture::X86_64, &set) {
        found.push(("psabi", Value::text(level.to_string())));
    }
    if !name.starts_with("x86-64") {
        found.push(("microarchitecture", Value::text(name)));
    }
    found
}

fn bytes(n: i64, shift: u32) -> Result<Value, String> {
    let n = u64::try_from(n).map_err(|_| negative(n))?;
    let scaled =
        n.checked_mul(1 << shift).ok_or_else(|| format!("{n} is more than any machine"))?;
    Ok(Value::Bytes(Bytes(scaled)))
}

fn negative(n: i64) -> String {
    format!("{n} is less than nothing")
}

fn same_kind(kind: Kind, data: &Data) -> Result<Value, String> {
    let wrong = || Err(format!("expected {}, found {}", kind.expectation(), data.display()));
    match (kind, data) {
        (Kind::Count, Data::Integer(n)) => match u64::try_from(*n) {
            Ok(n) => Ok(Value::Count(n)),
            Err(_) => wrong(),
        },
        (Kind::Flag, Data::Flag(flag)) => Ok(Value::Flag(*flag)),
        (Kind::Ratio, Data::Float(n)) => kind.parse_text(&n.to_string()),
        (Kind::List, Data::List(items)) => {
            let texts = items.iter().map(|item| match item {
                Data::Text(text) => Some(text.clone()),
                _ => None,
            });
            match texts.collect::<Option<Vec<_>>>() {
                Some(texts) => Ok(Value::List(texts)),
                None => wrong(),
            }
        }
        (Kind::Flag | Kind::Count | Kind::List, _) => wrong(),
        (_, Data::Text(text)) => kind.parse_text(text),
        // A bare number lacks its unit, and that is what the message says.
        (Kind::Bytes | Kind::Seconds | Kind::Choice(_), Data::Integer(n)) => {
            kind.parse_text(&n.to_string())
        }
        _ => wrong(),
    }
}

/// `3`, `"O3"` and `"-O3"` are the level 3.
fn opt_level(data: &Data) -> Data {
    match data {
        Data::Integer(n) => Data::Text(n.to_string()),
        Data::Text(text) => {
            let text = text.trim_start_matches('-');
            Data::Text(text.strip_prefix('O').unwrap_or(text).to_owned())
        }
        other => other.clone(),
    }
}

/// One architecture or several, each a text or a number.
fn architectures(data: &Data) -> Result<Value, String> {
    let one = |item: &Data| match item {
        Data::Text(text) => Some(text.clone()),
        Data::Integer(n) => Some(n.to_string()),
        Data::Float(n) => Some(n.to_string()),
        _ => None,
    };
    let items = match data {
        Data::List(items) => items.iter().map(one).collect::<Option<Vec<_>>>(),
        other => one(other).map(|item| item.split(';').map(str::to_owned).collect()),
    };
    items.map(Value::List).ok_or_else(|| {
        format!("expected an architecture such as \"5.2\", found {}", data.display())
    })
}
