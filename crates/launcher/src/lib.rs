//! The compiler launcher: a process that stands where a build system starts a compiler, asks the
//! governor for admission, and runs the compiler as its child.
//!
//! It starts in well under a millisecond and fails open: without a governor the compiler runs as if
//! there were no launcher. Does not know compilers, or what the governor weighs.

mod ending;
mod governor;
mod hand;
mod input;
mod invocation;
mod killed;
mod lines;
mod link;
mod question;
mod response;
mod signals;
mod streams;
mod sys;
mod terminal;
mod tree;
mod unit;
mod watch;

use std::ffi::OsString;

pub use governor::{Governor, Heard};
use invocation::{Invocation, NoCommand};
pub use link::{Link, SILENT};
pub use tree::let_go_on;

/// Runs the command that this process was called for by these words, and ends as it ends.
pub fn main(words: impl Iterator<Item = OsString>) -> ! {
    match Invocation::of(words) {
        Ok(invocation) => match invocation.report {
            Some(report) => hand::over(&invocation, report),
            None => unit::run(&invocation),
        },
        Err(NoCommand::Usage) => ending::usage(),
        Err(NoCommand::Refused(why)) => ending::refused(why),
        Err(NoCommand::NotFound(name)) => ending::not_found(&name),
    }
}

/// The same in a program without Rust's runtime.
///
/// # Safety
///
/// `line` is what the C library passes to `main`.
#[expect(unsafe_code, reason = "a command line comes as pointers")]
pub unsafe fn main_without_runtime(line: *const *const libc::c_char) -> ! {
    sys::begin();
    // SAFETY: as the caller promises.
    main(unsafe { sys::words(line) })
}
