//! The command with which Cargo will call rustc for a crate, as far as it decides the crate's key.
//!
//! Follows what `cargo build --release --verbose` of Cargo 1.95 prints. Does not know variables or
//! configuration files that change it; then the key is a near one, and the family still fits.

use std::path::Path;

use serde::Deserialize;

use super::super::{InventoryError, Node, toml};
use crate::unit::{Invocation, recognise};

/// What `[profile.release]` of the workspace changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    opt_level: Option<String>,
    lto: Option<String>,
    codegen_units: Option<u32>,
    debug: Option<String>,
    panic: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Manifest {
    #[serde(default)]
    profile: Profiles,
}

#[derive(Debug, Default, Deserialize)]
struct Profiles {
    #[serde(default)]
    release: Table,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Table {
    opt_level: Option<::toml::Value>,
    lto: Option<::toml::Value>,
    codegen_units: Option<u32>,
    debug: Option<::toml::Value>,
    panic: Option<String>,
}

impl Release {
    /// Reads the release profile of a workspace's `Cargo.toml`.
    pub fn parse(file: &str, text: &str) -> Result<Self, InventoryError> {
        let table = toml::<Manifest>(file, text, "Cargo.toml")?.profile.release;
        let word = |value: ::toml::Value| match value {
            ::toml::Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(Self {
            opt_level: table.opt_level.map(word),
            lto: table.lto.map(word),
            codegen_units: table.codegen_units,
            debug: table.debug.map(word),
            panic: table.panic,
        })
    }

    /// Settings of a crate for the target.
    fn settings(&self, links: bool) -> Vec<String> {
        let opt_level = self.opt_level.as_deref().unwrap_or("3");
        let mut settings = vec![format!("opt-level={opt_level}")];
        if let Some(panic) = self.panic.as_deref().filter(|panic| *panic != "unwind") {
            settings.push(format!("panic={panic}"));
        }
        settings.push(self.lto_setting(links));
        settings.extend(self.codegen_units.map(|units| format!("codegen-units={units}")));
        settings.extend(self.debuginfo().map(|level| format!("debuginfo={level}")));
        settings
    }

    /// Libraries carry only what the program's LTO reads; without LTO they carry none of it.
    fn lto_setting(&self, links: bool) -> String {
        match (self.lto.as_deref(), links) {
            (None | Some("false"), _) => "embed-bitcode=no".to_owned(),
            (Some("off"), _) => "lto=off".to_owned(),
            (Some("true" | "fat"), true) => "lto".to_owned(),
            (Some(kind), true) => format!("lto={kind}"),
            (Some(_), false) => "linker-plugin-lto".to_owned(),
        }
    }

    fn debuginfo(&self) -> Option<&str> {
        match self.debug.as_deref() {
            None | Some("false" | "0" | "none") => None,
            Some("true" | "full") => Some("2"),
            Some("limited") => Some("1"),
            Some(level) => Some(level),
        }
    }
}

/// One crate that is compiled.
#[derive(Debug)]
pub(super) struct Compile<'a> {
    /// Package and version.
    pub(super) package: &'a str,
    pub(super) version: &'a str,
    /// Folder of the package.
    pub(super) directory: &'a Path,
    pub(super) crate_name: &'a str,
    pub(super) crate_types: &'a [String],
    pub(super) root: &'a Path,
    pub(super) features: &'a [String],
    /// Compiled for build scripts and proc macros, which are not optimised.
    pub(super) host: bool,
}

impl Compile<'_> {
    /// The node with the keys of this command.
    pub(super) fn keyed(&self, node: Node, release: &Release) -> Node {
        let environment = [
            ("CARGO_PKG_NAME".to_owned(), self.package.to_owned()),
            ("CARGO_PKG_VERSION".to_owned(), self.version.to_owned()),
        ];
        let argv = self.argv(release);
        node.with_command(recognise(&Invocation {
            argv: &argv,
            cwd: self.directory,
            environment: &environment,
            stdin_is_source: false,
        }))
    }

    fn argv(&self, release: &Release) -> Vec<String> {
        let mut argv: Vec<String> = ["rustc", "--crate-name"].map(str::to_owned).into();
        argv.push(self.crate_name.replace('-', "_"));
        argv.push(self.root.to_string_lossy().into_owned());
        for kind in self.crate_types {
            argv.extend(["--crate-type".to_owned(), kind.clone()]);
        }
        let is_library = self.crate_types.iter().any(|kind| kind == "lib" || kind == "rlib");
        let emit = if is_library { "dep-info,metadata,link" } else { "dep-info,link" };
        argv.push(format!("--emit={emit}"));
        for setting in self.settings(release, !is_library) {
            argv.extend(["-C".to_owned(), setting]);
        }
        for feature in self.features {
            argv.extend(["--cfg".to_owned(), format!("feature=\"{feature}\"")]);
        }
        argv
    }

    fn settings(&self, release: &Release, links: bool) -> Vec<String> {
        if self.host {
            return ["embed-bitcode=no", "debug-assertions=off"].map(str::to_owned).into();
        }
        release.settings(links)
    }
}
