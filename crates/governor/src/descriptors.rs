//! Files that a daemon inherits and must not keep: whoever waits for the end of a pipe would wait for
//! the daemon's.
//!
//! The one file of this crate with unsafe code. Does not know who opened them.

/// Closes every descriptor but the three standard ones. Only right before anything was opened.
///
/// Kernels before 5.9 cannot; there they stay open.
#[expect(unsafe_code, reason = "no safe wrapper of close_range")]
pub fn close_inherited() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the call takes plain numbers. Nothing in this process owns a descriptor yet, which the
    // caller sees to.
    unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) };
}
