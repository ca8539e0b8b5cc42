//! Go: packages that `go list -deps -json` tells, or the modules of `go.mod` and `go.sum`.
//!
//! Does not run go. Packages of the standard library that come compiled are prebuilt.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Graph, GraphBuilder, InventoryError, Kind, Language, Node};
use crate::unit::{Invocation, recognise};
use crate::units::Bytes;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Package {
    import_path: String,
    name: String,
    dir: PathBuf,
    standard: bool,
    stale: bool,
    target: String,
    module: Option<Module>,
    go_files: Vec<String>,
    cgo_files: Vec<String>,
    c_files: Vec<String>,
    #[serde(rename = "CXXFiles")]
    cxx_files: Vec<String>,
    s_files: Vec<String>,
    imports: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Module {
    path: String,
    version: String,
    main: bool,
}

impl Package {
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let all = [&self.go_files, &self.cgo_files, &self.c_files, &self.cxx_files, &self.s_files];
        all.into_iter().flatten().map(|name| self.dir.join(name))
    }

    /// Compiled together with the toolchain and not out of date.
    fn is_there(&self) -> bool {
        // The compiler knows `unsafe` without its source.
        let is_built_in = self.import_path == "unsafe";
        is_built_in || (self.standard && !self.stale && !self.target.is_empty())
    }

    fn package(&self) -> String {
        match &self.module {
            Some(module) if module.main || module.version.is_empty() => module.path.clone(),
            Some(module) => format!("{}@{}", module.path, module.version),
            None => "std".to_owned(),
        }
    }
}

/// The graph of what `go list -deps -json` prints. `version` is go's own (`go1.24.2`), which is part
/// of a unit's key; `size` tells how many bytes a file has.
pub fn packages(
    file: &str,
    text: &str,
    version: Option<&str>,
    size: &mut dyn FnMut(&Path) -> Option<u64>,
) -> Result<Graph, InventoryError> {
    let all: Result<Vec<Package>, serde_json::Error> =
        serde_json::Deserializer::from_str(text).into_iter().collect();
    let all = all.map_err(|error| InventoryError::Json {
        file: file.to_owned(),
        line: error.line().max(1),
        column: error.column().max(1),
        wanted: "`go list -deps -json` prints",
        message: super::without_place(&error.to_string()),
    })?;
    let mut builder = GraphBuilder::default();
    for package in &all {
        add(&mut builder, package, version, size);
    }
    for package in &all {
        let own = builder.place(&id(&package.import_path));
        for path in &package.imports {
            if let (Some(own), Some(needed)) = (own, builder.place(&id(path))) {
                builder.needs(own, needed);
            }
        }
        if let (Some(link), Some(own)) = (builder.place(&link_id(&package.import_path)), own) {
            builder.needs(link, own);
        }
    }
    let mut graph = builder.finish();
    size_links(&mut graph);
    Ok(graph)
}

/// A program is as large as all packages that it is linked from, whoever compiled them.
fn size_links(graph: &mut Graph) {
    let starts = graph.starts();
    let is_link = |(at, node): (u32, &Node)| (node.kind == Kind::Link).then_some(at);
    let links: Vec<u32> = (0..).zip(&graph.nodes).filter_map(is_link).collect();
    for link in links {
        let linked = graph.reached(&starts, vec![link], |_| true);
        let sizes = graph.nodes.iter().zip(linked).filter(|(_, linked)| *linked);
        let bytes = sizes.filter_map(|(node, _)| node.size_bytes).map(|size| size.0).sum();
        if let Some(node) = graph.nodes.get_mut(link as usize) {
            node.size_bytes = Some(Bytes(bytes));
        }
    }
}

fn id(path: &str) -> String {
    format!("go:{path}")
}

fn link_id(path: &str) -> String {
    format!("go:{path} (link)")
}

fn add(
    builder: &mut GraphBuilder,
    package: &Package,
    version: Option<&str>,
    size: &mut dyn FnMut(&Path) -> Option<u64>,
) {
    let bytes = package.files().filter_map(|file| size(&file)).sum();
    let path = &package.import_path;
    let compile = Node::new(Language::Go, Kind::Package, id(path), path)
        .in_package(package.package())
        .sized(Some(bytes));
    let mut compile = keyed(compile, package, &compile_arguments(package, version));
    compile.prebuilt = package.is_there();
    builder.add(compile);
    if package.name == "main" && !package.standard {
        let program = path.rsplit('/').next().unwrap_or_default();
        let link = Node::new(Language::Go, Kind::Link, link_id(path), program)
            .in_package(package.package());
        let arguments = ["link", "-o", "a.out", "-buildmode=exe", "_pkg_.a"].map(str::to_owned);
        builder.add(keyed(link, package, &arguments));
    }
}

/// The arguments that decide the key, as `go build` of Go 1.19 to 1.24 gives them.
fn compile_arguments(package: &Package, version: Option<&str>) -> Vec<String> {
    let own = if package.name == "main" { "main" } else { &package.import_path };
    let mut arguments = ["compile", "-p", own].map(str::to_owned).to_vec();
    if let Some(version) = version {
        arguments.extend(["-goversion".to_owned(), version.to_owned()]);
    }
    let files = package.go_files.iter().map(|name| package.dir.join(name));
    arguments.extend(files.map(|file| file.to_string_lossy().into_owned()));
    arguments
}

fn keyed(node: Node, package: &Package, arguments: &[String]) -> Node {
    let mut argv = arguments.to_vec();
    if let Some(tool) = argv.first_mut() {
        // Only tools in a Go installation are taken for Go's.
        *tool = format!("/go/pkg/tool/linux_amd64/{tool}");
    }
    let environment = [("TOOLEXEC_IMPORTPATH".to_owned(), package.import_path.clone())];
    node.with_command(recognise(&Invocation {
        argv: &argv,
        cwd: &package.dir,
        environment: &environment,
        stdin_is_source: false,
    }))
}

/// The modules of a `go.mod`, with those of its `go.sum` that it does not name. Older go.mod files
/// list only direct requirements.
pub fn modules(file: &str, text: &str, sum: Option<&str>) -> Result<Graph, InventoryError> {
    let mut builder = GraphBuilder::default();
    let mut block = None;
    let mut own = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.split("//").next().unwrap_or_default().trim();
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches('"')).collect();
        match (block, words.as_slice()) {
            (_, []) => {}
            (_, [")"]) => block = None,
            (None, ["module", path]) => own = Some(module(&mut builder, path, None)),
            (None, [verb, "("]) => block = Some(*verb),
            (Some("require"), [path, version]) | (None, ["require", path, version]) => {
                let needed = module(&mut builder, path, Some(version));
                if let Some(own) = own {
                    builder.needs(own, needed);
                }
            }
            (Some("require"), _) | (None, ["require", ..]) => {
                return Err(InventoryError::Line {
                    file: file.to_owned(),
                    line: at + 1,
                    message: "a requirement is a module's path and its version".to_owned(),
                });
            }
            _ => {}
        }
    }
    // `path version hash` is about a module's content, `path version/go.mod hash` about its go.mod.
    for line in sum.unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        if let (Some(path), Some(version)) = (words.next(), words.next()) {
            let is_named = builder.place(&format!("go:{path}@{version}")).is_some();
            if !version.ends_with("/go.mod") && !is_named {
                module(&mut builder, path, Some(version));
            }
        }
    }
    Ok(builder.finish())
}

fn module(builder: &mut GraphBuilder, path: &str, version: Option<&str>) -> u32 {
    let named = version.map_or_else(|| path.to_owned(), |version| format!("{path}@{version}"));
    let mut node = Node::new(Language::Go, Kind::Module, format!("go:{named}"), &named);
    // Modules are fetched as source and compiled here.
    node.prebuilt = false;
    builder.add(node.in_package(named))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIST: &str = r#"
{"Dir": "/usr/lib/go/src/fmt", "ImportPath": "fmt", "Name": "fmt", "Standard": true, "Target": "/usr/lib/go/pkg/fmt.a", "GoFiles": ["print.go"]}
{"Dir": "/m/yaml@v3.0.1", "ImportPath": "gopkg.in/yaml.v3", "Name": "yaml", "Module": {"Path": "gopkg.in/yaml.v3", "Version": "v3.0.1"}, "GoFiles": ["decode.go"], "Imports": ["fmt"]}
{"Dir": "/p", "ImportPath": "demo", "Name": "main", "Module": {"Path": "demo", "Main": true}, "GoFiles": ["main.go", "b.go"], "Imports": ["fmt", "gopkg.in/yaml.v3", "C"]}
"#;

    #[test]
    fn packages_programs_and_the_standard_library() {
        let graph = packages("g", LIST, Some("go1.24.2"), &mut |_| Some(10)).unwrap();
        let shown: Vec<_> =
            graph.nodes.iter().map(|n| (n.label.as_str(), n.kind, n.prebuilt)).collect();
        assert_eq!(
            shown,
            [
                ("fmt", Kind::Package, true),
                ("gopkg.in/yaml.v3", Kind::Package, false),
                ("demo", Kind::Package, false),
                ("demo", Kind::Link, false),
            ]
        );
        assert_eq!(graph.needs()[2..], [vec![0, 1], vec![2]]);
        // Two files of its own; a program is as large as all that is linked.
        let bytes = |at: usize| graph.nodes[at].size_bytes.map(|bytes| bytes.0);
        assert_eq!((bytes(2), bytes(3)), (Some(20), Some(40)));
        let key = graph.nodes[1].key.as_deref().unwrap();
        assert!(key.starts_with("go compile gopkg.in/yaml.v3@3.0.1 "), "{key}");
        assert!(graph.nodes[3].key.is_some());
    }

    /// What `go build -x` of Go 1.19 prints for a package, behind `-toolexec`.
    #[test]
    fn the_key_is_that_of_the_real_command() {
        let line = "/usr/lib/go-1.19/pkg/tool/linux_amd64/compile -o /tmp/b/_pkg_.a -trimpath /tmp/b=> -p gopkg.in/yaml.v3 -lang=go1.15 -complete -buildid x/x -goversion go1.19.8 -c=2 -nolocalimports -importcfg /tmp/b/importcfg -pack /m/yaml@v3.0.1/decode.go";
        let argv: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let environment = [("TOOLEXEC_IMPORTPATH".to_owned(), "gopkg.in/yaml.v3".to_owned())];
        let real = recognise(&Invocation {
            argv: &argv,
            cwd: Path::new("/m/yaml@v3.0.1"),
            environment: &environment,
            stdin_is_source: false,
        });
        let crate::unit::Kind::Unit(real) = real else { unreachable!("a unit") };
        let graph = packages("g", LIST, Some("go1.19.8"), &mut |_| None).unwrap();
        assert_eq!(graph.nodes[1].key, Some(real.key));
    }

    #[test]
    fn modules_without_go() {
        let text = "module example.org/demo // me\n\ngo 1.24\n\nrequire (\n\ta.org/a v1.0.0\n\tb.org/b v2.0.0 // indirect\n)\nrequire c.org/c v0.1.0\n";
        let sum = "a.org/a v1.0.0 h1:x\na.org/a v1.0.0/go.mod h1:x\nd.org/d v1.0.0 h1:x\n";
        let graph = modules("go.mod", text, Some(sum)).unwrap();
        let labels: Vec<_> = graph.nodes.iter().map(|node| node.label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "example.org/demo",
                "a.org/a@v1.0.0",
                "b.org/b@v2.0.0",
                "c.org/c@v0.1.0",
                "d.org/d@v1.0.0"
            ]
        );
        assert_eq!(graph.needs()[0], [1, 2, 3]);
        let error = modules("go.mod", "require x\n", None).unwrap_err().to_string();
        assert!(error.starts_with("go.mod:1: a requirement"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(module|require|[({)}\"]|\\PC{0,8}|[ \n]){0,20}") {
            let _ = (modules("f", &text, Some(&text)).is_ok(), packages("f", &text, None, &mut |_| None).is_ok());
        }
    }
}
