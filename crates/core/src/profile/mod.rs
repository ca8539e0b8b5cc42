//! The hardware profile: the only place where a host is described.
//!
//! Layers, last wins, with the origin of every leaf kept: built-in universal, detected host,
//! measured decisions, profile file, one package's overrides, environment, flags. Does not know how a
//! knob's value is derived from the host; that is `settings`.

mod detected;
pub mod host_file;
pub mod import;
pub mod key;
pub mod parse;
pub mod schema;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::decide::Generation;
use crate::diagnostic::{Diagnostic, nearest};
use crate::facts::HostFacts;
use crate::origin::Origin;
use crate::settings::catalogue;
use crate::value::{Kind, Value};
pub use parse::{Entry, ProfileFile};

/// Prefix of the variables of the environment layer: `IRONWRIGHT_CARGO_BUILD_JOBS`.
pub const VARIABLE_PREFIX: &str = "IRONWRIGHT_";

/// A value with its origin.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Layered {
    /// The value on this layer.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// What each layer says about one key, weakest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Leaf {
    /// The layers that set the key.
    pub layers: Vec<Layered>,
}

impl Leaf {
    /// The value that counts.
    pub fn winner(&self) -> Option<&Layered> {
        self.layers.last()
    }
}

/// Everything a profile is made from. All of it may be absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'a> {
    /// What a probe read.
    pub facts: Option<&'a HostFacts>,
    /// What was measured to pay, and what is on trial. What a person writes comes after it.
    pub generation: Option<&'a Generation>,
    /// The host's profile file.
    pub file: Option<&'a ProfileFile>,
    /// The package whose overrides apply.
    pub package: Option<&'a str>,
    /// What the workspace says of that package: the file's path and its entries. The profile file
    /// knows the host besides, so its overrides of the same package come after.
    pub workspace: Option<(&'a str, &'a [Entry])>,
    /// Environment variables; only those with [`VARIABLE_PREFIX`] are looked at.
    pub environment: &'a [(String, String)],
    /// `KEY=VALUE` of `--set` flags.
    pub flags: &'a [String],
}

/// A merged profile.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Facts about the host, by path; every key that has a value on any layer.
    pub host: BTreeMap<String, Leaf>,
    /// Knobs that somebody set, by id.
    pub settings: BTreeMap<String, Leaf>,
    /// The package whose overrides are part of it.
    pub package: Option<String>,
}

impl Profile {
    /// Merges the layers. Every mistake in environment and flags is reported; the file's own
    /// mistakes were found when it was parsed.
    pub fn merge(inputs: &Inputs<'_>) -> (Self, Vec<Diagnostic>) {
        let mut profile = Self { package: inputs.package.map(str::to_owned), ..Self::default() };
        profile.universal();
        if let Some(facts) = inputs.facts {
            for (key, layered) in detected::detected(facts) {
                profile.host.entry(key).or_default().layers.push(layered);
            }
        }
        if let Some(generation) = inputs.generation {
            for (knob, value, canary) in generation.values(inputs.package) {
                let origin = Origin::Generation { number: generation.number, canary };
                profile.push(knob, value, origin);
            }
        }
        if let Some(file) = inputs.file {
            profile.file(file);
        }
        if let (Some(package), Some((path, entries))) = (inputs.package, inputs.workspace) {
            profile.overrides(package, path, entries);
        }
        if let (Some(package), Some(file)) = (inputs.package, inputs.file) {
            profile.overrides(package, &file.path, file.package(package).unwrap_or_default());
        }
        let mut found = Vec::new();
        for (variable, text) in inputs.environment {
            profile.variable(variable, text, &mut found);
        }
        for flag in inputs.flags {
            profile.flag(flag, &mut found);
        }
        (profile, found)
    }

    fn universal(&mut self) {
        for key in key::HOST_KEYS {
            let layered = Layered { value: key.universal.value(), origin: Origin::Universal };
            self.host.entry(key.path.to_owned()).or_default().layers.push(layered);
        }
    }

    fn file(&mut self, file: &ProfileFile) {
        for entry in file.host.iter().chain(&file.settings) {
            let origin = Origin::File { path: file.path.clone(), line: entry.line };
            self.push(&entry.key, entry.value.clone(), origin);
        }
    }

    fn overrides(&mut self, package: &str, path: &str, entries: &[Entry]) {
        for entry in entries {
            let origin = Origin::Package {
                package: package.to_owned(),
                path: path.to_owned(),
                line: entry.line,
            };
            self.push(&entry.key, entry.value.clone(), origin);
        }
    }

    /// Puts a value on top of its key's layers. Facts carry a dot in their path, knobs do not.
    fn push(&mut self, key: &str, value: Value, origin: Origin) {
        let leaves = if key.contains('.') { &mut self.host } else { &mut self.settings };
        leaves.entry(key.to_owned()).or_default().layers.push(Layered { value, origin });
    }

    fn variable(&mut self, variable: &str, text: &str, found: &mut Vec<Diagnostic>) {
        let Some(name) = variable.strip_prefix(VARIABLE_PREFIX) else { return };
        let id = name.to_ascii_lowercase().replace('_', "-");
        let Some(knob) = catalogue::knob(&id) else { return };
        match knob.kind.parse_text(text) {
            Ok(value) => {
                self.push(&id, value, Origin::Environment { variable: variable.to_owned() });
            }
            Err(message) => {
                found.push(Diagnostic::new(&format!("${variable}"), text, 0..text.len(), message));
            }
        }
    }

    fn flag(&mut self, flag: &str, found: &mut Vec<Diagnostic>) {
        match parse_flag(flag) {
            Ok((key, value)) => {
                self.push(key, value, Origin::Flag { flag: format!("--set {flag}") });
            }
            Err((message, help)) => {
                let diagnostic = Diagnostic::new("--set", flag, 0..flag.len(), message);
                found.push(match help {
                    Some(help) => diagnostic.with_help(help),
                    None => diagnostic,
                });
            }
        }
    }

    /// The value of a host key with its origin; [`Value::Unset`] when no layer has one.
    pub fn host(&self, path: &str) -> Layered {
        let unset = || Layered { value: Value::Unset, origin: Origin::Universal };
        self.host.get(path).and_then(Leaf::winner).cloned().unwrap_or_else(unset)
    }

    /// Keys that nothing but the universal profile has a value for, of those that matter: an
    /// unset default is no assumption and is not listed.
    pub fn universal_keys(&self) -> Vec<&str> {
        self.host
            .iter()
            .filter(|(_, leaf)| {
                leaf.winner().is_some_and(|w| w.origin == Origin::Universal && assumes(&w.value))
            })
            .map(|(path, _)| path.as_str())
            .filter(|path| !NORMALLY_ABSENT.contains(path))
            .collect()
    }
}

/// Keys whose universal value says "none", which is what their absence means.
const NORMALLY_ABSENT: &[&str] =
    &["cpu.features", "memory.zram", "memory.zram-ratio", "memory.swap", "gpu.compute-capability"];

const fn assumes(value: &Value) -> bool {
    !matches!(value, Value::Unset)
}

/// Splits and reads `KEY=VALUE`. The error is a message and perhaps a help.
fn parse_flag(flag: &str) -> Result<(&str, Value), (String, Option<String>)> {
    let Some((key, text)) = flag.split_once('=') else {
        return Err((
            "expected KEY=VALUE".to_owned(),
            Some("write --set cargo-build-jobs=2".to_owned()),
        ));
    };
    let key = key.trim();
    let Some(kind) = kind_of(key) else {
        let hosts: Vec<String> = key::host_paths().collect();
        let known = catalogue::knobs().map(|k| k.id).chain(hosts.iter().map(String::as_str));
        let help = nearest(key, known).map(|near| format!("did you mean \"{near}\"?"));
        return Err((format!("unknown key \"{key}\""), help));
    };
    let value = kind.parse_text(text).map_err(|message| (format!("{key}: {message}"), None))?;
    key::check_bounds(key, &value).map_err(|message| (message, None))?;
    Ok((key, value))
}

fn kind_of(key: &str) -> Option<Kind> {
    if key.contains('.') { key::host_kind(key) } else { catalogue::knob(key).map(|knob| knob.kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> ProfileFile {
        let (file, found) = parse::parse("p.toml", text);
        assert_eq!(found, []);
        file
    }

    #[test]
    fn the_last_layer_wins_and_every_layer_is_kept() {
        let file = file(
            "[cpu]\nthreads = 8\n[settings]\ncargo-build-jobs = 3\n[packages.codex]\ncargo-build-jobs = 2\n",
        );
        let environment = [("IRONWRIGHT_CARGO_BUILD_JOBS".to_owned(), "5".to_owned())];
        let flags = ["cargo-build-jobs=6".to_owned(), "memory.ram=8GiB".to_owned()];
        let inputs = Inputs {
            file: Some(&file),
            package: Some("codex"),
            environment: &environment,
            flags: &flags,
            ..Inputs::default()
        };
        let (profile, found) = Profile::merge(&inputs);
        assert_eq!(found, []);
        let values: Vec<_> =
            profile.settings["cargo-build-jobs"].layers.iter().map(|l| l.value.clone()).collect();
        assert_eq!(values, [3, 2, 5, 6].map(Value::Count));
        assert_eq!(profile.host("memory.ram").origin.to_string(), "flag: --set memory.ram=8GiB");
        assert_eq!(profile.host("cpu.threads").origin.to_string(), "p.toml:3".replace('3', "2"));
    }

    #[test]
    fn a_package_without_overrides_gets_none() {
        let file = file("[packages.codex]\ncargo-build-jobs = 2\n");
        let inputs = Inputs { file: Some(&file), package: Some("other"), ..Inputs::default() };
        assert!(Profile::merge(&inputs).0.settings.is_empty());
    }

    #[test]
    fn wrong_flags_and_variables_say_where_and_what() {
        let environment = [
            ("IRONWRIGHT_CARGO_BUILD_JOBS".to_owned(), "many".to_owned()),
            ("IRONWRIGHT_LOG".to_owned(), "1".to_owned()),
        ];
        let flags =
            ["cargo-jobs".to_owned(), "cargo-build-job=1".to_owned(), "cpu.threads=0".to_owned()];
        let inputs = Inputs { environment: &environment, flags: &flags, ..Inputs::default() };
        let (_, found) = Profile::merge(&inputs);
        let shown: Vec<_> = found.iter().map(|d| format!("{}: {}", d.file, d.message)).collect();
        assert_eq!(
            shown,
            [
                "$IRONWRIGHT_CARGO_BUILD_JOBS: expected a whole number such as 4, found \"many\"",
                "--set: expected KEY=VALUE",
                "--set: unknown key \"cargo-build-job\"",
                "--set: cpu.threads must lie between 1 and 4096, found 0",
            ]
        );
        assert_eq!(found[2].help.as_deref(), Some("did you mean \"cargo-build-jobs\"?"));
    }

    #[test]
    fn without_any_input_the_universal_profile_is_named() {
        let (profile, _) = Profile::merge(&Inputs::default());
        assert_eq!(
            profile.universal_keys(),
            ["cpu.architecture", "cpu.cores", "cpu.threads", "memory.ram"]
        );
    }
}
