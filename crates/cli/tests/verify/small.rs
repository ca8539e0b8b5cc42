//! The command itself: its errors, its exit codes, and one binary that is always there: this one.
//!
//! Does not know compilers.

use super::common::{host, ironwright, json, text};

const OWN: &str = env!("CARGO_BIN_EXE_ironwright");

#[test]
fn the_program_itself_is_examined() {
    let home = tempfile::tempdir().unwrap();
    let found = json(&ironwright(home.path(), &["verify", "--json", OWN]));
    let report = &found["files"][0]["report"];
    assert_eq!(report["format"], "executable");
    let compilers = report["compilers"].as_array().unwrap();
    assert!(compilers.iter().any(|compiler| compiler["name"] == "rustc"));
    assert_eq!(found["files"][0]["host"]["runs"], true);
    let other = ["verify", "--json", OWN, "--root", &host("shoshin")];
    let found = json(&ironwright(home.path(), &other));
    assert_eq!(found["files"][0]["host"]["runs"], true, "a recorded machine is asked as well");
    let shown = text(&ironwright(home.path(), &["verify", OWN]));
    for word in ["level", "needs", "dispatched", "linker", "RELRO"] {
        assert!(shown.contains(word), "{word} in {shown}");
    }
}

#[test]
fn broken_claims_fail_and_kept_ones_do_not() {
    let home = tempfile::tempdir().unwrap();
    let kept = ironwright(home.path(), &["verify", OWN, "--expect", "allocator=libc"]);
    assert_eq!(kept.status.code(), Some(0), "{}", text(&kept));
    assert!(text(&kept).contains("1 claim: 1 kept"));
    let broken = ironwright(home.path(), &["verify", OWN, "--expect", "allocator=jemalloc"]);
    assert_eq!(broken.status.code(), Some(1), "{}", text(&broken));
    // rustc records nothing of profiles.
    let unknown = ["verify", OWN, "--expect", "pgo=on"];
    assert_eq!(ironwright(home.path(), &unknown).status.code(), Some(0));
    let strict = [&unknown[..], &["--strict"]].concat();
    assert_eq!(ironwright(home.path(), &strict).status.code(), Some(1));
}

#[test]
fn settings_that_are_applied_are_claims() {
    let home = tempfile::tempdir().unwrap();
    let set = ["--no-profile", "--set", "rust-lto=fat"];
    let against = [&["verify", OWN, "--against", "current"][..], &set].concat();
    let direct = text(&ironwright(home.path(), &against));
    assert!(direct.contains("rust-lto = fat"), "{direct}");
    let settings = ironwright(home.path(), &[&["settings", "--json"][..], &set].concat());
    let file = home.path().join("settings.json");
    std::fs::write(&file, &settings.stdout).unwrap();
    let by_file =
        text(&ironwright(home.path(), &["verify", OWN, "--against", file.to_str().unwrap()]));
    assert!(by_file.contains("rust-lto = fat"), "{by_file}");
}

#[test]
fn what_is_no_binary_is_told() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("text");
    std::fs::write(&file, "no binary").unwrap();
    let output = ironwright(home.path(), &["verify", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output).contains("neither an ELF file nor an archive"));
    std::fs::write(&file, b"\x7fELF\x02\x01 cut off").unwrap();
    let output = ironwright(home.path(), &["verify", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let output = ironwright(home.path(), &["verify", OWN, "--expect", "linkr=mold"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("did you mean \"linker\"?"));
}
