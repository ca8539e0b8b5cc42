//! What a binary cache has is fetched, and only the rest built; what it does not give is built too.
//!
//! Does not need a network: the cache is a folder.

use super::home::Home;

/// Two packages that are in a binary cache and nowhere else, and the cache. `b` needs `a`.
fn cached() -> (Home, String) {
    let packages = r#"a = sh "a-1.0" [ ] "echo a > $out"; b = sh "b-1.0" [ a ] "cat ${a} > $out";
        c = sh "c-1.0" [ b ] "cat ${b} > $out";"#;
    let maker = Home::new(packages);
    maker.builds(&[".#b", "--no-link"]);
    let cache = format!("file://{}", maker.path("binary").display());
    let copied = maker.nix(&["copy", "--to", &cache, "path:.#b"]);
    assert!(copied.status.success(), "{copied:?}");
    // The same store folder is empty again for whoever fetches.
    for folder in ["store", "var"] {
        let path = maker.path(folder);
        let status = std::process::Command::new("chmod").arg("-R").arg("u+w").arg(&path).status();
        assert!(status.unwrap().success());
        std::fs::remove_dir_all(path).unwrap();
    }
    (maker, cache)
}

const STRICT: &str = "sandbox = false\nbuild-users-group =\nsubstituters =\nrequire-sigs = true\n";

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_a_cache_has_is_fetched_and_the_rest_built() {
    let (home, cache) = cached();
    let text = home.builds(&[".#c", "--option", "substituters", &cache]);
    assert!(text.contains("to fetch   1 path"), "{text}");
    assert!(text.contains("fetched in") && text.contains("built  c-1.0"), "{text}");
    assert!(!text.contains("built  a-1.0") && !text.contains("built  b-1.0"), "{text}");
    assert_eq!(home.read("flake/result"), "a\n");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_is_not_signed_is_built_unless_a_user_takes_it() {
    let (home, cache) = cached();
    home.write("conf/nix.conf", STRICT);
    let takes = ["--option", "require-sigs", "false", "--no-link"];
    let planned = [".#c", "--option", "substituters", &cache, "--dry-run"];
    let text = home.builds(&planned);
    assert!(text.contains("to fetch   1 path"), "{text}");
    let text = home.builds(&[".#c", "--option", "substituters", &cache]);
    assert!(text.contains("not signed by any of the keys"), "{text}");
    for name in ["a", "b", "c"] {
        assert!(text.contains(&format!("built  {name}-1.0")), "{text}");
    }
    assert_eq!(home.read("flake/result"), "a\n");
    let (home, cache) = cached();
    home.write("conf/nix.conf", STRICT);
    let text = home.builds(&[&[".#b", "--option", "substituters", &cache], &takes[..]].concat());
    assert!(text.contains("fetched in") && !text.contains("built  "), "{text}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_a_cache_lists_and_lost_is_built() {
    let (home, cache) = cached();
    std::fs::remove_dir_all(home.path("binary/nar")).unwrap();
    let words = [".#c", "--option", "substituters", &cache];
    let reports = home.json(&[&["build", "--json"], &words[..]].concat());
    let runs = reports.as_array().unwrap();
    assert_eq!(runs.len(), 2, "{reports}");
    let nix = &runs[1]["nix"];
    assert_eq!(nix["derivations"].as_array().unwrap().len(), 3, "{reports}");
    assert_eq!(nix["fetch_failure"], serde_json::Value::Null, "{reports}");
    assert_eq!(home.read("flake/result"), "a\n");
    // A path that nothing makes stays a failure, once.
    let gone = home.nix(&["eval", "--raw", "path:.#b.outPath"]);
    let gone = String::from_utf8_lossy(&gone.stdout).into_owned();
    std::fs::remove_file(home.path("flake/result")).unwrap();
    let collected = home.nix(&["store", "delete", "--ignore-liveness", &gone]);
    assert!(collected.status.success(), "{collected:?}");
    let gone = format!("nix:{gone}");
    let (text, well) = home.build(&[&gone, "--option", "substituters", &cache]);
    assert!(!well && text.contains("could not be fetched"), "{text}");
}
