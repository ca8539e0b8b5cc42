//! Reads a derivation with all that it needs, straight from the store.
//!
//! Every file is read once, into one buffer, below the folder that holds the first: a copied store
//! does as well as `/nix/store`. Does not know what a derivation means; the core tells.

use std::io;
use std::path::{Path, PathBuf};

use ironwright_core::inventory::aterm::Derivation;
use ironwright_core::inventory::nix::{self as core_nix, Presence};
use ironwright_core::inventory::{Graph, InventoryError};
use ironwright_core::nix::installable::is_derivation;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};

use super::tool::ask;

/// Room for most derivations; the buffer grows where one is longer.
const USUAL: usize = 64 << 10;
/// Longest derivation that is read.
const LONGEST: usize = 256 << 20;

/// Why a closure cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NixError {
    /// A file.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that is no derivation.
    #[error(transparent)]
    Format(#[from] InventoryError),
    /// Nix did not tell.
    #[error("{0}")]
    Nix(String),
}

/// A derivation with all that it needs.
#[derive(Clone, Debug)]
pub struct Closure {
    /// The derivations and what each needs.
    pub graph: Graph,
    /// Files that were read.
    pub read: usize,
    /// Derivations that are needed and not there.
    pub missing: usize,
}

/// Reads a derivation and everything that it needs. With `presence`, also looks which results lie
/// in the store already.
pub fn read_closure(root: &Path, presence: bool) -> Result<Closure, NixError> {
    let io_error = |error: io::Error| NixError::Io { path: root.to_owned(), error };
    let root = root.canonicalize().map_err(io_error)?;
    let store = StoreFolder::open(root.parent().unwrap_or(Path::new("/")))?;
    let mut reader = Reader { store, presence, read: 0, spare: Derivation::default() };
    let mut closure = core_nix::Closure::default();
    let (place, _) = closure.expect(&root.to_string_lossy());
    let mut queue = vec![place];
    while let Some(place) = queue.pop() {
        reader.derivation(place, &mut closure, &mut queue)?;
    }
    let (graph, missing) = closure.finish();
    if reader.read == 0 {
        return Err(io_error(io::ErrorKind::NotFound.into()));
    }
    Ok(Closure { graph, read: reader.read, missing })
}

/// The folder of a store, from which files are read one after the other.
pub(crate) struct StoreFolder {
    store: OwnedFd,
    path: PathBuf,
    buffer: Vec<u8>,
}

impl StoreFolder {
    pub(crate) fn open(folder: &Path) -> Result<Self, NixError> {
        let store = rustix::fs::open(folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| NixError::Io { path: folder.to_owned(), error: error.into() })?;
        Ok(Self { store, path: folder.to_owned(), buffer: vec![0; USUAL] })
    }

    /// The bytes of a file, until the next one is read.
    pub(crate) fn read(&mut self, name: &str) -> Result<&[u8], NixError> {
        match self.fill(name) {
            Ok(length) => Ok(self.buffer.get(..length).unwrap_or_default()),
            Err(error) => Err(NixError::Io { path: self.path.join(name), error: error.into() }),
        }
    }

    /// Reads a file into the buffer. One call is enough for a file that leaves room in it.
    fn fill(&mut self, name: &str) -> Result<usize, rustix::io::Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let file = openat(&self.store, name, flags, Mode::empty())?;
        let mut length = 0;
        loop {
            if length == self.buffer.len() {
                if length >= LONGEST {
                    return Err(rustix::io::Errno::FBIG);
                }
                self.buffer.resize(length * 2, 0);
            }
            let room = self.buffer.get_mut(length..).unwrap_or_default();
            let asked = room.len();
            let got = rustix::io::read(&file, room)?;
            length += got;
            // A regular file gives less than was asked for only at its end.
            if got < asked {
                return Ok(length);
            }
        }
    }
}

struct Reader {
    store: StoreFolder,
    presence: bool,
    read: usize,
    /// The memory of the derivation before.
    spare: Derivation<'static>,
}

impl Reader {
    fn derivation(
        &mut self,
        place: u32,
        closure: &mut core_nix::Closure,
        queue: &mut Vec<u32>,
    ) -> Result<(), NixError> {
        let path = closure.path(place);
        let name = path.rsplit('/').next().unwrap_or_default();
        let length = match self.store.fill(name) {
            Ok(length) => length,
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            Err(error) => {
                let path = self.store.path.join(name);
                return Err(NixError::Io { path, error: error.into() });
            }
        };
        self.read += 1;
        let bytes = self.store.buffer.get(..length).unwrap_or_default();
        let derivation = std::mem::take(&mut self.spare).then(path, bytes)?;
        let presence =
            if self.presence { self.presence_of(&derivation) } else { Presence::default() };
        closure.add(place, &derivation, presence, |place| queue.push(place));
        self.spare = derivation.emptied();
        Ok(())
    }

    fn presence_of(&self, derivation: &Derivation<'_>) -> Presence {
        let mut source_bytes = None;
        let built = !derivation.outputs.is_empty()
            && derivation.outputs.iter().all(|output| {
                let path = output.path.decoded();
                let Some(name) = path.rsplit('/').next().filter(|name| !name.is_empty()) else {
                    return false;
                };
                let Ok(stat) = statat(&self.store.store, name, AtFlags::SYMLINK_NOFOLLOW) else {
                    return false;
                };
                let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
                source_bytes = is_file.then(|| u64::try_from(stat.st_size).ok()).flatten();
                true
            });
        Presence { built, source_bytes }
    }
}

/// The derivation of what `nix build` takes.
pub fn derivation_of(installable: &str) -> Result<PathBuf, NixError> {
    if is_derivation(installable) {
        return Ok(installable.into());
    }
    let arguments = [
        "--extra-experimental-features",
        "nix-command flakes",
        "path-info",
        "--derivation",
        installable,
    ];
    let answer = ask("nix", &arguments, Path::new("."), &[]).map_err(NixError::Nix)?;
    let first = answer.lines().find(|line| is_derivation(line));
    first
        .map(PathBuf::from)
        .ok_or_else(|| NixError::Nix(format!("nix tells no derivation of {installable}")))
}

/// Compares a closure with what `nix derivation show -r` says: every difference in a line.
pub fn check_closure(root: &Path, graph: &Graph) -> Result<Vec<String>, NixError> {
    let root = root.to_string_lossy();
    let arguments =
        ["--extra-experimental-features", "nix-command", "derivation", "show", "-r", &root];
    let answer = ask("nix", &arguments, Path::new("."), &[]).map_err(NixError::Nix)?;
    Ok(core_nix::differences(graph, "nix derivation show", &answer)?)
}
