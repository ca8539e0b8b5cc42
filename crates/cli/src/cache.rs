//! Compiler caches: how one comes in front of compilers, which one a build uses, and what it answered
//! meanwhile.
//!
//! Whatever fails here leaves the build without a cache, or the hit rate unknown. Does not know the
//! figures' shape; the core reads them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io};

use ironwright_core::observe::cache::{CacheCounters, CacheUse, ccache, sccache};
use ironwright_core::settings::Settings;
use ironwright_core::settings::catalogue::cache::{CCACHE, COMPILER_CACHE, SCCACHE};
use ironwright_core::settings::compose::Assignment;
use ironwright_core::unit::compiles_c;
use ironwright_core::value::Value;

use crate::context::Directories;
use crate::governance;
use crate::ui;

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

/// Variables that say where a cache keeps what it knows.
const PLACES: [&str; 4] = ["CCACHE_DIR", "CCACHE_CONFIGPATH", "SCCACHE_DIR", "SCCACHE_SERVER_PORT"];

/// The directory in front of PATH where names of compilers lead to ccache, where a host's settings
/// want it there.
pub(crate) fn names(settings: &Settings) -> Option<PathBuf> {
    let wanted = settings.get(COMPILER_CACHE.id).map(|setting| &setting.value);
    if wanted != Some(&Value::text(CCACHE)) {
        return None;
    }
    // A cache is told by the name of that directory, as it is where distributions make one.
    Some(Directories::data()?.join(CCACHE))
}

/// PATH with that directory in front.
pub(crate) fn in_front_of_path(names: &Path) -> Assignment {
    let path = env::var("PATH").unwrap_or_default();
    Assignment {
        key: "PATH".to_owned(),
        parts: vec![format!("{}:{path}", names.display())],
        knobs: vec![COMPILER_CACHE.id.to_owned()],
        from_flag: false,
    }
}

/// Makes the links of that directory. Without a cache the build goes on.
pub(crate) fn prepare(names: &Path) {
    if let Err(error) = try_prepare(names) {
        ui::warn(&format!("no compiler cache: {error}"));
    }
}

fn try_prepare(names: &Path) -> io::Result<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found = env::split_paths(&path).map(|directory| directory.join(CCACHE));
    let Some(ccache) = found.find(|program| program.is_file()) else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "ccache is not installed"));
    };
    governance::lead_all(names, &governance::names_on(&path, names, compiles_c), &ccache)
}

/// A cache, and what it said when a run began.
#[derive(Debug)]
pub(crate) struct CacheWatch {
    tool: &'static str,
    /// Where it keeps what it knows, as the build is told.
    places: Vec<(&'static str, String)>,
    before: CacheCounters,
}

impl CacheWatch {
    /// Asks the cache that a build uses, if it uses one. `value` is the value that a variable will
    /// have in the build.
    pub(crate) fn begin(value: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let tool = used(&value)?;
        let places: Vec<_> =
            PLACES.into_iter().filter_map(|name| Some((name, value(name)?))).collect();
        let before = ask(tool, &places)?;
        Some(Self { tool, places, before })
    }

    /// What it answered since.
    pub(crate) fn end(&self) -> Option<CacheUse> {
        let CacheCounters { hits, misses } = ask(self.tool, &self.places)?.since(self.before)?;
        Some(CacheUse { tool: self.tool.to_owned(), hits, misses })
    }
}

fn used(value: &impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let named = IN_FRONT.iter().find_map(|variable| cache_of(&value(variable)?));
    // Distributions hold links to ccache with the names of compilers in such a directory.
    let stands_in = || {
        let path = value("PATH")?;
        let is_its = |entry: &str| Path::new(entry).file_name().is_some_and(|n| n == CCACHE);
        path.split(':').any(is_its).then_some(CCACHE)
    };
    named.or_else(stands_in)
}

/// The cache that a command begins with.
fn cache_of(command: &str) -> Option<&'static str> {
    let program = Path::new(command.split_whitespace().next()?).file_name()?;
    [CCACHE, SCCACHE].into_iter().find(|cache| program == *cache)
}

fn ask(tool: &str, places: &[(&str, String)]) -> Option<CacheCounters> {
    let told = |arguments| answer(Command::new(tool).args(arguments).envs(places.iter().cloned()));
    match tool {
        CCACHE => ccache(&told(["--print-stats"].as_slice())?),
        _ => sccache(&told(["--show-stats", "--stats-format", "json"].as_slice())?),
    }
}

/// What a tool prints; nothing when it fails or takes too long. It prints less than a pipe holds.
fn answer(command: &mut Command) -> Option<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
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
        used(&|name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
    }

    #[test]
    fn a_cache_is_found_where_builds_name_it() {
        assert_eq!(of(&[("RUSTC_WRAPPER", "/usr/bin/sccache")]), Some("sccache"));
        assert_eq!(of(&[("CC", "ccache gcc")]), Some("ccache"));
        assert_eq!(of(&[("PATH", "/usr/lib/ccache:/usr/bin")]), Some("ccache"));
        assert_eq!(of(&[("CC", "gcc"), ("RUSTC_WRAPPER", ""), ("PATH", "/usr/bin")]), None);
    }
}
