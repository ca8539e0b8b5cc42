//! A profile in the old shape, a Nix attribute set, becomes a profile file, with an account of every
//! attribute: kept, changed, or not understood.
//!
//! Does not know files, and evaluates nothing; [`data`] reads what is plain, and what needs Nix comes
//! evaluated, as JSON.

pub mod data;
pub mod keys;
mod mistake;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::key::{HOST_KEYS, check_bounds, host_kind};
use super::parse::{PROFILE_SCHEMA, parse};
use super::{Inputs, Profile};
use crate::diagnostic::nearest;
use crate::settings::catalogue;
use crate::value::Value;
use data::{Attribute, Data};
use keys::{
    COMPILER_KEYS, CUDA_KEYS, DROPPED, FACT_KEYS, Form, Key, PACKAGE_KEYS, PARALLELISM_KEYS,
};

/// What became of one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Account {
    /// Path of the attribute, `build.parallelism.maxJobs`.
    pub attribute: String,
    /// Line in the imported file, from 1; none where Nix evaluated it.
    pub line: Option<usize>,
    /// Its value there.
    pub value: String,
    /// The key that has it now, with its table, and the value.
    pub becomes: Option<String>,
    /// Why it was changed or left out.
    pub why: Option<String>,
}

/// A new profile, and how it came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Imported {
    /// Name of the host.
    pub host: String,
    /// The text of the profile file.
    pub text: String,
    /// Attributes whose value is the same.
    pub kept: Vec<Account>,
    /// Attributes whose value is another, in another unit, or not needed any more.
    pub changed: Vec<Account>,
    /// Attributes that say nothing to this program.
    pub not_understood: Vec<Account>,
}

/// Imports an evaluated or plain profile. `name` is the host's, where the file does not say it. The error says
/// why it is no profile.
pub fn import(profile: &Data, name: &str, source: &str) -> Result<Imported, String> {
    let mut importer = Importer::default();
    match unwrapped(profile) {
        Data::Set(entries) => importer.root(entries),
        Data::Opaque(_) => return Err("it is an expression that only Nix can evaluate".to_owned()),
        other => {
            return Err(format!("a profile is an attribute set, and this is {}", other.display()));
        }
    }
    importer.host_name(name);
    importer.processor();
    importer.fit();
    let text = importer.text(source);
    let host = importer.taken.get(&("host".to_owned(), "name".to_owned()));
    let host = host.map(|taken| taken.value.display()).unwrap_or_default();
    let mut out = importer.out;
    for accounts in [&mut out.kept, &mut out.changed, &mut out.not_understood] {
        accounts.sort_by_key(|account| account.line);
    }
    out.host = host;
    out.text = text;
    Ok(out)
}

/// A profile may be the only attribute of a set: `{ hardwareProfile = { … }; }`.
fn unwrapped(data: &Data) -> &Data {
    match data {
        Data::Set(entries) => match entries.as_slice() {
            [only] if ["hardwareProfile", "hardware", "profile"].contains(&only.name.as_str()) => {
                unwrapped(&only.value)
            }
            _ => data,
        },
        _ => data,
    }
}

/// A value with what it came from.
#[derive(Clone, Debug)]
struct Taken {
    value: Value,
    account: Account,
    changed: bool,
}

#[derive(Default)]
struct Importer {
    /// By table (`cpu`, `settings`, `packages.codex`) and key.
    taken: BTreeMap<(String, String), Taken>,
    out: Imported,
}

impl Importer {
    fn root(&mut self, entries: &[Attribute]) {
        for entry in entries {
            match (entry.name.as_str(), &entry.value) {
                ("build", Data::Set(inner)) => self.build(inner),
                ("packages", Data::Set(inner)) => self.packages(inner),
                ("cpu" | "memory" | "gpu" | "storage" | "host", Data::Set(inner)) => {
                    self.facts(&entry.name, inner);
                }
                (table, value) if TABLES.contains(&table) => {
                    self.unknown(table, entry.line, value, &no_set(value));
                }
                (_, value) => self.fact("", &entry.name, entry.line, value),
            }
        }
    }

    fn build(&mut self, entries: &[Attribute]) {
        for entry in entries {
            let keys = match entry.name.as_str() {
                "parallelism" => PARALLELISM_KEYS,
                "compiler" | "linker" | "rust" | "go" => COMPILER_KEYS,
                "cuda" => CUDA_KEYS,
                _ => &[],
            };
            let path = format!("build.{}", entry.name);
            match &entry.value {
                Data::Set(inner) if !keys.is_empty() => self.knobs(&path, "settings", keys, inner),
                value if !keys.is_empty() => self.unknown(&path, entry.line, value, &no_set(value)),
                value => {
                    let known = ["parallelism", "compiler", "cuda"];
                    self.unknown(&path, entry.line, value, &hint(&entry.name, known.into_iter()));
                }
            }
        }
    }

    fn packages(&mut self, entries: &[Attribute]) {
        for entry in entries {
            let path = format!("packages.{}", entry.name);
            match &entry.value {
                Data::Set(inner) => self.knobs(&path, &path, PACKAGE_KEYS, inner),
                value => self.unknown(&path, entry.line, value, &no_set(value)),
            }
        }
    }

    fn knobs(&mut self, path: &str, table: &str, keys: &[Key], entries: &[Attribute]) {
        for entry in entries {
            let own = format!("{path}.{}", entry.name);
            if let Some((_, why)) = DROPPED.iter().find(|(name, _)| *name == entry.name) {
                self.dropped(&own, entry, why);
                continue;
            }
            let known = keys.iter().find(|key| key.name == entry.name);
            // A knob under its new name is as good.
            let direct = catalogue::knob(&entry.name).map(|knob| (knob.id, Form::Same));
            let Some((knob, form)) = known.map(|key| (key.knob, key.form)).or(direct) else {
                let why = hint(&entry.name, keys.iter().map(|key| key.name));
                self.unknown(&own, entry.line, &entry.value, &why);
                continue;
            };
            let knob = renamed(knob, path);
            self.take(&own, entry, table, knob, form);
        }
    }

    fn facts(&mut self, table: &str, entries: &[Attribute]) {
        for entry in entries {
            self.fact(table, &entry.name, entry.line, &entry.value);
        }
    }

    fn fact(&mut self, group: &str, name: &str, line: Option<usize>, value: &Data) {
        let path = if group.is_empty() { name.to_owned() } else { format!("{group}.{name}") };
        let entry = Attribute { name: name.to_owned(), line, value: value.clone() };
        let known = FACT_KEYS.iter().find(|(g, n, _, _)| *g == group && *n == name);
        let direct = host_kind(&path).map(|_| (path.as_str(), Form::Same));
        if let Some((key, form)) = known.map(|(_, _, key, form)| (*key, *form)).or(direct) {
            let (table, name) = key.split_once('.').unwrap_or(("", key));
            self.take(&path, &entry, table, name, form);
        } else {
            let names = FACT_KEYS.iter().filter(|(g, ..)| *g == group).map(|(_, n, ..)| *n);
            let tables = if group.is_empty() { TABLES } else { &[] };
            let why = hint(name, names.chain(tables.iter().copied()));
            self.unknown(&path, line, value, &why);
        }
    }

    /// Converts a value and puts it into a table, or says why not.
    fn take(&mut self, path: &str, entry: &Attribute, table: &str, key: &str, form: Form) {
        let full = if key_is_fact(table) { format!("{table}.{key}") } else { key.to_owned() };
        let kind = host_kind(&full).or_else(|| catalogue::knob(key).map(|knob| knob.kind));
        let Some(kind) = kind else { return };
        let account = account(path, entry.line, &entry.value);
        let value = match target::value(kind, form, &entry.value) {
            Ok(Some(value)) => value,
            Ok(None) => return self.dropped(path, entry, "says what is so without it"),
            Err(why) => return self.unknown(path, entry.line, &entry.value, &why),
        };
        if let Err(why) = check_bounds(&full, &value) {
            return self.unknown(path, entry.line, &entry.value, &why);
        }
        let changed = form != Form::Same || !target::same(&entry.value, &value);
        let slot = (table.to_owned(), key.to_owned());
        if let Some(earlier) = self.taken.get(&slot) {
            let (other, is_same) = (&earlier.account.attribute, earlier.value == value);
            let why = if is_same {
                format!("{other} says it already")
            } else {
                format!("{other} says {} and was taken", earlier.value.toml())
            };
            return self.dropped(path, entry, &why);
        }
        self.taken.insert(slot, Taken { value, account, changed });
    }

    fn host_name(&mut self, name: &str) {
        let slot = ("host".to_owned(), "name".to_owned());
        self.taken.entry(slot).or_insert_with(|| Taken {
            value: Value::text(name),
            account: Account {
                why: Some("the file does not say it".to_owned()),
                ..followed("host.name")
            },
            changed: true,
        });
    }

    /// What follows from the processor's name, where the file does not say it: settings for other
    /// languages than C are derived from it.
    fn processor(&mut self) {
        let text = |slot: (&str, &str)| match &self
            .taken
            .get(&(slot.0.to_owned(), slot.1.to_owned()))?
            .value
        {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let named = text(("cpu", "microarchitecture")).or_else(|| text(("settings", "c-march")));
        let Some(named) = named else { return };
        for (key, value) in target::implied(&named) {
            let why = Some(format!("follows from {named}"));
            let account = followed(&format!("cpu.{key}"));
            let taken = Taken { value, account: Account { why, ..account }, changed: true };
            self.taken.entry(("cpu".to_owned(), key.to_owned())).or_insert(taken);
        }
    }

    /// Brings values into the range of the host that the file itself describes, and makes the
    /// accounts.
    fn fit(&mut self) {
        let text = self.text("");
        let (file, _) = parse("", &text);
        let (profile, _) = Profile::merge(&Inputs { file: Some(&file), ..Inputs::default() });
        let mut lost = Vec::new();
        for ((table, key), taken) in &mut self.taken {
            if key_is_fact(table) {
                continue;
            }
            let Some(knob) = catalogue::knob(key) else { continue };
            let range = knob.range.on(knob.kind, &profile);
            if range.contains(&taken.value) {
                continue;
            }
            let why = format!("{key} is {} on the host as described", range.display());
            taken.changed = true;
            match range.nearest(&taken.value) {
                Some(value) => {
                    taken.value = value;
                    taken.account.why = Some(why);
                }
                None => lost.push(((table.clone(), key.clone()), why)),
            }
        }
        for (slot, why) in lost {
            if let Some(taken) = self.taken.remove(&slot) {
                self.out.not_understood.push(Account { why: Some(why), ..taken.account });
            }
        }
        for ((table, key), taken) in &self.taken {
            let becomes = Some(format!("[{table}] {key} = {}", taken.value.toml()));
            let account = Account { becomes, ..taken.account.clone() };
            if taken.changed {
                self.out.changed.push(account);
            } else {
                self.out.kept.push(account);
            }
        }
    }

    fn text(&self, source: &str) -> String {
        let mut out = format!(
            "# Hardware profile of this host, imported from {}.\n\nschema = {PROFILE_SCHEMA}\n",
            source.replace(['\n', '\r'], " ")
        );
        for table in self.tables() {
            out.push_str(&format!("\n[{}]\n", spelled_table(&table)));
            let own = self.taken.iter().filter(|((t, _), _)| *t == table);
            for ((_, key), taken) in own {
                out.push_str(&format!("{key} = {}\n", taken.value.toml()));
            }
        }
        out
    }

    /// The tables in the order of a probed profile, then settings and packages.
    fn tables(&self) -> Vec<String> {
        let mut order: Vec<String> = Vec::new();
        let hosts = HOST_KEYS.iter().filter_map(|key| key.path.split_once('.')).map(|(t, _)| t);
        for table in hosts.chain(["tools", "settings"]) {
            if !order.iter().any(|known| known == table) {
                order.push(table.to_owned());
            }
        }
        let present = |table: &String| self.taken.keys().any(|(t, _)| t == table);
        order.retain(present);
        for (table, _) in self.taken.keys() {
            if !order.contains(table) {
                order.push(table.clone());
            }
        }
        order
    }

    fn dropped(&mut self, path: &str, entry: &Attribute, why: &str) {
        let why = Some(why.to_owned());
        self.out.changed.push(Account { why, ..account(path, entry.line, &entry.value) });
    }

    fn unknown(&mut self, path: &str, line: Option<usize>, value: &Data, why: &str) {
        let why = match value {
            Data::Opaque(_) => {
                "an expression: without Nix its value is not known, or it is no data".to_owned()
            }
            _ => why.to_owned(),
        };
        self.out.not_understood.push(Account { why: Some(why), ..account(path, line, value) });
    }
}

/// The attribute sets of the old shape.
const TABLES: &[&str] = &["cpu", "memory", "gpu", "storage", "build", "packages"];

fn key_is_fact(table: &str) -> bool {
    table != "settings" && !table.starts_with("packages.")
}

/// `pgoLevel` and `lto` mean what the package is: Python, Node.js, or else C and Rust.
fn renamed<'a>(knob: &'a str, path: &str) -> &'a str {
    let package = path.strip_prefix("packages.").unwrap_or_default();
    match knob {
        "python-pgo-level" if package.starts_with("node") => "node-pgo-level",
        knob => knob,
    }
}

fn account(path: &str, line: Option<usize>, value: &Data) -> Account {
    Account { attribute: path.to_owned(), line, value: value.display(), becomes: None, why: None }
}

/// The account of what the file does not say.
fn followed(path: &str) -> Account {
    Account { value: "not said".to_owned(), ..account(path, None, &Data::Null) }
}

fn no_set(value: &Data) -> String {
    format!("expected an attribute set, found {}", value.display())
}

fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(near) => format!("no such attribute is known; did you mean {near}?"),
        None => "no such attribute is known".to_owned(),
    }
}

/// A table's name in TOML: names of packages may hold anything.
fn spelled_table(table: &str) -> String {
    match table.strip_prefix("packages.") {
        Some(name) if !is_bare(name) => format!("packages.{}", Value::text(name).toml()),
        _ => table.to_owned(),
    }
}

fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
