//! What is tried: settings of the catalogue, alone and together, and builds that have them.
//!
//! Does not know what settings do, nor what is measured.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::nearest;
use crate::evidence::Change;
use crate::settings::catalogue;

/// Values of knobs, by their ids.
pub type Knobs = BTreeMap<String, String>;

/// One thing that is tried: a knob's value, or several that belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Treatment {
    /// The knobs.
    pub knobs: Knobs,
}

impl FromStr for Treatment {
    type Err = String;

    /// Reads `KNOB=VALUE`, or several with a `+` between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let knobs = text.split('+').map(setting).collect::<Result<Knobs, _>>()?;
        Ok(Self { knobs })
    }
}

/// Reads `KNOB=VALUE` of a knob that there is, with a value of its kind.
pub fn setting(text: &str) -> Result<(String, String), String> {
    let (id, value) =
        text.split_once('=').ok_or_else(|| format!("expected KNOB=VALUE, found \"{text}\""))?;
    let knob = catalogue::knob(id).ok_or_else(|| {
        match nearest(id, catalogue::knobs().map(|knob| knob.id)) {
            Some(near) => format!("there is no knob \"{id}\": did you mean \"{near}\"?"),
            None => format!("there is no knob \"{id}\": `ironwright settings` lists them"),
        }
    })?;
    let value = knob.kind.parse_text(value)?;
    Ok((id.to_owned(), value.display()))
}

impl Treatment {
    /// Whether both set a knob to different values, so that they cannot be had together.
    pub fn excludes(&self, other: &Self) -> bool {
        self.knobs.iter().any(|(id, value)| other.knobs.get(id).is_some_and(|own| own != value))
    }
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&label(&self.knobs))
    }
}

/// Settings as people name them: `-O3 -march=native`.
pub fn label(knobs: &Knobs) -> String {
    let one = |(id, value): (&String, &String)| match id.as_str() {
        "c-opt-level" => format!("-O{value}"),
        "c-march" => format!("-march={value}"),
        _ => format!("{id}={value}"),
    };
    // The level comes first, as it does on command lines.
    let mut all: Vec<_> = knobs.iter().collect();
    all.sort_by_key(|(id, _)| (*id != "c-opt-level", (*id).clone()));
    let all: Vec<_> = all.into_iter().map(one).collect();
    if all.is_empty() { "baseline".to_owned() } else { all.join(" ") }
}

/// A build that is made: what it has beyond the baseline.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Variant {
    /// Knobs that differ from the baseline's.
    pub knobs: Knobs,
    /// Flags of the compiler that no knob stands for: steps of a bundle that is taken apart.
    pub flags: Vec<String>,
}

impl Variant {
    /// The build that has several treatments; of treatments that exclude each other the last.
    pub fn of<'a>(treatments: impl IntoIterator<Item = &'a Treatment>) -> Self {
        let knobs = treatments.into_iter().flat_map(|treatment| treatment.knobs.clone()).collect();
        Self { knobs, flags: Vec::new() }
    }

    /// Whether nothing differs from the baseline.
    pub fn is_baseline(&self) -> bool {
        self.knobs.is_empty() && self.flags.is_empty()
    }

    /// Its name in tables.
    pub fn label(&self) -> String {
        let knobs = label(&self.knobs);
        match (self.flags.is_empty(), self.knobs.is_empty()) {
            (true, _) => knobs,
            (false, true) => self.flags.join(" "),
            (false, false) => format!("{knobs} {}", self.flags.join(" ")),
        }
    }

    /// What evidence of it is about; nothing where flags have no knob.
    pub fn change(&self, package: &str) -> Option<Change> {
        let has_one = self.flags.is_empty() && !self.knobs.is_empty();
        has_one.then(|| Change { package: Some(package.to_owned()), knobs: self.knobs.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn treatment(text: &str) -> Treatment {
        text.parse().unwrap()
    }

    #[test]
    fn treatments_are_settings_of_the_catalogue() {
        let both = treatment("c-march=native+c-opt-level=3");
        assert_eq!(both.to_string(), "-O3 -march=native");
        assert!("c-opt-lvl=3".parse::<Treatment>().unwrap_err().contains("did you mean"));
        assert!("c-opt-level=9".parse::<Treatment>().is_err());
        assert!("c-opt-level".parse::<Treatment>().is_err() && "".parse::<Treatment>().is_err());
    }

    #[test]
    fn values_of_one_knob_exclude_each_other() {
        let (native, level) = (treatment("c-march=native"), treatment("c-march=x86-64-v3"));
        assert!(native.excludes(&level) && !native.excludes(&native));
        assert!(!native.excludes(&treatment("c-opt-level=3")));
    }

    #[test]
    fn evidence_is_about_knobs_alone() {
        let variant = Variant::of(&[treatment("c-opt-level=3")]);
        assert_eq!(variant.change("zlib").unwrap().to_string(), "zlib: c-opt-level=3");
        let flags = vec!["-mavx512vl".to_owned()];
        assert_eq!(Variant { flags, ..variant }.change("zlib"), None);
        assert!(Variant::default().is_baseline() && Variant::default().label() == "baseline");
    }
}
