//! How the C library's allocator asks the kernel for memory.
//!
//! The one file of this crate that sets it. Does not know what the memory is for.

/// As many bytes as a thread's part of the heap can have; it begins at a multiple of that (glibc's
/// `HEAP_MAX_SIZE` on 64-bit machines).
#[cfg(target_env = "gnu")]
const PART: usize = 64 << 20;
/// Bytes that are asked for beyond what is needed: all that a part can have. Nothing is used of them before it is
/// touched.
#[cfg(target_env = "gnu")]
const STEP: libc::c_int = 64 << 20;
/// Fewest bytes that are asked for by themselves and given back at once: the most that can be set.
#[cfg(target_env = "gnu")]
const ALONE: libc::c_int = 32 << 20;

/// A large page of x86-64, and of most others.
#[cfg(target_env = "gnu")]
const LARGE_PAGE: usize = 2 << 20;

/// Lets the heap grow in large steps from now on. Threads other than the first get theirs page by page otherwise,
/// with a system call for each (glibc's `grow_heap`).
pub fn grow_in_large_steps() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "no safe wrapper of mallopt")]
    // SAFETY: it takes two numbers.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, STEP);
        libc::mallopt(libc::M_MMAP_THRESHOLD, ALONE);
    }
}

/// Has the calling thread's part of the heap in large pages, where the kernel gives them to who asks: memory that
/// is touched for the first time takes a fault for each page. For a thread that has just begun and keeps what it
/// asks for. It is advice, and does nothing where the heap is another than is thought here.
pub fn use_large_pages() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "no safe wrappers of malloc and madvise")]
    // SAFETY: what is allocated is never used, and advice changes nothing of what memory holds, whosever it is.
    unsafe {
        // Less may come from what another thread let go.
        let some = libc::malloc(1 << 16).cast::<u8>();
        libc::madvise(some.wrapping_sub(some.addr() % PART).cast(), PART, libc::MADV_HUGEPAGE);
        // The first page cannot become a large one, for some of it was touched: nobody else gets it.
        std::hint::black_box(libc::malloc(LARGE_PAGE));
    }
}
