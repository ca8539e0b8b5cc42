//! Colours by meaning, or none.
//!
//! Without colours, bold and dim remain: nothing is told by colour alone. Does not know what is drawn.

use ironwright_core::govern::Alarm;
use ironwright_core::view::Phase;
use ratatui::style::{Color, Modifier, Style};

/// Titles and names.
pub(crate) const HEADING: Style = Style::new().add_modifier(Modifier::BOLD);
/// What matters less.
pub(crate) const DIM: Style = Style::new().add_modifier(Modifier::DIM);

/// The styles of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    colour: bool,
}

impl Palette {
    /// Without any style.
    pub(crate) const PLAIN: Self = Self { colour: false };

    /// What the user wants.
    pub(crate) fn of_user() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = match anstream::ColorChoice::global() {
            anstream::ColorChoice::Never => false,
            anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
            anstream::ColorChoice::Auto => !unwanted,
        };
        Self { colour }
    }

    fn colour(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(crate) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    pub(crate) fn warn(self) -> Style {
        self.colour(Color::Yellow)
    }

    pub(crate) fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn bar(self) -> Style {
        self.colour(Color::Cyan)
    }

    /// A part from 0 to 1 of which much is bad.
    pub(crate) fn level(self, part: f64) -> Style {
        match part {
            p if p >= 0.95 => self.bad(),
            p if p >= 0.8 => self.warn(),
            _ => self.bar(),
        }
    }

    pub(crate) fn phase(self, phase: Phase) -> Style {
        match phase {
            Phase::Running | Phase::Starting => self.good(),
            Phase::Paused => self.warn().add_modifier(Modifier::BOLD),
            Phase::Ending => self.bad(),
            Phase::Waiting => DIM,
        }
    }

    pub(crate) fn alarm(self, alarm: Alarm) -> Style {
        match alarm {
            Alarm::Calm => self.good(),
            Alarm::Throttle => self.warn().add_modifier(Modifier::BOLD),
            Alarm::Pause => self.bad(),
        }
    }
}
