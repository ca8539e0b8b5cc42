//! The JSON schema of a profile, made from the same tables that the parser checks against.
//!
//! Does not know the range of a knob, which depends on the host.

use serde_json::{Map, Value as Json, json};

use super::key::{HOST_KEYS, TOOLS};
use super::parse::PROFILE_SCHEMA;
use crate::settings::catalogue;
use crate::value::Kind;

/// The schema (JSON Schema 2020-12) of `hosts/<name>.toml` once read as JSON.
pub fn profile_schema() -> Json {
    let mut tables = Map::new();
    for key in HOST_KEYS {
        let Some((table, name)) = key.path.split_once('.') else { continue };
        let entry = tables.entry(table).or_insert_with(|| table_of(&Map::new()));
        entry["properties"][name] = described(key.kind, key.summary, key.bounds);
    }
    let tools =
        TOOLS.iter().map(|tool| ((*tool).to_owned(), described(Kind::Text, "Version", None)));
    tables.insert("tools".to_owned(), table_of(&tools.collect()));
    let knobs: Map<String, Json> = catalogue::knobs()
        .map(|knob| (knob.id.to_owned(), described(knob.kind, knob.summary, None)))
        .collect();
    tables.insert("settings".to_owned(), table_of(&knobs));
    tables.insert(
        "packages".to_owned(),
        json!({"type": "object", "additionalProperties": table_of(&knobs)}),
    );
    tables.insert("schema".to_owned(), json!({"const": PROFILE_SCHEMA}));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ironwright hardware profile",
        "type": "object",
        "properties": tables,
        "additionalProperties": false,
    })
}

fn table_of(properties: &Map<String, Json>) -> Json {
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn described(kind: Kind, summary: &str, bounds: Option<(u64, u64)>) -> Json {
    let mut typed = match kind {
        Kind::Count => json!({"type": "integer", "minimum": 0}),
        Kind::Bytes => {
            json!({"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]*)?\s*([kKMGT]i?)?B\s*$"})
        }
        Kind::Seconds => json!({"type": "string", "pattern": r"^[0-9]+\s*(s|m|min|h|d)$"}),
        Kind::Ratio => json!({"type": "number"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Text => json!({"type": "string"}),
        Kind::Choice(words) => json!({"enum": words}),
        Kind::List => json!({"type": "array", "items": {"type": "string"}}),
    };
    if let (Some((least, most)), Kind::Count | Kind::Ratio) = (bounds, kind) {
        typed["minimum"] = json!(least);
        typed["maximum"] = json!(most);
    }
    json!({"description": summary, "anyOf": [typed, {"const": "unset"}]})
}
