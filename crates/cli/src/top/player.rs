//! A past run in time: forth, back, faster and slower.
//!
//! Does not know where the notes were kept, nor how a view is drawn.

use std::time::{Duration, Instant};

use ironwright_core::view::{Note, View};

use super::draw::{Scene, Sort, draw};
use super::keys::Wish;
use super::palette::Palette;
use super::plain::plain;
use super::screen::Screen;
use super::text::time;
use crate::error::CliError;

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// How far one key goes, in microseconds.
const STEP_US: i64 = 5_000_000;
const KEYS: &[&str] = &["q quit", "space pause", "←→ 5 s", "+- speed", "s sort", "↑↓ scroll"];
/// Slowest and fastest.
pub(crate) const SPEEDS: std::ops::RangeInclusive<f64> = 0.1..=1000.0;

/// A run that is played.
pub(crate) struct Player {
    name: String,
    /// In the order of their times.
    notes: Vec<Note>,
    /// Notes that the view has taken in.
    taken: usize,
    view: View,
    /// The time that is shown, microseconds since 1970.
    at_us: i64,
    speed: f64,
    is_paused: bool,
    sort: Sort,
    scroll: usize,
    palette: Palette,
}

impl Player {
    /// Stands at the start.
    pub(crate) fn new(name: String, mut notes: Vec<Note>, speed: f64) -> Self {
        notes.sort_by_key(|note| note.at_us);
        let mut player = Self {
            name,
            taken: 0,
            view: View::default(),
            at_us: notes.first().map_or(0, |note| note.at_us),
            notes,
            speed,
            is_paused: false,
            sort: Sort::default(),
            scroll: 0,
            palette: Palette::PLAIN,
        };
        player.seek(player.at_us);
        player
    }

    fn start_us(&self) -> i64 {
        self.notes.first().map_or(0, |note| note.at_us)
    }

    fn end_us(&self) -> i64 {
        self.notes.last().map_or(0, |note| note.at_us)
    }

    /// Goes to a time within the run. Going back takes all notes in again: a view cannot forget.
    pub(crate) fn seek(&mut self, to_us: i64) {
        let to_us = to_us.clamp(self.start_us(), self.end_us());
        if to_us < self.at_us {
            self.view = View::default();
            self.taken = 0;
        }
        self.at_us = to_us;
        while let Some(note) = self.notes.get(self.taken).filter(|note| note.at_us <= to_us) {
            self.view.apply(note);
            self.taken += 1;
        }
        self.view.advance(to_us);
    }

    /// Goes to so many seconds after the start.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    pub(crate) fn seek_seconds(&mut self, seconds: f64) {
        self.seek(self.start_us().saturating_add((seconds * 1e6) as i64));
    }

    /// Goes to the end.
    pub(crate) fn seek_end(&mut self) {
        self.seek(self.end_us());
    }

    /// Time passes.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    fn pass(&mut self, elapsed: Duration) {
        if !self.is_paused {
            let model_us = elapsed.as_secs_f64() * self.speed * 1e6;
            self.seek(self.at_us.saturating_add(model_us as i64));
        }
    }

    fn notice(&self) -> String {
        let seconds = |us: i64| time(us.saturating_sub(self.start_us()) as f64 / 1e6);
        let state = match self.is_paused {
            _ if self.at_us >= self.end_us() => "at the end",
            true => "paused",
            false => "playing",
        };
        let (at, end) = (seconds(self.at_us), seconds(self.end_us()));
        format!("{at} of {end}, {state}, speed {}", self.speed)
    }

    fn scene(&self, notice: String, keys: &'static [&'static str]) -> Scene<'_> {
        Scene {
            view: &self.view,
            now_us: self.at_us,
            name: self.name.clone(),
            notice: Some(notice),
            keys,
            sort: self.sort,
            scroll: self.scroll,
            palette: self.palette,
        }
    }

    /// The frame of the time that is shown.
    pub(crate) fn frame(&self) -> String {
        let seconds = |us: i64| time(us.saturating_sub(self.start_us()) as f64 / 1e6);
        let notice = format!("{} of {}", seconds(self.at_us), seconds(self.end_us()));
        plain(&self.scene(notice, &[]))
    }

    fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Hold if self.at_us >= self.end_us() => {
                self.seek(self.start_us());
                self.is_paused = false;
            }
            Wish::Hold => self.is_paused = !self.is_paused,
            Wish::Back => self.seek(self.at_us.saturating_sub(STEP_US)),
            Wish::Forth => self.seek(self.at_us.saturating_add(STEP_US)),
            Wish::Begin => self.seek(self.start_us()),
            Wish::End => self.seek_end(),
            Wish::Faster => self.speed = (self.speed * 2.0).min(*SPEEDS.end()),
            Wish::Slower => self.speed = (self.speed / 2.0).max(*SPEEDS.start()),
            Wish::Sort => self.sort = self.sort.next(),
            Wish::ByMemory => self.sort = Sort::Memory,
            Wish::ByAge => self.sort = Sort::Age,
            Wish::Up => self.scroll = self.scroll.saturating_sub(1),
            Wish::Down => {
                let most = self.view.units.len().saturating_sub(1);
                self.scroll = self.scroll.saturating_add(1).min(most);
            }
            Wish::Quit => {}
        }
    }

    /// Plays until the user has seen enough.
    pub(crate) fn play(mut self) -> Result<u8, CliError> {
        self.palette = Palette::of_user();
        let mut screen = Screen::open()?;
        let mut last = Instant::now();
        loop {
            self.pass(last.elapsed());
            last = Instant::now();
            let scene = self.scene(self.notice(), KEYS);
            screen.show(|columns, height| draw(&scene, columns, Some(height)))?;
            match screen.wish(FRAME)? {
                Some(Wish::Quit) => return Ok(0),
                Some(wish) => self.grant(wish),
                None => {}
            }
        }
    }
}
