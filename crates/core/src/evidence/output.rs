//! Whether a command's output says that it had nothing to do.
//!
//! Knows the words of build and test tools, line by line: one line that tells of work outweighs
//! all that tell of none. Does not know what a program was meant to do, and says nothing of
//! programs whose words it does not know.

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// Nothing was to be done.
    Idle,
    /// Nothing about work.
    Neutral,
    /// Perhaps of work.
    Work,
}

/// The line that says so, when the output says that nothing was done.
pub fn no_work(output: &str) -> Option<&str> {
    let lines = output.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut idle = None;
    for line in lines {
        match tells(line) {
            Tells::Idle => idle = idle.or(Some(line)),
            Tells::Neutral => {}
            Tells::Work => return None,
        }
    }
    idle
}

fn tells(line: &str) -> Tells {
    if is_idle(line) {
        return Tells::Idle;
    }
    if is_neutral(line) { Tells::Neutral } else { Tells::Work }
}

/// The words of make, ninja, `SCons`, cargo, go, Gradle, npm, tox and pytest.
fn is_idle(line: &str) -> bool {
    let made = |line: &str| {
        line.contains("Nothing to be done for")
            || (line.ends_with("is up to date.") && line.contains("make"))
    };
    let whole = [
        "ninja: no work to do.",
        "scons: `.' is up to date.",
        "up to date, audited",
        "Already up to date",
        "no tests ran in",
        "running 0 tests",
        "Everything is up-to-date",
        "INFO: 0 processes",
    ];
    let tested = line.starts_with("ok ") && line.ends_with("(cached)");
    let cargo = line.starts_with("Finished `")
        || line.starts_with("Finished dev [")
        || line.starts_with("Finished release [");
    let gradle = line.contains("actionable task") && !line.contains("executed");
    made(line) || tested || cargo || gradle || whole.iter().any(|words| line.starts_with(words))
}

fn is_neutral(line: &str) -> bool {
    let entering = line.starts_with("make")
        && (line.contains("Entering directory") || line.contains("Leaving directory"));
    let starts = [
        "ninja: Entering directory",
        "scons: Reading",
        "scons: done",
        "scons: Building targets",
        "Blocking waiting for file lock",
        "test result: ok. 0 passed",
        "-- ",
        "[0/",
        "BUILD SUCCESSFUL",
        "found 0 vulnerabilities",
        "===",
        "?   ",
    ];
    entering || starts.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tools_that_found_their_work_done_are_understood() {
        for output in [
            "ninja: no work to do.\n",
            "ninja: Entering directory `build'\nninja: no work to do.\n",
            "make: Nothing to be done for 'all'.\n",
            "make[1]: Entering directory '/x'\nmake[1]: 'a' is up to date.\nmake[1]: Leaving directory '/x'\n",
            "    Finished `release` profile [optimized] target(s) in 0.05s\n",
            "ok  \texample.com/a\t(cached)\n",
            "BUILD SUCCESSFUL in 1s\n3 actionable tasks: 3 up-to-date\n",
        ] {
            assert!(no_work(output).is_some(), "{output}");
        }
        assert_eq!(no_work("\n  ninja: no work to do.\n"), Some("ninja: no work to do."));
    }

    #[test]
    fn one_line_of_work_outweighs_the_rest() {
        for output in [
            "",
            "hello\n",
            "   Compiling a v0.1.0\n    Finished `dev` profile target(s) in 2s\n",
            "make[1]: Nothing to be done for 'doc'.\ncc -c a.c\n",
            "[1/2] Building C object a.o\n",
            "ok  \tb\t(cached)\nok  \tc\t0.4s\n",
            "3 actionable tasks: 1 executed, 2 up-to-date\n",
        ] {
            assert_eq!(no_work(output), None, "{output}");
        }
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_a_panic(text in "(?s).{0,200}") {
            let _ = no_work(&text);
        }
    }
}
