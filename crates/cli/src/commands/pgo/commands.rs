//! Training and judging commands: checked, and filled in.
//!
//! Does not run them.

use std::path::Path;

use ironwright_core::build::Source;
use ironwright_core::emit::shell::quote_posix;
use ironwright_core::pgo::training::{Relation, relation, shared};
use ironwright_host::pgo::inputs::inputs;

use super::PgoArgs;
use crate::error::CliError;
use crate::ui;

/// What stands for something in commands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    pub(super) program: &'a Path,
    pub(super) build: &'a Path,
    pub(super) dir: &'a Path,
    pub(super) profile: &'a Path,
}

impl Places<'_> {
    /// A command as a shell gets it.
    pub(super) fn fill(&self, command: &str) -> String {
        let quoted = |path: &Path| quote_posix(&path.to_string_lossy());
        command
            .replace("{program}", &quoted(self.program))
            .replace("{build}", &quoted(self.build))
            .replace("{dir}", &quoted(self.dir))
            .replace("{profile}", &quoted(self.profile))
    }
}

/// What can be told before anything runs.
pub(super) fn check(args: &PgoArgs) -> Result<(), CliError> {
    let runs_it = |command: &&String| {
        ["{program}", "{build}", "{profile}"].iter().any(|name| command.contains(name))
    };
    if let Some(command) = args.train.iter().find(|command| !runs_it(command)) {
        return Err(CliError::usage(
            format!("the training command \"{command}\" does not run what is built"),
            "write {program} for the program, or {build} for the directory of what is built",
        ));
    }
    if let Some(command) = args.judge.iter().find(|command| !command.contains("{program}")) {
        return Err(CliError::usage(
            format!("the judging command \"{command}\" does not run what is built"),
            "write {program} for the program",
        ));
    }
    for judge in &args.judge {
        for train in args.level.of_training(&args.train) {
            match relation(train, judge) {
                Relation::Same => return Err(same(judge)),
                Relation::Similar => ui::warn(&format!(
                    "the judging command \"{judge}\" is much like the training command \"{train}\": what it shows may hold for that task alone"
                )),
                Relation::Different => {}
            }
        }
    }
    Ok(())
}

fn same(judge: &str) -> CliError {
    CliError::usage(
        format!("the judging command \"{judge}\" is a training command, too"),
        "judge by another task: a program that is judged by its training shows what nobody will see",
    )
}

/// What can be told once inputs are there: none may be read by both.
pub(super) fn check_inputs(args: &PgoArgs, dir: &Path) -> Result<(), CliError> {
    let base = std::env::current_dir()
        .map_err(|error| CliError::Read { path: Path::new(".").to_owned(), error })?;
    let placeholders = [("{dir}", dir.to_string_lossy().into_owned())];
    let of = |command: &String| inputs(command, &base, &placeholders);
    let source = match &args.source {
        Source::Path(path) => std::fs::canonicalize(path).ok(),
        _ => None,
    };
    for judge in &args.judge {
        let judging: Vec<_> = of(judge)
            .into_iter()
            .filter(|input| source.as_ref().is_none_or(|source| Path::new(&input.path) != source))
            .collect();
        for train in args.level.of_training(&args.train) {
            let training = of(train);
            if let Some(input) = shared(&training, &judging).first() {
                return Err(CliError::usage(
                    format!(
                        "the judging command \"{judge}\" reads {}, which the training command \"{train}\" reads, too",
                        input.written
                    ),
                    "judge with other inputs than those of the training",
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in_as_words() {
        let places = Places {
            program: Path::new("/a b/p"),
            build: Path::new("/b"),
            dir: Path::new("/d"),
            profile: Path::new("/r/1.pprof"),
        };
        assert_eq!(
            places.fill("{program} {dir}/x -o {build} {profile}"),
            "'/a b/p' '/d'/x -o '/b' '/r/1.pprof'"
        );
    }
}
