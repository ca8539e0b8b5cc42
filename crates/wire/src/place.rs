//! Where the governor of this user listens.
//!
//! Does not know whether one runs.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

/// The files of a governor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its directory, which only the user may enter.
    pub directory: PathBuf,
}

impl Place {
    /// `$XDG_RUNTIME_DIR/ironwright`, else a directory of the user's in `/tmp`.
    pub fn of(runtime: Option<PathBuf>, user: u32) -> Self {
        let directory = match runtime.filter(|directory| directory.is_absolute()) {
            Some(runtime) => runtime.join("ironwright"),
            None => PathBuf::from(format!("/tmp/ironwright-{user}")),
        };
        Self { directory }
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("governor.sock")
    }

    /// The lock that its owner governs by.
    pub fn lock(&self) -> PathBuf {
        self.directory.join("governor.lock")
    }

    /// Makes the directory, and refuses one that somebody else may enter: in `/tmp` anybody may
    /// have made it.
    pub fn prepare(&self, user: u32) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let metadata = std::fs::symlink_metadata(&self.directory)?;
        if !metadata.is_dir() || metadata.uid() != user || metadata.mode() & 0o077 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{} must be a directory that is yours alone (mode 700)",
                    self.directory.display()
                ),
            ));
        }
        Ok(())
    }
}

/// `$XDG_RUNTIME_DIR`, if it is there.
pub fn runtime_directory() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|directory| directory.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_runtime_directory_is_preferred() {
        let place = Place::of(Some("/run/user/7".into()), 7);
        assert_eq!(place.socket(), PathBuf::from("/run/user/7/ironwright/governor.sock"));
        assert_eq!(Place::of(None, 7).directory, PathBuf::from("/tmp/ironwright-7"));
        assert_eq!(Place::of(Some("relative".into()), 7), Place::of(None, 7));
    }

    #[test]
    fn a_directory_that_others_enter_is_refused() {
        let base = std::env::temp_dir().join(format!("ironwright-place-{}", std::process::id()));
        let user = std::fs::metadata("/proc/self").unwrap().uid();
        let place = Place { directory: base.clone() };
        place.prepare(user).unwrap();
        place.prepare(user).unwrap();
        assert!(place.prepare(user + 1).is_err());
        std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(place.prepare(user).is_err());
        std::fs::remove_dir(&base).unwrap();
    }
}
