//! What would change a knob's value: the derivation is run again with other facts.
//!
//! Does not know any rule; it varies the facts that the derivation asked for.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::catalogue;
use super::derive::{Resolver, Step};
use super::knob::Knob;
use crate::origin::Origin;
use crate::profile::{Layered, Profile};
use crate::units::Bytes;
use crate::value::Value;

/// A different fact, and the value that the knob would then have.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct WhatIf {
    /// The fact's key.
    pub key: String,
    /// The fact's other value.
    pub fact: Value,
    /// The knob's value with it.
    pub value: Value,
}

/// Factors tried on each side, nearest first.
const UP: &[f64] = &[1.25, 1.5, 2.0, 4.0];
const DOWN: &[f64] = &[0.75, 0.5, 0.25];

/// For each fact that the derivation rests on, the nearest change in either direction that gives
/// another value.
pub fn what_if(profile: &Profile, knob: &'static Knob) -> Vec<WhatIf> {
    let now = derived(profile, knob);
    let mut out = Vec::new();
    for key in facts_behind(profile, knob) {
        for factors in [UP, DOWN] {
            let changes =
                factors.iter().filter_map(|factor| vary(&profile.host(&key).value, *factor));
            let first = changes.map(|fact| (derived(&with(profile, &key, &fact), knob), fact));
            if let Some((value, fact)) = first.into_iter().find(|(value, _)| *value != now) {
                out.push(WhatIf { key: key.clone(), fact, value });
            }
        }
    }
    out
}

fn derived(profile: &Profile, knob: &'static Knob) -> Value {
    Resolver::new(profile).setting(knob).derived.clone()
}

/// The profile with one fact replaced.
fn with(profile: &Profile, key: &str, fact: &Value) -> Profile {
    let mut other = profile.clone();
    let layered = Layered { value: fact.clone(), origin: Origin::Derived };
    other.host.entry(key.to_owned()).or_default().layers.push(layered);
    other
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small positive numbers"
)]
fn vary(value: &Value, factor: f64) -> Option<Value> {
    let varied = match value {
        Value::Count(n) => Value::Count((*n as f64 * factor).round() as u64),
        Value::Bytes(bytes) => {
            // Rounded to a quarter of a GiB, so that the figure is one a person would name.
            let quarters = (bytes.as_gib() * factor * 4.0).round();
            Value::Bytes(Bytes::mib(256 * quarters as u64))
        }
        _ => return None,
    };
    (varied != *value && !matches!(varied, Value::Count(0) | Value::Bytes(Bytes(0))))
        .then_some(varied)
}

/// Every fact that the derivation read, through other knobs too.
pub fn facts_behind(profile: &Profile, knob: &'static Knob) -> Vec<String> {
    let resolver = Resolver::new(profile);
    let (mut facts, mut seen, mut queue) = (Vec::new(), BTreeSet::new(), vec![knob]);
    while let Some(next) = queue.pop() {
        if !seen.insert(next.id) {
            continue;
        }
        for step in &resolver.setting(next).steps {
            match step {
                Step::Fact { key, .. } if !facts.contains(key) => facts.push(key.clone()),
                Step::Knob { id, .. } => queue.extend(catalogue::knob(id)),
                Step::Fact { .. } | Step::Rule { .. } => {}
            }
        }
    }
    facts
}
