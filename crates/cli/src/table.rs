//! Tables without frames, as wide as their contents.
//!
//! Does not know what the cells mean.

use comfy_table::Table;
use comfy_table::presets;

/// Rows of equal length under optional headings, indented by two spaces.
pub(crate) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if !headings.is_empty() {
        table.set_header(headings.iter().copied());
    }
    for row in rows {
        table.add_row(row);
    }
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(format!(" {line}").trim_end());
        out.push('\n');
    }
    out
}
