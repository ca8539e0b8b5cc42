//! Compilers, linkers and build tools: where they are and which version.
//!
//! Asking a tool for its version costs milliseconds, so answers are kept by the file's path, size
//! and time. Does not know which version is good for what.

mod cache;
mod resolve;
mod versions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ironwright_core::facts::Tool;
use ironwright_core::profile::key::TOOLS;

use super::ProbeOptions;
use super::answers;
use super::reader::Reader;
use cache::{Cache, Key};
use resolve::Resolver;

/// Time that a tool has to tell its version.
const PATIENCE: Duration = Duration::from_secs(2);
/// Tools that are asked at a time.
const WORKERS: usize = 8;

pub(crate) fn read(reader: &mut Reader<'_>, options: &ProbeOptions) -> BTreeMap<String, Tool> {
    if !reader.root.is_live() {
        return answers::recorded(reader).tools;
    }
    let resolver = Resolver::new(options);
    let found: Vec<Found> =
        TOOLS.iter().filter_map(|name| Found::look_up(&resolver, name)).collect();
    let mut cache = Cache::load(options.tool_cache.as_deref());
    let unknown: Vec<&Found> = found.iter().filter(|tool| cache.get(&tool.key).is_none()).collect();
    for (key, version) in ask_all(&unknown) {
        cache.insert(key, version);
    }
    cache.save();
    found.into_iter().map(|tool| (tool.name.to_owned(), tool.described(&cache))).collect()
}

/// A tool that exists.
struct Found {
    name: &'static str,
    path: PathBuf,
    real: PathBuf,
    key: Key,
}

impl Found {
    fn look_up(resolver: &Resolver<'_>, name: &'static str) -> Option<Self> {
        let path = resolver.find(name)?;
        let real = resolver.real(name, &path);
        let key = Key::of(name, &real)?;
        Some(Self { name, path, real, key })
    }

    fn described(self, cache: &Cache) -> Tool {
        Tool {
            path: self.path.to_string_lossy().into_owned(),
            version: cache.get(&self.key).cloned().flatten(),
            source: format!("{} {}", self.name, versions::arguments(self.name).join(" ")),
        }
    }
}

fn ask_all(tools: &[&Found]) -> Vec<(Key, Option<String>)> {
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(tools.len()) {
            scope.spawn(|| {
                while let Some(tool) = tools.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = (tool.key.clone(), ask(tool));
                    answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(answer);
                }
            });
        }
    });
    answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn ask(tool: &Found) -> Option<String> {
    if let Some(version) = versions::without_asking(tool.name, &tool.real) {
        return Some(version);
    }
    let output = run(&tool.real, versions::arguments(tool.name))?;
    versions::version_of(tool.name, &output)
}

/// What a command prints, `None` when it does not end in time or cannot be started.
fn run(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(pause),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
        pause = (pause * 2).min(Duration::from_millis(10));
    }
    let mut text = Vec::new();
    // The answers are shorter than a pipe holds, so nothing was blocked meanwhile.
    std::io::Read::read_to_end(&mut std::io::Read::take(child.stdout?, 64 * 1024), &mut text)
        .ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}
