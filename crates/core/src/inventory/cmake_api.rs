//! Targets of CMake's file API: translation units, archives and links of any generator.
//!
//! Reads the codemodel (version 2) of the replies below `.cmake/api/v1/reply`, as `cmake-file-api(7)`
//! describes them. Does not know compilers' paths, so units have no keys; a build file or a
//! compilation database tells more where there is one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Graph, GraphBuilder, InventoryError, Kind, Language, Node, json};

#[derive(Debug, Deserialize)]
struct Codemodel {
    configurations: Vec<Configuration>,
    paths: Paths,
}

#[derive(Debug, Deserialize)]
struct Paths {
    source: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Configuration {
    targets: Vec<TargetReference>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetReference {
    json_file: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    id: String,
    name: String,
    r#type: String,
    #[serde(default)]
    sources: Vec<Source>,
    #[serde(default)]
    dependencies: Vec<Reference>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    path: PathBuf,
    compile_group_index: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    id: String,
}

/// A codemodel as it is read: the targets lie in files of their own.
#[derive(Debug)]
pub struct Model {
    source: PathBuf,
    /// Names of the targets' files, beside that of the codemodel. Of several configurations, the
    /// first one's.
    pub target_files: Vec<String>,
}

/// Reads `codemodel-v2-*.json`.
pub fn codemodel(file: &str, text: &str) -> Result<Model, InventoryError> {
    let model: Codemodel = json(file, text, "CMake's file API writes as a codemodel")?;
    let first = model.configurations.into_iter().next();
    let targets = first.map(|configuration| configuration.targets).unwrap_or_default();
    let target_files = targets.into_iter().map(|target| target.json_file).collect();
    Ok(Model { source: model.paths.source, target_files })
}

/// The graph of a model's targets, each the name and text of its file.
pub fn graph(
    model: &Model,
    targets: &[(String, String)],
    size: &mut dyn FnMut(&Path) -> Option<u64>,
) -> Result<Graph, InventoryError> {
    let read: Result<Vec<Target>, _> = targets
        .iter()
        .map(|(file, text)| json(file, text, "CMake's file API writes as a target"))
        .collect();
    let read = read?;
    let mut builder = GraphBuilder::default();
    let mut places = HashMap::new();
    for target in &read {
        places.insert(target.id.as_str(), add(&mut builder, model, target, size));
    }
    for target in &read {
        let needs = target.dependencies.iter().filter_map(|needed| places.get(needed.id.as_str()));
        if let Some(own) = places.get(target.id.as_str()) {
            needs.for_each(|needed| builder.needs(*own, *needed));
        }
    }
    Ok(builder.finish())
}

fn add(
    builder: &mut GraphBuilder,
    model: &Model,
    target: &Target,
    size: &mut dyn FnMut(&Path) -> Option<u64>,
) -> u32 {
    let kind = match target.r#type.as_str() {
        "EXECUTABLE" | "SHARED_LIBRARY" | "MODULE_LIBRARY" => Kind::Link,
        "STATIC_LIBRARY" => Kind::Archive,
        _ => Kind::Group,
    };
    let mut sum = 0;
    let mut units = Vec::new();
    for source in target.sources.iter().filter(|source| source.compile_group_index.is_some()) {
        let path = model.source.join(&source.path);
        let bytes = size(&path);
        sum += bytes.unwrap_or(0);
        let id = format!("c:{}:{}", target.id, source.path.display());
        let label = source.path.to_string_lossy();
        let node = Node::new(Language::CFamily, Kind::TranslationUnit, id, label);
        units.push(builder.add(node.sized(bytes).in_package(&target.name)));
    }
    let node = Node::new(Language::CFamily, kind, format!("c:{}", target.id), &target.name);
    let own =
        builder.add(node.sized((kind != Kind::Group).then_some(sum)).in_package(&target.name));
    for unit in units {
        builder.needs(own, unit);
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn targets_need_their_units_and_each_other() {
        let model = codemodel(
            "c",
            r#"{"paths": {"source": "/s", "build": "/b"}, "configurations": [{"targets": [{"jsonFile": "target-a.json"}]}]}"#,
        )
        .unwrap();
        assert_eq!(model.target_files, ["target-a.json"]);
        let target = |text: &str| ("t".to_owned(), text.to_owned());
        let targets = [
            target(
                r#"{"id": "app::1", "name": "app", "type": "EXECUTABLE", "dependencies": [{"id": "z::1"}],
                   "sources": [{"path": "a.c", "compileGroupIndex": 0}, {"path": "a.h"}]}"#,
            ),
            target(r#"{"id": "z::1", "name": "z", "type": "STATIC_LIBRARY"}"#),
        ];
        let graph = graph(&model, &targets, &mut |path| (path == Path::new("/s/a.c")).then_some(9))
            .unwrap();
        let kinds: Vec<_> = graph.nodes.iter().map(|n| (n.label.as_str(), n.kind)).collect();
        assert_eq!(
            kinds,
            [("a.c", Kind::TranslationUnit), ("app", Kind::Link), ("z", Kind::Archive)]
        );
        assert_eq!(graph.needs()[1], [0, 2]);
        assert_eq!(graph.nodes[1].size_bytes.map(|b| b.0), Some(9));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,60}") {
            let _ = codemodel("f", &text).is_ok();
            let model = Model { source: "/".into(), target_files: Vec::new() };
            let _ = graph(&model, &[("f".to_owned(), text)], &mut |_| None);
        }
    }
}
