//! Tests of the CMake emitter: what is kept, what is restored, and any text at all.
//! Does not read or write files: texts go in and come out.

use proptest::prelude::*;

use super::*;

fn preset() -> Preset {
    Preset {
        cache_variables: vec![
            Entry::new("CMAKE_BUILD_TYPE", "Release"),
            Entry::new("CMAKE_CXX_FLAGS", "-march=skylake"),
        ],
        environment: vec![Entry::new("CCACHE_NODEPEND", "1")],
        jobs: Some(6),
    }
}

fn emit(before: &str, preset: Option<&Preset>) -> Edited {
    cmake_user_presets(Some(before), None, preset).expect("emits")
}

/// Emits, checks that a second time changes nothing, that the result is JSON in which all else is
/// the same, and that taking the presets out again restores the text.
fn emit_and_restore(before: &str) -> String {
    let once = emit(before, Some(&preset()));
    assert_eq!(emit(&once.text, Some(&preset())), once, "idempotent");
    let ours = read(&once.text).expect("parses");
    assert!(ours.iter().any(|m| m.name == "buildPresets"), "{}", once.text);
    assert_eq!(emit(&once.text, None).text, before, "restored from\n{}", once.text);
    once.text
}

#[test]
fn a_new_file() {
    let edited = cmake_user_presets(None, None, Some(&preset())).expect("emits");
    insta::assert_snapshot!(edited.text, @r#"
        {
          "version": 3,
          "configurePresets": [
            {
              "name": "ironwright",
              "vendor": {
                "ironwright": {
                  "written-by": "ironwright emit cmake"
                }
              },
              "binaryDir": "${sourceDir}/build/ironwright",
              "cacheVariables": {
                "CMAKE_BUILD_TYPE": "Release",
                "CMAKE_CXX_FLAGS": "-march=skylake"
              },
              "environment": {
                "CCACHE_NODEPEND": "1"
              }
            }
          ],
          "buildPresets": [
            {
              "name": "ironwright",
              "vendor": {
                "ironwright": {
                  "written-by": "ironwright emit cmake"
                }
              },
              "configurePreset": "ironwright",
              "jobs": 6
            }
          ]
        }
        "#);
    assert_eq!(emit(&edited.text, Some(&preset())), edited);
    assert_eq!(emit(&edited.text, None).text, "{\n  \"version\": 3\n}\n");
    assert_eq!(cmake_user_presets(None, None, None).expect("emits").text, "");
}

#[test]
fn a_typical_file_keeps_its_layout() {
    let before = r#"{
    "version": 6, "cmakeMinimumRequired": {"major": 3, "minor": 25},
    "configurePresets": [
        { "name": "dev", "inherits": ["a", "b"], "binaryDir": "x" }
    ],
    "vendor": { "n": 1.50, "big": 123456789012345678901234567890, "s": "\u00e9" }
}"#;
    insta::assert_snapshot!(emit_and_restore(before), @r#"
        {
            "version": 6, "cmakeMinimumRequired": {"major": 3, "minor": 25},
            "configurePresets": [
                { "name": "dev", "inherits": ["a", "b"], "binaryDir": "x" },
                {
                    "name": "ironwright",
                    "vendor": {
                        "ironwright": {
                            "written-by": "ironwright emit cmake"
                        }
                    },
                    "binaryDir": "${sourceDir}/build/ironwright",
                    "cacheVariables": {
                        "CMAKE_BUILD_TYPE": "Release",
                        "CMAKE_CXX_FLAGS": "-march=skylake"
                    },
                    "environment": {
                        "CCACHE_NODEPEND": "1"
                    }
                }
            ],
            "vendor": { "n": 1.50, "big": 123456789012345678901234567890, "s": "\u00e9" },
            "buildPresets": [
                {
                    "name": "ironwright",
                    "vendor": {
                        "ironwright": {
                            "written-by": "ironwright emit cmake"
                        }
                    },
                    "configurePreset": "ironwright",
                    "jobs": 6
                }
            ]
        }
        "#);
}

#[test]
fn tabs_and_line_endings_are_kept() {
    let text = emit_and_restore("{\r\n\t\"version\": 4\r\n}\r\n");
    assert!(text.contains("\r\n\t\t\t\"name\": \"ironwright\",\r\n"), "{text}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    emit_and_restore("\u{feff}{\"version\":3}");
    emit_and_restore("{\"buildPresets\":[{\"name\":\"x\"}],\"version\":10}");
}

#[test]
fn our_preset_is_updated_in_place() {
    let text = emit("{\"version\": 3, \"buildPresets\": [1, 2]}", Some(&preset())).text;
    let text = text.replace("}],", "}, {\"name\": \"after\"}],");
    assert!(text.contains("after"), "{text}");
    let fewer = Preset { jobs: Some(2), ..preset() };
    let updated = emit(&text, Some(&fewer)).text;
    assert_eq!(updated, text.replace("\"jobs\": 6", "\"jobs\": 2"));
}

#[test]
fn a_preset_of_the_user_is_kept_and_reported() {
    let before =
        "{\n  \"version\": 3,\n  \"configurePresets\": [\n    {\"name\": \"ironwright\"}\n  ]\n}\n";
    let edited = emit(before, Some(&preset()));
    assert_eq!(edited.kept.len(), 1);
    assert_eq!(
        (edited.kept[0].key.as_str(), edited.kept[0].line),
        ("configurePresets.ironwright", 4)
    );
    assert!(edited.text.contains("{\"name\": \"ironwright\"}"));
    assert!(edited.text.contains("\"configurePreset\": \"ironwright\""));
    assert_eq!(emit(&edited.text, None).text, before);
}

#[test]
fn an_old_version_is_explained() {
    for version in ["1", "2", "\"3\"", "-1"] {
        let before = format!("{{\n\"version\": {version}}}");
        let error = cmake_user_presets(Some(&before), None, Some(&preset())).expect_err(version);
        assert_eq!(error.line(), Some(2), "{error}");
        assert!(error.to_string().contains("3.21"), "{error}");
        assert_eq!(emit(&before, None).text, before, "nothing to write, nothing to refuse");
    }
}

#[test]
fn a_missing_version_is_added() {
    for before in ["{}", "{ }\n", "{\n  \"include\": []\n}\n", "{\"include\": []}"] {
        let text = emit(before, Some(&preset())).text;
        let value: Value = serde_json::from_str(&text).expect("parses");
        assert_eq!((&value["version"], &value["buildPresets"][0]["jobs"]), (&3.into(), &6.into()));
        assert_eq!(emit(&text, Some(&preset())).text, text);
    }
}

#[test]
fn a_project_that_takes_the_name_is_an_error() {
    let project = "{\n\"version\": 3,\n\"buildPresets\": [\n{\"name\": \"ironwright\"}]}";
    let error = cmake_user_presets(None, Some(project), Some(&preset())).expect_err("taken");
    assert!(matches!(error, EmitError::Elsewhere { line: 4, .. }), "{error}");
    assert!(cmake_user_presets(None, Some("{"), Some(&preset())).is_err());
    assert!(cmake_user_presets(None, Some("{\"version\": 2}"), Some(&preset())).is_ok());
}

#[test]
fn broken_files_are_errors_with_their_place() {
    for (before, line, column) in [
        ("{\n  \"version\": 3,\n}", 3, Some(1)),
        ("[]", 1, None),
        ("{\"version\": 3,\n\"configurePresets\": {}}", 2, None),
        ("{\"version\": 3,\n\"version\": 3}", 2, None),
    ] {
        let error = cmake_user_presets(Some(before), None, Some(&preset())).expect_err(before);
        assert_eq!((error.line(), error.column()), (Some(line), column), "{error}");
    }
}

fn other() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\,\\]}é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z\"]{1,5}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_never_panics(text in any::<String>()) {
        let _ = cmake_user_presets(Some(&text), Some(&text), Some(&preset()));
    }

    #[test]
    fn all_else_survives_and_comes_back(
        items in prop::collection::vec(other(), 0..3), more in other(),
        pretty in any::<bool>(), with_array in any::<bool>(),
    ) {
        let mut file = json!({ "version": 5, "more": more });
        if with_array && !items.is_empty() {
            file["configurePresets"] = items.clone().into();
        }
        file["last"] = items.into();
        let before = if pretty { format!("{file:#}\n") } else { file.to_string() };
        let after: Value = serde_json::from_str(&emit_and_restore(&before)).expect("parses");
        prop_assert_eq!(&after["more"], &file["more"]);
        prop_assert_eq!(&after["last"], &file["last"]);
    }
}
