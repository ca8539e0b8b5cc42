//! Nix's logs: the lines of `--log-format internal-json`, and the files that it keeps of builds.
//!
//! A line tells what begins and what ends, and no time: each must come with one, written before it
//! (`ts '%.s'`, a CI system's `2026-11-21T08:34:18.05Z`) or taken when it arrived. A kept file tells
//! when it was made and when it was last written. Does not know the present, nor files.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::{Log, LogError, time, timed};
use crate::observe::unit::UnitRecord;
use crate::unit::{UnitFacts, logged};

/// What the lines of the internal format begin with.
pub const MARK: &str = "@nix {";
/// The activity of building a derivation (`actBuild` in Nix's `logging.hh`).
const BUILD: u64 = 105;
/// What the name of a derivation ends with.
const DERIVATION: &str = ".drv";

#[derive(Deserialize)]
struct Line {
    action: String,
    id: Option<u64>,
    #[serde(rename = "type")]
    kind: Option<u64>,
    #[serde(default)]
    fields: Vec<Value>,
    level: Option<u64>,
    msg: Option<String>,
}

/// Takes lines one by one.
#[derive(Debug, Default)]
pub struct Reader {
    lines: usize,
    /// Derivation and start of the builds that go on.
    builds: HashMap<u64, (String, i64)>,
    done: Vec<(String, i64, i64)>,
    failed: BTreeSet<String>,
    remote: usize,
    unclear: usize,
}

impl Reader {
    /// Takes a line, with the time at which it arrived, microseconds since 1970, where it does not
    /// say one itself. What is no line of the internal format is passed over.
    pub fn line(&mut self, text: &str, arrived_us: Option<i64>) -> Result<(), LogError> {
        self.lines += 1;
        let Some((before, _)) = text.split_once(MARK) else { return Ok(()) };
        let json = text.get(before.len() + MARK.len() - 1..).unwrap_or_default();
        // Lines that do not matter may be many megabytes long, and some are cut off.
        let Ok(line) = serde_json::from_str::<Line>(json.trim_end()) else {
            self.unclear += 1;
            return Ok(());
        };
        match line.action.as_str() {
            "start" if line.kind == Some(BUILD) => {
                let at = self.time(before, arrived_us)?;
                self.start(&line, at);
            }
            "stop" => self.stop(&line, before, arrived_us)?,
            "msg" if line.level == Some(0) => self.failed.extend(failed(&line)),
            _ => {}
        }
        Ok(())
    }

    fn time(&self, before: &str, arrived_us: Option<i64>) -> Result<i64, LogError> {
        let written = before.split_whitespace().find_map(time::parse);
        written.or(arrived_us).ok_or_else(|| {
            LogError::new(
                self.lines,
                "no time: Nix writes none, so write one before each line (`nix build --log-format internal-json 2>&1 | ts '%.s'`) or read from standard input while Nix builds",
            )
        })
    }

    fn start(&mut self, line: &Line, at: i64) {
        let field = |index: usize| line.fields.get(index).and_then(Value::as_str);
        match (line.id, field(0), field(1)) {
            (Some(id), Some(derivation), None | Some("")) => {
                self.builds.insert(id, (derivation.to_owned(), at));
            }
            // How long another machine took says nothing about this one.
            (_, Some(_), Some(_)) => self.remote += 1,
            _ => self.unclear += 1,
        }
    }

    fn stop(&mut self, line: &Line, before: &str, arrived_us: Option<i64>) -> Result<(), LogError> {
        let Some((derivation, began)) = line.id.and_then(|id| self.builds.remove(&id)) else {
            return Ok(());
        };
        let ended = self.time(before, arrived_us)?;
        self.done.push((derivation, began, ended));
        Ok(())
    }

    /// What was read. Builds that failed or did not end are left out: they teach nothing.
    pub fn finish(self) -> Log {
        let mut log = Log::default();
        for (derivation, began, ended) in &self.done {
            if self.failed.contains(derivation) {
                log.leave_out("failed");
                continue;
            }
            let Ok(wall_us) = u64::try_from(ended.saturating_sub(*began)) else {
                log.leave_out("ended before they began");
                continue;
            };
            log.records.push(build(derivation, *began, wall_us));
        }
        for (why, count) in [
            ("did not end", self.builds.len()),
            ("built on another machine", self.remote),
            ("lines that cannot be understood", self.unclear),
        ] {
            if count > 0 {
                log.left_out.insert(why, count);
            }
        }
        log
    }
}

/// Derivations that a message of the highest level says to have failed: `error: builder for
/// '/nix/store/….drv' failed with exit code 1`, `error: Cannot build '….drv'`.
fn failed(line: &Line) -> Vec<String> {
    let Some(message) = line.msg.as_deref() else { return Vec::new() };
    message
        .split('\'')
        .filter(|part| part.strip_suffix(DERIVATION).is_some())
        .map(str::to_owned)
        .collect()
}

/// Reads lines that carry their times.
pub fn read(text: &str) -> Result<Log, LogError> {
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.line(line, None)?;
    }
    Ok(reader.finish())
}

/// A file that Nix kept of a build, by its path below `/nix/var/log/nix/drvs`
/// (`ab/cdef…-zlib-1.3.1.drv.bz2`), with when it was made and last written, microseconds since
/// 1970. Whether the build ended well is not in it: whoever asks knows, or leaves it out.
pub fn kept(path: &str, made_us: i64, written_us: i64) -> Option<UnitRecord> {
    let name = path.rsplit('/').next()?;
    let name = name.strip_suffix(".bz2").unwrap_or(name);
    let wall_us = u64::try_from(written_us.checked_sub(made_us)?).ok()?;
    name.strip_suffix(DERIVATION).is_some().then(|| build(name, made_us, wall_us))
}

fn build(derivation: &str, began_us: i64, wall_us: u64) -> UnitRecord {
    timed(&facts(derivation), began_us, wall_us)
}

/// Nix's builders are no units of the governor's, so nothing has the same key but other logs.
fn facts(derivation: &str) -> UnitFacts {
    let name = name(derivation);
    UnitFacts { package: Some(name.to_owned()), ..logged("nix", name, name) }
}

/// The name of a derivation without folder, hash and ending: `zlib-1.3.1`.
fn name(derivation: &str) -> &str {
    let file = derivation.rsplit('/').next().unwrap_or_default();
    let file = file.strip_suffix(DERIVATION).unwrap_or(file);
    // Of the 32 characters of the hash, two are the folder's name where logs are kept.
    match file.split_once('-') {
        Some((hash, name)) if matches!(hash.len(), 30 | 32) && !name.is_empty() => name,
        _ => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASH: &str = "0c3yaq6sbh5xzpa1dmm2mw9ckxzkzf6d";

    fn start(id: u64, name: &str, machine: &str) -> String {
        format!(
            r#"@nix {{"action":"start","fields":["/nix/store/{HASH}-{name}.drv","{machine}",1,1],"id":{id},"level":3,"parent":0,"text":"building","type":105}}"#
        )
    }

    fn stop(id: u64) -> String {
        format!(r#"@nix {{"action":"stop","id":{id}}}"#)
    }

    #[test]
    fn builds_have_their_durations() {
        let log = read(&format!(
            "10.5 {}\n11 {}\n12 @nix {{\"action\":\"start\",\"id\":3,\"type\":100}}\nother text\n13.25 {}\n14 {}\n",
            start(1, "zlib-1.3.1", ""), start(2, "far-2.0", "ssh://builder"), stop(1), stop(3)
        ))
        .unwrap();
        assert_eq!(log.records.len(), 1);
        let zlib = &log.records[0];
        assert_eq!((zlib.wall_us, zlib.started_unix_us), (2_750_000, 10_500_000));
        assert_eq!(
            (zlib.key.as_str(), zlib.family.as_str()),
            ("nix logged zlib-1.3.1", "nix logged zlib")
        );
        assert_eq!(log.left_out, [("built on another machine", 1)].into());
    }

    #[test]
    fn what_failed_or_did_not_end_teaches_nothing() {
        let message = format!(
            r#"@nix {{"action":"msg","level":0,"msg":"error: builder for '/nix/store/{HASH}-a-1.drv' failed with exit code 1"}}"#
        );
        let log = read(&format!(
            "1 {}\n1 {}\n2 {message}\n2 {}\n",
            start(1, "a-1", ""),
            start(2, "b-1", ""),
            stop(1)
        ))
        .unwrap();
        assert_eq!(log.records, []);
        assert_eq!(log.left_out, [("did not end", 1), ("failed", 1)].into());
    }

    #[test]
    fn lines_have_times_or_are_refused() {
        let error = read(&format!("\n{}", start(1, "a-1", ""))).unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.problem.contains("ts '%.s'"), "{error}");
        let mut reader = Reader::default();
        reader.line(&start(1, "a-1", ""), Some(5)).unwrap();
        reader.line(&format!("2026-11-21T08:34:18Z {}", stop(1)), Some(9)).unwrap();
        let expected = u64::try_from(time::parse("2026-11-21T08:34:18Z").unwrap()).unwrap() - 5;
        assert_eq!(reader.finish().records[0].wall_us, expected);
    }

    #[test]
    fn a_kept_file_is_named_by_its_derivation() {
        let path = format!("{}/{}-zlib-1.3.1.drv.bz2", &HASH[..2], &HASH[2..]);
        let record = kept(&path, 1_000_000, 4_000_000).unwrap();
        assert_eq!((record.key.as_str(), record.wall_us), ("nix logged zlib-1.3.1", 3_000_000));
        assert_eq!(kept("ab/readme", 1, 2), None);
        assert_eq!(kept(&path, 5, 4), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", fields in "\\PC{0,20}", at in any::<(i64, i64)>()) {
            let _ = (read(&text), kept(&text, at.0, at.1), name(&text));
            let _ = read(&format!("1 @nix {{\"action\":\"start\",\"type\":105,\"id\":1,\"fields\":[{fields}]}}\n1 @nix {text}"));
        }
    }
}
