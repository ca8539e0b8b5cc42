//! `ironwright-launcher`: what build systems start in place of a compiler.
//!
//! Begins without Rust's runtime, which takes a tenth of what a launcher adds to a unit to prepare for
//! threads and overflowing stacks. Does not know anything else; the crate of the same name does.

// A test harness brings a `main` of its own.
#![cfg_attr(not(test), no_main)]

use std::ffi::{c_char, c_int};

#[expect(unsafe_code, reason = "the C library calls it by this name, with pointers")]
#[cfg_attr(not(test), unsafe(no_mangle))]
extern "C" fn main(_count: c_int, line: *const *const c_char) -> c_int {
    // SAFETY: this is what the C library passes to `main`.
    unsafe { ironwright_launcher::main_without_runtime(line) }
}
