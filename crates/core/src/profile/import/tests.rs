//! Profiles in the old shape.
//!
//! Does not evaluate Nix.

use proptest::prelude::*;

use super::data::{Data, parse as read};
use super::{Account, Imported, import};
use crate::profile::parse::parse;
use crate::profile::{Inputs, Profile};
use crate::settings::range_mistakes;

const SHOSHIN: &str = r#"# A desktop.
{ lib, ... }:
let
  gib = 1024 * 1024;
in
{
  name = "shoshin";
  cpu = { model = "Intel Core i7-6700K"; cores = 4; threads = 8; };
  memory.ramGB = 16;
  memory.zramGB = 12;
  gpu.computeCapability = "5.2";
  build = {
    parallelism = {
      maxJobs = 12;
      maxCores = 7;
      cargoBuildJobs = 400;
      tier1Cores = 7;
      linkerJobs = lib.mkDefault 4;
      maxJbos = 2;
    };
    compiler = { march = "skylake"; mtune = "skylake"; optimizationLevel = "-O3"; };
  };
  packages.codex = {
    cargoBuildJobs = 3;
    ulimitVirtualMemoryKB = 4 * gib;
    enableThinLTO = true;
    useMoldLinker = false;
    timeout = 86400;
  };
  packages.python313.pgoLevel = "LIGHT";
  packages."nodejs_24".pgoLevel = "FULL";
}
"#;

fn imported(text: &str) -> Imported {
    import(&read(text).expect("is Nix"), "shoshin", "shoshin.nix").expect("is a profile")
}

fn told(accounts: &[Account]) -> Vec<String> {
    accounts
        .iter()
        .map(|a| {
            format!(
                "{}:{} = {} -> {} | {}",
                a.line.unwrap_or(0),
                a.attribute,
                a.value,
                a.becomes.as_deref().unwrap_or("-"),
                a.why.as_deref().unwrap_or("")
            )
        })
        .collect()
}

#[test]
fn every_attribute_is_accounted_for() {
    let imported = imported(SHOSHIN);
    insta::assert_snapshot!(imported.text);
    insta::assert_snapshot!(format!(
        "kept\n{}\n\nchanged\n{}\n\nnot understood\n{}\n",
        told(&imported.kept).join("\n"),
        told(&imported.changed).join("\n"),
        told(&imported.not_understood).join("\n")
    ));
}

/// The result can be used at once: it parses and every value lies in its range.
fn is_valid(text: &str) -> bool {
    let (file, found) = parse("p.toml", text);
    let (profile, more) = Profile::merge(&Inputs { file: Some(&file), ..Inputs::default() });
    found.is_empty() && more.is_empty() && range_mistakes(&profile, Some(&file)).is_empty()
}

#[test]
fn the_result_is_a_valid_profile() {
    for text in [
        SHOSHIN,
        "{ }",
        "{ build = 3; packages = [ ]; }",
        "{ packages.\"a b.c\".cargoBuildJobs = 2; }",
    ] {
        assert!(is_valid(&imported(text).text), "{}", imported(text).text);
    }
    for text in ["3", "[ ]", "x: y"] {
        assert!(import(&read(text).unwrap(), "h", "h.nix").is_err(), "{text}");
    }
}

#[test]
fn plain_data_is_computed_and_the_rest_is_told() {
    let value = |text: &str| match read(&format!("{{ x = {text}; }}")) {
        Ok(Data::Set(entries)) => entries[0].value.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(value("2 * 3 - 1"), Data::Integer(5));
    assert_eq!(value("\"a\" + \"b\""), Data::Text("ab".to_owned()));
    assert_eq!(value("{ a = 1; } // { a = 2; }").display(), "{ … }");
    assert_eq!(value("let y = 4; in y"), Data::Integer(4));
    assert!(!value("rec { a = 1; b = a; }").has_opaque());
    assert!(value("builtins.getEnv \"HOME\"").has_opaque());
    assert!(value("\"${x}\"").has_opaque());
    assert!(value("1 / 0").has_opaque());
    assert!(value("9223372036854775807 + 1").has_opaque());
}

#[test]
fn a_syntax_error_says_its_line() {
    let (line, _) = read("{\n  a = 1;\n  b = = 2;\n}\n").expect_err("is no Nix");
    assert_eq!(line, 3);
}

#[test]
fn the_innermost_sets_of_several_statements_are_one() {
    let imported = imported("{ build.parallelism.maxJobs = 2; build.parallelism.maxCores = 3; }");
    assert_eq!(imported.kept.len(), 2, "{imported:?}");
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,80}") {
        let _ = read(&text);
    }

    #[test]
    fn any_set_becomes_a_valid_profile(
        key in "(build\\.parallelism|build\\.compiler|build\\.cuda|packages\\.x|cpu|memory|gpu)\\.(maxJobs|maxCores|cargoBuildJobs|march|optLevel|ramGB|zramGB|threads|cores|ulimitVirtualMemoryKB|ulimitVirtualMemory|timeout|pgoLevel|cudaArch|computeCapability|name|lto|useMoldLinker)",
        value in "(-?[0-9]{1,20}|[0-9]{1,4}\\.[0-9]{1,3}|\"\\PC{0,12}\"|true|false|null|\\[ 1 \"2\" \\]|x y|\"[0-9]{1,3}GiB\")",
    ) {
        if let Ok(data) = read(&format!("{{ {key} = {value}; }}")) {
            let imported = import(&data, "h", "h.nix").unwrap();
            prop_assert!(is_valid(&imported.text), "{}", imported.text);
        }
    }
}
