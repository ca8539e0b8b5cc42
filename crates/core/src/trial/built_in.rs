//! Packages that come with the program, as data.
//!
//! A file each in `packages`, with the program that drives its workloads. Does not know how they are
//! read, nor whether a source can be had.

use super::package::{Package, parse};

/// The files, in the order in which they are listed.
const FILES: &[(&str, &str)] = &[
    ("zlib.toml", include_str!("packages/zlib.toml")),
    ("openssl.toml", include_str!("packages/openssl.toml")),
    ("zstd.toml", include_str!("packages/zstd.toml")),
    ("libsodium.toml", include_str!("packages/libsodium.toml")),
    ("sqlite.toml", include_str!("packages/sqlite.toml")),
    ("ripgrep.toml", include_str!("packages/ripgrep.toml")),
    ("cpython.toml", include_str!("packages/cpython.toml")),
];

/// Texts that packages name as `@NAME` among their files.
const TEXTS: &[(&str, &str)] = &[
    ("@library.mk", include_str!("packages/library.mk")),
    ("@driver.h", include_str!("packages/driver.h")),
    ("@zlib.c", include_str!("packages/zlib.c")),
    ("@openssl-rsa.h", include_str!("packages/openssl-rsa.h")),
    ("@openssl.c", include_str!("packages/openssl.c")),
    ("@zstd.c", include_str!("packages/zstd.c")),
    ("@libsodium.c", include_str!("packages/libsodium.c")),
    ("@sqlite.c", include_str!("packages/sqlite.c")),
    ("@cpython.py", include_str!("packages/cpython.py")),
];

/// Every built-in package.
pub fn packages() -> Vec<Package> {
    FILES.iter().flat_map(|(path, text)| parse(path, text).0).collect()
}

/// The text of a file of a package: what is written there, or a built-in text by its name.
pub fn text(written: &str) -> &str {
    TEXTS.iter().find(|(name, _)| *name == written).map_or(written, |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_packages_are_well_formed() {
        for (path, file) in FILES {
            let (found, mistakes) = parse(path, file);
            let shown: Vec<_> = mistakes.iter().map(|m| m.render(false)).collect();
            assert!(shown.is_empty() && found.len() == 1, "{}", shown.join("\n"));
            let package = &found[0];
            assert_eq!(format!("{}.toml", package.name), *path);
            assert!(!package.summary.is_empty() && !package.treatments.is_empty(), "{path}");
            for (name, text) in &package.files {
                assert!(!super::text(text).starts_with('@'), "{path}: {name}");
            }
        }
    }
}
