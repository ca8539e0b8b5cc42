//! The terminal: taken over while a view is open, given back however that ends.
//!
//! Does not know what is shown.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

use super::keys::{Wish, wish};
use crate::error::CliError;

/// Whether standard output is a terminal that a view can be drawn on.
pub(crate) fn is_usable() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A terminal in use.
pub(crate) struct Screen {
    terminal: DefaultTerminal,
    told_to_end: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal over. A panic gives it back before it is told.
    pub(crate) fn open() -> Result<Self, CliError> {
        let told_to_end = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            flag::register(signal, Arc::clone(&told_to_end)).map_err(CliError::Terminal)?;
        }
        let terminal = ratatui::try_init().map_err(|error| {
            ratatui::restore();
            CliError::Terminal(error)
        })?;
        Ok(Self { terminal, told_to_end })
    }

    /// Shows what is drawn for the size that the terminal has now.
    pub(crate) fn show(
        &mut self,
        draw: impl FnOnce(usize, usize) -> Vec<Line<'static>>,
    ) -> Result<(), CliError> {
        let shown = self.terminal.draw(|frame| {
            let area = frame.area();
            let lines = draw(area.width.into(), area.height.into());
            frame.render_widget(Paragraph::new(Text::from(lines)), area);
        });
        shown.map(drop).map_err(CliError::Terminal)
    }

    /// What the user wants, at most after so long.
    pub(crate) fn wish(&mut self, within: Duration) -> Result<Option<Wish>, CliError> {
        if self.told_to_end.load(Ordering::Relaxed) {
            return Ok(Some(Wish::Quit));
        }
        match event::poll(within)
            .and_then(|some| if some { event::read().map(Some) } else { Ok(None) })
        {
            Ok(Some(Event::Key(key))) => Ok(wish(key)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(CliError::Terminal(error)),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
