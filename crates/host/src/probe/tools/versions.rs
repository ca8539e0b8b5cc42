//! What tools print when they are asked for their version.
//!
//! Does not run anything.

use std::path::Path;

/// The arguments with which a tool tells its version.
pub(super) fn arguments(tool: &str) -> &'static [&'static str] {
    match tool {
        "go" => &["version"],
        "gcc" | "g++" => &["-dumpfullversion", "-dumpversion"],
        _ => &["--version"],
    }
}

/// npm's version from the manifest beside its script, which spares starting Node.js.
pub(super) fn without_asking(tool: &str, real: &Path) -> Option<String> {
    if tool != "npm" {
        return None;
    }
    let script = std::fs::canonicalize(real).ok()?;
    let manifest = script.parent()?.parent()?.join("package.json");
    let value: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(manifest).ok()?).ok()?;
    let is_npm = value.get("name")?.as_str()? == "npm";
    value.get("version")?.as_str().filter(|_| is_npm).map(str::to_owned)
}

/// The version in a tool's answer.
pub(super) fn version_of(tool: &str, output: &str) -> Option<String> {
    match tool {
        // "Cuda compilation tools, release 12.4, V12.4.99"
        "nvcc" => after(output, "release "),
        // "go version go1.24.4 linux/amd64"
        "go" => after(output, "go version go"),
        // "Debian LLD 14.0.6 (compatible with GNU linkers)"
        "ld.lld" => after(output, "LLD "),
        // "GNU gold (GNU Binutils for Debian 2.40) 1.16": the binutils' version is the one that
        // distributions and bug reports name, and it stands in the parentheses.
        "ld.gold" | "ld.bfd" => output.lines().next().and_then(binutils),
        // "ccache version 4.8+really4.7.5-1": the number that counts comes first.
        _ => output.lines().find_map(first_number),
    }
}

fn after(output: &str, marker: &str) -> Option<String> {
    let at = output.find(marker)? + marker.len();
    number_at(output.get(at..)?)
}

/// The number of GNU Binutils, inside the parentheses where there is one, else behind them.
fn binutils(line: &str) -> Option<String> {
    let (inside, behind) = match (line.find('('), line.rfind(')')) {
        (Some(open), Some(close)) if open < close => (line.get(open..close)?, line.get(close..)?),
        _ => ("", line),
    };
    first_number(inside).or_else(|| first_number(behind))
}

/// The first word that begins with a digit and holds a dot, or is a number alone.
fn first_number(line: &str) -> Option<String> {
    let words = line.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ','));
    let candidates = words.filter_map(|word| number_at(word.strip_prefix('v').unwrap_or(word)));
    let all: Vec<String> = candidates.collect();
    all.iter().find(|n| n.contains('.')).or_else(|| all.first()).cloned()
}

/// Digits and dots at the start of a text.
fn number_at(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text.get(..end)?.trim_end_matches('.');
    number.starts_with(|c: char| c.is_ascii_digit()).then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn real_answers_are_understood() {
        for (tool, output, version) in [
            ("gcc", "12.2.0\n", "12.2.0"),
            ("gcc", "12\n", "12"),
            ("clang", "Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\n", "14.0.6"),
            ("clang", "clang version 19.1.7 (https://example.org/llvm 1234)\n", "19.1.7"),
            ("rustc", "rustc 1.95.0 (59807616e 2026-04-14)\n", "1.95.0"),
            ("cargo", "cargo 1.95.0 (f2d3ce0bd 2026-03-21)\n", "1.95.0"),
            ("go", "go version go1.24.4 linux/amd64\n", "1.24.4"),
            ("go", "go version go1.25rc1 linux/amd64\n", "1.25"),
            ("node", "v20.20.2\n", "20.20.2"),
            ("python3", "Python 3.11.7\n", "3.11.7"),
            ("cmake", "cmake version 3.25.1\n\nCMake suite maintained by Kitware\n", "3.25.1"),
            ("ninja", "1.11.1.git.kitware.jobserver-1\n", "1.11.1"),
            ("make", "GNU Make 4.3\nBuilt for x86_64-pc-linux-gnu\n", "4.3"),
            ("mold", "mold 2.37.1 (compatible with GNU ld)\n", "2.37.1"),
            ("ld.lld", "Debian LLD 14.0.6 (compatible with GNU linkers)\n", "14.0.6"),
            ("ld.bfd", "GNU ld (GNU Binutils for Debian) 2.40\n", "2.40"),
            ("ld.bfd", "GNU ld (GNU Binutils) 2.44\n", "2.44"),
            ("ld.gold", "GNU gold (GNU Binutils for Debian 2.40) 1.16\n", "2.40"),
            ("sccache", "sccache 0.10.0\n", "0.10.0"),
            ("ccache", "ccache version 4.8+really4.7.5-1\n", "4.8"),
            ("nix", "nix (Nix) 2.26.3\n", "2.26.3"),
            (
                "nvcc",
                "nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 12.4, V12.4.99\n",
                "12.4",
            ),
            ("git", "git version 2.47.3\n", "2.47.3"),
        ] {
            assert_eq!(version_of(tool, output).as_deref(), Some(version), "{tool}: {output}");
        }
        assert_eq!(version_of("gcc", "command not found\n"), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(output in "\\PC{0,60}") {
            for tool in ["gcc", "go", "nvcc", "ld.lld", "ld.gold"] {
                let _ = version_of(tool, &output);
            }
        }
    }
}
