//! Variants behind a compiler cache, which are built twice: to fill it, and while it answers.
//!
//! The cache is empty at first and nobody else's: what the user's own holds would be answered at once.
//! Does not know how a cache comes in front of compilers; the knob's places do.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ironwright_core::observe::cache::CacheUse;
use ironwright_core::settings::catalogue::cache::{COMPILER_CACHE, SCCACHE};
use ironwright_core::trial::treatment::Knobs;
use ironwright_host::trial::compiler;
use ironwright_host::trial::store::Workshop;

use crate::error::CliError;
use crate::execute::Variable;

/// A cache of one build.
pub(super) struct Cached {
    tool: String,
    folder: PathBuf,
    /// Where sccache's server listens; another one has its own idea of where it keeps things.
    port: Option<u16>,
}

/// The cache that knobs ask for.
pub(super) fn tool(knobs: &Knobs) -> Option<&str> {
    knobs.get(COMPILER_CACHE.id).map(String::as_str).filter(|tool| *tool != "none")
}

impl Cached {
    /// The cache that knobs ask for, in an empty folder of a workshop.
    pub(super) fn by(knobs: &Knobs, workshop: &Workshop) -> Result<Option<Self>, CliError> {
        let Some(tool) = tool(knobs) else { return Ok(None) };
        if compiler::version(tool).is_none() {
            return Err(CliError::usage(
                format!("{tool} is not installed, and {}={tool} is tried", COMPILER_CACHE.id),
                format!("install {tool}, or leave this treatment out"),
            ));
        }
        let free = || TcpListener::bind(("127.0.0.1", 0)).ok()?.local_addr().ok();
        let port = (tool == SCCACHE).then(free).flatten().map(|address| address.port());
        Ok(Some(Self { tool: tool.to_owned(), folder: workshop.cache()?, port }))
    }

    /// What tells the cache where it is.
    pub(super) fn variables(&self) -> Vec<Variable> {
        let set = |name: &str, value: String| Variable {
            name: name.to_owned(),
            value,
            joint: None,
            why: "a cache of this trial".to_owned(),
        };
        let folder = self.folder.to_string_lossy();
        let mut all = vec![set(&format!("{}_DIR", self.tool.to_uppercase()), folder.into_owned())];
        all.extend(self.port.map(|port| set("SCCACHE_SERVER_PORT", port.to_string())));
        all
    }
}

impl Drop for Cached {
    fn drop(&mut self) {
        let Some(port) = self.port else { return };
        let mut stop = Command::new(SCCACHE);
        stop.arg("--stop-server").env("SCCACHE_SERVER_PORT", port.to_string());
        let _ = stop.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// What a cache answered, in a line.
pub(super) fn told(used: &CacheUse) -> String {
    let all = used.hits + used.misses;
    format!("ironwright: {} answered {} of {all} compilers\n", used.tool, used.hits)
}
