//! The text of a new manifest.
//!
//! Does not know where it is written.

use super::{Discovered, Group, MANIFEST_SCHEMA};
use crate::value::Value;

/// A manifest of what was found.
pub fn render(projects: &[Discovered]) -> String {
    let mut out = format!(
        "# What is built together; `ironwright build` builds all of it in this order.\n\
         #\n\
         # source: crate:NAME@VERSION, npm:NAME@VERSION, pypi:NAME@VERSION, go:PATH@VERSION,\n\
         #         path:DIR (from this file) or nix:INSTALLABLE\n\
         # group:  stable (brought up to date rarely) or tools (often)\n\
         # Knobs of one package stand in [packages.NAME.settings]; `ironwright settings` lists them.\n\n\
         schema = {MANIFEST_SCHEMA}\n"
    );
    for project in projects {
        out.push_str(&format!("\n[packages.{}]\n", key(&project.name)));
        out.push_str(&format!("source = {}\n", quoted(&format!("path:{}", project.path))));
        out.push_str(&format!("driver = \"{}\"\n", project.driver.name()));
        if !project.also.is_empty() {
            let also: Vec<_> = project.also.iter().map(|driver| driver.name()).collect();
            out.push_str(&format!("# also there: {}\n", also.join(", ")));
        }
        out.push_str(&format!("group = \"{}\"\n", Group::default().name()));
    }
    out
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    Value::text(text).toml()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::build::{Driver, Source};
    use proptest::prelude::*;

    fn project(name: &str, path: &str) -> Discovered {
        Discovered {
            name: name.to_owned(),
            path: path.to_owned(),
            driver: Driver::Npm,
            also: vec![Driver::Make],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = render(&[project("a", "."), project("@me/web.js", "web \"x\"")]);
        let (manifest, found) = parse("ironwright.toml", &text);
        assert_eq!(found, []);
        let read: Vec<_> =
            manifest.packages.iter().map(|p| (p.name.as_str(), p.source.clone())).collect();
        assert_eq!(
            read,
            [("a", Source::Path(".".into())), ("@me/web.js", Source::Path("web \"x\"".into()))]
        );
    }

    proptest! {
        #[test]
        fn any_path_is_read_again(path in "\\PC{1,20}") {
            let (manifest, found) = parse("f", &render(&[project("a", &path)]));
            prop_assert_eq!(found, []);
            prop_assert_eq!(&manifest.packages[0].source, &Source::Path(path.into()));
        }
    }
}
