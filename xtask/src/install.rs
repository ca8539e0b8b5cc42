//! Builds what users get, and puts it in its places.
//!
//! They are linked statically where the C library can be: the dynamic loader takes a third of the launcher's time,
//! which runs once for each compiler, and half a millisecond of every command's. Cargo has no way to ask for that
//! for programs and not for the macros of the compiler, so each is built by itself. Does not know what the programs
//! do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{print, root, say, sh};

/// The two programs.
const PROGRAMS: [&str; 2] = ["ironwright", "ironwright-launcher"];
/// Shells, and where each looks for completions below a prefix.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/ironwright"),
    ("zsh", "share/zsh/site-functions/_ironwright"),
    ("fish", "share/fish/vendor_completions.d/ironwright.fish"),
];

/// Builds the programs as users get them; the folder that they are in.
pub(crate) fn release() -> Result<PathBuf> {
    let link: &[&str] = if has_static_libc() {
        &["--", "-C", "target-feature=+crt-static"]
    } else {
        say("no libc.a: the programs are linked dynamically, and start half a millisecond later");
        &[]
    };
    for program in PROGRAMS {
        let build = ["rustc", "--release", "--quiet", "-p", "ironwright", "--bin", program];
        sh("cargo", &[&build, link].concat())?;
    }
    Ok(root().join("target/release"))
}

/// Whether the C library comes as an archive, as Debian's libc6-dev has it and Fedora's glibc-static.
fn has_static_libc() -> bool {
    let output = Command::new("cc").arg("-print-file-name=libc.a").stderr(Stdio::null()).output();
    // A file that the compiler does not find is answered with its bare name.
    output
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute())
}

/// Installs programs, manual pages and completions below a prefix.
pub(crate) fn run(prefix: Option<PathBuf>) -> Result<()> {
    let prefix = match prefix {
        Some(prefix) => std::path::absolute(prefix)?,
        None => home()?.join(".local"),
    };
    let built = release()?;
    for program in PROGRAMS {
        let program_in = |directory: &Path| directory.join(program);
        place(&fs::read(program_in(&built))?, &program_in(&prefix.join("bin")), 0o755)?;
    }
    let ironwright = built.join(PROGRAMS[0]);
    for (shell, path) in COMPLETIONS {
        place(&output(&ironwright, &["completions", shell])?, &prefix.join(path), 0o644)?;
    }
    let pages = prefix.join("share/man/man1");
    fs::create_dir_all(&pages)?;
    output(&ironwright, &["man", &pages.to_string_lossy()])?;
    print(&format!("installed in {}", prefix.display()));
    Ok(())
}

fn home() -> Result<PathBuf> {
    std::env::home_dir().context("there is no home directory: name a prefix")
}

/// Writes a file so that it is there as a whole or not at all; a program that runs keeps its own.
fn place(content: &[u8], path: &Path, mode: u32) -> Result<()> {
    let directory = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let written = fs::write(&new, content)
        .and_then(|()| fs::set_permissions(&new, fs::Permissions::from_mode(mode)))
        .and_then(|()| fs::File::open(&new)?.sync_all())
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn output(program: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{} {} failed: {}", program.display(), arguments.join(" "), output.status);
    }
    Ok(output.stdout)
}
