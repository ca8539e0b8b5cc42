//! What makes the compilers of a build ask the governor: the launcher in the places that build
//! systems have for one, and a directory of compiler names in front of PATH.
//!
//! Does not know what the governor answers.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ironwright_core::settings::compose::Assignment;
use ironwright_core::unit::may_be_a_unit;
use ironwright_governor::start::{self, Started};
use ironwright_wire::{Place, runtime_directory, variable};
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Directories;
use ironwright_host::files::replace_link;

/// How the compilers of a run come to ask.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Governance {
    /// The program that asks.
    #[serde(skip)]
    program: PathBuf,
    /// What stands where a compiler is started; it leads to that program.
    pub(crate) launcher: PathBuf,
    /// Directory of compiler names that lead to it.
    pub(crate) names: PathBuf,
    /// Variables that tell build systems of it.
    pub(crate) variables: Vec<(String, String)>,
}

impl Governance {
    /// For this machine as it is now, beside the variables that are set anyway.
    pub(crate) fn plan(program: PathBuf, environment: &[Assignment]) -> Option<Self> {
        let names = names_directory(&program)?;
        let launcher = names.join(LAUNCHER);
        let set = |name: &str| {
            let assigned = environment.iter().find(|assignment| assignment.key == name);
            let value = assigned.map(Assignment::value).or_else(|| env::var(name).ok());
            value.filter(|value| !value.is_empty())
        };
        let variables = variables(&launcher, &names, wrapper_of_config().is_some(), set);
        Some(Self { program, launcher, names, variables })
    }

    /// The same beside other variables.
    pub(crate) fn again(self, environment: &[Assignment]) -> Option<Self> {
        Self::plan(self.program, environment)
    }

    /// For a process that asks by itself: it only has to know where the governor listens.
    pub(crate) fn of_asking(program: PathBuf) -> Self {
        let socket = place().socket().to_string_lossy().into_owned();
        let variables = vec![(variable::SOCKET.to_owned(), socket)];
        Self { launcher: program.clone(), program, names: PathBuf::new(), variables }
    }

    /// Makes the directory of names as it should be, if there is to be one.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        if self.names.as_os_str().is_empty() {
            return Ok(());
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let mut wanted = names_on(&path, &self.names, may_be_a_unit);
        wanted.insert(LAUNCHER.to_owned());
        lead_all(&self.names, &wanted, &self.program)
    }
}

/// Makes a directory hold links of these names that lead to one program, and nothing else.
pub(crate) fn lead_all(
    directory: &Path,
    names: &BTreeSet<String>,
    program: &Path,
) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for name in names {
        lead(&directory.join(name), program)?;
    }
    for entry in fs::read_dir(directory)?.flatten() {
        if entry.file_name().to_str().is_none_or(|name| !names.contains(name)) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// The launcher's name.
pub(crate) const LAUNCHER: &str = "ironwright-launcher";

/// The program that asks for compilers: the launcher beside this one, which starts in half a
/// millisecond, or this one, which does the same under that name.
pub(crate) fn launcher() -> Option<PathBuf> {
    small_launcher().or_else(|| env::current_exe().ok())
}

/// The launcher beside this program.
pub(crate) fn small_launcher() -> Option<PathBuf> {
    let launcher = env::current_exe().ok()?.with_file_name(LAUNCHER);
    launcher.is_file().then_some(launcher)
}

/// Whether this program was called by the launcher's name, or by that of a compiler.
pub(crate) fn is_called_as_launcher() -> bool {
    let called = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let name = called.file_name().unwrap_or_default().to_string_lossy();
    name == LAUNCHER || may_be_a_unit(&name)
}

/// Where the governor of this user listens.
pub(crate) fn place() -> Place {
    match env::var_os(variable::SOCKET).map(PathBuf::from) {
        Some(socket) if socket.is_absolute() => {
            Place { directory: socket.parent().unwrap_or(Path::new("/")).to_owned() }
        }
        _ => Place::of(runtime_directory(), rustix::process::getuid().as_raw()),
    }
}

/// Sees to it that somebody governs; `started` is told the process that was started for it.
pub(crate) fn ensure(started: impl FnOnce(i32)) -> io::Result<Started> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("govern");
    // It governs all builds of this user, not only those that the caller is part of.
    for name in [variable::RUN, variable::JOB, variable::UNIT, "MAKEFLAGS"] {
        command.env_remove(name);
    }
    let log = Directories::state().map(|state| state.join("governor.log"));
    start::ensure(&place(), command, log.as_deref(), started)
}

/// One directory for each launcher, so that two versions of this program do not quarrel. It stays,
/// because build systems remember where they found a compiler.
fn names_directory(launcher: &Path) -> Option<PathBuf> {
    let home = launcher.parent()?.to_string_lossy().into_owned();
    // FNV-1a, 64 bits.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = home.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    Some(Directories::data()?.join(format!("names-{hash:016x}")))
}

/// What is set. A user's own launcher stays where it is: the directory of names reaches the compiler
/// behind it.
fn variables(
    launcher: &Path,
    names: &Path,
    config_wraps: bool,
    set: impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let (launcher, names) = (launcher.to_string_lossy(), names.to_string_lossy());
    let mut out = Vec::new();
    let path = set("PATH").unwrap_or_default();
    let behind = path.split(':').filter(|directory| *directory != names);
    let path: Vec<&str> = std::iter::once(&*names).chain(behind).collect();
    out.push(("PATH".to_owned(), path.join(":")));
    out.push((variable::NAMES.to_owned(), names.to_string()));
    let socket = place().socket();
    out.push((variable::SOCKET.to_owned(), socket.to_string_lossy().into_owned()));
    let wraps = config_wraps || set("RUSTC_WRAPPER").is_some_and(|wrapper| wrapper != launcher);
    if !wraps {
        out.push(("RUSTC_WRAPPER".to_owned(), launcher.to_string()));
    } else if set("RUSTC").is_none() {
        out.push(("RUSTC".to_owned(), format!("{names}/rustc")));
    }
    for language in ["C", "CXX", "CUDA", "Fortran"] {
        for part in ["COMPILER", "LINKER"] {
            let name = format!("CMAKE_{language}_{part}_LAUNCHER");
            if set(&name).is_none() {
                out.push((name, launcher.to_string()));
            }
        }
    }
    let flags = set("GOFLAGS").unwrap_or_default();
    // Flags are parted by spaces, and a path with one cannot be given.
    if !flags.contains("-toolexec") && !launcher.contains(char::is_whitespace) {
        let flags = format!("{flags} -toolexec={launcher}");
        out.push(("GOFLAGS".to_owned(), flags.trim_start().to_owned()));
    }
    out
}

/// `build.rustc-wrapper` of a cargo configuration, which `RUSTC_WRAPPER` would replace.
fn wrapper_of_config() -> Option<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(etcetera::home_dir().ok()?.join(".cargo")));
    let here = env::current_dir().ok();
    let above = here.iter().flat_map(|here| here.ancestors()).map(|dir| dir.join(".cargo"));
    above.chain(home).find_map(|directory| wrapper_in(&directory))
}

fn wrapper_in(directory: &Path) -> Option<String> {
    let read = |name: &str| fs::read_to_string(directory.join(name)).ok();
    let text = read("config.toml").or_else(|| read("config"))?;
    let config: toml::Table = text.parse().ok()?;
    Some(config.get("build")?.get("rustc-wrapper")?.as_str()?.to_owned())
}

/// Names of programs on a search path that are wanted; those in one directory do not count.
pub(crate) fn names_on(
    path: &std::ffi::OsStr,
    except: &Path,
    is_wanted: fn(&str) -> bool,
) -> BTreeSet<String> {
    let directories = env::split_paths(path).filter(|directory| directory != except);
    let entries = directories.filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    let compiler = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let runs = || {
            let metadata = fs::metadata(entry.path());
            metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
        };
        (is_wanted(&name) && runs()).then_some(name)
    };
    entries.flatten().filter_map(compiler).collect()
}

/// Makes a link lead somewhere, if it does not.
fn lead(link: &Path, target: &Path) -> io::Result<()> {
    if fs::read_link(link).is_ok_and(|leads| leads == target) {
        return Ok(());
    }
    replace_link(link, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &[(&str, &str)]) -> Vec<(String, String)> {
        let (launcher, names) = (Path::new("/opt/ironwright-launcher"), Path::new("/names"));
        variables(launcher, names, false, |name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn value<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
        variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn every_slot_gets_the_launcher() {
        let variables = with(&[("PATH", "/usr/bin:/names:/bin"), ("GOFLAGS", "-mod=vendor")]);
        assert_eq!(value(&variables, "PATH"), Some("/names:/usr/bin:/bin"));
        assert_eq!(value(&variables, "RUSTC_WRAPPER"), Some("/opt/ironwright-launcher"));
        let launcher = value(&variables, "CMAKE_CXX_COMPILER_LAUNCHER");
        assert_eq!(launcher, Some("/opt/ironwright-launcher"));
        let flags = "-mod=vendor -toolexec=/opt/ironwright-launcher";
        assert_eq!(value(&variables, "GOFLAGS"), Some(flags));
    }

    #[test]
    fn a_user_s_cache_stays_and_the_compiler_behind_it_asks() {
        let variables =
            with(&[("RUSTC_WRAPPER", "sccache"), ("CMAKE_C_COMPILER_LAUNCHER", "ccache")]);
        assert_eq!(value(&variables, "RUSTC_WRAPPER"), None);
        assert_eq!(value(&variables, "RUSTC"), Some("/names/rustc"));
        assert_eq!(value(&variables, "CMAKE_C_COMPILER_LAUNCHER"), None);
        let own = with(&[("RUSTC_WRAPPER", "sccache"), ("RUSTC", "/my/rustc")]);
        assert_eq!(value(&own, "RUSTC"), None);
    }

    #[test]
    fn names_are_those_of_compilers_that_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, mode) in [("g++-12", 0o755), ("cc", 0o644), ("ls", 0o755)] {
            fs::write(bin.join(name), "").unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let found = names_on(bin.as_os_str(), Path::new("/names"), may_be_a_unit);
        assert_eq!(found, BTreeSet::from(["g++-12".to_owned()]));
        let link = directory.path().join("g++-12");
        for target in ["/one", "/one", "/two"] {
            lead(&link, Path::new(target)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
    }

    #[test]
    fn a_wrapper_of_the_configuration_is_found() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(wrapper_in(directory.path()), None);
        let text = "[build]\nrustc-wrapper = 'sccache'\n";
        fs::write(directory.path().join("config.toml"), text).unwrap();
        assert_eq!(wrapper_in(directory.path()).as_deref(), Some("sccache"));
    }
}
