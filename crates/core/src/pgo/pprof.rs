//! Go's profiles: samples of where the processor's time went.
//!
//! A program is made to write them by putting a changed main package in its place (`go build
//! -overlay`), unless the training command writes one itself (`go test -cpuprofile`). Does not know
//! modules or packages.

use std::collections::BTreeSet;

use super::check::{Coverage, Hot};
use super::{Matching, check::NAMED};

/// The variable that names the directory for profiles.
pub const DIRECTORY: &str = "IRONWRIGHT_PGO_DIRECTORY";
/// Name of the file that is added to a main package.
pub const ADDED: &str = "zz_ironwright_profile.go";

/// The file that is added. Profiles are complete only once they are stopped, and no program stops one
/// when it ends by `os.Exit` or a signal: so a new one is begun again and again, at most the last second
/// is lost, and of short runs less.
pub const ADDED_TEXT: &str = r#"package main

import (
	ironwrightfmt "fmt"
	ironwrightos "os"
	ironwrightpprof "runtime/pprof"
	ironwrightsync "sync"
	ironwrighttime "time"
)

var ironwrightProfile struct {
	ironwrightsync.Mutex
	number int
	file   *ironwrightos.File
	ended  bool
}

func init() {
	if ironwrightos.Getenv("IRONWRIGHT_PGO_DIRECTORY") == "" {
		return
	}
	ironwrightTurn(false)
	go func() {
		pause := 100 * ironwrighttime.Millisecond
		for {
			ironwrighttime.Sleep(pause)
			ironwrightTurn(false)
			if pause < ironwrighttime.Second {
				pause *= 2
			}
		}
	}()
}

func ironwrightTurn(last bool) {
	profile := &ironwrightProfile
	profile.Lock()
	defer profile.Unlock()
	if profile.file != nil {
		ironwrightpprof.StopCPUProfile()
		name := profile.file.Name()
		profile.file.Close()
		profile.file = nil
		ironwrightos.Rename(name, name+".pprof")
	}
	profile.ended = profile.ended || last
	directory := ironwrightos.Getenv("IRONWRIGHT_PGO_DIRECTORY")
	if profile.ended || directory == "" {
		return
	}
	profile.number++
	name := ironwrightfmt.Sprintf("%s/go-%d-%d", directory, ironwrightos.Getpid(), profile.number)
	file, err := ironwrightos.Create(name)
	if err != nil {
		return
	}
	if ironwrightpprof.StartCPUProfile(file) != nil {
		file.Close()
		ironwrightos.Remove(name)
		return
	}
	profile.file = file
}
"#;

/// A source file of a main package with its `main` renamed and a new one that ends the profile;
/// `None` where the file has none. gofmt writes `func main() {` at the start of a line.
pub fn renamed_main(source: &str) -> Option<String> {
    let is_main = |line: &str| {
        line.strip_prefix("func").is_some_and(|rest| rest.trim_start().starts_with("main()"))
    };
    let at = source.lines().position(is_main)?;
    let rename = |(number, line): (usize, &str)| {
        if number == at { line.replacen("main()", "ironwrightMain()", 1) } else { line.to_owned() }
    };
    let mut text = source.lines().enumerate().map(rename).collect::<Vec<_>>().join("\n");
    text.push_str("\n\nfunc main() {\n\tdefer ironwrightTurn(true)\n\tironwrightMain()\n}\n");
    Some(text)
}

/// Sums up what `go tool pprof -top -sample_index=samples -nodefraction=0` prints. `None` where that is
/// no profile.
pub fn coverage(text: &str) -> Option<Coverage> {
    let mut lines = text.lines().skip_while(|line| !is_header(line));
    lines.next()?;
    let functions = lines.filter_map(row);
    let found = Coverage::of(functions);
    // What was sampled is known, what exists is not.
    Some(Coverage { functions: None, ..found })
}

fn is_header(line: &str) -> bool {
    line.split_whitespace().eq(["flat", "flat%", "sum%", "cum", "cum%"])
}

/// `10 83.33% 83.33%  12  100%  main.f`
fn row(line: &str) -> Option<Hot> {
    let mut words = line.split_whitespace();
    let flat: u128 = words.next()?.parse().ok()?;
    let name = words.skip(4).collect::<Vec<_>>().join(" ");
    let name = name.strip_suffix(" (inline)").unwrap_or(&name).to_owned();
    (!name.is_empty()).then_some(Hot { name, counts: flat })
}

/// Holds sampled functions against the symbols of a program (`go tool nm`): a hot function that is not
/// among them was renamed, removed or inlined. Inlined ones have no symbol, so only what is missing from
/// a package that has no symbol at all is called changed.
pub fn matching(coverage: &Coverage, nm: &str) -> Matching {
    let packages: BTreeSet<&str> =
        nm.lines().filter_map(|line| line.split_whitespace().last()).map(package).collect();
    // Without symbols (`-ldflags=-s`) nothing can be told.
    let is_stale = |hot: &&Hot| packages.len() > 1 && !packages.contains(package(&hot.name));
    let stale: Vec<&Hot> = coverage.hottest.iter().filter(is_stale).collect();
    Matching {
        lost: stale.iter().map(|hot| hot.counts).sum(),
        stale: stale.into_iter().map(|hot| hot.name.clone()).take(NAMED).collect(),
        ..Matching::default()
    }
}

/// `example.org/a/b` of `example.org/a/b.(*T).f`.
fn package(symbol: &str) -> &str {
    let start = symbol.rfind('/').map_or(0, |at| at + 1);
    let end = symbol.get(start..).and_then(|rest| rest.find('.')).map(|at| start + at);
    end.and_then(|end| symbol.get(..end)).unwrap_or(symbol)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOP: &str = "File: prog\nType: samples\nDuration: 1.10s, Total samples = 103\nShowing nodes accounting for 103, 100% of 103 total\n      flat  flat%   sum%        cum   cum%\n       101 98.06% 98.06%        103   100%  main.f (inline)\n         2  1.94%   100%          2  1.94%  runtime.futex\n         0     0%   100%        103   100%  example.org/a/b.(*T).run\n";

    #[test]
    fn samples_are_summed_up() {
        let found = coverage(TOP).unwrap();
        assert_eq!((found.functions, found.executed, found.counts), (None, 2, 103));
        assert_eq!(found.hottest[0].name, "main.f");
        assert_eq!(coverage("pprof: no such file"), None);
    }

    #[test]
    fn packages_that_are_gone_are_stale() {
        let found = coverage(TOP).unwrap();
        let nm = "  401000 T main.main\n  402000 T runtime.futex\n";
        assert!(matching(&found, nm).stale.is_empty());
        assert!(matching(&found, "prog: no symbols\n").stale.is_empty());
        let other = matching(&found, "  402000 T runtime.futex\n  403000 T os.Exit\n");
        assert_eq!((other.stale.as_slice(), other.lost), (&["main.f".to_owned()][..], 101));
        assert_eq!(package("example.org/a/b.v2/c.(*T).f"), "example.org/a/b.v2/c");
    }

    #[test]
    fn main_gets_another_name() {
        let source = "package main\n\nfunc maintain() {}\n\nfunc main() {\n\tmaintain()\n}\n";
        let text = renamed_main(source).unwrap();
        assert!(text.contains("func ironwrightMain() {\n\tmaintain()"), "{text}");
        assert!(
            text.ends_with("func main() {\n\tdefer ironwrightTurn(true)\n\tironwrightMain()\n}\n")
        );
        assert_eq!(renamed_main("package main\n// func main()\n"), None);
        assert!(ADDED_TEXT.contains(DIRECTORY));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
            let found = coverage(&format!("flat flat% sum% cum cum%\n{text}")).unwrap();
            let _ = matching(&found, &text);
            let _ = renamed_main(&text);
        }
    }
}
