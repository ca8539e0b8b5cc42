//! Translation units of a `compile_commands.json`, as CMake, Meson and Bear write it.
//!
//! The format is Clang's JSON compilation database. It lists no links. Does not know files beyond
//! their names.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use super::words::{first_command, open_quote};
use super::{Graph, GraphBuilder, InventoryError, Kind, Language, Node, json};
use crate::unit::{Invocation, recognise};

#[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
struct Entry {
    directory: PathBuf,
    file: PathBuf,
    command: Option<String>,
    arguments: Option<Vec<String>>,
    output: Option<String>,
}

/// The graph of a compilation database. `size` tells how many bytes a file has.
pub fn parse(
    file: &str,
    text: &str,
    size: &mut dyn FnMut(&Path) -> Option<u64>,
) -> Result<Graph, InventoryError> {
    let entries: Vec<Entry> = json(file, text, "a compilation database is made of")?;
    entries.iter().try_for_each(|entry| check(file, text, entry))?;
    let mut builder = GraphBuilder::default();
    let mut seen = HashSet::new();
    // Bear writes a command again that was run again.
    let entries: Vec<(usize, &Entry)> =
        entries.iter().enumerate().filter(|(_, entry)| seen.insert(*entry)).collect();
    let nodes: Vec<(PathBuf, Node)> =
        entries.par_iter().map(|(at, entry)| node(*at, entry)).collect();
    for (source, node) in nodes {
        builder.add(node.sized(size(&source)));
    }
    Ok(builder.finish())
}

/// Refuses a command that no shell would take.
fn check(file: &str, text: &str, entry: &Entry) -> Result<(), InventoryError> {
    let Some(command) = &entry.command else { return Ok(()) };
    let Some(quote) = open_quote(command) else { return Ok(()) };
    // The parser tells no places; the text of the command is found where nothing odd is escaped.
    let written = serde_json::Value::from(command.as_str()).to_string();
    let before = text.find(&written).and_then(|at| text.get(..at)).unwrap_or_default();
    let message =
        format!("the command of {} has a {quote} that is never closed", entry.file.display());
    Err(InventoryError::Line {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        message,
    })
}

/// A source, and its translation unit yet without a size.
fn node(at: usize, entry: &Entry) -> (PathBuf, Node) {
    let source = entry.directory.join(&entry.file);
    // The same source may be compiled several times, with other settings.
    let place = entry.output.clone().unwrap_or_else(|| format!("{}#{at}", source.display()));
    let label = source.strip_prefix(&entry.directory).unwrap_or(&source).to_string_lossy();
    let argv = match (&entry.arguments, &entry.command) {
        (Some(arguments), _) => arguments.clone(),
        (None, Some(command)) => first_command(command),
        (None, None) => Vec::new(),
    };
    let id = format!("c:{}", entry.directory.join(place).display());
    let command = recognise(&Invocation {
        argv: &argv,
        cwd: &entry.directory,
        environment: &[],
        stdin_is_source: false,
    });
    let node = Node::new(Language::CFamily, Kind::TranslationUnit, id, label);
    let node = node.with_command(command);
    (source, node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_and_arguments_give_the_same_key() {
        let text = r#"[
            {"directory": "/src/b", "file": "../a.cc", "command": "/usr/bin/c++ -O2 -DX=\\\"y\\\" -o a.o -c ../a.cc"},
            {"directory": "/src/b", "file": "../a.cc", "arguments": ["/usr/bin/c++", "-O2", "-DX=\"y\"", "-o", "a.o", "-c", "../a.cc"], "output": "a.o"},
            {"directory": "/src/b", "file": "gen.c"},
            {"directory": "/src/b", "file": "gen.c"}
        ]"#;
        let graph = parse("compile_commands.json", text, &mut |_| Some(11)).unwrap();
        assert_eq!(graph.nodes.len(), 3);
        assert!(graph.nodes[0].key.is_some());
        assert_eq!(graph.nodes[0].key, graph.nodes[1].key);
        assert_eq!((graph.nodes[2].key.as_ref(), graph.nodes[2].label.as_str()), (None, "gen.c"));
        assert_eq!(graph.nodes[1].id, "c:/src/b/a.o");
    }

    #[test]
    fn a_command_that_is_cut_off_is_named() {
        let text =
            "[\n{\"directory\": \"/b\", \"file\": \"a.c\",\n\"command\": \"cc -DX='1 -c a.c\"}]";
        let error = parse("db.json", text, &mut |_| None).unwrap_err().to_string();
        assert_eq!(error, "db.json:3: the command of a.c has a ' that is never closed");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,60}", command in "\\PC{0,40}") {
            let mut none = |_: &Path| None;
            let _ = parse("f", &text, &mut none);
            let entry = serde_json::json!([{"directory": "/", "file": "x.c", "command": command}]);
            let whole = open_quote(&command).is_none();
            prop_assert_eq!(parse("f", &entry.to_string(), &mut none).is_ok(), whole);
        }
    }
}
