//! What rebuilding costs that depends on a package, as `ironwright impact --json` said.
//!
//! Does not compare closures; `impact` does.

use std::path::Path;

use serde::Deserialize;

use crate::error::CliError;

/// The costs of overlays, each under its name.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Closures {
    overlays: Vec<Overlay>,
    together: Option<Cost>,
}

#[derive(Clone, Debug, Deserialize)]
struct Overlay {
    name: String,
    #[serde(flatten)]
    cost: Cost,
}

#[derive(Clone, Debug, Deserialize)]
struct Cost {
    seconds: Seconds,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Seconds {
    expected: f64,
}

impl Closures {
    /// Reads what `impact --json` printed.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| CliError::Read { path: path.to_owned(), error })?;
        serde_json::from_str(&text).map_err(|error| {
            CliError::usage(
                format!("{} is no report of an impact: {error}", path.display()),
                "write one: ironwright impact INSTALLABLE --json > impact.json",
            )
        })
    }

    /// Seconds for what depends on a package: those of the overlay of its name, else those of all.
    pub(crate) fn seconds(&self, package: Option<&str>) -> f64 {
        let own = self.overlays.iter().find(|overlay| Some(overlay.name.as_str()) == package);
        let cost = own.map(|overlay| &overlay.cost).or(self.together.as_ref());
        cost.map_or(0.0, |cost| cost.seconds.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_costs_what_its_overlay_does() {
        let text = r#"{"schema": 1, "overlays": [{"name": "zlib", "changed": 3,
            "seconds": {"min": 50.0, "expected": 60.0, "max": 80.0}}],
            "together": {"name": "all", "seconds": {"min": 1.0, "expected": 90.0, "max": 2.0}}}"#;
        let closures: Closures = serde_json::from_str(text).unwrap();
        let found = [Some("zlib"), Some("zstd"), None].map(|name| closures.seconds(name));
        assert_eq!(found.map(|seconds| format!("{seconds}")), ["60", "90", "90"]);
        assert!(Closures::default().seconds(None) < f64::EPSILON);
    }
}
