//! What Nix tells while it works: activities that begin and end, and what they yield.
//!
//! Nix's command line writes them as lines (`--log-format internal-json`), its stores send them as
//! they are; the numbers are those of `logging.hh`. Does not know what is made of them.

use serde_json::Value;

/// What a line of the internal format begins with.
pub const MARK: &str = "@nix ";
/// Longest text of an event that is kept, in bytes: lines of a log can be many megabytes.
pub const LONGEST_TEXT: usize = 16 << 10;

/// Building a derivation.
pub const BUILD: u64 = 105;
/// Downloading a file.
pub const FILE_TRANSFER: u64 = 101;
/// Taking a path from a substituter.
pub const SUBSTITUTE: u64 = 108;
/// A line of a build's log.
pub const LOG_LINE: u64 = 101;
/// The phase of a build.
pub const PHASE: u64 = 104;
/// Bytes or things done, of how many.
pub const PROGRESS: u64 = 105;

/// A value that an event carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A number.
    Number(u64),
    /// A text, cut to [`LONGEST_TEXT`].
    Text(String),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An activity begins.
    Started {
        /// Its number, unique within one connection or process.
        id: u64,
        /// What it is ([`BUILD`] and so on).
        kind: u64,
        /// The sentence for people.
        text: String,
        /// What it is about; for a build the derivation and the machine.
        fields: Vec<Field>,
    },
    /// An activity ended; how, nobody says here.
    Stopped {
        /// Its number.
        id: u64,
    },
    /// An activity yields something.
    Result {
        /// Its number.
        id: u64,
        /// What it is ([`LOG_LINE`], [`PHASE`], [`PROGRESS`] and so on).
        kind: u64,
        /// What it yields.
        fields: Vec<Field>,
    },
    /// A message; 0 is an error, 1 a warning, more is less important.
    Message {
        /// How important it is.
        level: u64,
        /// The text, which may have several lines and colours.
        text: String,
    },
}

impl Field {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) => None,
        }
    }

    /// The number, if it is one.
    pub const fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

/// A text cut to a length that a person may still want to read; the beginning stays.
pub fn cut(text: &str) -> String {
    match text.char_indices().map(|(at, _)| at).find(|at| *at >= LONGEST_TEXT) {
        Some(end) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Without the sequences that colour a terminal, and without other control characters.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut rest),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// The innermost error of a trace, which is what went wrong, without what led to it; Nix writes it last and
/// indents it. Of one that our own expressions throw (`ironwright: …`) the sentence alone.
pub fn innermost(text: &str) -> String {
    const MARK: &str = "error: ";
    let last =
        text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with(MARK)).last();
    let Some((at, line)) = last else { return text.to_owned() };
    let indent = line.len() - line.trim_start().len();
    if let Some((_, sentence)) = line.split_once("error: ironwright: ") {
        return sentence.to_owned();
    }
    let dedented = |line: &str| line.get(indent..).unwrap_or_else(|| line.trim_start()).to_owned();
    text.lines().skip(at).map(dedented).collect::<Vec<_>>().join("\n")
}

/// A message. Stores send the text alone; its first word tells the level.
pub fn message(text: String) -> Event {
    let levels = [("error:", 0), ("warning:", 1)];
    let bare = plain(&text);
    let level = levels.into_iter().find(|(word, _)| bare.starts_with(word));
    Event::Message { level: level.map_or(3, |(_, level)| level), text }
}

/// A sequence is `ESC [ … letter`, or one character.
fn skip_sequence(rest: &mut std::str::Chars<'_>) {
    if rest.next() == Some('[') {
        rest.find(|c| ('@'..='~').contains(c));
    }
}

/// Reads a line of the internal format. Nothing for any other line, for one that is cut off, and for
/// an action that is not known.
pub fn parse_line(line: &str) -> Option<Event> {
    let json = line.trim_end().strip_prefix(MARK)?;
    let value: Value = serde_json::from_str(json).ok()?;
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    let text = |name: &str| cut(value.get(name).and_then(Value::as_str).unwrap_or_default());
    let fields = || {
        let all = value.get("fields").and_then(Value::as_array);
        all.map(|all| all.iter().filter_map(field).collect()).unwrap_or_default()
    };
    Some(match value.get("action")?.as_str()? {
        "start" => Event::Started {
            id: number("id")?,
            kind: number("type")?,
            text: text("text"),
            fields: fields(),
        },
        "stop" => Event::Stopped { id: number("id")? },
        "result" => Event::Result { id: number("id")?, kind: number("type")?, fields: fields() },
        "msg" => Event::Message { level: number("level").unwrap_or(3), text: text("msg") },
        _ => return None,
    })
}

fn field(value: &Value) -> Option<Field> {
    match value {
        Value::String(text) => Some(Field::Text(cut(text))),
        value => value.as_u64().map(Field::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_action_is_read() {
        let started = r#"@nix {"action":"start","fields":["/nix/store/x.drv","",1,1],"id":7,"level":3,"parent":0,"text":"building","type":105}"#;
        let Some(Event::Started { id: 7, kind: BUILD, fields, .. }) = parse_line(started) else {
            unreachable!("{started}");
        };
        assert_eq!(fields[0].text(), Some("/nix/store/x.drv"));
        assert_eq!(fields[2].number(), Some(1));
        assert_eq!(parse_line(r#"@nix {"action":"stop","id":7}"#), Some(Event::Stopped { id: 7 }));
        let line = r#"@nix {"action":"result","fields":["checking for gcc"],"id":7,"type":101}"#;
        let fields = vec![Field::Text("checking for gcc".to_owned())];
        assert_eq!(parse_line(line), Some(Event::Result { id: 7, kind: LOG_LINE, fields }));
        let message = r#"@nix {"action":"msg","level":0,"msg":"error: x"}"#;
        let text = "error: x".to_owned();
        assert_eq!(parse_line(message), Some(Event::Message { level: 0, text }));
        for other in ["building x", "@nix {", r#"@nix {"action":"new"}"#, "@nix 1", ""] {
            assert_eq!(parse_line(other), None, "{other}");
        }
    }

    #[test]
    fn a_line_of_megabytes_is_cut() {
        let long = "ä".repeat(1 << 20);
        let line = format!(r#"@nix {{"action":"result","fields":["{long}"],"id":1,"type":101}}"#);
        let Some(Event::Result { fields, .. }) = parse_line(&line) else {
            unreachable!();
        };
        let length = fields[0].text().map(str::len).unwrap();
        assert!((LONGEST_TEXT..LONGEST_TEXT + 8).contains(&length), "{length}");
    }

    #[test]
    fn colours_are_taken_away() {
        assert_eq!(plain("\u{1b}[31;1merror:\u{1b}[0m a\r\nb\u{7}"), "error: a\nb");
        assert_eq!(plain("\u{1b}"), "");
    }

    #[test]
    fn the_innermost_error_is_what_went_wrong() {
        let trace = "error:\n       … while calling\n         at x.nix:1:2:\n\n       error: undefined variable 'b'\n       at y.nix:3:1:\n            2|";
        assert_eq!(innermost(trace), "error: undefined variable 'b'\nat y.nix:3:1:\n     2|");
        assert_eq!(
            innermost("error:\n   …\n   error: ironwright: no overlay\n at x"),
            "no overlay"
        );
        assert_eq!(innermost("something else"), "something else");
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line in "(@nix )?\\PC{0,80}", text in ".{0,40}") {
            let _ = (parse_line(&line), plain(&text), cut(&text));
            let _ = parse_line(&format!(r#"@nix {{"action":"start","id":1,"type":{text}}}"#));
        }
    }
}
