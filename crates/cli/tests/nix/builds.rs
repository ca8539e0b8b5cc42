//! What is built, in which order, with what, and what is shown of it.
//!
//! Does not kill anything.

use super::home::Home;

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn derivations_are_built_from_the_leaves_and_linked_to() {
    let home = Home::new(
        r#"a = sh "a-1.0" [ ] "echo a > $out"; b = sh "b-1.0" [ a ] "cat ${a} > $out; echo b >> $out";
           c = sh "c-1.0" [ b ] "cat ${b} > $out; echo c >> $out";"#,
    );
    let text = home.builds(&[".#c"]);
    assert!(text.contains("3 derivations: 0 heavy, 0 medium, 3 light"), "{text}");
    let order =
        ["a-1.0", "b-1.0", "c-1.0"].map(|name| text.find(&format!("built  {name}")).unwrap());
    assert!(order.is_sorted(), "{text}");
    assert_eq!(home.read("flake/result"), "a\nb\nc\n");
    assert!(text.contains("governed   3 units"), "{text}");
    let again = home.builds(&[".#c", ".#a", "--out-link", "other"]);
    assert!(again.contains("nothing: everything is in the store"), "{again}");
    assert_eq!(home.read("flake/other-1"), "a\n");
    let roots = home.nix(&["store", "gc", "--dry-run"]);
    assert!(roots.status.success(), "{roots:?}");
    let kept = home.nix(&["path-info", "path:.#c"]);
    assert!(kept.status.success(), "{kept:?}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn files_expressions_and_derivations_are_built_too() {
    let home = Home::new(r#"a = sh "a-1.0" [ ] "echo $NIX_BUILD_CORES > $out";"#);
    home.write(
        "flake/default.nix",
        r#"{ text ? "x" }: { deep.b = derivation { name = "b-1.0"; system = builtins.currentSystem;
           builder = "/bin/sh"; args = [ "-c" "echo ${text} > $out" ]; }; }"#,
    );
    home.builds(&["-f", "default.nix", "deep.b", "--argstr", "text", "hello"]);
    assert_eq!(home.read("flake/result"), "hello\n");
    let out = home.nix(&["eval", "--raw", "path:.#a.drvPath"]);
    let derivation = String::from_utf8(out.stdout).unwrap();
    home.builds(&[&derivation, "--cores", "3"]);
    assert_eq!(home.read("flake/result"), "3\n");
    let manifest = "schema = 1\n[packages.a]\nsource = \"nix:.#a\"\n";
    home.write("flake/ironwright.toml", manifest);
    assert!(home.builds(&["a"]).contains("everything is in the store"));
    assert!(home.builds(&[]).contains("everything is in the store"));
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_dry_run_builds_nothing_and_tells_all() {
    let home =
        Home::new(r#"a = sh "a-1.0" [ ] "echo a > $out"; b = sh "b-1.0" [ a ] "echo b > $out";"#);
    let plan = home.json(&["build", ".#b", "--dry-run", "--json"]);
    let plan = &plan[0];
    assert_eq!(plan["build"].as_array().unwrap().len(), 2);
    let b = plan["build"].as_array().unwrap().iter().find(|it| it["name"] == "b-1.0").unwrap();
    assert_eq!(b["after"].as_array().unwrap().len(), 1);
    assert_eq!(b["tier"], "light");
    assert!(plan["schedule"]["makespan_seconds"]["expected"].as_f64().unwrap() > 0.0);
    let schema = home.json(&["schema", "nix-plan"]);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mistakes: Vec<_> = validator.iter_errors(plan).map(|error| error.to_string()).collect();
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let text = home.builds(&[".#b", "--dry-run"]);
    assert!(text.contains("b-1.0") && text.contains("2 derivations"), "{text}");
    assert!(!home.path("flake/result").exists());
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_needs_nothing_of_each_other_is_built_at_a_time() {
    // Each waits for the other; one after the other they would wait in vain.
    let home = Home::new("");
    let place = home.path("flake").display().to_string();
    let script = |own: &str, other: &str| {
        format!(
            "touch {place}/{own}; for i in $(seq 300); do \
             if [ -e {place}/{other} ]; then echo > $out; exit 0; fi; sleep 0.1; done; exit 1"
        )
    };
    let (a, b) = (script("here-a", "here-b"), script("here-b", "here-a"));
    home.set(&format!("a = sh \"a-1.0\" [ ] \"{a}\"; b = sh \"b-1.0\" [ ] \"{b}\";"));
    home.builds(&[".#a", ".#b", "--no-link", "--set", "build-threads=2"]);
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn memory_goes_to_the_history_and_the_next_plan_rests_on_it() {
    let home = Home::new(
        r#"a = sh "hungry-1.0" [ ] "python3 -c 'import time; x = bytearray(96 << 20); time.sleep(1)'; echo > $out";"#,
    );
    home.builds(&[".#a"]);
    let unit = home.unit("hungry-1.0");
    assert_eq!(unit["tool"], "nix");
    let peak = unit["peak"].as_u64().unwrap();
    assert!((96 << 20..400 << 20).contains(&peak), "{unit}");
    // One that is over before anybody else looks.
    home.set(r#"a = sh "short-1.0" [ ] "python3 -c 'x = bytearray(192 << 20)'; echo > $out";"#);
    home.builds(&[".#a"]);
    let unit = home.unit("short-1.0");
    let peak = unit["peak"].as_u64().unwrap();
    assert!((192 << 20..400 << 20).contains(&peak), "{unit}");
    home.set(
        r#"a = sh "hungry-1.1" [ ] "python3 -c 'import time; x = bytearray(96 << 20); time.sleep(1)'; echo 2 > $out";"#,
    );
    let plan = home.json(&["build", ".#a", "--dry-run", "--json"]);
    let planned = &plan[0]["build"][0];
    assert!(planned["because"].as_str().unwrap().contains("another version"), "{planned}");
    assert!(planned["timeout_seconds"].as_f64().unwrap() >= 600.0);
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn paths_of_this_machine_lead_to_the_store() {
    let home = Home::new(r#"a = sh "a-1.0" [ ] "echo a > $out";"#);
    home.builds(&[".#a", "--out-link", "new/folder/link"]);
    assert_eq!(home.read("flake/new/folder/link"), "a\n");
    let derivation = home.nix(&["eval", "--raw", "path:.#a.drvPath"]);
    let derivation = String::from_utf8_lossy(&derivation.stdout).into_owned();
    std::os::unix::fs::symlink(&derivation, home.path("flake/here.drv")).unwrap();
    let relative = derivation.replace(&home.path("").display().to_string(), "../");
    for name in ["./here.drv", "here.drv^out", "here.drv!out", &relative, "./new/folder/link"] {
        let text = home.builds(&[name]);
        assert!(text.contains("everything is in the store"), "{name}: {text}");
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn mistakes_are_told_in_nix_s_words_and_ours() {
    let home = Home::new(r#"a = throw "this is broken on purpose";"#);
    let output = home.ironwright(&["build", ".#a"]).output().unwrap();
    let text = super::home::text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("this is broken on purpose"), "{text}");
    home.write("flake/set.nix", r#"{ none = { }; a = derivation { name = "a"; system = "x"; builder = "/bin/sh"; outputs = [ "out" "dev" ]; }; }"#);
    for (words, told) in [
        (
            &["-f", "set.nix", "a^foo"][..],
            "there is no output foo of a^foo\nhint: the outputs are dev, out",
        ),
        (&["-f", "set.nix", "a^out,foo"], "there is no output foo"),
        (&["--expr", "{ x = 1; }"], "there is no derivation in expression"),
        (&["."], "ironwright build .#ATTRIBUTE"),
    ] {
        let (text, well) = home.build(words);
        assert!(!well && text.contains(told), "{words:?}: {text}");
    }
    let plan = home.json(&["build", "-f", "set.nix", "--dry-run", "--json"]);
    assert_eq!(plan[0]["installables"], serde_json::json!(["set.nix"]));
    let mut without = home.ironwright(&["build", ".#a"]);
    let output = without.env("PATH", "/nonexistent").output().unwrap();
    let text = super::home::text(&output);
    // A Nix that is installed for the whole machine is found without PATH.
    if !output.status.success() && !text.contains("broken on purpose") {
        assert!(text.contains("no nix on PATH") && output.status.code() == Some(4), "{text}");
    }
}
