//! What overlays change, on a package set of the test's own and on a real one.
//!
//! Does not build anything.

use std::collections::BTreeSet;

use serde_json::Value;

use super::home::Home;

/// A package set with overlays as nixpkgs has it: `zlib` and `bash` at the bottom, `curl` needs both,
/// `git` needs `curl`.
const SET: &str = r#"
{ overlays ? [ ], greeting ? "hello" }:
let
  make = name: inputs: flags: {
    inherit name;
    type = "derivation";
    override = more: make name inputs more;
  } // builtins.derivation { inherit name flags; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo ${greeting} ${toString inputs} > $out" ]; };
  set = final: {
    zlib = make "zlib-1.3" [ ] "-O2";
    bash = make "bash-5.2" [ ] "-O2";
    curl = make "curl-8.0" [ final.zlib final.bash ] "-O2";
    git = make "git-2.45" [ final.curl ] "-O2";
  };
  fix = f: let self = f self; in self;
  apply = all: overlay: final: let prev = all final; in prev // overlay final prev;
  make' = overlays: fix (builtins.foldl' apply set overlays) // {
    appendOverlays = more: make' (overlays ++ more);
  };
in make' overlays
"#;

fn home() -> Home {
    let home = Home::new("");
    home.write("flake/set.nix", SET);
    home.write("flake/zlib.nix", r#"final: prev: { zlib = prev.zlib.override "-O3"; }"#);
    home.write(
        "flake/both.nix",
        r#"final: prev: { bash = prev.bash.override "-Os"; git = prev.git.override "-O3"; }"#,
    );
    home
}

fn of<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["overlays"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn each_overlay_and_all_together_are_compared() {
    let home = home();
    let words =
        ["impact", "git", "-f", "set.nix", "--overlay", "zlib.nix", "--overlay", "b=both.nix"];
    let report = home
        .json(&[&words[..], &["--json", "--why", "git", "--argstr", "greeting", "hi"]].concat());
    assert_eq!(report["derivations"], 4);
    assert_eq!(of(&report, "zlib")["changed"], 3);
    assert_eq!(of(&report, "b")["rebuilt"], 3);
    assert_eq!(report["together"]["rebuilt"], 4);
    let why: Vec<&str> =
        report["why"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(why.last().unwrap().ends_with("git-2.45.drv"), "{why:?}");
    let schema = home.json(&["schema", "impact"]);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mistakes: Vec<_> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let text = home.builds_text(&[&words[..], &["--why", "curl"]].concat());
    // Both of what it needs are changed, and either is a reason.
    let is_named = text.contains("zlib-1.3.drv") || text.contains("bash-5.2.drv");
    assert!(text.contains("changed by an override:") && is_named, "{text}");
    assert!(text.contains("needed by"), "{text}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn overrides_are_told_apart_and_flakes_have_overlays() {
    let home = home();
    let words = ["impact", "git", "-f", "set.nix", "--overlay", "both.nix", "--each", "--json"];
    let report = home.json(&words);
    assert_eq!(of(&report, "both.git")["rebuilt"], 1);
    assert_eq!(of(&report, "both.bash")["rebuilt"], 3);
    home.write(
        "flake/flake.nix",
        r"{ outputs = { self }: { legacyPackages.x86_64-linux = import ./set.nix { };
             overlays.fast = import ./zlib.nix; overlays.default = import ./zlib.nix; }; }",
    );
    let report = home.json(&["impact", ".#git", "--json"]);
    assert_eq!(of(&report, "fast")["rebuilt"], 3);
    assert_eq!(report["overlays"].as_array().unwrap().len(), 1);
    let output = home.ironwright(&["impact", "nothing.here"]).output().unwrap();
    let text = super::home::text(&output);
    assert!(text.contains("there is no attribute nothing.here"), "{text}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_configuration_is_compared_with_itself_without_its_overlays() {
    let home = home();
    home.write(
        "flake/flake.nix",
        r#"{ outputs = { self }: let
             make = overlays: rec {
               config.nixpkgs.overlays = overlays;
               pkgs = (import ./set.nix { }).appendOverlays overlays;
               activationPackage = pkgs.git;
               extendModules = { modules }: let more = (builtins.head modules).nixpkgs.overlays; in
                 make (if more ? content then more.content else overlays ++ more);
             };
           in { homeConfigurations = rec { me = make [ (import ./zlib.nix) (import ./both.nix) ]; "me@desk.local" = me; }; }; }"#,
    );
    let words = ["impact", r#".#homeConfigurations."me@desk.local""#, "--json"];
    let report = home.json(&words);
    assert_eq!(of(&report, "overlay 1")["rebuilt"], 3);
    assert_eq!(report["together"]["rebuilt"], 4);
    let parted = home.json(&[&words[..], &["--each"]].concat());
    assert_eq!(of(&parted, "overlay 2.git")["rebuilt"], 1);
    let more = home.json(&[&words[..], &["--overlay", "zlib.nix"]].concat());
    assert_eq!(of(&more, "zlib")["changed"], 0, "it is applied already");
    let output = home.ironwright(&["impact"]).env("USER", "me").output().unwrap();
    let text = super::home::text(&output);
    assert!(text.contains("overlay 2"), "{text}");
}

/// All derivations that some need, as Nix itself tells.
fn closure(home: &Home, expression: &str) -> BTreeSet<String> {
    let output = home.nix(&["eval", "--raw", "--impure", "--expr", expression]);
    assert!(output.status.success(), "{output:?}");
    let path = String::from_utf8(output.stdout).unwrap();
    let output = home.nix(&["derivation", "show", "-r", &path]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    shown.as_object().unwrap().keys().cloned().collect()
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_changes_is_the_difference_that_nix_itself_tells() {
    let home = home();
    let real = std::env::var("IRONWRIGHT_NIXPKGS").ok();
    let (place, wanted, package) = match &real {
        Some(place) => (place.clone(), "rustc", "openssl"),
        None => (home.path("flake/set.nix").display().to_string(), "git", "zlib"),
    };
    let overlay = match real {
        Some(_) => format!(
            "final: prev: {{ {package} = prev.{package}.overrideAttrs (old: {{ doesThisMatter = \"yes\"; }}); }}"
        ),
        None => home.read("flake/zlib.nix"),
    };
    home.write("flake/overlay.nix", &overlay);
    let report = home.json(&["impact", wanted, "-f", &place, "--overlay", "overlay.nix", "--json"]);
    let paths = report["together"]["paths"].as_array().unwrap().iter();
    let found: BTreeSet<String> = paths.map(|path| path.as_str().unwrap().to_owned()).collect();
    let before = closure(&home, &format!("(import {place} {{ }}).{wanted}.drvPath"));
    let overlay = home.path("flake/overlay.nix").display().to_string();
    let after = closure(
        &home,
        &format!("((import {place} {{ }}).appendOverlays [ (import {overlay}) ]).{wanted}.drvPath"),
    );
    let difference: BTreeSet<String> = after.difference(&before).cloned().collect();
    assert!(!difference.is_empty());
    assert_eq!(found, difference);
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_is_there_takes_no_time() {
    let home = home();
    let words = ["impact", "git", "-f", "set.nix", "--overlay", "zlib.nix", "--json"];
    let build = |attribute: &str| {
        let expression = format!(
            "((import ./set.nix {{ }}).appendOverlays [ (import ./zlib.nix) ]).{attribute}"
        );
        home.builds(&["--impure", "--expr", &expression, "", "--no-link"]);
    };
    build("curl");
    let half = home.json(&words);
    let zlib = of(&half, "zlib");
    assert_eq!((&zlib["rebuilt"], &zlib["there"]), (&3.into(), &2.into()), "{half}");
    assert!(zlib["seconds"]["expected"].as_f64().unwrap() > 0.0);
    build("git");
    let whole = home.json(&words);
    let zlib = of(&whole, "zlib");
    assert_eq!((&zlib["there"], &zlib["peak"]), (&3.into(), &0.into()), "{whole}");
    assert!(zlib["seconds"]["expected"].as_f64().unwrap() < 1e-9, "{whole}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_set_that_only_takes_overlays_keeps_the_user_s_own() {
    let home = home();
    home.write("flake/closed.nix", "{ overlays ? [ ] }: removeAttrs (import ./set.nix { inherit overlays; }) [ \"appendOverlays\" ]");
    let own = r#"[ (final: prev: { bash = prev.bash.override "-Og"; }) ]"#;
    let words = ["impact", "git", "-f", "closed.nix", "--overlay", "zlib.nix", "--json"];
    let report = home.json(&[&words[..], &["--arg", "overlays", own]].concat());
    // Were the user's overlay dropped beside another, bash would change back.
    assert_eq!(of(&report, "zlib")["changed"], 3, "{report}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn who_is_named_twice_counts_once() {
    let home = home();
    let report = |names: &[&str]| {
        let words = ["impact", "-f", "set.nix", "--overlay", "zlib.nix", "--json"];
        let report = home.json(&[&words[..], names].concat());
        let zlib = of(&report, "zlib").clone();
        (report["derivations"].clone(), zlib["changed"].clone(), zlib["rebuilt"].clone())
    };
    assert_eq!(report(&["git", "git", "git^out"]), report(&["git"]));
    // The path without overlays names what takes its place.
    let before =
        home.nix(&["eval", "--raw", "--impure", "--expr", "(import ./set.nix { }).git.drvPath"]);
    let before = String::from_utf8_lossy(&before.stdout).into_owned();
    let words = ["impact", "git", "-f", "set.nix", "--overlay", "zlib.nix", "--json", "--why"];
    let report = home.json(&[&words[..], &[&before]].concat());
    assert_eq!(report["why"].as_array().unwrap().len(), 3, "{report}");
    let output = home.ironwright(&["impact", &before, "--overlay", "zlib.nix"]).output().unwrap();
    let text = super::home::text(&output);
    assert!(output.status.code() == Some(2) && text.contains("is what was made of one"), "{text}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn mistakes_in_overlays_are_told_in_a_sentence() {
    let home = home();
    home.write("flake/number.nix", "3");
    home.write("flake/half.nix", "final: { }");
    home.write("flake/list.nix", "final: prev: [ ]");
    home.write("flake/broken.nix", "final: prev: { zlib = prev.nothing; }");
    home.write("flake/syntax.nix", "final: prev: { zlib = ; }");
    for (words, told) in [
        (
            &["git", "-f", "set.nix", "--overlay", "number.nix"][..],
            "the overlay number gives int, not a function of final and prev",
        ),
        (
            &["git", "-f", "set.nix", "--overlay", "half.nix"],
            "the overlay half gives, for its first argument alone, set, not a function",
        ),
        (
            &["git", "-f", "set.nix", "--overlay", "list.nix"],
            "the overlay list gives list, not a set",
        ),
        (&["git", "-f", "set.nix", "--overlay", "broken.nix"], "attribute 'nothing' missing"),
        (&["git", "-f", "set.nix", "--overlay", "syntax.nix"], "syntax error"),
        (&["gti", "-f", "set.nix", "--overlay", "zlib.nix"], "there is no attribute gti"),
        (&["git", "-f", "set.nix", "--overlays", "./none"], "none' does not exist"),
        (&["git", "-f", "set.nix", "--overlays", "."], "has no overlays"),
        (&[".#homeConfigurations.nobody"], "there is no homeConfigurations.nobody"),
    ] {
        let output = home.ironwright(&[&["impact"], words].concat()).output().unwrap();
        let text = super::home::text(&output);
        assert!(!output.status.success() && text.contains(told), "{words:?}: {text}");
        assert!(!text.contains("variant.nix"), "{words:?}: {text}");
    }
}
