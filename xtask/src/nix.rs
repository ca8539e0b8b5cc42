//! A Nix of its own for the tests: `cargo xtask nix install [DIR]`.
//!
//! Debian 13 packages a Nix that is recent enough. They are fetched into private directories, verified
//! by the archive's signatures, unpacked and pointed at the C library that came with them, so nothing
//! of the machine changes but `/nix`, and for other users than root not even that. Does not know the
//! tests, and needs apt and dpkg.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::{print, root, say};

/// What to do with Nix.
#[derive(Clone, Subcommand)]
pub(crate) enum Chore {
    /// Unpack a Nix that neither needs nor changes an installed one.
    Install {
        /// Where to; target/tools/nix without it.
        directory: Option<PathBuf>,
    },
}

/// The variable by which tests find Nix's commands.
pub(crate) const VARIABLE: &str = "IRONWRIGHT_TEST_NIX";

/// The suite with the wanted Nix.
const SOURCE: &str = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
     http://deb.debian.org/debian trixie main\n";
/// What apt fetches, with all that it needs.
const PACKAGES: &[&str] = &["nix-bin", "patchelf"];
/// The version that the tests are written for.
const VERSION: &str = "2.26.";
/// Commands that get a wrapper.
const COMMANDS: &[&str] = &["nix", "nix-build", "nix-env", "nix-instantiate", "nix-store"];
/// Builds run as the caller, without a sandbox and without caches that cannot be reached.
const CONFIGURATION: &str = "sandbox = false\nbuild-users-group =\n\
     experimental-features = nix-command flakes\nsubstituters =\n";

pub(crate) fn run(chore: Chore) -> Result<()> {
    let Chore::Install { directory } = chore;
    let directory = match directory {
        Some(directory) => std::path::absolute(directory)?,
        None => default_directory(),
    };
    install(&directory)?;
    print(&format!("export PATH={}:$PATH", directory.join("bin").display()));
    Ok(())
}

/// Where `cargo xtask test --install` keeps it.
pub(crate) fn default_directory() -> PathBuf {
    root().join("target/tools/nix")
}

/// Unpacks Nix into a directory, unless one that works is there.
pub(crate) fn install(directory: &Path) -> Result<()> {
    if let Ok(version) = version(directory) {
        say(&format!("nix: {version} is in {}", directory.display()));
        return Ok(());
    }
    let apt = directory.join("apt");
    let unpacked = directory.join("root");
    for old in [&apt, &unpacked] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    fetch(&apt)?;
    unpack(&apt.join("cache/archives"), &unpacked)?;
    relocate(&unpacked)?;
    wrap(directory, &unpacked)?;
    fs::remove_dir_all(&apt)?;
    say(&format!("nix: {} is in {}", version(directory)?, directory.display()));
    Ok(())
}

/// The version that the commands of a directory have, when they work and it is the wanted one.
fn version(directory: &Path) -> Result<String> {
    let nix = directory.join("bin/nix");
    let output = Command::new(&nix).arg("--version").stderr(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match text.rsplit(' ').next() {
        Some(version) if version.starts_with(VERSION) => Ok(text),
        _ => bail!("{} is no Nix {VERSION}x: {text:?}", nix.display()),
    }
}

/// Lets apt fetch the packages with lists, cache and state of its own; it verifies the signatures.
fn fetch(apt: &Path) -> Result<()> {
    for part in ["lists/partial", "cache/archives/partial", "state", "parts"] {
        fs::create_dir_all(apt.join(part))?;
    }
    fs::write(apt.join("sources.list"), SOURCE)?;
    // Nothing counts as installed, so every library comes along.
    fs::write(apt.join("state/status"), "")?;
    let at = |part: &str| apt.join(part).display().to_string();
    let configuration = [
        ("Dir::State", at("state")),
        ("Dir::State::Lists", at("lists")),
        ("Dir::State::status", at("state/status")),
        ("Dir::Cache", at("cache")),
        ("Dir::Etc::SourceList", at("sources.list")),
        ("Dir::Etc::SourceParts", at("parts")),
        ("APT::Install-Recommends", "false".to_owned()),
        ("APT::Sandbox::User", String::new()),
        ("Acquire::Languages", "none".to_owned()),
        ("Acquire::Retries", "3".to_owned()),
        ("Debug::NoLocking", "true".to_owned()),
    ];
    let lines = configuration.iter().map(|(key, value)| format!("{key} \"{value}\";\n"));
    fs::write(apt.join("apt.conf"), lines.collect::<String>())?;
    let ask = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("APT_CONFIG", apt.join("apt.conf"));
        quietly(&mut command)
    };
    ask(&["-qq", "update"])?;
    ask(&[&["-qq", "-y", "--download-only", "install"], PACKAGES].concat())
}

fn unpack(archives: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target)?;
    for entry in fs::read_dir(archives)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            quietly(Command::new("dpkg").arg("-x").arg(path).arg(target))?;
        }
    }
    Ok(())
}

/// Makes the program use the loader and libraries beside it, through a patchelf that is started the
/// same way by hand.
fn relocate(unpacked: &Path) -> Result<()> {
    let libraries = fs::read_dir(unpacked.join("usr/lib"))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.join("libc.so.6").exists())
        .context("the packages hold no C library")?;
    let loader = fs::read_dir(&libraries)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("ld-linux")))
        .context("the packages hold no loader")?;
    let mut patch = Command::new(&loader);
    patch.arg("--library-path").arg(&libraries).arg(unpacked.join("usr/bin/patchelf"));
    patch.arg("--set-interpreter").arg(&loader);
    patch.arg("--force-rpath").arg("--set-rpath").arg(&libraries);
    quietly(patch.arg(unpacked.join("usr/bin/nix")))
}

/// Writes the configuration, and commands that use it whatever the caller's environment is.
fn wrap(directory: &Path, unpacked: &Path) -> Result<()> {
    let (etc, bin) = (directory.join("etc"), directory.join("bin"));
    fs::create_dir_all(&etc)?;
    fs::create_dir_all(&bin)?;
    fs::write(etc.join("nix.conf"), CONFIGURATION)?;
    for command in COMMANDS {
        let path = bin.join(command);
        fs::write(&path, wrapper(directory, &unpacked.join("usr/bin").join(command)))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn wrapper(directory: &Path, program: &Path) -> String {
    let at = directory.display();
    format!(
        "#!/bin/sh\n\
         # Runs the unpacked Nix with a configuration of its own.\n\
         NIX_CONF_DIR=\"${{NIX_CONF_DIR:-{at}/etc}}\"\n\
         export NIX_CONF_DIR\n\
         if [ \"$(id -u)\" != 0 ] && [ ! -w /nix/store ]; then\n\
         \x20 NIX_STORE_DIR=\"{at}/nix/store\"\n\
         \x20 NIX_STATE_DIR=\"{at}/nix/var/nix\"\n\
         \x20 NIX_LOG_DIR=\"{at}/nix/var/log/nix\"\n\
         \x20 export NIX_STORE_DIR NIX_STATE_DIR NIX_LOG_DIR\n\
         fi\n\
         exec \"{}\" \"$@\"\n",
        program.display()
    )
}

/// Runs a command and shows what it said only when it fails.
fn quietly(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim())
}
