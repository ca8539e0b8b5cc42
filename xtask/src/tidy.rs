//! Rules that no compiler checks: headers, sizes, and words that have no place here.
//!
//! Does not parse Rust; lines and indentation are enough for what it counts, because the formatter
//! ran before.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::{root, say};

/// Most lines of a file.
const LONGEST_FILE: usize = 520;
/// Most lines of a function.
const LONGEST_FUNCTION: usize = 60;

/// Files that may be longer, with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

pub(crate) fn run() -> Result<()> {
    let mut found = Vec::new();
    let root = root();
    for path in sources(&root) {
        let text = fs::read_to_string(&path)?;
        let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
        found.extend(check(&name, &text));
    }
    for line in &found {
        say(line);
    }
    if !found.is_empty() {
        bail!("{} untidy places", found.len());
    }
    Ok(())
}

fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut queue = vec![root.join("crates"), root.join("xtask")];
    while let Some(directory) = queue.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.ends_with("target") {
                queue.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn check(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let header: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    if header.is_empty() {
        found.push(format!("{name}:1: no header that says what the file is"));
    } else if !says_what_it_does_not_know(&header) {
        found.push(format!("{name}:1: the header does not say what the file does not know or do"));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE && !LONG_FILES.iter().any(|(file, _)| *file == name) {
        found.push(format!("{name}: {lines} lines; {LONGEST_FILE} are allowed"));
    }
    found.extend(long_functions(name, text));
    found
}

fn says_what_it_does_not_know(header: &[&str]) -> bool {
    let text = header.join(" ").to_lowercase();
    [" not ", "never", "nothing", "without", "no ", "neither", "nobody"]
        .iter()
        .any(|word| text.contains(word))
}

/// Functions are as long as the lines from their head to the brace at the same indentation.
fn long_functions(name: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_head =
            ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "const fn ", "pub const fn "]
                .iter()
                .any(|head| code.starts_with(head));
        if !is_head || code.ends_with('}') || code.ends_with(';') {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let closing = format!("{indent}}}");
        let length = lines[at..].iter().position(|l| *l == closing).unwrap_or(0);
        if length > LONGEST_FUNCTION {
            found.push(format!(
                "{name}:{}: a function of {length} lines; {LONGEST_FUNCTION} are allowed",
                at + 1
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untidy_files_are_told() {
        assert_eq!(check("a.rs", "fn main() {}\n").len(), 1);
        assert_eq!(check("a.rs", "//! A file.\n").len(), 1);
        assert!(check("a.rs", "//! A file. Does not know more.\n").is_empty());
        let body = "    let x = 1;\n".repeat(70);
        let long = format!("//! Does not know.\nfn f() {{\n{body}}}\n");
        assert_eq!(check("a.rs", &long), ["a.rs:2: a function of 71 lines; 60 are allowed"]);
    }
}
