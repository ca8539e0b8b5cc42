//! What a build starts from: a package of a registry, a directory, or something of Nix.
//!
//! Does not know whether a source exists.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::Driver;

/// What is to be built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A crate of crates.io that has binaries.
    Crate {
        /// Its name.
        name: String,
        /// The version asked for; the newest without one.
        version: Option<String>,
    },
    /// A package of npm's registry that has programs.
    Npm {
        /// Its name, with its scope.
        name: String,
        /// The version asked for; the newest without one.
        version: Option<String>,
    },
    /// A package of `PyPI`, built from its source.
    Pypi {
        /// Its name.
        name: String,
        /// The version asked for; the newest without one.
        version: Option<String>,
    },
    /// A program of a Go module.
    Go {
        /// Path of the program's package.
        name: String,
        /// The version asked for (`v1.2.3`); the newest without one.
        version: Option<String>,
    },
    /// A directory with a project in it.
    Path(PathBuf),
    /// What `nix build` takes: an attribute of a flake, or a path of the store.
    Nix(String),
}

/// Why a text is not a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No known scheme.
    #[error(
        "\"{0}\" is not a source: write crate:NAME, crate:NAME@VERSION, npm:NAME, pypi:NAME, go:PATH, nix:INSTALLABLE or path:DIR"
    )]
    UnknownScheme(String),
    /// Nothing behind the scheme.
    #[error("\"{0}\" names nothing: write crate:ripgrep@14.1.1 or path:./project")]
    Empty(String),
    /// A crate name with other characters than crates.io allows.
    #[error("\"{0}\" cannot be a crate: names have letters, digits, - and _ only")]
    CrateName(String),
    /// A name that a registry does not allow.
    #[error("\"{name}\" cannot be {what}: names have letters, digits and {others} only")]
    Name {
        /// The name.
        name: String,
        /// What it should be the name of.
        what: &'static str,
        /// Characters that are allowed besides.
        others: &'static str,
    },
}

/// The schemes, without their colon.
pub const SCHEMES: &[&str] = &["crate", "npm", "pypi", "go", "nix", "path"];

impl Source {
    /// The driver of a package from a registry; a directory's is recognised, Nix has none.
    pub const fn driver(&self) -> Option<Driver> {
        match self {
            Self::Crate { .. } => Some(Driver::Cargo),
            Self::Npm { .. } => Some(Driver::Npm),
            Self::Pypi { .. } => Some(Driver::Python),
            Self::Go { .. } => Some(Driver::Go),
            Self::Path(_) | Self::Nix(_) => None,
        }
    }

    /// Name and version of a package from a registry.
    pub fn package(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::Crate { name, version }
            | Self::Npm { name, version }
            | Self::Pypi { name, version }
            | Self::Go { name, version } => Some((name, version.as_deref())),
            Self::Path(_) | Self::Nix(_) => None,
        }
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let unknown = || SourceError::UnknownScheme(text.to_owned());
        let (scheme, rest) = text.split_once(':').ok_or_else(unknown)?;
        if !SCHEMES.contains(&scheme) {
            return Err(unknown());
        }
        if rest.is_empty() {
            return Err(SourceError::Empty(text.to_owned()));
        }
        match scheme {
            "path" => return Ok(Self::Path(rest.into())),
            "nix" => return Ok(Self::Nix(rest.to_owned())),
            _ => {}
        }
        let (name, version) = parted(rest);
        if name.is_empty() || version.as_deref() == Some("") {
            return Err(SourceError::Empty(text.to_owned()));
        }
        check(scheme, name)?;
        let name = name.to_owned();
        Ok(match scheme {
            "npm" => Self::Npm { name, version },
            "pypi" => Self::Pypi { name, version },
            "go" => Self::Go { name, version },
            _ => Self::Crate { name, version },
        })
    }
}

/// Name and version. The `@` that begins a scope of npm parts nothing.
fn parted(text: &str) -> (&str, Option<String>) {
    match text.rfind('@').filter(|at| *at > 0) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).map(str::to_owned)),
        None => (text, None),
    }
}

/// A name must not be mistaken for an option or a path by the tool that gets it.
fn check(scheme: &str, name: &str) -> Result<(), SourceError> {
    let (what, extra, others) = match scheme {
        "npm" => ("a package of npm", "-_.~@/", "- _ . ~ @ /"),
        "pypi" => ("a package of PyPI", "-_.", "- _ ."),
        "go" => ("a package of Go", "-_.~/", "- _ . ~ /"),
        _ => ("a crate", "-_", "- _"),
    };
    let head = |c: char| {
        c.is_ascii_alphabetic()
            || (scheme == "npm" && c == '@')
            || (scheme == "pypi" && c.is_ascii_digit())
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
    if name.starts_with(head) && name.chars().all(allowed) && !name.contains("..") {
        return Ok(());
    }
    Err(match scheme {
        "crate" => SourceError::CrateName(name.to_owned()),
        _ => SourceError::Name { name: name.to_owned(), what, others },
    })
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self {
            Self::Crate { .. } => "crate",
            Self::Npm { .. } => "npm",
            Self::Pypi { .. } => "pypi",
            Self::Go { .. } => "go",
            Self::Path(dir) => return write!(f, "path:{}", dir.display()),
            Self::Nix(installable) => return write!(f, "nix:{installable}"),
        };
        match self.package() {
            Some((name, Some(version))) => write!(f, "{scheme}:{name}@{version}"),
            Some((name, None)) => write!(f, "{scheme}:{name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sources_are_read_and_shown_alike() {
        for text in [
            "crate:ripgrep@14.1.1",
            "crate:bat",
            "path:./x y",
            "npm:@openai/codex@0.1.0",
            "npm:@openai/codex",
            "pypi:ast-grep-cli@0.40.0",
            "go:github.com/a/b/cmd/c@v1.2.3",
            "nix:nixpkgs#hello^out",
        ] {
            assert_eq!(text.parse::<Source>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "ripgrep",
            "crate:",
            "crate:x@",
            "crate:a/b",
            "crate:--git",
            "path:",
            "nix:",
            "npm:--x",
            "go:./x",
            "go:-x",
            "pypi:a/b",
            "npm:a/../b",
            "gem:x",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_scope_is_no_version() {
        let source: Source = "npm:@a/b@1.0.0".parse().unwrap();
        assert_eq!(source.package(), Some(("@a/b", Some("1.0.0"))));
        assert_eq!(source.driver(), Some(Driver::Npm));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(crate:|path:|npm:|go:|nix:)?\\PC{0,20}") {
            if let Ok(source) = text.parse::<Source>() {
                prop_assert_eq!(source.to_string(), text);
            }
        }
    }
}
