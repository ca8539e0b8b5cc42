//! `ironwright probe`.
//!
//! Does not know how facts are read.

use std::path::{Path, PathBuf};

use clap::Args;
use ironwright_core::facts::{Fact, HostFacts};
use ironwright_core::profile::host_file;
use ironwright_core::units::Limit;
use ironwright_host::files::replace;
use ironwright_host::probe::{probe, record};

use crate::args::HostArgs;
use crate::context::{Directories, file_name, probe_options, profile_path, root};
use crate::error::CliError;
use crate::table::table;
use crate::ui::{self, HEADING, paint};

/// Show what this machine is, with the place each fact was read.
///
/// With --write, the facts become hosts/<hostname>.toml; values that you changed there are never
/// overwritten.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright probe\n  ironwright probe --json\n  ironwright probe --write\n  ironwright probe --record /tmp/my-host     for a bug report: nothing private in it\n  ironwright probe --root /tmp/my-host"
)]
pub(crate) struct ProbeArgs {
    /// Write the profile file, or bring it up to date.
    #[arg(long)]
    write: bool,
    /// Directory below which hosts/<hostname>.toml is written, instead of this one.
    #[arg(long, requires = "write", value_name = "DIR", conflicts_with = "user")]
    dir: Option<PathBuf>,
    /// Write below the user's configuration directory, where it is found from everywhere.
    #[arg(long, requires = "write")]
    user: bool,
    /// Record the files that the probe reads in DIR, without anything private.
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    record: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ProbeArgs, host: &HostArgs) -> Result<u8, CliError> {
    let root = root(host)?;
    if let Some(dir) = &args.record {
        let failed = |error| {
            CliError::usage(
                format!("cannot record in {}: {error}", dir.display()),
                "name an empty directory",
            )
        };
        record(&root, dir, &probe_options()).map_err(failed)?;
        ui::print(&format!("recorded in {}\n", dir.display()))?;
        return Ok(0);
    }
    let facts = probe(&root, &probe_options());
    if args.write {
        return write(args, host, &facts);
    }
    if args.json {
        ui::print_json(&facts)?;
    } else {
        ui::print(&report(&facts))?;
    }
    Ok(0)
}

fn write(args: &ProbeArgs, host: &HostArgs, facts: &HostFacts) -> Result<u8, CliError> {
    let name = file_name(facts).ok_or_else(|| {
        CliError::usage(
            "this host has no name that a file can have",
            "write one with --profile FILE",
        )
    });
    let below = |dir: &Path, name: String| dir.join("hosts").join(name);
    let path = match (&host.profile, &args.dir) {
        (Some(path), _) => path.clone(),
        (None, Some(dir)) => below(dir, name?),
        (None, None) if args.user => below(&Directories::config().unwrap_or_default(), name?),
        (None, None) => match profile_path(host, facts) {
            Some(found) => found,
            None => below(Path::new("."), name?),
        },
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(before) => updated(&path, &before, facts)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ui::print(&format!("{}: written\n", path.display()))?;
            host_file::render(facts)
        }
        Err(error) => return Err(CliError::Read { path, error }),
    };
    replace(&path, text.as_bytes()).map_err(|error| CliError::Write { path, error })?;
    Ok(0)
}

fn updated(path: &Path, before: &str, facts: &HostFacts) -> Result<String, CliError> {
    let updated =
        host_file::update(&path.to_string_lossy(), before, facts).map_err(CliError::mistakes)?;
    let mut text = match updated.refreshed.as_slice() {
        [] => format!("{}: up to date\n", path.display()),
        keys => format!("{}: refreshed {}\n", path.display(), keys.join(", ")),
    };
    if !updated.kept.is_empty() {
        text.push_str(&format!("kept as you changed them: {}\n", updated.kept.join(", ")));
    }
    ui::print(&text)?;
    Ok(updated.text)
}

/// Rows of one section: name, value, source.
type Rows = Vec<Vec<String>>;

fn report(facts: &HostFacts) -> String {
    let sections = [
        ("host", host(facts)),
        ("processor", cpu(facts)),
        ("memory", memory(facts)),
        ("limits", limits(facts)),
        ("storage", storage(facts)),
        ("gpu", gpus(facts)),
        ("tools", tools(facts)),
        ("problems", problems(facts)),
    ];
    let mut out = String::new();
    for (title, rows) in sections.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        out.push_str(&format!("{}\n{}", paint(HEADING, title), table(&[], rows)));
    }
    out
}

fn push<T>(rows: &mut Rows, name: &str, fact: Option<&Fact<T>>, show: impl Fn(&T) -> String) {
    if let Some(fact) = fact {
        rows.push(vec![name.to_owned(), show(&fact.value), fact.source.clone()]);
    }
}

fn host(facts: &HostFacts) -> Rows {
    let mut rows = Rows::new();
    let (environment, kernel) = (&facts.environment, &facts.kernel);
    push(&mut rows, "name", facts.hostname.as_ref(), Clone::clone);
    push(&mut rows, "system", environment.os.as_ref(), Clone::clone);
    push(&mut rows, "kernel", kernel.release.as_ref(), Clone::clone);
    push(&mut rows, "virtual machine", environment.virtualisation.as_ref(), Clone::clone);
    push(&mut rows, "container", environment.container.as_ref(), Clone::clone);
    push(&mut rows, "wsl", environment.wsl.as_ref(), Clone::clone);
    push(&mut rows, "pressure (PSI)", Some(&kernel.psi), |flag| yes_no(*flag));
    push(&mut rows, "user manager", Some(&kernel.user_manager), |flag| yes_no(*flag));
    push(&mut rows, "huge pages", kernel.huge_pages.as_ref(), Clone::clone);
    rows
}

fn yes_no(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

fn cpu(facts: &HostFacts) -> Rows {
    let cpu = &facts.cpu;
    let mut rows = Rows::new();
    push(&mut rows, "architecture", Some(&cpu.architecture), |a| a.name().to_owned());
    push(&mut rows, "vendor", cpu.vendor.as_ref(), Clone::clone);
    push(&mut rows, "model", cpu.model_name.as_ref(), Clone::clone);
    if let (Some(family), Some(model)) = (cpu.family, cpu.model) {
        let stepping = cpu.stepping.map(|s| format!(", stepping {s}")).unwrap_or_default();
        rows.push(vec![
            "family".into(),
            format!("{family}, model {model}{stepping}"),
            "/proc/cpuinfo".into(),
        ]);
    }
    push(&mut rows, "microarchitecture", cpu.microarchitecture.as_ref(), Clone::clone);
    push(&mut rows, "level", cpu.psabi.as_ref(), Clone::clone);
    push(&mut rows, "sockets", cpu.sockets.as_ref(), u32::to_string);
    push(&mut rows, "cores", cpu.cores.as_ref(), u32::to_string);
    push(&mut rows, "threads", cpu.threads.as_ref(), u32::to_string);
    push(&mut rows, "threads per core", cpu.threads_per_core.as_ref(), |n| {
        format!("{n} (SMT {})", if *n > 1 { "on" } else { "off" })
    });
    push(&mut rows, "usable threads", cpu.usable_threads.as_ref(), u32::to_string);
    for cache in &cpu.caches {
        let text = format!("{} x {}, shared by {}", cache.instances, cache.size, cache.shared_by);
        rows.push(vec![format!("L{} {}", cache.level, cache.kind), text, cache.source.clone()]);
    }
    // A table cell as long as this list would push every other column off the screen.
    let features: Vec<_> = cpu.features.value.iter().map(String::as_str).collect();
    for (at, part) in features.chunks(8).enumerate() {
        let (name, source) =
            if at == 0 { ("features", cpu.features.source.as_str()) } else { ("", "") };
        rows.push(vec![name.to_owned(), part.join(" "), source.to_owned()]);
    }
    rows
}

fn memory(facts: &HostFacts) -> Rows {
    let memory = &facts.memory;
    let mut rows = Rows::new();
    push(&mut rows, "RAM", memory.total.as_ref(), ToString::to_string);
    push(&mut rows, "available now", memory.available.as_ref(), ToString::to_string);
    for zram in &memory.zram {
        let ratio = zram
            .ratio
            .map_or_else(|| "ratio not known yet".to_owned(), |r| format!("ratio {r:.2}"));
        let algorithm = zram.algorithm.as_deref().unwrap_or("unknown algorithm");
        rows.push(vec![
            zram.device.clone(),
            format!("{}, {algorithm}, {ratio}", zram.size),
            zram.source.clone(),
        ]);
    }
    for swap in &memory.swap {
        let text =
            format!("{} {}, {} used, priority {}", swap.kind, swap.size, swap.used, swap.priority);
        rows.push(vec![format!("swap {}", swap.path), text, "/proc/swaps".to_owned()]);
    }
    push(&mut rows, "swappiness", memory.swappiness.as_ref(), u32::to_string);
    push(&mut rows, "overcommit", memory.overcommit.as_ref(), u32::to_string);
    rows
}

fn limits(facts: &HostFacts) -> Rows {
    let groups = &facts.cgroup;
    let mode = format!("{:?}", groups.mode).to_lowercase();
    let mut rows = vec![vec!["control groups".to_owned(), mode, "/proc/self/mountinfo".to_owned()]];
    let limited = [
        ("memory limit", &groups.memory_limit),
        ("memory high", &groups.memory_high),
        ("swap limit", &groups.swap_limit),
    ];
    for (name, fact) in limited {
        if name == "memory limit" || fact.value != Limit::Unlimited {
            push(&mut rows, name, Some(fact), ToString::to_string);
        }
    }
    push(&mut rows, "processor quota", groups.cpu_quota.as_ref(), |quota| {
        format!("{quota:.2} processors")
    });
    let delegated =
        if groups.delegated.is_empty() { "none".to_owned() } else { groups.delegated.join(" ") };
    rows.push(vec!["delegated".to_owned(), delegated, "cgroup.controllers".to_owned()]);
    rows
}

fn storage(facts: &HostFacts) -> Rows {
    let row = |device: &ironwright_core::facts::BlockDevice| {
        let size = device.size.map_or_else(|| "unknown size".to_owned(), |size| size.to_string());
        let scheduler = device.scheduler.as_deref().unwrap_or("unknown");
        vec![
            device.name.clone(),
            format!("{}, {size}, scheduler {scheduler}", device.kind),
            device.source.clone(),
        ]
    };
    facts.storage.iter().map(row).collect()
}

fn gpus(facts: &HostFacts) -> Rows {
    let row = |gpu: &ironwright_core::facts::Gpu| {
        let memory =
            gpu.memory.map_or_else(|| "unknown memory".to_owned(), |memory| memory.to_string());
        let capability = gpu.compute_capability.as_deref().unwrap_or("unknown");
        vec![
            gpu.name.clone(),
            format!("{memory}, compute capability {capability}"),
            gpu.source.clone(),
        ]
    };
    facts.gpus.iter().map(row).collect()
}

fn tools(facts: &HostFacts) -> Rows {
    facts
        .tools
        .iter()
        .map(|(name, tool)| {
            let version = tool.version.clone().unwrap_or_else(|| "unknown version".to_owned());
            vec![name.clone(), version, tool.path.clone()]
        })
        .collect()
}

fn problems(facts: &HostFacts) -> Rows {
    facts.problems.iter().map(|p| vec![p.source.clone(), p.detail.clone(), String::new()]).collect()
}
