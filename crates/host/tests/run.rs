//! Real commands under `run`: their ends, their output, their memory, and what a signal leaves.
//!
//! Does not know what a run's facts are used for. A run waits for every child of its process, so
//! the tests take turns; those about signals run in a process of their own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ironwright_core::observe::{Exit, Observed, Sample};
use ironwright_core::units::Bytes;
use ironwright_host::run::{Observer, Patience, Request, Stream, run};
use rustix::process::{Pid, Signal};

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Seen {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    notices: Vec<String>,
    samples: usize,
}

impl Observer for Seen {
    fn sample(&mut self, _sample: &Sample) {
        self.samples += 1;
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        self.pieces.push(bytes.to_vec());
        match stream {
            Stream::Stdout => self.stdout.extend_from_slice(bytes),
            Stream::Stderr => self.stderr.extend_from_slice(bytes),
        }
    }

    fn ending(&mut self, _signal: i32) {}

    fn notice(&mut self, text: &str) {
        self.notices.push(text.to_owned());
    }
}

fn shell(script: &str) -> Request {
    Request {
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        relay_stdout: true,
        relay_stderr: true,
        ..Request::default()
    }
}

fn watch(request: &Request) -> (Observed, Seen) {
    let _turn = turn();
    let mut seen = Seen::default();
    let observed = run(request, &mut seen);
    (observed, seen)
}

fn exit_of(argv: &[&str], cwd: Option<PathBuf>) -> Exit {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    watch(&Request { argv, cwd, ..Request::default() }).0.exit
}

#[test]
fn the_end_of_the_command_is_told() {
    assert_eq!(exit_of(&["true"], None), Exit::Code(0));
    assert_eq!(exit_of(&["sh", "-c", "exit 3"], None), Exit::Code(3));
    assert_eq!(exit_of(&["sh", "-c", "kill -9 $$"], None), Exit::Signal(9));
}

#[test]
fn what_cannot_be_started_says_why() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plain"), "not a program").unwrap();
    let script = directory.path().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, executable).unwrap();
    let here = || Some(directory.path().to_owned());
    assert_eq!(exit_of(&["no-such-program-anywhere"], None).code(), 127);
    assert_eq!(exit_of(&[], None).code(), 127);
    assert_eq!(exit_of(&[directory.path().join("plain").to_str().unwrap()], None).code(), 126);
    let told = |exit: Exit| match exit {
        Exit::NotStarted { message, code: 126 } => message,
        other => panic!("{other:?}"),
    };
    assert!(told(exit_of(&[script.to_str().unwrap()], here())).contains("interpreter"));
    let gone = Some(directory.path().join("gone"));
    assert!(told(exit_of(&["true"], gone)).contains("gone"));
}

#[test]
fn output_keeps_its_bytes_and_order() {
    let script = "seq 1 200000; printf 'no end \\377'; printf 'line\\n' >&2";
    let (observed, seen) = watch(&shell(script));
    let mut expected: Vec<u8> = (1..=200_000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    expected.extend_from_slice(b"no end \xff");
    assert_eq!(observed.exit, Exit::Code(0));
    assert!(seen.stdout == expected, "{} of {} bytes", seen.stdout.len(), expected.len());
    assert_eq!(seen.stderr, b"line\n");
}

#[test]
fn a_prompt_is_shown_before_the_line_ends() {
    let (_, seen) = watch(&shell("printf 'a\\nsure? '; sleep 0.4; echo yes"));
    assert_eq!(seen.pieces, [b"a\n".to_vec(), b"sure? ".to_vec(), b"yes\n".to_vec()]);
}

#[test]
fn the_environment_and_the_directory_are_those_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let request = Request {
        cwd: Some(directory.path().to_owned()),
        environment: vec![("IRONWRIGHT_TEST".into(), "it is set".into())],
        ..shell("pwd -P; echo $IRONWRIGHT_TEST")
    };
    let expected = format!("{}\nit is set\n", directory.path().canonicalize().unwrap().display());
    assert_eq!(watch(&request).1.stdout, expected.as_bytes());
}

#[test]
fn limits_reach_what_the_command_starts() {
    let request = Request {
        address_space: Some(Bytes::gib(3)),
        niceness: Some(7),
        ..shell("sleep 0.2; sh -c 'ulimit -v; nice'")
    };
    let (_, seen) = watch(&request);
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "3145728\n7\n");
    assert_eq!(seen.notices, Vec::<String>::new());
}

/// `tail` has to keep what it may have to print, and then waits for its reader.
const HOLDS_200_MB: &str = "head -c 200M /dev/zero | tail -c 200M | (sleep 0.7; cat >/dev/null)";

#[test]
fn the_peak_of_a_large_process_is_seen() {
    let (observed, seen) = watch(&shell(HOLDS_200_MB));
    let expected = Bytes::mib(200)..Bytes::mib(260);
    assert!(expected.contains(&observed.peak_tree), "{}", observed.peak_tree);
    assert!(expected.contains(&observed.peak_process), "{}", observed.peak_process);
    assert_eq!(observed.peak_process_name.as_deref(), Some("tail"));
    assert!(observed.processes_seen >= 4, "{}", observed.processes_seen);
    assert_eq!(observed.samples.len(), seen.samples);
}

#[test]
fn our_own_memory_is_not_taken_for_the_command_s() {
    let ours = std::hint::black_box(vec![1_u8; 150 << 20]);
    let (observed, _) = watch(&shell("sleep 0.1"));
    assert!(ours.len() > 1 && observed.peak_process < Bytes::mib(50), "{}", observed.peak_process);
}

#[test]
fn time_of_orphans_counts() {
    let busy = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done";
    let (observed, _) = watch(&shell(&format!("(({busy}; echo done) &) | cat; sleep 0.1")));
    assert!(observed.user_ns > 50_000_000, "{}", observed.user_ns);
    assert!(observed.wall_ns > 100_000_000 && observed.left_running == 0);
}

#[test]
fn a_daemon_outlives_a_normal_end() {
    let (observed, seen) = watch(&shell("sleep 60 >/dev/null 2>&1 & echo $!"));
    let daemon = pid(String::from_utf8(seen.stdout).unwrap().trim());
    assert_eq!((observed.exit, observed.left_running), (Exit::Code(0), 1));
    rustix::process::test_kill_process(daemon).unwrap();
    rustix::process::kill_process(daemon, Signal::KILL).unwrap();
}

#[test]
fn what_takes_too_long_is_told_and_ended() {
    let patience = Patience { timeout: Some(Duration::from_millis(600)), ..Patience::default() };
    let (observed, seen) = watch(&Request { patience, ..shell("sleep 60") });
    assert_eq!((observed.exit, observed.interrupted_by), (Exit::Signal(15), None));
    assert_eq!(seen.notices.len(), 2, "{:?}", seen.notices);
    assert!(seen.notices[0].contains("longer than") && seen.notices[1].contains("ending"));
}

#[test]
fn what_is_silent_is_told_and_may_go_on() {
    let silence = Some(Duration::from_millis(500));
    let patience = Patience { silence, only_tells: true, ..Patience::default() };
    let (observed, seen) = watch(&Request { patience, ..shell("sleep 1.2; echo here") });
    assert_eq!(observed.exit, Exit::Code(0));
    assert!(seen.notices.iter().any(|text| text.contains("it goes on")), "{:?}", seen.notices);
}

#[test]
fn a_trivial_command_is_not_delayed() {
    watch(&shell("true"));
    let quickest = (0..10).map(|_| watch(&shell("true")).0.wall_ns).min().unwrap();
    assert!(Duration::from_nanos(quickest) < Duration::from_millis(60), "{quickest} ns");
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}

/// What the tests below start: runs the script, and tells of its end.
#[test]
#[ignore = "started by other tests"]
fn helper() {
    let Ok(script) = std::env::var("IRONWRIGHT_TEST_SCRIPT") else { return };
    let directory = PathBuf::from(std::env::var("IRONWRIGHT_TEST_DIRECTORY").unwrap());
    let (observed, _) = watch(&Request { cwd: Some(directory.clone()), ..shell(&script) });
    let told = format!("{:?} {:?}\n", observed.exit, observed.interrupted_by);
    fs::write(directory.join("told.part"), told).unwrap();
    fs::rename(directory.join("told.part"), directory.join("told")).unwrap();
    if std::env::var_os("IRONWRIGHT_TEST_LINGER").is_some() {
        std::thread::sleep(Duration::from_secs(30));
    }
}

struct Helper {
    _turn: MutexGuard<'static, ()>,
    directory: tempfile::TempDir,
    child: Child,
}

impl Helper {
    /// Starts one by `prefix`, whatever signals this process was started to ignore.
    fn start(prefix: &[&str], script: &str, variables: &[(&str, &str)]) -> Self {
        let turn = turn();
        let directory = tempfile::tempdir().unwrap();
        let child = Command::new("env")
            .arg("--default-signal")
            .args(prefix)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "helper", "--ignored", "--quiet"])
            .env("IRONWRIGHT_TEST_SCRIPT", script)
            .env("IRONWRIGHT_TEST_DIRECTORY", directory.path())
            .envs(variables.iter().copied())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self { _turn: turn, directory, child }
    }

    /// The text of a file, as soon as it has `lines` whole lines.
    fn file(&self, name: &str, lines: usize) -> String {
        let path = self.directory.path().join(name);
        let text = || fs::read_to_string(&path).unwrap_or_default();
        wait_for(&format!("{name} of {lines} lines"), || text().matches('\n').count() >= lines);
        text()
    }

    fn signal(&self, signal: Signal) {
        let helper = pid(&self.child.id().to_string());
        rustix::process::kill_process(helper, signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processes of which the ids stand in the text and that still run.
fn alive(pids: &str) -> Vec<&str> {
    let runs = |id: &&str| {
        let stat = fs::read_to_string(Path::new("/proc").join(id).join("stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    pids.split_whitespace().filter(runs).collect()
}

/// A child, a grandchild and a daemon that left session and parent, all of whose ids are written.
const FAMILY: &str = "sleep 300 & echo $! >> pids
    (sleep 301 & echo $! >> pids; wait) &
    (setsid sh -c 'echo $$ >> pids; exec sleep 302' &)
    wait; wait; wait";

#[test]
fn an_interruption_leaves_nothing_behind() {
    for (signal, number) in [(Signal::INT, 2), (Signal::TERM, 15), (Signal::HUP, 1)] {
        let mut helper = Helper::start(&[], FAMILY, &[]);
        let pids = helper.file("pids", 3);
        assert_eq!(alive(&pids).len(), 3);
        helper.signal(signal);
        assert_eq!(helper.file("told", 1), format!("Signal(15) Some({number})\n"));
        assert_eq!(alive(&pids), Vec::<&str>::new());
        assert!(helper.wait().success());
    }
}

#[test]
fn a_second_signal_kills_what_does_not_end() {
    let stubborn = "trap '' TERM INT; sh -c 'echo $$ >> pids; while :; do sleep 1; done' &
        echo $$ >> pids; while :; do sleep 1; done";
    let mut helper = Helper::start(&[], stubborn, &[]);
    let pids = helper.file("pids", 2);
    let began = Instant::now();
    helper.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(alive(&pids).len(), 2);
    helper.signal(Signal::INT);
    assert_eq!(helper.file("told", 1), "Signal(9) Some(2)\n");
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    assert_eq!(alive(&pids), Vec::<&str>::new());
    helper.wait();
}

#[test]
fn without_a_second_signal_the_grace_ends() {
    let stubborn = "trap '' TERM; echo $$ >> pids; while :; do sleep 1; done";
    let mut helper = Helper::start(&[], stubborn, &[]);
    let pids = helper.file("pids", 1);
    helper.signal(Signal::TERM);
    assert_eq!(helper.file("told", 1), "Signal(9) Some(15)\n");
    assert_eq!(alive(&pids), Vec::<&str>::new());
    helper.wait();
}

#[test]
fn endless_output_can_be_interrupted() {
    let mut helper = Helper::start(&[], "echo $$ >> pids; exec yes", &[]);
    let pids = helper.file("pids", 1);
    std::thread::sleep(Duration::from_millis(200));
    helper.signal(Signal::INT);
    assert_eq!(helper.file("told", 1), "Signal(15) Some(2)\n");
    assert_eq!(alive(&pids), Vec::<&str>::new());
    helper.wait();
}

#[test]
fn a_stopped_process_is_ended_too() {
    let mut helper = Helper::start(&[], "echo $$ >> pids; kill -STOP $$; sleep 300", &[]);
    let pids = helper.file("pids", 1);
    std::thread::sleep(Duration::from_millis(100));
    helper.signal(Signal::TERM);
    assert_eq!(helper.file("told", 1), "Signal(15) Some(15)\n");
    assert_eq!(alive(&pids), Vec::<&str>::new());
    helper.wait();
}

#[test]
fn after_a_run_signals_do_what_they_did_before() {
    use std::os::unix::process::ExitStatusExt;
    let mut helper = Helper::start(&[], "true", &[("IRONWRIGHT_TEST_LINGER", "1")]);
    helper.file("told", 1);
    helper.signal(Signal::INT);
    assert_eq!(helper.wait().signal(), Some(2));
}

#[test]
fn what_was_ignored_before_stays_ignored() {
    let mut helper = Helper::start(
        &["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""],
        "kill -HUP $$; kill -HUP $PPID; sleep 0.3; exit 7",
        &[],
    );
    assert_eq!(helper.file("told", 1), "Code(7) None\n");
    helper.wait();
}

#[test]
fn children_of_before_are_left_alone() {
    let mut helper = Helper::start(
        &[
            "sh",
            "-c",
            "sleep 300 & echo $! > \"$IRONWRIGHT_TEST_DIRECTORY/before\"; exec \"$0\" \"$@\"",
        ],
        "echo $$ >> pids; sleep 300",
        &[],
    );
    helper.file("pids", 1);
    helper.signal(Signal::TERM);
    assert_eq!(helper.file("told", 1), "Signal(15) Some(15)\n");
    let before = helper.file("before", 1);
    assert_eq!(alive(&before).len(), 1);
    rustix::process::kill_process(pid(before.trim()), Signal::KILL).unwrap();
    helper.wait();
}
