//! The files that a command names: what a training and a judging command may have in common.
//!
//! Does not know what a program reads besides; whoever gives the commands does.

use std::path::Path;

use ironwright_core::pgo::training::{Input, words};

/// Files whose contents are compared are at most this large: reading a larger one takes longer than it
/// tells.
const LARGEST: u64 = 1 << 30;

/// The files and directories among a command's words, from `base`. The first word is its program; what
/// is put in place of `{program}` is none either. Devices are no inputs.
pub fn inputs(command: &str, base: &Path, placeholders: &[(&str, String)]) -> Vec<Input> {
    let mut found: Vec<Input> = Vec::new();
    for written in words(command).iter().skip(1).filter(|word| !word.contains("{program}")) {
        let filled = placeholders
            .iter()
            .fold(written.clone(), |text, (name, value)| text.replace(name, value));
        for part in parts(&filled) {
            if let Some(input) = input(part, written, base)
                && !found.iter().any(|known| known.path == input.path)
            {
                found.push(input);
            }
        }
    }
    found
}

/// A word as a whole, and behind `=` or `@`: `--file=a.txt`, `@list`.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    let behind = word.rfind(['=', '@']).and_then(|at| word.get(at + 1..));
    std::iter::once(word).chain(behind).filter(|part| !part.is_empty())
}

fn input(text: &str, written: &str, base: &Path) -> Option<Input> {
    let path = std::fs::canonicalize(base.join(text)).ok()?;
    let metadata = std::fs::metadata(&path).ok()?;
    // `.` and the like name a place to work in.
    if (!metadata.is_file() && !metadata.is_dir()) || base.starts_with(&path) {
        return None;
    }
    let readable = metadata.is_file() && metadata.len() > 0 && metadata.len() <= LARGEST;
    let contents = readable.then(|| crate::tree::hash_of_file(&path).ok()).flatten();
    Some(Input { written: written.to_owned(), path: path.to_string_lossy().into_owned(), contents })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_found_in_all_ways_that_commands_write_them() {
        let directory = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(directory.path()).unwrap();
        for name in ["a", "b", "c", "d", "prog"] {
            fs::write(base.join(name), name).unwrap();
        }
        let command = "./prog a --file=b < c <d -n 3 . /dev/null {dir}/a {program}";
        let filled = [("{dir}", base.display().to_string())];
        let found = inputs(command, &base, &filled);
        let names: Vec<_> =
            found.iter().map(|i| i.path.rsplit('/').next().unwrap().to_owned()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert!(found.iter().all(|input| input.contents.is_some()));
    }
}
