//! `ironwright profile import`.
//!
//! Does not know the old shape; the core does. Nix is asked only for what is not plain data.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
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
        CliError::usage(format!("{}: {why}", args.file.display()), hint)
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
    let shown = args.file.display();
    let data = data::parse(text).map_err(|(line, message)| {
        CliError::usage(format!("{shown}:{line}: not valid Nix: {message}"), "correct that line")
    })?;
    if !data.has_opaque() || args.without_nix {
        return Ok(data);
    }
    match evaluated(&args.file) {
        Ok(json) => Ok(data::from_json(&json)),
        Err(reason) => {
            ui::remark(&format!(
                "{shown} is more than plain data, and {reason}: its expressions are left out"
            ));
            Ok(data)
        }
    }
}

/// Asks Nix for the value; a profile that is a function is called with nixpkgs' `lib` where it can be.
fn evaluated(path: &Path) -> Result<serde_json::Value, String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    let expression = "{ path }: let\n\
        \x20 value = import (/. + path);\n\
        \x20 found = builtins.tryEval (import <nixpkgs/lib>);\n\
        \x20 lib = if found.success then found.value else { };\n\
        \x20 known = { inherit lib; pkgs = { inherit lib; }; config = { }; };\n\
        \x20 called = value (builtins.intersectAttrs (builtins.functionArgs value) known);\n\
        in if builtins.isFunction value then called else value";
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--expr", expression, "--argstr", "path"])
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .map_err(|_| "Nix is not installed".to_owned())?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().rev().find(|line| line.trim_start().starts_with("error:"));
        let last = last.unwrap_or("error: it says no more").trim();
        return Err(format!("Nix cannot evaluate it ({})", last.trim_start_matches("error: ")));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
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
