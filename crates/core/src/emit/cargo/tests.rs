//! Tests of the Cargo emitter: what is kept, what is restored, and any text at all.
//! Does not read or write files: texts go in and come out.

use proptest::prelude::*;
use toml_edit::DocumentMut;

use super::*;

fn entry(key: &str, value: CargoValue) -> CargoEntry {
    CargoEntry { key: key.to_owned(), value, why: "6 of 8 threads".to_owned() }
}

fn jobs(n: i64) -> CargoEntry {
    entry("build.jobs", CargoValue::Integer(n))
}

fn typical() -> Vec<CargoEntry> {
    let flags = ["-C", "target-cpu=znver4"].map(str::to_owned).to_vec();
    vec![
        jobs(6),
        entry("target.x86_64-unknown-linux-gnu.rustflags", CargoValue::List(flags)),
        entry("build.incremental", CargoValue::Flag(true)),
        entry("env.CMAKE_BUILD_PARALLEL_LEVEL", CargoValue::Text("6".to_owned())),
        entry("target.'cfg(unix)'.linker", CargoValue::Text("a \"b\"\\\u{7f}\n".to_owned())),
    ]
}

fn emit(before: &str, entries: &[CargoEntry]) -> Edited {
    cargo_config(Some(before), entries).expect("emits")
}

/// Emits, checks that a second time changes nothing, that all of our values are there unless
/// kept, and that taking them out again restores the text.
fn emit_and_restore(before: &str, entries: &[CargoEntry]) -> String {
    let once = emit(before, entries);
    assert_eq!(emit(&once.text, entries).text, once.text, "idempotent");
    let scan = Scan::read(&once.text).expect("parses");
    for entry in entries {
        let path = Wanted::read(entry).expect("a key").path;
        let found = scan.pairs.iter().find(|p| p.path == path);
        let is_there =
            found.is_some_and(|p| p.value.as_ref().is_some_and(|v| v.means(&entry.value)));
        assert!(is_there || !once.kept.is_empty(), "{} in\n{}", entry.key, once.text);
    }
    assert_eq!(emit(&once.text, &[]).text, before, "restored from\n{}", once.text);
    once.text
}

#[test]
fn a_new_file() {
    insta::assert_snapshot!(emit_and_restore("", &typical()), @r#"
        [build] # ironwright
        jobs = 6 # ironwright: 6 of 8 threads
        incremental = true # ironwright: 6 of 8 threads

        [target.x86_64-unknown-linux-gnu] # ironwright
        rustflags = ["-C", "target-cpu=znver4"] # ironwright: 6 of 8 threads

        [env] # ironwright
        CMAKE_BUILD_PARALLEL_LEVEL = "6" # ironwright: 6 of 8 threads

        [target."cfg(unix)"] # ironwright
        linker = "a \"b\"\\\u007F\n" # ironwright: 6 of 8 threads
        "#);
    assert_eq!(cargo_config(None, &[]).expect("emits"), Edited::default());
}

#[test]
fn a_typical_file_keeps_its_comments_and_order() {
    let before = "# ours since 2021\n[net]\nretry = 3   # flaky proxy\n\n[build]\n  target-dir = \"/t\"\n  # why not\n\n[alias]\nb = 'build'\n";
    insta::assert_snapshot!(emit_and_restore(before, &typical()), @r#"
        # ours since 2021
        [net]
        retry = 3   # flaky proxy

        [build]
          target-dir = "/t"
          jobs = 6 # ironwright: 6 of 8 threads
          incremental = true # ironwright: 6 of 8 threads
          # why not

        [alias]
        b = 'build'

        [target.x86_64-unknown-linux-gnu] # ironwright
        rustflags = ["-C", "target-cpu=znver4"] # ironwright: 6 of 8 threads

        [env] # ironwright
        CMAKE_BUILD_PARALLEL_LEVEL = "6" # ironwright: 6 of 8 threads

        [target."cfg(unix)"] # ironwright
        linker = "a \"b\"\\\u007F\n" # ironwright: 6 of 8 threads
        "#);
}

#[test]
fn a_key_of_the_user_is_kept_and_reported() {
    let before = "[build]\njobs = 2 # mine\nrustflags = \"-C opt-level=3\"\n";
    let flags = ["-C", "opt-level=3"].map(str::to_owned).to_vec();
    let edited = emit(before, &[jobs(6), entry("build.rustflags", CargoValue::List(flags))]);
    assert_eq!(edited.text, before);
    let kept = Kept {
        key: "build.jobs".to_owned(),
        line: 2,
        theirs: "2".to_owned(),
        ours: "6".to_owned(),
    };
    assert_eq!(edited.kept, [kept]);
    assert_eq!(emit(before, &[jobs(2)]).kept, []);
}

#[test]
fn the_line_of_a_kept_key_is_that_of_the_final_text() {
    let before = "[build]\n\n[env]\nA = \"1\"\n";
    let a = entry("env.A", CargoValue::Text("2".to_owned()));
    let edited = emit(before, &[a, jobs(6)]);
    assert_eq!(edited.kept[0].line, 5, "{}", edited.text);
}

#[test]
fn marked_keys_are_updated_and_removed() {
    let first = emit("[build]\ntarget = 'x'\n", &[jobs(6)]).text;
    assert_eq!(first, "[build]\ntarget = 'x'\njobs = 6 # ironwright: 6 of 8 threads\n");
    let mut changed = jobs(4);
    changed.why = "4 of\n8".to_owned();
    let second = emit(&first, &[changed]).text;
    assert_eq!(second, "[build]\ntarget = 'x'\njobs = 4 # ironwright: 4 of 8\n");
    assert_eq!(emit(&second, &[]).text, "[build]\ntarget = 'x'\n");
}

#[test]
fn a_table_of_ours_goes_when_it_is_empty_and_stays_when_used() {
    let text = emit("", &[jobs(6)]).text;
    let used = format!("{text}target = 'x'\n");
    assert_eq!(emit(&used, &[]).text, "[build] # ironwright\ntarget = 'x'\n");
    let commented = format!("{text}# target = 'x'\n");
    assert_eq!(emit(&commented, &[]).text, "[build] # ironwright\n# target = 'x'\n");
    assert_eq!(emit("[build]\n", &[]).text, "[build]\n");
}

#[test]
fn inline_tables_are_extended_in_place() {
    let inner = entry("build.a.b", CargoValue::Flag(true));
    for (before, expected) in [
        ("build = {}", "build = {jobs = 6} # ironwright[build.jobs]: 6 of 8 threads"),
        ("build = { }\n", "build = { jobs = 6 } # ironwright[build.jobs]: 6 of 8 threads\n"),
        (
            "build = { target = 'x' } # mine\r\n",
            "build = { target = 'x', jobs = 6 } # mine # ironwright[build.jobs]: 6 of 8 threads\r\n",
        ),
        (
            "build = {\n  target = 'x', # one\n  a = { c = 1 },\n}\n",
            "build = {\n  target = 'x', # one\n  a = { c = 1 }, jobs = 6,\n} # ironwright[build.jobs]: 6 of 8 threads\n",
        ),
    ] {
        assert_eq!(emit_and_restore(before, &[jobs(6)]), expected);
        emit_and_restore(before, &[jobs(6), inner.clone()]);
        emit_and_restore(before, &[inner.clone(), jobs(6)]);
    }
}

#[test]
fn a_user_who_puts_our_inline_key_first_is_understood() {
    for (before, after) in [
        ("a = { b = 1, c = 2 } # ironwright[a.b]: x\n", "a = { c = 2 }\n"),
        ("a = { b = 1, } # ironwright[a.b]: x\n", "a = { }\n"),
        ("a = { c = 2, # hi\n b = 1 } # ironwright[a.b]: x\n", "a = { c = 2, # hi\n  }\n"),
    ] {
        assert_eq!(emit(before, &[]).text, after);
    }
}

#[test]
fn an_inline_key_of_the_user_is_kept() {
    let edited = emit("build = { jobs = 4 }\n", &[jobs(6)]);
    assert_eq!(edited.text, "build = { jobs = 4 }\n");
    assert_eq!((edited.kept[0].line, edited.kept[0].theirs.as_str()), (1, "4"));
}

#[test]
fn dotted_keys_are_continued_where_they_stand() {
    let before = "build.target = 'x'\nnet.retry = 1\n[target]\n t.linker = 'l'\n";
    let more = [jobs(6), entry("target.t.rustflags", CargoValue::List(Vec::new()))];
    let text = emit_and_restore(before, &more);
    assert!(text.starts_with("build.target = 'x'\nbuild.jobs = 6 # ironwright"), "{text}");
    assert!(text.ends_with("\n t.rustflags = [] # ironwright: 6 of 8 threads\n"), "{text}");
}

#[test]
fn line_endings_and_missing_ones_are_kept() {
    let text = emit_and_restore("[net]\r\nretry = 1\r\n", &typical());
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    for before in
        ["# only a comment", "[build]", "[net]\nretry = 1", "\n", "  ", "\u{feff}", "\u{feff}a = 1"]
    {
        emit_and_restore(before, &typical());
        emit_and_restore(before, &[entry("paths", CargoValue::List(Vec::new())), jobs(1)]);
    }
}

#[test]
fn what_stands_in_the_way_is_kept() {
    for (before, key, line) in [
        ("\nbuild = 3\n", "build", 2),
        ("[[build]]\nx = 1\n", "build", 1),
        ("[build.jobs]\nx = 1\n", "build.jobs", 1),
        ("build.jobs.x = 1\n", "build.jobs", 1),
        ("[build]\njobs = { x = 1 }\n", "build.jobs", 2),
    ] {
        let edited = emit(before, &[jobs(6)]);
        assert_eq!(edited.text, before);
        assert_eq!((edited.kept[0].key.as_str(), edited.kept[0].line), (key, line), "{before}");
    }
}

#[test]
fn an_implicit_table_gets_a_header_of_its_own() {
    let text = emit_and_restore("[build.env]\nx = 1\n", &[jobs(6)]);
    assert!(text.ends_with("\n\n[build] # ironwright\njobs = 6 # ironwright: 6 of 8 threads\n"));
}

#[test]
fn a_broken_file_is_an_error_with_its_place() {
    let error = cargo_config(Some("[build]\njobs = = 3\n"), &[jobs(1)]).expect_err("broken");
    assert_eq!((error.line(), error.column()), (Some(2), Some(8)), "{error}");
    let error = cargo_config(None, &[entry("a..b", CargoValue::Flag(true))]).expect_err("no key");
    assert!(matches!(error, EmitError::Unwritable { .. }));
}

#[test]
fn an_explanation_cannot_pose_as_a_mark() {
    let mut sly = jobs(6);
    sly.why = "x # ironwright[build.target]: y".to_owned();
    let text = emit_and_restore("build = { target = 'x' }\n", &[sly]);
    assert!(text.starts_with("build = { target = 'x', jobs = 6 }"), "{text}");
}

/// Lines out of which a configuration is put together; many combinations are valid.
fn configuration() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "",
        "# c",
        "[build]",
        "[env]",
        "[target]",
        "[build.x]",
        "[[a]]",
        "jobs = 1",
        "  y = [1,\n 2]",
        "build = {}",
        "build = { jobs = 2 } # m",
        "build.z = 1",
        "env = { A.b = 1 }",
        "x = 'q' # c",
        "x86_64-unknown-linux-gnu.linker = 'l'",
        "[target.x86_64-unknown-linux-gnu] # h",
        "A = \"1\"",
        "[ 'target' . \"cfg(unix)\" ]",
        "s = '''\n# ironwright: no\n'''",
        "target.q = { r = {} }",
    ]);
    let lines = prop::collection::vec(line, 0..7);
    let text = (lines, any::<bool>(), any::<bool>()).prop_map(|(lines, crlf, newline)| {
        let text = lines.join("\n") + if newline { "\n" } else { "" };
        if crlf { text.replace('\n', "\r\n") } else { text }
    });
    text.prop_filter("not TOML", |text| text.parse::<DocumentMut>().is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_never_panics(text in any::<String>()) {
        let _ = cargo_config(Some(&text), &typical());
    }

    #[test]
    fn configurations_survive_and_come_back(before in configuration()) {
        emit_and_restore(&before, &typical());
    }

    #[test]
    fn foreign_keys_and_comments_survive(before in configuration()) {
        let after = emit(&before, &typical()).text;
        let (old, new) = (Scan::read(&before).expect("parses"), Scan::read(&after).expect("parses"));
        for pair in old.pairs.iter().filter(|p| !p.is_table) {
            let same = new.pairs.iter().find(|p| p.path == pair.path).expect("still there");
            prop_assert_eq!(&same.value, &pair.value);
        }
        for line in before.lines().filter(|l| l.starts_with('#')) {
            prop_assert!(after.contains(line));
        }
    }

    #[test]
    fn fewer_entries_later_are_as_if_never_written(before in configuration()) {
        let all = emit(&before, &typical()).text;
        let some = emit(&all, &[jobs(6)]).text;
        prop_assert_eq!(emit(&some, &[]).text, before);
    }
}
