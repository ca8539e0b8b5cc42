//! More than two hundred binaries: compilers, levels, dispatch, linkers, LTO and PGO.
//!
//! Every claim that is decided must be right, and at most one in twenty may be undecided. Does not
//! say why a claim is wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

use super::common::{ironwright, json};
use super::recipes::{self, Recipe, Truth};

/// Makes every binary, two at a time; what went wrong.
fn make(recipes: &[Recipe], home: &Path) -> Vec<String> {
    for (name, text) in
        [("main.c", recipes::C), ("main.rs", recipes::RUST), ("main.go", recipes::GO)]
    {
        std::fs::write(home.join(name), text).unwrap();
    }
    std::fs::create_dir(home.join("bin")).unwrap();
    let queue = Mutex::new(recipes.iter());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(recipe) = queue.lock().unwrap().next() else { return };
                    if let Err(error) = make_one(recipe, home) {
                        failed.lock().unwrap().push(format!("{}: {error}", recipe.name));
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

fn make_one(recipe: &Recipe, home: &Path) -> Result<(), String> {
    let out = home.join("bin").join(&recipe.name);
    for step in &recipe.steps {
        let words: Vec<String> =
            step.iter().map(|word| word.replace("OUT", out.to_str().unwrap())).collect();
        let output = Command::new(&words[0])
            .args(&words[1..])
            .envs(recipe.environment.iter().map(|(key, value)| (*key, value)))
            .env("GOCACHE", home.join("go-cache"))
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "-p=1")
            .current_dir(home)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", words[0]))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    Ok(())
}

/// Each claim of a report with what is true: name, found, true.
fn claims(report: &Value, truth: &Truth) -> Vec<(&'static str, Option<String>, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let value = |key: &str| text(&report[key]["value"]);
    let code = &report["instructions"];
    let has = |list: &str, name: &str| code[list].as_array().unwrap().iter().any(|one| one == name);
    let compiler =
        report["compilers"].as_array().unwrap().iter().any(|one| one["name"] == truth.compiler);
    let dispatched = truth.dispatched.map_or_else(
        || {
            Some(
                code["dispatched"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|one| one == "avx512vbmi")
                    .to_string(),
            )
        },
        |name| {
            if has("undecided", name) { None } else { Some(has("dispatched", name).to_string()) }
        },
    );
    let wanted = |text: &str| text.to_owned();
    vec![
        ("level", text(&code["level"]), wanted(truth.level)),
        ("dispatched", dispatched, truth.dispatched.is_some().to_string()),
        ("compiler", Some(compiler.to_string()), wanted("true")),
        ("linker", value("linker"), wanted(truth.linker)),
        ("lto", value("lto"), wanted(truth.lto)),
        ("pgo", value("pgo"), wanted(truth.pgo)),
        ("allocator", value("allocator"), wanted(truth.allocator)),
        ("target", value("target"), wanted(truth.target)),
    ]
}

#[test]
#[ignore = "needs gcc, clang, Go and four linkers; cargo xtask test --install runs it"]
fn what_is_decided_of_two_hundred_binaries_is_right() {
    let home = tempfile::tempdir().unwrap();
    let recipes = recipes::all();
    assert!(recipes.len() >= 200, "{}", recipes.len());
    let failed = make(&recipes, home.path());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let bin = home.path().join("bin");
    let output = ironwright(home.path(), &["verify", "--json", bin.to_str().unwrap()]);
    let found = json(&output);
    let (mut all, mut unknown, mut wrong) = (0, 0, Vec::new());
    for recipe in &recipes {
        let path = bin.join(&recipe.name);
        let files = found["files"].as_array().unwrap();
        let file = files.iter().find(|file| file["path"] == path.to_str().unwrap());
        for (name, found, wanted) in claims(&file.unwrap()["report"], &recipe.truth) {
            all += 1;
            match found {
                None => unknown += 1,
                Some(found) if found == wanted => {}
                Some(found) => {
                    wrong.push(format!("{}: {name} is {wanted}, found {found}", recipe.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {all} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(unknown * 20 <= all, "{unknown} of {all} unknown");
}
