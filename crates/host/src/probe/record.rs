//! Records a machine: the files that the probe reads and the answers that no file tells, without
//! anything private.
//!
//! Does not know which facts follow from the files; it copies what a probe asked for.

use std::io;
use std::path::{Path, PathBuf};

use ironwright_core::facts::HostFacts;

use super::answers::{self, Answers};
use super::reader::Reader;
use super::{ProbeOptions, cpuinfo, probe};
use crate::files::replace;
use crate::root::{Root, Seen};

/// Why a machine cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The directory holds something else.
    #[error("it is not empty and holds no recording")]
    NotEmpty,
    /// A file cannot be written.
    #[error("{}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Name of every recorded host.
const HOSTNAME: &str = "recorded";

/// Writes the recording to a directory that is empty or holds one.
pub fn record(
    root: &Root,
    directory: &Path,
    options: &ProbeOptions,
) -> Result<HostFacts, RecordError> {
    let occupied = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !directory.join(answers::PATH.trim_start_matches('/')).is_file() {
        return Err(RecordError::NotEmpty);
    }
    let traced = root.traced();
    let facts = probe(&traced, options);
    let mut reader = Reader::new(&traced);
    let told = Answers {
        machine: answers::machine(&mut reader),
        affinity: answers::affinity(&mut reader),
        delegated: facts.cgroup.delegated.clone(),
        user_manager: facts.kernel.user_manager.value,
        tools: tools(&facts, options),
        gpus: facts.gpus.clone(),
    };
    let names = Names::of(&traced);
    for (path, seen) in traced.into_trace() {
        let path = path.to_string_lossy();
        if path.starts_with("/run/user") || path.starts_with("/ironwright") {
            continue;
        }
        let target = directory.join(names.hide(&path).trim_start_matches('/'));
        match seen {
            Seen::File(bytes) => write(&target, &names.content(&path, bytes))?,
            Seen::Presence => write(&target, b"")?,
            Seen::Directory => {
                std::fs::create_dir_all(&target)
                    .map_err(|error| RecordError::Write { path: target, error })?;
            }
        }
    }
    let text = serde_json::to_vec_pretty(&told).unwrap_or_default();
    write(&directory.join(answers::PATH.trim_start_matches('/')), &text)?;
    Ok(facts)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    replace(path, bytes).map_err(|error| RecordError::Write { path: path.to_owned(), error })
}

/// The tools with the home directory taken out of their paths.
fn tools(
    facts: &HostFacts,
    options: &ProbeOptions,
) -> std::collections::BTreeMap<String, ironwright_core::facts::Tool> {
    let mut tools = facts.tools.clone();
    let home = options.home.as_ref().map(|home| home.to_string_lossy().into_owned());
    for tool in tools.values_mut() {
        if let Some(home) = home.as_ref().filter(|home| home.len() > 1) {
            tool.path = tool.path.replace(home.as_str(), "~");
        }
    }
    tools
}

/// Names of control groups, which may tell users, sessions and services apart.
struct Names(Vec<(String, String)>);

/// Groups that every system has.
const COMMON: &[&str] = &["user.slice", "system.slice", "init.scope", "machine.slice", "app.slice"];

impl Names {
    fn of(root: &Root) -> Self {
        let bytes = root.read("/proc/self/cgroup").unwrap_or_default();
        let mut names: Vec<(String, String)> = Vec::new();
        for line in String::from_utf8_lossy(&bytes).lines() {
            let path = line.splitn(3, ':').nth(2).unwrap_or_default();
            for part in path.split('/').filter(|part| !part.is_empty() && !COMMON.contains(part)) {
                if !names.iter().any(|(name, _)| name == part) {
                    names.push((part.to_owned(), format!("group-{}", names.len() + 1)));
                }
            }
        }
        Self(names)
    }

    /// Components of a path that name a group, replaced.
    fn hide(&self, path: &str) -> String {
        if !path.starts_with("/sys/fs/cgroup") {
            return path.to_owned();
        }
        self.components(path)
    }

    fn components(&self, path: &str) -> String {
        let hidden = path.split('/').map(|part| {
            self.0.iter().find(|(name, _)| name == part).map_or(part, |(_, hidden)| hidden.as_str())
        });
        hidden.collect::<Vec<_>>().join("/")
    }

    fn content(&self, path: &str, bytes: Vec<u8>) -> Vec<u8> {
        let Ok(text) = String::from_utf8(bytes.clone()) else { return bytes };
        match path {
            "/proc/sys/kernel/hostname" => format!("{HOSTNAME}\n").into_bytes(),
            "/proc/cpuinfo" => lines(&text, |line| {
                let key = line.split(':').next().unwrap_or_default().trim();
                (key.is_empty() || cpuinfo::KEYS.contains(&key)).then(|| line.to_owned())
            }),
            "/proc/self/cgroup" => lines(&text, |line| {
                let (head, path) = line.rsplit_once(':')?;
                Some(format!("{head}:{}", self.components(path)))
            }),
            "/proc/self/mountinfo" => lines(&text, |line| {
                let is_group = line.contains(" - cgroup");
                is_group.then(|| {
                    line.split(' ').map(|word| self.components(word)).collect::<Vec<_>>().join(" ")
                })
            }),
            "/proc/swaps" => lines(&text, |line| Some(without_swap_path(line))),
            _ => text.into_bytes(),
        }
    }
}

fn lines(text: &str, keep: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut out = String::new();
    for line in text.lines().filter_map(keep) {
        out.push_str(&line);
        out.push('\n');
    }
    out.into_bytes()
}

/// A swap file's path may lead through a home directory.
fn without_swap_path(line: &str) -> String {
    match line.split_once(char::is_whitespace) {
        Some((path, rest)) if path.starts_with('/') && !path.starts_with("/dev/") => {
            format!("/swapfile {rest}")
        }
        _ => line.to_owned(),
    }
}
