//! `settings.json`: the resolved settings as the data that the Nix library reads.
//!
//! A document of values only; what Nix makes of them stands in `nix/`. Does not know derivations, and
//! writes no Nix code.

pub mod compilers;
pub mod legacy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::profile::Profile;
use crate::settings::catalogue;
use crate::settings::compose::{Assignment, assignments};
use crate::settings::knob::{Class, Place};
use crate::settings::{Setting, Settings};
use crate::value::{Kind, Value};
use compilers::{Accepted, accepted};

/// Version of this shape. The library refuses a newer one.
pub const NIX_SCHEMA: u32 = 1;
/// What the document calls itself, so that it is not taken for a profile.
pub const NIX_KIND: &str = "ironwright-settings";

/// `settings.json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NixSettings {
    /// What this is: [`NIX_KIND`].
    pub kind: String,
    /// Version of this shape.
    pub schema: u32,
    /// Version of the program that wrote it.
    pub program: String,
    /// Host name, when it is known.
    pub host: Option<String>,
    /// Facts about the host; sizes in bytes, `null` when unknown.
    pub facts: BTreeMap<String, Value>,
    /// Every knob; sizes in bytes, durations in seconds, `null` when unset.
    pub settings: BTreeMap<String, Value>,
    /// Knobs that somebody set, rather than the program derived.
    pub chosen: Vec<String>,
    /// Processor names by compiler: the first version that takes a name, newest first.
    pub processors: BTreeMap<String, Vec<Accepted>>,
    /// Variables of a session, of the knobs that are applied.
    pub environment: BTreeMap<String, String>,
    /// Keys of `nix.conf`.
    #[serde(rename = "nix-conf")]
    pub nix_conf: BTreeMap<String, String>,
    /// Packages with settings of their own.
    pub packages: BTreeMap<String, NixPackage>,
}

/// What differs for one package.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NixPackage {
    /// Knobs whose value is not the host's.
    pub settings: BTreeMap<String, Value>,
    /// Knobs that somebody set for this package.
    pub chosen: Vec<String>,
}

/// The document of a host: its profile, and that of each package that has overrides.
pub fn nix_settings(program: &str, host: &Profile, packages: &[(String, Profile)]) -> NixSettings {
    let settings = Settings::resolve(host);
    let name = match host.host("host.name").value {
        Value::Text(name) => Some(name),
        _ => None,
    };
    NixSettings {
        kind: NIX_KIND.to_owned(),
        schema: NIX_SCHEMA,
        program: program.to_owned(),
        host: name,
        facts: host.host.keys().map(|key| (key.clone(), host.host(key).value)).collect(),
        chosen: chosen(&settings),
        processors: accepted(host),
        environment: keyed(&assignments(host, Place::Env, false)),
        nix_conf: keyed(&assignments(host, Place::NixConf, false)),
        packages: packages
            .iter()
            .map(|(name, profile)| (name.clone(), package(&settings, profile)))
            .collect(),
        settings: settings
            .by_id
            .values()
            .map(|s| (s.knob.id.to_owned(), s.value.clone()))
            .collect(),
    }
}

fn package(host: &Settings, profile: &Profile) -> NixPackage {
    let own = Settings::resolve(profile);
    let differs = |s: &&std::rc::Rc<Setting>| {
        host.get(s.knob.id).is_none_or(|h| h.value != s.value) || is_own(s)
    };
    NixPackage {
        settings: own
            .by_id
            .values()
            .filter(differs)
            .map(|s| (s.knob.id.to_owned(), s.value.clone()))
            .collect(),
        chosen: own.by_id.values().filter(|s| is_own(s)).map(|s| s.knob.id.to_owned()).collect(),
    }
}

/// Whether somebody set it for a package.
fn is_own(setting: &Setting) -> bool {
    setting
        .overrides
        .iter()
        .any(|layer| matches!(layer.origin, crate::origin::Origin::Package { .. }))
}

fn chosen(settings: &Settings) -> Vec<String> {
    let set = settings.by_id.values().filter(|s| !s.overrides.is_empty());
    set.map(|s| s.knob.id.to_owned()).collect()
}

fn keyed(assignments: &[Assignment]) -> BTreeMap<String, String> {
    assignments.iter().map(|a| (a.key.clone(), a.value())).collect()
}

/// `nix/data/knobs.json`: what the library checks settings against, and the value of each knob on a
/// machine about which nothing is known.
pub fn knob_data() -> Json {
    let (profile, _) = Profile::merge(&crate::profile::Inputs::default());
    let settings = Settings::resolve(&profile);
    let knobs: Map<String, Json> = catalogue::knobs()
        .filter_map(|knob| {
            let setting = settings.get(knob.id)?;
            let bounds = knob.range.bounds();
            let class = if knob.class == Class::Resource { "resource" } else { "output" };
            Some((
                knob.id.to_owned(),
                json!({
                    "kind": kind_name(knob.kind),
                    "class": class,
                    "language": knob.language.name(),
                    "choices": setting.range.choices,
                    "least": bounds.least,
                    "most": bounds.most,
                    "name": bounds.is_name,
                    "summary": knob.summary,
                    "universal": setting.value,
                }),
            ))
        })
        .collect();
    json!({
        "kind": NIX_KIND,
        "schema": NIX_SCHEMA,
        "knobs": knobs,
        "universal": {
            "nix-conf": keyed(&assignments(&profile, Place::NixConf, false)),
            "environment": keyed(&assignments(&profile, Place::Env, false)),
        },
    })
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Count => "count",
        Kind::Bytes => "bytes",
        Kind::Seconds => "seconds",
        Kind::Ratio => "ratio",
        Kind::Flag => "flag",
        Kind::Text => "text",
        Kind::Choice(_) => "choice",
        Kind::List => "list",
    }
}

/// A document as the text of a file.
pub fn text(document: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(document).map(|text| text + "\n")
}
