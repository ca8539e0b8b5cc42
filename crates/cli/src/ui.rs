//! What is printed: results on standard output, everything else on standard error.
//!
//! Does not know what is printed. A closed pipe is an ordinary end, so nothing here panics.

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use crate::error::CliError;

/// Headings of tables and sections.
pub(crate) const HEADING: Style = Style::new().bold();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// What is good.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What deserves a look.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Text in a style; printing removes the style where it is not wanted.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A result.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CliError::Output)
}

/// A value as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Something a user should know; lost without harm when nobody can read it.
pub(crate) fn note(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// A line that begins with `note:`.
pub(crate) fn remark(text: &str) {
    note(&format!("{} {text}\n", paint(HEADING, "note:")));
}

/// A line that begins with `warning:`.
pub(crate) fn warn(text: &str) {
    note(&format!("{} {text}\n", paint(WARN, "warning:")));
}

/// A line that begins with `error:`.
pub(crate) fn error(text: &str) {
    note(&format!("{} {text}\n", paint(BAD, "error:")));
}

/// A line that begins with `hint:`.
pub(crate) fn hint(text: &str) {
    note(&format!("{} {text}\n", paint(GOOD, "hint:")));
}

/// Whether snippets on standard error may be coloured.
pub(crate) fn styled() -> bool {
    match anstream::ColorChoice::global() {
        anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
        anstream::ColorChoice::Never => false,
        anstream::ColorChoice::Auto => {
            std::io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        }
    }
}
