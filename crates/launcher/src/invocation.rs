//! What the launcher was called as, and the command that this means.
//!
//! Four forms: a compiler with its arguments; a compiler's own name, for which the launcher
//! stands in a directory in front of PATH; `--unit`, which `ironwright unit` becomes; and `--hand-over`,
//! by which benchmarks start what they measure. Does not know whether a governor listens.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ironwright_wire::variable;
use rustix::fs::{Access, access};

/// The name under which the launcher is not a masquerade.
pub(crate) const OWN_NAME: &str = "ironwright-launcher";

/// How ccache is told what to put in front of the compiler that it runs.
const CCACHE_PREFIX: &str = "CCACHE_PREFIX";

/// Programs that run the compiler themselves, in their own process or elsewhere, and only if they
/// have to.
const CACHES: &[&str] = &["ccache", "sccache"];
/// The same for programs that send compilations away.
const SENDERS: &[&str] = &["distcc", "icecc"];

/// Interpreters: what they run may have done half of something by the time it is killed.
const RUN_ANYTHING: &[&str] = &["node", "nodejs"];

/// Why there is nothing to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoCommand {
    /// The arguments make no sense.
    Usage,
    /// No compiler of this name but the launcher.
    NotFound(String),
    /// A question whose answer would lead around the launcher.
    Refused(&'static str),
}

/// A command, and how it is to be run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    /// Variables that the command gets besides those of the launcher.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    pub(crate) name: Option<String>,
    pub(crate) memory: Option<u64>,
    /// The launcher was called by the program's name.
    pub(crate) masquerade: bool,
    /// The `--unit` form.
    pub(crate) explicit: bool,
    pub(crate) retryable: bool,
    /// The command asks by itself when it compiles, or is none of the governor's business.
    pub(crate) direct: bool,
    /// The `--hand-over` form: the descriptor on which the command's process is told.
    pub(crate) report: Option<i32>,
}

impl Invocation {
    /// Reads the command line of this process.
    pub(crate) fn of(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, NoCommand> {
        let called = arguments.next().unwrap_or_default();
        let name = Path::new(&called).file_name().unwrap_or_default();
        if name != OWN_NAME && !name.is_empty() {
            return masquerade(name, arguments.collect());
        }
        let mut arguments = arguments.peekable();
        if arguments.next_if(|first| first == "--unit").is_some() {
            return unit(arguments);
        }
        if arguments.next_if(|first| first == "--hand-over").is_some() {
            return handed_over(arguments);
        }
        let program = arguments.next().ok_or(NoCommand::Usage)?;
        Ok(compiler(program, arguments.collect()))
    }

    /// The command, ready to be started.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.envs(self.variables.iter().map(|(key, value)| (key, value)));
        command
    }
}

fn compiler(program: OsString, arguments: Vec<OsString>) -> Invocation {
    let mut made = Invocation { program, arguments, retryable: true, ..Invocation::default() };
    made.step_behind(&PathBuf::from(&made.program), CACHES);
    made
}

fn unit(mut arguments: impl Iterator<Item = OsString>) -> Result<Invocation, NoCommand> {
    let mut made = Invocation { explicit: true, retryable: true, ..Invocation::default() };
    loop {
        let option = arguments.next().ok_or(NoCommand::Usage)?;
        match option.to_str().ok_or(NoCommand::Usage)? {
            "--name" => made.name = Some(text(arguments.next())?),
            "--memory" => {
                let bytes = text(arguments.next())?.parse().map_err(|_| NoCommand::Usage)?;
                made.memory = Some(bytes);
            }
            "--no-retry" => made.retryable = false,
            "--" => break,
            _ => return Err(NoCommand::Usage),
        }
    }
    made.program = arguments.next().ok_or(NoCommand::Usage)?;
    made.arguments = arguments.collect();
    Ok(made)
}

fn handed_over(mut arguments: impl Iterator<Item = OsString>) -> Result<Invocation, NoCommand> {
    let report = text(arguments.next())?.parse().map_err(|_| NoCommand::Usage)?;
    let program = arguments.next().ok_or(NoCommand::Usage)?;
    let arguments = arguments.collect();
    Ok(Invocation { program, arguments, report: Some(report), ..Invocation::default() })
}

fn text(argument: Option<OsString>) -> Result<String, NoCommand> {
    argument.and_then(|argument| argument.into_string().ok()).ok_or(NoCommand::Usage)
}

/// The launcher was called by a compiler's name. The compiler is called by its path: gcc, clang and
/// nvcc look for their parts beside themselves, and by the bare name they would find the launcher.
fn masquerade(name: &OsStr, arguments: Vec<OsString>) -> Result<Invocation, NoCommand> {
    if name == "rustc" && asks_for_a_toolchain(&arguments) && parent_is("sccache") {
        return Err(NoCommand::Refused("no toolchains are chosen here"));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let names = env::var_os(variable::NAMES).map(PathBuf::from);
    let own = fs::metadata("/proc/self/exe").ok();
    let found = next_of(name, &path, names.as_deref(), own.as_ref())
        .ok_or_else(|| NoCommand::NotFound(name.to_string_lossy().into_owned()))?;
    let mut made = Invocation {
        program: found.clone().into_os_string(),
        masquerade: true,
        arguments,
        retryable: !RUN_ANYTHING.iter().any(|program| name == *program),
        ..Invocation::default()
    };
    made.step_behind(&found, CACHES);
    made.step_behind(&found, SENDERS);
    Ok(made)
}

/// rustup's way to choose one: `rustc +nightly`.
fn asks_for_a_toolchain(arguments: &[OsString]) -> bool {
    arguments.first().is_some_and(|first| first.to_string_lossy().starts_with('+'))
}

/// sccache asks a compiler for a toolchain to learn whether it is rustup, and if so runs the
/// compiler behind it, which nobody would govern.
fn parent_is(name: &str) -> bool {
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    let comm = parent.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    comm.is_some_and(|comm| comm.trim() == name)
}

/// The first executable of this name on a search path that is no launcher.
fn next_of(
    name: &OsStr,
    path: &OsStr,
    names: Option<&Path>,
    own: Option<&Metadata>,
) -> Option<PathBuf> {
    env::split_paths(path)
        .filter(|directory| names != Some(directory.as_path()))
        // An empty entry means the current directory. Without a slash the name would be looked
        // for once more, and the launcher be found.
        .map(|directory| Path::new(".").join(directory).join(name))
        .find(|candidate| runs(candidate) && !is_launcher(candidate, own))
}

fn runs(candidate: &Path) -> bool {
    access(candidate, Access::EXEC_OK).is_ok() && candidate.is_file()
}

/// Another copy of the launcher counts too: two that take each other for the compiler would go
/// round for ever.
fn is_launcher(candidate: &Path, own: Option<&Metadata>) -> bool {
    let same = |own: &Metadata| {
        let other = fs::metadata(candidate);
        other.is_ok_and(|other| (other.dev(), other.ino()) == (own.dev(), own.ino()))
    };
    own.is_some_and(same) || real_name(candidate).is_some_and(|name| name == OWN_NAME)
}

/// A path by which this program is the launcher. Its file alone is not enough: the same program may
/// be another under another name.
fn own_path() -> Option<OsString> {
    let named = env::var_os(variable::NAMES).map(|names| Path::new(&names).join(OWN_NAME));
    let own = named.filter(|named| named.exists()).or_else(|| env::current_exe().ok());
    own.map(PathBuf::into_os_string)
}

/// The file name behind all links.
fn real_name(program: &Path) -> Option<OsString> {
    if program.parent() == Some(Path::new("")) {
        return Some(program.as_os_str().to_os_string());
    }
    Some(fs::canonicalize(program).ok()?.file_name()?.to_os_string())
}

impl Invocation {
    /// Leaves the place in front of a cache: a hit needs no admission, and a miss comes back
    /// through the prefix that the cache puts in front of its compiler.
    ///
    /// The directory of names leaves PATH, or the cache would take the launcher for the compiler:
    /// it would mistake a new compiler for the old one, and call itself again through it.
    fn step_behind(&mut self, program: &Path, kinds: &[&str]) {
        let Some(name) = real_name(program).filter(|name| kinds.iter().any(|kind| name == kind))
        else {
            return;
        };
        self.direct = true;
        if name == "ccache" && env::var_os(CCACHE_PREFIX).is_none() {
            self.variables.extend(own_path().map(|own| (CCACHE_PREFIX, own)));
        }
        if name != "sccache" || self.masquerade {
            self.variables.extend(path_without_names().map(|path| ("PATH", path)));
        }
    }
}

fn path_without_names() -> Option<OsString> {
    let (path, names) = (env::var_os("PATH")?, PathBuf::from(env::var_os(variable::NAMES)?));
    env::join_paths(env::split_paths(&path).filter(|directory| *directory != names)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn of(arguments: &[&str]) -> Result<Invocation, NoCommand> {
        Invocation::of(arguments.iter().map(OsString::from))
    }

    #[test]
    fn a_compiler_with_its_arguments() {
        let made = of(&["/opt/ironwright-launcher", "g++", "--unit", "a.cc"]).unwrap();
        assert_eq!(made.program, "g++");
        assert_eq!(made.arguments, ["--unit", "a.cc"]);
        assert!(made.retryable && !made.explicit && !made.direct);
    }

    #[test]
    fn a_unit_with_its_options() {
        let options = ["--unit", "--name", "k", "--memory", "7", "--no-retry", "--", "sh", "--"];
        let made = of(&[&[OWN_NAME], options.as_slice()].concat()).unwrap();
        assert_eq!((made.name.as_deref(), made.memory), (Some("k"), Some(7)));
        assert_eq!((made.program, made.arguments), ("sh".into(), vec!["--".into()]));
        assert!(made.explicit && !made.retryable);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for arguments in [
            &[OWN_NAME][..],
            &[OWN_NAME, "--unit"],
            &[OWN_NAME, "--unit", "--memory", "much", "--", "sh"],
            &[OWN_NAME, "--unit", "--colour", "--", "sh"],
            &[OWN_NAME, "--unit", "--"],
        ] {
            assert_eq!(of(arguments), Err(NoCommand::Usage), "{arguments:?}");
        }
    }

    #[test]
    fn a_cache_is_not_governed() {
        assert!(of(&[OWN_NAME, "sccache", "rustc"]).unwrap().direct);
        assert!(of(&[OWN_NAME, "ccache", "cc"]).unwrap().direct);
        assert!(!of(&[OWN_NAME, "distcc", "cc"]).unwrap().direct);
    }

    #[test]
    fn the_next_of_the_name_is_found() {
        let base = tempfile::tempdir().unwrap();
        let [names, other, real] = ["names", "other", "real"].map(|name| base.path().join(name));
        for directory in [&names, &other, &real] {
            fs::create_dir(directory).unwrap();
        }
        let own = env::current_exe().unwrap();
        symlink(&own, other.join("g++")).unwrap();
        symlink("/bin/sh", names.join("g++")).unwrap();
        symlink("/bin/sh", real.join("g++")).unwrap();
        let path = env::join_paths([&names, &other, &real]).unwrap();
        let own = fs::metadata(own).unwrap();
        let found = next_of(OsStr::new("g++"), &path, Some(&names), Some(&own));
        assert_eq!(found, Some(real.join("g++")));
        assert_eq!(next_of(OsStr::new("gcc"), &path, None, None), None);
    }
}
