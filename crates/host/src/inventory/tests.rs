//! Inventories of small trees, and of closures written by hand.
//!
//! Does not need Nix, Go or npm; what they would tell is read from files.

use std::path::Path;

use ironwright_core::inventory::{Kind, Language, Summary};
use ironwright_testkit::FakeRoot;

use super::*;

const FILES_ONLY: Options =
    Options { files_only: true, online: false, outermost: false, is_copy: false };

fn labels(inventory: &Inventory, kind: Kind) -> Vec<&str> {
    let of_kind = inventory.graph.nodes.iter().filter(|node| node.kind == kind);
    of_kind.map(|node| node.label.as_str()).collect()
}

#[test]
fn every_project_of_a_tree_is_read() {
    let root = FakeRoot::new([
        ("rs/Cargo.toml", "[package]\nname = \"rs\"\n"),
        ("rs/Cargo.lock", "version = 4\n[[package]]\nname = \"rs\"\nversion = \"0.1.0\"\n"),
        ("go/go.mod", "module x\nrequire a.org/a v1.0.0\n"),
        ("web/package.json", r#"{"name": "web", "scripts": {"build": "tsc"}}"#),
        (
            "web/package-lock.json",
            r#"{"packages": {"": {}, "node_modules/a": {"version": "1.0.0"}}}"#,
        ),
        ("web/index.ts", "12345"),
        ("py/pyproject.toml", "[project]\nname = \"py\"\n"),
        ("py/requirements.txt", "a==1\n"),
        ("c/Makefile", "all:\n"),
        ("c/src/a.c", "123"),
    ]);
    let inventory = read_directory(root.path(), FILES_ONLY).unwrap();
    let read: Vec<_> =
        inventory.projects.iter().map(|p| (p.name.as_str(), p.read_from.as_str())).collect();
    assert_eq!(
        read,
        [
            ("c", "sources"),
            ("x", "go.mod"),
            ("py", "requirements.txt, pyproject.toml"),
            ("rs", "Cargo.lock"),
            ("web", "package-lock.json"),
        ]
    );
    assert_eq!(labels(&inventory, Kind::TranslationUnit), ["src/a.c"]);
    let languages: Vec<_> =
        Summary::of(&inventory.graph).languages.iter().map(|l| l.language).collect();
    assert_eq!(
        languages,
        [Language::Rust, Language::CFamily, Language::Go, Language::Npm, Language::Python]
    );
    assert_eq!(inventory.notes.len(), 3);
}

#[test]
fn a_cargo_project_is_read_by_cargo_without_being_changed() {
    let root = FakeRoot::new([
        (
            "Cargo.toml",
            "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\nlib = { path = \"lib\" }\n",
        ),
        (
            "Cargo.lock",
            "version = 4\n[[package]]\nname = \"demo\"\nversion = \"0.1.0\"\ndependencies = [\"lib\"]\n[[package]]\nname = \"lib\"\nversion = \"0.1.0\"\n",
        ),
        ("src/main.rs", "fn main() {}\n"),
        (
            "lib/Cargo.toml",
            "[package]\nname = \"lib\"\nversion = \"0.1.0\"\nedition = \"2021\"\nbuild = \"build.rs\"\n",
        ),
        ("lib/src/lib.rs", "//! Nothing.\n"),
        ("lib/build.rs", "fn main() {}\n"),
    ]);
    let inventory = read_directory(root.path(), Options::default()).unwrap();
    assert_eq!(inventory.projects[0].read_from, "cargo metadata", "{:?}", inventory.notes);
    assert_eq!(labels(&inventory, Kind::Program), ["demo"]);
    assert_eq!(labels(&inventory, Kind::Library), ["lib"]);
    assert_eq!(labels(&inventory, Kind::BuildScript), ["lib (build script)"]);
    assert!(inventory.graph.nodes.iter().all(|node| node.size_bytes.is_some()));
    std::fs::remove_file(root.resolve("Cargo.lock")).unwrap();
    let inventory = read_directory(root.path(), Options::default()).unwrap();
    assert_eq!(labels(&inventory, Kind::Program), ["demo"]);
    assert!(!root.resolve("Cargo.lock").exists() && !root.resolve("target").exists());
}

#[test]
fn the_crate_of_an_extension_belongs_to_it() {
    let pyproject = "[build-system]\nrequires = [\"setuptools-rust\"]\n";
    let manifest = "[package]\nname = \"fast\"\nversion = \"0.1.0\"\n";
    let root = FakeRoot::new([
        ("pyproject.toml", pyproject),
        ("docs/pyproject.toml", "[project]\nname = \"docs\"\ndependencies = [\"sphinx\"]\n"),
        ("src/_fast/Cargo.toml", manifest),
        ("src/_fast/src/lib.rs", "//! Nothing.\n"),
        (
            "src/_fast/Cargo.lock",
            "version = 3\n[[package]]\nname = \"fast\"\nversion = \"0.1.0\"\n",
        ),
    ]);
    let inventory = read_directory(root.path(), FILES_ONLY).unwrap();
    assert_eq!(labels(&inventory, Kind::Library), ["fast"]);
    assert_eq!(labels(&inventory, Kind::Dependency), ["setuptools-rust", "sphinx"]);
    let own = read_directory(root.path(), Options { outermost: true, ..FILES_ONLY }).unwrap();
    assert_eq!(labels(&own, Kind::Dependency), ["setuptools-rust"]);
    assert_eq!((own.projects.len(), labels(&own, Kind::Library).len()), (1, 1));
}

#[test]
fn a_build_tree_tells_more_than_sources() {
    let ninja = "rule CC\n  command = cc -c $in -o $out\nrule LD\n  command = cc $in -o $out\nbuild a.o: CC ../a.c\nbuild app: LD a.o\n";
    let root = FakeRoot::new([
        ("CMakeLists.txt", "project(x)\n"),
        ("a.c", "1234"),
        ("unused.c", "1234"),
        ("build/build.ninja", ninja),
    ]);
    let inventory = read_directory(root.path(), FILES_ONLY).unwrap();
    assert_eq!(labels(&inventory, Kind::TranslationUnit), ["../a.c"]);
    assert_eq!(labels(&inventory, Kind::Link), ["app"]);
    let alone = read_directory(&root.path().join("build"), FILES_ONLY).unwrap();
    assert_eq!(labels(&alone, Kind::Link), ["app"]);
}

#[test]
fn cpython_is_recognised() {
    let root = FakeRoot::new([
        ("configure", ""),
        ("Programs/python.c", "1"),
        ("Include/patchlevel.h", "#define PY_VERSION \"3.13.1\"\n"),
        ("Modules/Setup", ""),
        ("Lib/site.py", ""),
    ]);
    let inventory = read_directory(root.path(), FILES_ONLY).unwrap();
    assert_eq!(labels(&inventory, Kind::Interpreter), ["cpython-3.13.1"]);
}

#[test]
fn what_cannot_be_read_is_told_with_its_file() {
    let root = FakeRoot::new([("package.json", "{\n"), ("package-lock.json", "{}")]);
    let error = read_directory(root.path(), FILES_ONLY).unwrap_err().to_string();
    assert!(error.contains("package.json:2:"), "{error}");
    let error = read_directory(&root.path().join("absent"), FILES_ONLY).unwrap_err().to_string();
    assert!(error.contains("absent"), "{error}");
}

fn hash(n: usize) -> String {
    format!("{n:032}")
}

fn drv(name: &str, hash: &str, inputs: &[String], environment: &str) -> String {
    let inputs: Vec<_> = inputs.iter().map(|path| format!("(\"{path}\",[\"out\"])")).collect();
    let out = if hash.is_empty() { r#""","""# } else { r#""sha256","00""# };
    format!(
        "Derive([(\"out\",\"/nix/store/{}-{name}\",{out})],[{}],[],\"x86_64-linux\",\"/bin/sh\",[],[(\"name\",\"{name}\"){environment}])",
        self::hash(9),
        inputs.join(",")
    )
}

/// A store with a program, its compiler's library, and a source that is there already.
fn store() -> (FakeRoot, String) {
    let path = |n: usize, name: &str| format!("/nix/store/{}-{name}.drv", hash(n));
    let root = FakeRoot::new([
        (
            path(1, "app-1.0"),
            drv("app-1.0", "", &[path(2, "src"), path(3, "absent")], ",(\"cargoDeps\",\"x\")"),
        ),
        (path(2, "src"), drv("src", "fixed", &[], "")),
        (format!("/nix/store/{}-src", hash(9)), "12345".to_owned()),
    ]);
    (root, path(1, "app-1.0"))
}

/// What is compiled has the size of what it downloads.
#[test]
fn a_closure_is_read_from_a_copied_store() {
    let (root, app) = store();
    let closure = read_closure(&root.resolve(&app), true).unwrap();
    assert_eq!((closure.read, closure.missing), (2, 1));
    let shown: Vec<_> = closure
        .graph
        .nodes
        .iter()
        .map(|n| (n.label.as_str(), n.kind, n.prebuilt, n.size_bytes.map(|b| b.0)))
        .collect();
    assert_eq!(
        shown,
        [
            ("app-1.0", Kind::Derivation, false, Some(5)),
            ("src", Kind::FixedOutput, true, Some(5)),
            ("absent", Kind::Derivation, false, None),
        ]
    );
    assert_eq!(closure.graph.nodes[0].language, Language::Rust);
}

#[test]
fn a_derivation_that_is_none_is_told_with_its_byte() {
    let (root, app) = store();
    root.write(&app, "Derive([");
    let error = read_closure(&root.resolve(&app), false).unwrap_err().to_string();
    assert!(error.contains("app-1.0.drv: byte 8"), "{error}");
    assert!(read_closure(Path::new("/absent.drv"), false).is_err());
}

#[test]
fn a_derivation_longer_than_the_buffer_is_read_whole() {
    let (root, app) = store();
    let long = format!(",(\"x\",\"{}\")", "a".repeat(300_000));
    root.write(&app, drv("app-1.0", "", &[], &long));
    assert_eq!(read_closure(&root.resolve(&app), false).unwrap().read, 1);
}
