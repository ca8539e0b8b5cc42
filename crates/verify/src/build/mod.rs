//! What a binary tells about how it was built.
//!
//! Does not read code; everything here is written down somewhere in the file, or unknown.

pub(crate) mod go;
pub(crate) mod optimisers;
pub(crate) mod origin;
pub(crate) mod producers;
pub(crate) mod traces;
