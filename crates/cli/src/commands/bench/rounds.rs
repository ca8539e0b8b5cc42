//! Measures in rounds: setup, warm-up, a look at what the commands do, then round after round.
//!
//! Does not know when it is enough; the session decides.

use std::time::{Duration, Instant};

use ironwright_core::evidence::output::no_work;
use ironwright_core::evidence::report::Setup;
use ironwright_core::evidence::session::Session;
use ironwright_core::evidence::stop::Budget;
use ironwright_core::evidence::void::{Void, failed_arm, is_too_short};
use ironwright_core::evidence::{Bench, Metric, Round, Sample};
use ironwright_host::measure::{
    Counting, Job, MeasureError, Measurer, Output, Pinned, Ran, last_usable,
};
use ironwright_host::probe::probe;
use ironwright_host::root::Root;
use jiff::Timestamp;

use super::commands::{Plan, Planned};
use super::export::Exports;
use super::status::Status;
use super::{AmountArgs, BenchArgs};
use crate::context::probe_options;
use crate::error::CliError;

/// Where runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pin {
    /// On the last hardware thread, when no command uses more than one.
    Auto,
    /// Anywhere.
    Off,
    /// On this one.
    Thread(usize),
}

pub(super) fn parse_pin(text: &str) -> Result<Pin, String> {
    match text {
        "auto" => Ok(Pin::Auto),
        "off" => Ok(Pin::Off),
        number => number.parse().map(Pin::Thread).map_err(|_| {
            format!("expected auto, off or the number of a hardware thread, found \"{number}\"")
        }),
    }
}

/// Time for all rounds when none is given.
const TIME: Duration = Duration::from_mins(1);
/// Starts of an empty process that the overhead is taken from.
const EMPTY_RUNS: usize = 15;
/// Processor time through elapsed time above which a command has more than one thread.
const ONE_THREAD: f64 = 1.1;
/// Bytes by which the environment differs from run to run at most: its size moves the stack, which
/// alone can change a program's speed (Mytkowicz, Diwan, Hauswirth and Sweeney 2009, "Producing wrong
/// data without doing anything obviously wrong!").
const PADDING: usize = 4096;

/// Measures everything.
pub(super) fn measure(
    args: &BenchArgs,
    plan: &Plan,
    measurer: &mut Measurer,
) -> Result<Bench, CliError> {
    let missing = not_measured(measurer, args.how.metric)?;
    around(plan.setup.as_ref(), measurer)?;
    let seen = warm_up(args, plan, measurer)?;
    let (pinned, pinning) = pin(args.how.pin, &seen)?;
    let overhead = overhead(&plan.empty, measurer)?;
    let mut setup = setup(args, plan);
    setup.overhead = overhead;
    setup.pinned_to = pinned.as_ref().map(|pinned| pinned.thread);
    setup.not_measured = missing.into_iter().chain(pinning).collect();
    for (planned, ran) in plan.commands.iter().zip(&seen) {
        check_length(&planned.measured.name, &[ran.sample], overhead)?;
    }
    let mut session = Session::new(setup, budget(&args.amount));
    rounds(args, plan, measurer, &mut session)?;
    let bench = session.bench();
    check_all(args, plan, measurer, &bench)?;
    let bench = explained(bench);
    Exports::new(&args.out.files).write(&bench)?;
    Ok(bench)
}

/// Runs what is to run once after everything.
pub(super) fn clean_up(plan: &Plan, measurer: &mut Measurer) -> Result<(), CliError> {
    around(plan.cleanup.as_ref(), measurer)
}

/// Says which peaks are missing: a process begins with the peak of the one that started it.
fn explained(mut bench: Bench) -> Bench {
    let lacks = |arm: usize| {
        bench.rounds.iter().all(|r| r.samples.get(arm).is_none_or(|s| s.peak.is_none()))
    };
    if (0..bench.setup.commands.len()).any(lacks) {
        let text =
            "peak memory: of commands that take less than what starts them, it cannot be told";
        bench.setup.not_measured.push(text.to_owned());
    }
    bench
}

fn setup(args: &BenchArgs, plan: &Plan) -> Setup {
    let facts = probe(&Root::live(), &probe_options());
    Setup {
        started_unix_ns: i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0),
        host: facts.hostname.map(|name| name.value),
        microarchitecture: facts.cpu.microarchitecture.map(|name| name.value),
        subject: plan.subject.clone(),
        commands: plan.commands.iter().map(|command| command.measured.clone()).collect(),
        control: !args.how.no_control,
        judged_by: args.how.metric,
        overhead: None,
        pinned_to: None,
        not_measured: Vec::new(),
        seed: args.how.seed,
        alpha: 0.05,
        precision: args.amount.precision,
    }
}

fn budget(amount: &AmountArgs) -> Budget {
    let rounds = |n: u32| n as usize;
    let most = amount.runs.or(amount.max_runs).map(rounds);
    Budget {
        least_rounds: amount.runs.map_or(rounds(amount.min_runs), rounds).max(1),
        most_rounds: most,
        time: amount.max_time.unwrap_or(if amount.runs.is_some() { Duration::MAX } else { TIME }),
        time_is_firm: amount.max_time.is_some(),
        precision: amount.runs.is_none().then_some(amount.precision),
    }
}

/// What the machine does not tell. An error when the figure that decides is among it.
fn not_measured(measurer: &Measurer, metric: Metric) -> Result<Vec<String>, CliError> {
    let Counting::No(why) = measurer.counting() else { return Ok(Vec::new()) };
    if metric == Metric::Instructions {
        return Err(CliError::usage(
            format!("instructions cannot be counted: {why}"),
            "choose another figure: --metric cpu",
        ));
    }
    Ok(vec![format!("instructions: {why}")])
}

/// A command around the measured ones; its output is shown when it fails.
fn around(job: Option<&Job>, measurer: &mut Measurer) -> Result<(), CliError> {
    let Some(job) = job else { return Ok(()) };
    let ran = measurer.run(job, Output::Keep)?;
    if ran.sample.exit == 0 {
        return Ok(());
    }
    let command = job.argv.last().cloned().unwrap_or_default();
    Err(Void::Failed { command, round: None, exit: ran.sample.exit, output: ran.output }.into())
}

/// Runs every command a few times; gives the last run of each, with what it printed.
fn warm_up(args: &BenchArgs, plan: &Plan, measurer: &mut Measurer) -> Result<Vec<Ran>, CliError> {
    let mut seen = Vec::new();
    let total = args.amount.warmup;
    for planned in &plan.commands {
        for n in 1..=total {
            let output = if n == total { Output::Keep } else { Output::Discard };
            let ran = once(planned, output, 0, measurer)?;
            check_run(args, planned, &ran, None)?;
            if n == total {
                seen.push(ran);
            }
        }
    }
    Ok(seen)
}

/// Prepares and runs a command.
fn once(
    planned: &Planned,
    output: Output,
    padding: usize,
    measurer: &mut Measurer,
) -> Result<Ran, CliError> {
    around(planned.prepare.as_ref(), measurer)?;
    let mut job = planned.job.clone();
    job.environment.push(("IRONWRIGHT_BENCH_PADDING".to_owned(), "x".repeat(padding)));
    Ok(measurer.run(&job, output)?)
}

fn check_run(
    args: &BenchArgs,
    planned: &Planned,
    ran: &Ran,
    round: Option<usize>,
) -> Result<(), Void> {
    let command = planned.measured.name.clone();
    if ran.sample.exit != 0 && !args.how.ignore_failure {
        let (exit, output) = (ran.sample.exit, ran.output.clone());
        return Err(Void::Failed { command, round, exit, output });
    }
    match no_work(&ran.output) {
        Some(line) => Err(Void::NoWork { command, line: line.to_owned() }),
        None => Ok(()),
    }
}

fn check_length(command: &str, samples: &[Sample], empty: Option<f64>) -> Result<(), Void> {
    let walls: Vec<f64> = samples.iter().filter_map(|sample| Metric::Wall.of(sample)).collect();
    let least = least(&walls);
    let empty = empty.unwrap_or(0.0);
    if samples.is_empty() || !is_too_short(least, empty) {
        return Ok(());
    }
    Err(Void::TooShort { command: command.to_owned(), least, empty })
}

/// Pins to a hardware thread; says why not.
fn pin(wanted: Pin, seen: &[Ran]) -> Result<(Option<Pinned>, Option<String>), CliError> {
    let threads = |ran: &Ran| {
        let of = |metric: Metric| metric.of(&ran.sample).unwrap_or(0.0);
        of(Metric::Cpu) / of(Metric::Wall).max(1e-9)
    };
    match wanted {
        Pin::Off => Ok((None, None)),
        Pin::Thread(thread) => {
            Pinned::to(thread).map(|pinned| (Some(pinned), None)).ok_or_else(|| {
                CliError::usage(
                    format!("runs cannot be kept on hardware thread {thread}"),
                    "name one that this process may use, or --pin off",
                )
            })
        }
        Pin::Auto if seen.is_empty() => Ok((
            None,
            Some("pinning: without a warm-up it is not known who uses several threads".into()),
        )),
        Pin::Auto if seen.iter().any(|ran| threads(ran) > ONE_THREAD) => {
            Ok((None, Some("pinning: a command uses several threads".into())))
        }
        Pin::Auto => Ok((last_usable().and_then(Pinned::to), None)),
    }
}

/// What the machine's other work adds is left out: it hits long runs and short ones alike.
fn least(seconds: &[f64]) -> f64 {
    seconds.iter().copied().reduce(f64::min).unwrap_or(0.0)
}

/// Seconds that a process takes which does nothing; unknown where it cannot be run.
pub(crate) fn overhead(empty: &Job, measurer: &mut Measurer) -> Result<Option<f64>, CliError> {
    let mut seconds = Vec::new();
    for _ in 0..EMPTY_RUNS {
        match measurer.run(empty, Output::Discard) {
            Ok(ran) => seconds.extend(Metric::Wall.of(&ran.sample)),
            Err(MeasureError::NotStarted { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(least(&seconds)))
}

/// Round after round, until the session has enough or a user wants an end.
fn rounds(
    args: &BenchArgs,
    plan: &Plan,
    measurer: &mut Measurer,
    session: &mut Session,
) -> Result<(), CliError> {
    let mut exports = Exports::new(&args.out.files);
    let mut status = Status::new(args.out.json, args.amount.max_time.unwrap_or(TIME));
    let began = Instant::now();
    loop {
        let round = match round(args, plan, measurer, session) {
            Ok(round) => round,
            Err(CliError::Measure(MeasureError::Interrupted(_)))
                if !session.rounds().is_empty() =>
            {
                session.interrupt();
                break;
            }
            Err(CliError::Measure(MeasureError::Interrupted(_))) => {
                return Err(Void::NoRound.into());
            }
            Err(error) => return Err(error),
        };
        let first = session.rounds().is_empty();
        if first {
            for (planned, sample) in plan.commands.iter().zip(&round.samples) {
                let overhead = session.setup().overhead;
                check_length(&planned.measured.name, std::slice::from_ref(sample), overhead)?;
            }
        }
        if session.complete(round, began.elapsed()).is_some() {
            break;
        }
        status.show(session, began.elapsed());
        exports.keep_current(session)?;
    }
    status.finish();
    Ok(())
}

/// One run of every arm, in random order.
fn round(
    args: &BenchArgs,
    plan: &Plan,
    measurer: &mut Measurer,
    session: &Session,
) -> Result<Round, CliError> {
    let design = session.setup().design();
    let order = session.order();
    let number = session.rounds().len() + 1;
    let output = if args.how.show_output { Output::Inherit } else { Output::Discard };
    let mut samples = vec![Sample::default(); order.len()];
    for arm in &order {
        let Some(planned) = plan.commands.get(design.command_of(*arm)) else { continue };
        let padding = padding(args.how.seed, number, *arm);
        let ran = once(planned, output, padding, measurer)?;
        if let Some(sample) = samples.get_mut(*arm) {
            *sample = ran.sample;
        }
    }
    let round = Round { order, samples };
    if !args.how.ignore_failure
        && let Some((arm, exit)) = failed_arm(&round)
    {
        let planned = plan.commands.get(design.command_of(arm));
        let command = planned.map_or_else(String::new, |planned| planned.measured.name.clone());
        let failed = Void::Failed { command, round: Some(number), exit, output: String::new() };
        return Err(failed.into());
    }
    Ok(round)
}

/// Bytes of the environment for a run, spread evenly and repeatably.
pub(crate) fn padding(seed: u64, round: usize, arm: usize) -> usize {
    let mixed = (seed ^ ((round as u64) << 8) ^ arm as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 40).unwrap_or(0) % PADDING
}

/// What can only be told at the end: whether runs were long enough, and where nobody looked at the
/// output before, whether there was work.
fn check_all(
    args: &BenchArgs,
    plan: &Plan,
    measurer: &mut Measurer,
    bench: &Bench,
) -> Result<(), CliError> {
    for (arm, planned) in plan.commands.iter().enumerate() {
        let samples: Vec<_> =
            bench.rounds.iter().filter_map(|round| round.samples.get(arm).copied()).collect();
        check_length(&planned.measured.name, &samples, bench.setup.overhead)?;
        let interrupted = bench.stopped == Some(ironwright_core::evidence::stop::Stop::Interrupted);
        if args.amount.warmup == 0 && !interrupted {
            let ran = once(planned, Output::Keep, 0, measurer)?;
            check_run(args, planned, &ran, None)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paddings_are_spread_and_repeatable() {
        let all: Vec<_> = (0..2000).map(|round| padding(3, round, round % 3)).collect();
        assert!(all.iter().all(|bytes| *bytes < PADDING));
        let below = all.iter().filter(|bytes| **bytes < PADDING / 2).count();
        assert!((800..1200).contains(&below), "{below}");
        assert_eq!(padding(3, 5, 1), padding(3, 5, 1));
    }

    #[test]
    fn pins_are_read() {
        assert_eq!(parse_pin("auto"), Ok(Pin::Auto));
        assert_eq!(parse_pin("3"), Ok(Pin::Thread(3)));
        assert!(parse_pin("all").is_err());
    }
}
