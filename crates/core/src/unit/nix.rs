//! Builds of derivations as units.
//!
//! No compiler stands on their command line: whoever drives Nix writes one that tells what is known
//! of a derivation, and it is read here. Does not know Nix.

use super::{Invocation, Kind, Model, UnitFacts, key};
use crate::units::Bytes;

/// Name of the program that nobody starts.
pub(super) const PROGRAM: &str = "ironwright-derivation";

/// What is known of a derivation before it is built.
#[derive(Clone, Debug, PartialEq)]
pub struct DerivationUnit<'a> {
    /// Its name, with the version (`zlib-1.3.1`).
    pub name: &'a str,
    /// Digest of what its builder does, without the hashes of what it needs.
    pub digest: &'a str,
    /// Cores that it is told of.
    pub cores: u32,
    /// Memory that it is expected to take when nothing like it was measured.
    pub memory: Bytes,
    /// Threads that it is expected to keep busy then.
    pub threads: f64,
}

impl DerivationUnit<'_> {
    /// The command line that stands for it.
    pub fn argv(&self) -> Vec<String> {
        vec![
            PROGRAM.to_owned(),
            self.name.to_owned(),
            self.digest.to_owned(),
            self.cores.to_string(),
            self.memory.0.to_string(),
            format!("{:.2}", self.threads),
        ]
    }

    /// The facts by which the governor and the plan know it.
    pub fn facts(&self) -> UnitFacts {
        let subject = key::joined(&["build", self.name]);
        let general = key::without_versions(self.name);
        UnitFacts {
            tool: "nix".to_owned(),
            label: key::clean(self.name),
            key: key::joined(&["nix", &subject, self.digest, &format!("c{}", self.cores)]),
            family: key::joined(&["nix build", &general]),
            package: Some(key::clean(self.name)),
            inputs: Vec::new(),
            model: Model { base: self.memory, factor: 0.0, knee: None, threads: self.threads },
        }
    }
}

/// Digest of texts, as keys have it.
pub fn digest<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    key::digest(texts)
}

/// Reads the command line that stands for a derivation.
pub(super) fn recognise(invocation: &Invocation<'_>) -> Kind {
    let word = |at: usize| invocation.argv.get(at).map_or("", String::as_str);
    let unit = DerivationUnit {
        name: word(1),
        digest: word(2),
        cores: word(3).parse().unwrap_or(1),
        memory: Bytes(word(4).parse().unwrap_or(0)),
        threads: word(5).parse().unwrap_or(1.0),
    };
    if unit.name.is_empty() { Kind::Light } else { Kind::Unit(unit.facts()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn unit(name: &str) -> DerivationUnit<'_> {
        let (memory, threads) = (Bytes::mib(400), 1.5);
        DerivationUnit { name, digest: "00ff", cores: 2, memory, threads }
    }

    #[test]
    fn a_derivation_is_found_again_by_what_is_sent() {
        let argv = unit("zlib-1.3.1").argv();
        let cwd = Path::new("/");
        let invocation = Invocation { argv: &argv, cwd, environment: &[], stdin_is_source: false };
        let facts = unit("zlib-1.3.1").facts();
        assert_eq!(super::super::recognise(&invocation), Kind::Unit(facts.clone()));
        assert_eq!(facts.key, "nix build zlib-1.3.1 00ff c2");
        assert_eq!(facts.family, unit("zlib-1.2.13").facts().family);
        assert_eq!(facts.forecast(0).peak, Bytes::mib(400));
    }
}
