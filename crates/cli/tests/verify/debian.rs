//! Debian's own binaries: baseline x86-64 by policy, with run-time dispatch.
//!
//! Does not know what they are for.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use serde_json::Value;

use super::common::{ironwright, json};

fn report(path: &str) -> Value {
    let home = tempfile::tempdir().unwrap();
    let found = json(&ironwright(home.path(), &["verify", "--json", path]));
    found["files"][0]["report"].clone()
}

fn is_baseline_with_dispatch(path: &str, dispatched: &[&str]) {
    let report = report(path);
    let code = &report["instructions"];
    assert_eq!(code["level"], "x86-64", "{path}");
    assert_eq!(code["needs"], Value::Array(Vec::new()), "{path}");
    let all = code["dispatched"].as_array().unwrap();
    for name in dispatched {
        assert!(all.iter().any(|one| one == name), "{path} has {name} behind dispatch");
    }
    assert!(!all.iter().any(|one| one == "3dnow"), "{path}: data was taken for code");
}

#[test]
fn the_c_library_is_baseline_with_dispatch() {
    let found = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6"];
    let Some(path) = found.iter().find(|path| Path::new(path).exists()) else { return };
    is_baseline_with_dispatch(path, &["avx2", "avx512f"]);
}

#[test]
#[ignore = "needs Debian 12's openssl; cargo xtask test --install runs it"]
fn openssl_is_baseline_with_dispatch() {
    is_baseline_with_dispatch(
        "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
        &["aes", "avx2", "avx512ifma", "sha"],
    );
}

#[test]
#[ignore = "needs Debian's python3; cargo xtask test --install runs it"]
fn python_is_baseline() {
    is_baseline_with_dispatch("/usr/bin/python3", &[]);
}
