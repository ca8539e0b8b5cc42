//! `CMakeUserPresets.json`: one configure and one build preset named `ironwright`.
//!
//! Everything else in the file keeps its order and value. A preset of that name that does not
//! carry our vendor mark is the user's. Does not know what cache variables mean.

use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Value, json};

use super::{Edited, EmitError, Entry, Kept};

/// Name of both presets.
const NAME: &str = "ironwright";
/// Lowest version of the file that knows every field that is written (CMake 3.21).
const VERSION: u64 = 3;

/// What the presets say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presets {
    /// Cache variables of the configure preset.
    pub cache: Vec<Entry>,
    /// Jobs of the build preset.
    pub jobs: Option<u64>,
}

/// The file with our presets in it. `project` is the text of `CMakePresets.json`, whose presets
/// share one space of names with the user's.
pub fn presets(
    before: Option<&str>,
    project: Option<&str>,
    wanted: &Presets,
) -> Result<Edited, EmitError> {
    if let Some(line) = project.and_then(defines) {
        let message = format!("the project defines a preset \"{NAME}\" itself");
        return Err(EmitError::Elsewhere { file: "CMakePresets.json".to_owned(), line, message });
    }
    let text = before.unwrap_or_default();
    let mut file = parse(text)?;
    let mut kept = Vec::new();
    put(&mut file, text, "configurePresets", configure(wanted), &mut kept)?;
    put(&mut file, text, "buildPresets", build(wanted), &mut kept)?;
    // Values alike mean that nothing is to be done, whatever the file's own layout is.
    if before.is_some() && parse(text)? == file {
        return Ok(Edited { text: text.to_owned(), kept });
    }
    Ok(Edited { text: print(&file, text)?, kept })
}

fn parse(text: &str) -> Result<Map<String, Value>, EmitError> {
    if text.trim().is_empty() {
        return Ok(Map::from_iter([("version".to_owned(), json!(VERSION))]));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| EmitError::Syntax {
        line: error.line().max(1),
        column: error.column().max(1),
        message: format!("not valid JSON: {error}"),
    })?;
    let Value::Object(file) = value else {
        return Err(shape(1, "presets are a JSON object: { \"version\": 3, … }"));
    };
    match file.get("version").and_then(Value::as_u64) {
        Some(version) if version >= VERSION => Ok(file),
        _ => Err(shape(
            line_of(text, "\"version\""),
            "presets of ironwright need \"version\": 3 or newer (CMake 3.21)",
        )),
    }
}

fn shape(line: usize, message: &str) -> EmitError {
    EmitError::Shape { line, message: message.to_owned() }
}

fn line_of(text: &str, wanted: &str) -> usize {
    text.lines().position(|line| line.contains(wanted)).map_or(1, |at| at + 1)
}

/// The line in which a file of presets defines ours.
fn defines(text: &str) -> Option<usize> {
    let file: Value = serde_json::from_str(text).ok()?;
    let lists = ["configurePresets", "buildPresets"];
    let has = |list: &str| {
        file.get(list).and_then(Value::as_array).is_some_and(|l| l.iter().any(is_named))
    };
    lists.into_iter().any(has).then(|| line_of(text, &format!("\"{NAME}\"")))
}

fn is_named(preset: &Value) -> bool {
    preset.get("name").and_then(Value::as_str) == Some(NAME)
}

fn is_ours(preset: &Value) -> bool {
    preset.get("vendor").and_then(|vendor| vendor.get(NAME)).is_some()
}

fn vendor() -> Value {
    json!({NAME: {"written-by": "ironwright emit cmake"}})
}

fn configure(wanted: &Presets) -> Value {
    let cache: Map<String, Value> = wanted
        .cache
        .iter()
        .map(|entry| (entry.key.clone(), Value::from(entry.value.as_str())))
        .collect();
    json!({
        "name": NAME,
        "displayName": "Settings that ironwright derived for this host",
        "binaryDir": "${sourceDir}/build/ironwright",
        "cacheVariables": cache,
        "vendor": vendor(),
    })
}

fn build(wanted: &Presets) -> Value {
    let mut preset = json!({"name": NAME, "configurePreset": NAME});
    if let Some(jobs) = wanted.jobs {
        preset["jobs"] = json!(jobs);
    }
    preset["vendor"] = vendor();
    preset
}

fn put(
    file: &mut Map<String, Value>,
    text: &str,
    list: &str,
    preset: Value,
    kept: &mut Vec<Kept>,
) -> Result<(), EmitError> {
    let entry = file.entry(list).or_insert_with(|| json!([]));
    let Value::Array(presets) = entry else {
        return Err(shape(
            line_of(text, &format!("\"{list}\"")),
            &format!("{list} must be a list"),
        ));
    };
    match presets.iter_mut().find(|p| is_named(p)) {
        None => presets.push(preset),
        Some(own) if is_ours(own) => *own = preset,
        Some(theirs) => kept.push(Kept {
            key: format!("{list}.{NAME}"),
            line: line_of(text, &format!("\"{NAME}\"")),
            theirs: theirs.to_string(),
            ours: preset.to_string(),
        }),
    }
    Ok(())
}

/// Prints with the indentation of the present text.
fn print(file: &Map<String, Value>, before: &str) -> Result<String, EmitError> {
    let indent = before
        .lines()
        .map(|line| &line[..line.len() - line.trim_start().len()])
        .find(|indent| !indent.is_empty())
        .unwrap_or("  ");
    let mut out = Vec::new();
    let mut printer = serde_json::Serializer::with_formatter(
        &mut out,
        PrettyFormatter::with_indent(indent.as_bytes()),
    );
    let unwritable = |message: String| EmitError::Unwritable { key: NAME.to_owned(), message };
    file.serialize(&mut printer).map_err(|error| unwritable(error.to_string()))?;
    let mut text = String::from_utf8(out).map_err(|error| unwritable(error.to_string()))?;
    if before.is_empty() || before.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wanted() -> Presets {
        Presets { cache: vec![Entry::new("CMAKE_C_FLAGS", "-march=skylake")], jobs: Some(6) }
    }

    #[test]
    fn a_new_file_has_both_presets() {
        insta::assert_snapshot!(presets(None, None, &wanted()).unwrap().text, @r#"
        {
          "version": 3,
          "configurePresets": [
            {
              "name": "ironwright",
              "displayName": "Settings that ironwright derived for this host",
              "binaryDir": "${sourceDir}/build/ironwright",
              "cacheVariables": {
                "CMAKE_C_FLAGS": "-march=skylake"
              },
              "vendor": {
                "ironwright": {
                  "written-by": "ironwright emit cmake"
                }
              }
            }
          ],
          "buildPresets": [
            {
              "name": "ironwright",
              "configurePreset": "ironwright",
              "jobs": 6,
              "vendor": {
                "ironwright": {
                  "written-by": "ironwright emit cmake"
                }
              }
            }
          ]
        }
        "#);
    }

    #[test]
    fn other_presets_keep_order_value_and_indentation() {
        let before = "{\n    \"version\": 6,\n    \"z\": 1,\n    \"configurePresets\": [ {\"name\": \"mine\", \"binaryDir\": \"b\"} ],\n    \"a\": 2\n}";
        let once = presets(Some(before), None, &wanted()).unwrap().text;
        assert!(once.contains("\n    \"z\": 1,") && once.contains("\"mine\""), "{once}");
        assert!(once.find("\"z\"") < once.find("\"a\""));
        assert_eq!(presets(Some(&once), None, &wanted()).unwrap().text, once);
    }

    #[test]
    fn a_preset_of_the_users_is_kept() {
        let before = "{\"version\": 3, \"configurePresets\": [\n{\"name\": \"ironwright\"}]}";
        let edited = presets(Some(before), None, &wanted()).unwrap();
        assert_eq!((edited.kept.len(), edited.kept[0].line), (1, 2));
    }

    #[test]
    fn what_cannot_be_edited_says_why() {
        let line = |before: &str| presets(Some(before), None, &wanted()).unwrap_err().line();
        assert_eq!(line("{\n\"version\": 2}"), Some(2));
        assert_eq!(line("{\n\n,}"), Some(3));
        assert_eq!(line("[]"), Some(1));
        let project = "{\"version\": 3,\n\"buildPresets\": [{\"name\": \"ironwright\"}]}";
        assert!(matches!(
            presets(None, Some(project), &wanted()),
            Err(EmitError::Elsewhere { line: 2, .. })
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_edited_without_a_panic(before in "\\PC{0,60}") {
            let _ = presets(Some(&before), Some(&before), &wanted());
        }
    }
}
