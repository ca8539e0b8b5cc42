//! Reports of runs as text, as a page and as a trace.
//!
//! Does not know how a report is derived, nor where it is written.

mod batch;
pub(crate) mod html;
mod phrases;
pub(crate) mod text;
pub(crate) mod trace;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
