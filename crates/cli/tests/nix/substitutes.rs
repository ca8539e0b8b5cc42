//! What a binary cache has is fetched, and only the rest built; what it does not give is built too.
//!
//! Does not need a network: the cache is a folder.

use super::home::Home;

/// Two packages that are in a binary cache and nowhere else, and the cache. `b` needs `a`.
fn cached(packages: &str) -> (Home, String) {
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

const PACKAGES: &str = r#"a = sh "a-1.0" [ ] "echo a > $out"; b = sh "b-1.0" [ a ] "cat ${a} > $out";
    c = sh "c-1.0" [ b ] "cat ${b} > $out";"#;
const STRICT: &str = "sandbox = false\nbuild-users-group =\nsubstituters =\nrequire-sigs = true\n";

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_a_cache_has_is_fetched_and_the_rest_built() {
    let (home, cache) = cached(PACKAGES);
    let text = home.builds(&[".#c", "--option", "substituters", &cache]);
    assert!(text.contains("to fetch   1 path"), "{text}");
    assert!(text.contains("fetched in") && text.contains("built  c-1.0"), "{text}");
    assert!(!text.contains("built  a-1.0") && !text.contains("built  b-1.0"), "{text}");
    assert_eq!(home.read("flake/result"), "a\n");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_is_not_signed_is_built_unless_a_user_takes_it() {
    let (home, cache) = cached(PACKAGES);
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
    let (home, cache) = cached(PACKAGES);
    home.write("conf/nix.conf", STRICT);
    let text = home.builds(&[&[".#b", "--option", "substituters", &cache], &takes[..]].concat());
    assert!(text.contains("fetched in") && !text.contains("built  "), "{text}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_a_cache_lists_and_lost_is_built() {
    let (home, cache) = cached(PACKAGES);
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

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_a_cache_has_damaged_is_built_and_what_rests_on_it_fetched() {
    let packages = r#"a = sh "a-1.0" [ ] "echo a > $out"; b = sh "b-1.0" [ a ] "echo ${a} > $out";
        c = sh "c-1.0" [ b ] "cat $(cat ${b}) > $out";"#;
    let (home, cache) = cached(packages);
    for entry in std::fs::read_dir(home.path("binary/nar")).unwrap().flatten() {
        let narinfo = std::fs::read_dir(home.path("binary")).unwrap().flatten();
        let of_a =
            narinfo.map(|it| std::fs::read_to_string(it.path()).unwrap_or_default()).any(|text| {
                text.contains("-a-1.0")
                    && !text.contains("-b-1.0")
                    && text.contains(&*entry.file_name().to_string_lossy())
            });
        if of_a {
            let file = std::fs::OpenOptions::new().write(true).open(entry.path()).unwrap();
            file.set_len(60).unwrap();
        }
    }
    let reports = home.json(&["build", "--json", ".#c", "--option", "substituters", &cache]);
    let last = reports.as_array().unwrap().last().unwrap();
    let derivations = last["nix"]["derivations"].as_array().unwrap();
    let of =
        |name: &str| derivations.iter().find(|it| it["name"] == name).unwrap()["outcome"].clone();
    assert_eq!(
        (of("a-1.0"), of("b-1.0"), of("c-1.0")),
        ("built".into(), "fetched".into(), "built".into())
    );
    assert_eq!(home.read("flake/result"), "a\n");
    home.unit("c-1.0");
    let units = home.json(&["history", "units", "--json"]);
    let labels: Vec<_> = units.as_array().unwrap().iter().map(|unit| &unit["label"]).collect();
    // Once each for whoever filled the cache; what was fetched later teaches nothing.
    assert_eq!(labels.iter().filter(|label| **label == "b-1.0").count(), 1, "{units}");
}
