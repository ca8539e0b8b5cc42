//! One output stream of a command that may be run again: what is passed on, what is held back, and
//! what was passed on already.
//!
//! Lines are passed on as they are complete. From the first line on that tells of a killed process
//! they are held until it is known whether the command runs again; then they never happened. Of
//! later attempts, lines that were passed on before are left out, so that who reads the messages
//! as they come sees each of them once. Does not know where the bytes come from or go.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};

use crate::killed;

/// A longer line is passed on in pieces of this length.
const LONGEST_LINE: usize = 64 << 10;
/// Messages as JSON are longer, above all those about a failed link, and half of one must not
/// reach a reader.
const LONGEST_MESSAGE: usize = 1 << 20;
/// More than this is not held back: it is not what the end of a killed compiler looks like.
const MOST_HELD: usize = 1 << 20;

/// More different lines than this are not remembered; a later attempt may repeat them.
const MOST_REMEMBERED: usize = 1 << 18;

/// Line hashes with how often they were seen. The hasher has a fixed key, which spares a system
/// call for random ones.
type Counts = HashMap<u64, u32, BuildHasherDefault<DefaultHasher>>;

/// The state of one stream.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The line that is not complete.
    open: Vec<u8>,
    held: Vec<Vec<u8>>,
    held_bytes: usize,
    holding: bool,
    passed: Counts,
    /// Lines of earlier attempts that this one has not repeated yet.
    repeated: Counts,
    ready: Vec<u8>,
}

impl Lines {
    /// Takes in what the command wrote.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.longest(bytes).saturating_sub(self.open.len()).max(1);
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n').map(|at| at + 1);
            let taken = end.unwrap_or(room).min(bytes.len());
            let (head, rest) = bytes.split_at(taken);
            self.open.extend(head);
            if end.is_some() || taken == room {
                let line = std::mem::take(&mut self.open);
                self.line(line);
            }
            bytes = rest;
        }
    }

    fn longest(&self, bytes: &[u8]) -> usize {
        match self.open.first().or(bytes.first()) {
            Some(b'{') => LONGEST_MESSAGE,
            _ => LONGEST_LINE,
        }
    }

    fn line(&mut self, line: Vec<u8>) {
        let mut hasher = DefaultHasher::new();
        hasher.write(&line);
        let hash = hasher.finish();
        if let Some(left) = self.repeated.get_mut(&hash).filter(|left| **left > 0) {
            *left -= 1;
            return;
        }
        self.holding |= killed::is_said_by(&line);
        if self.holding {
            self.held_bytes += line.len();
            self.held.push(line);
            if self.held_bytes > MOST_HELD {
                self.give_up_holding();
            }
        } else {
            if self.passed.len() < MOST_REMEMBERED {
                *self.passed.entry(hash).or_insert(0) += 1;
            }
            self.ready.extend(line);
        }
    }

    fn give_up_holding(&mut self) {
        self.holding = false;
        self.held_bytes = 0;
        for line in std::mem::take(&mut self.held) {
            self.ready.extend(line);
        }
    }

    /// Whether a line told of a killed process. The line that is not complete counts.
    pub(crate) fn tells_of_kill(&self) -> bool {
        self.holding || killed::is_said_by(&self.open)
    }

    /// What may be written now.
    pub(crate) fn ready(&self) -> &[u8] {
        &self.ready
    }

    /// Forgets what was written of [`Self::ready`].
    pub(crate) fn written(&mut self, count: usize) {
        self.ready.drain(..count.min(self.ready.len()));
    }

    /// The command will not run again: nothing is held any more.
    pub(crate) fn release(&mut self) {
        self.give_up_holding();
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            self.line(open);
            self.give_up_holding();
        }
    }

    /// The command runs again: what was held never happened.
    pub(crate) fn again(&mut self) {
        self.open.clear();
        self.held.clear();
        self.held_bytes = 0;
        self.holding = false;
        self.repeated.clone_from(&self.passed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(lines: &mut Lines) -> Vec<u8> {
        let ready = lines.ready().to_vec();
        lines.written(ready.len());
        ready
    }

    #[test]
    fn complete_lines_pass_at_once_and_the_rest_at_the_end() {
        let mut lines = Lines::default();
        lines.feed(b"one\ntw");
        assert_eq!(taken(&mut lines), b"one\n");
        lines.feed(b"o\nthree");
        assert_eq!(taken(&mut lines), b"two\n");
        lines.release();
        assert_eq!(taken(&mut lines), b"three");
    }

    #[test]
    fn what_follows_a_kill_is_held_and_then_shown() {
        let mut lines = Lines::default();
        lines.feed(b"a\nKilled\nb\n");
        assert!(lines.tells_of_kill());
        assert_eq!(taken(&mut lines), b"a\n");
        lines.release();
        assert_eq!(taken(&mut lines), b"Killed\nb\n");
    }

    #[test]
    fn a_second_attempt_repeats_nothing() {
        let mut lines = Lines::default();
        lines.feed(b"a\na\nb\nKilled\nhal");
        lines.again();
        assert!(!lines.tells_of_kill());
        lines.feed(b"a\nb\na\na\nc\nhalf\n");
        lines.release();
        assert_eq!(taken(&mut lines), b"a\na\nb\na\nc\nhalf\n");
    }

    #[test]
    fn a_third_attempt_repeats_nothing_either() {
        let mut lines = Lines::default();
        lines.feed(b"a\n");
        lines.again();
        lines.feed(b"a\nb\n");
        lines.again();
        lines.feed(b"a\nb\nc\n");
        assert_eq!(taken(&mut lines), b"a\nb\nc\n");
    }

    #[test]
    fn an_endless_line_passes_in_pieces_but_a_message_does_not() {
        let mut lines = Lines::default();
        lines.feed(&vec![b'x'; LONGEST_LINE + 1]);
        assert_eq!(taken(&mut lines).len(), LONGEST_LINE);
        let mut lines = Lines::default();
        lines.feed(b"{");
        lines.feed(&vec![b'x'; LONGEST_LINE + 1]);
        assert_eq!(taken(&mut lines).len(), 0);
    }

    #[test]
    fn not_every_line_is_remembered() {
        let mut lines = Lines::default();
        for number in 0..=MOST_REMEMBERED {
            lines.feed(format!("{number}\n").as_bytes());
            taken(&mut lines);
        }
        assert_eq!(lines.passed.len(), MOST_REMEMBERED);
        lines.again();
        lines.feed(format!("1\n{MOST_REMEMBERED}\n").as_bytes());
        assert_eq!(taken(&mut lines), format!("{MOST_REMEMBERED}\n").as_bytes());
    }

    #[test]
    fn too_much_is_not_held() {
        let mut lines = Lines::default();
        lines.feed(b"Killed\n");
        for _ in 0..=MOST_HELD / 4 {
            lines.feed(b"abc\n");
        }
        assert!(!lines.tells_of_kill());
        assert!(taken(&mut lines).len() > MOST_HELD);
    }

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(pieces in prop::collection::vec(
            prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..50), 0..20)) {
            let mut lines = Lines::default();
            for piece in &pieces {
                lines.feed(piece);
            }
            lines.release();
            prop_assert_eq!(taken(&mut lines), pieces.concat());
        }

        #[test]
        fn an_attempt_that_is_cut_leaves_no_trace(
            pieces in prop::collection::vec("[ab]{0,3}\n", 0..20), cut in 0_usize..40,
        ) {
            let whole = pieces.concat().into_bytes();
            let mut lines = Lines::default();
            lines.feed(whole.get(..cut).unwrap_or(&whole));
            lines.again();
            lines.feed(&whole);
            lines.release();
            prop_assert_eq!(taken(&mut lines), whole);
        }
    }
}
