//! How a benchmark goes, while it goes: a status line on a terminal, a line now and then elsewhere.
//!
//! Does not know what decides.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ironwright_core::evidence::compare::{Comparison, Rules};
use ironwright_core::evidence::markdown::bounds;
use ironwright_core::evidence::session::Session;
use ironwright_core::units::human_duration;

use crate::ui;

/// Time between two looks on a terminal, and between two lines elsewhere.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LINE_EVERY: Duration = Duration::from_secs(30);
/// Draws of an interval that is only shown.
const DRAWS: usize = 200;

pub(super) struct Status {
    bar: Option<ProgressBar>,
    quiet: bool,
    last: Instant,
    time: Duration,
}

impl Status {
    pub(super) fn new(json: bool, time: Duration) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let shows = std::io::stderr().is_terminal() && !dumb;
        Self { bar: shows.then(bar), quiet: json && !shows, last: Instant::now(), time }
    }

    /// Shows the present state, unless that was done a moment ago.
    pub(super) fn show(&mut self, session: &Session, elapsed: Duration) {
        let every = if self.bar.is_some() { LOOK_EVERY } else { LINE_EVERY };
        if self.quiet || self.last.elapsed() < every {
            return;
        }
        self.last = Instant::now();
        let text = line(session, elapsed, self.time);
        match &self.bar {
            Some(bar) => {
                bar.set_message(text);
                bar.tick();
            }
            None => ui::note(&format!("ironwright: {text}\n")),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

/// `round 24, 12.1 s of 60.0 s: new 0.912 (0.905 to 0.921)`.
fn line(session: &Session, elapsed: Duration, time: Duration) -> String {
    let setup = session.setup();
    let rules = Rules { resamples: DRAWS, ..setup.rules() };
    let shown: Vec<_> = (1..setup.commands.len())
        .filter_map(|arm| {
            let rounds = session.rounds();
            let found = Comparison::of(rounds, setup.judged_by, (arm, 0), setup.level(), &rules)?;
            let name = &setup.commands.get(arm)?.name;
            Some(format!("{name} {:.3} ({})", found.ratio.estimate, bounds(found.ratio)))
        })
        .collect();
    let shown = if shown.is_empty() { String::new() } else { format!(": {}", shown.join(", ")) };
    format!(
        "round {}, {} of {}{shown}",
        session.rounds().len(),
        human_duration(elapsed),
        human_duration(time.max(elapsed))
    )
}
