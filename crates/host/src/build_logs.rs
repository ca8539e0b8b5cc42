//! Logs that other build tools left behind: their text, and the files that Nix keeps of builds.
//!
//! Does not know what is in a log.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A log's text. What is no UTF-8 in it is replaced: names of files may be anything.
pub fn text(path: &Path) -> io::Result<String> {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A file that Nix kept of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its path below the folder.
    pub path: String,
    /// When it was made, microseconds since 1970.
    pub made_us: i64,
    /// When it was last written, microseconds since 1970.
    pub written_us: i64,
}

/// What a folder such as `/nix/var/log/nix/drvs` holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptLogs {
    /// Builds whose output is there, in the order of their paths.
    pub done: Vec<Kept>,
    /// Builds whose output is not there: they failed, or it was collected since.
    pub without_output: usize,
    /// Files of which the file system does not tell when they were made.
    pub without_time: usize,
}

/// Reads a folder of kept logs: two characters a folder, then the rest of a derivation's name.
/// `store` is where derivations and outputs are (`/nix/store`).
pub fn kept(folder: &Path, store: &Path) -> io::Result<KeptLogs> {
    let mut logs = KeptLogs::default();
    for part in sorted(folder)? {
        let prefix = part.file_name().unwrap_or_default().to_owned();
        if prefix.len() != 2 || !part.is_dir() {
            continue;
        }
        for file in sorted(&part)? {
            let name = file.file_name().unwrap_or_default().to_owned();
            match (has_output(store, &prefix, &name), times(&file)) {
                (false, _) => logs.without_output += 1,
                (true, None) => logs.without_time += 1,
                (true, Some((made_us, written_us))) => {
                    let path = format!("{}/{}", prefix.display(), name.display());
                    logs.done.push(Kept { path, made_us, written_us });
                }
            }
        }
    }
    Ok(logs)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
    paths.sort_unstable();
    Ok(paths)
}

fn times(file: &Path) -> Option<(i64, i64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((micros(metadata.created().ok()?)?, micros(metadata.modified().ok()?)?))
}

fn micros(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()
}

/// Whether an output of the derivation that a log belongs to is there. A derivation begins with
/// its outputs: `Derive([("out","/nix/store/…-zlib-1.3.1","",""),…],`.
fn has_output(store: &Path, prefix: &OsStr, name: &OsStr) -> bool {
    let name = name.as_bytes();
    let name = name.strip_suffix(b".bz2").unwrap_or(name);
    let derivation = store.join(OsStr::from_bytes(&[prefix.as_bytes(), name].concat()));
    let Ok(bytes) = fs::read(derivation) else { return false };
    let text = String::from_utf8_lossy(&bytes);
    let outputs = text.split("],").next().unwrap_or_default();
    let mut quoted = outputs.split('"').skip(1).step_by(2);
    quoted.any(|text| {
        let output = Path::new(text).file_name().filter(|_| text.starts_with('/'));
        output.is_some_and(|output| store.join(output).exists())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_builds_with_an_output_count() {
        let root = tempfile::tempdir().unwrap();
        let (folder, store) = (root.path().join("drvs"), root.path().join("store"));
        fs::create_dir_all(folder.join("ab")).unwrap();
        fs::create_dir_all(store.join("x-zlib-1.3")).unwrap();
        for name in ["zlib-1.3", "failed-1", "gone-1"] {
            fs::write(folder.join(format!("ab/cd-{name}.drv.bz2")), "log").unwrap();
        }
        for name in ["zlib-1.3", "failed-1"] {
            let derivation = format!(
                r#"Derive([("out","/nix/store/x-{name}","","")],[("/nix/store/x-zlib-1.3.drv",["out"])],[],"s","b",[],[])"#
            );
            fs::write(store.join(format!("abcd-{name}.drv")), derivation).unwrap();
        }
        let logs = kept(&folder, &store).unwrap();
        assert_eq!(logs.without_output, 2);
        assert_eq!(logs.done.len() + logs.without_time, 1);
        for kept in &logs.done {
            assert_eq!(kept.path, "ab/cd-zlib-1.3.drv.bz2");
            assert!(kept.written_us >= kept.made_us && kept.made_us > 0);
        }
        assert!(kept(&root.path().join("none"), &store).is_err());
    }
}
