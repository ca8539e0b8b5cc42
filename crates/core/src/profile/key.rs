//! The keys with which a profile describes a host, and the value each has when nobody says.
//!
//! Does not know knobs: those stand in `[settings]` and are catalogued in `settings`.

use crate::units::Bytes;
use crate::units::GIB;
use crate::value::{Kind, Value};

/// One fact about a host that a profile may state.
#[derive(Debug)]
pub struct HostKey {
    /// Table and name, `cpu.threads`.
    pub path: &'static str,
    /// How the value is written.
    pub kind: Kind,
    /// What it is.
    pub summary: &'static str,
    /// Least and greatest allowed number, in the kind's unit.
    pub bounds: Option<(u64, u64)>,
    /// The value of the universal profile: one that no machine fails with.
    pub universal: Universal,
}

/// The universal profile's value for a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Universal {
    /// Nothing is assumed.
    Unset,
    /// A number of things.
    Count(u64),
    /// A size in bytes.
    Bytes(u64),
    /// A factor.
    Ratio(f64),
    /// No entries.
    EmptyList,
    /// A word.
    Text(&'static str),
}

impl Universal {
    /// As a value.
    pub fn value(self) -> Value {
        match self {
            Self::Unset => Value::Unset,
            Self::Count(n) => Value::Count(n),
            Self::Bytes(n) => Value::Bytes(Bytes(n)),
            Self::Ratio(ratio) => Value::Ratio(ratio),
            Self::EmptyList => Value::List(Vec::new()),
            Self::Text(text) => Value::text(text),
        }
    }
}

const fn key(
    path: &'static str,
    kind: Kind,
    universal: Universal,
    bounds: Option<(u64, u64)>,
    summary: &'static str,
) -> HostKey {
    HostKey { path, kind, summary, bounds, universal }
}

/// 64 TiB: more memory than one machine has.
const MOST_MEMORY: u64 = 64 << 40;

/// Every key except `tools.*`, which is open: one key for each command.
///
/// The universal machine has two threads and 4 GiB and runs baseline code: the least that builds
/// of the packages in question are known to work on at all.
pub static HOST_KEYS: &[HostKey] = &[
    key("host.name", Kind::Text, Universal::Unset, None, "Name of the machine"),
    key("host.os", Kind::Text, Universal::Unset, None, "Distribution, as os-release's ID"),
    key(
        "cpu.architecture",
        Kind::Choice(&["x86_64", "aarch64", "other"]),
        Universal::Text("other"),
        None,
        "Instruction set architecture",
    ),
    key("cpu.model-name", Kind::Text, Universal::Unset, None, "Marketing name of the processor"),
    key(
        "cpu.microarchitecture",
        Kind::Text,
        Universal::Unset,
        None,
        "Microarchitecture as GCC and LLVM name it",
    ),
    key(
        "cpu.psabi",
        Kind::Text,
        Universal::Unset,
        None,
        "x86-64 psABI level or Arm architecture level",
    ),
    key(
        "cpu.features",
        Kind::List,
        Universal::EmptyList,
        None,
        "Instruction set extensions under LLVM's names",
    ),
    key("cpu.cores", Kind::Count, Universal::Count(2), Some((1, 4096)), "Physical cores"),
    key("cpu.threads", Kind::Count, Universal::Count(2), Some((1, 4096)), "Hardware threads"),
    key(
        "cpu.usable-threads",
        Kind::Count,
        Universal::Unset,
        Some((1, 4096)),
        "Hardware threads that builds may run on (affinity and CPU quota)",
    ),
    key(
        "memory.ram",
        Kind::Bytes,
        Universal::Bytes(4 * GIB),
        Some((GIB / 4, MOST_MEMORY)),
        "Memory that the kernel manages",
    ),
    key(
        "memory.limit",
        Kind::Bytes,
        Universal::Unset,
        Some((GIB / 8, MOST_MEMORY)),
        "Limit that a control group sets on memory",
    ),
    key(
        "memory.zram",
        Kind::Bytes,
        Universal::Bytes(0),
        Some((0, MOST_MEMORY)),
        "Uncompressed bytes that zram may hold",
    ),
    key(
        "memory.zram-ratio",
        Kind::Ratio,
        Universal::Ratio(2.0),
        Some((1, 20)),
        "Bytes stored in zram for each byte of memory it takes",
    ),
    key("memory.swap", Kind::Bytes, Universal::Bytes(0), Some((0, MOST_MEMORY)), "Swap on disks"),
    key(
        "storage.kind",
        Kind::Choice(&["nvme", "ssd", "hdd", "virtual"]),
        Universal::Unset,
        None,
        "Kind of the disk that builds use",
    ),
    key(
        "gpu.compute-capability",
        Kind::List,
        Universal::EmptyList,
        None,
        "CUDA compute capability of each NVIDIA GPU",
    ),
    key(
        "gpu.memory",
        Kind::Bytes,
        Universal::Unset,
        Some((GIB / 8, MOST_MEMORY)),
        "Memory of the largest GPU",
    ),
];

/// Commands whose versions decide which flags are accepted; each is the key `tools.<name>`.
pub static TOOLS: &[&str] = &[
    "gcc", "g++", "clang", "rustc", "cargo", "go", "node", "npm", "python3", "cmake", "ninja",
    "make", "mold", "ld.lld", "ld.bfd", "ld.gold", "sccache", "ccache", "nix", "nvcc", "git",
];

/// The key of that path, `tools.*` excepted.
pub fn host_key(path: &str) -> Option<&'static HostKey> {
    HOST_KEYS.iter().find(|key| key.path == path)
}

/// Kind of the value at a path, or `None` when there is no such key.
pub fn host_kind(path: &str) -> Option<Kind> {
    match path.strip_prefix("tools.") {
        Some(tool) => TOOLS.contains(&tool).then_some(Kind::Text),
        None => host_key(path).map(|key| key.kind),
    }
}

/// The paths of all keys, tools included.
pub fn host_paths() -> impl Iterator<Item = String> {
    let tools = TOOLS.iter().map(|tool| format!("tools.{tool}"));
    HOST_KEYS.iter().map(|key| key.path.to_owned()).chain(tools)
}

/// Checks a number against the bounds of its key, and says what would be right.
pub fn check_bounds(path: &str, value: &Value) -> Result<(), String> {
    let Some((least, most)) = host_key(path).and_then(|key| key.bounds) else { return Ok(()) };
    let (inside, shown) = match value {
        Value::Count(n) => ((least..=most).contains(n), (least.to_string(), most.to_string())),
        Value::Bytes(b) => {
            ((least..=most).contains(&b.0), (Bytes(least).to_string(), Bytes(most).to_string()))
        }
        Value::Ratio(r) => {
            (*r >= least as f64 && *r <= most as f64, (least.to_string(), most.to_string()))
        }
        Value::Seconds(_) | Value::Flag(_) | Value::Text(_) | Value::List(_) | Value::Unset => {
            return Ok(());
        }
    };
    if inside {
        return Ok(());
    }
    Err(format!("{path} must lie between {} and {}, found {}", shown.0, shown.1, value.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn universal_values_are_of_their_kind_and_in_bounds() {
        for key in HOST_KEYS {
            let value = key.universal.value();
            assert_eq!(check_bounds(key.path, &value), Ok(()), "{}", key.path);
            if value != Value::Unset {
                assert!(
                    key.kind.parse_text(&value.display()).is_ok() || key.kind == Kind::List,
                    "{}",
                    key.path
                );
            }
        }
    }
}
