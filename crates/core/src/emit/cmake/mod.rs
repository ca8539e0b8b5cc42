//! `CMakeUserPresets.json`: a configure and a build preset named `ironwright`.
//!
//! Presets of ours carry a `vendor` mark; a preset of that name without it belongs to the user and
//! is left alone. The text is spliced, so that all else in the file stays byte for byte.
//!
//! Does not know what the cache variables mean, nor where the files stand.

mod spans;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde_json::{Map, Value, json};

use self::spans::{Member, elements, members};
use super::{Edited, EmitError, Entry, Kept, text};

/// The name of both presets.
pub const PRESET: &str = "ironwright";
/// What the `vendor` field of a preset of ours says.
const MARK: &str = "ironwright emit cmake";
/// The first version of the presets format in which a configure preset needs no generator
/// (`cmake-presets(7)`; CMake 3.21).
const VERSION: u64 = 3;

/// What the presets set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preset {
    /// `cacheVariables` of the configure preset. JSON has no comments, so that the explanations
    /// of these entries are not written.
    pub cache_variables: Vec<Entry>,
    /// `environment` of the configure preset.
    pub environment: Vec<Entry>,
    /// `jobs` of the build preset.
    pub jobs: Option<u32>,
}

/// The user presets with our presets in them, or without them for `None`. `project` is the text of
/// the `CMakePresets.json` beside it, in which the same names must not be taken.
pub fn cmake_user_presets(
    before: Option<&str>,
    project: Option<&str>,
    preset: Option<&Preset>,
) -> Result<Edited, EmitError> {
    if preset.is_some() {
        project.map_or(Ok(()), check_project)?;
    }
    let source = before.unwrap_or_default();
    if source.trim_start_matches(BOM).trim().is_empty() {
        return Ok(Edited { text: preset.map_or(source.to_owned(), new_file), kept: Vec::new() });
    }
    let mut edited = Edited { text: source.to_owned(), kept: Vec::new() };
    if preset.is_some() {
        edited.text = ensure_version(&edited.text)?;
    }
    for array in [Array::Configure, Array::Build] {
        let wanted = preset.map(|p| array.preset(p));
        let (text, kept) = set(&edited.text, array, wanted.as_ref())?;
        edited.text = text;
        edited.kept.extend(kept);
    }
    for kept in &mut edited.kept {
        kept.line = kept_line(&edited.text, &kept.key).unwrap_or(kept.line);
    }
    Ok(edited)
}

const BOM: char = '\u{feff}';

/// The two lists of presets that we take part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Array {
    Configure,
    Build,
}

impl Array {
    fn name(self) -> &'static str {
        match self {
            Self::Configure => "configurePresets",
            Self::Build => "buildPresets",
        }
    }

    fn preset(self, preset: &Preset) -> Value {
        let mut value = json!({
            "name": PRESET,
            "vendor": { "ironwright": { "written-by": MARK } },
        });
        let mut put = |key: &str, field: Value| value[key] = field;
        match self {
            Self::Configure => {
                put("binaryDir", "${sourceDir}/build/ironwright".into());
                put("cacheVariables", object(&preset.cache_variables));
                put("environment", object(&preset.environment));
            }
            Self::Build => {
                put("configurePreset", PRESET.into());
                if let Some(jobs) = preset.jobs {
                    put("jobs", jobs.into());
                }
            }
        }
        value
    }
}

fn object(entries: &[Entry]) -> Value {
    let pairs = entries.iter().map(|e| (e.key.clone(), Value::from(e.value.clone())));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn new_file(preset: &Preset) -> String {
    let file = json!({
        "version": VERSION,
        Array::Configure.name(): [Array::Configure.preset(preset)],
        Array::Build.name(): [Array::Build.preset(preset)],
    });
    format!("{file:#}\n")
}

/// The members of the file, which is an object without a name twice.
fn read(source: &str) -> Result<Vec<Member>, EmitError> {
    let start = source.len() - source.trim_start_matches(BOM).len();
    let parsed: Value = serde_json::from_str(text::slice(source, start..source.len()))
        .map_err(|e| syntax_error(&e))?;
    let shape = |offset: usize, message: String| EmitError::Shape {
        line: text::position(source, offset).0,
        message,
    };
    if !parsed.is_object() {
        return Err(shape(start, "a presets file is one JSON object".to_owned()));
    }
    let members = members(source, start);
    for (index, member) in members.iter().enumerate() {
        if members.iter().take(index).any(|earlier| earlier.name == member.name) {
            return Err(shape(member.start, format!("`{}` stands here twice", member.name)));
        }
    }
    Ok(members)
}

fn syntax_error(error: &serde_json::Error) -> EmitError {
    let message = error.to_string();
    // serde_json repeats the place at the end of its message.
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    EmitError::Syntax { line: error.line().max(1), column: error.column().max(1), message }
}

/// The file with a version that our presets can stand in.
fn ensure_version(source: &str) -> Result<String, EmitError> {
    let members = read(source)?;
    let Some(version) = members.iter().find(|m| m.name == "version") else {
        return Ok(add_version(source, &members));
    };
    let raw = text::slice(source, version.value.clone());
    if raw.parse::<u64>().is_ok_and(|v| v >= VERSION) {
        return Ok(source.to_owned());
    }
    let (line, _) = text::position(source, version.start);
    let message = format!(
        "the presets have version {raw}, in which a preset cannot leave the generator open; \
         version {VERSION} (CMake 3.21) or later is needed"
    );
    Err(EmitError::Shape { line, message })
}

fn add_version(source: &str, members: &[Member]) -> String {
    let (eol, version) = (text::eol(source), format!("\"version\": {VERSION}"));
    let Some(first) = members.first() else {
        let (open, close) = braces(source);
        return text::splice(
            source,
            open..close,
            &format!("{eol}{}{version}{eol}", indent(source)),
        );
    };
    let between = text::slice(source, text::line_start(source, first.start)..first.start);
    let gap = if between.trim().is_empty() { eol.to_owned() + between } else { " ".to_owned() };
    text::splice(source, first.start..first.start, &format!("{version},{gap}"))
}

/// The places just within the outermost braces.
fn braces(source: &str) -> (usize, usize) {
    let open = source.find('{').map_or(source.len(), |i| i + 1);
    (open, source.rfind('}').unwrap_or(source.len()))
}

/// The file with our preset in this array, or without it.
fn set(
    source: &str,
    array: Array,
    wanted: Option<&Value>,
) -> Result<(String, Option<Kept>), EmitError> {
    let members = read(source)?;
    let Some(member) = members.iter().find(|m| m.name == array.name()) else {
        let text = wanted.map_or_else(
            || source.to_owned(),
            |wanted| insert_member(source, &members, array, wanted),
        );
        return Ok((text, None));
    };
    if !text::slice(source, member.value.clone()).starts_with('[') {
        let (line, _) = text::position(source, member.start);
        let message = format!("`{}` is no array", array.name());
        return Err(EmitError::Shape { line, message });
    }
    let elements = elements(source, member.value.start);
    let named = elements.iter().position(|e| is_named(&value(source, e)));
    let text = match (named.and_then(|i| elements.get(i).map(|e| (i, e))), wanted) {
        (Some((_, element)), wanted) if !is_ours(&value(source, element)) => {
            let kept = wanted.and_then(|wanted| keep(source, array, element, wanted));
            return Ok((source.to_owned(), kept));
        }
        (Some((_, element)), Some(wanted)) if value(source, element) == *wanted => {
            source.to_owned()
        }
        (Some((_, element)), Some(wanted)) => {
            text::splice(source, element.clone(), &pretty(source, wanted, 2))
        }
        (Some((index, _)), None) => remove(source, &members, member, &elements, index),
        (None, Some(wanted)) => insert_element(source, member, elements.last(), wanted),
        (None, None) => source.to_owned(),
    };
    Ok((text, None))
}

fn value(source: &str, range: &Range<usize>) -> Value {
    serde_json::from_str(text::slice(source, range.clone())).unwrap_or_default()
}

fn is_named(preset: &Value) -> bool {
    preset.get("name").and_then(Value::as_str) == Some(PRESET)
}

fn is_ours(preset: &Value) -> bool {
    preset.pointer("/vendor/ironwright/written-by").is_some()
}

/// The report about a preset of the user; none where it says the same as ours would.
fn keep(source: &str, array: Array, element: &Range<usize>, wanted: &Value) -> Option<Kept> {
    let mut ours = wanted.clone();
    ours.as_object_mut().and_then(|preset| preset.shift_remove("vendor"));
    let theirs = value(source, element);
    (theirs != ours).then(|| Kept {
        key: format!("{}.{PRESET}", array.name()),
        line: text::position(source, element.start).0,
        theirs: theirs.to_string(),
        ours: ours.to_string(),
    })
}

fn kept_line(source: &str, key: &str) -> Option<usize> {
    let array = key.strip_suffix(PRESET)?.strip_suffix('.')?;
    let members = read(source).ok()?;
    let member = members.iter().find(|m| m.name == array)?;
    let elements = elements(source, member.value.start);
    let element = elements.iter().find(|e| is_named(&value(source, e)))?;
    Some(text::position(source, element.start).0)
}

fn insert_member(source: &str, members: &[Member], array: Array, wanted: &Value) -> String {
    let (eol, indent) = (text::eol(source), indent(source));
    let element = pretty(source, wanted, 2);
    let name = array.name();
    let member = format!("{eol}{indent}\"{name}\": [{eol}{indent}{indent}{element}{eol}{indent}]");
    // A version is always there by now; an empty object would still get a valid text.
    let Some(last) = members.last() else {
        let (open, _) = braces(source);
        return text::splice(source, open..open, &format!("{member}{eol}"));
    };
    text::splice(source, last.value.end..last.value.end, &format!(",{member}"))
}

fn insert_element(
    source: &str,
    array: &Member,
    last: Option<&Range<usize>>,
    wanted: &Value,
) -> String {
    let (eol, indent) = (text::eol(source), indent(source));
    let element = pretty(source, wanted, 2);
    match last {
        Some(last) => {
            text::splice(source, last.end..last.end, &format!(",{eol}{indent}{indent}{element}"))
        }
        None => text::splice(
            source,
            array.value.clone(),
            &format!("[{eol}{indent}{indent}{element}{eol}{indent}]"),
        ),
    }
}

/// The file without one preset, and without its array where that is then empty.
fn remove(
    source: &str,
    members: &[Member],
    array: &Member,
    elements: &[Range<usize>],
    index: usize,
) -> String {
    if elements.len() > 1 {
        return remove_item(source, elements, index);
    }
    let members_at: Vec<_> = members.iter().map(|m| m.start..m.value.end).collect();
    let at = members.iter().position(|m| m.start == array.start).unwrap_or_default();
    remove_item(source, &members_at, at)
}

/// The text without one of these items and without the comma that goes with it.
fn remove_item(source: &str, items: &[Range<usize>], index: usize) -> String {
    let Some(item) = items.get(index) else { return source.to_owned() };
    let previous = index.checked_sub(1).and_then(|i| items.get(i));
    let range = match (previous, items.get(index + 1)) {
        (Some(previous), _) => previous.end..item.end,
        (None, Some(next)) => item.start..next.start,
        (None, None) => item.clone(),
    };
    text::splice(source, range, "")
}

/// What the file indents by: the white space of its least indented line, else two spaces.
fn indent(source: &str) -> &str {
    let white = |line: &'_ str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let indented = source.lines().filter(|line| white(line) > 0 && !line.trim().is_empty());
    let least = indented.min_by_key(|line| white(line));
    least.map_or("  ", |line| text::slice(line, 0..white(line)))
}

/// The value over several lines, each after the first one indented by `depth` more levels.
fn pretty(source: &str, value: &Value, depth: usize) -> String {
    let (eol, indent) = (text::eol(source), indent(source));
    let printed = format!("{value:#}");
    let line = |line: &str| {
        let body = line.trim_start_matches(' ');
        // serde_json indents by two spaces and never breaks a line within a string.
        let levels = (line.len() - body.len()) / 2 + depth;
        indent.repeat(levels) + body
    };
    let lines: Vec<_> = printed.lines().map(line).collect();
    lines.join(eol).trim_start_matches([' ', '\t']).to_owned()
}

/// CMake refuses one name in both files.
fn check_project(source: &str) -> Result<(), EmitError> {
    const FILE: &str = "CMakePresets.json";
    let elsewhere = |line: usize, message: String| EmitError::Elsewhere {
        file: FILE.to_owned(),
        line,
        message,
    };
    let members = read(source).map_err(|e| elsewhere(e.line().unwrap_or(1), e.to_string()))?;
    for array in [Array::Configure, Array::Build] {
        let Some(member) = members.iter().find(|m| m.name == array.name()) else { continue };
        let elements = elements(source, member.value.start);
        if let Some(taken) = elements.iter().find(|e| is_named(&value(source, e))) {
            let (line, _) = text::position(source, taken.start);
            let message = format!(
                "the project defines `{PRESET}` in `{}` itself; CMake allows a name only once",
                array.name()
            );
            return Err(elsewhere(line, message));
        }
    }
    Ok(())
}
