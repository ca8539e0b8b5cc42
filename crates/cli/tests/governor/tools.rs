//! The build systems that launchers stand in: their compilers ask, and what they make works.
//!
//! Does not know how each is told of the launcher.

use std::fs;

use ironwright_core::observe::unit::{UnitOutcome, UnitRecord};

use crate::home::{Home, good, run};

fn write(home: &Home, name: &str, text: &str) {
    let path = home.work().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn build(home: &Home, command: &[&str]) -> Vec<UnitRecord> {
    let arguments = [&["run", "-q", "--"], command].concat();
    good(&run(home.ironwright(&arguments)));
    home.end_governor();
    home.units_of_last_run()
}

fn labels(units: &[UnitRecord]) -> Vec<(&str, &str)> {
    let mut all: Vec<_> =
        units.iter().map(|unit| (unit.tool.as_str(), unit.label.as_str())).collect();
    all.sort_unstable();
    all
}

const C: &str = "#include <stdio.h>\nint main(void) { puts(\"works\"); return 0; }\n";

#[test]
fn cargo_s_crates_are_units() {
    let home = Home::new();
    let manifest =
        "[package]\nname = \"tiny\"\nversion = \"0.3.0\"\nedition = \"2021\"\n[workspace]\n";
    write(&home, "Cargo.toml", manifest);
    write(&home, "src/lib.rs", "pub fn f() -> &'static str { \"works\" }\n");
    write(&home, "src/main.rs", "fn main() { println!(\"{}\", tiny::f()); }\n");
    let units = build(&home, &["cargo", "build", "-q", "--offline"]);
    assert_eq!(good(&run(home.command("target/debug/tiny"))), "works\n");
    println!("{:?}", labels(&units));
    assert_eq!(units.len(), 2, "{units:?}");
    assert!(
        units.iter().all(|unit| unit.tool == "rustc" && unit.outcome == UnitOutcome::Succeeded)
    );
    assert!(units.iter().all(|unit| unit.label.contains("tiny")), "{:?}", labels(&units));
}

#[test]
fn make_s_compilers_and_links_are_units() {
    let home = Home::new();
    write(&home, "a.c", C);
    write(&home, "Makefile", "a: a.o\n\tcc -o a a.o\na.o: a.c\n\tcc -c a.c\n");
    let units = build(&home, &["make", "-s"]);
    assert_eq!(good(&run(home.command("./a"))), "works\n");
    println!("{:?}", labels(&units));
    assert_eq!(units.len(), 2, "{units:?}");
}

#[test]
#[ignore = "needs CMake and ninja"]
fn cmake_s_compilers_and_links_are_units() {
    let home = Home::new();
    let lists =
        "cmake_minimum_required(VERSION 3.21)\nproject(t C CXX)\nadd_executable(t a.c b.cc)\n";
    write(&home, "CMakeLists.txt", lists);
    write(&home, "a.c", "int f(void) { return 1; }\n");
    write(
        &home,
        "b.cc",
        "#include <iostream>\nextern \"C\" int f();\nint main() { std::cout << f() << '\\n'; }\n",
    );
    let script = "cmake -S . -B out -G Ninja >log && ninja -C out >>log";
    let units = build(&home, &["sh", "-c", script]);
    assert_eq!(good(&run(home.command("out/t"))), "1\n");
    println!("{:?}", labels(&units));
    let has = |part: &str| units.iter().any(|unit| unit.label.contains(part));
    assert!(has("a.c") && has("b.cc"), "{:?}", labels(&units));
}

#[test]
#[ignore = "needs Go"]
fn go_s_packages_are_units() {
    let home = Home::new();
    write(&home, "go.mod", "module example.org/tiny\n\ngo 1.19\n");
    write(&home, "main.go", "package main\n\nfunc main() { println(\"works\") }\n");
    let units = build(&home, &["go", "build", "-o", "tiny", "."]);
    assert!(run(home.command("./tiny")).status.success());
    println!("{:?}", labels(&units));
    assert!(units.iter().any(|unit| unit.label.contains("tiny")), "{:?}", labels(&units));
}

#[test]
#[ignore = "needs ccache"]
fn hits_of_ccache_are_no_units() {
    let home = Home::new();
    write(&home, "a.c", C);
    let compile = ["sh", "-c", "ccache cc -c a.c -o a.o && cc a.o -o a"];
    let arguments = [&["run", "-q", "--"], compile.as_slice()].concat();
    let once = || {
        let mut command = home.ironwright(&arguments);
        command.env("CCACHE_DIR", home.path().join("ccache"));
        good(&run(command));
        home.end_governor();
        home.units_of_last_run()
    };
    let miss = once();
    assert_eq!(good(&run(home.command("./a"))), "works\n");
    let hit = once();
    println!("{:?} {:?}", labels(&miss), labels(&hit));
    assert_eq!((miss.len(), hit.len()), (2, 1), "{:?} {:?}", labels(&miss), labels(&hit));
}

#[test]
#[ignore = "needs ccache"]
fn a_cache_that_is_set_stands_in_front_of_every_compiler() {
    let home = Home::new();
    write(&home, "a.c", C);
    write(&home, "Makefile", "a: a.o\n\tcc -o a a.o\na.o: a.c\n\tcc -c a.c\n");
    let arguments =
        ["run", "-q", "--set", "compiler-cache=ccache", "--", "sh", "-c", "make -s && rm a.o"];
    let once = || {
        let mut command = home.ironwright(&arguments);
        command.env("CCACHE_DIR", home.path().join("ccache"));
        good(&run(command));
        home.end_governor();
        good(&run(home.ironwright(&["report"])))
    };
    let (miss, hit) = (once(), {
        fs::remove_file(home.work().join("a")).unwrap();
        once()
    });
    assert_eq!(good(&run(home.command("./a"))), "works\n");
    assert!(miss.contains("ccache answered 0 of 1"), "{miss}");
    assert!(hit.contains("ccache answered 1 of 1"), "{hit}");
    // The link asks, and of compilers only the one that was not answered.
    assert_eq!(home.units_of_last_run().len(), 1, "{hit}");
}
