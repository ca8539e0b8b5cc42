//! What is claimed: flags, a settings file, a profile, or the settings of this host.
//!
//! Only output knobs that are applied are claims, unless candidates are asked for. Does not check
//! anything.

use std::path::Path;

use ironwright_core::diagnostic::nearest;
use ironwright_core::settings::Settings;
use ironwright_core::settings::knob::Class;
use ironwright_verify::claims::{Expected, KEYS, is_known};
use serde_json::Value;

use super::VerifyArgs;
use crate::args::HostArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::ui;

/// Everything that is claimed.
pub(super) fn expected(args: &VerifyArgs, host: &HostArgs) -> Result<Vec<Expected>, CliError> {
    let mut all = args.expect.iter().map(|text| one(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(against) = &args.against {
        let claims = from_settings(against, args, host)?;
        if claims.is_empty() && all.is_empty() {
            ui::remark(
                "no setting that a binary could show is applied, so nothing is claimed (--candidates takes candidates for claims)",
            );
        }
        all.extend(claims);
    }
    Ok(all)
}

fn one(text: &str) -> Result<Expected, CliError> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(CliError::usage(
            format!("\"{text}\" claims nothing"),
            "write KEY=VALUE, such as march=x86-64-v3",
        ));
    };
    if !is_known(key) {
        let names: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
        let hint = match nearest(key, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("binaries show {}", names.join(", ")),
        };
        return Err(CliError::usage(format!("no binary shows \"{key}\""), hint));
    }
    Ok(Expected { key: key.to_owned(), value: value.to_owned() })
}

fn from_settings(
    against: &str,
    args: &VerifyArgs,
    host: &HostArgs,
) -> Result<Vec<Expected>, CliError> {
    let path = Path::new(against);
    if path.extension().is_some_and(|ending| ending == "json") {
        return from_json(path, args.candidates);
    }
    let mut host = host.clone();
    if against != "current" {
        host.profile = Some(path.to_owned());
    }
    let context = Context::load(&host)?;
    let settings = Settings::resolve(&context.profile(args.package.as_deref()));
    let claims = settings.by_id.values().filter(|setting| {
        setting.knob.class == Class::Output && (setting.applied || args.candidates)
    });
    let written = |value: &ironwright_core::value::Value| match value {
        ironwright_core::value::Value::Unset => None,
        value => Some(value.display()),
    };
    Ok(claims
        .filter(|setting| is_known(setting.knob.id))
        .filter_map(|setting| {
            Some(Expected { key: setting.knob.id.to_owned(), value: written(&setting.value)? })
        })
        .collect())
}

/// `ironwright settings --json`.
fn from_json(path: &Path, candidates: bool) -> Result<Vec<Expected>, CliError> {
    let failed = |error: std::io::Error| CliError::Read { path: path.to_owned(), error };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let value: Value = serde_json::from_str(&text).map_err(|error| {
        failed(std::io::Error::other(format!("line {}: {error}", error.line())))
    })?;
    let Some(settings) = value.get("settings").and_then(Value::as_object) else {
        return Err(failed(std::io::Error::other(
            "it holds no \"settings\"; `ironwright settings --json` writes such a file",
        )));
    };
    let claims = settings.iter().filter(|(key, setting)| {
        is_known(key)
            && setting["class"] == "output"
            && (candidates || setting["applied"] == Value::Bool(true))
    });
    Ok(claims
        .filter_map(|(key, setting)| {
            let value = match &setting["value"] {
                Value::Null => return None,
                Value::String(text) => text.clone(),
                Value::Array(items) => {
                    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
                }
                other => other.to_string(),
            };
            Some(Expected { key: key.clone(), value })
        })
        .collect())
}
