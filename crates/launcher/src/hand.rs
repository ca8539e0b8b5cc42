//! Starts a command for somebody else, says who that is, and ends at once.
//!
//! A process is counted from the memory of the one that started it on. Who measures small commands has
//! them started by this small program, and takes them over as orphans. Knows no governor.

use std::fs;
use std::io;
use std::time::Duration;

use ironwright_wire::Handed;
use rustix::time::{ClockId, clock_gettime};

use crate::invocation::Invocation;
use crate::sys::{self, Before};

/// Starts the command, and reports it on a descriptor that the command does not get.
pub(crate) fn over(invocation: &Invocation, report: i32) -> ! {
    let held = held().unwrap_or(0);
    let mut command = invocation.command();
    sys::prepare(&mut command, Before::exec());
    let written = sys::own(report).and_then(|report| {
        let began_ns = now_ns();
        let handed = match sys::start(&mut command) {
            Ok(process) => Handed { process, error: 0, began_ns, held },
            Err(error) => {
                Handed { error: error.raw_os_error().unwrap_or(libc::EINVAL), ..Handed::default() }
            }
        };
        rustix::io::write(&report, &handed.to_bytes()).map_err(io::Error::from)
    });
    std::process::exit(i32::from(written.is_err()))
}

fn now_ns() -> u64 {
    let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Bytes that are resident now. This program only grows until it ends.
fn held() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}
