//! How the C library's allocator asks the kernel for memory.
//!
//! The one file of this crate that sets it. Does not know what the memory is for.

/// Bytes that are asked for beyond what is needed, as many as a thread's part of the heap can have. Nothing is
/// used of them before it is touched.
const STEP: libc::c_int = 64 << 20;

/// Lets the heap grow in large steps from now on. Threads other than the first get theirs page by page otherwise,
/// with a system call for each (glibc's `grow_heap`).
pub fn grow_in_large_steps() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "no safe wrapper of mallopt")]
    // SAFETY: it takes two numbers.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, STEP);
    }
}
