//! The Nix library's generated parts and its form: the data about knobs, the reference of options,
//! and the formatting of hand-written files.
//!
//! Does not evaluate by itself; for the options a Nix is asked. Does not know what the library does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use ironwright_core::emit::nix::{knob_data, text};
use serde_json::Value;

use crate::{nix, root, say};

/// Data about knobs, which the library checks settings against.
const KNOBS: &str = "nix/data/knobs.json";
/// The reference page.
const OPTIONS: &str = "docs/nix-options.md";
/// Folders of hand-written Nix files.
const WRITTEN: &[&str] = &["nix", "fixtures/nixpkgs"];

/// Writes, or checks, the generated parts.
pub(crate) fn run(check: bool) -> Result<()> {
    settle(KNOBS, &text(&knob_data())?, check)?;
    let Some(nix) = command() else {
        say(&format!("ignored: {OPTIONS}, because Nix is missing (cargo xtask nix install)"));
        return Ok(());
    };
    settle(OPTIONS, &reference(&nix)?, check)
}

fn settle(name: &str, wanted: &str, check: bool) -> Result<()> {
    let path = root().join(name);
    let current = fs::read_to_string(&path).unwrap_or_default() == wanted;
    match (current, check) {
        (true, _) => {}
        (false, true) => bail!("{name} is out of date: run cargo xtask docs"),
        (false, false) => {
            fs::write(&path, wanted)?;
            say(&format!("{name}: written"));
        }
    }
    Ok(())
}

/// `nix-instantiate` of the tests' Nix, or of an installed one.
fn command() -> Option<PathBuf> {
    let named = std::env::var_os(nix::VARIABLE).map(PathBuf::from);
    let own = [named, Some(nix::default_directory().join("bin"))].into_iter().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path);
    own.chain(installed).map(|dir| dir.join("nix-instantiate")).find(|path| path.is_file())
}

fn reference(nix: &Path) -> Result<String> {
    let output = Command::new(nix)
        .args(["--eval", "--strict", "--json", "nix/modules/reference.nix"])
        .current_dir(root())
        .output()?;
    if !output.status.success() {
        bail!("nix/modules: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let options: Value = serde_json::from_slice(&output.stdout)?;
    let mut page = String::from(
        "# Options of the Nix modules\n\n\
         Written by `cargo xtask docs` from `nix/modules/options.nix`; do not edit. How the modules are used:\n\
         [nix.md](nix.md). What a setting is and why it has its value: [knobs.md](knobs.md).\n",
    );
    for (module, file) in [("home-manager", "home-manager"), ("nixos", "nixos")] {
        page.push_str(&format!("\n## `nix/modules/{file}.nix`\n"));
        let entries = options[module].as_array().context("a list of options")?;
        page.extend(entries.iter().map(entry));
    }
    Ok(page)
}

fn entry(option: &Value) -> String {
    let text = |key: &str| option[key].as_str().unwrap_or_default();
    format!(
        "\n### `{}`\n\n{}\n\n- type: {}\n- default: {}\n",
        text("name"),
        text("description"),
        text("type"),
        text("default")
    )
}

/// Checks that every hand-written file has the form of nixfmt, or gives it that form.
pub(crate) fn format(check: bool) -> Result<()> {
    let mut wrong = Vec::new();
    for path in WRITTEN.iter().flat_map(|folder| files(&root().join(folder))) {
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        let before = fs::read_to_string(&path)?;
        let after = nixfmt_rs::format(&before)
            .map_err(|error| anyhow::anyhow!("{name}: not valid Nix: {error:?}"))?;
        if before != after {
            if !check {
                fs::write(&path, after)?;
            }
            wrong.push(name);
        }
    }
    if check && !wrong.is_empty() {
        bail!("not in the form of nixfmt: {}; run cargo xtask format", wrong.join(", "));
    }
    for name in wrong {
        say(&format!("{name}: formatted"));
    }
    Ok(())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut queue = vec![folder.to_owned()];
    while let Some(folder) = queue.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                queue.push(path);
            } else if path.extension().is_some_and(|extension| extension == "nix") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
