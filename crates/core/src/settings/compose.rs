//! Composes the applied knobs into the assignments of one place: variables, keys, flags.
//!
//! Several knobs may share a key (`NODE_OPTIONS`, `CFLAGS`); their parts stand in catalogue order.
//! Does not know files or shells; `emit` does.

use schemars::JsonSchema;
use serde::Serialize;

use super::Setting;
use super::catalogue;
use super::derive::{Derivation, Resolver};
use super::knob::{Form, Place, Target};
use crate::profile::Profile;
use crate::value::Value;

/// One key of a place with the value that the knobs give it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Assignment {
    /// Variable or key.
    pub key: String,
    /// The parts of the value, one for each knob that has something to say.
    pub parts: Vec<String>,
    /// The knobs behind the parts.
    pub knobs: Vec<String>,
    /// True when one of the knobs was set by a flag, which outranks the user's environment.
    pub from_flag: bool,
}

impl Assignment {
    /// The value as one text.
    pub fn value(&self) -> String {
        self.parts.join(" ")
    }

    /// A short reason, for a comment beside the value.
    pub fn why(&self) -> String {
        self.knobs.join(", ")
    }
}

struct Part {
    key: &'static str,
    text: String,
    knob: &'static str,
    companion: bool,
    from_flag: bool,
}

/// The assignments of a place, in catalogue order. With `candidates`, knobs that nobody measured
/// or chose yet are included.
pub fn assignments(profile: &Profile, place: Place, candidates: bool) -> Vec<Assignment> {
    let resolver = Resolver::new(profile);
    let mut parts = Vec::new();
    for knob in catalogue::knobs() {
        let setting = resolver.setting(knob);
        for target in knob.targets.iter().filter(|t| t.place == place) {
            parts.extend(part(&mut resolver.derivation(), &setting, target, candidates));
        }
    }
    join(&parts)
}

fn part(
    d: &mut Derivation<'_, '_>,
    setting: &Setting,
    target: &Target,
    candidates: bool,
) -> Option<Part> {
    let wanted = setting.applied || candidates;
    if !(wanted || target.companion) || setting.value == Value::Unset {
        return None;
    }
    Some(Part {
        key: target.key,
        text: render(d, target.form, &setting.value)?,
        knob: setting.knob.id,
        companion: target.companion && !wanted,
        from_flag: matches!(setting.origin, crate::origin::Origin::Flag { .. }),
    })
}

fn render(d: &mut Derivation<'_, '_>, form: Form, value: &Value) -> Option<String> {
    let fill = |template: &str, text: &str| template.replace("{}", text);
    match (form, value) {
        (Form::With(function), value) => function(d, value),
        (Form::Joined(separator), Value::List(items)) if !items.is_empty() => {
            Some(items.join(separator))
        }
        (Form::Text(_), Value::Flag(false)) | (Form::Joined(_), _) => None,
        (Form::Text(template) | Form::Seconds(template), Value::Seconds(s)) => {
            Some(fill(template, &s.to_string()))
        }
        (Form::Mib(template), Value::Bytes(bytes)) => {
            Some(fill(template, &bytes.whole_mib().to_string()))
        }
        (Form::Bit, Value::Flag(flag)) => Some(u8::from(*flag).to_string()),
        (Form::Text(template) | Form::Mib(template) | Form::Seconds(template), value) => {
            Some(fill(template, &value.display()))
        }
        (Form::Bit, value) => Some(value.display()),
    }
}

fn join(parts: &[Part]) -> Vec<Assignment> {
    let mut keys: Vec<&str> = Vec::new();
    for part in parts {
        if !keys.contains(&part.key) {
            keys.push(part.key);
        }
    }
    keys.into_iter()
        .filter_map(|key| {
            let own: Vec<&Part> = parts.iter().filter(|p| p.key == key).collect();
            // Companions alone say nothing that the tool would not do by itself.
            if own.iter().all(|p| p.companion) {
                return None;
            }
            Some(Assignment {
                key: key.to_owned(),
                parts: own.iter().map(|p| p.text.clone()).collect(),
                knobs: own.iter().map(|p| p.knob.to_owned()).collect(),
                from_flag: own.iter().any(|p| p.from_flag),
            })
        })
        .collect()
}
