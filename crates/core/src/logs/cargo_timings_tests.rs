//! Cargo's timings: keys are those of the commands that cargo really gives.
//!
//! Does not know files.

use proptest::prelude::*;

use super::*;

fn page_of(profile: &str, units: &str) -> String {
    format!(
        "<td>Profile:</td><td>{profile}</td>\n<td>Build start:</td><td>2026-11-21T08:34:18.5Z</td>\n\
         const UNIT_DATA = [\n{units}\n];\nconst CONCURRENCY_DATA = [];"
    )
}

fn unit(i: u64, name: &str, target: &str, more: &str) -> String {
    let target = target.replace('"', "\\\"");
    format!(
        r#"{{"i": {i}, "name": "{name}", "version": "1.2.3", "mode": "todo", "target": "{target}",
          "start": 0.31, "duration": 1.24, {more}}}"#
    )
}

const LIBRARY: &str =
    r#""features": ["default", "std"], "sections": [["frontend", {}]], "unblocked_units": []"#;

/// The key of a command as cargo 1.95 printed it, shortened by what no key depends on.
fn governed(package: &str, arguments: &[&str]) -> String {
    let argv: Vec<String> = std::iter::once("/home/me/.rustup/bin/rustc")
        .chain(arguments.iter().copied())
        .map(Into::into)
        .collect();
    let environment = [
        ("CARGO_PKG_NAME".to_owned(), package.to_owned()),
        ("CARGO_PKG_VERSION".to_owned(), "1.2.3".to_owned()),
    ];
    let cwd = Path::new("/home/me/package");
    match recognise(&Invocation {
        argv: &argv,
        cwd,
        environment: &environment,
        stdin_is_source: false,
    }) {
        Kind::Unit(facts) => facts.key,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_library_has_the_key_of_its_command() {
    let common = [
        "--crate-name",
        "this_error",
        "--edition=2021",
        "src/lib.rs",
        "--error-format=json",
        "--crate-type",
        "lib",
        "--emit=dep-info,metadata,link",
        "-C",
        "embed-bitcode=no",
        "--cfg",
        "feature=\"default\"",
        "--cfg",
        "feature=\"std\"",
        "--check-cfg",
        "cfg(docsrs,test)",
        "-C",
        "metadata=4c",
        "-C",
        "extra-filename=-5c",
        "--cap-lints",
        "allow",
    ];
    for (profile, setting) in [("dev", "debuginfo=2"), ("release [optimized]", "opt-level=3")] {
        let log = read(&page_of(profile, &unit(1, "this-error", "", LIBRARY))).unwrap();
        let expected = governed("this-error", &[&common[..], &["-C", setting]].concat());
        assert_eq!(log.records[0].key, expected);
        assert_eq!(log.records[0].wall_us, 1_240_000);
        assert_eq!(log.records[0].started_unix_us, 1_795_250_058_810_000);
    }
}

/// A target, and what cargo gives rustc for it.
const KINDS: [(&str, &str, &str); 6] = [
    ("", "a_b --crate-type proc-macro --emit=dep-info,link -Cprefer-dynamic", "src/lib.rs"),
    (" build-script", "build_script_build --crate-type bin --emit=dep-info,link", "build.rs"),
    (" prog \"bin\"", "prog --crate-type bin --emit=dep-info,link -Cdebuginfo=2", "src/main.rs"),
    (" bin \"prog\"", "prog --crate-type bin --emit=dep-info,link -Cdebuginfo=2", "src/main.rs"),
    (" lib (test)", "a_b --test --emit=dep-info,link -Cdebuginfo=2", "src/lib.rs"),
    (" lib (check)", "a_b --crate-type lib --emit=dep-info,metadata -Cdebuginfo=2", "src/lib.rs"),
];

#[test]
fn each_kind_has_the_key_of_its_command() {
    for (target, arguments, root) in KINDS {
        let log = read(&page_of("dev", &unit(1, "a-b", target, r#""sections": null"#))).unwrap();
        let fixed = ["--crate-name"].into_iter();
        let words = fixed.chain(arguments.split(' ')).chain(["-Cembed-bitcode=no", root]);
        let words: Vec<&str> = words.collect();
        assert_eq!(log.records[0].key, governed("a-b", &words), "{target}");
    }
}

#[test]
fn what_only_macros_and_build_scripts_need_is_for_the_host() {
    let needed_by = |i: u64| format!(r#""sections": [1], "unblocked_units": [{i}]"#);
    let units = [
        unit(1, "quote", "", &needed_by(2)),
        unit(2, "derive", "", r#""sections": null, "unblocked_units": [3]"#),
        unit(3, "thing", "", &needed_by(9)),
    ];
    let log = read(&page_of("dev", &units.join(","))).unwrap();
    let of = |name: &str, more: &[&str]| {
        let common = [
            "--crate-name",
            name,
            "--crate-type",
            "lib",
            "--emit=link",
            "-Cembed-bitcode=no",
            "src/lib.rs",
        ];
        governed(name, &[&common[..], more].concat())
    };
    assert_eq!(log.records[0].key, of("quote", &[]));
    assert_eq!(log.records[2].key, of("thing", &["-Cdebuginfo=2"]));
}

#[test]
fn build_scripts_that_ran_are_left_out() {
    let ran = r#"{"i": 1, "name": "a", "version": "1", "mode": "run-custom-build",
        "target": " build-script (run)", "start": 0.1, "duration": 0.2}"#;
    let log = read(&page_of("dev", ran)).unwrap();
    assert_eq!((log.records.len(), log.left_out.len()), (0, 1));
}

#[test]
fn messages_are_read() {
    let message = |id: &str, kind: &str| {
        format!(
            r#"{{"reason":"timing-info","package_id":"{id}","target":{{"kind":["{kind}"],"name":"bat"}},"mode":"build","duration":2.5,"rmeta_time":null}}"#
        )
    };
    for id in [
        "registry+https://x/y#bat@1.2.3",
        "path+file:///w/bat#1.2.3",
        "bat 1.2.3 (registry+https://x/y#z)",
    ] {
        let log = read(&format!("{{\"reason\":\"other\"}}\n{}\n", message(id, "lib"))).unwrap();
        assert_eq!(
            (log.records[0].package.as_deref(), log.records[0].wall_us),
            (Some("bat"), 2_500_000)
        );
        assert!(log.records[0].key.starts_with("rustc lib bat-1.2.3 "), "{}", log.records[0].key);
    }
    assert_eq!(read("\n{\"reason\":\"timing-info\"}").unwrap_err().line, 2);
}

#[test]
fn a_mistake_has_its_line() {
    let damaged = page_of("dev", "{\"i\": 1,\n\"name\": 5}");
    assert_eq!(read(&damaged).unwrap_err().line, 5);
    assert!(read("<html>").unwrap_err().problem.contains("UNIT_DATA"));
}

proptest! {
    #[test]
    fn no_text_panics(
        text in "\\PC{0,60}", target in "[a-z \"()-]{0,20}", number in any::<f64>(), id in "[a-z#@ ()/+.0-9]{0,24}",
    ) {
        let _ = (read(&text), read(&format!("const UNIT_DATA = {text}")), package(&id));
        let more = format!("\"features\": [], \"rmeta_time\": {number:?}");
        let _ = read(&page_of(&text, &unit(1, "a", &target, &more)));
    }
}
