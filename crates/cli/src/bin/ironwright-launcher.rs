//! `ironwright-launcher`: what build systems start in place of a compiler.
//!
//! Does not know anything; the crate of the same name does.

fn main() {
    ironwright_launcher::main()
}
