//! The generations of a configuration: numbered, kept from garbage collection, and one of them current.
//!
//! Does not activate any. The file that says which is current is replaced as a whole.

use std::path::{Path, PathBuf};

use ironwright_host::files;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::Directories;
use crate::error::CliError;

/// A generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Generation {
    /// Its number; 0 is what was there before the first switch.
    pub(crate) number: u32,
    /// What is activated.
    pub(crate) path: String,
    /// Where it came from.
    pub(crate) flake: String,
    /// Seconds since 1970 at which it was last activated.
    pub(crate) activated: i64,
    /// The run in the history that built it; absent where nothing had to be built.
    pub(crate) run_started_ns: Option<i64>,
}

/// All of a configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Generations {
    /// The one that is active.
    pub(crate) current: Option<u32>,
    /// Oldest first.
    #[serde(rename = "generations")]
    pub(crate) all: Vec<Generation>,
    #[serde(skip)]
    directory: PathBuf,
}

/// The file that says which are there and which is current.
const FILE: &str = "generations.json";

/// Where those of all configurations are kept.
fn all_kept() -> PathBuf {
    Directories::state().unwrap_or_else(|| PathBuf::from(".ironwright")).join("switch")
}

/// A name as that of a folder: what may not stand there, as in addresses of the web.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@-_.".contains(&byte);
    let one =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(one).collect()
}

fn decoded(folder: &str) -> String {
    let mut bytes = Vec::with_capacity(folder.len());
    let mut rest = folder.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digits = others.get(..2).filter(|_| *first == b'%');
        let code = digits.and_then(|it| u8::from_str_radix(str::from_utf8(it).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { others.get(2..).unwrap_or_default() } else { others };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Generations {
    /// Those of a configuration; none before its first switch.
    pub(crate) fn read(kind: &str, name: &str) -> Result<Self, CliError> {
        Self::at(&all_kept().join(format!("{kind}-{}", encoded(name))))
    }

    /// Names of the configurations of a kind that were switched to, sorted.
    pub(crate) fn names(kind: &str) -> Vec<String> {
        let entries = std::fs::read_dir(all_kept()).into_iter().flatten().flatten();
        let names = entries.filter(|entry| entry.path().join(FILE).exists()).filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(decoded(name.strip_prefix(kind)?.strip_prefix('-')?))
        });
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    fn at(directory: &Path) -> Result<Self, CliError> {
        let path = directory.join(FILE);
        let mut read = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(CliError::Read { path, error }),
        };
        directory.clone_into(&mut read.directory);
        Ok(read)
    }

    /// The one that is active.
    pub(crate) fn current(&self) -> Option<&Generation> {
        let current = self.current?;
        self.all.iter().find(|generation| generation.number == current)
    }

    /// The one before the active one that was active itself and is another.
    pub(crate) fn previous(&self) -> Option<&Generation> {
        let current = self.current?;
        let path = self.current().map(|current| current.path.as_str());
        let was_active = |it: &Generation| it.activated > 0 || it.number == 0;
        self.all
            .iter()
            .rfind(|it| it.number < current && was_active(it) && Some(it.path.as_str()) != path)
    }

    /// Where the link of a generation lies, which keeps it from being collected.
    pub(crate) fn link(&self, number: u32) -> PathBuf {
        self.directory.join(format!("generation-{number}"))
    }

    /// Adds one after all others; its number. Not current yet.
    pub(crate) fn add(&mut self, path: &str, flake: &str, run_started_ns: Option<i64>) -> u32 {
        let last = self.all.last().map(|generation| generation.number);
        // Before the first switch there was something else: number 0 is for that.
        let number = last.map_or(1, |last| last + 1);
        let (path, flake) = (path.to_owned(), flake.to_owned());
        self.all.push(Generation { number, path, flake, activated: 0, run_started_ns });
        number
    }

    /// Notes what was active before the first switch.
    pub(crate) fn note_former(&mut self, path: &Path) {
        if self.all.is_empty() {
            self.all.push(Generation {
                number: 0,
                path: path.to_string_lossy().into_owned(),
                flake: "before the first switch".to_owned(),
                activated: 0,
                run_started_ns: None,
            });
            self.current = Some(0);
        }
    }

    /// Makes a generation the current one, and writes that down.
    pub(crate) fn activated(&mut self, number: u32, now: i64) -> Result<(), CliError> {
        self.current = Some(number);
        let own = self.all.iter_mut().find(|generation| generation.number == number);
        if let Some(generation) = own {
            generation.activated = now;
        }
        self.write()
    }

    /// Writes what is known.
    pub(crate) fn write(&self) -> Result<(), CliError> {
        let path = self.directory.join(FILE);
        let written = std::fs::create_dir_all(&self.directory)
            .and_then(|()| files::replace(&path, &serde_json::to_vec_pretty(self)?));
        written.map_err(|error| CliError::Write { path, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn each_name_has_a_folder_of_its_own() {
        for name in ["a/b", "a_b", "me@desk", "a%2Fb", "%", "ä ö", "", "..", "%%41"] {
            let folder = encoded(name);
            assert!(!folder.contains('/') && decoded(&folder) == name, "{name}: {folder}");
        }
        assert_ne!(encoded("a/b"), encoded("a_b"));
    }

    #[test]
    fn generations_are_numbered_and_one_is_current() {
        let home = tempfile::tempdir().unwrap();
        let mut all = Generations::at(home.path()).unwrap();
        assert!(all.current().is_none() && all.previous().is_none());
        all.note_former(Path::new("/nix/store/former"));
        let first = all.add("/nix/store/one", ".#a", None);
        all.activated(first, 7).unwrap();
        let second = all.add("/nix/store/two", ".#a", Some(5));
        all.activated(second, 9).unwrap();
        let again = Generations::at(home.path()).unwrap();
        assert_eq!((first, second, again.current), (1, 2, Some(2)));
        assert_eq!(again.previous().unwrap().path, "/nix/store/one");
        assert_eq!(again.all[0].path, "/nix/store/former");
    }

    #[test]
    fn after_a_rollback_the_next_number_is_still_new() {
        let home = tempfile::tempdir().unwrap();
        let mut all = Generations::at(home.path()).unwrap();
        for path in ["/a", "/b"] {
            let number = all.add(path, ".#a", None);
            all.activated(number, 1).unwrap();
        }
        all.activated(1, 2).unwrap();
        assert!(all.previous().is_none());
        assert_eq!(all.add("/c", ".#a", None), 3);
    }
}
