//! Built-in workloads: commands for well-known programs, as data.
//!
//! The text of `workloads.toml` beside this file, and the parser of any such text. Does not know
//! whether a program is installed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What comes with the program.
const BUILT_IN: &str = include_str!("workloads.toml");

/// A job for a program that may be replaced by another build of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name on the command line.
    pub name: String,
    /// Package that it exercises.
    pub package: String,
    /// What it does, in one line.
    pub summary: String,
    /// Program that is measured when none is named.
    pub program: String,
    /// Run once before everything.
    #[serde(default)]
    pub setup: Option<String>,
    /// What is measured; `{program}` is the program, `{dir}` a directory of its own.
    pub command: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    workload: Vec<Workload>,
}

/// Reads workloads. The error is TOML's, with line and column.
pub fn parse(text: &str) -> Result<Vec<Workload>, Box<toml::de::Error>> {
    toml::from_str::<File>(text).map(|file| file.workload).map_err(Box::new)
}

/// Those that come with the program.
pub fn built_in() -> Vec<Workload> {
    parse(BUILT_IN).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn built_in_workloads_are_well_formed() {
        let found = parse(BUILT_IN).unwrap();
        assert!(found.len() >= 8);
        let mut names: Vec<_> = found.iter().map(|w| &w.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), found.len());
        for workload in &found {
            assert!(workload.command.contains("{program}"), "{}", workload.name);
            assert!(!workload.summary.is_empty() && !workload.package.is_empty());
        }
    }

    #[test]
    fn a_mistake_names_its_line() {
        let error = parse("[[workload]]\nname = \"a\"\nspeed = 1\n").unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }
    }
}
