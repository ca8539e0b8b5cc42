//! Real commands under `measure`: their figures, their ends, and their output.
//!
//! Does not judge how fast anything is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ironwright_host::measure::{Counting, Job, MeasureError, Measurer, Output};

static TURN: Mutex<()> = Mutex::new(());

/// Interrupting one measurer interrupts all, so tests take turns.
fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shell(script: &str) -> Job {
    Job { argv: ["sh", "-c", script].map(str::to_owned).to_vec(), ..Job::default() }
}

#[test]
fn time_memory_and_exit_are_the_commands() {
    let _turn = turn();
    let mut measurer = Measurer::new(None).unwrap();
    let ran = measurer.run(&shell("sleep 0.2; exit 3"), Output::Discard).unwrap();
    assert!((200_000_000..2_000_000_000).contains(&ran.sample.wall_ns), "{ran:?}");
    assert!(ran.sample.user_ns + ran.sample.system_ns < 150_000_000, "{ran:?}");
    assert_eq!((ran.sample.exit, ran.output.as_str()), (3, ""));
    let large = "head -c 90000000 /dev/zero | tail -c 80000000 >/dev/null";
    let ran = measurer.run(&shell(large), Output::Discard).unwrap();
    assert!(ran.sample.peak.unwrap().0 > 70_000_000, "{ran:?}");
    assert!(ran.sample.user_ns + ran.sample.system_ns > 1_000_000, "{ran:?}");
}

#[test]
fn a_peak_below_our_own_is_unknown_rather_than_wrong() {
    let _turn = turn();
    let own: Vec<u8> = vec![1; 64 << 20];
    let mut measurer = Measurer::new(None).unwrap();
    let ran = measurer.run(&shell("exit 0"), Output::Discard).unwrap();
    assert_eq!((ran.sample.peak, own.len()), (None, 64 << 20));
}

#[test]
fn the_end_of_the_output_is_kept_and_the_input_is_read() {
    let _turn = turn();
    let mut measurer = Measurer::new(None).unwrap();
    let ran = measurer.run(&shell("seq 1 100000; echo end >&2"), Output::Keep).unwrap();
    assert!(
        ran.output.len() <= 64 * 1024 && ran.output.contains("100000\n"),
        "{}",
        ran.output.len()
    );
    assert!(ran.output.contains("end\n"));
    let input = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(input.path(), "hello").unwrap();
    let job = Job { input: Some(input.path().to_owned()), ..shell("cat") };
    assert_eq!(measurer.run(&job, Output::Keep).unwrap().output, "hello");
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let _turn = turn();
    let job = Job { argv: vec!["/no/such/program".to_owned()], ..Job::default() };
    let error = Measurer::new(None).unwrap().run(&job, Output::Discard).unwrap_err();
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

#[test]
fn an_interruption_ends_all_that_was_started() {
    let _turn = turn();
    let mut measurer = Measurer::new(None).unwrap();
    let own = std::process::id();
    let marker = format!("31.{own}");
    // The command itself tells us to end, and leaves a process in a session of its own.
    let script = format!("setsid sleep {marker} & kill -INT {own}; sleep {marker}");
    let error = measurer.run(&shell(&script), Output::Discard).unwrap_err();
    assert!(matches!(error, MeasureError::Interrupted(2)), "{error}");
    let left =
        std::process::Command::new("pgrep").args(["-f", &format!("sleep {marker}")]).output();
    assert_eq!(String::from_utf8(left.unwrap().stdout).unwrap(), "");
}

#[test]
fn what_is_not_counted_has_a_reason() {
    let _turn = turn();
    let mut measurer = Measurer::new(None).unwrap();
    let ran = measurer.run(&shell(":"), Output::Discard).unwrap();
    match measurer.counting() {
        Counting::Instructions => assert!(ran.sample.instructions.unwrap() > 10_000),
        Counting::No(why) => assert!(ran.sample.instructions.is_none() && !why.is_empty()),
    }
}
