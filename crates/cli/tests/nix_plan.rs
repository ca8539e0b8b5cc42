//! `inventory` and `plan` of derivations that a real Nix made, and what Nix itself says of them.
//!
//! `IRONWRIGHT_NIX_BIN` names the folder of `nix` and `nix-instantiate`. Does not build anything.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A program that needs a library, a download and a text; the library is configured by a tool.
const EXPRESSION: &str = r#"
let
  make = name: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "exit 1" ]; } // more);
  source = make "zlib-1.3.1.tar.gz" { outputHashMode = "flat"; outputHashAlgo = "sha256";
    outputHash = "0000000000000000000000000000000000000000000000000000000000000000"; };
  text = make "notes.txt" { passAsFile = "text"; text = "x"; };
  library = make "zlib-1.3.1" { src = "${source}"; stdenv = "x"; configureFlags = "--static"; };
in make "tool-2.0" { inherit library text; cargoDeps = "x"; pname = "tool"; version = "2.0"; }
"#;

struct Nix {
    bin: PathBuf,
    home: TempDir,
    derivation: String,
}

impl Nix {
    fn new() -> Self {
        let bin = std::env::var_os("IRONWRIGHT_NIX_BIN").expect("the checks name a folder of Nix");
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("default.nix");
        std::fs::write(&file, EXPRESSION).unwrap();
        let mut nix = Self { bin: bin.into(), home, derivation: String::new() };
        let made = nix.run(Path::new("nix-instantiate"), &[&file.to_string_lossy()]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().clone_into(&mut nix.derivation);
        nix
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let program =
            if program.is_absolute() { program.to_owned() } else { self.bin.join(program) };
        Command::new(program)
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.bin.display()))
            .env("HOME", self.home.path())
            .envs(["STATE", "DATA", "CACHE", "CONFIG"].map(|name| {
                (format!("XDG_{name}_HOME"), self.home.path().join(name).into_os_string())
            }))
            .current_dir(self.home.path())
            .output()
            .unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(Path::new(env!("CARGO_BIN_EXE_ironwright")), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn nix_says_the_same_of_a_closure() {
    let nix = Nix::new();
    let report = nix.json(&["inventory", &nix.derivation, "--check", "--json"]);
    let nodes = report["graph"]["nodes"].as_array().unwrap();
    let mut kinds: Vec<_> = nodes
        .iter()
        .map(|node| {
            format!("{} {}", node["kind"].as_str().unwrap(), node["label"].as_str().unwrap())
        })
        .collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "derivation tool-2.0",
            "derivation zlib-1.3.1",
            "fixed-output zlib-1.3.1.tar.gz",
            "generated notes.txt"
        ]
    );
    assert_eq!(nodes[0]["language"], "rust");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_derivation_is_planned_by_what_is_compiled_of_it() {
    let nix = Nix::new();
    for what in [nix.derivation.clone(), format!("nix:{}", nix.derivation)] {
        let report = nix.json(&["plan", &what, "--json"]);
        let package = &report["packages"][0];
        assert_eq!(package["name"], "tool-2.0");
        assert_eq!(package["estimate"]["units"], 2, "{package}");
        let note = package["notes"][0].as_str().unwrap();
        assert!(note.contains("2 to be compiled, 1 to be downloaded, 1 that only"), "{note}");
        assert_eq!(report["schedule"]["critical_path"].as_array().unwrap().len(), 2);
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn an_attribute_is_evaluated_by_nix_and_a_mistake_is_told_with_its_words() {
    let nix = Nix::new();
    let ironwright = Path::new(env!("CARGO_BIN_EXE_ironwright"));
    let output = nix.run(ironwright, &["plan", "./nowhere#x", "--offline"]);
    assert_eq!(output.status.code(), Some(4));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("nix") && text.contains("nowhere"), "{text}");
    let gone = nix.run(ironwright, &["plan", "/nix/store/nothing.drv"]);
    assert_eq!(gone.status.code(), Some(4), "{}", String::from_utf8_lossy(&gone.stderr));
}
