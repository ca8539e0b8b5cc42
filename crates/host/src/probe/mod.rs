//! Reads a machine's facts: this one's, or those of a recorded tree.
//!
//! Never fails: what cannot be read is absent and listed as a problem. Does not conclude anything
//! from a fact.

mod answers;
pub(crate) mod cgroup;
mod cpu;
mod cpuinfo;
mod gpus;
pub(crate) mod memory;
mod reader;
mod record;
mod system;
mod tools;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use ironwright_core::facts::{Architecture, CgroupFacts, CpuFacts, FACTS_SCHEMA, Fact, HostFacts};

use crate::root::Root;
use reader::Reader;
pub use record::{RecordError, record};

/// What a probe of this machine takes from the environment.
#[derive(Clone, Debug, Default)]
pub struct ProbeOptions {
    /// Where tools' versions are kept; nowhere when absent.
    pub tool_cache: Option<PathBuf>,
    /// `PATH`.
    pub path: OsString,
    /// Home directory.
    pub home: Option<PathBuf>,
    /// `RUSTUP_HOME`.
    pub rustup_home: Option<PathBuf>,
    /// `RUSTUP_TOOLCHAIN`.
    pub rustup_toolchain: Option<String>,
    /// `PYENV_VERSION`.
    pub pyenv_version: Option<String>,
}

impl ProbeOptions {
    /// The options that this process's environment gives, without a cache.
    pub fn from_environment() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            tool_cache: None,
            path: std::env::var_os("PATH").unwrap_or_default(),
            home: text("HOME").map(PathBuf::from),
            rustup_home: text("RUSTUP_HOME").map(PathBuf::from),
            rustup_toolchain: text("RUSTUP_TOOLCHAIN"),
            pyenv_version: text("PYENV_VERSION"),
        }
    }
}

/// Everything that can be read.
pub fn probe(root: &Root, options: &ProbeOptions) -> HostFacts {
    let mut reader = Reader::new(root);
    let hostname = hostname(&mut reader);
    let mut cpu = cpu::read(&mut reader);
    let memory = memory::read(&mut reader);
    let cgroup = cgroup::read(&mut reader);
    cpu.usable_threads = usable_threads(&mut reader, &cpu, &cgroup);
    let mut facts = HostFacts {
        schema: FACTS_SCHEMA,
        hostname,
        cpu,
        memory,
        cgroup,
        storage: system::storage(&mut reader),
        gpus: gpus::read(&mut reader),
        tools: tools::read(&mut reader, options),
        kernel: system::kernel(&mut reader),
        environment: system::environment(&mut reader),
        problems: Vec::new(),
    };
    facts.problems = reader.problems;
    facts.problems.sort();
    facts.problems.dedup();
    facts
}

/// What code the processors run, and nothing else of the machine: commands that ask for no more start sooner.
pub fn runs(root: &Root) -> (Architecture, BTreeSet<String>) {
    cpu::runs(&mut Reader::new(root))
}

fn hostname(reader: &mut Reader<'_>) -> Option<Fact<String>> {
    let path = "/proc/sys/kernel/hostname";
    let text = reader.optional(path)?;
    let name = text.split('.').next().filter(|name| !name.is_empty())?;
    Some(Fact::new(name.to_owned(), path))
}

/// Threads in the affinity mask, no more than the control group's quota pays for.
fn usable_threads(
    reader: &mut Reader<'_>,
    cpu: &CpuFacts,
    cgroup: &CgroupFacts,
) -> Option<Fact<u32>> {
    let allowed =
        answers::affinity(reader).or_else(|| cpu.threads.as_ref().map(|fact| fact.value))?;
    let Some(quota) = &cgroup.cpu_quota else { return Some(Fact::new(allowed, "affinity mask")) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let paid = (quota.value.ceil() as u32).max(1);
    let source = if paid < allowed { quota.source.clone() } else { "affinity mask".to_owned() };
    Some(Fact::new(paid.min(allowed), source))
}
