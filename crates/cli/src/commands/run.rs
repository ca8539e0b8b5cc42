//! `ironwright run`.
//!
//! Does not know the command; it gets the derived environment, a jobserver and a watch.

use clap::Args;
use ironwright_core::build::Driver;

use crate::args::HostArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::execute::{Execution, execute};
use crate::progress::{Progress, ProgressChoice};
use crate::summary::RunReport;
use crate::{governance, summary, ui};

/// Run a command with the derived settings, a jobserver and a watch on memory.
///
/// Variables that are set already stay as they are. The exit code is the command's. Ctrl-C ends
/// everything that the command started.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright run -- make\n  ironwright run --package codex -- cargo build --release\n  ironwright run --dry-run -- ninja -C build"
)]
pub(crate) struct RunArgs {
    /// Apply the overrides of this package.
    #[arg(long, short)]
    package: Option<String>,
    /// Show what would be set and started, and start nothing.
    #[arg(long)]
    dry_run: bool,
    /// How progress is shown.
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    progress: ProgressChoice,
    /// Print the run's facts and summary as JSON; the command's output goes to standard error.
    #[arg(long)]
    json: bool,
    /// Let compilers start without asking the governor.
    #[arg(long)]
    no_govern: bool,
    /// No summary at the end, and no progress where nobody watches a terminal.
    #[arg(long, short)]
    quiet: bool,
    /// The command and its arguments.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<String>,
}

pub(crate) fn run(args: &RunArgs, host: &HostArgs) -> Result<u8, CliError> {
    let context = Context::load(host)?;
    let profile = context.profile(args.package.as_deref());
    let cwd =
        std::env::current_dir().map_err(|error| CliError::Read { path: ".".into(), error })?;
    let launcher = if args.no_govern { None } else { governance::launcher() };
    let execution = Execution::of_command(args.command.clone(), cwd, &profile, launcher);
    if args.dry_run {
        return super::build::show_plan(&[execution], args.json);
    }
    if !args.quiet {
        context.tell_fallbacks();
        super::build::tell_kept(&execution);
        tell_pool_leaver(&execution);
    }
    let mut progress = Progress::new(args.progress.unless_quiet(args.quiet), args.json);
    let facts = execute(&execution, &context, &mut progress);
    let code = summary::exit_code(&facts);
    if args.json {
        ui::print_json(&RunReport::new(facts))?;
    } else if !args.quiet {
        summary::show(&facts, None);
    }
    Ok(code)
}

/// Tells when a tool takes no part in the jobserver, because nothing then limits its jobs.
fn tell_pool_leaver(execution: &Execution) {
    let Some(argv) = execution.steps.first().map(|step| &step.argv) else { return };
    let leaves = argv
        .iter()
        .skip(1)
        .any(|a| a.strip_prefix("-j").is_some_and(|n| n.chars().all(|c| c.is_ascii_digit())));
    match execution.driver {
        Some(Driver::Make | Driver::Cmake) if leaves && execution.jobserver.is_some() => {
            ui::remark(
                "-j on the command line takes the tool out of the shared jobserver; leave it away to keep within the settings",
            );
        }
        Some(Driver::Cmake) if execution.jobserver.is_none() && !leaves => {
            ui::remark(
                "this ninja takes no jobserver (1.13 does): `cmake --build` gets its number of jobs, a bare ninja needs -j",
            );
        }
        _ => {}
    }
}
