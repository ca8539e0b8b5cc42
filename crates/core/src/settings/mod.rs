//! Settings: every knob's value on a profile, with the reason for it and the places it reaches.
//!
//! Does not know how a profile was made, and writes nothing; `emit` edits texts and
//! `ironwright-host` applies them.

pub mod catalogue;
pub mod compose;
pub mod derive;
pub mod explain;
pub mod knob;
pub mod range;
pub mod report;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::diagnostic::Diagnostic;
use crate::origin::Origin;
use crate::profile::{Entry, Layered, Profile, ProfileFile};
use crate::value::Value;
use derive::{Resolver, Step};
use knob::Knob;
use range::Range;

/// A knob with its value on a profile.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The knob.
    pub knob: &'static Knob,
    /// The value that counts.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
    /// What the rule gives, whether or not somebody overrode it.
    pub derived: Value,
    /// The explicit values, weakest first.
    pub overrides: Vec<Layered>,
    /// Whether builds get it: candidates that nobody measured or chose are shown only.
    pub applied: bool,
    /// The values that make sense here.
    pub range: Range,
    /// The way from facts to the derived value.
    pub steps: Vec<Step>,
}

/// Every knob on a profile.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The package whose overrides are applied.
    pub package: Option<String>,
    /// By id.
    pub by_id: BTreeMap<&'static str, Rc<Setting>>,
}

impl Settings {
    /// Derives every knob.
    pub fn resolve(profile: &Profile) -> Self {
        let resolver = Resolver::new(profile);
        let by_id = catalogue::knobs().map(|knob| (knob.id, resolver.setting(knob))).collect();
        Self { package: profile.package.clone(), by_id }
    }

    /// One knob's setting.
    pub fn get(&self, id: &str) -> Option<&Setting> {
        self.by_id.get(id).map(Rc::as_ref)
    }

    /// A knob that is a number of things; 1 when unset.
    pub fn count(&self, knob: &Knob) -> u64 {
        match self.get(knob.id).map(|s| &s.value) {
            Some(Value::Count(n)) => *n,
            _ => 1,
        }
    }

    /// A knob that is a time, in seconds, when it is set.
    pub fn seconds(&self, knob: &Knob) -> Option<u64> {
        match self.get(knob.id).map(|s| &s.value) {
            Some(Value::Seconds(seconds)) => Some(*seconds),
            _ => None,
        }
    }

    /// A knob that is a size, when it is set.
    pub fn size(&self, knob: &Knob) -> Option<crate::units::Bytes> {
        match self.get(knob.id).map(|s| &s.value) {
            Some(Value::Bytes(bytes)) => Some(*bytes),
            _ => None,
        }
    }
}

/// Values that lie outside of their range on this host: in the file (every package of it), the
/// environment and the flags.
pub fn range_mistakes(profile: &Profile, file: Option<&ProfileFile>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(file) = file {
        let packages = file.packages.iter().flat_map(|(_, entries)| entries);
        let entries = file.settings.iter().chain(packages);
        found.extend(entry_mistakes(profile, &file.path, &file.text, entries));
    }
    for (id, leaf) in &profile.settings {
        for layered in &leaf.layers {
            let place = match &layered.origin {
                Origin::Environment { variable } => format!("${variable}"),
                Origin::Flag { .. } => "--set".to_owned(),
                _ => continue,
            };
            if let Some(message) = outside(profile, id, &layered.value) {
                let text = layered.value.display();
                found.push(Diagnostic::new(&place, &text, 0..text.len(), message));
            }
        }
    }
    found.sort_by_key(|d| (d.line, d.column));
    found
}

/// Entries of a file whose values lie outside of their range on this host.
pub fn entry_mistakes<'a>(
    profile: &Profile,
    path: &str,
    text: &str,
    entries: impl Iterator<Item = &'a Entry>,
) -> Vec<Diagnostic> {
    let mistake = |entry: &Entry| {
        let message = outside(profile, &entry.key, &entry.value)?;
        Some(Diagnostic::new(path, text, entry.span.clone(), message))
    };
    entries.filter_map(mistake).collect()
}

fn outside(profile: &Profile, id: &str, value: &Value) -> Option<String> {
    let knob = catalogue::knob(id)?;
    let range = knob.range.on(knob.kind, profile);
    let shown = || format!("{id} is {} on this host, found {}", range.display(), value.display());
    (!range.contains(value)).then(shown)
}
