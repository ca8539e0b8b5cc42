//! Asks a C compiler who it is, and what a target stands for.
//!
//! Does not know what answers mean; the core reads them.

use std::process::{Command, Stdio};

use ironwright_core::trial::bundle::{Answers, Bundle};

/// Levels of the psABI that may be part of a target, lowest first. The fourth is left to its features:
/// it is they that one wants to tell apart.
const LEVELS: [&str; 2] = ["x86-64-v2", "x86-64-v3"];

/// The first line that a tool prints of itself; nothing when it is not there.
pub fn version(tool: &str) -> Option<String> {
    let text = ask(tool, &["--version"])?;
    text.lines().next().map(str::to_owned)
}

/// What a target of a compiler stands for; empty where it does not tell.
pub fn bundle(compiler: &str, march: &str) -> Bundle {
    let target = |name: &str| {
        let march = format!("-march={name}");
        ask(compiler, &[&march, "-Q", "--help=target"]).unwrap_or_default()
    };
    let march_flag = format!("-march={march}");
    let driver = ask(compiler, &[&march_flag, "-###", "-E", "-x", "c", "/dev/null"]);
    let levels: Vec<_> = LEVELS.iter().map(|name| ((*name).to_owned(), target(name))).collect();
    Bundle::of(Answers {
        driver: &driver.unwrap_or_default(),
        target: &target(march),
        levels: &levels,
    })
}

/// Standard output and error of a question that a tool answered.
fn ask(tool: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(tool)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}
