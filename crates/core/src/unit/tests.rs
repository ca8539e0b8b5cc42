//! Real command lines.
//!
//! Does not know more than the module under test.
