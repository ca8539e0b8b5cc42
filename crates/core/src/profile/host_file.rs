//! The text of `hosts/<name>.toml`: what a probe writes, and how a later probe brings it up to
//! date without touching what a person changed.
//!
//! A value that the probe wrote carries `# probed: <value> from <source>`. While the value still
//! equals the one in its comment, nobody edited it. Does not know files.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::detected::detected;
use super::key::HOST_KEYS;
use super::parse::PROFILE_SCHEMA;
use super::{Layered, parse};
use crate::diagnostic::Diagnostic;
use crate::facts::HostFacts;
use crate::origin::Origin;

/// What marks a value as written by a probe.
const MARK: &str = "# probed: ";

/// Facts of the moment rather than of the machine: always read anew, never written.
const NOT_WRITTEN: &[&str] = &["cpu.usable-threads"];

/// A profile text brought up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The new text.
    pub text: String,
    /// Keys whose value was refreshed.
    pub refreshed: Vec<String>,
    /// Keys that a person edited, which were left alone.
    pub kept: Vec<String>,
}

/// The text of a new profile.
pub fn render(facts: &HostFacts) -> String {
    let values = written(facts);
    let mut out = format!(
        "# Hardware profile of this host, read by `ironwright` and by Nix (builtins.fromTOML).\n\
         #\n\
         # A value with a \"probed\" comment follows the machine: `ironwright probe --write` refreshes it.\n\
         # Change the value and it is yours: it is never overwritten.\n\n\
         schema = {PROFILE_SCHEMA}\n"
    );
    let mut table = "";
    for key in HOST_KEYS {
        let Some(layered) = values.get(key.path) else { continue };
        let (own_table, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if own_table != table {
            // Writing to a String cannot fail.
            let _ = write!(out, "\n[{own_table}]\n");
            table = own_table;
        }
        let _ = writeln!(out, "# {}\n{}", key.summary, line(name, layered));
    }
    out.push_str(
        "\n# Knobs that differ from what is derived; `ironwright settings` lists them all.\n\
         # [settings]\n# cargo-build-jobs = 2\n\n\
         # The same for one package.\n# [packages.codex]\n# cargo-build-jobs = 3\n",
    );
    out
}

fn written(facts: &HostFacts) -> BTreeMap<String, Layered> {
    let mut values = detected(facts);
    values.retain(|key, _| !NOT_WRITTEN.contains(&key.as_str()));
    values
}

fn line(name: &str, layered: &Layered) -> String {
    let value = layered.value.toml();
    let source = match &layered.origin {
        Origin::Detected { source } => source.replace(['\n', '\r'], " "),
        other => other.to_string(),
    };
    format!("{name} = {value}  {MARK}{} from {source}", trace(&value))
}

/// Longest value that is repeated in its comment.
const REPEATED: usize = 40;

/// What tells later whether a value was edited: the value itself, or a checksum (FNV-1a) of a long
/// one such as the list of features.
fn trace(value: &str) -> String {
    if value.len() <= REPEATED {
        return value.to_owned();
    }
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("#{:016x}", value.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Refreshes the probed values of an existing profile. The errors are the profile's own mistakes:
/// a file that cannot be understood is not touched.
pub fn update(path: &str, text: &str, facts: &HostFacts) -> Result<Updated, Vec<Diagnostic>> {
    let (_, mistakes) = parse::parse(path, text);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let values = written(facts);
    let mut updated = Updated { text: String::new(), refreshed: Vec::new(), kept: Vec::new() };
    let mut table = String::new();
    for whole in text.split_inclusive('\n') {
        let content = whole.trim_end_matches(['\n', '\r']);
        if let Some(name) = table_header(content) {
            name.clone_into(&mut table);
        }
        match refreshed(content, &table, &values) {
            Line::Foreign => updated.text.push_str(whole),
            Line::Edited(key) => {
                updated.kept.push(key);
                updated.text.push_str(whole);
            }
            Line::Probed(key, new) => {
                if new != content {
                    updated.refreshed.push(key);
                }
                updated.text.push_str(&new);
                updated.text.push_str(&whole[content.len()..]);
            }
        }
    }
    Ok(updated)
}

enum Line {
    Foreign,
    Edited(String),
    Probed(String, String),
}

fn table_header(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.split(']').next()
}

fn refreshed(content: &str, table: &str, values: &BTreeMap<String, Layered>) -> Line {
    let Some((assignment, mark)) = content.rsplit_once(MARK) else { return Line::Foreign };
    let Some((name, value)) = assignment.split_once('=') else { return Line::Foreign };
    let name = name.trim();
    let key = format!("{table}.{name}");
    let Some(layered) = values.get(&key) else { return Line::Foreign };
    // The source may itself contain " from ", so the value is what the mark begins with.
    let unedited = mark.starts_with(&format!("{} from ", trace(value.trim())));
    if !unedited {
        return Line::Edited(key);
    }
    let indent = &content[..content.len() - content.trim_start().len()];
    Line::Probed(key, format!("{indent}{}", line(name, layered)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Fact;
    use crate::units::Bytes;
    use proptest::prelude::*;

    fn facts(ram: Bytes, features: &[&str]) -> HostFacts {
        let json = serde_json::json!({
            "schema": 1, "hostname": {"value": "a", "source": "s"},
            "cpu": {"architecture": {"value": "x86_64", "source": "uname -m"}, "features": {"value": features, "source": "/proc/cpuinfo"}, "caches": []},
            "memory": {"zram": [], "swap": []},
            "cgroup": {"mode": "v2", "memory_limit": {"value": "unlimited", "source": ""}, "memory_high": {"value": "unlimited", "source": ""},
                       "swap_limit": {"value": "unlimited", "source": ""}, "delegated": []},
            "storage": [], "gpus": [], "tools": {},
            "kernel": {"psi": {"value": true, "source": ""}, "user_manager": {"value": true, "source": ""}},
            "environment": {}, "problems": [],
        });
        let mut facts: HostFacts = serde_json::from_value(json).expect("has the shape of facts");
        facts.memory.total = Some(Fact::new(ram, "/proc/meminfo"));
        facts
    }

    const FEATURES: &[&str] = &["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe"];

    #[test]
    fn a_written_profile_has_no_mistakes_and_is_up_to_date() {
        let facts = facts(Bytes::gib(16), FEATURES);
        let text = render(&facts);
        assert_eq!(parse::parse("a.toml", &text).1, []);
        let updated = update("a.toml", &text, &facts).expect("is a profile");
        assert_eq!((updated.text, updated.refreshed, updated.kept), (text, vec![], vec![]));
    }

    #[test]
    fn what_changed_is_refreshed_and_what_was_edited_is_kept() {
        let text = render(&facts(Bytes::gib(16), FEATURES));
        let text = text.replace("ram = \"16GiB\"", "ram = \"12GiB\"").replace("\"avx2\", ", "");
        let updated =
            update("a.toml", &text, &facts(Bytes::gib(32), &["avx"])).expect("is a profile");
        assert_eq!(updated.kept, ["cpu.features", "memory.ram"]);
        assert_eq!(updated.text, text);
        let text = render(&facts(Bytes::gib(16), FEATURES));
        let updated =
            update("a.toml", &text, &facts(Bytes::gib(32), &["avx"])).expect("is a profile");
        assert_eq!(updated.refreshed, ["cpu.features", "memory.ram"]);
        assert_eq!(updated.text, render(&facts(Bytes::gib(32), &["avx"])));
    }

    #[test]
    fn a_profile_with_mistakes_is_not_touched() {
        assert!(update("a.toml", "[cpu\n", &facts(Bytes::gib(16), &[])).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_updated_without_a_panic(text in "([a-z\\[\\]=\"#. ]{0,20}(# probed: )?[a-z0-9 ]{0,9}\n){0,4}") {
            let _ = update("a.toml", &text, &facts(Bytes::gib(16), FEATURES));
        }
    }
}
