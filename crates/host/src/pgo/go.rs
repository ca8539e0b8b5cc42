//! Makes Go programs write profiles: main packages are built with another `main`, by an overlay.
//!
//! Does not change a file of the project, nor know what is trained.

use std::fs;
use std::path::{Path, PathBuf};

use ironwright_core::pgo::pprof::{ADDED, ADDED_TEXT, renamed_main};

use super::{PgoError, must, words};

/// What `go list` prints: a main package a line, its directory and its files.
const FORMAT: &str = "{{if eq .Name \"main\"}}{{.Dir}}\t{{range .GoFiles}}{{.}}\t{{end}}{{end}}";

/// Writes an overlay for all main packages of a project into a directory, and gives the file that
/// `-overlay` wants.
///
/// # Errors
/// Where go cannot list packages, and where none is a program.
pub fn overlay(go: &str, project: &Path, directory: &Path) -> Result<PathBuf, PgoError> {
    let said = must(&words([go, "list", "-f", FORMAT, "./..."]), Some(project), &[])?;
    fs::create_dir_all(directory).map_err(PgoError::io(directory))?;
    let mut replace = serde_json::Map::new();
    let packages: Vec<_> = said.stdout.lines().filter(|line| !line.is_empty()).collect();
    if packages.is_empty() {
        let why = "no main package is in it".to_owned();
        return Err(PgoError::Unreadable { path: project.to_owned(), why });
    }
    for (number, line) in packages.iter().enumerate() {
        let mut fields = line.split('\t').filter(|field| !field.is_empty());
        let package = PathBuf::from(fields.next().unwrap_or_default());
        let sources: Vec<PathBuf> = fields.map(|name| package.join(name)).collect();
        let (file, text) = changed(&package, &sources)?;
        let added = directory.join(format!("{number}-added.go"));
        let main = directory.join(format!("{number}-main.go"));
        for (path, text) in [(&added, ADDED_TEXT), (&main, text.as_str())] {
            fs::write(path, text).map_err(PgoError::io(path))?;
        }
        replace.insert(package.join(ADDED).display().to_string(), display(&added));
        replace.insert(file.display().to_string(), display(&main));
    }
    let path = directory.join("overlay.json");
    let json = serde_json::json!({ "Replace": replace }).to_string();
    fs::write(&path, json).map_err(PgoError::io(&path))?;
    Ok(path)
}

fn display(path: &Path) -> serde_json::Value {
    serde_json::Value::String(path.display().to_string())
}

/// The file with `main`, and what stands in its place.
fn changed(package: &Path, sources: &[PathBuf]) -> Result<(PathBuf, String), PgoError> {
    for source in sources {
        let text = fs::read_to_string(source).map_err(PgoError::io(source))?;
        if let Some(text) = renamed_main(&text) {
            return Ok((source.clone(), text));
        }
    }
    let why = "no function main is in it".to_owned();
    Err(PgoError::Unreadable { path: package.to_owned(), why })
}
