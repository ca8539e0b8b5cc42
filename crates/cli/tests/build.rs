//! `build` on small projects of every build system, with the real tools.
//!
//! Does not measure; a project here takes a second. Tests that need a tool are
//! ignored unless the checks have installed everything.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn ironwright(home: &Path) -> Command {
    std::fs::create_dir_all(home.join("xdg")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ironwright"));
    command
        .env("XDG_STATE_HOME", home.join("state"))
        .env("XDG_RUNTIME_DIR", home.join("xdg"))
        .env("XDG_DATA_HOME", home.join("data"))
        .env("NO_COLOR", "1")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("MAKEFLAGS")
        .current_dir(home);
    command
}

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = home.path().join("demo").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    home
}

fn build(home: &Path, arguments: &[&str]) -> Output {
    let output = ironwright(home).args(["build", "path:demo"]).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stdout));
    assert!(text.contains("path:demo: done in"), "{text}");
    output
}

const C: &str = "int main(void) { return 0; }\n";

#[test]
fn a_cargo_project() {
    let home = project(&[
        (
            "Cargo.toml",
            "[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
        ),
        ("src/main.rs", "fn main() {}\n"),
    ]);
    build(home.path(), &["--offline"]);
    assert!(home.path().join("demo/target/release/demo").is_file());
}

#[test]
#[ignore = "needs CMake; cargo xtask test --install runs it"]
fn a_cmake_project() {
    let home = project(&[
        (
            "CMakeLists.txt",
            "cmake_minimum_required(VERSION 3.20)\nproject(demo C)\nadd_executable(demo main.c)\n",
        ),
        ("main.c", C),
    ]);
    build(home.path(), &[]);
    assert!(home.path().join("demo/build/demo").is_file());
}

#[test]
fn an_autotools_project() {
    let home = project(&[
        ("configure", "#!/bin/sh\nprintf 'all: main.c\\n\\tcc -o demo main.c\\n' > Makefile\n"),
        ("main.c", C),
    ]);
    assert!(
        Command::new("chmod")
            .args(["+x", "configure"])
            .current_dir(home.path().join("demo"))
            .status()
            .unwrap()
            .success()
    );
    build(home.path(), &[]);
    assert!(home.path().join("demo/demo").is_file());
}

#[test]
#[ignore = "needs Go; cargo xtask test --install runs it"]
fn a_go_project() {
    let home = project(&[
        ("go.mod", "module demo\n\ngo 1.19\n"),
        ("main.go", "package main\n\nfunc main() {}\n"),
    ]);
    build(home.path(), &[]);
    assert!(home.path().join("demo/build/demo").is_file());
}

#[test]
#[ignore = "needs npm; cargo xtask test --install runs it"]
fn an_npm_project() {
    let manifest = r#"{"name": "demo", "version": "1.0.0", "scripts": {"build": "node -e \"require('fs').writeFileSync('built', '')\""}}"#;
    let home = project(&[("package.json", manifest)]);
    build(home.path(), &[]);
    assert!(home.path().join("demo/built").is_file());
}

#[test]
#[ignore = "needs the registry of Python packages; cargo xtask test --install runs it"]
fn a_python_project() {
    let home = project(&[
        (
            "setup.py",
            "from setuptools import setup\nsetup(name='demo', version='1.0', py_modules=['demo'])\n",
        ),
        ("demo.py", "x = 1\n"),
    ]);
    build(home.path(), &[]);
    let wheels = std::fs::read_dir(home.path().join("demo/dist")).unwrap().count();
    assert_eq!(wheels, 1);
}

#[test]
fn a_failure_is_passed_on_and_the_rest_named() {
    let home = project(&[("Makefile", "all:\n\texit 5\n")]);
    let output =
        ironwright(home.path()).args(["build", "path:demo", "path:demo"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "make's own exit code");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("failed with exit code 2") && text.contains("1 source not built"),
        "{text}"
    );
    let output = ironwright(home.path())
        .args(["build", "-k", "--json", "path:demo", "path:demo"])
        .output()
        .unwrap();
    let reports: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(reports.as_array().unwrap().len(), 2);
}

#[test]
fn what_is_no_source_or_project_says_what_would_be_right() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("demo")).unwrap();
    let message = |source: &str| {
        let output = ironwright(home.path()).args(["build", source]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = message("ripgrep");
    assert!(code == Some(2) && text.contains("crate:NAME"), "{text}");
    let (code, text) = message("path:demo");
    assert!(
        code == Some(2) && text.contains("no project recognised") && text.contains("--driver"),
        "{text}"
    );
    let (code, text) = message("path:absent");
    assert!(code == Some(4) && text.contains("absent"), "{text}");
}

#[test]
fn package_overrides_reach_the_build() {
    let home = project(&[("Makefile", "all:\n\t@echo jobs=$$JOBS\n")]);
    let profile = home.path().join("host.toml");
    std::fs::write(&profile, "[packages.demo]\nnode-gyp-jobs = 5\n").unwrap();
    let output = build(home.path(), &["--profile", profile.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("jobs=5"));
}

/// cargo's temporary files must not outlive an interruption.
#[test]
#[ignore = "needs the registry of crates; cargo xtask test --install runs it"]
fn an_interrupted_build_of_a_crate_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let mut child = ironwright(home.path())
        .args(["build", "crate:hexyl@0.16.0"])
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .env("TMPDIR", home.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let scratch = home.path().join("cache/ironwright/build");
    for _ in 0..600 {
        let begun = std::fs::read_dir(&scratch).is_ok_and(|mut entries| entries.next().is_some());
        if begun || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
    let left = std::fs::read_dir(home.path()).unwrap().flatten();
    let names: Vec<_> = left.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert!(
        names.iter().all(|name| ["cache", "state", "data", "xdg"].contains(&name.as_str())),
        "{names:?}"
    );
}
