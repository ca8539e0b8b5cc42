//! What a machine lacks for a full result, and the command that would bring it.
//!
//! Judges facts only. Does not run anything and changes nothing; everything works without, only
//! less well.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cpu::version::Version;
use crate::facts::{CgroupMode, HostFacts};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// There.
    Good,
    /// Not there, or too old.
    Missing,
    /// Makes no sense on this machine.
    NotApplicable,
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Short name.
    pub id: String,
    /// How it came out.
    pub status: Status,
    /// What was found.
    pub state: String,
    /// What it is good for.
    pub benefit: String,
    /// Commands or configuration that bring it; empty when nothing does.
    pub fix: Vec<String>,
}

/// All checks, in the order in which they matter.
pub fn check(facts: &HostFacts) -> Vec<Finding> {
    let mut out = vec![psi(facts), zram(facts), delegation(facts)];
    out.push(tool(
        facts,
        "mold",
        None,
        "links several times as fast as GNU ld, with a third less memory",
    ));
    out.push(tool(
        facts,
        "make",
        Some((4, 4)),
        "4.4 takes part in a named jobserver, together with ninja",
    ));
    out.push(tool(
        facts,
        "ninja",
        Some((1, 13)),
        "1.13 takes part in the jobserver; older ones choose their own jobs",
    ));
    out.push(tool(
        facts,
        "sccache",
        None,
        "rebuilds of Rust and C++ about three times as fast, when it hits",
    ));
    out.push(tool(facts, "ccache", None, "the same for C and C++"));
    out.push(tool(facts, "cmake", None, "builds CMake projects"));
    out.push(tool(facts, "nix", None, "builds derivations"));
    out.push(cuda(facts));
    out
}

fn finding(
    id: &str,
    status: Status,
    state: impl Into<String>,
    benefit: &str,
    fix: Vec<String>,
) -> Finding {
    let fix = if status == Status::Missing { fix } else { Vec::new() };
    Finding { id: id.to_owned(), status, state: state.into(), benefit: benefit.to_owned(), fix }
}

const fn when(good: bool) -> Status {
    if good { Status::Good } else { Status::Missing }
}

fn psi(facts: &HostFacts) -> Finding {
    let there = facts.kernel.psi.value;
    let state = if there {
        "pressure stall information can be read"
    } else {
        "the kernel does not tell pressure"
    };
    let fix = if is_nixos(facts) {
        vec!["boot.kernelParams = [ \"psi=1\" ];".to_owned()]
    } else {
        vec!["add psi=1 to the kernel's command line (CONFIG_PSI, Linux 4.20 or newer)".to_owned()]
    };
    finding("psi", when(there), state, "tells that memory gets short before it is gone", fix)
}

fn zram(facts: &HostFacts) -> Finding {
    let active: Vec<_> =
        facts.memory.zram.iter().map(|z| format!("{} of {}", z.device, z.size)).collect();
    let benefit = "compressed memory: room for a peak without a slow disk";
    if facts.environment.container.is_some() || facts.environment.wsl.is_some() {
        return finding(
            "zram",
            Status::NotApplicable,
            "the host of this container or WSL decides",
            benefit,
            Vec::new(),
        );
    }
    let fix = match facts.environment.os_id.as_ref().map(|id| id.value.as_str()) {
        Some("nixos") => vec!["zramSwap = { enable = true; algorithm = \"zstd\"; memoryPercent = 75; };".to_owned()],
        Some("debian" | "ubuntu") => vec!["sudo apt-get install zram-tools   # then set PERCENT=75 in /etc/default/zramswap".to_owned()],
        Some("fedora") => vec!["sudo dnf install zram-generator-defaults".to_owned()],
        _ => vec!["sudo zramctl --find --size $(( $(grep -oP 'MemTotal: *\\K\\d+' /proc/meminfo) * 3 / 4 ))K --algorithm zstd   # then mkswap and swapon it".to_owned()],
    };
    let state = if active.is_empty() { "no zram in use".to_owned() } else { active.join(", ") };
    finding("zram", when(!active.is_empty()), state, benefit, fix)
}

fn delegation(facts: &HostFacts) -> Finding {
    let benefit = "a build's memory can be limited, counted and ended as one";
    let groups = &facts.cgroup;
    if groups.delegated.iter().any(|controller| controller == "memory") {
        return finding(
            "delegation",
            Status::Good,
            format!("delegated: {}", groups.delegated.join(" ")),
            benefit,
            Vec::new(),
        );
    }
    if groups.mode != CgroupMode::V2 {
        let fix =
            vec!["add systemd.unified_cgroup_hierarchy=1 to the kernel's command line".to_owned()];
        return finding(
            "delegation",
            Status::Missing,
            "control groups are not version 2 alone",
            benefit,
            fix,
        );
    }
    let fix = if facts.kernel.user_manager.value {
        vec![
            "systemd-run --user --scope --property=Delegate=yes ironwright run -- COMMAND"
                .to_owned(),
        ]
    } else {
        vec!["sudo loginctl enable-linger $USER   # starts a user manager".to_owned()]
    };
    finding(
        "delegation",
        Status::Missing,
        "the memory controller is not delegated to this user",
        benefit,
        fix,
    )
}

fn tool(facts: &HostFacts, name: &str, wanted: Option<(u16, u16)>, benefit: &str) -> Finding {
    let Some(tool) = facts.tools.get(name) else {
        return finding(name, Status::Missing, "not installed", benefit, install(facts, name));
    };
    let shown = tool.version.clone().unwrap_or_else(|| "unknown version".to_owned());
    let version = tool.version.as_deref().and_then(Version::parse);
    let new_enough = wanted.is_none_or(|w| version.is_some_and(|v| (v.major, v.minor) >= w));
    let state = if new_enough { shown } else { format!("{shown} is too old") };
    finding(name, when(new_enough), state, benefit, upgrade(facts, name, wanted.is_some()))
}

/// The command that installs a tool with the distribution's own package manager.
fn install(facts: &HostFacts, name: &str) -> Vec<String> {
    let package = if name == "ninja" { "ninja-build" } else { name };
    let own = if name == "ninja" { "ninja" } else { name };
    vec![match facts.environment.os_id.as_ref().map(|id| id.value.as_str()) {
        Some("debian" | "ubuntu") if name == "nix" => {
            "sudo apt-get install nix-setup-systemd".to_owned()
        }
        Some("debian") if name == "sccache" => "cargo install sccache --locked".to_owned(),
        Some("debian" | "ubuntu") => format!("sudo apt-get install {package}"),
        Some("fedora") => format!("sudo dnf install {package}"),
        Some("arch") => format!("sudo pacman -S {own}"),
        Some("nixos") => format!(
            "environment.systemPackages = [ pkgs.{} ];",
            if name == "make" { "gnumake" } else { own }
        ),
        _ => format!("install {name} with your package manager"),
    }]
}

/// Debian's stable releases lag behind for make and ninja; `PyPI`'s wheel of ninja does not.
fn upgrade(facts: &HostFacts, name: &str, versioned: bool) -> Vec<String> {
    match name {
        "ninja" if versioned => {
            vec!["pipx install ninja   # PyPI's wheel is 1.13 or newer".to_owned()]
        }
        "make" if versioned && !is_nixos(facts) => {
            vec![
                "build GNU make 4.4 from ftp.gnu.org, or take your distribution's next release"
                    .to_owned(),
            ]
        }
        _ => install(facts, name),
    }
}

fn cuda(facts: &HostFacts) -> Finding {
    let benefit = "compiles CUDA code for the GPU";
    if facts.gpus.is_empty() {
        return finding("nvcc", Status::NotApplicable, "no NVIDIA GPU", benefit, Vec::new());
    }
    match facts.tools.get("nvcc") {
        Some(tool) => finding(
            "nvcc",
            Status::Good,
            tool.version.clone().unwrap_or_default(),
            benefit,
            Vec::new(),
        ),
        None => finding(
            "nvcc",
            Status::Missing,
            "a GPU, but no CUDA toolkit in PATH",
            benefit,
            vec!["install NVIDIA's cuda-toolkit package".to_owned()],
        ),
    }
}

fn is_nixos(facts: &HostFacts) -> bool {
    facts.environment.os_id.as_ref().is_some_and(|id| id.value == "nixos")
}
