//! `init`, `inventory` and `build` of a workspace.
//!
//! Does not test every format; the parsers' own tests do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::{host, ironwright, json, text};

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    home
}

fn two_projects() -> tempfile::TempDir {
    project(&[
        ("one/Makefile", "all:\n\t@echo one jobs=$$JOBS > built\n"),
        ("one/a.c", "int a;\n"),
        ("two/Makefile", "all:\n\t@echo two jobs=$$JOBS > built\n"),
        ("two/node_modules/x/package.json", "{}"),
    ])
}

#[test]
fn init_writes_a_manifest_that_build_builds() {
    let home = two_projects();
    let shown = ironwright(home.path(), &["init", "--dry-run"]);
    assert!(shown.status.success() && !home.path().join("ironwright.toml").exists());
    let written = ironwright(home.path(), &["init"]);
    assert!(written.status.success(), "{}", text(&written));
    let manifest = std::fs::read_to_string(home.path().join("ironwright.toml")).unwrap();
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), manifest);
    insta::assert_snapshot!(text(&written), @r"
    ./ironwright.toml: 2 packages
      one  make  one
      two  make  two
    ");
    let again = ironwright(home.path(), &["init"]);
    assert!(again.status.success() && text(&again).contains("with 2 packages"), "{}", text(&again));
    assert_eq!(std::fs::read_to_string(home.path().join("ironwright.toml")).unwrap(), manifest);
    let three = home.path().join("three");
    std::fs::create_dir(&three).unwrap();
    std::fs::write(three.join("Makefile"), "all:\n").unwrap();
    let more = text(&ironwright(home.path(), &["init"]));
    assert!(more.contains("not in it: three") && more.contains("--force"), "{more}");
    std::fs::remove_dir_all(three).unwrap();
    assert!(ironwright(home.path(), &["init", "--force"]).status.success());

    // From a folder below, with the manifest above.
    let below = home.path().join("two");
    let output = ironwright(&below, &["build", "--no-govern"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(home.path().join("one/built").is_file() && home.path().join("two/built").is_file());
}

#[test]
fn overrides_of_the_manifest_apply_and_the_profile_comes_last() {
    let home = two_projects();
    let manifest = "[packages.two]\nsource = \"path:two\"\n[packages.two.settings]\nnode-gyp-jobs = 5\nmake-jobs = 2\n\
        [packages.one]\nsource = \"path:one\"\n";
    std::fs::write(home.path().join("ironwright.toml"), manifest).unwrap();
    std::fs::write(home.path().join("p.toml"), "[packages.two]\nmake-jobs = 3\n").unwrap();
    let arguments = ["build", "--dry-run", "--json", "--profile", "p.toml"];
    let plans = json(&ironwright(home.path(), &arguments));
    let names: Vec<_> =
        plans.as_array().unwrap().iter().map(|p| p["package"].as_str().unwrap()).collect();
    assert_eq!(names, ["two", "one"]);
    assert!(
        ironwright(home.path(), &["build", "two", "--profile", "p.toml", "--no-govern"])
            .status
            .success()
    );
    let built = std::fs::read_to_string(home.path().join("two/built")).unwrap();
    assert_eq!(built, "two jobs=5\n");
    assert!(!home.path().join("one/built").exists());
    assert_eq!(plans[0]["jobserver"]["tokens"], 3, "the profile's");
}

#[test]
fn mistakes_of_a_manifest_are_told_with_their_lines() {
    let home = two_projects();
    let manifest = "[packages.one]\nsource = \"pth:one\"\n[packages.two]\nsource = \"path:two\"\n[packages.two.settings]\nmake-job = 1\n";
    std::fs::write(home.path().join("ironwright.toml"), manifest).unwrap();
    let output = ironwright(home.path(), &["build"]);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(3));
    for part in
        ["ironwright.toml:2:10", "\"path:\"", "ironwright.toml:6:1", "make-jobs", "2 mistakes"]
    {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    let manifest = "[packages.two]\nsource = \"path:two\"\n[packages.two.settings]\nmake-jobs = 100000\n[packages.hello]\nsource = \"nix:nixpkgs#hello\"\n";
    std::fs::write(home.path().join("ironwright.toml"), manifest).unwrap();
    let shown = text(&ironwright(home.path(), &["build", "--root", &host("shoshin")]));
    assert!(shown.contains("on this host, found 100000"), "{shown}");
    std::fs::write(home.path().join("ironwright.toml"), b"# fine\n# \xff\n").unwrap();
    let shown = text(&ironwright(home.path(), &["plan"]));
    assert!(shown.contains("ironwright.toml:2:3") && shown.contains("UTF-8"), "{shown}");
}

#[test]
fn a_manifest_that_is_not_asked_is_told_of() {
    let home = two_projects();
    std::fs::create_dir(home.path().join("inner")).unwrap();
    std::fs::write(home.path().join("inner/ironwright.toml"), "").unwrap();
    let shown = text(&ironwright(home.path(), &["plan", "inner"]));
    assert!(shown.contains("inner/ironwright.toml counts when it is asked for"), "{shown}");
}

#[test]
fn what_is_not_in_the_workspace_says_what_is() {
    let home = two_projects();
    let code_and_text = |arguments: &[&str]| {
        let output = ironwright(home.path(), arguments);
        (output.status.code(), text(&output))
    };
    let (code, shown) = code_and_text(&["build"]);
    assert!(code == Some(2) && shown.contains("ironwright init"), "{shown}");
    // Nothing can come of it, with Nix or without.
    let manifest = "[packages.two]\nsource = \"path:two\"\n[packages.hello]\nsource = \"nix:./missing#hello\"\n";
    std::fs::write(home.path().join("ironwright.toml"), manifest).unwrap();
    let (code, shown) = code_and_text(&["build", "tow"]);
    assert!(code == Some(2) && shown.contains("did you mean \"two\"?"), "{shown}");
    let (code, shown) = code_and_text(&["build", "hello"]);
    assert!(code != Some(0) && !home.path().join("two/built").exists(), "{shown}");
    // What Nix builds comes last.
    let (code, shown) = code_and_text(&["build", "--no-govern"]);
    assert!(code != Some(0) && home.path().join("two/built").exists(), "{shown}");
}

#[test]
fn an_inventory_is_shown_and_fits_its_schema() {
    let home = two_projects();
    let lock = r#"{"packages": {"": {}, "node_modules/a": {"version": "1.0.0", "hasInstallScript": true}}}"#;
    std::fs::create_dir(home.path().join("web")).unwrap();
    std::fs::write(home.path().join("web/package.json"), "{\"name\": \"web\"}").unwrap();
    std::fs::write(home.path().join("web/package-lock.json"), lock).unwrap();
    let output = ironwright(home.path(), &["inventory", "--files-only"]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    Projects
      one  make  sources
      two  make  sources
      web  npm   package-lock.json

    C family
                         compiled  size  prebuilt  size
      translation units  1         7 B
      in all             1         7 B
      largest
      7 B  a.c

    npm
                            compiled  size          prebuilt  size
      dependencies                                  1         unknown size
      install scripts       1         unknown size
      in all, of 1 package  1         unknown size  1         unknown size

    2 compiled (over 7 B), 1 prebuilt (unknown size)
    ");
    for (shape, arguments) in [("inventory", ["inventory", "--json"]), ("init", ["init", "--json"])]
    {
        let value = json(&ironwright(home.path(), &arguments));
        let schema = json(&ironwright(home.path(), &["schema", shape]));
        let mistakes: Vec<_> = jsonschema::validator_for(&schema)
            .unwrap()
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(mistakes.is_empty(), "{shape}: {mistakes:?}");
    }
}

#[test]
fn an_inventory_tells_what_is_wrong_and_where() {
    let home = project(&[("a/package.json", "{\n"), ("x.drv", "Derive([")]);
    let code_and_text = |arguments: &[&str]| {
        let output = ironwright(home.path(), arguments);
        (output.status.code(), text(&output))
    };
    let (code, shown) = code_and_text(&["inventory", "a"]);
    assert!(code == Some(4) && shown.contains("package.json:2:"), "{shown}");
    let (code, shown) = code_and_text(&["inventory", "x.drv"]);
    assert!(code == Some(4) && shown.contains("x.drv: byte 8"), "{shown}");
    let (code, shown) = code_and_text(&["inventory", "absent"]);
    assert!(code == Some(4) && shown.contains("absent"), "{shown}");
    let (code, shown) = code_and_text(&["inventory", "gem:x"]);
    assert!(code == Some(2) && shown.contains("crate:NAME"), "{shown}");
}

/// The shipped example is read without a mistake, and every source in it has a plan.
#[test]
fn the_example_workspace_is_right() {
    let home = tempfile::tempdir().unwrap();
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/workspace/ironwright.toml");
    std::fs::copy(&example, home.path().join("ironwright.toml")).unwrap();
    let plans = json(&ironwright(home.path(), &["build", "--dry-run", "--json"]));
    let plans = plans.as_array().unwrap();
    assert!(plans.len() >= 10, "{}", plans.len());
    let drivers: Vec<_> = plans.iter().map(|plan| plan["driver"].as_str().unwrap()).collect();
    assert!(["cargo", "npm", "go"].iter().all(|driver| drivers.contains(driver)), "{drivers:?}");
}
