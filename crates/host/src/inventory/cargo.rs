//! Crates of a Cargo project: `cargo metadata` where Cargo answers, else `Cargo.lock`.
//!
//! Cargo is asked so that it writes nothing into the project. Does not know what the answer means.

use std::path::{Path, PathBuf};

use ironwright_core::inventory::Graph;
use ironwright_core::inventory::cargo::{self, Release};
use ironwright_core::inventory::make;

use super::sizes::Sizes;
use super::tool::ask;
use super::{Found, Options, ReadError, shown, text, walk};

/// How Cargo says that no build can succeed, in or out of reach of registries.
const REFUSED: &str = "failed to parse manifest";

pub(super) fn read(
    project: &Path,
    options: Options,
    sizes: &mut Sizes,
) -> Result<Found, ReadError> {
    let lock_path = project.join("Cargo.lock");
    let lock = text(&lock_path)?;
    let manifest_path = project.join("Cargo.toml");
    let manifest = text(&manifest_path)?.unwrap_or_default();
    let release = Release::parse(&shown(&manifest_path), &manifest)?;
    let answer = if options.files_only {
        Err("Cargo was not asked".to_owned())
    } else {
        Asked::new(project, options).and_then(|asked| Ok((asked.metadata(lock.is_some())?, asked)))
    };
    let why_not = match answer {
        Ok((answer, asked)) => {
            let size = &mut |path: &Path| sizes.of(path);
            let graph = cargo::metadata("cargo metadata", &answer, &release, size, &mut natives)?;
            let graph = match asked.tree(lock.is_some()) {
                Ok(tree) => cargo::built(graph, &tree),
                Err(_) => graph,
            };
            let note = lock.is_none().then(|| {
                format!(
                    "{}: without Cargo.lock only the project's own crates are known; `cargo generate-lockfile` writes one",
                    shown(project)
                )
            });
            return Ok(Found::new(graph, "cargo metadata").noted(note));
        }
        Err(why_not) if why_not.contains(REFUSED) => return Err(ReadError::Refused(why_not)),
        Err(why_not) => why_not,
    };
    match lock {
        Some(lock) => {
            let graph = cargo::lock(&shown(&lock_path), &lock)?;
            let note = format!(
                "{}: crates of every platform, without features and sizes, because {why_not}",
                shown(&lock_path)
            );
            Ok(Found::new(graph, "Cargo.lock").noted(Some(note)))
        }
        None => Ok(Found::new(Graph::default(), "nothing")
            .noted(Some(format!("{}: nothing is known: {why_not}", shown(project))))),
    }
}

/// C and C++ sources below a folder.
fn natives(folder: &Path) -> Vec<(PathBuf, u64)> {
    let files = walk::every_file(folder, make::is_source);
    files.into_iter().filter_map(|(path, bytes)| Some((folder.join(path), bytes?))).collect()
}

/// How Cargo is asked about a project.
struct Asked<'a> {
    project: &'a Path,
    /// Where it is started: in the project, whose toolchain builds it, unless that is not installed. `cargo
    /// install` does not look for it either.
    place: PathBuf,
    /// The triple of the host.
    triple: String,
    options: Options,
}

impl<'a> Asked<'a> {
    fn new(project: &'a Path, options: Options) -> Result<Self, String> {
        let version = |place: &Path| ask("rustc", &["-vV"], place, &[("RUSTUP_AUTO_INSTALL", "0")]);
        let elsewhere = std::env::temp_dir();
        let (place, answer) = match version(project) {
            Ok(answer) => (project.to_owned(), answer),
            Err(why_not) => (elsewhere.clone(), version(&elsewhere).map_err(|_| why_not)?),
        };
        let triple = answer.lines().find_map(|line| line.strip_prefix("host: "));
        Ok(Self { project, place, triple: triple.unwrap_or_default().to_owned(), options })
    }

    fn ask(&self, command: &str, arguments: &[&str]) -> Result<String, String> {
        let manifest = self.project.join("Cargo.toml");
        let manifest = manifest.to_string_lossy();
        let mut all = vec![command, "--manifest-path", &manifest];
        all.extend(arguments);
        if !self.options.online {
            all.push("--offline");
        }
        ask("cargo", &all, &self.place, &[])
    }

    /// What Cargo will build, by its own choice of features.
    fn tree(&self, is_locked: bool) -> Result<String, String> {
        if !is_locked {
            return Err("it would write Cargo.lock".to_owned());
        }
        let edges = ["--edges", "normal,build"];
        let form = ["--prefix", "none", "--format", "{p}"];
        self.ask("tree", &[&["--locked"], &edges[..], &form[..]].concat())
    }

    /// Cargo writes a missing `Cargo.lock` unless it may not look at dependencies at all; one of a copy that fits no
    /// more, as that of a part of a workspace, is brought up to date there.
    fn metadata(&self, is_locked: bool) -> Result<String, String> {
        let mut arguments = vec!["--format-version", "1", "--filter-platform", &*self.triple];
        if !is_locked {
            arguments.push("--no-deps");
        } else if !self.options.is_copy {
            arguments.push("--locked");
        }
        self.ask("metadata", &arguments)
    }
}

/// Why the sources of a package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Files of the question to the tool could not be written.
    #[error("cannot prepare to fetch {name}: {error}")]
    Scratch {
        /// The package.
        name: String,
        /// Why.
        error: std::io::Error,
    },
    /// The tool that should could not fetch it.
    #[error("cannot fetch {name}: {message}")]
    Tool {
        /// The package.
        name: String,
        /// What the tool says.
        message: String,
    },
}

/// The directory where Cargo keeps the sources of a crate, which are fetched when `online`.
pub fn crate_directory(
    name: &str,
    version: Option<&str>,
    online: bool,
) -> Result<PathBuf, FetchError> {
    let scratch = |error| FetchError::Scratch { name: name.to_owned(), error };
    let directory = tempfile::tempdir().map_err(scratch)?;
    let wanted = version.map_or_else(|| "*".to_owned(), |version| format!("={version}"));
    let manifest = format!(
        "[package]\nname = \"ironwright-inventory\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [workspace]\n[dependencies]\n{name} = {}\n",
        toml_text(&wanted)
    );
    std::fs::write(directory.path().join("Cargo.toml"), manifest).map_err(scratch)?;
    std::fs::create_dir(directory.path().join("src")).map_err(scratch)?;
    std::fs::write(directory.path().join("src/lib.rs"), "").map_err(scratch)?;
    let mut arguments = vec!["metadata", "--format-version", "1"];
    if !online {
        arguments.push("--offline");
    }
    let failed =
        |message: &str| FetchError::Tool { name: name.to_owned(), message: message.to_owned() };
    let answer = ask("cargo", &arguments, directory.path(), &[]).map_err(|why| failed(&why))?;
    if let Some(manifest) = cargo::manifest_of(&answer, name) {
        return Ok(manifest.parent().unwrap_or(&manifest).to_owned());
    }
    // Cargo fetches a crate of programs alone, and leaves it out because nobody can depend on it.
    let lock = std::fs::read_to_string(directory.path().join("Cargo.lock")).map_err(scratch)?;
    let found = cargo::locked_version(&lock, name).or_else(|| version.map(str::to_owned));
    let found = found.ok_or_else(|| failed("Cargo does not tell its newest version; name one"))?;
    unpacked(&format!("{name}-{found}"))
        .ok_or_else(|| failed("its sources are not where Cargo keeps them"))
}

/// Lets Cargo write the lock file that a project lacks, as its first build would: then nothing that it is
/// built of changes by building it. Where Cargo cannot, the build says why.
pub fn write_lock(folder: &Path, online: bool) {
    let mut arguments = vec!["metadata", "--format-version", "1"];
    if !online {
        arguments.push("--offline");
    }
    if !folder.join("Cargo.lock").is_file() {
        ask("cargo", &arguments, folder, &[]).ok();
    }
}

/// Where Cargo unpacks what it fetches.
fn unpacked(name: &str) -> Option<PathBuf> {
    let set = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = set.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")))?;
    let indices = std::fs::read_dir(home.join("registry/src")).ok()?;
    let candidates = indices.flatten().map(|index| index.path().join(name));
    candidates.into_iter().find(|path| path.join("Cargo.toml").is_file())
}

fn toml_text(text: &str) -> String {
    ironwright_core::value::Value::text(text).toml()
}
