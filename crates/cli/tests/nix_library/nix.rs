//! Asking Nix, with settings that the program wrote.
//!
//! Does not know what is asked.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::common::ironwright;

/// A profile of a Skylake desktop that opts in to everything.
pub(crate) const SHOSHIN: &str = r#"schema = 1
[host]
name = "shoshin"
[cpu]
architecture = "x86_64"
microarchitecture = "skylake"
psabi = "x86-64-v3"
features = ["adx", "aes", "avx", "avx2", "bmi1", "bmi2", "cmpxchg16b", "f16c", "fma", "lahfsahf", "lzcnt", "movbe", "pclmulqdq", "popcnt", "sse", "sse2", "sse3", "sse4.1", "sse4.2", "ssse3"]
cores = 4
threads = 8
[memory]
ram = "16GiB"
zram = "12GiB"
zram-ratio = 3.0
[gpu]
compute-capability = ["5.2"]
[settings]
nix-overlays = ["system-libs", "cpp-cuda", "rust", "go", "python", "nodejs", "packages"]
"#;

/// The source tree.
pub(crate) fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Our own package set, and the one that the tester names.
pub(crate) fn package_sets() -> Vec<PathBuf> {
    let named = std::env::var_os("IRONWRIGHT_NIXPKGS").map(PathBuf::from);
    [Some(tree("fixtures/nixpkgs")), named].into_iter().flatten().collect()
}

/// A command of Nix.
pub(crate) fn command(name: &str) -> Command {
    let directory = std::env::var_os("IRONWRIGHT_NIX_BIN")
        .expect("the checks name a Nix: cargo xtask nix install");
    let mut command = Command::new(Path::new(&directory).join(name));
    // `nix` keeps its caches there, and it finds no <nixpkgs> but ours.
    command.env("XDG_CACHE_HOME", std::env::temp_dir().join("ironwright-nix-cache"));
    command.env("NIX_PATH", "");
    command
}

/// A folder with the settings of a profile.
pub(crate) struct Host {
    pub(crate) home: tempfile::TempDir,
}

impl Host {
    /// Writes the settings of a profile as a user does.
    pub(crate) fn of(profile: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("host.toml"), profile).unwrap();
        let host = Self { home };
        let output = host.emit(&["--write", "--file", "settings.json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        host
    }

    /// `ironwright emit nix` with this profile.
    pub(crate) fn emit(&self, more: &[&str]) -> Output {
        ironwright(self.home.path(), &[&["emit", "nix", "--profile", "host.toml"], more].concat())
    }

    /// Evaluates an expression that sees `library { level = …; }`, `pkgs overlays` and `base`.
    pub(crate) fn evaluate(&self, packages: &Path, expression: &str) -> Result<Value, String> {
        evaluate(
            &self.home.path().join("settings.json").display().to_string(),
            packages,
            expression,
        )
    }

    /// The same on our own package set, which must succeed.
    pub(crate) fn value(&self, expression: &str) -> Value {
        self.evaluate(&tree("fixtures/nixpkgs"), expression).unwrap()
    }
}

/// Evaluates with anything that the library takes as settings, written as Nix.
pub(crate) fn evaluate(settings: &str, packages: &Path, expression: &str) -> Result<Value, String> {
    let output = evaluated(settings, packages, expression);
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    Err(last_error(&output))
}

/// The same, with what Nix says beside it.
pub(crate) fn evaluated(settings: &str, packages: &Path, expression: &str) -> Output {
    let text = format!(
        "let\n\
         \x20 library = arguments: import {library} ({{ settings = {settings}; }} // arguments);\n\
         \x20 set = arguments: import {packages} arguments;\n\
         \x20 base = set {{ overlays = [ ]; }};\n\
         \x20 with' = overlays: set {{ inherit overlays; }};\n\
         \x20 home = with' [ (library {{ }}).overlays.default ];\n\
         \x20 system = with' [ (library {{ level = \"system\"; }}).overlays.default ];\n\
         \x20 text = package: builtins.readFile (builtins.unsafeDiscardStringContext package.drvPath);\n\
         \x20 contains = needle: text: builtins.replaceStrings [ needle ] [ \"\" ] text != text;\n\
         in {expression}",
        library = tree("nix").display(),
        packages = packages.display(),
    );
    command("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--read-write-mode", "--expr", &text])
        .output()
        .unwrap()
}

/// The sentence at the end of what Nix says.
pub(crate) fn last_error(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let at = text.rfind("error: ").map_or(0, |at| at + "error: ".len());
    text[at..].trim().to_owned()
}
