//! `ironwright govern`: the governor itself, which `run`, `build` and `unit` start when there is none.
//!
//! Does not know what is built; the crate of that name governs.

use std::time::Duration;

use clap::Args;
use ironwright_core::settings::Settings;
use ironwright_core::settings::catalogue::system;
use ironwright_governor::descriptors::close_inherited;
use ironwright_governor::{Ending, Options, govern};

use crate::args::HostArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::{governance, recording, ui};

/// Govern the builds of this user: let compilers start when there is memory for them.
///
/// `run`, `build` and `unit` start it when it is needed, and it ends when it is not; nobody has to
/// start it by hand. One is enough: a second one ends at once.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  ironwright govern --idle 3600")]
pub(crate) struct GovernArgs {
    /// End after so many seconds without anything to govern.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    idle: u64,
}

pub(crate) fn run(args: &GovernArgs, host: &HostArgs) -> Result<u8, CliError> {
    close_inherited();
    // A terminal's Ctrl-C is for the build; this fails where there is no terminal, which is as well.
    let _ = rustix::process::setsid();
    let context = Context::load(host)?;
    let settings = Settings::resolve(&context.profile(None));
    let options = Options {
        place: governance::place(),
        history: recording::history_path(),
        idle: Duration::from_secs(args.idle),
        budget: settings.size(&system::MEMORY_BUDGET).unwrap_or_default(),
        threads: u32::try_from(settings.count(&system::BUILD_THREADS)).unwrap_or(1),
    };
    match govern(&options)? {
        Ending::Taken => ui::remark("another governor is at work"),
        Ending::Idle | Ending::Told => {}
    }
    Ok(0)
}
