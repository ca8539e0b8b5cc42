//! The live view and the replay: what a view looks like, and where its notes come from.
//!
//! Does not know what the notes mean; the fold in the core does.

mod draw;
mod keys;
pub(crate) mod link;
pub(crate) mod live;
pub(crate) mod palette;
pub(crate) mod plain;
pub(crate) mod player;
mod rows;
pub(crate) mod screen;
mod text;

#[cfg(test)]
mod tests;
