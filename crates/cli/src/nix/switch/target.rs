//! What `FLAKE#NAME` means: a configuration of home-manager or of NixOS.
//!
//! Does not build or activate it.

use clap::ValueEnum;
use ironwright_core::nix::installable::Evaluation;
use ironwright_host::nix::{Command, instantiate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activate::user;
use crate::context::Context;
use crate::error::CliError;
use crate::nix::evaluation::{absolute_flake, quoted};

/// What is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A user's home, by home-manager.
    Home,
    /// A machine, by NixOS.
    Nixos,
}

impl Kind {
    /// The kinds that may be meant where a user named this one or none.
    pub(crate) fn meant(named: Option<Self>) -> Vec<Self> {
        named.map_or_else(|| vec![Self::Home, Self::Nixos], |kind| vec![kind])
    }

    /// The attribute of a flake that holds such configurations.
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::Home => "homeConfigurations",
            Self::Nixos => "nixosConfigurations",
        }
    }

    /// What is built of one.
    const fn result(self) -> &'static str {
        match self {
            Self::Home => "activationPackage",
            Self::Nixos => "config.system.build.toplevel",
        }
    }

    /// The name for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Nixos => "nixos",
        }
    }
}

/// A configuration.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    /// Its name in the flake.
    pub(crate) name: String,
    /// The flake.
    pub(crate) flake: String,
}

impl Target {
    /// What `nix build` would be told.
    pub(crate) fn installable(&self) -> String {
        let (of, result) = (self.kind.attribute(), self.kind.result());
        format!("{}#{of}.\"{}\".{result}", self.flake, self.name)
    }
}

/// This user and this machine, after which configurations are named.
pub(crate) fn own(context: &Context) -> (String, String) {
    let machine = context.facts.hostname.as_ref().map(|fact| fact.value.clone());
    (user(), machine.unwrap_or_default())
}

/// The configuration that is meant by `FLAKE#NAME`; without a name that of this user or this machine.
pub(crate) fn target(
    nix: &Command,
    text: &str,
    kind: Option<Kind>,
    own: (&str, &str),
) -> Result<Target, CliError> {
    let (flake, name) = text.split_once('#').unwrap_or((text, ""));
    let flake = if flake.is_empty() { "." } else { flake };
    let there = configurations(nix, flake)?;
    let mut found = candidates(text, kind, own)
        .into_iter()
        .filter(|it| there.contains(&(it.kind, it.name.clone())));
    match (found.next(), found.next()) {
        (Some(target), Some(other)) if target.kind != other.kind => Err(CliError::usage(
            format!("{flake} configures both a home and a machine"),
            "say which with --kind home or --kind nixos",
        )),
        (Some(target), _) => Ok(target),
        (None, _) => Err(missing(flake, name, &there)),
    }
}

/// What may be meant, the likelier first.
pub(crate) fn candidates(
    text: &str,
    kind: Option<Kind>,
    (user, host): (&str, &str),
) -> Vec<Target> {
    let (flake, name) = text.split_once('#').unwrap_or((text, ""));
    let flake = if flake.is_empty() { "." } else { flake };
    let names = |of: Kind| match (name, of) {
        ("", Kind::Home) => vec![format!("{user}@{host}"), user.to_owned()],
        ("", Kind::Nixos) => vec![host.to_owned()],
        (name, _) => vec![name.to_owned()],
    };
    let kinds = Kind::meant(kind);
    let of = |kind: Kind| names(kind).into_iter().map(move |name| (kind, name));
    let all = kinds.into_iter().flat_map(of);
    all.map(|(kind, name)| Target { kind, name, flake: flake.to_owned() }).collect()
}

/// Names of configurations with their kinds, as people read them.
pub(crate) fn listed(configurations: &[(Kind, String)]) -> String {
    let one = |(kind, name): &(Kind, String)| format!("{name} ({})", kind.name());
    configurations.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn missing(flake: &str, name: &str, there: &[(Kind, String)]) -> CliError {
    let what =
        if name.is_empty() { "for this user or machine".to_owned() } else { format!("\"{name}\"") };
    let hint = if there.is_empty() {
        "it has neither homeConfigurations nor nixosConfigurations".to_owned()
    } else {
        format!("it has {}", listed(there))
    };
    CliError::usage(format!("{flake} has no configuration {what}"), hint)
}

/// All configurations of a flake.
fn configurations(nix: &Command, flake: &str) -> Result<Vec<(Kind, String)>, CliError> {
    let names = |kind: Kind| {
        format!(
            "map (it: \"{}/\" + it) (builtins.attrNames (flake.{} or {{ }}))",
            kind.name(),
            kind.attribute()
        )
    };
    let expression = format!(
        "let flake = builtins.getFlake {}; in {} ++ {}",
        quoted(&absolute_flake(flake)),
        names(Kind::Home),
        names(Kind::Nixos)
    );
    let listed = instantiate(nix, &expression, &Evaluation::default(), |_| {})?;
    let parted = |path: std::path::PathBuf| {
        let text = path.to_string_lossy().into_owned();
        let (kind, name) = text.split_once('/')?;
        let kind = if kind == Kind::Home.name() { Kind::Home } else { Kind::Nixos };
        Some((kind, name.to_owned()))
    };
    Ok(listed.into_iter().flatten().filter_map(parted).collect())
}
