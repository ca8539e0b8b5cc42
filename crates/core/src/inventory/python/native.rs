//! The native sources of a Python project: which of them its build compiles, as far as names tell.
//!
//! Does not read them, nor run what lists them.

use super::super::make::{self, Source};

/// Whether a file of that name is compiled, be it after Cython made C of it.
pub fn is_native(name: &str) -> bool {
    make::is_source(name) || without_pyx(name).is_some()
}

/// The name without the ending that Cython's sources have.
fn without_pyx(name: &str) -> Option<&str> {
    name.strip_suffix(".pyx")
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether sources of Cython are to be compiled.
pub(super) fn has_cython(all: &[Source]) -> bool {
    compiled(all, &[]).iter().any(|(path, _)| without_pyx(path).is_some())
}

/// Those of the sources that are compiled: what is listed, or all but tests, sources for other systems, and
/// what Cython already made C of.
pub(super) fn compiled<'a>(all: &'a [Source], listed: &[String]) -> Vec<&'a Source> {
    let is_listed = |(path, _): &&Source| listed.iter().any(|name| name == path);
    if all.iter().any(|source| is_listed(&source)) {
        return all.iter().filter(is_listed).collect();
    }
    let is_there = |path: &str| all.iter().any(|(other, _)| other == path);
    let has_c = |path: &str| {
        without_pyx(path)
            .is_some_and(|stem| ["c", "cpp"].iter().any(|end| is_there(&format!("{stem}.{end}"))))
    };
    // What has no C of its own beside others that have is included by them.
    let with_c = all.iter().filter(|(path, _)| has_c(path));
    let folders: Vec<&str> = with_c.map(|(path, _)| folder_of(path)).collect();
    let is_made = |path: &str| without_pyx(path).is_some() && folders.contains(&folder_of(path));
    make::for_users_here(all).into_iter().filter(|(path, _)| !is_made(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&str], listed: &[&str]) -> Vec<String> {
        let all: Vec<Source> = paths.iter().map(|path| ((*path).to_owned(), Some(1))).collect();
        let listed: Vec<String> = listed.iter().map(|name| (*name).to_owned()).collect();
        compiled(&all, &listed).into_iter().map(|(path, _)| path.clone()).collect()
    }

    #[test]
    fn what_is_listed_is_compiled() {
        let paths = ["a/arch/bsd/x.c", "a/_ps.c", "tests/t.c"];
        assert_eq!(of(&paths, &[]), ["a/_ps.c"]);
        assert_eq!(of(&paths, &["a/arch/bsd/x.c", "other.c"]), ["a/arch/bsd/x.c"]);
    }

    #[test]
    fn what_cython_made_is_compiled_once() {
        assert_eq!(of(&["m.pyx", "m.c", "n.pyx", "o/p.pyx"], &[]), ["m.c", "o/p.pyx"]);
        assert!(is_native("a.pyx") && is_native("a.c") && !is_native("a.pxd"));
    }
}
