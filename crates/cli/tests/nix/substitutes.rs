//! What a binary cache has is fetched, and only the rest built.
//!
//! Does not need a network: the cache is a folder.

use super::home::Home;

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_a_cache_has_is_fetched_and_the_rest_built() {
    let packages = r#"a = sh "a-1.0" [ ] "echo a > $out"; b = sh "b-1.0" [ a ] "cat ${a} > $out";"#;
    let maker = Home::new(packages);
    maker.builds(&[".#a", "--no-link"]);
    let cache = format!("file://{}", maker.path("binary").display());
    let copied = maker.nix(&["copy", "--to", &cache, "path:.#a"]);
    assert!(copied.status.success(), "{copied:?}");
    // The same store folder is empty again for whoever fetches.
    for folder in ["store", "var"] {
        let path = maker.path(folder);
        let status = std::process::Command::new("chmod").arg("-R").arg("u+w").arg(&path).status();
        assert!(status.unwrap().success());
        std::fs::remove_dir_all(path).unwrap();
    }
    let options = ["--option", "substituters", &cache];
    let text = maker.builds(&[&[".#b"], options.as_slice()].concat());
    assert!(text.contains("to fetch   1 path"), "{text}");
    assert!(text.contains("fetched in") && text.contains("built  b-1.0"), "{text}");
    assert!(!text.contains("built  a-1.0"), "{text}");
    assert_eq!(maker.read("flake/result"), "a\n");
}
