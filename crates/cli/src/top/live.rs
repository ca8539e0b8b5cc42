//! The live view: notes of the governor in, frames or JSON out.
//!
//! Does not know how a frame looks.

use std::io::Write;
use std::time::{Duration, Instant};

use ironwright_core::view::{Note, View};

use super::draw::{Scene, Sort, draw};
use super::keys::Wish;
use super::link::{Link, Standing};
use super::palette::Palette;
use super::plain::plain;
use super::screen::Screen;
use super::text::time;
use crate::clock::unix_us;
use crate::error::CliError;
use crate::ui;

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(200);
/// Time that a governor has to tell its state.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time for which a stream of notes outlives its governor, so that the next one can go on.
const BETWEEN_GOVERNORS: Duration = Duration::from_secs(10);
const KEYS: &[&str] = &["q quit", "p freeze", "s sort", "↑↓ scroll"];

/// What is shown, and how.
struct Live {
    link: Link,
    view: View,
    frozen: Option<(View, i64)>,
    sort: Sort,
    scroll: usize,
}

impl Live {
    fn new(link: Link) -> Self {
        Self { link, view: View::default(), frozen: None, sort: Sort::default(), scroll: 0 }
    }

    /// Takes in what came; tells whether anything did.
    fn take(&mut self) -> bool {
        let notes = self.link.notes();
        for json in &notes {
            // A newer governor may tell what this program does not know.
            if let Ok(note) = serde_json::from_str::<Note>(json) {
                self.view.apply(&note);
            }
        }
        !notes.is_empty()
    }

    fn notice(&self) -> Option<String> {
        if self.frozen.is_some() {
            return Some("frozen; p goes on".to_owned());
        }
        if let Some(fault) = &self.link.fault {
            return Some(format!("the governor is not understood: {fault}"));
        }
        match self.link.standing() {
            Standing::Attached => None,
            Standing::Silent(since) => {
                Some(format!("the governor has been silent for {}", time(since.as_secs_f64())))
            }
            Standing::Gone(_) if self.view.at_us == 0 => {
                Some("no governor runs; waiting for one".to_owned())
            }
            Standing::Gone(since) => Some(format!(
                "the governor ended {} ago; waiting for the next one",
                time(since.as_secs_f64())
            )),
        }
    }

    fn scene(&self, palette: Palette, keys: &'static [&'static str]) -> Scene<'_> {
        // What is no longer told stands still instead of getting older.
        let now = if self.link.is_open() { unix_us() } else { self.view.at_us };
        let (view, now_us) = match &self.frozen {
            Some((view, at_us)) => (view, *at_us),
            None => (&self.view, now),
        };
        Scene {
            view,
            now_us,
            name: "ironwright top".to_owned(),
            notice: self.notice(),
            keys,
            sort: self.sort,
            scroll: self.scroll,
            palette,
        }
    }

    fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Hold if self.frozen.is_some() => self.frozen = None,
            Wish::Hold => self.frozen = Some((self.view.clone(), unix_us())),
            Wish::Sort => self.sort = self.sort.next(),
            Wish::ByMemory => self.sort = Sort::Memory,
            Wish::ByAge => self.sort = Sort::Age,
            Wish::Up => self.scroll = self.scroll.saturating_sub(1),
            Wish::Down => {
                let most = self.view.units.len().saturating_sub(1);
                self.scroll = self.scroll.saturating_add(1).min(most);
            }
            _ => {}
        }
    }
}

/// Shows the view until the user has seen enough.
pub(crate) fn on_screen(link: Link) -> Result<u8, CliError> {
    let mut live = Live::new(link);
    let palette = Palette::of_user();
    let mut screen = Screen::open()?;
    loop {
        live.take();
        if live.link.is_open() {
            live.view.advance(unix_us());
        }
        let scene = live.scene(palette, KEYS);
        screen.show(|columns, height| draw(&scene, columns, Some(height)))?;
        let next = Instant::now() + FRAME;
        while let Some(left) = next.checked_duration_since(Instant::now()) {
            match screen.wish(left)? {
                Some(Wish::Quit) => return Ok(0),
                Some(wish) => {
                    live.grant(wish);
                    break;
                }
                None => {}
            }
        }
    }
}

/// Prints one frame.
pub(crate) fn once(link: Link) -> Result<u8, CliError> {
    let mut live = Live::new(link);
    let deadline = Instant::now() + PATIENCE;
    while !live.take() {
        if !live.link.is_open() {
            return Err(live.link.fault.take().map_or(CliError::NoGovernor, CliError::Governor));
        }
        if Instant::now() >= deadline {
            return Err(CliError::SilentGovernor);
        }
        live.link.wait(FRAME);
    }
    ui::print(&plain(&live.scene(Palette::PLAIN, &[])))?;
    Ok(0)
}

/// Prints notes as they come, one a line.
pub(crate) fn as_json(mut link: Link, wait: bool) -> Result<u8, CliError> {
    let mut out = std::io::stdout().lock();
    loop {
        for json in link.notes() {
            writeln!(out, "{json}").and_then(|()| out.flush()).map_err(CliError::Output)?;
        }
        if let Some(fault) = link.fault.take() {
            return Err(CliError::Governor(fault));
        }
        if matches!(link.standing(), Standing::Gone(since) if since > BETWEEN_GOVERNORS) && !wait {
            return Ok(0);
        }
        link.wait(Duration::from_secs(1));
    }
}
