//! The messages.
//!
//! Does not know who answers what; that is the governor's and the launcher's.

use std::path::PathBuf;

use crate::VERSION;
use crate::bytes::{Reader, Writer};

/// What a launcher, a run or a view tells the governor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToGovernor {
    /// A launcher wants to start a command. The first message of its connection; again before another
    /// attempt, when that one is to be started in another way.
    Ask(Ask),
    /// The command runs, as the leader of a process group of its own.
    Started {
        /// Its process id.
        pid: i32,
    },
    /// Processes that work for the unit though they do not descend from its command: the tree below
    /// this one, which a daemon started. They are looked at, and not stopped or killed.
    Also {
        /// The root of the tree.
        pid: i32,
    },
    /// The command ended. After a death by SIGKILL the launcher waits for a [`FromGovernor::Verdict`].
    Ended(Ended),
    /// A run begins; it ends with its connection.
    RunBegins(RunBegins),
    /// How the jobserver of a run stands.
    Pool {
        /// Tokens that the pool was made of by now, the implicit one not counted.
        size: u32,
        /// Tokens that nobody holds.
        free: u32,
    },
    /// A run is over, and wants to know what became of its units: answered by a
    /// [`FromGovernor::Tally`].
    RunEnds,
    /// A view wants to see everything that happens from now on.
    Watch,
}

/// A launcher's question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The launcher's process id.
    pub pid: i32,
    /// Which run of the command this is, from 1.
    pub attempt: u32,
    /// Name that a user gave the unit.
    pub name: Option<String>,
    /// Memory that a user said it needs, in bytes.
    pub memory: Option<u64>,
    /// Made by `ironwright unit`: a unit whatever the command is.
    pub explicit: bool,
    /// Whether it may be killed and run again.
    pub retryable: bool,
    /// Whether its input is a source on standard input.
    pub stdin_is_source: bool,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub cwd: PathBuf,
    /// The variables that tell what is built.
    pub environment: Vec<(String, String)>,
    /// The run that it belongs to.
    pub run: Option<i64>,
    /// What is being built.
    pub job: Option<String>,
    /// Set when the command runs already: its governor died, or did not answer in time.
    pub running: Option<Running>,
}

/// A command that was started without, or before, the governor that is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Leader of its process group.
    pub pid: i32,
    /// Time since its start in microseconds.
    pub since_us: u64,
}

/// How a command ended, from `wait4(2)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The status as the kernel gives it.
    pub status: i32,
    /// Wall-clock time in microseconds.
    pub wall_us: u64,
    /// Time on processors in user code.
    pub user_us: u64,
    /// Time on processors in the kernel.
    pub system_us: u64,
    /// Resident size of the largest process of the tree, in bytes.
    pub peak_process: u64,
    /// Most memory of the whole tree that no file backs, in bytes, as far as whoever started it saw; 0 where
    /// nobody looked.
    pub peak_tree: u64,
    /// The command itself ended by itself, but said that a process below it had been killed.
    pub killed_inside: bool,
    /// The launcher was told to end the command.
    pub ended_by_user: bool,
    /// There was nothing to do, so that nothing follows for the next time.
    pub nothing_done: bool,
}

/// What a run tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunBegins {
    /// Its number in the history, if it is kept.
    pub run: Option<i64>,
    /// The process that runs it.
    pub pid: i32,
    /// What it does, for people.
    pub label: String,
    /// What is built, for the history.
    pub source: Option<String>,
    /// Memory that its profile gives to all builds, in bytes.
    pub budget: u64,
    /// A control group of its own keeps it within the budget.
    pub contained: bool,
    /// Threads that its profile gives to all builds.
    pub threads: u32,
    /// Tokens of its jobserver, the implicit one not counted; none when it serves none.
    pub tokens: Option<u32>,
}

/// What the governor tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromGovernor {
    /// The question was read; a grant will follow.
    Queued,
    /// The command may start.
    Granted {
        /// Number of the unit.
        unit: u64,
        /// What to add to the command's `oom_score_adj`.
        oom_score_adj: i32,
        /// `cgroup.procs` of the group that the command is to enter.
        group: Option<PathBuf>,
    },
    /// Not worth governing: start it and say no more.
    Pass,
    /// What follows from a death by SIGKILL.
    Verdict {
        /// Wait for another grant and run the command again.
        retry: bool,
        /// What a user should know.
        message: Option<String>,
        /// Times that it was killed by neither the governor nor, for memory, the kernel.
        by_others: u32,
    },
    /// The governor lives. Comes every other second to whoever waits.
    Alive,
    /// The number of tokens that a run's jobserver is to be made of, the implicit one not counted.
    Pool {
        /// Tokens.
        size: u32,
    },
    /// Something that happened, as JSON, for a view.
    Note(String),
    /// What became of a run's units so far.
    Tally(Tally),
}

/// Counts of a run's units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Units that ended.
    pub units: u32,
    /// Times that one was stopped for a while.
    pub paused: u32,
    /// Times that one was killed and is run again.
    pub again: u32,
}

impl ToGovernor {
    pub(crate) fn write(&self, w: &mut Writer) {
        match self {
            Self::Ask(ask) => {
                w.u8(1);
                w.u16(VERSION);
                ask.write(w);
            }
            Self::Started { pid } => {
                w.u8(2);
                w.i32(*pid);
            }
            Self::Ended(ended) => {
                w.u8(3);
                ended.write(w);
            }
            Self::RunBegins(run) => {
                w.u8(4);
                w.u16(VERSION);
                run.write(w);
            }
            Self::Pool { size, free } => {
                w.u8(5);
                w.u32(*size);
                w.u32(*free);
            }
            Self::RunEnds => w.u8(7),
            Self::Also { pid } => {
                w.u8(8);
                w.i32(*pid);
            }
            Self::Watch => {
                w.u8(6);
                w.u16(VERSION);
            }
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let tag = r.u8()?;
        if matches!(tag, 1 | 4 | 6) && r.u16()? != VERSION {
            return None;
        }
        Some(match tag {
            1 => Self::Ask(Ask::read(r)?),
            2 => Self::Started { pid: r.i32()? },
            3 => Self::Ended(Ended::read(r)?),
            4 => Self::RunBegins(RunBegins::read(r)?),
            5 => Self::Pool { size: r.u32()?, free: r.u32()? },
            6 => Self::Watch,
            7 => Self::RunEnds,
            8 => Self::Also { pid: r.i32()? },
            _ => return None,
        })
    }
}

impl FromGovernor {
    pub(crate) fn write(&self, w: &mut Writer) {
        match self {
            Self::Queued => w.u8(1),
            Self::Granted { unit, oom_score_adj, group } => {
                w.u8(2);
                w.u64(*unit);
                w.i32(*oom_score_adj);
                w.maybe(group.as_deref(), Writer::path);
            }
            Self::Pass => w.u8(3),
            Self::Verdict { retry, message, by_others } => {
                w.u8(4);
                w.flag(*retry);
                w.maybe(message.as_deref(), Writer::text);
                w.u32(*by_others);
            }
            Self::Alive => w.u8(5),
            Self::Pool { size } => {
                w.u8(6);
                w.u32(*size);
            }
            Self::Note(json) => {
                w.u8(7);
                w.text(json);
            }
            Self::Tally(Tally { units, paused, again }) => {
                w.u8(8);
                for count in [units, paused, again] {
                    w.u32(*count);
                }
            }
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(match r.u8()? {
            1 => Self::Queued,
            2 => Self::Granted {
                unit: r.u64()?,
                oom_score_adj: r.i32()?,
                group: r.maybe(Reader::path)?,
            },
            3 => Self::Pass,
            4 => Self::Verdict {
                retry: r.flag()?,
                message: r.maybe(Reader::text)?,
                by_others: r.u32()?,
            },
            5 => Self::Alive,
            6 => Self::Pool { size: r.u32()? },
            7 => Self::Note(r.text()?),
            8 => Self::Tally(Tally { units: r.u32()?, paused: r.u32()?, again: r.u32()? }),
            _ => return None,
        })
    }
}

impl Ask {
    fn write(&self, w: &mut Writer) {
        w.i32(self.pid);
        w.u32(self.attempt);
        w.maybe(self.name.as_deref(), Writer::text);
        w.maybe(self.memory, Writer::u64);
        w.flag(self.explicit);
        w.flag(self.retryable);
        w.flag(self.stdin_is_source);
        w.list(&self.argv, |w, argument| w.text(argument));
        w.path(&self.cwd);
        w.list(&self.environment, |w, (key, value)| {
            w.text(key);
            w.text(value);
        });
        w.maybe(self.run, Writer::i64);
        w.maybe(self.job.as_deref(), Writer::text);
        w.maybe(self.running, |w, running| {
            w.i32(running.pid);
            w.u64(running.since_us);
        });
    }

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            pid: r.i32()?,
            attempt: r.u32()?,
            name: r.maybe(Reader::text)?,
            memory: r.maybe(Reader::u64)?,
            explicit: r.flag()?,
            retryable: r.flag()?,
            stdin_is_source: r.flag()?,
            argv: r.list(Reader::text)?,
            cwd: r.path()?,
            environment: r.list(|r| Some((r.text()?, r.text()?)))?,
            run: r.maybe(Reader::i64)?,
            job: r.maybe(Reader::text)?,
            running: r.maybe(|r| Some(Running { pid: r.i32()?, since_us: r.u64()? }))?,
        })
    }
}

impl Ended {
    fn write(&self, w: &mut Writer) {
        w.i32(self.status);
        let times = [self.wall_us, self.user_us, self.system_us];
        for figure in times.into_iter().chain([self.peak_process, self.peak_tree]) {
            w.u64(figure);
        }
        w.flag(self.killed_inside);
        w.flag(self.ended_by_user);
        w.flag(self.nothing_done);
    }

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            status: r.i32()?,
            wall_us: r.u64()?,
            user_us: r.u64()?,
            system_us: r.u64()?,
            peak_process: r.u64()?,
            peak_tree: r.u64()?,
            killed_inside: r.flag()?,
            ended_by_user: r.flag()?,
            nothing_done: r.flag()?,
        })
    }
}

impl RunBegins {
    fn write(&self, w: &mut Writer) {
        w.maybe(self.run, Writer::i64);
        w.i32(self.pid);
        w.text(&self.label);
        w.maybe(self.source.as_deref(), Writer::text);
        w.u64(self.budget);
        w.flag(self.contained);
        w.u32(self.threads);
        w.maybe(self.tokens, Writer::u32);
    }

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            run: r.maybe(Reader::i64)?,
            pid: r.i32()?,
            label: r.text()?,
            source: r.maybe(Reader::text)?,
            budget: r.u64()?,
            contained: r.flag()?,
            threads: r.u32()?,
            tokens: r.maybe(Reader::u32)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn there_and_back(message: &ToGovernor) -> Option<ToGovernor> {
        let mut writer = Writer::default();
        message.write(&mut writer);
        ToGovernor::read(&mut Reader(&writer.0))
    }

    #[test]
    fn every_message_comes_back_as_it_was() {
        let ended = Ended { status: 9, wall_us: 1, killed_inside: true, ..Ended::default() };
        let begins = RunBegins { run: Some(-1), tokens: Some(7), ..RunBegins::default() };
        for message in [
            ToGovernor::Started { pid: 7 },
            ToGovernor::Also { pid: 9 },
            ToGovernor::Ended(ended),
            ToGovernor::RunBegins(begins),
            ToGovernor::Pool { size: 3, free: 1 },
            ToGovernor::RunEnds,
            ToGovernor::Watch,
        ] {
            assert_eq!(there_and_back(&message).as_ref(), Some(&message));
        }
        let group = Some(PathBuf::from("/sys/fs/cgroup/x"));
        for message in [
            FromGovernor::Queued,
            FromGovernor::Granted { unit: 9, oom_score_adj: 500, group },
            FromGovernor::Pass,
            FromGovernor::Verdict { retry: true, message: Some("why".into()), by_others: 2 },
            FromGovernor::Alive,
            FromGovernor::Pool { size: 4 },
            FromGovernor::Note("{}".into()),
            FromGovernor::Tally(Tally { units: 3, paused: 2, again: 1 }),
        ] {
            let mut writer = Writer::default();
            message.write(&mut writer);
            assert_eq!(FromGovernor::read(&mut Reader(&writer.0)).as_ref(), Some(&message));
        }
    }

    #[test]
    fn another_version_is_refused() {
        let mut writer = Writer::default();
        ToGovernor::Watch.write(&mut writer);
        writer.0[1] = writer.0[1].wrapping_add(1);
        assert_eq!(ToGovernor::read(&mut Reader(&writer.0)), None);
    }

    proptest! {
        #[test]
        fn a_question_comes_back_as_it_was(
            argv in prop::collection::vec("\\PC{0,20}", 0..6),
            name in prop::option::of("\\PC{0,9}"),
            memory in prop::option::of(any::<u64>()),
            running in prop::option::of((any::<i32>(), any::<u64>())),
            (pid, attempt, run) in (any::<i32>(), any::<u32>(), prop::option::of(any::<i64>())),
        ) {
            let running = running.map(|(pid, since_us)| Running { pid, since_us });
            let ask = Ask { pid, attempt, name, memory, argv, run, running, ..Ask::default() };
            let message = ToGovernor::Ask(ask);
            prop_assert_eq!(there_and_back(&message), Some(message));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ToGovernor::read(&mut Reader(&bytes));
            let _ = FromGovernor::read(&mut Reader(&bytes));
        }
    }
}
