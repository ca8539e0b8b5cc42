//! The program in an environment of its own.
//!
//! Does not know what is tested.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// `ironwright` with nothing from the tester's environment but PATH, in `home`.
pub(crate) fn ironwright(home: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ironwright"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("XDG_CACHE_HOME", home.join("cache"))
        // rustup finds its toolchains by the real home directory.
        .env("RUSTUP_HOME", rustup_home())
        .env("NO_COLOR", "1")
        .current_dir(home)
        .output()
        .unwrap()
}

fn rustup_home() -> std::path::PathBuf {
    let set = std::env::var_os("RUSTUP_HOME").map(Into::into);
    set.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".rustup"))
}

/// Path of a recorded machine.
pub(crate) fn host(name: &str) -> String {
    format!("{}/../../fixtures/hosts/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Standard output as JSON.
pub(crate) fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Standard output and error as text.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}
