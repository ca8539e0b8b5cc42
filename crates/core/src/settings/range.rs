//! The values that make sense for a knob on a host.
//!
//! Does not know why a value outside would be wrong beyond the bound itself.

use schemars::JsonSchema;
use serde::Serialize;

use crate::profile::Profile;
use crate::units::Bytes;
use crate::value::{Kind, Value};

/// A range as a function of the host.
#[derive(Clone, Copy, Debug)]
pub enum RangeRule {
    /// Whole numbers from the first to the second.
    Counts(u64, u64),
    /// Whole numbers from the first to this many times the hardware threads, and at least 16: a
    /// small machine may still want to try more.
    TimesThreads(u64, u64),
    /// Sizes from the first, in bytes, to the machine's memory including zram and swap.
    Memory(u64),
    /// Durations between the two, in seconds.
    Seconds(u64, u64),
    /// Lists whose entries are among these words.
    Words(&'static [&'static str]),
    /// A name that stands in a flag: one word of letters, digits and `. _ + -`.
    Name,
    /// Whatever the kind allows.
    Any,
}

/// A range on a particular host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Range {
    /// Least value, where values have an order.
    pub least: Option<Value>,
    /// Greatest value.
    pub most: Option<Value>,
    /// The only words allowed, where it is a choice.
    pub choices: Vec<String>,
    /// Whether it is a name: one word of letters, digits and `. _ + -`.
    #[serde(skip)]
    pub is_name: bool,
}

/// The bounds that hold on every host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Least number.
    pub least: Option<u64>,
    /// Greatest number.
    pub most: Option<u64>,
    /// Whether it is a name.
    pub is_name: bool,
}

impl RangeRule {
    /// What of the range depends on no host.
    pub fn bounds(self) -> Bounds {
        let numbers = |least, most| Bounds { least: Some(least), most, is_name: false };
        match self {
            Self::Counts(least, most) | Self::Seconds(least, most) => numbers(least, Some(most)),
            Self::TimesThreads(least, _) | Self::Memory(least) => numbers(least, None),
            Self::Name => Bounds { is_name: true, ..Bounds::default() },
            Self::Words(_) | Self::Any => Bounds::default(),
        }
    }

    /// The range on this host.
    pub fn on(self, kind: Kind, profile: &Profile) -> Range {
        let bounded =
            |least, most| Range { least: Some(least), most: Some(most), ..Range::default() };
        match self {
            Self::Counts(least, most) => bounded(Value::Count(least), Value::Count(most)),
            Self::TimesThreads(least, factor) => {
                let threads = match profile.host("cpu.threads").value {
                    Value::Count(n) => n,
                    _ => 1,
                };
                bounded(Value::Count(least), Value::Count(threads.saturating_mul(factor).max(16)))
            }
            Self::Memory(least) => {
                bounded(Value::Bytes(Bytes(least)), Value::Bytes(all_memory(profile)))
            }
            Self::Seconds(least, most) => bounded(Value::Seconds(least), Value::Seconds(most)),
            Self::Words(words) => Range {
                choices: words.iter().map(|word| (*word).to_owned()).collect(),
                ..Range::default()
            },
            Self::Name => Range { is_name: true, ..Range::default() },
            Self::Any => {
                let choices = match kind {
                    Kind::Choice(words) => words.iter().map(|w| (*w).to_owned()).collect(),
                    _ => Vec::new(),
                };
                Range { choices, ..Range::default() }
            }
        }
    }
}

fn all_memory(profile: &Profile) -> Bytes {
    ["memory.ram", "memory.zram", "memory.swap"].iter().fold(Bytes::ZERO, |sum, key| match profile
        .host(key)
        .value
    {
        Value::Bytes(bytes) => sum.saturating_add(bytes),
        _ => sum,
    })
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(fits)
}

impl Range {
    /// Whether a value lies inside. Unset always does: it leaves the choice to the tool.
    pub fn contains(&self, value: &Value) -> bool {
        let (least, most) = (self.least.as_ref(), self.most.as_ref());
        match (value, least, most) {
            (Value::Count(n), Some(Value::Count(a)), Some(Value::Count(b))) => (a..=b).contains(&n),
            (Value::Seconds(n), Some(Value::Seconds(a)), Some(Value::Seconds(b))) => {
                (a..=b).contains(&n)
            }
            (Value::Bytes(n), Some(Value::Bytes(a)), Some(Value::Bytes(b))) => (a..=b).contains(&n),
            (Value::List(words), _, _) if !self.choices.is_empty() => {
                words.iter().all(|word| self.choices.contains(word))
            }
            (Value::Text(word), _, _) if !self.choices.is_empty() => self.choices.contains(word),
            (Value::Text(name), _, _) if self.is_name => is_name(name),
            _ => true,
        }
    }

    /// The value inside that is nearest to a number outside; nothing for what has no order.
    pub fn nearest(&self, value: &Value) -> Option<Value> {
        let (least, most) = (self.least.clone()?, self.most.clone()?);
        let below = match (value, &least) {
            (Value::Count(n), Value::Count(least)) | (Value::Seconds(n), Value::Seconds(least)) => {
                n < least
            }
            (Value::Bytes(n), Value::Bytes(least)) => n < least,
            _ => return None,
        };
        if self.contains(value) {
            return Some(value.clone());
        }
        Some(if below { least } else { most })
    }

    /// `1 to 16`, `"off", "thin" or "fat"`, or `any`.
    pub fn display(&self) -> String {
        match (&self.least, &self.most) {
            (Some(least), Some(most)) => format!("{} to {}", least.display(), most.display()),
            _ if self.is_name => "a name".to_owned(),
            _ if self.choices.is_empty() => "any".to_owned(),
            _ => self.choices.join(" | "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_that_stands_in_a_flag() {
        let range = Range { is_name: true, ..Range::default() };
        let fits = |text: &&str| range.contains(&Value::Text((*text).to_owned()));
        assert!(["native", "x86-64-v3", "armv8.2-a+crypto", "neoverse-n1"].iter().all(fits));
        assert!(!["", "a b", "-x", "pentium-x; rm", "v3\n"].iter().any(fits));
    }
}
