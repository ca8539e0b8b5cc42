//! Crates of small workspaces, and keys against real command lines.
//!
//! Does not run Cargo: its output is written down.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::unit::{Invocation, recognise};

fn package(name: &str, targets: &serde_json::Value) -> serde_json::Value {
    json!({
        "name": name, "version": "1.0.0", "id": format!("{CRATES_IO}{name}@1.0.0"),
        "manifest_path": format!("/reg/{name}-1.0.0/Cargo.toml"), "targets": targets,
    })
}

fn target(name: &str, kind: &str, root: &str) -> serde_json::Value {
    let crate_type = if kind == "custom-build" { "bin" } else { kind };
    json!({"name": name, "kind": [kind], "crate_types": [crate_type], "src_path": root})
}

fn resolved(name: &str, features: &[&str], needs: &[(&str, Option<&str>)]) -> serde_json::Value {
    let deps: Vec<_> = needs
        .iter()
        .map(|(name, kind)| {
            json!({"pkg": format!("{CRATES_IO}{name}@1.0.0"), "dep_kinds": [{"kind": kind}]})
        })
        .collect();
    json!({"id": format!("{CRATES_IO}{name}@1.0.0"), "features": features, "deps": deps})
}

/// A program with a library that needs a proc macro, which needs a library that the program needs
/// too, and has a build script with a dependency of its own.
fn workspace() -> String {
    json!({
        "packages": [
            package("app", &json!([target("app", "bin", "/app/src/main.rs"), target("build-script-build", "custom-build", "/app/build.rs")])),
            package("shared", &json!([target("shared", "lib", "/reg/shared-1.0.0/src/lib.rs")])),
            package("derive", &json!([target("derive", "proc-macro", "/reg/derive-1.0.0/src/lib.rs")])),
            package("cc", &json!([target("cc", "lib", "/reg/cc-1.0.0/src/lib.rs")])),
            package("tester", &json!([target("tester", "lib", "/reg/tester-1.0.0/src/lib.rs")])),
        ],
        "workspace_members": [format!("{CRATES_IO}app@1.0.0")],
        "resolve": {"nodes": [
            resolved("app", &[], &[("shared", None), ("derive", None), ("cc", Some("build")), ("tester", Some("dev"))]),
            resolved("derive", &[], &[("shared", None)]),
            resolved("shared", &["std"], &[]),
            resolved("cc", &[], &[]),
            resolved("tester", &[], &[]),
        ]},
    })
    .to_string()
}

fn graph() -> Graph {
    metadata("m", &workspace(), &Release::default(), &mut |_| Some(7), &mut |_| Vec::new()).unwrap()
}

#[test]
fn a_build_script_compiles_what_its_package_carries() {
    let mut list = |folder: &Path| match folder.to_str() {
        Some("/reg/app-1.0.0") => vec![(folder.join("src/a.c"), 5), (folder.join("a.h"), 5)],
        _ => vec![(folder.join("never.c"), 5)],
    };
    let graph = metadata("m", &workspace(), &Release::default(), &mut |_| Some(7), &mut list);
    let graph = graph.unwrap();
    let at = graph.nodes.iter().position(|node| node.language == Language::CFamily).unwrap();
    assert_eq!(graph.nodes[at].label, "src/a.c");
    let count = graph.nodes.iter().filter(|node| node.language == Language::CFamily).count();
    assert_eq!(count, 1);
    let needs = graph.needs();
    let script = graph.nodes.iter().position(|node| node.kind == Kind::BuildScript).unwrap();
    assert_eq!(needs[at], [u32::try_from(script).unwrap()]);
    let app = graph.nodes.iter().position(|node| node.kind == Kind::Program).unwrap();
    assert!(needs[app].contains(&u32::try_from(at).unwrap()));
}

#[test]
fn what_is_compiled_for_the_host_stands_apart() {
    let graph = graph();
    let mut labels: Vec<_> = graph.nodes.iter().map(|node| node.label.as_str()).collect();
    labels.sort_unstable();
    assert_eq!(
        labels,
        [
            "app",
            "app (build script)",
            "cc (for the build)",
            "derive",
            "shared",
            "shared (for the build)"
        ]
    );
    let place = |label: &str| graph.nodes.iter().position(|n| n.label == label).unwrap();
    let needs = |from: &str, to: &str| {
        graph.needs()[place(from)].iter().any(|at| *at as usize == place(to))
    };
    assert!(needs("app", "shared") && needs("app", "derive") && needs("app", "app (build script)"));
    assert!(needs("derive", "shared (for the build)") && !needs("derive", "shared"));
    assert!(needs("app (build script)", "cc (for the build)"));
    assert!(graph.nodes.iter().all(|node| node.size_bytes.is_some() && node.key.is_some()));
}

/// What `cargo build --release --verbose` of Cargo 1.95 prints for thiserror 2.0.21.
const REAL: &[(&str, &str, &str)] = &[
    (
        "thiserror",
        "lib",
        "rustc --crate-name thiserror --edition=2021 /r/thiserror-2.0.21/src/lib.rs --error-format=json --json=diagnostic-rendered-ansi,artifacts,future-incompat --crate-type lib --emit=dep-info,metadata,link -C opt-level=3 -C embed-bitcode=no --cfg feature=\"default\" --cfg feature=\"std\" --check-cfg cfg(docsrs,test) -C metadata=99 -C extra-filename=-dd9f98788753fa94 --out-dir /t/release/deps -C strip=debuginfo -L dependency=/t/release/deps --extern thiserror_impl=/t/x.so --cap-lints allow",
    ),
    (
        "build-script-build",
        "custom-build",
        "rustc --crate-name build_script_build --edition=2021 /r/thiserror-2.0.21/build.rs --error-format=json --crate-type bin --emit=dep-info,link -C embed-bitcode=no -C debug-assertions=off --cfg feature=\"default\" --cfg feature=\"std\" -C metadata=39 -C extra-filename=-dadc --out-dir /t -C strip=debuginfo -L dependency=/t/release/deps --cap-lints allow",
    ),
];

#[test]
fn keys_are_those_of_the_real_command_lines() {
    for (name, kind, line) in REAL {
        let root = if *kind == "lib" { "src/lib.rs" } else { "build.rs" };
        let argv: Vec<String> = line
            .replace("feature=\"", "feature=\\\"")
            .replace("\" ", "\\\" ")
            .split(' ')
            .map(|w| w.replace('\\', ""))
            .collect();
        let environment = [
            ("CARGO_PKG_NAME".to_owned(), "thiserror".to_owned()),
            ("CARGO_PKG_VERSION".to_owned(), "2.0.21".to_owned()),
        ];
        let cwd = Path::new("/r/thiserror-2.0.21");
        let real =
            Invocation { argv: &argv, cwd, environment: &environment, stdin_is_source: false };
        let crate::unit::Kind::Unit(real) = recognise(&real) else { unreachable!("a unit") };
        let crate_types = [if *kind == "lib" { "lib" } else { "bin" }.to_owned()];
        let features = ["default", "std"].map(str::to_owned);
        let compile = command::Compile {
            package: "thiserror",
            version: "2.0.21",
            directory: cwd,
            crate_name: name,
            crate_types: &crate_types,
            root: &cwd.join(root),
            features: &features,
            host: *kind != "lib",
        };
        let node = Node::new(Language::Rust, Kind::Library, "x", "x");
        assert_eq!(compile.keyed(node, &Release::default()).key, Some(real.key));
    }
}

#[test]
fn a_lock_file_alone_gives_crates_and_versions() {
    let text = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\"b 2.0.0\", \"c\"]\n\
        [[package]]\nname = \"b\"\nversion = \"1.0.0\"\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n[[package]]\nname = \"c\"\nversion = \"0.1.0\"\n";
    let graph = lock("Cargo.lock", text).unwrap();
    assert_eq!(graph.nodes.len(), 4);
    assert_eq!(graph.needs()[0], [2, 3]);
}

#[test]
fn mistakes_tell_their_line() {
    let error = lock("Cargo.lock", "version = 4\n[[package]]\nname = 3\n").unwrap_err().to_string();
    assert!(error.starts_with("Cargo.lock:3: not a Cargo.lock"), "{error}");
    let mut none = |_: &Path| None;
    let error = metadata("m", "{\n]", &Release::default(), &mut none, &mut |_| Vec::new())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("m:2:1: not the JSON that `cargo metadata` prints"), "{error}");
}

#[test]
fn the_release_profile_changes_the_key() {
    let release =
        Release::parse("Cargo.toml", "[profile.release]\nlto = true\ncodegen-units = 1\n").unwrap();
    let mut none = |_: &Path| None;
    let with = metadata("m", &workspace(), &release, &mut none, &mut |_| Vec::new()).unwrap();
    let (plain, with) = (graph().nodes, with.nodes);
    let key =
        |nodes: &[Node], label: &str| nodes.iter().find(|n| n.label == label).unwrap().key.clone();
    assert_ne!(key(&plain, "shared"), key(&with, "shared"));
    assert_eq!(key(&plain, "derive"), key(&with, "derive"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,80}") {
        let mut none = |_: &Path| None;
        let _ = (lock("f", &text).is_ok(), Release::parse("f", &text).is_ok());
        let _ = metadata("f", &text, &Release::default(), &mut none, &mut |_| Vec::new());
    }
}
