//! Where Nix and its store lie.
//!
//! Does not know what is done with them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How `nix` is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program.
    pub program: PathBuf,
    /// The store, if it is not the one that Nix takes by itself.
    pub store: Option<String>,
    /// Settings by the names of `nix.conf`. Some of them are looked at when a store is opened, so that they
    /// have to be said then.
    pub settings: Vec<(String, String)>,
}

/// What every call needs: the command line of today is an experimental feature.
const FEATURES: [&str; 2] = ["--extra-experimental-features", "nix-command flakes"];

impl Command {
    /// The same with more settings, before those of a user, who has the last word.
    #[must_use]
    pub fn with(&self, settings: Vec<(String, String)>) -> Self {
        let settings = settings.into_iter().chain(self.settings.iter().cloned()).collect();
        Self { settings, ..self.clone() }
    }

    /// The words of a call.
    pub fn argv(&self, words: &[&str]) -> Vec<String> {
        let mut argv = vec![self.program.to_string_lossy().into_owned()];
        argv.extend(FEATURES.map(str::to_owned));
        if let Some(store) = &self.store {
            argv.extend(["--store".to_owned(), store.clone()]);
        }
        for (name, value) in &self.settings {
            argv.extend(["--option".to_owned(), name.clone(), value.clone()]);
        }
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        argv
    }

    /// Whether the store is known to have been made. Calls that make a new one at a time are in each
    /// other's way: Nix fails when a folder that it is about to make appears.
    pub fn has_store(&self) -> bool {
        let state = std::env::var_os("NIX_STATE_DIR").map_or("/nix/var/nix".into(), PathBuf::from);
        let made = ["db/db.sqlite", "daemon-socket/socket"].map(|name| state.join(name).exists());
        self.store.is_none() && made.contains(&true)
    }
}

/// `nix` on a search path, or where it is usually installed.
pub fn find(path: Option<&OsStr>) -> Option<PathBuf> {
    let listed = path.map(std::env::split_paths).into_iter().flatten();
    let usual = ["/nix/var/nix/profiles/default/bin", "/run/current-system/sw/bin"];
    let all = listed.chain(usual.iter().map(PathBuf::from));
    all.map(|directory| directory.join("nix")).find(|program| program.is_file())
}

/// The folder that stands before `/nix/store` on disk, by the store's setting: a path, or
/// `local?root=PATH`. Nothing for the store of the machine.
pub fn store_prefix(store: &str) -> Option<PathBuf> {
    let root = match store.split_once("root=") {
        Some((_, root)) => root.split('&').next().unwrap_or_default(),
        None => store,
    };
    let root = root.strip_prefix("local://").unwrap_or(root);
    let path = Path::new(root);
    (path.is_absolute() && path != Path::new("/")).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_ones_own_lies_below_its_root() {
        assert_eq!(store_prefix("/home/a/nix"), Some("/home/a/nix".into()));
        assert_eq!(store_prefix("local?root=/x&y=1"), Some("/x".into()));
        for usual in ["auto", "daemon", "", "/", "unix:///run/nix", "ssh://host"] {
            assert_eq!(store_prefix(usual), None, "{usual}");
        }
    }

    #[test]
    fn the_program_is_found_on_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("nix");
        std::fs::write(&program, "").unwrap();
        let path = std::env::join_paths([Path::new("/nonexistent"), directory.path()]).unwrap();
        assert_eq!(find(Some(&path)), Some(program));
    }

    #[test]
    fn a_call_names_the_store_and_settings() {
        let settings = vec![("cores".to_owned(), "2".to_owned())];
        let command = Command { program: "/bin/nix".into(), store: Some("/s".into()), settings };
        let argv = command.argv(&["build", "x"]);
        assert_eq!(argv[3..], ["--store", "/s", "--option", "cores", "2", "build", "x"]);
    }
}
