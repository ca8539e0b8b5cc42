//! Compilers, their flags, and the target that they compiled for.
//!
//! Does not guess: flags that were not recorded are unknown.

use super::traces::Traces;
use crate::report::{Claim, Compiler};

/// Every compiler that left a trace, the one of most units first.
pub(crate) fn compilers(traces: &Traces) -> Vec<Compiler> {
    let mut found: Vec<Compiler> = Vec::new();
    for (producer, units) in &traces.producers {
        let Some((name, version)) = named(&producer.text) else { continue };
        let flags = flags_of(&producer.text);
        let known = found.iter_mut().find(|c| {
            c.name == name
                && c.version == version
                && c.language == producer.language
                && c.flags == flags
        });
        match known {
            Some(compiler) => compiler.units = compiler.units.map(|n| n + units),
            None => found.push(Compiler {
                name: name.to_owned(),
                version,
                language: producer.language.clone(),
                units: Some(*units),
                flags,
            }),
        }
    }
    found.sort_by(|a, b| b.units.cmp(&a.units).then_with(|| a.cmp(b)));
    for text in traces.commands.iter().chain(&traces.comments) {
        let Some((name, version)) = named(text) else { continue };
        let flags = flags_of(text);
        let is_known = |c: &Compiler| {
            c.name == name
                && c.version.starts_with(&version)
                && (flags.is_empty() || c.flags == flags)
        };
        if !found.iter().any(is_known) {
            found.push(Compiler {
                name: name.to_owned(),
                version,
                language: None,
                units: None,
                flags,
            });
        }
    }
    if let Some(go) = &traces.go {
        let version = go.version.trim_start_matches("go").to_owned();
        found.insert(
            0,
            Compiler {
                name: "go".to_owned(),
                version,
                language: Some("Go".to_owned()),
                units: None,
                flags: Vec::new(),
            },
        );
    }
    found
}

/// Name and version of the compiler that a text names.
fn named(text: &str) -> Option<(&'static str, String)> {
    if let Some(rest) = after(text, "rustc version ") {
        return Some(("rustc", version(rest)));
    }
    if let Some(rest) = after(text, "clang version ") {
        return Some(("clang", version(rest)));
    }
    if let Some(rest) = text.strip_prefix("GCC: (") {
        return Some(("gcc", version(rest.split_once(") ").map_or("", |(_, rest)| rest))));
    }
    if let Some(rest) = text.strip_prefix("GNU AS ") {
        return Some(("as", version(rest)));
    }
    if let Some(rest) = text.strip_prefix("GNU ") {
        return Some(("gcc", version(rest.split_once(' ').map_or("", |(_, rest)| rest))));
    }
    if text.starts_with('/') && text.split(' ').next().is_some_and(|path| path.contains("clang")) {
        return Some(("clang", String::new()));
    }
    text.starts_with("Go cmd/compile ")
        .then(|| ("go", version(after(text, "go1").map_or("", |_| &text[15..]))))
}

fn after<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    text.split_once(word).map(|(_, rest)| rest)
}

fn version(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '~'))
        .collect()
}

/// Flags that stand in a producer or a recorded command line.
pub(crate) fn flags_of(text: &str) -> Vec<String> {
    text.split(' ')
        .filter(|word| word.starts_with('-') && word.len() > 1)
        .map(str::to_owned)
        .collect()
}

/// Every recorded command line or producer with flags; none of the assembler and of those that never
/// record any.
pub(crate) fn recorded(traces: &Traces) -> Vec<Vec<String>> {
    let producers = traces.producers.keys().map(|producer| &producer.text);
    let all = traces.commands.iter().chain(producers);
    all.filter(|text| !text.starts_with("GNU AS"))
        .map(|text| flags_of(text))
        .filter(|f| !f.is_empty())
        .collect()
}

/// Whether units of a file may have been compiled without leaving their flags.
pub(crate) fn has_silent_units(traces: &Traces) -> bool {
    let silent = |text: &str| !text.starts_with("GNU AS") && flags_of(text).is_empty();
    // Without debug information, command lines stand for the units that recorded them.
    traces.commands.is_empty() && traces.producers.keys().any(|producer| silent(&producer.text))
}

/// The target of the units.
pub(crate) fn target(traces: &Traces) -> Claim {
    if let Some(go) = &traces.go {
        let level = go.setting("GOAMD64").map(|level| level.replace('v', "x86-64-v"));
        let level = level.or_else(|| go.setting("GOARM64").map(str::to_owned));
        return match level {
            Some(level) => {
                Claim::is(level.replace("x86-64-v1", "x86-64"), "Go's build information")
            }
            None => Claim::unknown("Go's build information does not name a level"),
        };
    }
    let recorded = recorded(traces);
    let mut targets: Vec<String> = recorded.iter().map(|flags| march(flags)).collect();
    targets.sort();
    targets.dedup();
    match targets.as_slice() {
        [] => Claim::unknown("no flags were recorded (-g or -frecord-gcc-switches records them)"),
        [one] => Claim::is(one.clone(), "recorded flags"),
        several => Claim::is(several.join(", "), "recorded flags, which differ between units"),
    }
}

/// The last `-march` or `-mcpu`; without one, the compiler's own default.
fn march(flags: &[String]) -> String {
    let named = flags
        .iter()
        .rev()
        .find_map(|flag| flag.strip_prefix("-march=").or_else(|| flag.strip_prefix("-mcpu=")));
    named.unwrap_or("the compiler's default").to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::build::producers::Producer;

    #[test]
    fn compilers_are_told_from_what_they_write() {
        let name = |text: &str| named(text).map(|(name, version)| format!("{name} {version}"));
        assert_eq!(name("GCC: (Debian 12.2.0-14+deb12u1) 12.2.0").unwrap(), "gcc 12.2.0");
        assert_eq!(name("GNU C17 12.2.0 -mtune=generic -O2").unwrap(), "gcc 12.2.0");
        assert_eq!(name("Debian clang version 14.0.6").unwrap(), "clang 14.0.6");
        assert_eq!(name("clang LLVM (rustc version 1.95.0 (598 2026))").unwrap(), "rustc 1.95.0");
        assert_eq!(name("mold 1.10.1 (compatible with GNU ld)"), None);
    }

    #[test]
    fn targets_are_the_last_flag_of_each_unit() {
        let mut traces = Traces::default();
        assert_eq!(target(&traces).value, None);
        traces.commands.push("GNU C17 12.2.0 -march=x86-64 -march=x86-64-v3 -O2".to_owned());
        assert_eq!(target(&traces).value.unwrap(), "x86-64-v3");
        traces.producers.insert(
            Producer { text: "GNU C17 12.2.0 -march=x86-64".to_owned(), language: None },
            2,
        );
        assert_eq!(target(&traces).value.unwrap(), "x86-64, x86-64-v3");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,60}") {
            let _ = (named(&text), flags_of(&text));
        }
    }
}
