//! Counts instructions of commands, where kernel and processor do.
//!
//! `perf_event_open(2)` with a counter that children inherit and that starts when they become the
//! command, so that this program's own instructions are left out. Does not know what runs; one
//! command at a time is started while a counter is open.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};

/// The kernel's numbers for kinds of events.
const HARDWARE: u32 = 0;
const INSTRUCTIONS: u64 = 1;
/// Size of the oldest shape of the attributes, which every kernel takes.
const SIZE: u32 = 64;

/// The call's flag that keeps commands from inheriting the descriptor.
const CLOSE_ON_EXEC: libc::c_ulong = 8;
/// Bits of the attributes' flags: off until exec, for children too, without kernel and hypervisor.
const DISABLED: u64 = 1;
const INHERIT: u64 = 1 << 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HYPERVISOR: u64 = 1 << 6;
const ENABLE_ON_EXEC: u64 = 1 << 12;

/// The attributes as the kernel reads them: `struct perf_event_attr` up to its oldest size.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint: u32,
    config1: u64,
}

/// Whether instructions are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counting {
    /// They are.
    Instructions,
    /// They are not, and why.
    No(String),
}

impl Counting {
    /// Finds out by opening a counter.
    pub(super) fn probe() -> Self {
        match Counter::open(HARDWARE, INSTRUCTIONS) {
            Ok(_) => Self::Instructions,
            Err(error) => Self::No(explain(&error)),
        }
    }

    /// A counter for the next command.
    pub(super) fn start(&self) -> Option<Counter> {
        match self {
            Self::Instructions => Counter::open(HARDWARE, INSTRUCTIONS).ok(),
            Self::No(_) => None,
        }
    }
}

fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV) => {
            "the processor's counters are not offered here (a virtual machine hides them)"
                .to_owned()
        }
        Some(libc::EACCES | libc::EPERM) => {
            "the kernel forbids it (sysctl kernel.perf_event_paranoid=2 allows it)".to_owned()
        }
        Some(libc::ENOSYS) => "the kernel has no perf_event_open".to_owned(),
        _ => format!("perf_event_open: {error}"),
    }
}

/// An open counter.
#[derive(Debug)]
pub(super) struct Counter {
    file: File,
}

impl Counter {
    #[expect(unsafe_code, reason = "no library in use wraps perf_event_open")]
    fn open(kind: u32, config: u64) -> io::Result<Self> {
        let flags = DISABLED | INHERIT | EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR | ENABLE_ON_EXEC;
        let attributes = Attributes { kind, size: SIZE, config, flags, ..Attributes::default() };
        let (own_process, any_processor, no_group) = (0, -1, -1);
        // SAFETY: the attributes live during the call and are as large as their `size` says; the
        // kernel only reads them.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                own_process,
                any_processor,
                no_group,
                CLOSE_ON_EXEC,
            )
        };
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just opened it for us, and nobody else knows it.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { file: owned.into() })
    }

    /// What was counted of commands that have ended.
    pub(super) fn read(mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact(&mut bytes).ok()?;
        Some(u64::from_ne_bytes(bytes)).filter(|count| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Page faults, which the kernel counts by itself on any machine.
    const SOFTWARE: u32 = 1;
    const PAGE_FAULTS: u64 = 2;

    #[test]
    fn a_counter_counts_the_command_and_not_this_program() {
        let Ok(idle) = Counter::open(SOFTWARE, PAGE_FAULTS) else {
            // A kernel that forbids it to ordinary users, or has none.
            assert!(matches!(Counting::probe(), Counting::No(_)));
            return;
        };
        let own: Vec<u8> = vec![1; 16 << 20];
        assert_eq!((idle.read(), own.len()), (None, 16 << 20));
        let counter = Counter::open(SOFTWARE, PAGE_FAULTS).unwrap();
        let status =
            std::process::Command::new("sh").args(["-c", "true; (true)"]).status().unwrap();
        assert!(status.success());
        let faults = counter.read().unwrap();
        assert!((10..20_000).contains(&faults), "{faults}");
    }

    #[test]
    fn reasons_are_in_words() {
        let of = |code| explain(&io::Error::from_raw_os_error(code));
        assert!(of(libc::ENOENT).contains("virtual machine"));
        assert!(of(libc::EACCES).contains("perf_event_paranoid"));
    }
}
