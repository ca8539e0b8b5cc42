//! A small C project whose compilers take a moment each.
//!
//! Does not know who builds it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Sources besides the one with `main`.
pub(crate) const FILES: u32 = 30;

/// A project in a folder.
pub(crate) struct Project(pub(crate) PathBuf);

impl Project {
    /// Writes one; `weight` is how many functions each file has.
    pub(crate) fn new(directory: PathBuf, weight: u32) -> Self {
        fs::create_dir_all(&directory).unwrap();
        let mut main = String::from("#include <stdio.h>\n");
        for file in 0..FILES {
            fs::write(directory.join(format!("part{file}.c")), part(file, weight)).unwrap();
            writeln!(main, "double part{file}(double);").unwrap();
        }
        main.push_str("int main(void) { double x = 1;\n");
        for file in 0..FILES {
            writeln!(main, "x += part{file}(x);").unwrap();
        }
        main.push_str("printf(\"%g\\n\", x); return 0; }\n");
        fs::write(directory.join("main.c"), main).unwrap();
        let objects: String =
            (0..FILES).fold("main.o".into(), |all, file| format!("{all} part{file}.o"));
        let makefile = format!(
            "program: {objects}\n\tcc -o $@ {objects}\n%.o: %.c\n\tcc -O2 -c -o $@ $<\n\
             clean:\n\trm -f program *.o\n"
        );
        fs::write(directory.join("Makefile"), makefile).unwrap();
        Self(directory)
    }

    /// The bytes of everything that a build makes.
    pub(crate) fn outputs(&self) -> Vec<(String, Vec<u8>)> {
        let made =
            |path: &Path| path.ends_with("program") || path.extension().is_some_and(|e| e == "o");
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = entries
            .filter(|path| made(path))
            .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
            .collect();
        found.sort();
        found
    }

    pub(crate) fn clean(&self) {
        let make =
            Command::new("make").arg("clean").current_dir(&self.0).stdout(Stdio::null()).status();
        assert!(make.unwrap().success());
    }

    /// What an undisturbed build makes. Leaves nothing.
    pub(crate) fn expected(&self) -> Vec<(String, Vec<u8>)> {
        let mut make = Command::new("make");
        make.args(["-s", "-j2"]).env_remove("MAKEFLAGS").current_dir(&self.0);
        assert!(make.status().unwrap().success());
        let outputs = self.outputs();
        assert_eq!(outputs.len(), FILES as usize + 2);
        self.clean();
        outputs
    }
}

fn part(file: u32, weight: u32) -> String {
    let mut text = String::from("#include <math.h>\n");
    for number in 0..weight {
        let factor = file * 1000 + number;
        writeln!(
            text,
            "static double f{number}(double x, double *a, int n) {{ for (int i = 0; i < n; i++) \
             {{ if (a[i] > x) a[i] = a[i] * {factor}.5 + x; else x += a[n - i - 1] * a[i]; }} \
             switch ((int)x & 7) {{ case 0: return x; case 1: return -x; case 2: return x * x; \
             case 5: return a[0] + x; default: return x + {number}; }} }}"
        )
        .unwrap();
    }
    writeln!(text, "double part{file}(double x) {{ double a[16] = {{ x }};").unwrap();
    for number in 0..weight {
        writeln!(text, "x += f{number}(x, a, 16);").unwrap();
    }
    text.push_str("return x; }\n");
    text
}
