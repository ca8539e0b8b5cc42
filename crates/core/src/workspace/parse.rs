//! A manifest's text becomes its packages, with every mistake of the file in one go.
//!
//! Does not know whether a source exists. Overrides are read by the profile's own rules.

use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Group, MANIFEST_SCHEMA, Manifest, Package};
use crate::build::{Driver, SCHEMES, Source};
use crate::diagnostic::{Diagnostic, nearest, position};
use crate::profile::parse::knobs;
use crate::settings::catalogue;
use crate::trial::package::parse as trials;

/// Keys of a package.
const KEYS: &[&str] = &["source", "driver", "group", "settings"];

/// Reads a manifest. It holds what could be understood; the list holds every mistake.
pub fn parse(path: &str, text: &str) -> (Manifest, Vec<Diagnostic>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { path, text, found: Vec::new() };
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        reader.report(span, format!("not valid TOML: {}", error.message()), None);
    }
    let mut manifest =
        Manifest { path: path.to_owned(), text: text.to_owned(), packages: Vec::new() };
    // After a syntax error the recovered rest may be mangled; reporting on it would mislead.
    if errors.is_empty() {
        manifest.packages = reader.document(document.get_ref());
    }
    reader.found.sort_by_key(|d| (d.line, d.column));
    (manifest, reader.found)
}

struct Reader<'a> {
    path: &'a str,
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn report(&mut self, span: Range<usize>, message: String, help: Option<String>) {
        let diagnostic = Diagnostic::new(self.path, self.text, span, message);
        self.found.push(match help {
            Some(help) => diagnostic.with_help(help),
            None => diagnostic,
        });
    }

    fn document(&mut self, document: &DeTable<'_>) -> Vec<Package> {
        let mut packages = Vec::new();
        for (name, value) in document {
            match (&**name.get_ref(), value.get_ref()) {
                ("schema", _) => self.schema(value),
                ("packages", DeValue::Table(table)) => packages = self.packages(table),
                ("packages", _) => {
                    let help = Some("write [packages.NAME]".to_owned());
                    self.report(value.span(), "packages must be a table".to_owned(), help);
                }
                // What is tried has rules of its own.
                ("trials", _) => self.found.extend(trials(self.path, self.text).1),
                (key, _) => {
                    let near = nearest(key, ["schema", "packages", "trials"].into_iter());
                    let help = match near {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => "a manifest has `schema` and one [packages.NAME] a package; what \
                                 describes the host stands in its profile"
                            .to_owned(),
                    };
                    self.report(name.span(), format!("unknown key \"{key}\""), Some(help));
                }
            }
        }
        packages
    }

    fn schema(&mut self, value: &Spanned<DeValue<'_>>) {
        let version = value.get_ref().as_integer().map(|integer| integer.as_str().to_owned());
        if version != Some(MANIFEST_SCHEMA.to_string()) {
            self.report(
                value.span(),
                format!("this program reads manifests of schema {MANIFEST_SCHEMA}"),
                Some(format!("write schema = {MANIFEST_SCHEMA}")),
            );
        }
    }

    fn packages(&mut self, table: &DeTable<'_>) -> Vec<Package> {
        let mut entries: Vec<_> = table.iter().collect();
        // The parser keeps no order; the places of the names do.
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut packages = Vec::new();
        for (name, value) in entries {
            let own: &str = name.get_ref();
            if let Some(message) = wrong_name(own) {
                let help = "a name has letters, digits, - _ . @ and / only".to_owned();
                self.report(name.span(), message, Some(help));
            }
            let DeValue::Table(table) = value.get_ref() else {
                let help = Some(format!("write [packages.{own}] and source = \"…\" below it"));
                self.report(value.span(), format!("packages.{own} must be a table"), help);
                continue;
            };
            packages.extend(self.package(own, name.span(), table));
        }
        packages
    }

    fn package(&mut self, name: &str, span: Range<usize>, table: &DeTable<'_>) -> Option<Package> {
        let (line, _) = position(self.text, span.start);
        let mut settings = Vec::new();
        let (mut source, mut driver, mut group) = (None, None, Group::default());
        for (key, value) in table {
            match &**key.get_ref() {
                "source" => source = self.source(value).map(|source| (source, value.span())),
                "driver" => driver = self.driver(value).map(|driver| (driver, value.span())),
                "group" => group = self.group(value).unwrap_or_default(),
                "settings" => settings = self.settings(name, value),
                other => self.unknown(name, other, key.span()),
            }
        }
        if !table.iter().any(|(key, _)| &**key.get_ref() == "source") {
            let help = "write source = \"crate:NAME@VERSION\" or source = \"path:DIR\"".to_owned();
            self.report(span, format!("packages.{name} has no source"), Some(help));
        }
        let (source, _) = source?;
        let driver = driver.and_then(|(driver, span)| self.fitting(&source, driver, span));
        Some(Package { name: name.to_owned(), source, driver, group, settings, line })
    }

    fn text_of(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.report(value.span(), format!("{key} must be a text"), None);
        }
        text
    }

    fn source(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Source> {
        let text = self.text_of("source", value)?;
        match Source::from_str(&text) {
            Ok(source) => Some(source),
            Err(error) => {
                let scheme = text.split(':').next().unwrap_or_default();
                let near = nearest(scheme, SCHEMES.iter().copied()).filter(|near| *near != scheme);
                let help = near.map(|near| format!("did you mean \"{near}:\"?"));
                self.report(value.span(), error.to_string(), help);
                None
            }
        }
    }

    fn driver(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Driver> {
        let text = self.text_of("driver", value)?;
        let found = Driver::ALL.iter().copied().find(|driver| driver.name() == text);
        if found.is_none() {
            let names: Vec<_> = Driver::ALL.iter().map(|driver| driver.name()).collect();
            self.choice("driver", &text, &names, value.span());
        }
        found
    }

    fn group(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Group> {
        let text = self.text_of("group", value)?;
        let found = Group::ALL.iter().copied().find(|group| group.name() == text);
        if found.is_none() {
            let names: Vec<_> = Group::ALL.iter().map(|group| group.name()).collect();
            self.choice("group", &text, &names, value.span());
        }
        found
    }

    fn choice(&mut self, key: &str, text: &str, names: &[&str], span: Range<usize>) {
        let help = match nearest(text, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it is one of {}", names.join(", ")),
        };
        self.report(span, format!("unknown {key} \"{text}\""), Some(help));
    }

    /// A package of a registry has the driver of its registry.
    fn fitting(&mut self, source: &Source, driver: Driver, span: Range<usize>) -> Option<Driver> {
        match source.driver() {
            Some(own) if own != driver => {
                let message =
                    format!("{source} is built by {}, not by {}", own.name(), driver.name());
                let help = "only path: sources have a driver to choose".to_owned();
                self.report(span, message, Some(help));
                None
            }
            _ => Some(driver),
        }
    }

    fn settings(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Vec<crate::profile::Entry> {
        let table_name = format!("packages.{name}.settings");
        let DeValue::Table(table) = value.get_ref() else {
            let help = Some(format!("write [{table_name}] with one knob a line"));
            self.report(value.span(), format!("{table_name} must be a table of knobs"), help);
            return Vec::new();
        };
        let (entries, found) = knobs(self.path, self.text, table, &table_name);
        self.found.extend(found);
        entries
    }

    fn unknown(&mut self, package: &str, key: &str, span: Range<usize>) {
        let help = if catalogue::knob(key).is_some() {
            format!("knobs of one package stand in [packages.{package}.settings]")
        } else if let Some(near) = nearest(key, KEYS.iter().copied()) {
            format!("did you mean \"{near}\"?")
        } else {
            format!("a package knows {}", KEYS.join(", "))
        };
        self.report(span, format!("unknown key \"{key}\" in [packages.{package}]"), Some(help));
    }
}

/// A name must not look like a source, and must do as a word of a command line.
fn wrong_name(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@/".contains(c);
    let fits = !name.is_empty() && name.chars().all(allowed) && !name.starts_with('-');
    (!fits).then(|| format!("\"{name}\" cannot be the name of a package"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use proptest::prelude::*;

    fn mistakes(text: &str) -> String {
        let (_, found) = parse("ironwright.toml", text);
        let shown = |d: &Diagnostic| {
            format!("{}:{} {} | {}", d.line, d.column, d.message, d.help.as_deref().unwrap_or(""))
        };
        found.iter().map(shown).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn packages_keep_the_order_of_the_file() {
        let (manifest, found) = parse(
            "ironwright.toml",
            "schema = 1\n[packages.zlib]\nsource = \"path:zlib\"\ndriver = \"make\"\n\
             [packages.bat]\nsource = \"crate:bat@0.25.0\"\ngroup = \"tools\"\n\
             [packages.bat.settings]\ncargo-build-jobs = 2\n[packages.hello]\nsource = \"nix:nixpkgs#hello\"\n",
        );
        assert_eq!(found, []);
        let names: Vec<_> = manifest.packages.iter().map(|p| (p.name.as_str(), p.line)).collect();
        assert_eq!(names, [("zlib", 2), ("bat", 5), ("hello", 10)]);
        let bat = manifest.package("bat").unwrap();
        assert_eq!((bat.group, &bat.settings[0].value), (Group::Tools, &Value::Count(2)));
        assert_eq!(manifest.packages[0].driver, Some(Driver::Make));
        assert_eq!(manifest.packages[0].group, Group::Stable);
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let text = "schema = 2\npackage = 3\n[packages.a]\nsource = \"craet:bat\"\ndriver = \"carg\"\n\
            [packages.b]\ngruop = \"tools\"\n[packages.\"c:d\"]\nsource = \"crate:x\"\ndriver = \"make\"\ngroup = \"weekly\"\n\
            [packages.e]\nsource = 3\ncargo-build-jobs = 2\n[packages.e.settings]\ncargoBuildJobs = 2\nmake-jobs = \"x\"\n";
        insta::assert_snapshot!(mistakes(text), @r#"
        1:10 this program reads manifests of schema 1 | write schema = 1
        2:1 unknown key "package" | did you mean "packages"?
        4:10 "craet:bat" is not a source: write crate:NAME, crate:NAME@VERSION, npm:NAME, pypi:NAME, go:PATH, nix:INSTALLABLE or path:DIR | did you mean "crate:"?
        5:10 unknown driver "carg" | did you mean "cargo"?
        6:11 packages.b has no source | write source = "crate:NAME@VERSION" or source = "path:DIR"
        7:1 unknown key "gruop" in [packages.b] | did you mean "group"?
        8:11 "c:d" cannot be the name of a package | a name has letters, digits, - _ . @ and / only
        10:10 crate:x is built by cargo, not by make | only path: sources have a driver to choose
        11:9 unknown group "weekly" | it is one of stable, tools
        13:10 source must be a text | 
        14:1 unknown key "cargo-build-jobs" in [packages.e] | knobs of one package stand in [packages.e.settings]
        16:1 unknown knob "cargoBuildJobs" in [packages.e.settings] | did you mean "cargo-build-jobs"?
        17:13 make-jobs: expected a whole number such as 4, found the text "x" | 
        "#);
    }

    #[test]
    fn tables_must_be_tables() {
        assert!(mistakes("packages = 3\n").contains("packages must be a table"));
        assert!(mistakes("[packages]\na = \"crate:a\"\n").contains("packages.a must be a table"));
        assert!(
            mistakes("[packages.a]\nsource = \"crate:a\"\nsettings = 1\n")
                .contains("table of knobs")
        );
        assert!(mistakes("[packages\n").contains("not valid TOML"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,80}") {
            let _ = parse("f", &text);
        }

        #[test]
        fn any_package_is_read_without_a_panic(
            key in "(source|driver|group|settings|schema)(\\.[a-z-]{1,8})?",
            value in "(-?[0-9]{1,25}|\"\\PC{0,12}\"|\"(crate|path|npm|nix):\\PC{0,8}\"|\\[\\]|true)",
        ) {
            let text = format!("[packages.x]\n{key} = {value}\n");
            for diagnostic in parse("f", &text).1 {
                let _ = diagnostic.render(false);
            }
        }
    }
}
