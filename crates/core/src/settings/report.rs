//! The serialisable view of settings: what `ironwright settings --json` prints.
//!
//! Does not know how it is shown; the CLI renders it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::derive::Step;
use super::explain::{WhatIf, what_if};
use super::knob::{Class, Effect, Knob, Language, Place};
use super::range::Range;
use super::{Setting, Settings};
use crate::origin::Origin;
use crate::profile::{Layered, Profile};
use crate::value::Value;

/// Version of this shape.
pub const SETTINGS_SCHEMA: u32 = 1;

/// All settings of a host, or of a package on it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SettingsReport {
    /// Version of this shape.
    pub schema: u32,
    /// Host name, when it is known.
    pub host: Option<String>,
    /// The package whose overrides are applied.
    pub package: Option<String>,
    /// Facts that nothing was known about, so that the universal profile's value is used.
    pub universal: Vec<String>,
    /// The knobs by id.
    pub settings: BTreeMap<String, SettingReport>,
}

/// One knob.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SettingReport {
    /// What it belongs to.
    pub language: Language,
    /// What it is.
    pub summary: String,
    /// The value that counts; sizes in bytes, durations in seconds, `null` when unset.
    pub value: Value,
    /// The value with its unit, for people.
    pub display: String,
    /// `bytes`, `seconds` or empty.
    pub unit: String,
    /// Where the value comes from.
    pub origin: Origin,
    /// Whether builds get it.
    pub applied: bool,
    /// Whether it may be applied before it was measured.
    pub class: Class,
    /// What the rule gives.
    pub derived: Value,
    /// Explicit values, weakest first.
    pub overrides: Vec<Layered>,
    /// Values that make sense here.
    pub range: Range,
    /// Where it is written.
    pub targets: Vec<TargetReport>,
    /// What it does.
    pub effect: Effect,
    /// The way from facts to the derived value.
    pub steps: Vec<Step>,
    /// What would change the derived value; found out with `--explain` only.
    pub what_if: Vec<WhatIf>,
}

/// A place that a knob reaches.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TargetReport {
    /// The kind of place.
    pub place: Place,
    /// Variable or key.
    pub key: String,
}

impl SettingsReport {
    /// The report on the knobs that `wanted` accepts, with what-ifs for those if asked for.
    pub fn new(
        profile: &Profile,
        settings: &Settings,
        explain: bool,
        wanted: impl Fn(&Knob) -> bool,
    ) -> Self {
        let host = match profile.host("host.name").value {
            Value::Text(name) => Some(name),
            _ => None,
        };
        let chosen = settings.by_id.values().filter(|s| wanted(s.knob));
        Self {
            schema: SETTINGS_SCHEMA,
            host,
            package: settings.package.clone(),
            universal: profile.universal_keys().into_iter().map(str::to_owned).collect(),
            settings: chosen
                .map(|s| (s.knob.id.to_owned(), SettingReport::new(profile, s, explain)))
                .collect(),
        }
    }
}

impl SettingReport {
    fn new(profile: &Profile, setting: &Setting, explain: bool) -> Self {
        let knob = setting.knob;
        Self {
            language: knob.language,
            summary: knob.summary.to_owned(),
            value: setting.value.clone(),
            display: setting.value.display(),
            unit: knob.kind.unit().to_owned(),
            origin: setting.origin.clone(),
            applied: setting.applied,
            class: knob.class,
            derived: setting.derived.clone(),
            overrides: setting.overrides.clone(),
            range: setting.range.clone(),
            targets: knob
                .targets
                .iter()
                .map(|t| TargetReport { place: t.place, key: t.key.to_owned() })
                .collect(),
            effect: knob.effect,
            steps: setting.steps.clone(),
            what_if: if explain { what_if(profile, knob) } else { Vec::new() },
        }
    }
}
