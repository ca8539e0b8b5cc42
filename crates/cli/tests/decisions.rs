//! From a benchmark to a setting and back: `advise`, `apply`, `rollback`, `generations` and `emit`.
//!
//! Commands sleep for so different times that only a machine which stands still at times can hide it, and
//! they are measured again until the difference is decided on. Does not test the figures; the core's
//! tests do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "recorded machines make no decisions")]
mod common;

use std::path::Path;

use common::{ironwright, json, text};
use serde_json::Value;

const SLOW: &str = "sleep 0.1";
const FAST: &str = "sleep 0.01";
/// Benchmarks after which nothing is clear but that something is wrong.
const TRIES: usize = 12;

/// Benchmarks until that is decided which ought to be, given what the last one said: a virtual machine may
/// stand still for longer than anything sleeps here, and what one benchmark calls faster may be too wide to
/// decide on.
fn bench_until(
    home: &Path,
    commands: [&str; 2],
    (setting, package): (&str, &str),
    is_decided: impl Fn(&str) -> bool,
) {
    let about = ["--with", setting, "--package", package, "--as", "nap"];
    let arguments = [&["bench"], &commands[..], &["-r", "12"], &about].concat();
    let tries = (0..TRIES).map(|_| shown(home, &arguments));
    let said: Vec<String> = tries.take_while(|said| !is_decided(said)).collect();
    assert!(said.len() < TRIES, "{}", said.join("\n"));
}

fn shown(home: &Path, arguments: &[&str]) -> String {
    let output = ironwright(home, arguments);
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

fn of<'a>(advice: &'a Value, knob: &str) -> &'a Value {
    let has = |it: &&Value| it["change"]["knobs"].get(knob).is_some();
    advice.as_array().unwrap().iter().find(has).unwrap()
}

#[test]
fn what_was_measured_to_pay_is_applied_emitted_and_rolled_back() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let ask = || json(&ironwright(home, &["advise", "demo", "--json"]));
    bench_until(home, [SLOW, FAST], ("c-opt-level=3", "demo"), |_| {
        let advice = ask();
        let it = of(&advice, "c-opt-level");
        (&it["action"], &it["band"]) == (&"keep".into(), &"C".into())
    });
    let advice = ask();
    let schema = json(&ironwright(home, &["schema", "advice"]));
    assert!(jsonschema::is_valid(&schema, &advice));
    assert!(shown(home, &["advise", "demo", "--explain"]).contains("measured here"));

    assert!(shown(home, &["apply", "--dry-run"]).contains("+ demo: c-opt-level=3"));
    assert!(shown(home, &["generations"]).contains("nothing was applied"));
    assert!(shown(home, &["apply"]).contains("generation 1 holds now"));
    let flags = |package: &str| shown(home, &["emit", "env", "--package", package]);
    assert!(flags("demo").contains("CFLAGS"), "{}", flags("demo"));
    assert!(!flags("other").contains("CFLAGS"), "{}", flags("other"));
    let settings = json(&ironwright(home, &["settings", "demo", "--json"]));
    assert_eq!(settings["settings"]["c-opt-level"]["origin"]["layer"], "generation");
    assert!(shown(home, &["apply"]).contains("nothing to apply"));

    assert!(shown(home, &["rollback"]).contains("- demo: c-opt-level=3"));
    assert!(!flags("demo").contains("CFLAGS"));
    assert!(shown(home, &["rollback", "1"]).contains("+ demo: c-opt-level=3"));
    assert!(flags("demo").contains("CFLAGS"));
}

#[test]
fn a_canary_that_loses_its_benchmark_is_taken_back_and_remembered() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let setting = ["apply", "c-march=x86-64-v3", "--package", "openssl"];
    let refused = ironwright(home, &setting);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("--canary"), "{}", text(&refused));
    let applied = shown(home, &[&setting[..], &["--canary"]].concat());
    assert!(applied.contains("+ openssl: c-march=x86-64-v3"), "{applied}");
    assert!(shown(home, &["generations"]).contains("1 on trial"));

    bench_until(home, [FAST, SLOW], ("c-march=x86-64-v3", "openssl"), |said| {
        said.contains("is taken back")
    });
    let all = json(&ironwright(home, &["generations", "--json"]));
    assert_eq!(all["current"], 2);
    let diff = shown(home, &["generations", "diff", "1", "2"]);
    assert!(
        diff.contains("- openssl: c-march=x86-64-v3") && diff.contains("lost its benchmark"),
        "{diff}"
    );
    let again = ironwright(home, &[&setting[..], &["--canary"]].concat());
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).contains("was taken back before"), "{}", text(&again));
}

#[test]
fn a_canary_that_gets_a_build_killed_is_taken_back_and_remembered() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::create_dir(home.join("demo")).unwrap();
    let setting = ["apply", "c-march=x86-64-v3", "--package", "demo", "--canary"];
    let build = || ironwright(home, &["build", "path:demo", "--no-govern"]);
    std::fs::write(home.join("demo/Makefile"), "all:\n\t@echo \"with $$CFLAGS\"\n").unwrap();
    shown(home, &setting);
    let well = build();
    assert!(well.status.success() && text(&well).contains("-march=x86-64-v3"), "{}", text(&well));
    assert!(shown(home, &["generations"]).contains("1 on trial"));

    // As the kernel ends what takes too much: without a word to anybody.
    std::fs::write(home.join("demo/Makefile"), "all:\n\t@kill -KILL $$PPID\n").unwrap();
    let killed = build();
    assert!(
        !killed.status.success() && text(&killed).contains("is taken back"),
        "{}",
        text(&killed)
    );
    let diff = shown(home, &["generations", "diff", "1", "2"]);
    assert!(diff.contains("- demo: c-march=x86-64-v3") && diff.contains("red flag"), "{diff}");
    let again = ironwright(home, &setting);
    assert!(text(&again).contains("was taken back before"), "{}", text(&again));
}

#[test]
fn what_can_be_tried_is_advised_of_what_reaches_it() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let advice = json(&ironwright(home, &["advise", "zlib", "--json"]));
    let all = advice.as_array().unwrap().iter();
    let knobs: Vec<&str> = all
        .flat_map(|it| it["change"]["knobs"].as_object().unwrap().keys().map(String::as_str))
        .collect();
    assert!(knobs.contains(&"c-pgo-level") && knobs.contains(&"c-opt-level"), "{knobs:?}");
    let others = ["rust-", "go-", "python-", "node-", "cuda-"];
    assert!(!knobs.iter().any(|knob| others.iter().any(|it| knob.starts_with(it))), "{knobs:?}");
    let said = shown(home, &["advise", "zlib", "--explain"]);
    assert!(said.contains("next: ironwright trial zlib --treatment c-opt-level=3\n"), "{said}");
    let unknown = shown(home, &["advise", "other", "--explain"]);
    assert!(unknown.contains("next: ironwright bench BUILT_WITHOUT"), "{unknown}");
}

#[test]
fn nothing_measured_means_nothing_applied() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    assert!(shown(home, &["apply"]).contains("nothing to apply"));
    let advice = json(&ironwright(home, &["advise", "--json"]));
    let it = of(&advice, "c-opt-level");
    assert_eq!(it["action"], "measure-more");
    assert!(advice.as_array().unwrap().iter().all(|it| it["band"] != "C"), "{advice}");
    assert!(
        advice.as_array().unwrap().iter().all(|it| !it.to_string().contains("-level\":\"NONE"))
    );
    for arguments in [&["rollback"][..], &["rollback", "7"], &["generations", "show", "3"]] {
        let output = ironwright(home, arguments);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("ironwright generations"), "{}", text(&output));
    }
}
