//! The launcher under a compiler's name in front of PATH, alone and before a compiler cache.
//!
//! Does not know real compilers.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::governor::{Governor, LAUNCHER, output_of};

const CALL: &str = "exec g++ a.cc";

/// Directories with a name each, in front of PATH.
struct Names {
    base: PathBuf,
    path: OsString,
}

impl Names {
    fn new(governor: &Governor) -> Self {
        let base = governor.directory.path().to_path_buf();
        let [names, cache, real] = ["names", "cache", "real"].map(|name| base.join(name));
        for directory in [&names, &cache, &real] {
            fs::create_dir(directory).unwrap();
        }
        symlink(LAUNCHER, names.join("g++")).unwrap();
        script(&real.join("g++"), "echo real $0 \"$@\" under ${IRONWRIGHT_UNIT-none}");
        let old = std::env::var_os("PATH").unwrap();
        let all = [names, cache, real].into_iter().chain(std::env::split_paths(&old));
        let path = std::env::join_paths(all).unwrap();
        Self { base, path }
    }

    fn command(&self, governor: &Governor, script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        command.env("PATH", &self.path).env("IRONWRIGHT_NAMES", self.base.join("names"));
        command.env("IRONWRIGHT_SOCKET", governor.socket()).env_remove("CCACHE_PREFIX");
        command.env("CCACHE_DIR", self.base.join("store")).current_dir(&self.base);
        command
    }
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_next_of_the_name_is_the_compiler() {
    let governor = Governor::new();
    let names = Names::new(&governor);
    let child = names.command(&governor, CALL).spawn().unwrap();
    let mut line = governor.accept();
    let real = names.base.join("real/g++").display().to_string();
    assert_eq!(line.ask().argv, [&real, "a.cc"]);
    line.grant(3);
    assert_eq!(output_of(child), format!("real {real} a.cc under 3\n"));
}

#[test]
fn another_copy_of_the_launcher_is_no_compiler() {
    let governor = Governor::new();
    let names = Names::new(&governor);
    let copy = names.base.join("ironwright-launcher");
    fs::copy(LAUNCHER, &copy).unwrap();
    symlink(&copy, names.base.join("cache/g++")).unwrap();
    let child = names.command(&governor, CALL).spawn().unwrap();
    let _line = governor.grant();
    assert!(output_of(child).starts_with("real "));
}

#[test]
fn an_empty_entry_means_the_current_directory() {
    let governor = Governor::new();
    let names = Names::new(&governor);
    symlink(LAUNCHER, names.base.join("names/g++-12")).unwrap();
    script(&names.base.join("g++-12"), "echo here $0");
    let child = names
        .command(&governor, "exec g++-12")
        .env("PATH", format!("{}::/usr/bin:/bin", names.base.join("names").display()))
        .spawn()
        .unwrap();
    let mut line = governor.accept();
    assert_eq!(line.ask().argv, ["./g++-12"]);
    line.grant(1);
    assert_eq!(output_of(child), "here ./g++-12\n");
}

#[test]
fn a_name_that_nobody_has_is_not_found() {
    let governor = Governor::new();
    let names = Names::new(&governor);
    fs::remove_file(names.base.join("real/g++")).unwrap();
    let output = names
        .command(&governor, CALL)
        .env("PATH", names.base.join("names"))
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert_eq!(output.stderr, b"ironwright: g++: not found in PATH\n");
}

#[test]
fn a_cache_is_entered_and_calls_the_launcher_for_misses() {
    let governor = Governor::new();
    let names = Names::new(&governor);
    let ccache = names.base.join("ccache");
    script(&ccache, "echo cache $0 $CCACHE_PREFIX $PATH ${IRONWRIGHT_UNIT-none}");
    symlink(&ccache, names.base.join("cache/g++")).unwrap();
    let child = names.command(&governor, CALL).spawn().unwrap();
    let output = output_of(child);
    let begin = format!("cache {} {LAUNCHER} ", names.base.join("cache/g++").display());
    assert!(output.starts_with(&begin), "{output}");
    assert!(output.ends_with(" none\n") && !output.contains("/names"), "{output}");
    assert!(governor.is_alone());
    let mut command = names.command(&governor, CALL);
    let output = output_of(command.env("CCACHE_PREFIX", "distcc").spawn().unwrap());
    assert!(output.contains(" distcc "), "{output}");
}

#[test]
#[ignore = "needs ccache and g++"]
fn hits_of_the_real_ccache_ask_nobody() {
    let governor = Governor::new();
    let names = Names::new(&governor);
    fs::remove_file(names.base.join("real/g++")).unwrap();
    symlink("/usr/bin/ccache", names.base.join("cache/g++")).unwrap();
    fs::write(names.base.join("a.cc"), "int main() { return 0; }\n").unwrap();
    let compile = |asked: bool| {
        let mut child = names.command(&governor, "exec g++ -c a.cc -o a.o").spawn().unwrap();
        if asked {
            let mut line = governor.accept();
            assert_eq!(line.ask().argv[0], "/usr/bin/g++");
            line.grant(1);
            line.started();
            assert_eq!(line.ended().status, 0);
        }
        assert!(child.wait().unwrap().success());
        assert!(governor.is_alone());
    };
    compile(true);
    compile(false);
}

/// sccache takes a rustc that knows toolchains for rustup, and goes around it. Everybody else may
/// choose one.
#[test]
fn only_sccache_is_told_of_no_toolchains() {
    let governor = Governor::new();
    let names = Names::new(&governor);
    symlink(LAUNCHER, names.base.join("names/rustc")).unwrap();
    script(&names.base.join("real/rustc"), "echo real \"$@\"");
    let asks = "rustc +stable -V && echo knows || echo knows none";
    script(&names.base.join("cache/sccache"), asks);
    let answer = |call: &str| {
        let mut command = names.command(&governor, call);
        command.env("IRONWRIGHT_UNIT", "1").stderr(Stdio::null());
        output_of(command.spawn().unwrap())
    };
    assert_eq!(answer("exec sccache"), "knows none\n");
    assert_eq!(answer(asks), "real +stable -V\nknows\n");
}
