//! Commands behind outputs: `compile_commands.json`, or what `ninja -t compdb` prints.
//!
//! With it a unit of a log gets the key that its command gives it when it is governed. Does not
//! know which of the commands ran.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::LogError;
use crate::unit::{Invocation, Kind, UnitFacts, recognise};

/// Commands by the outputs that they make.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commands(BTreeMap<PathBuf, Entry>);

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    directory: PathBuf,
    argv: Vec<String>,
}

/// An entry as it is written.
#[derive(Deserialize)]
struct Written {
    directory: PathBuf,
    command: Option<String>,
    arguments: Option<Vec<String>>,
    output: Option<String>,
}

/// What a command is.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// A unit.
    Unit(Box<UnitFacts>),
    /// Nothing that would be governed.
    Light,
}

impl Commands {
    /// Reads a compilation database.
    pub fn read(text: &str) -> Result<Self, LogError> {
        let written: Vec<Written> = serde_json::from_str(text).map_err(|error| {
            LogError::new(error.line(), format!("no compilation database: {error}"))
        })?;
        let entry = |written: Written| {
            let argv =
                written.arguments.unwrap_or_else(|| words(&written.command.unwrap_or_default()));
            let output = written.output.or_else(|| output(&argv))?;
            Some((written.directory.join(output), Entry { directory: written.directory, argv }))
        };
        Ok(Self(written.into_iter().filter_map(entry).collect()))
    }

    /// What the command is that makes a file; nothing when none is known.
    pub fn of(&self, output: &Path) -> Option<Made> {
        let entry = self.0.get(output)?;
        // A shell may do more than one thing: `: && c++ … -o app && :`.
        let found = entry.argv.split(|word| matches!(word.as_str(), "&&" | ";")).find_map(|argv| {
            let cwd = &entry.directory;
            let kind =
                recognise(&Invocation { argv, cwd, environment: &[], stdin_is_source: false });
            if let Kind::Unit(facts) = kind { Some(facts) } else { None }
        });
        Some(found.map_or(Made::Light, |facts| Made::Unit(Box::new(facts))))
    }
}

fn output(argv: &[String]) -> Option<String> {
    let at = argv.iter().position(|word| word == "-o")?;
    argv.get(at + 1).cloned()
}

/// The words of a command as a shell splits them: quotes and backslashes, nothing else.
pub fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut rest = command.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('"'), '\\') if rest.peek().is_some_and(|next| "\"\\$`".contains(*next)) => {
                word.get_or_insert_default().extend(rest.next());
            }
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, '\\') => word.get_or_insert_default().extend(rest.next()),
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        for (command, expected) in [
            ("cc -c a.c", vec!["cc", "-c", "a.c"]),
            (r#"cc -DX=\"a\" '-DY=b c' "d e""#, vec!["cc", "-DX=\"a\"", "-DY=b c", "d e"]),
            (r#"a "\n\\" '' "#, vec!["a", r"\n\", ""]),
            ("  ", vec![]),
        ] {
            assert_eq!(words(command), expected, "{command}");
        }
    }

    #[test]
    fn a_command_gives_its_output_the_key_that_it_has_when_governed() {
        let commands = Commands::read(
            r#"[{"directory": "/b", "command": "cc -O2 -c ../s/a.c -o x/a.o", "file": "../s/a.c"},
                {"directory": "/b", "command": ": && cc x/a.o -o app && :", "file": "", "output": "app"},
                {"directory": "/b", "arguments": ["cp", "a", "b"], "file": "a", "output": "b"}]"#,
        )
        .unwrap();
        let argv: Vec<String> =
            ["cc", "-O2", "-c", "../s/a.c", "-o", "x/a.o"].map(Into::into).into();
        let (cwd, environment) = (Path::new("/b"), &[][..]);
        let governed =
            recognise(&Invocation { argv: &argv, cwd, environment, stdin_is_source: false });
        let Some(Made::Unit(facts)) = commands.of(Path::new("/b/x/a.o")) else { panic!("no unit") };
        assert_eq!(Kind::Unit(*facts), governed);
        assert!(
            matches!(commands.of(Path::new("/b/app")), Some(Made::Unit(it)) if it.label == "app")
        );
        assert_eq!(commands.of(Path::new("/b/b")), Some(Made::Light));
        assert_eq!(commands.of(Path::new("/b/c")), None);
    }

    #[test]
    fn what_is_no_database_is_refused_with_its_line() {
        assert_eq!(Commands::read("[\n{\"file\": 3}]").unwrap_err().line, 2);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}|[a-z'\" \\\\]{0,30}") {
            let _ = (words(&text), Commands::read(&text));
        }
    }
}
