//! Configurations with an activation of their own that is real and small.
//!
//! Does not need home-manager or NixOS.

use super::home::{Home, text};

/// A flake with a home whose activation writes a line, and a machine likewise.
fn flake(home: &Home, word: &str) {
    let path = std::env::var("PATH").unwrap();
    let out = home.path("").display().to_string();
    let flake = format!(
        r#"{{ outputs = {{ self }}: let
             make = name: file: script: derivation {{ inherit name; system = "{}-linux"; PATH = "{path}"; builder = "/bin/sh";
               args = [ "-euc" "mkdir -p $(dirname $out/${{file}}); printf '#!/bin/sh\n%s\n' '${{script}}' > $out/${{file}}; chmod +x $out/${{file}}" ]; }};
           in {{
             homeConfigurations."me@desk".activationPackage = make "home" "activate" "echo home {word} >> {out}/activated; exit {}";
             nixosConfigurations.desk.config.system.build.toplevel =
               make "system" "bin/switch-to-configuration" "echo activating; echo system {word} $1 >> {out}/activated; exit {}";
           }}; }}"#,
        std::env::consts::ARCH,
        i32::from(word == "broken"),
        i32::from(word == "broken")
    );
    home.write("flake/flake.nix", &flake);
}

fn switch(home: &Home, words: &[&str]) -> (String, bool) {
    let mut command = home.ironwright(&[&["switch"], words].concat());
    let output = command.env("USER", "me").output().unwrap();
    (text(&output), output.status.success())
}

fn switches(home: &Home, words: &[&str]) -> String {
    let (text, well) = switch(home, words);
    assert!(well, "{text}");
    text
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_home_is_built_activated_and_rolled_back() {
    let home = Home::new("");
    flake(&home, "one");
    let text = switches(&home, &[".#me@desk"]);
    assert!(text.contains("1 derivation") && text.contains("generation 1 of me@desk"), "{text}");
    flake(&home, "two");
    let shown = switches(&home, &[".#me@desk", "--dry-run"]);
    assert!(shown.contains("1 derivation") && home.read("activated") == "home one\n", "{shown}");
    switches(&home, &[".#me@desk"]);
    switches(&home, &[".#me@desk"]);
    assert_eq!(home.read("activated"), "home one\nhome two\nhome two\n");
    // Everything of the flake may be broken by then.
    home.write("flake/flake.nix", "{ this is no Nix");
    let text = switches(&home, &[".#me@desk", "--rollback"]);
    assert!(text.contains("generation 1 of me@desk is active again"), "{text}");
    assert!(home.read("activated").ends_with("home two\nhome one\n"));
    let listed = home.json(&["switch", ".#me@desk", "--list", "--json"]);
    assert_eq!(listed["current"], 1);
    assert_eq!(listed["generations"].as_array().unwrap().len(), 2);
    // Nobody needs to name the only one.
    assert_eq!(home.json(&["switch", "--list", "--json"]), listed);
    let (text, well) = switch(&home, &[".#you", "--list"]);
    assert!(!well && text.contains("there are me@desk (home)"), "{text}");
    let (text, well) = switch(&home, &[".#me@desk", "--rollback"]);
    assert!(!well && text.contains("no generation before the current one"), "{text}");
    let kept = home.nix(&["store", "gc"]);
    assert!(kept.status.success(), "{kept:?}");
    for generation in listed["generations"].as_array().unwrap() {
        assert!(std::path::Path::new(generation["path"].as_str().unwrap()).exists());
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn an_activation_that_fails_does_not_become_current() {
    let home = Home::new("");
    flake(&home, "one");
    switches(&home, &[".#me@desk"]);
    flake(&home, "broken");
    let (text, well) = switch(&home, &[".#me@desk"]);
    assert!(!well && text.contains("activate failed with exit code 1"), "{text}");
    let listed = home.json(&["switch", ".#me@desk", "--list", "--json"]);
    assert_eq!(listed["current"], 1);
    let shown = home.builds_text(&["switch", ".#me@desk", "--list"]);
    assert!(
        shown.lines().any(|line| line.contains('2') && line.contains("not activated")),
        "{shown}"
    );
    let help = home.builds_text(&["switch", "--help"]);
    assert!(!help.contains("--expr") && !help.contains("--file"), "{help}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn an_interrupted_activation_has_the_code_of_an_interruption() {
    let home = Home::new("");
    flake(&home, "one");
    let text = home.read("flake/flake.nix");
    let waits = format!("touch {}; sleep 600", home.path("begun").display());
    home.write(
        "flake/flake.nix",
        &text.replace("echo home one", &format!("{waits}; echo home one")),
    );
    let mut child = home.ironwright(&["switch", ".#me@desk"]).spawn().unwrap();
    home.wait_for("begun");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_machine_gets_its_profile_and_its_switch() {
    let home = Home::new("");
    flake(&home, "one");
    let profile = home.path("profiles/system").display().to_string();
    std::fs::create_dir_all(home.path("profiles")).unwrap();
    let words = ["path:.#desk", "--system-profile", &profile];
    switches(&home, &words);
    flake(&home, "two");
    switches(&home, &words);
    assert_eq!(home.read("activated"), "system one switch\nsystem two switch\n");
    let system = std::fs::canonicalize(&profile).unwrap();
    assert!(system.join("bin/switch-to-configuration").is_file());
    switches(&home, &[words.as_slice(), &["--rollback"]].concat());
    assert!(home.read("activated").ends_with("system one switch\n"));
    assert_ne!(std::fs::canonicalize(&profile).unwrap(), system);
    // The machine's profile is set before what it leads to is activated, and that fails.
    let before = std::fs::canonicalize(&profile).unwrap();
    flake(&home, "broken");
    let (text, well) = switch(&home, &words);
    assert!(!well && text.contains("failed with exit code 1"), "{text}");
    assert_eq!(std::fs::canonicalize(&profile).unwrap(), before, "the next start takes what works");
    let list = [&["switch"], words.as_slice(), &["--list", "--json"]].concat();
    assert_eq!(home.json(&list)["current"], 1);
    // What failed is not gone back to, nor what is the same.
    flake(&home, "two");
    let again = [&["switch"], words.as_slice(), &["--json"]].concat();
    let current = home.json(&again)["current"].clone();
    assert_eq!(current, 4, "activation says nothing to those who read JSON");
    let rollback = [&["switch"], words.as_slice(), &["--rollback", "--json"]].concat();
    assert_eq!(home.json(&rollback)["current"], 1);
    assert_eq!(std::fs::canonicalize(&profile).unwrap(), before);
    let (text, well) = switch(&home, &[".#nobody"]);
    assert!(!well && text.contains("me@desk (home), desk (nixos)"), "{text}");
}
