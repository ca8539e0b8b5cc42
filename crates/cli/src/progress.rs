//! How a run is shown while it goes: a status line on a terminal, plain lines elsewhere.
//!
//! Does not know what is run.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ironwright_core::build::Step;
use ironwright_core::observe::Sample;
use ironwright_core::units::{Bytes, human_duration};
use ironwright_host::run::{Observer, Stream};

use crate::execute::Execution;
use crate::ui;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    /// A status line on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// A status line below the output.
    Bar,
    /// A line every half minute.
    Plain,
    /// Nothing; the command has the terminal to itself.
    None,
}

impl ProgressChoice {
    /// Plain lines that nobody asked for stay away from who wants it quiet.
    pub(crate) fn unless_quiet(self, quiet: bool) -> Self {
        let nobody_watches = !std::io::stderr().is_terminal();
        if quiet && nobody_watches && self == Self::Auto { Self::None } else { self }
    }
}

/// Time between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(30);

/// The view of a run.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    plain: bool,
    relay_stdout: bool,
    /// Standard output is kept for the JSON result.
    stdout_to_stderr: bool,
    began: Instant,
    last_line: Instant,
    label: String,
    budget: Bytes,
    processes: Arc<AtomicU32>,
    /// A file with one line of how a run goes, kept up to date by it.
    followed: Option<PathBuf>,
    /// Where the output goes instead of the terminal.
    log: Option<File>,
}

impl Progress {
    /// The view that suits the terminal; with `json`, standard output carries the result only.
    pub(crate) fn new(choice: ProgressChoice, json: bool) -> Self {
        let terminal =
            std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let shows_bar = match choice {
            ProgressChoice::Auto => terminal,
            ProgressChoice::Bar => true,
            ProgressChoice::Plain | ProgressChoice::None => false,
        };
        let now = Instant::now();
        Self {
            bar: shows_bar.then(bar),
            plain: !shows_bar && choice != ProgressChoice::None,
            relay_stdout: json || (shows_bar && std::io::stdout().is_terminal()),
            stdout_to_stderr: json,
            began: now,
            last_line: now,
            label: String::new(),
            budget: Bytes::ZERO,
            processes: Arc::default(),
            followed: None,
            log: None,
        }
    }

    /// Keeps what is printed in a file, and off the terminal.
    pub(crate) fn keep_in(&mut self, file: File) {
        self.log = Some(file);
    }

    /// Processes of the run at the last look, kept up to date.
    pub(crate) fn processes(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.processes)
    }

    /// Shows what a file says instead of a step's name.
    pub(crate) fn follow(&mut self, file: PathBuf) {
        self.followed = Some(file);
    }

    /// A step begins.
    pub(crate) fn step(&mut self, step: &Step, execution: &Execution) {
        self.label.clone_from(&step.title);
        self.budget = execution.budget;
        let named = execution.steps.len() > 1 || execution.source.is_some();
        if named && self.followed.is_none() {
            let shown = step.argv.join(" ");
            self.print(Stream::Stderr, format!("{} {shown}\n", ui::paint(ui::DIM, "$")).as_bytes());
        }
    }

    /// Takes the status line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Whether the command's standard output has to pass through here.
    pub(crate) const fn relays_stdout(&self) -> bool {
        self.relay_stdout || self.log.is_some()
    }

    /// Whether its standard error has to.
    pub(crate) const fn relays_stderr(&self) -> bool {
        self.bar.is_some() || self.log.is_some()
    }

    /// Variables that keep tools' colours when their output passes through a pipe to a terminal.
    pub(crate) fn colour_variables(&self) -> Vec<(String, String)> {
        let wanted = self.bar.is_some() && self.log.is_none() && ui::styled();
        let names = [("CARGO_TERM_COLOR", "always"), ("CLICOLOR_FORCE", "1"), ("FORCE_COLOR", "1")];
        let unset = |(name, _): &(&str, &str)| wanted && std::env::var_os(name).is_none();
        names.into_iter().filter(unset).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    fn print(&self, stream: Stream, bytes: &[u8]) {
        let write = || {
            // A closed pipe must not end the build.
            let _ = match stream {
                Stream::Stdout if !self.stdout_to_stderr => {
                    let mut out = std::io::stdout().lock();
                    out.write_all(bytes).and_then(|()| out.flush())
                }
                Stream::Stdout | Stream::Stderr => anstream::stderr().lock().write_all(bytes),
            };
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn status(&self, sample: &Sample) -> String {
        let processes = sample.processes;
        let noun = if processes == 1 { "process" } else { "processes" };
        let elapsed = human_duration(Duration::from_secs(self.began.elapsed().as_secs().max(1)));
        let followed = self.followed.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        if let Some(line) = followed {
            return format!("{elapsed}, {} of {}, {line}", sample.memory, self.budget);
        }
        format!(
            "{}: {elapsed}, {processes} {noun}, {} of {}",
            self.label, sample.memory, self.budget
        )
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

impl Observer for Progress {
    fn sample(&mut self, sample: &Sample) {
        self.processes.store(sample.processes, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_message(self.status(sample));
            bar.tick();
        } else if self.plain && self.last_line.elapsed() >= PLAIN_EVERY {
            self.last_line = Instant::now();
            ui::note(&format!("ironwright: {}\n", self.status(sample)));
        }
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        match &mut self.log {
            // A full disk shows when the build itself cannot write.
            Some(log) => drop(log.write_all(bytes)),
            None => self.print(stream, bytes),
        }
    }

    fn notice(&mut self, text: &str) {
        self.print(Stream::Stderr, format!("ironwright: {text}\n").as_bytes());
    }

    fn ending(&mut self, _signal: i32) {
        self.print(
            Stream::Stderr,
            b"ironwright: ending everything that was started; once more kills it\n",
        );
    }
}
