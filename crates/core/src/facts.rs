//! What was read from a machine: the output of `probe` and the input of everything else.
//!
//! Plain data with the place each fact was read. Does not know how a fact is read, nor what is
//! concluded from it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Limit};

/// Version of this shape; raised when a field changes its meaning or goes away.
pub const FACTS_SCHEMA: u32 = 1;

/// A value and the place it was read: a path (`/proc/meminfo`), a command (`gcc -dumpversion`)
/// or a rule with its inputs (`cpu family 26, model 2`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fact<T> {
    /// What was read.
    pub value: T,
    /// Where it was read.
    pub source: String,
}

impl<T> Fact<T> {
    /// A value with its source.
    pub fn new(value: T, source: impl Into<String>) -> Self {
        Self { value, source: source.into() }
    }
}

/// Something that should have been readable and was not. Never fatal: the fact stays absent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The file or command.
    pub source: String,
    /// What is wrong with it.
    pub detail: String,
}

/// Everything that is known about a machine. An absent fact is `None` or an empty list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostFacts {
    /// Version of this shape.
    pub schema: u32,
    /// The host's name, without its domain.
    pub hostname: Option<Fact<String>>,
    /// Processor.
    pub cpu: CpuFacts,
    /// Memory, compressed memory and swap.
    pub memory: MemoryFacts,
    /// Limits that a container, a service manager or a user slice sets.
    pub cgroup: CgroupFacts,
    /// Block devices.
    pub storage: Vec<BlockDevice>,
    /// NVIDIA GPUs.
    pub gpus: Vec<Gpu>,
    /// Compilers, linkers and build tools that were found, by command name.
    pub tools: BTreeMap<String, Tool>,
    /// Kernel and what it offers.
    pub kernel: KernelFacts,
    /// What the machine runs in.
    pub environment: EnvironmentFacts,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Processor architecture.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
    /// Anything else; only universal values apply.
    Other,
}

impl Architecture {
    /// The name that `uname -m` and Rust's target triples use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Other => "other",
        }
    }
}

/// Processor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuFacts {
    /// Instruction set architecture.
    pub architecture: Fact<Architecture>,
    /// `vendor_id` on x86 (`AuthenticAMD`), the implementer's name on Arm (`ARM`).
    pub vendor: Option<Fact<String>>,
    /// Marketing name.
    pub model_name: Option<Fact<String>>,
    /// x86 family, as `/proc/cpuinfo` shows it (extended family added). Arm: the implementer code.
    pub family: Option<u32>,
    /// x86 model, extended model added. Arm: the part number.
    pub model: Option<u32>,
    /// x86 stepping. Arm: the revision.
    pub stepping: Option<u32>,
    /// Name as GCC and LLVM write it (`skylake`, `znver5`, `neoverse-n1`).
    pub microarchitecture: Option<Fact<String>>,
    /// Level of the x86-64 psABI (`x86-64-v3`), or of the Arm architecture (`armv8.2-a`).
    pub psabi: Option<Fact<String>>,
    /// Instruction set extensions under LLVM's names (`avx512vbmi2`, `sse4.1`, `lzcnt`).
    pub features: Fact<BTreeSet<String>>,
    /// Physical packages.
    pub sockets: Option<Fact<u32>>,
    /// Physical cores.
    pub cores: Option<Fact<u32>>,
    /// Hardware threads that are online.
    pub threads: Option<Fact<u32>>,
    /// Hardware threads per core; above 1 means SMT is on.
    pub threads_per_core: Option<Fact<u32>>,
    /// Hardware threads that this process may use: affinity mask and cgroup quota applied.
    pub usable_threads: Option<Fact<u32>>,
    /// Caches, one entry for each level and type.
    pub caches: Vec<Cache>,
}

/// One kind of cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cache {
    /// 1, 2, 3.
    pub level: u32,
    /// `data`, `instruction` or `unified`.
    pub kind: String,
    /// Size of one instance.
    pub size: Bytes,
    /// Hardware threads that share one instance.
    pub shared_by: u32,
    /// Instances on the machine.
    pub instances: u32,
    /// Where it was read.
    pub source: String,
}

/// Memory, compressed memory and swap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryFacts {
    /// Memory that the kernel manages (`MemTotal`).
    pub total: Option<Fact<Bytes>>,
    /// Memory that could be had without swapping (`MemAvailable`), at the time of the probe.
    pub available: Option<Fact<Bytes>>,
    /// Active zram devices.
    pub zram: Vec<Zram>,
    /// Swap areas, zram among them.
    pub swap: Vec<SwapArea>,
    /// `/proc/sys/vm/swappiness`.
    pub swappiness: Option<Fact<u32>>,
    /// `/proc/sys/vm/overcommit_memory`: 0 heuristic, 1 always, 2 never.
    pub overcommit: Option<Fact<u32>>,
}

/// An active zram device: one whose size is not zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Zram {
    /// `zram0`.
    pub device: String,
    /// Uncompressed bytes it can hold (`disksize`).
    pub size: Bytes,
    /// Compression algorithm in use (`zstd`).
    pub algorithm: Option<String>,
    /// Uncompressed bytes stored now.
    pub stored: Bytes,
    /// Memory that they take, metadata included.
    pub used: Bytes,
    /// `stored / used`, when enough is stored to tell (64 MiB).
    pub ratio: Option<f64>,
    /// Limit on the memory it may take.
    pub memory_limit: Limit,
    /// Where it was read.
    pub source: String,
}

/// A line of `/proc/swaps`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwapArea {
    /// Device or file.
    pub path: String,
    /// `zram`, `partition` or `file`.
    pub kind: String,
    /// Size.
    pub size: Bytes,
    /// In use at the time of the probe.
    pub used: Bytes,
    /// Higher is used first.
    pub priority: i32,
}

/// How the kernel's control groups are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CgroupMode {
    /// One tree, version 2.
    V2,
    /// One tree a controller, version 1.
    V1,
    /// Version 1 controllers beside a version 2 tree.
    Hybrid,
    /// None mounted, or not readable.
    None,
}

/// Limits of the control groups that this process is in, ancestors included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CgroupFacts {
    /// How control groups are mounted.
    pub mode: CgroupMode,
    /// The process's own group, below the mount point.
    pub path: Option<String>,
    /// Lowest hard memory limit on the way to the root.
    pub memory_limit: Fact<Limit>,
    /// Lowest throttling limit (`memory.high`, version 2 only).
    pub memory_high: Fact<Limit>,
    /// Swap that the group may use.
    pub swap_limit: Fact<Limit>,
    /// Processors' worth of time that the group may use.
    pub cpu_quota: Option<Fact<f64>>,
    /// Version 2 controllers that this user may hand to child groups.
    pub delegated: Vec<String>,
}

/// A block device that is not a partition, loop device or memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockDevice {
    /// `nvme0n1`.
    pub name: String,
    /// `nvme`, `ssd`, `hdd` or `virtual`.
    pub kind: String,
    /// Spinning disk.
    pub rotational: Option<bool>,
    /// I/O scheduler in use.
    pub scheduler: Option<String>,
    /// Capacity.
    pub size: Option<Bytes>,
    /// Where it was read.
    pub source: String,
}

/// An NVIDIA GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gpu {
    /// Marketing name.
    pub name: String,
    /// Memory on the card.
    pub memory: Option<Bytes>,
    /// CUDA compute capability (`5.2`).
    pub compute_capability: Option<String>,
    /// Driver version.
    pub driver: Option<String>,
    /// `NVML`, `nvidia-smi` or a recorded file.
    pub source: String,
}

/// A command that was found in PATH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Where it was found.
    pub path: String,
    /// Its version: digits and dots only where it says so (`12.2.0`).
    pub version: Option<String>,
    /// The command that told the version.
    pub source: String,
}

/// Kernel and what it offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelFacts {
    /// `uname -r`.
    pub release: Option<Fact<String>>,
    /// Pressure stall information can be read.
    pub psi: Fact<bool>,
    /// A systemd user manager answers for this user.
    pub user_manager: Fact<bool>,
    /// Transparent huge pages: `always`, `madvise` or `never`.
    pub huge_pages: Option<Fact<String>>,
}

/// What the machine runs in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentFacts {
    /// Distribution (`Debian GNU/Linux 12 (bookworm)`).
    pub os: Option<Fact<String>>,
    /// `os-release`'s ID (`debian`, `nixos`).
    pub os_id: Option<Fact<String>>,
    /// Hypervisor (`kvm`), absent on bare metal.
    pub virtualisation: Option<Fact<String>>,
    /// Container runtime (`docker`, `podman`, `lxc`), absent outside.
    pub container: Option<Fact<String>>,
    /// `wsl1` or `wsl2`, absent elsewhere.
    pub wsl: Option<Fact<String>>,
}
