//! Sizes of sources, each looked up once.
//!
//! Does not know whether a file is compiled.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::walk;

/// Sizes that were looked up.
#[derive(Debug, Default)]
pub(super) struct Sizes(HashMap<PathBuf, Option<u64>>);

impl Sizes {
    /// Bytes of a file, or of the Rust sources below a folder.
    pub(super) fn of(&mut self, path: &Path) -> Option<u64> {
        if let Some(known) = self.0.get(path) {
            return *known;
        }
        let size = fs::metadata(path)
            .ok()
            .map(|metadata| if metadata.is_dir() { rust_sources(path) } else { metadata.len() });
        self.0.insert(path.to_owned(), size);
        size
    }
}

fn rust_sources(folder: &Path) -> u64 {
    let is_rust = |name: &str| name.rsplit_once('.').is_some_and(|(_, ending)| ending == "rs");
    walk::files(folder, is_rust).iter().filter_map(|(_, size)| *size).sum()
}
