//! Disks, the kernel and what the machine runs in.
//!
//! Does not know which of it matters to a build.

use std::collections::BTreeMap;

use ironwright_core::facts::{BlockDevice, EnvironmentFacts, Fact, KernelFacts};
use ironwright_core::units::Bytes;

use super::answers;
use super::reader::Reader;

/// Devices that hold no files of their own: memory, images, and layers over other disks.
const NO_DISKS: &[&str] = &["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd"];

/// The kernel counts in sectors of 512 bytes whatever the device's own are.
const SECTOR: u64 = 512;

pub(crate) fn storage(reader: &mut Reader<'_>) -> Vec<BlockDevice> {
    let is_disk = |name: &String| !NO_DISKS.iter().any(|prefix| name.starts_with(prefix));
    let names: Vec<_> = reader.root.list("/sys/block").into_iter().filter(is_disk).collect();
    names.into_iter().map(|name| block_device(reader, name)).collect()
}

fn block_device(reader: &mut Reader<'_>, name: String) -> BlockDevice {
    let source = format!("/sys/block/{name}");
    let rotational =
        reader.number::<u8>(&format!("{source}/queue/rotational")).map(|f| f.value != 0);
    let sectors = reader.number::<u64>(&format!("{source}/size")).map(|fact| fact.value);
    BlockDevice {
        kind: disk_kind(&name, rotational).to_owned(),
        rotational,
        scheduler: reader.chosen(&format!("{source}/queue/scheduler")),
        size: sectors.map(|n| Bytes(n.saturating_mul(SECTOR))),
        name,
        source,
    }
}

fn disk_kind(name: &str, rotational: Option<bool>) -> &'static str {
    match rotational {
        _ if name.starts_with("nvme") => "nvme",
        _ if name.starts_with("vd") || name.starts_with("xvd") => "virtual",
        Some(true) => "hdd",
        Some(false) | None => "ssd",
    }
}

pub(crate) fn kernel(reader: &mut Reader<'_>) -> KernelFacts {
    let release = "/proc/sys/kernel/osrelease";
    let pressure = "/proc/pressure/memory";
    KernelFacts {
        release: reader.required(release).map(|text| Fact::new(text, release)),
        psi: Fact::new(reader.optional(pressure).is_some(), pressure),
        user_manager: user_manager(reader),
        huge_pages: reader
            .chosen("/sys/kernel/mm/transparent_hugepage/enabled")
            .map(|text| Fact::new(text, "/sys/kernel/mm/transparent_hugepage/enabled")),
    }
}

/// systemd's user manager listens on a socket of its own.
fn user_manager(reader: &mut Reader<'_>) -> Fact<bool> {
    if !reader.root.is_live() {
        return Fact::new(answers::recorded(reader).user_manager, answers::PATH);
    }
    let path = format!("/run/user/{}/systemd/private", rustix::process::getuid().as_raw());
    Fact::new(reader.root.exists(&path), path)
}

pub(crate) fn environment(reader: &mut Reader<'_>) -> EnvironmentFacts {
    let (path, text) = match reader.optional("/etc/os-release") {
        Some(text) => ("/etc/os-release", text),
        None => ("/usr/lib/os-release", reader.optional("/usr/lib/os-release").unwrap_or_default()),
    };
    let release = os_release(&text);
    let field = |key: &str| release.get(key).map(|value| Fact::new(value.clone(), path));
    EnvironmentFacts {
        os: field("PRETTY_NAME").or_else(|| field("NAME")),
        os_id: field("ID"),
        virtualisation: virtualisation(reader),
        container: container(reader),
        wsl: wsl(reader),
    }
}

/// Assignments of os-release(5): shell-like, values perhaps quoted.
fn os_release(text: &str) -> BTreeMap<&str, String> {
    let unquoted = |value: &str| {
        let inner = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
        inner.unwrap_or(value).replace("\\\"", "\"").replace("\\$", "$")
    };
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), unquoted(value.trim())))
        .collect()
}

fn virtualisation(reader: &mut Reader<'_>) -> Option<Fact<String>> {
    let xen = "/sys/hypervisor/type";
    if let Some(kind) = reader.optional(xen).filter(|kind| !kind.is_empty()) {
        return Some(Fact::new(kind, xen));
    }
    for path in ["/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/product_name"] {
        let text = reader.optional(path).unwrap_or_default();
        if let Some(name) = hypervisor(&text) {
            return Some(Fact::new(name.to_owned(), path));
        }
    }
    let cpuinfo = reader.optional("/proc/cpuinfo").unwrap_or_default();
    let flagged = cpuinfo
        .lines()
        .find(|line| line.starts_with("flags"))
        .is_some_and(|line| line.split_whitespace().any(|word| word == "hypervisor"));
    flagged.then(|| Fact::new("unknown hypervisor".to_owned(), "/proc/cpuinfo: hypervisor flag"))
}

/// Names that hypervisors give themselves in the firmware's tables.
fn hypervisor(text: &str) -> Option<&'static str> {
    let known = [
        ("QEMU", "kvm"),
        ("KVM", "kvm"),
        ("Google Compute Engine", "kvm"),
        ("Amazon EC2", "kvm"),
        ("VMware", "vmware"),
        ("innotek", "virtualbox"),
        ("VirtualBox", "virtualbox"),
        ("Microsoft Corporation", "hyper-v"),
        ("Virtual Machine", "hyper-v"),
        ("Xen", "xen"),
        ("Parallels", "parallels"),
        ("Apple Virtualization", "apple"),
        ("BHYVE", "bhyve"),
    ];
    // Microsoft also makes machines of its own.
    let found = known.iter().find(|(name, _)| text.contains(name)).map(|(_, kind)| *kind);
    found.filter(|_| !text.contains("Surface"))
}

fn container(reader: &mut Reader<'_>) -> Option<Fact<String>> {
    for (path, name) in [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")] {
        if reader.root.exists(path) {
            return Some(Fact::new(name.to_owned(), path));
        }
    }
    let told = "/run/systemd/container";
    if let Some(name) = reader.optional(told).filter(|name| !name.is_empty()) {
        return Some(Fact::new(name, told));
    }
    let groups = reader.optional("/proc/self/cgroup").unwrap_or_default();
    let hints =
        [("kubepods", "kubernetes"), ("libpod", "podman"), ("docker", "docker"), ("lxc", "lxc")];
    let name = hints.iter().find(|(hint, _)| groups.contains(hint)).map(|(_, name)| *name)?;
    Some(Fact::new(name.to_owned(), "/proc/self/cgroup"))
}

/// Microsoft's kernels carry the name in their release; the second WSL began with 4.19.
fn wsl(reader: &mut Reader<'_>) -> Option<Fact<String>> {
    let path = "/proc/sys/kernel/osrelease";
    let release = reader.optional(path)?;
    if !release.to_ascii_lowercase().contains("microsoft") {
        return None;
    }
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let name = if release.contains("WSL2") || version >= (4, 19) { "wsl2" } else { "wsl1" };
    Some(Fact::new(name.to_owned(), path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Root;
    use ironwright_testkit::FakeRoot;
    use proptest::prelude::*;

    #[test]
    fn disks_are_told_from_what_only_looks_like_one() {
        let fake = FakeRoot::new([
            ("sys/block/loop0/size", "1\n"),
            ("sys/block/nvme0n1/size", "2048\n"),
            ("sys/block/nvme0n1/queue/scheduler", "[none] mq-deadline\n"),
            ("sys/block/sda/queue/rotational", "1\n"),
            ("sys/block/vda/queue/rotational", "1\n"),
        ]);
        let root = Root::at(fake.path());
        let disks = storage(&mut Reader::new(&root));
        let kinds: Vec<_> = disks.iter().map(|d| (d.name.as_str(), d.kind.as_str())).collect();
        assert_eq!(kinds, [("nvme0n1", "nvme"), ("sda", "hdd"), ("vda", "virtual")]);
        assert_eq!(
            (disks[0].size, disks[0].scheduler.as_deref()),
            (Some(Bytes::mib(1)), Some("none"))
        );
    }

    #[test]
    fn the_surroundings_are_recognised() {
        let fake = FakeRoot::new([
            ("etc/os-release", "NAME=x\nPRETTY_NAME=\"Ubuntu 24.04 LTS\"\nID=ubuntu\n"),
            ("proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n"),
            ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
            ("proc/self/cgroup", "0::/system.slice/docker-1.scope\n"),
        ]);
        let root = Root::at(fake.path());
        let facts = environment(&mut Reader::new(&root));
        let value = |fact: Option<Fact<String>>| fact.map(|f| f.value).unwrap_or_default();
        assert_eq!(value(facts.os), "Ubuntu 24.04 LTS");
        assert_eq!((value(facts.wsl), value(facts.virtualisation)), ("wsl2".into(), "kvm".into()));
        assert_eq!(value(facts.container), "docker");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,60}") {
            let _ = (os_release(&text), hypervisor(&text));
        }
    }
}
