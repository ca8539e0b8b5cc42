//! Compiler caches: which one a build uses, and what it answered meanwhile.
//!
//! Whatever fails here leaves the hit rate unknown. Does not know the figures' shape; the core reads
//! them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ironwright_core::observe::cache::{CacheCounters, CacheUse, ccache, sccache};

/// Variables that name what stands in front of a compiler.
const IN_FRONT: [&str; 6] = [
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CMAKE_C_COMPILER_LAUNCHER",
    "CMAKE_CXX_COMPILER_LAUNCHER",
    "CC",
    "CXX",
];
/// Time that a cache has to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A cache, and what it said when a run began.
#[derive(Debug)]
pub(crate) struct CacheWatch {
    tool: &'static str,
    before: CacheCounters,
}

impl CacheWatch {
    /// Asks the cache that a build uses, if it uses one. `value` is the value that a variable will
    /// have in the build.
    pub(crate) fn begin(value: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let tool = used(value)?;
        Some(Self { tool, before: ask(tool)? })
    }

    /// What it answered since.
    pub(crate) fn end(&self) -> Option<CacheUse> {
        let CacheCounters { hits, misses } = ask(self.tool)?.since(self.before)?;
        Some(CacheUse { tool: self.tool.to_owned(), hits, misses })
    }
}

fn used(value: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let named = IN_FRONT.iter().find_map(|variable| cache_of(&value(variable)?));
    // Distributions hold links to ccache with the names of compilers in such a directory.
    let stands_in = || {
        let path = value("PATH")?;
        let is_its = |entry: &str| Path::new(entry).file_name().is_some_and(|n| n == "ccache");
        path.split(':').any(is_its).then_some("ccache")
    };
    named.or_else(stands_in)
}

/// The cache that a command begins with.
fn cache_of(command: &str) -> Option<&'static str> {
    let program = Path::new(command.split_whitespace().next()?).file_name()?;
    ["ccache", "sccache"].into_iter().find(|cache| program == *cache)
}

fn ask(tool: &str) -> Option<CacheCounters> {
    match tool {
        "ccache" => ccache(&answer(tool, &["--print-stats"])?),
        _ => sccache(&answer(tool, &["--show-stats", "--stats-format", "json"])?),
    }
}

/// What a tool prints; nothing when it fails or takes too long. It prints less than a pipe holds.
fn answer(tool: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(tool);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let began = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Option<&'static str> {
        used(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
    }

    #[test]
    fn a_cache_is_found_where_builds_name_it() {
        assert_eq!(of(&[("RUSTC_WRAPPER", "/usr/bin/sccache")]), Some("sccache"));
        assert_eq!(of(&[("CC", "ccache gcc")]), Some("ccache"));
        assert_eq!(of(&[("PATH", "/usr/lib/ccache:/usr/bin")]), Some("ccache"));
        assert_eq!(of(&[("CC", "gcc"), ("RUSTC_WRAPPER", ""), ("PATH", "/usr/bin")]), None);
    }
}
