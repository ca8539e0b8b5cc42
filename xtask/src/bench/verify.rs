//! How fast `ironwright verify` reads code, against `elfx86exts` on the same files in the same run.
//!
//! The peer names extensions and decodes everything in the code sections, data among it; it does not
//! tell what runs. Does not judge what either found.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{median, millis, tempdir, time};
use crate::{print, root, sh};

/// Rounds of each file.
const ROUNDS: usize = 5;

/// Files to read, the larger the better; those that are there are taken.
const FILES: [&str; 4] = [
    "/usr/bin/node",
    "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/bin/python3",
];

pub(super) fn run(binary: &Path) -> Result<()> {
    let peer = peer()?;
    let home = tempdir()?;
    for file in FILES.iter().filter(|file| Path::new(file).exists()) {
        compare(binary, &peer, file, &home)?;
    }
    std::fs::remove_dir_all(home)?;
    Ok(())
}

/// `elfx86exts`, built into the target directory.
fn peer() -> Result<PathBuf> {
    let place = root().join("target/tools/elfx86exts");
    let program = place.join("bin/elfx86exts");
    if !program.is_file() {
        let place = place.to_string_lossy().into_owned();
        sh("cargo", &["install", "--quiet", "elfx86exts", "--root", &place])?;
    }
    Ok(program)
}

fn compare(binary: &Path, peer: &Path, file: &str, home: &Path) -> Result<()> {
    let own = || {
        let mut command = Command::new(binary);
        command.args(["verify", "--json", file]).env("XDG_CACHE_HOME", home);
        command
    };
    let output = own().output().with_context(|| format!("cannot verify {file}"))?;
    let found: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let code = &found["files"][0]["report"]["instructions"]["code_bytes"];
    let megabytes = code.as_f64().unwrap_or(0.0) / 1e6;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(time(&mut own())?);
        // The peer takes seconds; its first round is as good as the others.
        if round < 2 {
            theirs.push(time(Command::new(peer).arg(file))?);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    print(&format!(
        "{file}: {megabytes:.1} MB of code in {:.0} ms, {:.0} MB/s (at least 250); elfx86exts {:.0} ms, ratio {:.1} (at least 25)",
        millis(ours),
        megabytes / ours.as_secs_f64(),
        millis(theirs),
        theirs.as_secs_f64() / ours.as_secs_f64()
    ));
    Ok(())
}
