//! The options by which a user says how something of Nix is evaluated.
//!
//! Does not evaluate.

use std::path::PathBuf;

use clap::Args;
use ironwright_core::nix::installable::Evaluation;
use ironwright_host::nix::{Command, find};

use crate::error::CliError;

/// A text as an expression of Nix.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${");
    format!("\"{escaped}\"")
}

/// A flake of this machine by its whole path, because expressions may not name a relative one.
pub(crate) fn absolute_flake(reference: &str) -> String {
    let (scheme, path) = match reference.strip_prefix("path:") {
        Some(path) => ("path:", path),
        None => ("", reference),
    };
    let is_path = !scheme.is_empty() || path.starts_with('.') || path.starts_with('/');
    if !is_path {
        return reference.to_owned();
    }
    match std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)) {
        Ok(whole) => format!("{scheme}{}", whole.display()),
        Err(_) => reference.to_owned(),
    }
}

/// Names and values, as they follow each other in the words of an option.
fn pairs(words: &[String]) -> Vec<(String, String)> {
    let (pairs, _) = words.as_chunks::<2>();
    pairs.iter().map(|[name, value]| (name.clone(), value.clone())).collect()
}

/// Options of Nix, by Nix's names.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Nix")]
pub(crate) struct EvaluationArgs {
    /// Take attributes from the expression in this file instead of from flakes.
    #[arg(long, short, value_name = "FILE", conflicts_with = "expr")]
    pub(crate) file: Option<String>,
    /// Take attributes from this expression instead of from flakes.
    #[arg(long, value_name = "EXPR")]
    pub(crate) expr: Option<String>,
    /// Let the expression look at the environment.
    #[arg(long)]
    pub(crate) impure: bool,
    /// Pass an expression as an argument of functions.
    #[arg(long, num_args = 2, value_names = ["NAME", "EXPR"], action = clap::ArgAction::Append)]
    arg: Vec<String>,
    /// Pass a text as an argument of functions.
    #[arg(long, num_args = 2, value_names = ["NAME", "TEXT"], action = clap::ArgAction::Append)]
    argstr: Vec<String>,
    /// Replace an input of the flake.
    #[arg(long, num_args = 2, value_names = ["INPUT", "FLAKE"], action = clap::ArgAction::Append)]
    override_input: Vec<String>,
    /// Set something of nix.conf for this call.
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"], action = clap::ArgAction::Append)]
    option: Vec<String>,
    /// The store to build in, instead of the one that Nix takes by itself; a folder is one of your own.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
}

impl EvaluationArgs {
    /// Whether names are attributes, whatever they look like.
    pub(crate) const fn names_attributes(&self) -> bool {
        self.file.is_some() || self.expr.is_some()
    }

    /// As the core has it.
    pub(crate) fn evaluation(&self) -> Evaluation {
        let argument = |is_text: bool| move |(name, value)| (name, value, is_text);
        let expressions = pairs(&self.arg).into_iter().map(argument(false));
        let texts = pairs(&self.argstr).into_iter().map(argument(true));
        Evaluation {
            file: self.file.clone(),
            expression: self.expr.clone(),
            impure: self.impure,
            arguments: expressions.chain(texts).collect(),
            inputs: pairs(&self.override_input),
        }
    }

    /// How Nix is started.
    pub(crate) fn command(&self) -> Result<Command, CliError> {
        let path = std::env::var_os("PATH");
        let program: PathBuf = find(path.as_deref()).ok_or(CliError::NoNix)?;
        Ok(Command { program, store: self.store.clone(), settings: pairs(&self.option) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_expressions() {
        assert_eq!(quoted(r#"a"b${c}\"#), r#""a\"b\${c}\\""#);
    }

    #[test]
    fn flakes_of_this_machine_have_whole_paths() {
        let here = std::fs::canonicalize(".").unwrap();
        assert_eq!(absolute_flake("."), here.display().to_string());
        assert_eq!(absolute_flake("path:."), format!("path:{}", here.display()));
        assert_eq!(absolute_flake("nixpkgs"), "nixpkgs");
        assert_eq!(absolute_flake("github:a/b"), "github:a/b");
    }
}
