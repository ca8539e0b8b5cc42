//! How the launcher itself ends, and what little it says.
//!
//! Does not know what led to it.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::sys::{self, Mask};

/// Exit code of a shell for a command that is not there, from POSIX.
const NOT_FOUND: i32 = 127;
/// The same for one that cannot be run.
const NOT_RUNNABLE: i32 = 126;
/// Exit code for a command line that makes no sense.
const USAGE: i32 = 2;
/// Exit code when something else went wrong: the command's output could not be passed on, say.
const FAILED: i32 = 1;

/// Ends as the command ended.
pub(crate) fn as_the_command(status: i32, output: Result<(), Errno>) -> ! {
    if libc::WIFSIGNALED(status) {
        die_by(libc::WTERMSIG(status));
    }
    let code = libc::WEXITSTATUS(status);
    if let (0, Err(fault)) = (code, output) {
        say(&format!("output was lost: {}", io::Error::from(fault)));
        std::process::exit(FAILED);
    }
    std::process::exit(code)
}

fn die_by(signal: i32) -> ! {
    // The command has dumped its core, if any was wanted; the launcher's is worth nothing.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    sys::act(signal, false);
    Mask::of(&[signal]).unblock();
    sys::send(rustix::process::getpid().as_raw_nonzero().get(), signal);
    std::process::exit(128 + signal)
}

/// Ends because the command could not be started.
pub(crate) fn not_started(program: &OsStr, error: &io::Error) -> ! {
    say(&format!("{}: {error}", Path::new(program).display()));
    let missing = error.kind() == io::ErrorKind::NotFound;
    std::process::exit(if missing { NOT_FOUND } else { NOT_RUNNABLE })
}

/// Ends because the kernel would not tell how the command ends.
pub(crate) fn not_followed(error: &io::Error) -> ! {
    say(&format!("the command was lost: {error}"));
    std::process::exit(NOT_RUNNABLE)
}

/// Ends because there is no compiler of this name.
pub(crate) fn not_found(name: &str) -> ! {
    say(&format!("{name}: not found in PATH"));
    std::process::exit(NOT_FOUND)
}

/// Ends because of what was asked.
pub(crate) fn refused(why: &str) -> ! {
    say(why);
    std::process::exit(FAILED)
}

/// Ends because of the command line.
pub(crate) fn usage() -> ! {
    let form = "ironwright-launcher COMMAND [ARGUMENT]...";
    say(&format!("usage: {form}, or --unit [--name KEY] [--memory BYTES] [--no-retry] -- COMMAND"));
    std::process::exit(USAGE)
}

/// Says something to the user. Who cannot hear it does not miss it.
pub(crate) fn say(message: &str) {
    let _ = writeln!(io::stderr(), "ironwright: {message}");
}
