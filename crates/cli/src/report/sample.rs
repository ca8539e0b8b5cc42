//! Does not know.
