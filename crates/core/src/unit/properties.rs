//! What must hold for every command line.
//!
//! Does not know what a command line means.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::units::Bytes;

/// Programs and words that lead everywhere, and any text between them.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "-c",
        "-o",
        "-",
        "-x",
        "c",
        "a.c",
        "a.cpp",
        "a.o",
        "a.rs",
        "--crate-name",
        "--crate-type",
        "lib",
        "--emit",
        "-C",
        "lto=fat",
        "--test",
        "-Zthreads=9",
        "-flto=auto",
        "-p",
        "pkg",
        "main.go",
        "-c=4",
        "-gencode",
        "code=[a,b",
        "-t",
        "-fuse-ld=",
        "--threads=0",
        "@",
        "build-exe",
        "=",
        "-cc1",
        "\n",
        "..",
        "/",
        "rustc",
        "x-1.2/../é.c",
        "-o\n",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => any::<String>()]
}

fn program() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "rustc",
        "clippy-driver",
        "rustdoc",
        "gcc",
        "g++",
        "clang",
        "cc1plus",
        "hipcc",
        "nvcc",
        "ptxas",
        "ld",
        "mold",
        "collect2",
        "/g/tool/l/compile",
        "/g/tool/l/link",
        "node",
        "javac",
        "zig",
        "nim",
        "clang-tidy",
        "ar",
        "",
    ]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #[test]
    fn no_command_line_panics_and_names_are_one_line(
        program in program(),
        words in prop::collection::vec(word(), 0..10),
        cwd in "(/[a-z.\n-]{0,5}){0,3}",
        value in any::<String>(),
        stdin_is_source in any::<bool>(),
    ) {
        let argv: Vec<String> = std::iter::once(program).chain(words).collect();
        let names = ["CARGO_PKG_NAME", "CARGO_PKG_VERSION", "TOOLEXEC_IMPORTPATH"];
        let environment: Vec<_> = names.map(|name| (name.to_owned(), value.clone())).into();
        let cwd = Path::new(&cwd);
        let invocation = Invocation { argv: &argv, cwd, environment: &environment, stdin_is_source };
        let mut found = vec![explicit(&invocation, None), explicit(&invocation, Some(&value))];
        if let Kind::Unit(facts) = recognise(&invocation) {
            found.push(facts);
        }
        for facts in found {
            for text in [&facts.tool, &facts.label, &facts.key, &facts.family] {
                prop_assert!(!text.trim().is_empty());
                prop_assert!(!text.contains(['\n', '\r']));
            }
            prop_assert!(facts.forecast(1 << 20).peak <= Bytes::gib(8));
        }
    }
}
