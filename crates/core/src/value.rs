//! Values that a profile sets and a knob takes, and the kinds that say how each is written.
//!
//! Does not know which keys exist, nor which values make sense on a machine.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::units::Bytes;

/// A value of a profile key or a knob.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// A whole number of things: threads, jobs, units.
    Count(u64),
    /// A size; serialised as bytes.
    Bytes(Bytes),
    /// A duration; serialised as seconds.
    Seconds(u64),
    /// A factor.
    Ratio(f64),
    /// Yes or no.
    Flag(bool),
    /// A name or a word from a list of choices.
    Text(String),
    /// Several names.
    List(Vec<String>),
    /// Nothing is set: the tool keeps its own default. Serialised as `null`.
    Unset,
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The value as people read it, with its unit.
    pub fn display(&self) -> String {
        match self {
            Self::Count(n) => n.to_string(),
            Self::Bytes(bytes) => bytes.to_string(),
            Self::Seconds(seconds) => show_seconds(*seconds),
            Self::Ratio(ratio) => format!("{ratio:.2}"),
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(items) if items.is_empty() => "none".to_owned(),
            Self::List(items) => items.join(" "),
            Self::Unset => "unset".to_owned(),
        }
    }

    /// The value as it is written in a profile.
    pub fn toml(&self) -> String {
        match self {
            Self::Count(n) => n.to_string(),
            Self::Bytes(bytes) => format!("\"{}\"", bytes.exact()),
            Self::Seconds(seconds) => format!("\"{}\"", show_seconds(*seconds)),
            Self::Ratio(ratio) => format!("{ratio:.2}"),
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => quoted(text),
            Self::List(items) => {
                format!("[{}]", items.iter().map(|i| quoted(i)).collect::<Vec<_>>().join(", "))
            }
            Self::Unset => "\"unset\"".to_owned(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.display())
    }
}

/// A TOML string; TOML's basic strings and JSON's agree on every escape that JSON writes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// How a value is written and what may stand in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// [`Value::Count`].
    Count,
    /// [`Value::Bytes`].
    Bytes,
    /// [`Value::Seconds`].
    Seconds,
    /// [`Value::Ratio`].
    Ratio,
    /// [`Value::Flag`].
    Flag,
    /// [`Value::Text`] with any content.
    Text,
    /// [`Value::Text`] out of these words.
    Choice(&'static [&'static str]),
    /// [`Value::List`].
    List,
}

impl Kind {
    /// What a user has to write.
    pub fn expectation(self) -> String {
        match self {
            Self::Count => "a whole number such as 4".to_owned(),
            Self::Bytes => "a size with its unit, such as \"14GiB\"".to_owned(),
            Self::Seconds => "a duration with its unit, such as \"24h\" or \"90m\"".to_owned(),
            Self::Ratio => "a number such as 2.5".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Text => "a text in quotes".to_owned(),
            Self::Choice(words) => format!("one of {}", one_of(words)),
            Self::List => "a list of texts such as [\"5.2\"]".to_owned(),
        }
    }

    /// The name of the unit, empty where there is none.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::Count | Self::Ratio | Self::Flag | Self::Text | Self::Choice(_) | Self::List => {
                ""
            }
        }
    }

    /// Reads a value from a text, as the environment and `--set` give it.
    pub fn parse_text(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        if text == "unset" {
            return Ok(Value::Unset);
        }
        let wrong = || format!("expected {}, found \"{text}\"", self.expectation());
        match self {
            Self::Count => text.parse().map(Value::Count).map_err(|_| wrong()),
            Self::Bytes => text.parse().map(Value::Bytes).map_err(|e| format!("{e}")),
            Self::Seconds => parse_seconds(text).map(Value::Seconds),
            Self::Ratio => match text.parse::<f64>() {
                Ok(ratio) if ratio.is_finite() => Ok(Value::Ratio(ratio)),
                _ => Err(wrong()),
            },
            Self::Flag => text.parse().map(Value::Flag).map_err(|_| wrong()),
            Self::Choice(words) if !words.contains(&text) => Err(wrong()),
            Self::Text | Self::Choice(_) => Ok(Value::text(text)),
            Self::List => Ok(Value::List(
                text.split([',', ' ']).filter(|i| !i.is_empty()).map(str::to_owned).collect(),
            )),
        }
    }
}

/// `"a", "b" or "c"`.
fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|w| format!("\"{w}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Reads `90s`, `45m`, `24h` or `2d`. A bare number is refused: it says nothing about its unit.
fn parse_seconds(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim());
    let factor = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "" if !number.is_empty() => {
            return Err(format!(
                "a duration needs a unit: write \"{number}s\", \"{number}m\" or \"{number}h\""
            ));
        }
        _ => {
            return Err(format!(
                "\"{text}\" is not a duration: write one such as \"24h\", \"90m\" or \"30s\""
            ));
        }
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(|| format!("\"{text}\" is not a duration: write one such as \"24h\""))
}

fn show_seconds(seconds: u64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        s if s.is_multiple_of(3_600) => format!("{}h", s / 3_600),
        s if s.is_multiple_of(60) => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_become_values_of_their_kind() {
        assert_eq!(Kind::Count.parse_text(" 4 "), Ok(Value::Count(4)));
        assert_eq!(Kind::Seconds.parse_text("24h"), Ok(Value::Seconds(86_400)));
        assert_eq!(Kind::Choice(&["off", "thin"]).parse_text("thin"), Ok(Value::text("thin")));
        assert_eq!(
            Kind::List.parse_text("5.2, 8.6"),
            Ok(Value::List(vec!["5.2".into(), "8.6".into()]))
        );
        assert_eq!(Kind::Bytes.parse_text("unset"), Ok(Value::Unset));
    }

    #[test]
    fn wrong_texts_say_what_would_be_right() {
        let message = |kind: Kind, text| kind.parse_text(text).expect_err("is wrong");
        assert_eq!(
            message(Kind::Count, "four"),
            "expected a whole number such as 4, found \"four\""
        );
        assert_eq!(
            message(Kind::Choice(&["off", "thin", "fat"]), "full"),
            "expected one of \"off\", \"thin\" or \"fat\", found \"full\""
        );
        assert!(message(Kind::Seconds, "90").starts_with("a duration needs a unit"));
        assert!(message(Kind::Ratio, "NaN").starts_with("expected a number"));
    }

    proptest! {
        #[test]
        fn durations_survive_being_shown(seconds in any::<u32>()) {
            let shown = show_seconds(u64::from(seconds));
            prop_assert_eq!(parse_seconds(&shown), Ok(u64::from(seconds)));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,20}") {
            for kind in [Kind::Count, Kind::Bytes, Kind::Seconds, Kind::Ratio, Kind::Flag, Kind::Text, Kind::List] {
                let _ = kind.parse_text(&text);
            }
        }
    }
}
