//! What one build shows while it goes: its phase, the last lines of its log, what it downloads.
//!
//! Does not know who shows it, nor what other builds do.

use std::collections::{BTreeMap, VecDeque};

use super::activity::{self, Event, Field, plain};

/// Lines of a log that are kept.
const LINES: usize = 25;
/// Characters of a line that are kept.
const WIDTH: usize = 400;

/// Folds the events of one build.
#[derive(Clone, Debug, Default)]
pub struct Live {
    phase: Option<String>,
    last: VecDeque<String>,
    lines: u64,
    errors: Vec<String>,
    warnings: Vec<String>,
    kept: Option<String>,
    downloads: BTreeMap<u64, (u64, u64)>,
}

impl Live {
    /// Takes in an event.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Started { id, kind: activity::FILE_TRANSFER, .. } => {
                self.downloads.insert(*id, (0, 0));
            }
            Event::Stopped { id } => {
                if let Some((done, expected)) = self.downloads.get_mut(id) {
                    *done = (*done).max(*expected);
                }
            }
            Event::Result { id, kind, fields } => self.result(*id, *kind, fields),
            Event::Message { level: 0, text } => self.errors.push(plain(text)),
            Event::Message { level: 1, text } => self.warnings.push(plain(text)),
            Event::Message { text, .. } => {
                self.kept = kept(&plain(text)).or_else(|| self.kept.take());
            }
            Event::Started { .. } => {}
        }
    }

    fn result(&mut self, id: u64, kind: u64, fields: &[Field]) {
        let text = || fields.first().and_then(Field::text);
        match kind {
            activity::LOG_LINE => self.line(text().unwrap_or_default()),
            activity::PHASE => self.phase = text().map(plain),
            activity::PROGRESS => {
                let number = |at: usize| fields.get(at).and_then(Field::number).unwrap_or(0);
                if let Some(download) = self.downloads.get_mut(&id) {
                    *download = (number(0), number(1));
                }
            }
            _ => {}
        }
    }

    fn line(&mut self, text: &str) {
        self.lines += 1;
        let line: String = plain(text).trim_end().chars().take(WIDTH).collect();
        if line.is_empty() {
            return;
        }
        if self.last.len() == LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The phase that it is in, where the builder tells.
    pub fn phase(&self) -> Option<&str> {
        self.phase.as_deref()
    }

    /// Lines of its log so far.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines of its log, the earlier first, without empty ones.
    pub fn last_lines(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }

    /// Bytes that were downloaded, and that are to be.
    pub fn downloaded(&self) -> (u64, u64) {
        let add =
            |(a, b): (u64, u64), (c, d): &(u64, u64)| (a.saturating_add(*c), b.saturating_add(*d));
        self.downloads.values().fold((0, 0), add)
    }

    /// Errors that it told.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// The folder of the failed build, where it was kept.
    pub fn kept(&self) -> Option<&str> {
        self.kept.as_deref()
    }

    /// Warnings that it told.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether its log says that a process was killed, as compiler drivers, make, ninja and shells do.
    pub fn tells_of_a_kill(&self) -> bool {
        self.last.iter().chain(&self.errors).any(|line| says_killed(line))
    }
}

/// The folder that Nix says it keeps.
fn kept(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("keeping build directory '")?;
    Some(rest.split_once('\'')?.0.to_owned())
}

/// Sentences by which a tool says that a child of it died of SIGKILL.
const KILLED: &[&str] = &[
    // gcc and clang drivers.
    "Killed signal terminated program",
    "unable to execute command: Killed",
    // cargo, of rustc.
    "(signal: 9, SIGKILL: kill)",
    // make and shells.
    "Killed",
    // ld through collect2.
    "ld terminated with signal 9",
];

/// Whether a line is one of those sentences. "Killed" alone counts only at the end of a line, where
/// make and shells put it.
pub fn says_killed(line: &str) -> bool {
    KILLED.iter().any(|sentence| match *sentence {
        "Killed" => line == "Killed" || line.ends_with(" Killed") || line.ends_with("Error 137"),
        sentence => line.contains(sentence),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn result(kind: u64, text: &str) -> Event {
        Event::Result { id: 1, kind, fields: vec![Field::Text(text.to_owned())] }
    }

    #[test]
    fn the_last_lines_stay() {
        let mut live = Live::default();
        for number in 0..100 {
            live.take(&result(activity::LOG_LINE, &format!("line {number}\u{1b}[0m")));
        }
        live.take(&result(activity::LOG_LINE, ""));
        live.take(&result(activity::PHASE, "buildPhase"));
        assert_eq!(live.last_lines().next(), Some("line 75"));
        assert_eq!((live.last_lines().count(), live.lines()), (25, 101));
        assert_eq!(live.phase(), Some("buildPhase"));
    }

    #[test]
    fn a_kill_is_recognised_and_talk_of_one_is_not() {
        for line in [
            "g++: fatal error: Killed signal terminated program cc1plus",
            "make: *** [Makefile:2: a.o] Killed",
            "/bin/sh: line 1: 1234 Killed",
            "make[2]: *** [x] Error 137",
        ] {
            assert!(says_killed(line), "{line}");
        }
        for line in ["Killed processes are counted", "test killed_by_signal ... ok", "Error 1"] {
            assert!(!says_killed(line), "{line}");
        }
    }

    #[test]
    fn a_folder_that_is_kept_is_known() {
        let mut live = Live::default();
        for text in ["note: keeping build directory '/tmp/nix-build-a.drv-0'", "something else"] {
            live.take(&Event::Message { level: 3, text: text.to_owned() });
        }
        assert_eq!(live.kept(), Some("/tmp/nix-build-a.drv-0"));
    }

    #[test]
    fn downloads_are_added_up() {
        let mut live = Live::default();
        let kind = activity::FILE_TRANSFER;
        for id in [1, 2] {
            live.take(&Event::Started { id, kind, text: String::new(), fields: Vec::new() });
            let fields = vec![Field::Number(10), Field::Number(40)];
            live.take(&Event::Result { id, kind: activity::PROGRESS, fields });
        }
        live.take(&Event::Stopped { id: 1 });
        assert_eq!(live.downloaded(), (50, 80));
    }

    proptest! {
        #[test]
        fn no_event_panics(text in ".{0,600}", kind in 100_u64..110, id in 0_u64..3) {
            let mut live = Live::default();
            live.take(&Event::Started { id, kind, text: text.clone(), fields: Vec::new() });
            live.take(&result(kind, &text));
            live.take(&Event::Message { level: 0, text });
            let _ = (live.tells_of_a_kill(), live.downloaded());
            prop_assert!(live.last_lines().all(|line| line.chars().count() <= WIDTH));
        }
    }
}
