//! A frame as text, for pipes and logs.
//!
//! Does not know colours.

use super::draw::{Scene, draw};

/// Columns where nobody says how many there are.
const COLUMNS: usize = 120;

/// The frame, as wide as `COLUMNS` says and as long as it takes.
pub(crate) fn plain(scene: &Scene<'_>) -> String {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    of_width(scene, columns.unwrap_or(COLUMNS).clamp(40, 400))
}

fn of_width(scene: &Scene<'_>, columns: usize) -> String {
    let mut text = String::new();
    for line in draw(scene, columns, None) {
        let line: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
