//! `ironwright top`.
//!
//! Does not know how a view is drawn, nor how the governor decides.

use std::time::Duration;

use clap::Args;

use crate::error::CliError;
use crate::top::link::{Link, socket_path};
use crate::top::live;
use crate::top::screen::is_usable;
use crate::ui;

/// Watch what the governor does: memory, threads, what runs, what waits and why.
///
/// Shows the memory that builds may take and take, every running, paused and waiting unit with what
/// it waits for, every run with its progress, and how pressure developed. A time left is a lower
/// bound: units that have not asked yet are not known. Where standard output is no terminal, one
/// frame is printed as text.
#[derive(Args, Debug)]
#[command(
    after_help = "Keys: q, Esc or Ctrl-C quit; p freezes; s sorts by state, memory, age; ↑ ↓ scroll.\n\n\
        Examples:\n  ironwright top\n  ironwright top --once\n  ironwright top --wait\n  \
        ironwright top --json | jq 'select(.event == \"evicted\")'\n\n\
        Exit code 1 when no governor runs."
)]
pub(crate) struct TopArgs {
    /// Wait for a governor where none runs.
    #[arg(long)]
    wait: bool,
    /// Print one frame as text and end.
    #[arg(long, conflicts_with = "json")]
    once: bool,
    /// Print what happens as JSON, one note a line, beginning with the state so far.
    #[arg(long)]
    json: bool,
}

/// Time between two looks for a governor.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) fn run(args: &TopArgs) -> Result<u8, CliError> {
    let mut link = Link::new(socket_path());
    let is_text = args.once || args.json || !is_usable();
    if !link.is_open() && !args.wait {
        return Err(CliError::NoGovernor);
    }
    if !is_text {
        return live::on_screen(link);
    }
    if !link.is_open() {
        ui::remark("no governor runs; waiting for one");
    }
    while !link.is_open() {
        std::thread::sleep(LOOK_EVERY);
        link = Link::new(socket_path());
    }
    if args.json { live::as_json(link, args.wait) } else { live::once(link) }
}
