//! Pressure stall information: how long tasks waited for a processor, memory or a disk.
//!
//! Does not know who waited: the figures are the whole machine's.

use std::path::Path;

use ironwright_core::observe::Pressure;

use crate::kernel;

/// The totals since boot, `None` where the kernel does not tell.
pub fn read(proc: &Path) -> Option<Pressure> {
    let resource = |name: &str| kernel::read(&proc.join("pressure").join(name)).ok();
    let (cpu, memory, io) = (resource("cpu")?, resource("memory")?, resource("io")?);
    Some(Pressure {
        cpu_some: total(&cpu, "some")?,
        memory_some: total(&memory, "some")?,
        memory_full: total(&memory, "full")?,
        io_some: total(&io, "some")?,
        io_full: total(&io, "full")?,
    })
}

/// Microseconds of the line that begins with `kind`.
pub(crate) fn total(text: &str, kind: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_ascii_whitespace().next() == Some(kind))?;
    line.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_testkit::FakeRoot;
    use proptest::prelude::*;

    const LINES: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";

    #[test]
    fn totals_are_read() {
        let files = ["cpu", "memory", "io"].map(|name| (format!("proc/pressure/{name}"), LINES));
        let root = FakeRoot::new(files);
        let pressure = read(&root.path().join("proc")).unwrap();
        assert_eq!((pressure.cpu_some, pressure.memory_full, pressure.io_some), (12, 7, 12));
    }

    #[test]
    fn a_kernel_without_it_tells_nothing() {
        let root = FakeRoot::new([("proc/pressure/cpu", LINES)]);
        assert_eq!(read(&root.path().join("proc")), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(some|full|\\PC){0,5}total=\\PC{0,10}") {
            let _ = total(&text, "some");
        }
    }
}
