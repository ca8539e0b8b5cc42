//! `ironwright profile import`.
//!
//! Does not know the old shape; the core does. Nix is asked only for what is not plain data.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use ironwright_core::diagnostic::Diagnostic;
use ironwright_core::nix::activity::innermost;
use ironwright_core::profile::import::data::{self, Data};
use ironwright_core::profile::import::{Account, Imported, import};
use ironwright_host::files::replace;

use crate::error::{CliError, count};
use crate::table::table;
use crate::ui::{self, HEADING, paint};

/// The options of `ironwright profile import`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright profile import shoshin.nix\n  ironwright profile import profiles/hardware/shoshin.nix --write\n  ironwright profile import shoshin.nix --without-nix --json"
)]
pub(super) struct ImportArgs {
    /// The profile as a Nix file.
    file: PathBuf,
    /// Name of the host, where the file does not say it; the file's name without it.
    #[arg(long)]
    name: Option<String>,
    /// Write hosts/NAME.toml (or the file of --output) instead of printing it.
    #[arg(long)]
    write: bool,
    /// Where to write.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
    /// Do not ask Nix, even if it is installed.
    #[arg(long)]
    without_nix: bool,
    /// Print the profile and the account of every attribute as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ImportArgs) -> Result<u8, CliError> {
    let bytes = std::fs::read(&args.file).map_err(|error| read_failed(&args.file, error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        read_failed(&args.file, std::io::Error::other(format!("not UTF-8 text at byte {at}")))
    })?;
    let data = understood(args, &text)?;
    let stem = args.file.file_stem().unwrap_or(OsStr::new("host")).to_string_lossy();
    let name = args.name.clone().unwrap_or_else(|| stem.into_owned());
    let source = args.file.file_name().unwrap_or_default().to_string_lossy();
    let imported = import(&data, &name, &source).map_err(|why| {
        let hint =
            "a profile looks like { cpu = { … }; build.parallelism = { … }; packages = { … }; }";
        let mistake = Diagnostic::new(&args.file.display().to_string(), &text, 0..0, why);
        CliError::mistakes(vec![mistake.with_help(hint)])
    })?;
    if args.write || args.output.is_some() {
        write(args, &imported)?;
    }
    if args.json {
        ui::print_json(&imported)?;
    } else {
        if !(args.write || args.output.is_some()) {
            ui::print(&imported.text)?;
        }
        ui::note(&account(&imported));
    }
    Ok(0)
}

fn read_failed(path: &Path, error: std::io::Error) -> CliError {
    CliError::Read { path: path.to_owned(), error }
}

/// The file as data: by itself where that is enough, else by Nix.
fn understood(args: &ImportArgs, text: &str) -> Result<Data, CliError> {
    let shown = args.file.display().to_string();
    let wrong = |line: usize, message: String| {
        let start = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let end =
            text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len) + start;
        CliError::mistakes(vec![Diagnostic::new(&shown, text, start..end, message)])
    };
    if args.file.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(text)
            .map(|json| data::from_json(&json))
            .map_err(|error| wrong(error.line(), format!("not valid JSON: {error}")));
    }
    let mut data = data::parse(text)
        .map_err(|(line, message)| wrong(line, format!("not valid Nix: {message}")))?;
    if !data.has_opaque() || args.without_nix {
        return Ok(data);
    }
    match evaluated(&args.file, &[]) {
        Ok(json) => return Ok(data.evaluated(&json)),
        Err(Unevaluated::NoNix) => ui::remark(&format!(
            "{shown} is more than plain data, and Nix is not installed: its expressions are left out"
        )),
        Err(Unevaluated::Failed(reason)) => {
            by_parts(&args.file, &mut data);
            let left = data.opaque_paths().len();
            if left > 0 {
                let expressions = count(left, "expression");
                ui::remark(&format!("{expressions} of {shown} left out: {reason}"));
            }
        }
    }
    Ok(data)
}

/// Asks Nix for each expression alone, because one of them cannot be evaluated.
fn by_parts(file: &Path, data: &mut Data) {
    /// More are left out: each costs a call.
    const MOST: usize = 100;
    for path in data.opaque_paths().into_iter().take(MOST) {
        if let Ok(json) = evaluated(file, &path) {
            data.put(&path, data::from_json(&json));
        }
    }
}

/// Why Nix did not tell.
enum Unevaluated {
    NoNix,
    Failed(String),
}

/// Asks Nix for the value of a file, or of a part of it by its path.
fn evaluated(file: &Path, at: &[String]) -> Result<serde_json::Value, Unevaluated> {
    let failed = |error: &dyn std::fmt::Display| Unevaluated::Failed(error.to_string());
    let file = std::path::absolute(file).map_err(|error| failed(&error))?;
    let at = serde_json::to_string(at).map_err(|error| failed(&error))?;
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--expr", include_str!("profile_import.nix")])
        .args(["--argstr", "at", &at, "--argstr", "path"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .map_err(|_| Unevaluated::NoNix)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = innermost(text.trim());
        let last = last.lines().next().unwrap_or("it says no more");
        let last = last.trim_start_matches("error: ");
        return Err(Unevaluated::Failed(format!("Nix cannot evaluate it ({last})")));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))
}

fn write(args: &ImportArgs, imported: &Imported) -> Result<(), CliError> {
    let name = imported.host.as_str();
    let path = match &args.output {
        Some(path) => path.clone(),
        None if name.is_empty() || name.starts_with('.') || name.contains('/') => {
            let hint = "name the host with --name, or the file with --output";
            return Err(CliError::usage(format!("\"{name}\" cannot be a file's name"), hint));
        }
        None => Path::new("hosts").join(format!("{name}.toml")),
    };
    if path.exists() && !args.force {
        let hint = "--force replaces it, --output FILE writes another";
        return Err(CliError::usage(format!("{} is there already", path.display()), hint));
    }
    replace(&path, imported.text.as_bytes())
        .map_err(|error| CliError::Write { path: path.clone(), error })?;
    ui::note(&format!("{}: written\n", path.display()));
    Ok(())
}

/// What became of every attribute, for people.
fn account(imported: &Imported) -> String {
    let mut out = String::new();
    let groups = [
        ("kept", &imported.kept),
        ("changed or left out", &imported.changed),
        ("not understood", &imported.not_understood),
    ];
    for (title, accounts) in groups {
        if accounts.is_empty() {
            continue;
        }
        let heading = format!("{title}: {}", count(accounts.len(), "attribute"));
        out.push_str(&format!("{}\n{}", paint(HEADING, &heading), rows(accounts)));
    }
    out
}

fn rows(accounts: &[Account]) -> String {
    let row = |account: &Account| {
        let line = account.line.map_or_else(String::new, |line| line.to_string());
        vec![
            line,
            format!("{} = {}", account.attribute, account.value),
            account.becomes.clone().unwrap_or_else(|| "-".to_owned()),
            account.why.clone().unwrap_or_default(),
        ]
    };
    table(&["line", "attribute", "becomes", "why"], accounts.iter().map(row))
}
