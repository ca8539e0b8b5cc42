//! Translation units, archives and links of a `build.ninja`.
//!
//! Reads the language that ninja's manual describes: rules, build statements, variables, `include`
//! and `subninja`, whose variables are not kept apart here. Does not know files: included ones are
//! asked for, and what a command compiles is told by `unit`.

mod text;

use std::collections::HashMap;
use std::path::Path;

use super::words::first_command;
use super::{Graph, GraphBuilder, InventoryError, Kind, Language, Node};
use crate::unit::{self, Invocation};
use text::{Line, expand, lines, paths};

/// Deepest nesting of included files and of variables within variables.
const DEEPEST: usize = 16;

/// What a build file asks of the file system.
pub struct Files<'a> {
    /// The text of an included file, named from the build folder.
    pub read: &'a mut dyn FnMut(&str) -> Option<String>,
    /// Size of a file in bytes.
    pub size: &'a mut dyn FnMut(&Path) -> Option<u64>,
}

impl std::fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

/// The graph of a build file in the folder `directory`.
pub fn parse(
    file: &str,
    text: &str,
    directory: &Path,
    files: &mut Files<'_>,
) -> Result<Graph, InventoryError> {
    let mut reader = Reader::default();
    reader.file(file, text, files, 0)?;
    Ok(graph(&reader, directory, files))
}

type Variables = HashMap<String, String>;

#[derive(Debug, Default)]
struct Reader {
    variables: Variables,
    rules: HashMap<String, Vec<(String, String)>>,
    statements: Vec<Statement>,
}

/// `build OUTPUTS: RULE INPUTS | IMPLICIT || ORDER-ONLY`.
#[derive(Debug, Default)]
struct Statement {
    rule: String,
    outputs: Vec<String>,
    /// Outputs that are not part of `$out`.
    implicit_outputs: Vec<String>,
    inputs: Vec<String>,
    /// Everything else that must be there first.
    others: Vec<String>,
    variables: Vec<(String, String)>,
}

/// What indented lines belong to.
enum Block {
    Nothing,
    Rule(String),
    Statement,
}

impl Reader {
    fn file(
        &mut self,
        file: &str,
        text: &str,
        files: &mut Files<'_>,
        depth: usize,
    ) -> Result<(), InventoryError> {
        let mut block = Block::Nothing;
        for line in lines(text) {
            let mistake = |message: String| InventoryError::Line {
                file: file.to_owned(),
                line: line.number,
                message,
            };
            if line.indented {
                self.variable_of(&block, &line).map_err(mistake)?;
                continue;
            }
            block = Block::Nothing;
            match line.text.split_once(' ').unwrap_or((&line.text, "")) {
                ("rule", name) => {
                    self.rules.insert(name.trim().to_owned(), Vec::new());
                    block = Block::Rule(name.trim().to_owned());
                }
                ("build", rest) => {
                    let statement = self.statement(rest).map_err(mistake)?;
                    self.statements.push(statement);
                    block = Block::Statement;
                }
                ("include" | "subninja", name) if depth < DEEPEST => {
                    let name = self.expanded(name.trim());
                    let text = (files.read)(&name)
                        .ok_or_else(|| mistake(format!("{name} is not there; configure again")))?;
                    self.file(&name, &text, files, depth + 1)?;
                }
                ("pool" | "default" | "include" | "subninja", _) => {}
                _ => self.variable(&line).map_err(mistake)?,
            }
        }
        Ok(())
    }

    fn expanded(&self, text: &str) -> String {
        expand(text, &mut |name| self.variables.get(name).cloned().unwrap_or_default())
    }

    fn variable(&mut self, line: &Line) -> Result<(), String> {
        let (name, value) = assignment(&line.text)?;
        let value = self.expanded(value);
        self.variables.insert(name.to_owned(), value);
        Ok(())
    }

    fn variable_of(&mut self, block: &Block, line: &Line) -> Result<(), String> {
        let (name, value) = assignment(&line.text)?;
        match block {
            // The variables of a rule are expanded where it is used.
            Block::Rule(rule) => {
                let rule = self.rules.entry(rule.clone()).or_default();
                rule.push((name.to_owned(), value.to_owned()));
            }
            Block::Statement => {
                let value = self.expanded(value);
                if let Some(statement) = self.statements.last_mut() {
                    statement.variables.push((name.to_owned(), value));
                }
            }
            Block::Nothing => {}
        }
        Ok(())
    }

    fn statement(&self, text: &str) -> Result<Statement, String> {
        let mut value = |name: &str| self.variables.get(name).cloned().unwrap_or_default();
        let (outputs, rest) = paths(text, &mut value);
        let rest = rest
            .strip_prefix(':')
            .ok_or("a build statement is `build OUTPUTS: RULE INPUTS`; the colon is missing")?;
        let rest = rest.trim_start();
        let end = rest.find(|c: char| c.is_whitespace() || c == '|').unwrap_or(rest.len());
        let (rule, inputs) = rest.split_at(end);
        if rule.is_empty() {
            return Err(
                "a build statement is `build OUTPUTS: RULE INPUTS`; the rule is missing".into()
            );
        }
        if rule != "phony" && !self.rules.contains_key(rule) {
            return Err(format!("no rule is named {rule}: `rule {rule}` belongs above"));
        }
        let (inputs, _) = paths(inputs, &mut value);
        let [outputs, implicit_outputs, ..] = outputs;
        let [inputs, implicit, order, _] = inputs;
        Ok(Statement {
            rule: rule.to_owned(),
            outputs,
            implicit_outputs,
            inputs,
            others: [implicit, order].concat(),
            variables: Vec::new(),
        })
    }

    fn command(&self, statement: &Statement) -> String {
        self.value("command", statement, 0)
    }

    fn value(&self, name: &str, statement: &Statement, depth: usize) -> String {
        match name {
            "in" => return statement.inputs.join(" "),
            "out" => return statement.outputs.join(" "),
            _ => {}
        }
        let of = |all: &[(String, String)]| {
            all.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        if let Some(value) = of(&statement.variables) {
            return value;
        }
        match self.rules.get(&statement.rule).and_then(|rule| of(rule)) {
            Some(value) if depth < DEEPEST => {
                expand(&value, &mut |name| self.value(name, statement, depth + 1))
            }
            Some(_) => String::new(),
            None => self.variables.get(name).cloned().unwrap_or_default(),
        }
    }
}

fn assignment(line: &str) -> Result<(&str, &str), String> {
    let (name, value) = line
        .split_once('=')
        .ok_or("not a statement of ninja: a variable is written NAME = VALUE")?;
    Ok((name.trim(), value.trim_start()))
}

fn graph(reader: &Reader, directory: &Path, files: &mut Files<'_>) -> Graph {
    let mut builder = GraphBuilder::default();
    let mut by_output: HashMap<&str, u32> = HashMap::new();
    for statement in &reader.statements {
        let outputs = statement.outputs.iter().chain(&statement.implicit_outputs);
        let Some(first) = outputs.clone().next() else { continue };
        let id = format!("c:{}", directory.join(first).display());
        let place = builder.add(node(reader, statement, id, directory, files));
        by_output.extend(outputs.map(|output| (output.as_str(), place)));
    }
    let mut link_sizes: HashMap<u32, u64> = HashMap::new();
    for statement in &reader.statements {
        let place = |path: &String| by_output.get(path.as_str()).copied();
        let Some(own) = statement.outputs.iter().chain(&statement.implicit_outputs).find_map(place)
        else {
            continue;
        };
        for needed in statement.inputs.iter().chain(&statement.others).filter_map(place) {
            builder.needs(own, needed);
        }
        let mut sum = 0;
        for needed in statement.inputs.iter().filter_map(place) {
            sum += builder.node_mut(needed).and_then(|node| node.size_bytes).map_or(0, |b| b.0);
        }
        link_sizes.insert(own, sum);
    }
    for (place, sum) in link_sizes {
        let linked = builder.node_mut(place);
        if let Some(node) = linked.filter(|n| matches!(n.kind, Kind::Archive | Kind::Link)) {
            node.size_bytes = Some(crate::units::Bytes(sum));
        }
    }
    // Build files have statements for themselves, for cleaning and for help.
    builder.finish().needed_by(Node::is_compiled)
}

fn node(
    reader: &Reader,
    statement: &Statement,
    id: String,
    directory: &Path,
    files: &mut Files<'_>,
) -> Node {
    let first = statement.outputs.iter().chain(&statement.implicit_outputs).next();
    let output = first.map_or("", String::as_str);
    if statement.rule == "phony" {
        return Node::new(Language::CFamily, Kind::Group, id, output);
    }
    let argv = first_command(&reader.command(statement));
    let invocation =
        Invocation { argv: &argv, cwd: directory, environment: &[], stdin_is_source: false };
    let kind = match output.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "o" | "obj" | "pcm" | "gch" | "pch" => Kind::TranslationUnit,
        "a" | "lib" => Kind::Archive,
        _ if matches!(unit::recognise(&invocation), unit::Kind::Unit(_)) => Kind::Link,
        _ => Kind::Generated,
    };
    let source = statement.inputs.first().filter(|_| kind == Kind::TranslationUnit);
    let size = source.and_then(|source| (files.size)(&directory.join(source)));
    let above = directory.parent().unwrap_or(directory);
    let label = source.map_or(output, |source| {
        let below =
            [directory, above].iter().find_map(|dir| Path::new(source).strip_prefix(dir).ok());
        below.and_then(Path::to_str).unwrap_or(source)
    });
    Node::new(Language::CFamily, kind, id, label).sized(size).with_command(&invocation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUILD: &str = "\
ninja_required_version = 1.5
include rules.ninja
builddir = out
build $builddir/a.o: CXX ../src/a$ b.cc || gen
  FLAGS = -O2 $
    -g
build out/lib.a: AR out/a.o
build app | app.map: LINK out/a.o | out/lib.a
build gen.h: CUSTOM gen.py
  COMMAND = cd /x && python3 gen.py
build gen: phony gen.h
default app
";
    const RULES: &str = "\
rule CXX
  depfile = $out.d
  command = /usr/bin/c++ $FLAGS -o $out -c '$in'
rule AR
  command = : && ar qc $out $in && :
rule LINK
  command = : && /usr/bin/c++ $in -o $out && :
rule CUSTOM
  command = $COMMAND
";

    fn graph_of(text: &str) -> Result<Graph, InventoryError> {
        let mut files = Files {
            read: &mut |name| (name == "rules.ninja").then(|| RULES.to_owned()),
            size: &mut |path| path.ends_with("a b.cc").then_some(100),
        };
        parse("build.ninja", text, Path::new("/b"), &mut files)
    }

    #[test]
    fn units_archives_and_links_are_told_apart() {
        let graph = graph_of(BUILD).unwrap();
        let kinds: Vec<_> = graph.nodes.iter().map(|n| (n.label.as_str(), n.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("../src/a b.cc", Kind::TranslationUnit),
                ("out/lib.a", Kind::Archive),
                ("app", Kind::Link),
                ("gen.h", Kind::Generated),
                ("gen", Kind::Group),
            ]
        );
        assert_eq!(graph.needs(), [vec![4], vec![0], vec![0, 1], vec![], vec![3]]);
        let sizes: Vec<_> = graph.nodes.iter().filter_map(|n| n.size_bytes).map(|b| b.0).collect();
        assert_eq!(sizes, [100, 100, 100]);
        assert!(graph.nodes[0].key.is_some() && graph.nodes[2].key.is_some());
    }

    #[test]
    fn a_mistake_tells_its_line() {
        let message = |text: &str| graph_of(text).unwrap_err().to_string();
        assert!(message("a = b\nbuild x y\n").starts_with("build.ninja:2: a build statement is"));
        assert!(message("what is this\n").contains("NAME = VALUE"));
        assert!(message("rule r\nbuild x: s y\n").starts_with("build.ninja:2: no rule is named s"));
        assert!(message("include gone\n").starts_with("build.ninja:1: gone is not there"));
    }

    #[test]
    fn rules_that_name_themselves_end() {
        let text = "rule r\n  a = $b\n  b = $a\n  command = $a\nbuild x: r\n";
        // What is not compiled, and needed by nothing that is, is left out.
        assert!(graph_of(text).unwrap().nodes.is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(build |rule |  |include |\\$|:|\\||=|\\PC{0,6}|\n){0,30}") {
            let _ = graph_of(&text);
        }
    }
}
