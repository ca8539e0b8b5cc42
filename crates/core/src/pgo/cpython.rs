//! CPython's own profile-guided build: what its configure script and makefile are told.
//!
//! `--enable-optimizations` makes `make` build with counters, run `PROFILE_TASK` with the new
//! interpreter, merge, and build again with the profile. Does not know which compiler does it.

use std::path::Path;

use super::Level;
use crate::build::Step;

/// The part of the test suite that LIGHT trains with: parsing, numbers, containers and text. It takes
/// about a tenth of the time of the whole.
pub const LIGHT_TASK: &str = "-m test --pgo test_array test_base64 test_binascii test_bytes \
     test_cmath test_collections test_dataclasses test_difflib test_float test_functools \
     test_generators test_hashlib test_itertools test_json test_re test_set test_struct test_unicode";

/// Why training commands cannot be CPython's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// More than one.
    #[error("CPython's makefile trains with one command, {0} are given")]
    Several(usize),
    /// Something else than the interpreter.
    #[error(
        "CPython's makefile trains with the interpreter itself: write {{program}} SCRIPT, found \"{0}\""
    )]
    NotTheInterpreter(String),
}

/// The value of `PROFILE_TASK`; `None` for the makefile's own, the whole of its training set.
///
/// # Errors
/// For commands that a makefile cannot carry out.
pub fn task(level: Level, commands: &[String]) -> Result<Option<String>, TaskError> {
    match commands {
        [] => Ok((level == Level::Light).then(|| LIGHT_TASK.to_owned())),
        [command] => match command.trim().strip_prefix("{program} ") {
            Some(arguments) => Ok(Some(arguments.trim().to_owned())),
            None => Err(TaskError::NotTheInterpreter(command.clone())),
        },
        several => Err(TaskError::Several(several.len())),
    }
}

/// What the configure script is told, so that `make` alone does it all.
pub fn configure(level: Level) -> Vec<String> {
    let mut arguments = vec!["--enable-optimizations".to_owned()];
    arguments.extend((level == Level::Light).then(|| format!("PROFILE_TASK={LIGHT_TASK}")));
    arguments
}

/// The steps of a build outside of the source's directory, with a profile where a task is given
/// (`Some(None)`: the makefile's own).
pub fn steps(source: &Path, build: &Path, task: Option<Option<&str>>) -> Vec<Step> {
    let step = |title: &str, argv: Vec<String>| Step {
        title: title.to_owned(),
        argv,
        cwd: build.to_owned(),
    };
    let mut configure = vec![source.join("configure").to_string_lossy().into_owned()];
    let mut make = vec!["make".to_owned()];
    if let Some(task) = task {
        configure.push("--enable-optimizations".to_owned());
        make.extend(task.map(|task| format!("PROFILE_TASK={task}")));
    }
    vec![step("configure", configure), step("build", make)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_their_tasks() {
        assert_eq!(task(Level::Full, &[]), Ok(None));
        assert_eq!(task(Level::Light, &[]), Ok(Some(LIGHT_TASK.to_owned())));
        let own = ["{program} bench.py --fast".to_owned()];
        assert_eq!(task(Level::Full, &own), Ok(Some("bench.py --fast".to_owned())));
        assert_eq!(
            task(Level::Full, &["sh x".to_owned()]),
            Err(TaskError::NotTheInterpreter("sh x".to_owned()))
        );
        assert_eq!(task(Level::Full, &["a".into(), "b".into()]), Err(TaskError::Several(2)));
        assert!(!LIGHT_TASK.contains("  "));
    }

    #[test]
    fn the_script_is_told_what_the_makefile_would_be() {
        assert_eq!(configure(Level::Full), ["--enable-optimizations"]);
        assert!(configure(Level::Light)[1].starts_with("PROFILE_TASK=-m test --pgo test_array "));
    }

    #[test]
    fn the_makefile_does_the_phases() {
        let (source, build) = (Path::new("/src/cpython"), Path::new("/work/optimised"));
        let commands = |task| {
            let all = steps(source, build, task);
            all.iter().map(|step| step.argv.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(commands(None), ["/src/cpython/configure", "make"]);
        assert_eq!(commands(Some(None)), ["/src/cpython/configure --enable-optimizations", "make"]);
        let light = commands(Some(Some("-m test --pgo test_re")));
        assert_eq!(light[1], "make PROFILE_TASK=-m test --pgo test_re");
    }
}
