//! What the Nix library is given.
//!
//! Does not evaluate Nix; the tests of the command do.

use serde_json::{Value as Json, json};

use super::legacy::legacy;
use super::{knob_data, nix_settings};
use crate::profile::parse::parse;
use crate::profile::{Inputs, Profile};

const SHOSHIN: &str = "schema = 1\n[host]\nname = \"shoshin\"\n[cpu]\narchitecture = \"x86_64\"\n\
    microarchitecture = \"skylake\"\npsabi = \"x86-64-v3\"\nfeatures = [\"adx\", \"aes\", \"avx\", \"avx2\", \"bmi1\", \"bmi2\", \"cmpxchg16b\", \"f16c\", \"fma\", \"lahfsahf\", \"lzcnt\", \"movbe\", \"pclmulqdq\", \"popcnt\", \"sse\", \"sse2\", \"sse3\", \"sse4.1\", \"sse4.2\", \"ssse3\"]\n\
    cores = 4\nthreads = 8\n[memory]\nram = \"16GiB\"\nzram = \"12GiB\"\nzram-ratio = 3.0\n\
    [settings]\nnix-overlays = [\"system-libs\", \"rust\"]\nc-opt-level = \"3\"\n\
    [packages.codex]\ncargo-build-jobs = 3\nrust-lto = \"thin\"\naddress-space-limit = \"4GiB\"\n\
    [packages.zstd]\nc-march = \"x86-64-v3\"\n";

fn profiles(text: &str) -> (Profile, Vec<(String, Profile)>) {
    let (file, found) = parse("hosts/shoshin.toml", text);
    assert_eq!(found, []);
    let merge =
        |package| Profile::merge(&Inputs { file: Some(&file), package, ..Inputs::default() }).0;
    let packages = file.packages.iter().map(|(name, _)| (name.clone(), merge(Some(name))));
    (merge(None), packages.collect())
}

fn document(text: &str) -> Json {
    let (host, packages) = profiles(text);
    serde_json::to_value(nix_settings("0.1.0", &host, &packages)).expect("values are JSON")
}

#[test]
fn values_are_numbers_and_names_and_say_who_chose_them() {
    let document = document(SHOSHIN);
    assert_eq!(document["host"], "shoshin");
    assert_eq!(document["settings"]["nix-overlays"], json!(["system-libs", "rust"]));
    assert_eq!(document["settings"]["nix-timeout"], 86_400);
    assert_eq!(document["facts"]["memory.ram"], 16_u64 << 30);
    assert_eq!(document["chosen"], json!(["c-opt-level", "nix-overlays"]));
    assert_eq!(document["nix-conf"]["timeout"], "86400");
    assert_eq!(
        document["environment"]["GOMAXPROCS"],
        document["settings"]["go-max-procs"].to_string()
    );
}

#[test]
fn a_package_has_what_differs() {
    let codex = &document(SHOSHIN)["packages"]["codex"];
    assert_eq!(codex["settings"]["rust-lto"], "thin");
    assert_eq!(codex["settings"]["address-space-limit"], 4_u64 << 30);
    assert_eq!(codex["chosen"], json!(["address-space-limit", "cargo-build-jobs", "rust-lto"]));
    assert_eq!(codex["settings"].get("nix-timeout"), None);
}

#[test]
fn compilers_get_the_names_they_know() {
    let processors = document(SHOSHIN)["processors"].clone();
    assert_eq!(processors["gcc"], json!([{"from": "8.1", "name": "skylake"}]));
    let newer = SHOSHIN.replace("skylake", "arrowlake");
    assert_eq!(
        document(&newer)["processors"]["gcc"][0],
        json!({"from": "11.1", "name": "x86-64-v3"})
    );
}

#[test]
fn nothing_known_is_nothing_claimed() {
    let document = document("schema = 1\n");
    assert_eq!(document["host"], Json::Null);
    assert_eq!(document["settings"]["c-march"], Json::Null);
    assert_eq!(document["settings"]["nix-overlays"], json!([]));
    assert_eq!(document["processors"]["gcc"], json!([]));
}

#[test]
fn the_library_knows_every_knob() {
    let data = knob_data();
    assert_eq!(data["knobs"]["rust-lto"]["choices"], json!(["off", "thin", "fat"]));
    assert_eq!(data["knobs"]["nix-max-jobs"]["kind"], "count");
    assert_eq!(data["universal"]["nix-conf"]["max-jobs"], "1");
}

#[test]
fn the_old_shape_has_the_old_names() {
    let (host, packages) = profiles(SHOSHIN);
    insta::assert_json_snapshot!(legacy(&host, &packages));
}

#[test]
fn the_old_shape_comes_back_as_it_went() {
    let (host, packages) = profiles(SHOSHIN);
    let data = crate::profile::import::data::from_json(&legacy(&host, &packages));
    let imported = crate::profile::import::import(&data, "shoshin", "settings").unwrap();
    let (again, found) = parse("hosts/shoshin.toml", &imported.text);
    assert_eq!(found, [], "{}", imported.text);
    assert_eq!(imported.not_understood, []);
    let codex = again.package("codex").expect("is there");
    assert!(codex.iter().any(|entry| entry.key == "rust-lto"));
    let (profile, _) = Profile::merge(&Inputs { file: Some(&again), ..Inputs::default() });
    for key in
        ["cpu.threads", "memory.ram", "memory.zram", "cpu.microarchitecture", "cpu.architecture"]
    {
        assert_eq!(profile.host(key).value, host.host(key).value, "{key}");
    }
}
