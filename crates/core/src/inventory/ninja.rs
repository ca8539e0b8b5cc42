//! Translation units, archives and links of a `build.ninja`.
//!
//! Reads the language that ninja's manual describes: rules, build statements, variables, `include`
//! and `subninja`, whose variables are not kept apart here. Does not know files: included ones are
//! asked for, and what a command compiles is told by `unit`.

mod ring;
mod text;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use typed_arena::Arena;

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
    let texts = Arena::new();
    let mut reader = Reader::new(&texts);
    reader.file(file, text, files, 0)?;
    graph(&reader.read, directory, files)
}

/// Names and values in the order in which they are set.
type Variables<'t> = Vec<(&'t str, Cow<'t, str>)>;

/// What build files say. A large one has millions of words, so they stay where they stand.
#[derive(Debug, Default)]
struct Read<'t> {
    variables: HashMap<&'t str, Cow<'t, str>>,
    rules: HashMap<&'t str, Variables<'t>>,
    statements: Vec<Statement<'t>>,
    /// Names of the files.
    files: Vec<String>,
}

struct Reader<'t> {
    read: Read<'t>,
    /// Texts of included files, and lines that were joined.
    texts: &'t Arena<String>,
}

/// `build OUTPUTS: RULE INPUTS | IMPLICIT || ORDER-ONLY`.
#[derive(Debug, Default)]
struct Statement<'t> {
    rule: &'t str,
    outputs: Vec<Cow<'t, str>>,
    /// Outputs that are not part of `$out`.
    implicit_outputs: Vec<Cow<'t, str>>,
    inputs: Vec<Cow<'t, str>>,
    /// Everything else that must be there first.
    others: Vec<Cow<'t, str>>,
    variables: Variables<'t>,
    /// Where it stands: a place in the reader's files, and a line.
    file: usize,
    line: usize,
}

impl Statement<'_> {
    fn all_outputs(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().chain(&self.implicit_outputs).map(AsRef::as_ref)
    }
}

/// What indented lines belong to.
enum Block<'t> {
    Nothing,
    Rule(&'t str),
    Statement,
}

impl<'t> Reader<'t> {
    fn new(texts: &'t Arena<String>) -> Self {
        Self { read: Read::default(), texts }
    }

    fn file(
        &mut self,
        file: &str,
        text: &'t str,
        files: &mut Files<'_>,
        depth: usize,
    ) -> Result<(), InventoryError> {
        let at = self.read.files.len();
        self.read.files.push(file.to_owned());
        let mistake = |line: usize, message: String| InventoryError::Line {
            file: file.to_owned(),
            line,
            message,
        };
        let mut block = Block::Nothing;
        let mut last = 0;
        for Line { number, indented, text } in lines(text) {
            let mistake_here = |message: String| mistake(number, message);
            let text = match text {
                Cow::Borrowed(text) => text,
                Cow::Owned(joined) => self.texts.alloc(joined).as_str(),
            };
            if indented {
                self.variable_of(&block, text).map_err(mistake_here)?;
                last = number;
                continue;
            }
            self.read.check(&block).map_err(|message| mistake(last, message))?;
            last = number;
            block = Block::Nothing;
            match text.split_once(' ').unwrap_or((text, "")) {
                ("rule", name) => {
                    self.read.rules.insert(name.trim(), Vec::new());
                    block = Block::Rule(name.trim());
                }
                ("build", rest) => {
                    let statement = self.read.statement(rest).map_err(mistake_here)?;
                    self.read.statements.push(Statement { file: at, line: number, ..statement });
                    block = Block::Statement;
                }
                ("include" | "subninja", name) if depth < DEEPEST => {
                    let name = self.read.expanded(name.trim());
                    let text = (files.read)(&name).ok_or_else(|| {
                        mistake_here(format!("{name} is not there; configure again"))
                    })?;
                    self.file(&name, self.texts.alloc(text), files, depth + 1)?;
                }
                ("pool" | "default" | "include" | "subninja", _) => {}
                _ => self.variable(text).map_err(mistake_here)?,
            }
        }
        self.read.check(&block).map_err(|message| mistake(last, message))
    }

    fn variable(&mut self, line: &'t str) -> Result<(), String> {
        let (name, value) = assignment(line)?;
        let value = self.read.expanded(value);
        self.read.variables.insert(name, value);
        Ok(())
    }

    fn variable_of(&mut self, block: &Block<'t>, line: &'t str) -> Result<(), String> {
        let (name, value) = assignment(line)?;
        match block {
            // The variables of a rule are expanded where it is used.
            Block::Rule(rule) => {
                self.read.rules.entry(rule).or_default().push((name, Cow::Borrowed(value)));
            }
            Block::Statement => {
                let value = self.read.expanded(value);
                if let Some(statement) = self.read.statements.last_mut() {
                    statement.variables.push((name, value));
                }
            }
            Block::Nothing => {}
        }
        Ok(())
    }
}

impl<'t> Read<'t> {
    fn mistake(&self, statement: &Statement<'_>, message: String) -> InventoryError {
        let file = self.files.get(statement.file).cloned().unwrap_or_default();
        InventoryError::Line { file, line: statement.line, message }
    }

    /// Refuses a rule that ends without saying what it runs.
    fn check(&self, block: &Block<'_>) -> Result<(), String> {
        let Block::Rule(name) = block else { return Ok(()) };
        match self.rules.get(name).and_then(|rule| last(rule, "command")) {
            Some(_) => Ok(()),
            None => Err(format!("rule {name} has no command: `command = ...` belongs here")),
        }
    }

    /// A text with the file's variables replaced.
    fn expanded(&self, text: &'t str) -> Cow<'t, str> {
        if !text.contains('$') {
            return Cow::Borrowed(text);
        }
        let mut expanded = String::with_capacity(text.len());
        expand(text, &|name, out| self.global(name, out), &mut expanded);
        Cow::Owned(expanded)
    }

    /// The value of a variable of the file itself.
    fn global(&self, name: &str, out: &mut String) {
        out.push_str(self.variables.get(name).map_or("", |value| value));
    }

    fn statement(&self, text: &'t str) -> Result<Statement<'t>, String> {
        let value = |name: &str, out: &mut String| self.global(name, out);
        let (outputs, rest) = paths(text, &value);
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
        let (inputs, _) = paths(inputs, &value);
        let [outputs, implicit_outputs, ..] = outputs;
        let [inputs, implicit, order, _] = inputs;
        Ok(Statement {
            rule,
            outputs,
            implicit_outputs,
            inputs,
            others: [implicit, order].concat(),
            ..Statement::default()
        })
    }

    fn command(&self, statement: &Statement<'_>) -> String {
        let mut command = String::new();
        self.write_value("command", statement, 0, &mut command);
        command
    }

    fn write_value(&self, name: &str, statement: &Statement<'_>, depth: usize, out: &mut String) {
        match name {
            "in" => return out.push_str(&statement.inputs.join(" ")),
            "out" => return out.push_str(&statement.outputs.join(" ")),
            _ => {}
        }
        let rule = self.rules.get(statement.rule);
        match (last(&statement.variables, name), rule.and_then(|rule| last(rule, name))) {
            (Some(value), _) => out.push_str(value),
            (None, Some(value)) if depth < DEEPEST => {
                expand(value, &|name, out| self.write_value(name, statement, depth + 1, out), out);
            }
            (None, Some(_)) => {}
            (None, None) => self.global(name, out),
        }
    }
}

/// The value that a variable was given last.
fn last<'a>(variables: &'a Variables<'_>, name: &str) -> Option<&'a str> {
    variables.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| value.as_ref())
}

fn assignment(line: &str) -> Result<(&str, &str), String> {
    let (name, value) = line
        .split_once('=')
        .ok_or("not a statement of ninja: a variable is written NAME = VALUE")?;
    Ok((name.trim(), value.trim_start()))
}

fn graph(
    read: &Read<'_>,
    directory: &Path,
    files: &mut Files<'_>,
) -> Result<Graph, InventoryError> {
    let mut builder = GraphBuilder::default();
    let mut by_output: HashMap<&str, u32> = HashMap::new();
    let nodes: Vec<Option<Node>> =
        read.statements.par_iter().map(|statement| node(read, statement, directory)).collect();
    for (statement, node) in read.statements.iter().zip(nodes) {
        let Some(mut node) = node else { continue };
        if let Some(source) = source(statement, node.kind) {
            node = node.sized((files.size)(&directory.join(source)));
        }
        let place = builder.add(node);
        for output in statement.all_outputs() {
            if by_output.insert(output, place).is_some() {
                return Err(
                    read.mistake(statement, format!("another statement makes {output} already"))
                );
            }
        }
    }
    let mut link_sizes: HashMap<u32, u64> = HashMap::new();
    for statement in &read.statements {
        let place = |path: &Cow<'_, str>| by_output.get(&**path).copied();
        let Some(own) = statement.all_outputs().find_map(|path| by_output.get(path).copied())
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
    let graph = builder.finish();
    if let Some(ring) = ring::ring(&graph) {
        return Err(needs_itself(read, &by_output, &graph, &ring));
    }
    // Build files have statements for themselves, for cleaning and for help.
    Ok(graph.needed_by(Node::is_compiled))
}

fn needs_itself(
    read: &Read<'_>,
    by_output: &HashMap<&str, u32>,
    graph: &Graph,
    ring: &[u32],
) -> InventoryError {
    let makes_first = |statement: &&Statement<'_>| {
        let place = statement.all_outputs().find_map(|output| by_output.get(output));
        place.is_some() && place == ring.first()
    };
    let label = |place: &u32| graph.nodes.get(*place as usize).map(|node| node.label.as_str());
    let names: Vec<&str> = ring.iter().chain(ring.first()).filter_map(label).collect();
    let statement = read.statements.iter().find(makes_first);
    read.mistake(
        statement.unwrap_or(&Statement::default()),
        format!("this needs itself: {}", names.join(" <- ")),
    )
}

/// What a translation unit compiles.
fn source<'a>(statement: &'a Statement<'_>, kind: Kind) -> Option<&'a str> {
    statement.inputs.first().filter(|_| kind == Kind::TranslationUnit).map(AsRef::as_ref)
}

/// What a statement makes, yet without its size; nothing without an output.
fn node(read: &Read<'_>, statement: &Statement<'_>, directory: &Path) -> Option<Node> {
    let output = statement.all_outputs().next()?;
    let id = format!("c:{}", directory.join(output).display());
    if statement.rule == "phony" {
        return Some(Node::new(Language::CFamily, Kind::Group, id, output));
    }
    let argv = first_command(&read.command(statement));
    let invocation =
        Invocation { argv: &argv, cwd: directory, environment: &[], stdin_is_source: false };
    let command = unit::recognise(&invocation);
    let kind = match output.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "o" | "obj" | "pcm" | "gch" | "pch" => Kind::TranslationUnit,
        "a" | "lib" => Kind::Archive,
        _ if matches!(command, unit::Kind::Unit(_)) => Kind::Link,
        _ => Kind::Generated,
    };
    let above = directory.parent().unwrap_or(directory);
    let label = source(statement, kind).map_or(output, |source| {
        let below =
            [directory, above].iter().find_map(|dir| Path::new(source).strip_prefix(dir).ok());
        below.and_then(Path::to_str).unwrap_or(source)
    });
    Some(Node::new(Language::CFamily, kind, id, label).with_command(command))
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
        assert!(
            message("rule r\n command = c\nbuild x: s y\n")
                .starts_with("build.ninja:3: no rule is named s")
        );
        assert!(message("include gone\n").starts_with("build.ninja:1: gone is not there"));
        assert!(message("rule r\n  pool = x\na = b\n").starts_with("build.ninja:2: rule r has no"));
        let twice = format!("{RULES}build a | b: AR c\nbuild d: AR c\nbuild b: AR c\n");
        let ring = format!("{RULES}build a: AR b\nbuild b: AR | c\nbuild c d: AR || b\n");
        assert_eq!(message(&ring), "build.ninja:11: this needs itself: b <- c <- b");
        assert!(message(&twice).starts_with("build.ninja:12: another statement makes b already"));
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
