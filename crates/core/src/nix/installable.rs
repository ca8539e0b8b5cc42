//! What a user may name to have it built by Nix, and what Nix says of it.
//!
//! Does not evaluate anything.

use serde_json::Value;

use crate::build::SCHEMES;

/// How an installable is evaluated, beside the text itself. What `nix build` takes under the same
/// names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// A file whose attributes are named, instead of flakes.
    pub file: Option<String>,
    /// An expression whose attributes are named, instead of flakes.
    pub expression: Option<String>,
    /// Whether the expression may look at the environment.
    pub impure: bool,
    /// Arguments of functions: name, value, and whether the value is a text.
    pub arguments: Vec<(String, String, bool)>,
    /// Inputs of the flake that are replaced.
    pub inputs: Vec<(String, String)>,
}

impl Evaluation {
    /// Whether names are attributes of a file or an expression.
    pub const fn names_attributes(&self) -> bool {
        self.file.is_some() || self.expression.is_some()
    }

    /// The words for `nix`, after the command and before the installables.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |parts: &[&str]| words.extend(parts.iter().map(|part| (*part).to_owned()));
        if let Some(file) = &self.file {
            add(&["--file", file]);
        }
        if let Some(expression) = &self.expression {
            add(&["--expr", expression]);
        }
        if self.impure {
            add(&["--impure"]);
        }
        for (name, value, is_text) in &self.arguments {
            add(&[if *is_text { "--argstr" } else { "--arg" }, name, value]);
        }
        for (name, reference) in &self.inputs {
            add(&["--override-input", name, reference]);
        }
        words
    }
}

/// Whether a text names something for Nix, rather than a package or another source: an attribute of a
/// flake (`.#x`, `nixpkgs#hello`), a derivation, or a path of the store. A source that tells its kind is
/// taken at its word, but for `path:`, which flakes have too.
pub fn is_installable(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| scheme != "path" && SCHEMES.contains(&scheme)) {
        return false;
    }
    let (path, _) = text.split_once('^').unwrap_or((text, ""));
    text.contains('#') || is_derivation(path) || path.starts_with("/nix/store/")
}

/// The outputs that an installable names after `^`; none where it names all, or leaves it open.
pub fn named_outputs(installable: &str) -> Vec<&str> {
    match installable.rsplit_once('^') {
        Some((_, outputs)) if outputs != "*" => outputs.split(',').collect(),
        _ => Vec::new(),
    }
}

/// Whether a path is that of a derivation.
pub fn is_derivation(path: &str) -> bool {
    path.strip_suffix(".drv").is_some_and(|name| !name.is_empty())
}

/// Something that is to be built or fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Outputs of a derivation, with their paths where these are known.
    Built {
        /// Path of its file.
        derivation: String,
        /// Names and paths.
        outputs: Vec<(String, Option<String>)>,
    },
    /// A path of the store.
    Path(String),
}

impl Wanted {
    /// As the protocol of stores writes it.
    pub fn request(&self) -> String {
        match self {
            Self::Built { derivation, outputs } => {
                let names: Vec<String> = outputs.iter().map(|(name, _)| name.clone()).collect();
                super::protocol::built(derivation, &names)
            }
            Self::Path(path) => path.clone(),
        }
    }

    /// The path of its derivation, if it has one.
    pub fn derivation(&self) -> Option<String> {
        match self {
            Self::Built { derivation, .. } => Some(derivation.clone()),
            Self::Path(_) => None,
        }
    }

    /// Paths of its results, as far as they are known before.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let (outputs, path) = match self {
            Self::Built { outputs, .. } => (outputs.as_slice(), None),
            Self::Path(path) => ([].as_slice(), Some(path.as_str())),
        };
        outputs.iter().filter_map(|(_, path)| path.as_deref()).chain(path)
    }
}

/// Reads what `nix build --dry-run --json` prints; nothing when it is something else.
pub fn parse_wanted(text: &str) -> Option<Vec<Wanted>> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.as_array()?.iter().map(wanted).collect()
}

fn wanted(value: &Value) -> Option<Wanted> {
    if let Some(path) = value.as_str().or_else(|| value.get("path").and_then(Value::as_str)) {
        return Some(Wanted::Path(path.to_owned()));
    }
    let derivation = value.get("drvPath")?.as_str()?.to_owned();
    let output = |(name, path): (&String, &Value)| {
        (name.clone(), path.as_str().filter(|path| !path.is_empty()).map(str::to_owned))
    };
    // Of outputs that a derivation has not Nix says nothing here.
    let outputs = match value.get("outputs") {
        Some(outputs) => outputs.as_object()?.iter().map(output).collect(),
        None => Vec::new(),
    };
    Some(Wanted::Built { derivation, outputs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn installables_are_told_from_packages_and_sources() {
        for text in [
            ".#hello",
            "nixpkgs#hello^dev",
            "path:/x#y",
            "/nix/store/abc-x.drv",
            "./result.drv^out",
            "/nix/store/abc-hello",
        ] {
            assert!(is_installable(text), "{text}");
        }
        for text in ["ripgrep", "crate:bat", "path:.", ".drv", "./dir", "npm:@a/b", "nix:.#a"] {
            assert!(!is_installable(text), "{text}");
        }
    }

    #[test]
    fn outputs_are_named_after_a_caret() {
        assert_eq!(named_outputs("nixpkgs#zlib^dev,out"), ["dev", "out"]);
        assert!(named_outputs(".#a").is_empty() && named_outputs(".#a^*").is_empty());
    }

    #[test]
    fn words_are_those_of_nix() {
        let evaluation = Evaluation {
            file: Some("default.nix".into()),
            arguments: vec![("system".into(), "x".into(), true), ("n".into(), "1".into(), false)],
            ..Evaluation::default()
        };
        assert_eq!(evaluation.words().join(" "), "--file default.nix --argstr system x --arg n 1");
    }

    #[test]
    fn what_nix_says_is_read() {
        let text =
            r#"[{"drvPath":"/s/a.drv","outputs":{"dev":null,"out":"/s/a"}},{"path":"/s/b"}]"#;
        let wanted = parse_wanted(text).unwrap();
        assert_eq!(wanted[0].request(), "/s/a.drv!dev,out");
        assert_eq!(wanted[1].request(), "/s/b");
        assert_eq!(parse_wanted(r#"[{"drvPath":"/s/a.drv"}]"#).unwrap().len(), 1);
        assert_eq!(parse_wanted("{}"), None);
        assert_eq!(parse_wanted("[1]"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
            let _ = (is_installable(&text), parse_wanted(&text));
        }
    }
}
