//! `ironwright replay`.
//!
//! Does not know how events are stored, nor how a view is drawn.

use clap::Args;
use ironwright_core::view::{Happening, Note};
use ironwright_history::{Record, RunId, StoredEvent};

use crate::error::{CliError, count};
use crate::recording::{history_path, open_history};
use crate::top::player::{Player, SPEEDS};
use crate::top::screen::is_usable;
use crate::ui;

/// Watch a past run as it was under the governor.
///
/// Shows the events that the history kept of a run in the view of `ironwright top`. Where standard
/// output is no terminal, the frame of one moment is printed as text.
#[derive(Args, Debug)]
#[command(
    after_help = "Keys: space pauses; ← → go 5 s back and forth; + - change the speed; q quits.\n\n\
        Examples:\n  ironwright history\n  ironwright replay 12\n  ironwright replay 12 --speed 10\n  \
        ironwright replay 12 --at 30\n  ironwright replay 12 --json > run-12.jsonl"
)]
pub(crate) struct ReplayArgs {
    /// Number of the run in `ironwright history`.
    #[arg(value_name = "RUN")]
    run: RunId,
    /// How many times faster than it was, 0.1 to 1000.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_speed)]
    speed: f64,
    /// Print the frame of this many seconds after the start as text.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    at: Option<f64>,
    /// Print the last frame as text.
    #[arg(long, conflicts_with = "at")]
    once: bool,
    /// Print the notes as they were stored, one a line.
    #[arg(long, conflicts_with_all = ["at", "once"])]
    json: bool,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| SPEEDS.contains(speed));
    speed.ok_or_else(|| format!("a speed is a number from {} to {}", SPEEDS.start(), SPEEDS.end()))
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
    seconds.ok_or_else(|| "a time is a number of seconds, such as 12.5".to_owned())
}

pub(crate) fn run(args: &ReplayArgs) -> Result<u8, CliError> {
    let (record, events) = stored(args.run)?;
    if events.is_empty() {
        return Err(CliError::NoEvents(args.run));
    }
    if args.json {
        let lines: Vec<_> = events.iter().map(|event| event.json.as_str()).collect();
        ui::print(&format!("{}\n", lines.join("\n")))?;
        return Ok(0);
    }
    let (notes, skipped) = read(&record, &events);
    if skipped > 0 {
        ui::warn(&format!("{} cannot be read and left out", count(skipped, "event")));
    }
    let mut player = Player::new(name(&record), notes, args.speed);
    match args.at {
        Some(seconds) => player.seek_seconds(seconds),
        None if args.once || !is_usable() => player.seek_end(),
        None => return player.play(),
    }
    ui::print(&player.frame())?;
    Ok(0)
}

/// A run and its events.
fn stored(run: RunId) -> Result<(Record, Vec<StoredEvent>), CliError> {
    let unknown =
        || CliError::usage(format!("there is no run {run}"), "`ironwright history` lists them");
    let path = history_path().filter(|path| path.exists()).ok_or_else(unknown)?;
    let history = open_history(&path)?;
    let record = history.get(run, |_| true)?.ok_or_else(unknown)?;
    Ok((record, history.events_of_run(run)?))
}

/// The notes that can be read, and how many cannot. What the run had is known from its facts where
/// the governor told it before the run began.
fn read(record: &Record, events: &[StoredEvent]) -> (Vec<Note>, usize) {
    let read = events.iter().filter_map(|event| serde_json::from_str::<Note>(&event.json).ok());
    let mut notes: Vec<Note> = read.collect();
    let skipped = events.len() - notes.len();
    if let Some(at_us) = notes.iter().map(|note| note.at_us).min() {
        let (memory, threads) = (record.facts.budget, f64::from(record.facts.threads));
        notes.insert(0, Note { at_us, what: Happening::Budget { memory, threads } });
    }
    (notes, skipped)
}

fn name(record: &Record) -> String {
    let command = || record.facts.steps.last().map(|step| step.argv.join(" "));
    match record.facts.source.clone().or_else(command) {
        Some(what) => format!("replay of run {}: {what}", record.id),
        None => format!("replay of run {}", record.id),
    }
}
