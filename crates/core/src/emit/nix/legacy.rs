//! The settings in the shape that hand-written hardware profiles have: `build.parallelism.maxJobs`,
//! `build.compiler.march`, `packages.<name>.cargoBuildJobs`.
//!
//! For modules that read such an attribute set; the names that the shape has are the same that an
//! import understands ([`crate::profile::import`]). Does not know those modules.

use super::compilers::accepted;
use super::is_own;
use serde_json::{Map, Value as Json, json};

use crate::plan::TierLimits;
use crate::profile::Profile;
use crate::profile::import::keys::{Form, Key, PACKAGE_KEYS, PARALLELISM_KEYS};
use crate::settings::Settings;
use crate::settings::catalogue;
use crate::settings::catalogue::system::{BUILD_THREADS, MEMORY_BUDGET};
use crate::value::Value;

/// The profile in the old shape, as JSON: `builtins.fromJSON` makes the attribute set of it.
pub fn legacy(host: &Profile, packages: &[(String, Profile)]) -> Json {
    let settings = Settings::resolve(host);
    let mut parallelism = group(&settings, PARALLELISM_KEYS, |_| true);
    for (name, value) in tiers(&settings) {
        parallelism.insert(name, value);
    }
    let packages: Map<String, Json> = packages
        .iter()
        .map(|(name, profile)| {
            let own = Settings::resolve(profile);
            let set = |id: &str| own.get(id).is_some_and(is_own);
            let mut table = group(&own, PACKAGE_KEYS, set);
            table.extend(nameless(&own, set));
            (name.clone(), Json::Object(table))
        })
        .collect();
    json!({
        "name": fact(host, "host.name"),
        "cpu": {
            "cores": fact(host, "cpu.cores"),
            "threads": fact(host, "cpu.threads"),
            "architecture": fact(host, "cpu.microarchitecture"),
        },
        "memory": {
            "ramGB": gigabytes(&host.host("memory.ram").value),
            "zramGB": gigabytes(&host.host("memory.zram").value),
        },
        "gpu": { "computeCapability": fact(host, "gpu.compute-capability") },
        "build": {
            "parallelism": parallelism,
            "compiler": {
                "march": march(host, &settings),
                "optimizationLevel": knob(&settings, "c-opt-level"),
                "linker": knob(&settings, "linker"),
                "lto": knob(&settings, "c-lto"),
            },
            "cuda": { "architectures": knob(&settings, "cuda-architectures") },
        },
        "packages": packages,
    })
}

fn fact(profile: &Profile, key: &str) -> Json {
    json!(profile.host(key).value)
}

fn knob(settings: &Settings, id: &str) -> Json {
    settings.get(id).map_or(Json::Null, |setting| json!(setting.value))
}

/// Without a compiler on the host, the name that the newest one would take.
fn march(host: &Profile, settings: &Settings) -> Json {
    match knob(settings, "c-march") {
        Json::Null => accepted(host)
            .get("gcc")
            .and_then(|names| names.first())
            .map_or(Json::Null, |newest| json!(newest.name)),
        name => name,
    }
}

/// Binary gigabytes as people write them: whole from four on, with two digits below.
fn gigabytes(value: &Value) -> Json {
    match value {
        Value::Bytes(bytes) if bytes.0 >= 4 << 30 || bytes.0.is_multiple_of(1 << 30) => {
            json!(bytes.0.saturating_add(1 << 29) >> 30)
        }
        Value::Bytes(bytes) => {
            json!((bytes.0 as f64 / (1_u64 << 30) as f64 * 100.0).floor() / 100.0)
        }
        _ => Json::Null,
    }
}

/// The keys of a table whose knob is wanted and has a value.
fn group(settings: &Settings, keys: &[Key], wanted: impl Fn(&str) -> bool) -> Map<String, Json> {
    let mut out = Map::new();
    for key in keys.iter().filter(|key| wanted(key.knob)) {
        let Some(setting) = settings.get(key.knob) else { continue };
        if let Some(value) = spelled(key.form, &setting.value) {
            out.entry(key.name.to_owned()).or_insert(value);
        }
    }
    out
}

/// What the old shape has no name for keeps its own, which an import understands.
fn nameless(settings: &Settings, wanted: impl Fn(&str) -> bool) -> Map<String, Json> {
    let has_name = |id: &str| PACKAGE_KEYS.iter().any(|key| key.knob == id);
    let ids = catalogue::knobs().map(|knob| knob.id).filter(|id| wanted(id) && !has_name(id));
    let value = |id: &str| spelled(Form::Same, &settings.get(id)?.value);
    ids.filter_map(|id| Some((id.to_owned(), value(id)?))).collect()
}

/// A knob's value as the old shape spells it.
fn spelled(form: Form, value: &Value) -> Option<Json> {
    match (form, value) {
        (_, Value::Unset) => None,
        (Form::Kilobytes, Value::Bytes(bytes)) => Some(json!(bytes.0 / 1024)),
        // A limit that is rounded is another one.
        (Form::Gigabytes, Value::Bytes(bytes)) if !bytes.0.is_multiple_of(1 << 30) => None,
        (Form::Gigabytes, value @ Value::Bytes(_)) => Some(gigabytes(value)),
        (Form::When(word) | Form::Unless(word), value) => Some(json!(*value == Value::text(word))),
        (Form::OneOfList, Value::List(items)) => items.first().map(|item| json!(item)),
        (_, Value::Bytes(bytes)) => Some(json!(bytes.exact())),
        (_, value) => Some(json!(value)),
    }
}

/// Jobs, cores and memory of the three tiers, as fixed numbers: what the governor does without.
fn tiers(settings: &Settings) -> Vec<(String, Json)> {
    let budget = settings.size(&MEMORY_BUDGET).unwrap_or_default();
    let threads = settings.count(&BUILD_THREADS);
    let limits = TierLimits::of(budget);
    let mut out = Vec::new();
    for (number, limit) in (1..).zip([limits.heavy, limits.medium, limits.light]) {
        let jobs = (budget.0 / limit.0.max(1)).clamp(1, threads);
        out.push((format!("tier{number}MaxJobs"), json!(jobs)));
        out.push((format!("tier{number}Cores"), json!((threads / jobs).max(1))));
        out.push((format!("tier{number}MemoryLimit"), json!((limit.0 >> 30).max(1))));
    }
    out
}
