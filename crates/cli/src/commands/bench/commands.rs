//! From arguments to commands: parameters filled in, names given, shells chosen.
//!
//! Does not run anything.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ironwright_core::diagnostic::nearest;
use ironwright_core::emit::shell::quote_posix;
use ironwright_core::evidence::parameters::{Binding, Parameter, bindings, check_used, scan};
use ironwright_core::evidence::report::Measured;
use ironwright_core::evidence::workload::{Workload, built_in};
use ironwright_core::evidence::{Change, Subject};
use ironwright_core::inventory::split_words;
use ironwright_core::trial::treatment::setting;
use ironwright_host::measure::Job;

use super::{AboutArgs, AroundArgs, BenchArgs, HowArgs};
use crate::error::{CliError, count};

/// What is measured.
pub(super) struct Plan {
    /// The commands; the first is the baseline.
    pub(super) commands: Vec<Planned>,
    /// Run once before everything.
    pub(super) setup: Option<Job>,
    /// Run once after everything.
    pub(super) cleanup: Option<Job>,
    /// The settings that the second command stands for.
    pub(super) subject: Option<Subject>,
    /// A directory for the workload, removed with the plan.
    pub(super) _directory: Option<tempfile::TempDir>,
    /// What an empty command runs as, in the same way.
    pub(super) empty: Job,
}

/// One command.
pub(super) struct Planned {
    pub(super) measured: Measured,
    pub(super) job: Job,
    pub(super) prepare: Option<Job>,
}

pub(super) fn plan(args: &BenchArgs) -> Result<Plan, CliError> {
    let directory = match args.about.workload {
        Some(_) => Some(
            tempfile::tempdir()
                .map_err(|error| CliError::Write { path: std::env::temp_dir(), error })?,
        ),
        None => None,
    };
    let template = template(args, directory.as_ref())?;
    let bindings = bind(&args.around, &template)?;
    let commands = commands(args, &template, &bindings)?;
    let shelled = commands.iter().any(|command| is_shelled(&command.job, &args.how));
    let around =
        |text: &Option<String>| text.as_deref().map(|text| in_shell(&shell(&args.how), text));
    Ok(Plan {
        subject: subject(&args.about, &commands)?,
        setup: around(&args.around.setup.clone().or(template.setup)),
        cleanup: around(&args.around.cleanup),
        _directory: directory,
        empty: if shelled {
            in_shell(&shell(&args.how), ":")
        } else {
            Job { argv: vec!["true".to_owned()], ..Job::default() }
        },
        commands,
    })
}

/// Commands before parameters are filled in.
struct Template {
    commands: Vec<String>,
    names: Vec<Option<String>>,
    setup: Option<String>,
}

fn template(args: &BenchArgs, directory: Option<&tempfile::TempDir>) -> Result<Template, CliError> {
    let Some(name) = &args.about.workload else {
        if args.commands.is_empty() {
            return Err(CliError::usage(
                "no command is given",
                "quote each: ironwright bench './old --fast' './new --fast'",
            ));
        }
        let names = vec![None; args.commands.len()];
        return Ok(Template { commands: args.commands.clone(), names, setup: None });
    };
    let workload = workload(name)?;
    let place = directory.map(|dir| quote_posix(&dir.path().to_string_lossy())).unwrap_or_default();
    let programs = match args.about.program.as_slice() {
        [] => vec![workload.program.clone()],
        named => named.to_vec(),
    };
    let command = |program: &String| {
        workload.command.replace("{program}", &quote_posix(program)).replace("{dir}", &place)
    };
    Ok(Template {
        commands: programs.iter().map(command).collect(),
        names: programs.into_iter().map(Some).collect(),
        setup: workload.setup.map(|setup| setup.replace("{dir}", &place)),
    })
}

fn workload(name: &str) -> Result<Workload, CliError> {
    let all = built_in();
    if let Some(found) = all.iter().find(|workload| workload.name == name) {
        return Ok(found.clone());
    }
    let hint = match nearest(name, all.iter().map(|workload| workload.name.as_str())) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "`ironwright bench --list-workloads` lists them".to_owned(),
    };
    Err(CliError::usage(format!("there is no workload \"{name}\""), hint))
}

fn bind(args: &AroundArgs, template: &Template) -> Result<Vec<Binding>, CliError> {
    let mut parameters = Vec::new();
    for given in args.parameter_list.chunks(2) {
        if let [name, values] = given {
            let values = values.split(',').map(str::to_owned).collect();
            parameters.push(Parameter { name: name.clone(), values });
        }
    }
    for given in args.parameter_scan.chunks(3) {
        if let [name, first, last] = given {
            let number = |text: &String| {
                text.parse::<i64>().map_err(|_| {
                    CliError::usage(
                        format!("--parameter-scan {name}: \"{text}\" is no whole number"),
                        "write --parameter-scan NAME 1 8, or list values with --parameter-list",
                    )
                })
            };
            parameters.push(scan(name, number(first)?, number(last)?, args.parameter_step_size)?);
        }
    }
    let texts: Vec<_> = template.commands.iter().chain(&args.prepare).cloned().collect();
    check_used(&parameters, &texts)?;
    Ok(bindings(&parameters)?)
}

fn commands(
    args: &BenchArgs,
    template: &Template,
    bindings: &[Binding],
) -> Result<Vec<Planned>, CliError> {
    let total = template.commands.len() * bindings.len();
    let prepares = args.around.prepare.len();
    if prepares > 1 && prepares != template.commands.len() {
        return Err(CliError::usage(
            format!("{} for {}", count(prepares, "--prepare"), count(total, "command")),
            "give --prepare once for all commands, or once for each",
        ));
    }
    let given = args.command_name.len();
    if given > total {
        return Err(CliError::usage(
            format!("{} for {}", count(given, "name"), count(total, "command")),
            "give at most one --command-name for each command",
        ));
    }
    let mut planned = Vec::new();
    for (at, text) in template.commands.iter().enumerate() {
        let prepare = args.around.prepare.get(at).or(args.around.prepare.first());
        for binding in bindings {
            let given = args.command_name.get(planned.len()).cloned();
            let name = given.or_else(|| template.names.get(at).cloned().flatten());
            let command = binding.fill(text);
            let prepare = prepare.map(|text| in_shell(&shell(&args.how), &binding.fill(text)));
            planned.push(Planned {
                job: job(&command, &args.how)?,
                measured: Measured {
                    name: name.unwrap_or_else(|| command.clone()),
                    command,
                    parameters: binding.0.iter().cloned().collect(),
                },
                prepare,
            });
        }
    }
    tell_apart(&mut planned);
    Ok(planned)
}

/// Numbers names that occur twice, so that rows can be told apart.
fn tell_apart(planned: &mut [Planned]) {
    let names: Vec<_> = planned.iter().map(|command| command.measured.name.clone()).collect();
    for (at, command) in planned.iter_mut().enumerate() {
        let name = &command.measured.name;
        if names.iter().filter(|other| *other == name).count() > 1 {
            let number = names.iter().take(at + 1).filter(|other| *other == name).count();
            command.measured.name = format!("{name} #{number}");
        }
    }
}

fn job(command: &str, how: &HowArgs) -> Result<Job, CliError> {
    let input: Option<PathBuf> = how.input.clone();
    let words = split_words(command);
    if words.is_empty() {
        return Err(CliError::usage("a command is empty", "quote each command as one argument"));
    }
    let none = how.no_shell || how.shell.as_deref() == Some("none");
    let plain = none || (how.shell.is_none() && !wants_shell(command, &words));
    let job =
        if plain { Job { argv: words, ..Job::default() } } else { in_shell(&shell(how), command) };
    Ok(Job { input, ..job })
}

/// Whether only a shell understands a command: signs of one, a variable in front, or a first word
/// that is no program (a builtin).
fn wants_shell(command: &str, words: &[String]) -> bool {
    let signs = command.contains(|c: char| "|&;<>()$`*?[]#~{}!\n".contains(c));
    let first = words.first().map_or("", String::as_str);
    signs || first.contains('=') || !(first.contains('/') || is_in_path(first))
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn shell(how: &HowArgs) -> Vec<String> {
    match how.shell.as_deref() {
        None | Some("none") => vec!["sh".to_owned()],
        Some(shell) => split_words(shell),
    }
}

fn in_shell(shell: &[String], command: &str) -> Job {
    let mut argv = shell.to_vec();
    argv.extend(["-c".to_owned(), command.to_owned()]);
    Job { argv, ..Job::default() }
}

fn is_shelled(job: &Job, how: &HowArgs) -> bool {
    let shell = shell(how);
    job.argv.starts_with(&shell) && job.argv.get(shell.len()).is_some_and(|word| word == "-c")
}

/// Reads `KNOB=VALUE` of a knob that there is, with a value of its kind.
pub(crate) fn parse_setting(text: &str) -> Result<(String, String), String> {
    setting(text)
}

fn subject(args: &AboutArgs, commands: &[Planned]) -> Result<Option<Subject>, CliError> {
    if args.with.is_empty() {
        return Ok(None);
    }
    let [_, second] = commands else {
        return Err(CliError::usage(
            format!("--with tells the second of two commands apart; there are {}", commands.len()),
            "give the command without the settings first, then the one with them",
        ));
    };
    let workload = args.kind.clone().or_else(|| args.workload.clone());
    let knobs: BTreeMap<_, _> = args.with.iter().cloned().collect();
    Ok(Some(Subject {
        change: Change { package: args.package.clone(), knobs },
        workload: workload.unwrap_or_else(|| second.measured.name.clone()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_shell_gets_one() {
        let wants = |command: &str| wants_shell(command, &split_words(command));
        for plain in ["ls -l", "/bin/ls 'a b'", "./prog --x \"y z\""] {
            assert!(!wants(plain), "{plain}");
        }
        for shelled in ["a | b", "X=1 ls", "ls $HOME", "cd /", "ls *.c", "exit 3"] {
            assert!(wants(shelled), "{shelled}");
        }
    }

    #[test]
    fn settings_are_checked() {
        assert_eq!(parse_setting("c-opt-level=3"), Ok(("c-opt-level".into(), "3".into())));
        assert!(parse_setting("c-opt-levl=3").unwrap_err().contains("did you mean"));
        assert!(parse_setting("c-opt-level=9").is_err() && parse_setting("x").is_err());
    }
}
