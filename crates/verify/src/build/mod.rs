//! What a binary tells about how it was built.
//!
//! Does not read code; everything here is written down somewhere in the file, or unknown.

pub(crate) mod go;
