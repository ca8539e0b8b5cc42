//! `.ninja_log`, versions 5 to 7.
//!
//! A line is start, end (milliseconds since the build began), a time in nanoseconds since 1970
//! (since ninja 1.11 when the command began, before that mostly 0), an output, and a hash of the
//! command, with tabs between them. Version 6 writes that time more exactly, 7 hashes otherwise.
//! Ninja writes only commands that ended well. Does not know commands: [`Commands`] may.

use std::collections::HashSet;
use std::path::Path;

use super::commands::{Commands, Made};
use super::{Log, LogError, timed};
use crate::unit::{UnitFacts, logged, place};

/// What the first line begins with.
pub const HEADER: &str = "# ninja log v";
const VERSIONS: std::ops::RangeInclusive<u32> = 5..=7;

struct Line<'a> {
    start_ms: u64,
    end_ms: u64,
    began_ns: i64,
    output: &'a str,
    hash: &'a str,
}

/// Reads a log of a build in `folder`. Without its command a unit is named by its output.
pub fn read(text: &str, folder: &Path, commands: &Commands) -> Result<Log, LogError> {
    let mut lines = text.lines().enumerate();
    version(lines.next().map_or("", |(_, line)| line))?;
    let mut log = Log::default();
    let mut seen = HashSet::new();
    for (index, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let line = parse(line).ok_or_else(|| {
            let right = "five fields with tabs between them: start, end, time, output, hash";
            LogError::new(index + 1, format!("a line of .ninja_log is {right}"))
        })?;
        // A command with several outputs has a line for each.
        if !seen.insert((line.start_ms, line.end_ms, line.hash)) {
            log.leave_out("further output of a command");
            continue;
        }
        let Some(duration) = line.end_ms.checked_sub(line.start_ms) else {
            log.leave_out("ended before they began");
            continue;
        };
        match facts(line.output, folder, commands) {
            Some(facts) => {
                let wall_us = duration.saturating_mul(1000);
                log.records.push(timed(&facts, line.began_ns / 1000, wall_us));
            }
            None => log.leave_out("too light to be governed"),
        }
    }
    Ok(log)
}

fn version(line: &str) -> Result<(), LogError> {
    let wrong = |found: &str| {
        LogError::new(
            1,
            format!("a .ninja_log of version 5 to 7 begins with `# ninja log v5`, found {found:?}"),
        )
    };
    let version = line.strip_prefix(HEADER).and_then(|version| version.trim().parse().ok());
    version
        .filter(|version| VERSIONS.contains(version))
        .map(|_| ())
        .ok_or_else(|| wrong(&line.chars().take(40).collect::<String>()))
}

fn parse(line: &str) -> Option<Line<'_>> {
    let mut fields = line.split('\t');
    let line = Line {
        start_ms: fields.next()?.parse().ok()?,
        end_ms: fields.next()?.parse().ok()?,
        began_ns: fields.next()?.parse().ok()?,
        output: fields.next().filter(|output| !output.is_empty())?,
        hash: fields.next()?,
    };
    fields.next().is_none().then_some(line)
}

fn facts(output: &str, folder: &Path, commands: &Commands) -> Option<UnitFacts> {
    match commands.of(&folder.join(output)) {
        Some(Made::Unit(facts)) => Some(*facts),
        Some(Made::Light) => None,
        None => Some(logged("ninja", &place(folder, output), output)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOG: &str = "# ninja log v5\n\
        1\t64\t1795250065682679810\tx/a.c.o\t718baf567c2db927\n\
        75\t108\t0\tapp\tf8e8d8aa824f64a\n\
        75\t108\t0\tapp.map\tf8e8d8aa824f64a\n";

    fn read_in(folder: &str, text: &str) -> Result<Log, LogError> {
        read(text, Path::new(folder), &Commands::default())
    }

    #[test]
    fn outputs_have_their_durations() {
        let log = read_in("/w/zlib-1.3", LOG).unwrap();
        assert_eq!(log.records.len(), 2);
        let first = &log.records[0];
        assert_eq!((first.label.as_str(), first.wall_us), ("x/a.c.o", 63_000));
        assert_eq!(first.started_unix_us, 1_795_250_065_682_679);
        assert_eq!(first.key, "ninja logged zlib-1.3/x/a.c.o");
        assert_eq!(first.family, "ninja logged zlib/x/a.c.o");
        assert_eq!(log.left_out, [("further output of a command", 1)].into());
    }

    #[test]
    fn commands_give_the_keys_of_governed_units() {
        let commands = r#"[{"directory": "/b", "command": "cc -c a.c -o x/a.c.o", "file": "a.c"},
            {"directory": "/b", "command": "touch app", "file": "app", "output": "app"}]"#;
        let log = read(LOG, Path::new("/b"), &Commands::read(commands).unwrap()).unwrap();
        assert!(log.records[0].key.starts_with("cc c compile b/a.c "), "{}", log.records[0].key);
        assert_eq!(log.left_out["too light to be governed"], 1);
    }

    #[test]
    fn later_versions_are_read_and_others_refused() {
        for version in ["v6", "v7"] {
            assert_eq!(read_in("/b", &LOG.replace("v5", version)).unwrap().records.len(), 2);
        }
        for header in ["# ninja log v4", "# ninja log v8", "", "ninja"] {
            assert_eq!(read_in("/b", header).unwrap_err().line, 1);
        }
    }

    #[test]
    fn a_damaged_line_is_told_with_its_number() {
        let damaged = LOG.replace("75\t108\t0\tapp\t", "75\tx\t0\tapp\t");
        assert_eq!(read_in("/b", &damaged).unwrap_err().line, 3);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}", lines in "([0-9\\t\\-a]{0,30}\n){0,5}") {
            let _ = read_in("/b", &text);
            let _ = read_in("/b", &format!("# ninja log v5\n{lines}"));
        }
    }
}
