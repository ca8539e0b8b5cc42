//! What a derivation tells of how it will be built.
//!
//! Does not know what it takes in time and memory, nor whether it must be built.

use crate::inventory::aterm::{Derivation, Text};
use crate::inventory::nix::{classify, name_of};
use crate::inventory::{Kind, Language};
use crate::unit::derivation_digest;

/// What is known of a derivation from its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Path of its file.
    pub path: String,
    /// Its name, with the version.
    pub name: String,
    /// Names and paths of its outputs; a path is empty where it follows from the content.
    pub outputs: Vec<(String, String)>,
    /// Paths of the derivations that it needs.
    pub inputs: Vec<String>,
    /// Paths of the store that it needs as they are.
    pub sources: Vec<String>,
    /// What it is.
    pub kind: Kind,
    /// Language of most of it.
    pub language: Language,
    /// Whether its builder uses more than one core when it is given them.
    pub parallel: bool,
    /// Whether whoever wrote it asks for a large machine (`big-parallel`).
    pub big: bool,
    /// Digest of what its builder does, without the hashes of what it needs: it stays when only
    /// something below changes.
    pub digest: String,
}

/// Builds of these languages start as many compilers as there are cores.
const PARALLEL: &[Language] = &[Language::Rust, Language::Go];
/// Inputs whose hooks set a builder's own number of jobs from the cores.
const PARALLEL_INPUTS: &[&str] = &["ninja", "meson", "cmake", "scons", "waf", "bazel"];
/// What a builder's own commands name when they use the cores.
const CORES: &[u8] = b"NIX_BUILD_CORES";
/// The feature of a large machine.
const BIG: &[u8] = b"big-parallel";

impl Facts {
    /// Of a derivation with the path of its file.
    pub fn of(path: &str, derivation: &Derivation<'_>) -> Self {
        let (kind, language) = classify(derivation);
        let text = |text: &Text<'_>| text.decoded().into_owned();
        let pair =
            |output: &crate::inventory::aterm::Output<'_>| (text(&output.name), text(&output.path));
        let features = derivation.variable("requiredSystemFeatures");
        Self {
            path: path.to_owned(),
            name: name_of(path).to_owned(),
            outputs: derivation.outputs.iter().map(pair).collect(),
            inputs: derivation.inputs.iter().map(text).collect(),
            sources: derivation.sources.iter().map(text).collect(),
            kind,
            language,
            parallel: is_parallel(derivation, language),
            big: features.is_some_and(|features| contains(features.raw(), BIG)),
            digest: digest(derivation),
        }
    }

    /// Paths of its outputs, as far as they are known before it is built.
    pub fn output_paths(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|(_, path)| path.as_str()).filter(|path| !path.is_empty())
    }
}

fn is_parallel(derivation: &Derivation<'_>, language: Language) -> bool {
    let on = |name| derivation.variable(name).is_some_and(|value| value.raw() == b"1");
    if on("enableParallelBuilding") || PARALLEL.contains(&language) {
        return true;
    }
    let names_cores = |text: &Text<'_>| contains(text.raw(), CORES);
    let values = derivation.environment.iter().map(|(_, value)| value);
    if values.chain(&derivation.arguments).any(names_cores) {
        return true;
    }
    derivation.inputs.iter().any(|input| {
        let path = input.decoded();
        let name = name_of(&path);
        let head = name.split_once('-').map_or(name, |(head, _)| head);
        PARALLEL_INPUTS.contains(&head)
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Characters of the hash in a store path.
const HASH: usize = 32;

/// Digest of system, builder, arguments and variables, with the hashes of store paths taken out.
fn digest(derivation: &Derivation<'_>) -> String {
    let variables = derivation.environment.iter().flat_map(|(name, value)| [name, value]);
    let whole = [&derivation.system, &derivation.builder].into_iter();
    let texts: Vec<String> = whole
        .chain(&derivation.arguments)
        .chain(variables)
        .map(|text| without_hashes(&text.decoded()))
        .collect();
    // Eight digits tell the few variants of one name apart.
    let digits = derivation_digest(texts.iter().map(String::as_str));
    digits.get(..8).unwrap_or(&digits).to_owned()
}

/// A text without the hashes of the store paths in it: runs of 32 characters of Nix's alphabet
/// between a slash and a hyphen.
fn without_hashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('/');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push('/');
        match part.split_at_checked(HASH) {
            Some((hash, rest)) if rest.starts_with('-') && is_hash(hash) => out.push_str(rest),
            _ => out.push_str(part),
        }
    }
    out
}

fn is_hash(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::aterm::parse;
    use proptest::prelude::*;

    const HASH_A: &str = "0123456789abcdfghijklmnpqrsvwxyz";
    const HASH_B: &str = "z123456789abcdfghijklmnpqrsvwxyz";

    fn facts(environment: &[(&str, &str)], inputs: &[&str]) -> Facts {
        let pairs: Vec<_> = environment.iter().map(|(k, v)| format!("(\"{k}\",\"{v}\")")).collect();
        let inputs: Vec<_> = inputs.iter().map(|i| format!("(\"{i}\",[\"out\"])")).collect();
        let text = format!(
            r#"Derive([("out","/nix/store/{HASH_A}-x","","")],[{}],["/nix/store/{HASH_A}-src"],"s","b",[],[{}])"#,
            inputs.join(","),
            pairs.join(",")
        );
        Facts::of(&format!("/nix/store/{HASH_A}-x-1.0.drv"), &parse("x", text.as_bytes()).unwrap())
    }

    #[test]
    fn a_derivation_tells_how_it_is_built() {
        let plain = facts(&[("stdenv", "x")], &[]);
        assert_eq!((plain.name.as_str(), plain.parallel, plain.big), ("x-1.0", false, false));
        assert_eq!(plain.sources.len(), 1);
        assert!(facts(&[("enableParallelBuilding", "1")], &[]).parallel);
        assert!(facts(&[("buildPhase", "make -j$NIX_BUILD_CORES")], &[]).parallel);
        assert!(facts(&[("cargoDeps", "x")], &[]).parallel);
        let ninja = format!("/nix/store/{HASH_A}-ninja-1.12.drv");
        assert!(facts(&[], &[&ninja]).parallel);
        assert!(facts(&[("requiredSystemFeatures", "kvm big-parallel")], &[]).big);
    }

    #[test]
    fn the_digest_stays_when_only_something_below_changes() {
        let with = |hash: &str, flags: &str| {
            let path = format!("/nix/store/{hash}-glibc-2.39/lib");
            facts(&[("stdenv", &path), ("flags", flags)], &[]).digest
        };
        assert_eq!(with(HASH_A, "-O2"), with(HASH_B, "-O2"));
        assert_ne!(with(HASH_A, "-O2"), with(HASH_A, "-O3"));
        assert_eq!(with(HASH_A, "").len(), 8);
    }

    proptest! {
        #[test]
        fn only_hashes_are_taken_out(text in "[a-z0-9/ä-]{0,90}") {
            let without = without_hashes(&text);
            prop_assert!(without.len() <= text.len());
            prop_assert_eq!(without.matches('/').count(), text.matches('/').count());
        }
    }
}
