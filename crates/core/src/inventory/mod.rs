//! What there is to build: one graph for every language, and the parsers that fill it.
//!
//! Each build system describes itself in files of its own; here their texts become nodes and edges
//! of one kind, so that whoever plans need not know where a unit came from. Does not know files or
//! processes: texts come in, and sizes that only a file system tells are asked for by the caller.

pub mod aterm;
pub mod cargo;
pub mod cmake_api;
pub mod compile_commands;
pub mod go;
pub(crate) mod graph;
mod hash;
pub mod make;
pub mod ninja;
pub mod nix;
pub mod npm;
pub mod python;
mod summary;
mod words;

pub use graph::{Edge, Graph, GraphBuilder, Kind, Language, Node};
pub use summary::{LanguageSummary, Row, Summary, Tally};
pub use words::split_words;

/// A text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// Not JSON at all.
    #[error("{file}:{line}:{column}: not the JSON that {wanted}: {message}")]
    Json {
        /// The file, as the user knows it.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// What would be right (`cmake writes as compile_commands.json`).
        wanted: &'static str,
        /// What the JSON parser says.
        message: String,
    },
    /// Not the TOML that it should be.
    #[error("{file}:{line}: not a {wanted}: {message}")]
    Toml {
        /// The file, as the user knows it.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// What would be right.
        wanted: &'static str,
        /// What the TOML parser says.
        message: String,
    },
    /// A line that breaks the rules of its format.
    #[error("{file}:{line}: {message}")]
    Line {
        /// The file, as the user knows it.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A derivation that cannot be read.
    #[error("{file}: byte {offset}: {message}")]
    Derivation {
        /// The file, as the user knows it.
        file: String,
        /// Byte at which reading stopped.
        offset: usize,
        /// What was expected there.
        message: &'static str,
    },
}

/// Reads JSON, with the place of a mistake.
pub(crate) fn json<'a, T: serde::Deserialize<'a>>(
    file: &str,
    text: &'a str,
    wanted: &'static str,
) -> Result<T, InventoryError> {
    serde_json::from_str(text).map_err(|error| InventoryError::Json {
        file: file.to_owned(),
        line: error.line().max(1),
        column: error.column().max(1),
        wanted,
        message: without_place(&error.to_string()),
    })
}

/// The place stands before the message already.
fn without_place(message: &str) -> String {
    message.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Reads TOML, with the line of a mistake.
pub(crate) fn toml<T: serde::de::DeserializeOwned>(
    file: &str,
    text: &str,
    wanted: &'static str,
) -> Result<T, InventoryError> {
    ::toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let (line, _) = crate::diagnostic::position(text, start);
        InventoryError::Toml {
            file: file.to_owned(),
            line,
            wanted,
            message: error.message().to_owned(),
        }
    })
}
