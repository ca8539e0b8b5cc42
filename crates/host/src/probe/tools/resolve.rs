//! From a command to the file that really runs: through PATH, rustup's proxies and pyenv's shims.
//!
//! A proxy is slow to ask and stays the same file when the tool behind it changes. What a
//! directory's own files choose (`rust-toolchain.toml`, `.python-version`) is not followed: facts
//! are about the host. Does not know versions.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::ProbeOptions;

/// Finds tools as the given environment would.
pub(super) struct Resolver<'a> {
    options: &'a ProbeOptions,
    directories: Vec<PathBuf>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(options: &'a ProbeOptions) -> Self {
        let directories =
            std::env::split_paths(&options.path).filter(|dir| dir.is_absolute()).collect();
        Self { options, directories }
    }

    /// The first executable file of that name in PATH.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        self.directories.iter().map(|dir| dir.join(name)).find(|path| is_executable(path))
    }

    /// What to run instead of a proxy or shim; the path itself where it is neither. Links are not
    /// followed: programs such as `ld.lld` go by the name that they are called with.
    pub(super) fn real(&self, name: &str, path: &Path) -> PathBuf {
        let behind = self.behind_rustup(name, path).or_else(|| self.behind_pyenv(name, path));
        behind.unwrap_or_else(|| path.to_owned())
    }

    fn behind_rustup(&self, name: &str, path: &Path) -> Option<PathBuf> {
        let proxy = path.parent()?.join("rustup");
        if !matches!(name, "rustc" | "cargo") || !proxy.exists() {
            return None;
        }
        let home = self
            .options
            .rustup_home
            .clone()
            .or_else(|| Some(self.options.home.clone()?.join(".rustup")))?;
        let toolchain = match &self.options.rustup_toolchain {
            Some(named) => named.clone(),
            None => default_toolchain(&fs::read_to_string(home.join("settings.toml")).ok()?)?,
        };
        let real = home.join("toolchains").join(toolchain).join("bin").join(name);
        is_executable(&real).then_some(real)
    }

    fn behind_pyenv(&self, name: &str, path: &Path) -> Option<PathBuf> {
        let shims = path.parent()?;
        if !shims.ends_with(".pyenv/shims") {
            return None;
        }
        let root = shims.parent()?;
        let version = match &self.options.pyenv_version {
            Some(named) => named.clone(),
            None => fs::read_to_string(root.join("version")).ok()?,
        };
        let first = version.split([':', '\n']).next()?.trim();
        let real = root.join("versions").join(first).join("bin").join(name);
        is_executable(&real).then_some(real)
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// `default_toolchain` of rustup's settings; the file is small and flat.
fn default_toolchain(settings: &str) -> Option<String> {
    let value = settings
        .lines()
        .find_map(|line| line.strip_prefix("default_toolchain")?.trim().strip_prefix('='))?;
    Some(value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rustup_proxy_leads_to_the_default_toolchain() {
        let directory = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let proxy = make(".cargo/bin/rustc");
        make(".cargo/bin/rustup");
        let real = make(".rustup/toolchains/stable-x/bin/rustc");
        fs::write(
            directory.path().join(".rustup/settings.toml"),
            "version = \"12\"\ndefault_toolchain = \"stable-x\"\n",
        )
        .unwrap();
        let options = ProbeOptions {
            path: proxy.parent().unwrap().into(),
            home: Some(directory.path().to_owned()),
            ..ProbeOptions::default()
        };
        let resolver = Resolver::new(&options);
        assert_eq!(resolver.find("rustc"), Some(proxy.clone()));
        assert_eq!(resolver.real("rustc", &proxy), real);
        assert_eq!(resolver.find("gcc"), None);
    }
}
