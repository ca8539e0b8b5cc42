//! Derivations that the overlays changed, built with the machine's compilers.
//!
//! Does not measure.

use std::path::PathBuf;
use std::process::Command;

use crate::nix::{Host, SHOSHIN, command, last_error, tree};

/// Builds a package of our own set and gives its path.
fn built(host: &Host, package: &str) -> PathBuf {
    let text = format!(
        "let iw = import {} {{ settings = {}/settings.json; }};
             pkgs = import {} {{ overlays = [ iw.overlays.default ]; }};
         in {package}",
        tree("nix").display(),
        host.home.path().display(),
        tree("fixtures/nixpkgs").display(),
    );
    let output = command("nix-build")
        .args(["--no-out-link", "--cores", "8", "--expr", &text])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", last_error(&output));
    String::from_utf8(output.stdout).unwrap().trim().into()
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
#[ignore = "needs Nix and gcc; cargo xtask test --install runs it"]
fn the_compiler_gets_the_packages_flags_and_ours() {
    let host = Host::of(SHOSHIN);
    for (package, wanted) in
        [("pkgs.zstd", "avx2\nown\n"), ("pkgs.lz4", "avx2\n"), ("pkgs.zlib", "baseline\n")]
    {
        let program = built(&host, package).join("bin/program");
        let output = Command::new(program).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted, "{package}");
    }
}

#[test]
#[ignore = "needs Nix and gcc; cargo xtask test --install runs it"]
fn a_rust_package_is_built_within_its_limits() {
    let profile = format!(
        "{SHOSHIN}[packages.codex]\ncargo-build-jobs = 3\naddress-space-limit = \"8GiB\"\n"
    );
    let out = built(&Host::of(&profile), "pkgs.codex");
    assert_eq!(read(out.join("cores")), "cores 3\n");
    assert_eq!(read(out.join("before")), "own\n");
    assert_eq!(read(out.join("limit")), "8388608\n");
    assert_eq!(read(out.join("environment")), "CARGO_BUILD_JOBS=3\nRUSTFLAGS=--cfg own\n");
}

#[test]
#[ignore = "needs Nix and gcc; cargo xtask test --install runs it"]
fn node_is_built_twice_and_trained_in_between() {
    let profile = format!(
        "{SHOSHIN}[packages.nodejs_24]\nnode-pgo-level = \"LIGHT\"\n[packages.nodejs_22]\nnode-pgo-level = \"NONE\"\n"
    );
    let host = Host::of(&profile);
    let out = built(&host, "pkgs.nodejs_24");
    let history = read(out.join("history"));
    let steps: Vec<&str> = history.lines().collect();
    assert!(
        steps[1].contains("--enable-pgo-generate") && steps[1].contains("--without-docs"),
        "{history}"
    );
    assert!(steps[2].starts_with("compiled -fprofile-generate"), "{history}");
    assert!(steps[3].contains("--enable-pgo-use"), "{history}");
    assert!(
        steps[4].starts_with("compiled -fprofile-use") && steps[4].ends_with("with 1 counts"),
        "{history}"
    );
    let plain = read(built(&host, "pkgs.nodejs_22").join("history"));
    assert_eq!(plain.lines().count(), 2, "{plain}");
}
