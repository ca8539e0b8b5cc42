//! The workspace manifest `ironwright.toml`: what is built together, from where, and with which
//! overrides.
//!
//! Does not know hosts: whatever depends on the machine stands in the profile. Does not read files.

mod discover;
mod parse;
mod render;

use schemars::JsonSchema;
use serde::Serialize;

use crate::build::{Driver, Source};
use crate::diagnostic::Diagnostic;
use crate::profile::Entry;

pub use discover::{Directory, Discovered, SKIPPED, discover};
pub use parse::parse;
pub use render::render;

/// Name of the manifest's file.
pub const MANIFEST: &str = "ironwright.toml";

/// Version of the manifest's format.
pub const MANIFEST_SCHEMA: u64 = 1;

/// When a package is brought up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Rarely: what is heavy, or what much depends on.
    #[default]
    Stable,
    /// Often: tools of their own.
    Tools,
}

impl Group {
    /// Both.
    pub const ALL: &'static [Self] = &[Self::Stable, Self::Tools];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Tools => "tools",
        }
    }
}

/// One package of a workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// Its name, under which overrides and history are looked up.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
    /// Build system of a directory, instead of the one that is recognised.
    pub driver: Option<Driver>,
    /// When it is brought up to date.
    pub group: Group,
    /// Knobs that differ for it, on any host.
    pub settings: Vec<Entry>,
    /// Line of its name, counted from 1.
    pub line: usize,
}

/// A parsed manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// Path as the user knows it.
    pub path: String,
    /// The text, for snippets in later messages.
    pub text: String,
    /// The packages, in the order of the file.
    pub packages: Vec<Package>,
}

impl Manifest {
    /// What is wrong with a package, at the line of its name.
    pub fn mistake(&self, package: &Package, message: String) -> Diagnostic {
        let before = self.text.split_inclusive('\n').take(package.line.saturating_sub(1));
        let start: usize = before.map(str::len).sum();
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        Diagnostic::new(&self.path, &self.text, start..start + line.len(), message)
    }

    /// The package of a name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}
