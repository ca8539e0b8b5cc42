//! What the governor is asked and told of a command.
//!
//! Does not know how it is sent, or what becomes of it.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use ironwright_wire::{Ask, LARGEST_FRAME, Running, variable};

use crate::invocation::Invocation;
use crate::response;

/// What is read of a response file, in bytes.
const LARGEST_RESPONSE_FILE: u64 = 256 << 10;
/// What a command line may take of a frame, in bytes; what comes last is cut.
const LARGEST_COMMAND_LINE: usize = LARGEST_FRAME / 2;

/// The variables that tell what is built, and whether make started it.
const TELLING: &[&str] = &[
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
    "TOOLEXEC_IMPORTPATH",
    "MAKELEVEL",
];

/// Options whose argument may be `-` without the input being meant.
const TAKING: &[&str] = &["-o", "--output", "-MF", "-MT", "-MQ", "-MJ"];

/// The first question about a command.
pub(crate) fn first(invocation: &Invocation) -> Ask {
    let environment = TELLING.iter().filter_map(|key| Some(((*key).to_owned(), text(key)?)));
    Ask {
        pid: i32::try_from(std::process::id()).unwrap_or(0),
        attempt: 1,
        name: invocation.name.clone(),
        memory: invocation.memory,
        explicit: invocation.explicit,
        retryable: invocation.retryable,
        stdin_is_source: stdin_is_source(invocation),
        argv: argv(invocation),
        cwd: env::current_dir().unwrap_or_default(),
        environment: environment.collect(),
        run: text(variable::RUN).and_then(|run| run.parse().ok()),
        job: text(variable::JOB),
        running: None,
    }
}

/// The question again, about a command that runs already.
pub(crate) fn about_running(ask: &Ask, running: Running) -> Ask {
    Ask { running: Some(running), ..ask.clone() }
}

fn text(key: &str) -> Option<String> {
    env::var_os(key).map(|value| value.to_string_lossy().into_owned())
}

/// An argument `-` means standard input, unless an option before it wants a file to write.
fn stdin_is_source(invocation: &Invocation) -> bool {
    let arguments = &invocation.arguments;
    let before = std::iter::once(None).chain(arguments.iter().map(Some));
    let meant = arguments.iter().zip(before).any(|(argument, before)| {
        argument == "-"
            && !before.is_some_and(|before| TAKING.iter().any(|taking| before == taking))
    });
    meant && !rustix::termios::isatty(rustix::stdio::stdin())
}

fn argv(invocation: &Invocation) -> Vec<String> {
    let program = invocation.program.to_string_lossy().into_owned();
    let is_rustc = program.rsplit('/').next().is_some_and(|name| name.contains("rustc"));
    let mut out = vec![program];
    for argument in &invocation.arguments {
        let argument = argument.to_string_lossy();
        match argument.strip_prefix('@').and_then(|path| held_by(Path::new(path), is_rustc)) {
            Some(held) => out.extend(held),
            None => out.push(argument.into_owned()),
        }
    }
    cut(out)
}

/// The arguments that a response file holds, if it is one that can be read without harm: reading
/// a pipe would take from the compiler what it is to read.
fn held_by(path: &Path, is_rustc: bool) -> Option<Vec<String>> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LARGEST_RESPONSE_FILE).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(if is_rustc { response::lines(&text) } else { response::words(&text) })
}

fn cut(arguments: Vec<String>) -> Vec<String> {
    let mut room = LARGEST_COMMAND_LINE;
    let fits = |argument: &String| {
        // Four bytes of length stand before each.
        let left = room.checked_sub(argument.len() + 4);
        room = left.unwrap_or(0);
        left.is_some()
    };
    arguments.into_iter().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(program: &str, arguments: &[&str]) -> Invocation {
        Invocation {
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            ..Invocation::default()
        }
    }

    #[test]
    fn response_files_are_read_as_their_reader_does() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("args");
        fs::write(&file, "-O2 -c\n'a b.cc'\n").unwrap();
        let at = format!("@{}", file.display());
        let made = argv(&invocation("/usr/bin/g++", &["-v", &at, "@nowhere"]));
        assert_eq!(made, ["/usr/bin/g++", "-v", "-O2", "-c", "a b.cc", "@nowhere"]);
        let made = argv(&invocation("rustc", &[&at]));
        assert_eq!(made, ["rustc", "-O2 -c", "'a b.cc'"]);
    }

    #[test]
    fn what_is_no_regular_file_is_left_for_the_compiler() {
        assert_eq!(argv(&invocation("g++", &["@/dev/null"])), ["g++", "@/dev/null"]);
    }

    #[test]
    fn a_long_command_line_keeps_its_beginning() {
        let made = cut((0..200_000).map(|number| number.to_string()).collect());
        assert!(made.len() > 1_000);
        let length: usize = made.iter().map(|argument| argument.len() + 4).sum();
        assert!(length <= LARGEST_COMMAND_LINE);
    }

    #[test]
    fn a_dash_that_an_option_takes_is_no_source() {
        // Whoever runs the tests by hand has a terminal there.
        let terminal = rustix::termios::isatty(rustix::stdio::stdin());
        assert_eq!(stdin_is_source(&invocation("cc", &["-x", "c", "-"])), !terminal);
        assert!(!stdin_is_source(&invocation("cc", &["-E", "-o", "-", "a.c"])));
        assert!(!stdin_is_source(&invocation("cc", &["a.c"])));
    }
}
